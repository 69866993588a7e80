"""What the restyle study measures: pictures that networks restyle, the textbook's optimisation, both against each other."""

import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from ...data.dataset import ImageData, spread
from ...data.photographs import photographs
from ...data.pictures import to_bytes, to_picture, to_tensor
from ...data.reader import PictureReader, open_files
from ...data.sources import SOURCES
from ...nets.encoders import EncoderName, build_encoder
from ...ops.style_losses import checker_share, patch_distance
from ...style.adain import STYLE
from ...style.gatys import Canvas, Objective, Recipe, paint, recipe_for
from ...style.measures import test_pairs
from ...style.network import shipped
from ...style.options import Options, options_for
from ...style.painter import Painter, painter_for
from ...style.restyle import Styles
from ...style.video import Shown, carry, follow
from ...weights.known import is_here
from ..study import Lab, Measured

TILE = 1024
SNAPSHOTS = (10, 50, 80, 100)  # per cent of the training
STRENGTHS = (0.0, 0.2, 0.3, 0.5, 0.6, 0.8, 0.9, 1.0)
CORNERS = 5  # pictures along a side of the square of blends
PAINTED = {True: (300, 450, 500), False: (160, 240, 100)}  # height, width, steps of the textbook's optimisation
SHOWN_EVERY = {True: 50, False: 20}
MARKS = {True: (10, 25, 50, 75, 100, 150, 200, 300, 500), False: (10, 25, 50)}  # steps at which Gatys is measured
PAIRS = {True: 10, False: 2}  # contents, and as many styles
AT_ONCE = 10  # pairs that are optimised side by side
RATE = 0.03
SHEET = {True: (8, 6), False: (4, 3)}  # contents and styles that the shipped network is shown with
METHODS: Mapping[str, Mapping[str, Any]] = {"fine": {"preset": "fine"}, "strokes": {"method": "gatys"}}
PATCH, SCALES, DIRECTIONS = 5, 3, 64  # of the distance between patches
SEED = 0
COHERENCE = Options.coherence
SAME_LOSSES = Recipe(content_layers=("relu4_1",), style_layers=STYLE, layer_weights=(1.0,) * 4, content="relative",
                     style="moments", learning_rate=RATE)  # fmt: skip
SPEED_SIDES = (256, 512)
FRAMES = {True: 24, False: 6}
COURSE_CONTENT, COURSE_STYLE = "cornell.jpg", "woman_with_hat_matisse.jpg"


@dataclass(frozen=True)
class Pictures:
    """What the networks make, in rows of images: a pair and its restyling after each of `SNAPSHOTS`; photographs by the
    network trained here and by the shipped one, with their style; one at each of `STRENGTHS`; a square of blends."""

    snapshots: Tensor
    photographs: tuple[Tensor, Tensor, Tensor]
    style: Tensor
    strengths: Tensor
    corners: Sequence[Tensor]


@dataclass(frozen=True)
class Painted:
    """A picture by optimisation: its size and seconds, whether by VGG-19, its terms at each step, weighted, and the
    picture after some numbers of steps."""

    height: int
    width: int
    seconds: float
    vgg: bool
    terms: Mapping[str, Sequence[float]]
    shown: Mapping[int, Tensor]


@dataclass(frozen=True)
class Paint:
    """Some contents in some styles by the shipped network: a row a content, (styles, 3, h, w); and one pair as each
    method paints it, with its seconds and what needs no network to be measured."""

    contents: Tensor
    styles: Tensor
    rows: Sequence[Tensor]
    by_method: Mapping[str, Tensor]
    seconds: Mapping[str, float]
    measured: Mapping[str, Mapping[str, float]]


@dataclass(frozen=True)
class Race:
    """Mean content and style loss over `pairs` held-out pairs: of one pass, and after steps of optimisation; the seconds
    of a pass, with its style, and of all steps, for one picture."""

    pairs: int
    passed: tuple[float, float]
    by_step: Mapping[int, tuple[float, float]]
    pass_seconds: float
    steps_seconds: float


@dataclass(frozen=True)
class Filmed:
    """Some of `count` frames, as filmed and as shown, and the warp errors of all: coherent, and each for itself."""

    count: int
    filmed: Tensor
    shown: Tensor
    coherent: float
    alone: float


@dataclass(frozen=True, kw_only=True)
class Restyle(Measured):
    """`speeds`: pictures a second, by side."""

    styles: ImageData
    pictures: Pictures
    paint: Paint
    painted: Painted
    race: Race
    speeds: Mapping[int, float]
    film: Filmed


