"""The embedded styles: pictures that a program draws, in four manners, from a seed.

`strokes` follow a flow field, `glass` is a leaded window of flat colours, `points` are dots of scattered colour,
`blocks` a grid of thick lines and bare colours. They are nobody's work and may be shown anywhere; they stand in where
there are no paintings, and every report on them says so.
"""

from collections.abc import Callable

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image, ImageDraw

from ..seeds import derive
from .dataset import ImageData, InMemory, Split, fingerprint
from .pictures import to_tensor

SIDE = 256
TRAIN, TEST = 12, 3  # pictures in each manner
FINER = 2  # drawn at this many times the size, then shrunk
MAX_SIDE = 1024
NOTICE = (
    "These styles are drawn by a program, not painted: numbers measured on them cannot be compared with published ones."
)
NOTICE_ZH = "这里的风格图是程序画出来的，不是画作：其数值不能与发表值相比较。"
PALETTES = (
    ("#1d3557", "#457b9d", "#a8dadc", "#f1faee", "#e63946"),
    ("#264653", "#2a9d8f", "#e9c46a", "#f4a261", "#e76f51"),
    ("#03071e", "#6a040f", "#d00000", "#f48c06", "#ffba08"),
    ("#2d3142", "#4f5d75", "#bfc0c0", "#ffffff", "#ef8354"),
    ("#132a13", "#31572c", "#4f772d", "#90a955", "#ecf39e"),
    ("#10002b", "#3c096c", "#7b2cbf", "#c77dff", "#ffd6ff"),
    ("#582f0e", "#7f4f24", "#a68a64", "#c2c5aa", "#414833"),
    ("#0d1b2a", "#1b4965", "#5fa8d3", "#cae9ff", "#ffd166"),
)
Colours = list[tuple[int, int, int]]


def read_paintings(resolution: int = SIDE) -> ImageData:
    """12 training and 3 test pictures in each manner, uint8 (n, 3, resolution, resolution), labelled by it."""
    drawn = [
        to_tensor(painting(manner, seed, min(resolution, MAX_SIDE)))
        for manner in MANNERS
        for seed in range(TRAIN + TEST)
    ]
    images = torch.stack(drawn)
    labels = torch.arange(len(MANNERS)).repeat_interleave(TRAIN + TEST)
    is_test = torch.arange(len(images)) % (TRAIN + TEST) >= TRAIN
    train, test = (Split(InMemory(images[part]), labels[part]) for part in (~is_test, is_test))
    return ImageData("paintings", train, test, tuple(MANNERS), fingerprint(images), NOTICE, notice_zh=NOTICE_ZH)


def painting(manner: str, seed: int, side: int = SIDE) -> Image.Image:
    """A square `RGB` picture in one of `MANNERS`; always the same for the same `manner`, `seed` and `side`."""
    random = np.random.default_rng(derive(seed, "painting", manner))
    codes = PALETTES[random.integers(len(PALETTES))]
    colours = [(int(code[1:3], 16), int(code[3:5], 16), int(code[5:7], 16)) for code in codes]
    return MANNERS[manner](FINER * side, colours, random).resize((side, side), Image.Resampling.LANCZOS)


