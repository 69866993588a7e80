"""The embedded scenes: shapes that a program lays on photographs, each with its box and its pixels.

Backgrounds are squares of the embedded photographs; two of those are held out whole. A shape is a disc, a square, a
triangle or a star in a random colour, turned at random; later ones cover earlier ones, and what is hidden by more than
half is neither boxed nor named. They stand in for photographs of things, and every report on them says so.
"""

import math
from functools import lru_cache

import numpy as np
import torch
from PIL import Image, ImageDraw
from torch import Tensor

from ..errors import SfumatoError
from ..seeds import derive
from .boxed import padded
from .dataset import ImageData, InMemory, Split, fingerprint
from .photographs import TEST, photographs

SIDE = 128
MAX_SIDE = 512
TRAINING, TESTING = 480, 120
SHAPES = ("disc", "square", "triangle", "star")
MOST = 4  # shapes in a scene
SMALLEST, LARGEST = 0.18, 0.5  # of the scene's side
CORNERS = {"disc": 64, "square": 4, "triangle": 3, "star": 10}
INNER = 0.4  # radius of a star's inner corners
OPACITY = 230
SEEN = 0.5  # of a shape that must not be covered
NOTICE = (
    "These scenes are shapes that a program lays on photographs: numbers measured on them cannot be compared with "
    "published ones."
)
NOTICE_ZH = "这里的场景是程序画在照片上的几何图形：其数值不能与发表值相比较。"
Scene = tuple[Tensor, list[str], list[tuple[float, float, float, float]]]


@lru_cache(maxsize=2)
def read_scenes(target: str, resolution: int = SIDE) -> ImageData:
    """480 training and 120 test scenes of `resolution` pixels square; always the same.

    `target`: `boxes`, of the four shapes, `masks`: of the background and the four shapes, or `labels`: they have none.
    Raises SfumatoError beyond MAX_SIDE pixels.
    """
    if resolution > MAX_SIDE:
        raise SfumatoError(f"resolution {resolution}: scenes are drawn with {MAX_SIDE} pixels a side at most")
    pictures = photographs()
    halves: list[list[Scene]] = []
    for count, held_out in ((TRAINING, False), (TESTING, True)):
        grounds = [picture for name, picture in pictures.items() if (name in TEST) == held_out]
        halves.append([_scene(grounds, resolution, derive(number, "scene", held_out)) for number in range(count)])
    splits, digest = [], []
    for half in halves:
        values = torch.stack([picture for picture, _, _ in half])
        boxes = padded([names for _, names, _ in half], [places for _, _, places in half], SHAPES)
        if target == "masks":
            splits.append(Split(InMemory(values), masked=True))
        else:
            colours = InMemory(values[:, :3].contiguous())
            splits.append(Split(colours, boxes=boxes if target == "boxes" else None))
        digest += [values, boxes]
    classes = {"boxes": SHAPES, "masks": ("background", *SHAPES)}.get(target, ())
    known = fingerprint(*digest, target)
    return ImageData("scenes", splits[0], splits[1], classes, known, NOTICE, notice_zh=NOTICE_ZH)


def _scene(grounds: list[Tensor], side: int, seed: int) -> Scene:
    """uint8 (4, side, side), colours and classes, and the names and boxes of the shapes in it."""
    random = np.random.default_rng(seed)
    ground = grounds[random.integers(len(grounds))]
    cut = int(random.integers(min(ground.shape[1:]) // 2, min(ground.shape[1:]) + 1))
    top, left = (int(random.integers(length - cut + 1)) for length in ground.shape[1:])
    values = ground[:, top : top + cut, left : left + cut].permute(1, 2, 0).numpy()
    picture = Image.fromarray(values).resize((side, side), Image.Resampling.LANCZOS)
    order = Image.new("L", picture.size)  # which shape a pixel belongs to, counted from 1
    names = [SHAPES[index] for index in random.integers(len(SHAPES), size=random.integers(1, MOST + 1))]
    areas = []
    for number, name in enumerate(names, 1):
        outline = _outline(name, side, random)
        whole = Image.new("L", picture.size)
        ImageDraw.Draw(whole).polygon(outline, fill=1)
        areas.append(int(np.asarray(whole).sum()))
        colour = tuple(int(value) for value in random.integers(0, 256, 3))
        ImageDraw.Draw(picture, "RGBA").polygon(outline, fill=(*colour, OPACITY))
        ImageDraw.Draw(order).polygon(outline, fill=number)
    numbers = np.asarray(order)
    mask = np.zeros_like(numbers)
    seen, places = [], []
    for number, (name, area) in enumerate(zip(names, areas, strict=True), 1):
        down, across = np.nonzero(numbers == number)
        if len(down) < SEEN * area:
            continue
        mask[down, across] = SHAPES.index(name) + 1
        seen.append(name)
        edges = across.min(), down.min(), across.max() + 1, down.max() + 1
        places.append(tuple(float(edge) / side for edge in edges))
    stacked = np.concatenate([np.asarray(picture), mask[..., None]], 2)
    return torch.from_numpy(stacked).permute(2, 0, 1).contiguous(), seen, places


def _outline(name: str, side: int, random: np.random.Generator) -> list[tuple[float, float]]:
    """The corners of a shape, wholly inside the scene."""
    radius = side * random.uniform(SMALLEST, LARGEST) / 2
    x, y = random.uniform(radius, side - radius, 2)
    turn, corners = random.uniform(0, 2 * math.pi), CORNERS[name]
    lengths = [radius * (INNER if name == "star" and index % 2 else 1.0) for index in range(corners)]
    angles = [turn + 2 * math.pi * index / corners for index in range(corners)]
    return [(x + r * math.cos(a), y + r * math.sin(a)) for r, a in zip(lengths, angles, strict=True)]