def measure(lab: Lab) -> Restyle:
    data, full, runtime = lab.data, lab.settings.full, lab.runtime
    assert data.second is not None
    learning = [painter_for(_restyler(lab, percent), runtime, TILE) for percent in SNAPSHOTS]
    own, given = learning[-1], painter_for(shipped(), runtime, TILE)
    best = own if full else given
    contents = data.test.images(range(min(PAIRS[full], len(data.test))))
    styles = data.second.test.images(spread(len(data.second.test), 4))
    return Restyle(
        data=data,
        full=full,
        runs=lab.finished(),
        styles=data.second,
        pictures=draw(lab, learning, given, best, contents, styles),
        paint=paint_all(lab, given),
        painted=optimise(lab, styles[0]),
        race=compete(lab, own),
        speeds={side: speed(best, contents[0], styles[0], side) for side in SPEED_SIDES},
        film=film(best, styles[2], FRAMES[full], data.shape[1]),
    )


def _restyler(lab: Lab, percent: int) -> Any:
    system: Any = lab.runs["adain"].snapshot(percent)
    return system.restyler


def draw(
    lab: Lab, learning: Sequence[Painter], given: Painter, best: Painter, contents: Tensor,
    styles: Tensor,
) -> Pictures:  # fmt: skip
    pair = course_pair(lab, contents[0], styles[0])
    photographed = contents[:2]
    own, theirs = (
        torch.stack([restyled(by, content, styles[0]) for content in photographed]) for by in (learning[-1], given)
    )
    return Pictures(
        torch.stack([*pair, *(restyled(by, *pair) for by in learning)]),
        (photographed, own, theirs),
        styles[0],
        torch.stack([restyled(best, contents[0], styles[1], strength) for strength in STRENGTHS]),
        blend_corners(best, contents[-1], styles),
    )


def course_pair(lab: Lab, content: Tensor, style: Tensor) -> tuple[Tensor, Tensor]:
    """The course's own pictures where the data has them; else the given ones."""
    side = lab.data.shape[1]
    own_content, own_style = (
        named(source, name, side)
        for source, name in zip(lab.settings.source, (COURSE_CONTENT, COURSE_STYLE), strict=True)
    )
    return content if own_content is None else own_content, style if own_style is None else own_style


def named(source: str, name: str, side: int) -> Tensor | None:
    """The central square of the picture called `name` in a folder or zip, if there is one."""
    if source in SOURCES:
        return None
    files, under = open_files(Path(source).expanduser())
    found = next((file for file in files.names() if file.startswith(under) and file.rsplit("/", 1)[-1] == name), None)
    return None if found is None else PictureReader(files, 3, side).read(found).float() / 255


def restyled(by: Painter, content: Tensor, style: Tensor, alpha: float = 1.0) -> Tensor:
    """`content` in `style`, (3, h, w) in [0, 1] all three."""
    return painted(by, content, [style], [1.0], alpha)


def painted(
    by: Painter, content: Tensor, styles: Iterable[Tensor], shares: Sequence[float], alpha: float = 1.0
) -> Tensor:
    made = by.paint(_bytes(content), [_bytes(style) for style in styles], shares, alpha, SEED, lambda: None)
    return made[0] / 255


def blend_corners(by: Painter, content: Tensor, styles: Tensor) -> list[Tensor]:
    """Rows of a square of restyled pictures, with one of four styles in each corner."""
    along, rows = [place / (CORNERS - 1) for place in range(CORNERS)], []
    for y in along:
        shares = [((1 - x) * (1 - y), x * (1 - y), (1 - x) * y, x * y) for x in along]
        rows.append(torch.stack([painted(by, content, styles, share) for share in shares]))
    return rows


def paint_all(lab: Lab, given: Painter) -> Paint:
    data, full = lab.data, lab.settings.full
    assert data.second is not None
    contents, styles = (
        split.images(split.spread(count))
        for split, count in zip((data.test, data.second.test), SHEET[full], strict=True)
    )
    rows = [torch.stack([restyled(given, content, style) for style in styles]) for content in contents]
    content, style = contents[0], styles[0]
    made, seconds = {"content": content, "style": style, "network": rows[0][0]}, {}
    for name, options in METHODS.items():
        began = time.monotonic()
        chosen = options_for(style_size=None, seed=lab.settings.seed, **options)
        laid = Styles([to_picture(style)], chosen, lab.runtime).lay(to_picture(content))
        made[name], seconds[name] = to_tensor(laid).float() / 255, time.monotonic() - began
    directions = torch.nn.functional.normalize(
        torch.randn(DIRECTIONS, 3 * PATCH**2, generator=torch.Generator().manual_seed(lab.settings.seed)), dim=1
    )
    measured = {
        name: {
            "patches": float(patch_distance(picture[None], style[None], directions, SCALES)),
            "texture": float(patch_distance(picture[None], style[None], directions, SCALES, centred=True)),
            "checkers": float(checker_share(picture[None]) / checker_share(style[None])),
        }
        for name, picture in made.items()
        if name != "style"
    }
    return Paint(contents, styles, rows, made, seconds, measured)


