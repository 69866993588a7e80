"""Outlines of objects: polygons, and runs of pixels as COCO and CVAT have them; drawn as masks.

Runs (https://github.com/cocodataset/cocoapi, `maskApi`) count pixels down the columns, of background and object in
turn.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw

from ..errors import SfumatoError
from .pictures import MAX_PIXELS

Polygon = tuple[float, ...]  # x and y of each corner in turn, in pixels
Shape = tuple[int, int]  # height and width
Mask = NDArray[np.bool_]


@dataclass(frozen=True)
class Runs:
    """`counts` of pixels that are not of the object and that are, in turn; down the columns of a picture of `shape`, or
    along the rows; `corner`: the left and top of that in the whole picture."""

    counts: tuple[int, ...]
    shape: Shape
    down: bool = True
    corner: tuple[int, int] = (0, 0)

    def mask(self) -> Mask:
        """(h, w). Raises SfumatoError if the counts are not those of the shape."""
        self.check()
        flat = np.repeat(np.arange(len(self.counts)) % 2 == 1, self.counts)
        return flat.reshape(self.shape, order="F" if self.down else "C")

    def box(self) -> tuple[int, int, int, int]:
        """Left, top, right and bottom, within `shape`. Raises SfumatoError as `mask` does, or if nothing is inside."""
        self.check()
        side = self.shape[0 if self.down else 1]  # pixels of a column, or of a row
        ends = np.cumsum(self.counts)
        filled = np.flatnonzero(np.asarray(self.counts[1::2]))
        if not len(filled):
            raise SfumatoError("an outline without a pixel")
        first, last = ends[::2][filled], ends[1::2][filled] - 1
        lines = int(first[0] // side), int(last[-1] // side) + 1
        whole = bool((first // side != last // side).any())  # it goes on in the next column, from its beginning
        along = (0, side) if whole else (int((first % side).min()), int((last % side).max()) + 1)
        (left, right), (top, bottom) = (lines, along) if self.down else (along, lines)
        return left, top, right, bottom

    def check(self) -> None:
        """Raises SfumatoError if the counts are not those of the shape, or too many."""
        height, width = self.shape
        whole = all(isinstance(count, int) for count in self.counts)
        if not whole or min(self.counts, default=0) < 0 or sum(self.counts) != height * width:
            raise SfumatoError(f"runs of {sum(self.counts)} pixels for {width}×{height}")
        if height * width > MAX_PIXELS:
            raise SfumatoError(f"runs for {width}×{height}: more than {MAX_PIXELS // 1_000_000} megapixels")


Outline = tuple[Polygon, ...] | Runs


def box_of(outline: Outline) -> tuple[float, float, float, float]:
    """Left, top, right and bottom of all that is inside. Raises SfumatoError if nothing is."""
    if isinstance(outline, Runs):
        (left, top), box = outline.corner, outline.box()
        return left + box[0], top + box[1], left + box[2], top + box[3]
    across, down = (np.concatenate([part[start::2] for part in outline]) for start in (0, 1))
    return float(across.min()), float(down.min()), float(across.max()), float(down.max())


def drawn(outline: Outline, size: tuple[float, float], shape: Shape) -> Mask:
    """The pixels (h, w) of a picture of `shape` that are inside, of an outline drawn in one of `size`, width and
    height."""
    height, width = shape
    canvas = Image.new("1", (width, height))
    if isinstance(outline, Runs):
        if size[0] * size[1] > MAX_PIXELS:
            raise SfumatoError(f"{size[0]:g}×{size[1]:g} pixels: more than {MAX_PIXELS // 1_000_000} megapixels")
        whole = Image.new("1", (round(size[0]), round(size[1])))
        whole.paste(Image.fromarray(outline.mask()), outline.corner)
        return np.array(whole.resize((width, height), Image.Resampling.NEAREST))
    across, down = width / size[0], height / size[1]
    for polygon in outline:
        corners = [(x * across, y * down) for x, y in zip(polygon[::2], polygon[1::2], strict=True)]
        ImageDraw.Draw(canvas).polygon(corners, fill=1, outline=1)
    return np.array(canvas)


def polygons(parts: Sequence[Sequence[float]]) -> Outline | None:
    """Those of three corners and more; None if there is none."""
    found = tuple(tuple(map(float, part)) for part in parts if len(part) >= 6 and len(part) % 2 == 0)
    return found or None


def uncompressed(text: str) -> tuple[int, ...]:
    """COCO's counts as text: groups of 5 bits, the 6th says that more follow; from the third on, differences to the
    count two places before."""
    counts: list[int] = []
    place = 0
    while place < len(text):
        value, shift, more = 0, 0, True
        while more:
            if place >= len(text) or not 48 <= ord(text[place]) < 112:
                raise SfumatoError("runs that are cut short or damaged")
            bits = ord(text[place]) - 48
            value |= (bits & 31) << shift
            more = bool(bits & 32)
            shift += 5
            place += 1
            if not more and bits & 16:
                value |= -1 << shift
        counts.append(value + counts[-2] if len(counts) > 2 else value)
    return tuple(counts)