def _strokes(side: int, colours: Colours, random: np.random.Generator) -> Image.Image:
    """Bent thick lines along a smooth field of directions, coloured by where they lie."""
    canvas = Image.new("RGB", (side, side), colours[0])
    draw = ImageDraw.Draw(canvas)
    field, tone = _smooth(4, side, random), _smooth(3, side, random)
    for count, width in ((600, side // 24), (1800, side // 64)):
        for x, y, length, shift in random.random((count, 4)):
            points = [(x * side, y * side)]
            for _ in range(5):
                angle = 4 * np.pi * field[_cell(points[-1][1], side), _cell(points[-1][0], side)]
                step = side / 50 * (0.5 + length)
                points.append((points[-1][0] + step * np.cos(angle), points[-1][1] + step * np.sin(angle)))
            level = tone[_cell(y * side, side), _cell(x * side, side)] + 0.3 * (shift - 0.5)
            draw.line(points, _mixed(colours, level), width, joint="curve")
    return canvas


def _glass(side: int, colours: Colours, random: np.random.Generator) -> Image.Image:
    """Cells of flat colour around scattered points, with dark lead between them."""
    from sklearn.neighbors import KDTree

    count = int(random.integers(40, 160))
    fills = np.array([_mixed(colours, level) for level in random.random(count)])
    places = np.stack(np.meshgrid(np.arange(side), np.arange(side), indexing="ij"), -1).reshape(-1, 2)
    distances, cells = KDTree(side * random.random((count, 2))).query(places, k=2)
    lead = distances[:, 1] - distances[:, 0] < side / 80
    shaded = fills[cells[:, 0]] * (1 - 0.3 * distances[:, :1] / distances[:, :1].max())
    return Image.fromarray(np.where(lead[:, None], 20, shaded).reshape(side, side, 3).astype(np.uint8))


def _points(side: int, colours: Colours, random: np.random.Generator) -> Image.Image:
    """Dots on a pale ground; each takes its colour from its place, give or take."""
    canvas = Image.new("RGB", (side, side), _mixed([*colours, (255, 255, 255)], 0.9))
    draw = ImageDraw.Draw(canvas)
    tone, radius = _smooth(4, side, random), side / random.uniform(70, 130)
    for x, y, size, shift in random.random((9000, 4)):
        reach = radius * (0.6 + 0.6 * size)
        level = tone[_cell(y * side, side), _cell(x * side, side)] + 0.5 * (shift - 0.5)
        draw.ellipse((x * side - reach, y * side - reach, x * side + reach, y * side + reach), _mixed(colours, level))
    return canvas


def _blocks(side: int, colours: Colours, random: np.random.Generator) -> Image.Image:
    """Rectangles cut from rectangles, some coloured, with thick dark lines between them."""
    canvas = Image.new("RGB", (side, side), (245, 240, 228))
    draw = ImageDraw.Draw(canvas)
    boxes = [(0, 0, side, side)]
    for _ in range(int(random.integers(14, 40))):
        left, top, right, bottom = boxes.pop(int(np.argmax([(box[2] - box[0]) * (box[3] - box[1]) for box in boxes])))
        share = random.uniform(0.25, 0.75)
        if right - left > bottom - top:
            cut = round(left + share * (right - left))
            boxes += [(left, top, cut, bottom), (cut, top, right, bottom)]
        else:
            cut = round(top + share * (bottom - top))
            boxes += [(left, top, right, cut), (left, cut, right, bottom)]
    line = int(side / random.uniform(40, 90))
    for box in boxes:
        fill = colours[int(random.integers(len(colours)))] if random.random() < 0.6 else None
        draw.rectangle(box, fill, (15, 15, 18), line)
    return canvas


MANNERS: dict[str, Callable[[int, Colours, np.random.Generator], Image.Image]] = {
    "strokes": _strokes,
    "glass": _glass,
    "points": _points,
    "blocks": _blocks,
}


def _smooth(cells: int, side: int, random: np.random.Generator) -> NDArray[np.float32]:
    """(side, side) values in [0, 1] that change slowly: random numbers on a coarse grid, enlarged."""
    coarse = Image.fromarray(random.random((cells, cells)).astype(np.float32))
    return np.clip(np.asarray(coarse.resize((side, side), Image.Resampling.BICUBIC)), 0, 1)


def _cell(place: float, side: int) -> int:
    return int(min(max(place, 0), side - 1))


def _mixed(colours: Colours, level: float) -> tuple[int, int, int]:
    """The colour at `level` in [0, 1] along the palette."""
    place = min(max(level, 0.0), 0.999) * (len(colours) - 1)
    first, second = colours[int(place)], colours[int(place) + 1]
    share = place % 1
    red, green, blue = (round((1 - share) * a + share * b) for a, b in zip(first, second, strict=True))
    return red, green, blue