def optimise(lab: Lab, style: Tensor) -> Painted:
    """The textbook's recipe, by VGG-19, as the textbook has it, where its weights are; else by our encoder."""
    full = lab.settings.full
    height, width, steps = PAINTED[full]
    name: EncoderName = "vgg19" if is_here("vgg19") else "sfumato"
    encoder = build_encoder(name).load()
    content = _resized(photographs()["china"].float() / 255, (height, width))
    recipe = recipe_for("d2l", encoder, steps=steps)
    weights = {"content": recipe.content_weight, "style": recipe.style_weight, "variation": recipe.smoothness}
    terms: dict[str, list[float]] = {key: [] for key in weights}
    shown = {}
    began = time.monotonic()
    style = _resized(style, (height, height))
    for tick in paint(content[None], [style[None]], encoder, recipe, lab.runtime, seed=lab.settings.seed):
        for key, values in terms.items():
            values.append(weights[key] * float(tick.scalars[key]))
        if tick.images % SHOWN_EVERY[full] == 0:
            shown[tick.images] = tick.canvas.image[0].cpu()
    return Painted(height, width, time.monotonic() - began, name == "vgg19", terms, shown)


def compete(lab: Lab, own: Painter) -> Race:
    """The network trained here against optimisation under the losses that it was trained on, on held-out pairs."""
    runtime, marks = lab.runtime, MARKS[lab.settings.full]
    contents, styles = test_pairs(lab.data, PAIRS[lab.settings.full])
    measured: dict[int, list[tuple[float, float]]] = {step: [] for step in marks}
    passed: list[tuple[float, float]] = []
    of_steps = of_passes = 0.0
    for content, style in zip(contents.split(AT_ONCE), styles.split(AT_ONCE), strict=True):
        content, style = (images.to(runtime.device) for images in (content, style))
        with runtime.autocast():
            objective = Objective(own.tiled.restyler.encoder, SAME_LOSSES, content, [style], [1.0])
        began = time.monotonic()
        pairs = zip(content, style, strict=True)
        output = torch.stack([restyled(own, *pair) for pair in pairs]).to(runtime.device)
        of_passes += time.monotonic() - began
        passed += [_losses(objective, output)] * len(content)
        canvas = Canvas(content, SAME_LOSSES)
        began, measuring = time.monotonic(), 0.0
        for step in range(1, marks[-1] + 1):
            canvas.step(objective, runtime)
            if step in measured:
                runtime.wait()
                now = time.monotonic()
                measured[step] += [_losses(objective, canvas.image)] * len(content)
                measuring += time.monotonic() - now
        of_steps += time.monotonic() - began - measuring
    by_step = {step: _mean(pairs) for step, pairs in measured.items()}
    count = len(contents)
    return Race(count, _mean(passed), by_step, of_passes / count, of_steps / count)


def _losses(objective: Objective, images: Tensor) -> tuple[float, float]:
    with torch.no_grad():
        scalars = objective(images)
    return float(scalars["content"]), float(scalars["style"])


def _mean(pairs: Sequence[tuple[float, float]]) -> tuple[float, float]:
    return sum(pair[0] for pair in pairs) / max(1, len(pairs)), sum(pair[1] for pair in pairs) / max(1, len(pairs))


def speed(by: Painter, content: Tensor, style: Tensor, side: int) -> float:
    """Pictures of `side`² per second, the style encoded each time."""
    picture = _resized(content, (side, side))
    restyled(by, picture, style)
    began = time.monotonic()
    restyled(by, picture, style)
    return 1 / (time.monotonic() - began)


def film(by: Painter, style: Tensor, count: int, side: int) -> Filmed:
    """A window that moves over a photograph, its frames restyled coherently."""
    picture = photographs()["rocket"].float() / 255
    filmed = [picture[:, 60 : 60 + side, 4 * index : 4 * index + int(1.5 * side)] for index in range(count)]
    before: Shown | None = None
    shown, errors = [], []
    for frame in filmed:
        alone = restyled(by, frame, style)
        carried = carry(frame, before) if before else None
        before, error = follow(frame, alone, before, carried, COHERENCE)
        shown.append(before.output)
        if error.shown is not None and error.alone is not None:
            errors.append((error.shown, error.alone))
    chosen = spread(count, 4).tolist()
    first, last = (torch.stack([frames[index] for index in chosen]) for frames in (filmed, shown))
    return Filmed(count, first, last, *_mean(errors))


def _bytes(image: Tensor) -> Tensor:
    """uint8 (1, 3, h, w) on the CPU from (3, h, w) in [0, 1]."""
    return to_bytes(image)[None]


def _resized(image: Tensor, size: tuple[int, int]) -> Tensor:
    """(3, h, w) in [0, 1], its largest central part of the shape of `size`, in that size."""
    height, width = image.shape[1:]
    scale = min(height / size[0], width / size[1])
    tall, wide = round(size[0] * scale), round(size[1] * scale)
    top, left = (height - tall) // 2, (width - wide) // 2
    part = image[None, :, top : top + tall, left : left + wide]
    return torch.nn.functional.interpolate(part, size=size, mode="bicubic", antialias=True)[0].clamp(0, 1)
