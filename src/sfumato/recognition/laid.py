"""Anchors over a picture of one's own, without a run: where they lie, what they overlap, and which box each is given.

All that goes in and out is in pixels of the upright picture.
"""

from collections.abc import Sequence
from pathlib import Path

import torch

from ..data.jobs import read_file
from ..data.pictures import to_tensor
from ..errors import SfumatoError
from ..ops.anchors import assign, centred, cornered, overlaps_of, prior_sides
from ..reports.anchor_figures import anchor_boxes

LARGEST = 1600  # pixels of a picture that is drawn on
INCHES = 8.0
MOST, LIMIT = 100, 1000.0  # sizes or ratios, and how large or, by its inverse, small one may be
FARTHEST = 1e6  # pixels at which an edge may lie
Box = tuple[float, float, float, float]
HEAD = ("size", "ratio", "left", "top", "right", "bottom", "across", "down", "width", "height")


def lay_anchors(
    path: Path, sizes: Sequence[float], ratios: Sequence[float], at: tuple[float, float] | None, boxes: Sequence[Box],
    threshold: float,
) -> tuple[bytes, list[list[str]]]:  # fmt: skip
    """A PNG of the anchors around the pixel `at`, by default the middle one, and rows of cells: of each anchor its
    corner and its centre form, its overlap with each of `boxes`, and the number of the one that it is assigned to, from
    1. Sizes and ratios are those of `prior_sides`. Raises SfumatoError for a picture that cannot be read, and for
    numbers that make no anchor or no box of it."""
    picture, _ = read_file(path)
    for name, values in (("sizes", sizes), ("ratios", ratios)):
        if not 0 < len(values) <= MOST or not all(1 / LIMIT <= value <= LIMIT for value in values):
            given = " ".join(f"{value:g}" for value in values[:MOST])
            raise SfumatoError(f"--{name} {given}: must be {MOST} at most, between {1 / LIMIT:g} and {LIMIT:g}")
    x, y = at or (picture.width // 2, picture.height // 2)
    if not (0 <= x < picture.width and 0 <= y < picture.height):
        raise SfumatoError(f"--at {x:g} {y:g}: outside {path}, which is {picture.width}×{picture.height}")
    for box in boxes:
        if not (box[0] < box[2] <= FARTHEST and box[1] < box[3] <= FARTHEST and min(box) >= -FARTHEST):
            raise SfumatoError(f"--box {' '.join(f'{edge:g}' for edge in box)}: must be left, top, right, bottom")
    if not 0 < threshold < 1:
        raise SfumatoError(f"--threshold {threshold:g}: must lie between 0 and 1")
    sides = prior_sides(sizes, ratios) * picture.height
    anchors = cornered(torch.cat([(torch.tensor([x, y]) + 0.5).expand(len(sides), 2), sides], 1))
    known = torch.tensor(boxes).view(-1, 4)
    overlaps = overlaps_of(anchors, known)
    assigned = assign(known[None], torch.arange(len(known))[None], anchors, threshold)[0].tolist()
    shapes = [(size, ratios[0]) for size in sizes] + [(sizes[0], ratio) for ratio in ratios[1:]]
    rows = [[*HEAD, *(f"with {number}" for number in range(1, len(boxes) + 1)), "assigned"]]
    for shape, corners, centre, row, owner in zip(
        shapes, anchors.tolist(), centred(anchors).tolist(), overlaps.tolist(), assigned, strict=True
    ):
        own = [f"{owner + 1}"] if owner >= 0 else ["–"]
        rows.append([*(f"{part:g}" for part in shape), *(f"{part:.1f}" for part in (*corners, *centre)),
                     *(f"{part:.3f}" for part in row), *own])  # fmt: skip
    words = [*(f"{number}" for number in range(1, len(boxes) + 1)),
             *(f"{size:g}, {ratio:g}" + (f": {max(row):.2f}" if row else "")
               for (size, ratio), row in zip(shapes, overlaps.tolist(), strict=True))]  # fmt: skip
    shares = torch.cat([known, anchors]) / torch.tensor(picture.size * 2)
    picture.thumbnail((LARGEST, LARGEST))
    groups = [*range(len(boxes)), *assigned] if boxes else range(len(anchors))
    return anchor_boxes(to_tensor(picture).float() / 255, shares, words, groups, len(boxes), INCHES), rows
