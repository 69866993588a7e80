"""What a data set holds: pictures and objects of each class in each half, sizes, examples, and what was left out.

The first thing to look at before a training: half of what goes wrong there is wrong here.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor
from torch.nn import functional as F

from ..data.dataset import VOID, ImageData, LeftOut, Split
from ..data.halves import HALVES
from ..errors import SfumatoError
from ..files import write_bytes
from ..reports.document import Report
from ..reports.figures import captioned
from ..reports.overlays import boxed, coloured

EXAMPLES = 16
SIDE = 256  # pixels of a drawn example
AT_ONCE = 256  # pictures
SHOWN = 5  # examples of a problem
VARYING = re.compile(r"'[^']*'|[-+]?\d[\d.,]*|nan|inf")
WORDS = {"train": "training", "valid": "validation", "test": "test"}


@dataclass(frozen=True)
class Half:
    """One part of a set: its pictures, and for each class how many pictures are of it, how many objects there are, or
    which share of the known pixels it has."""

    pictures: int
    classes: Mapping[str, float]
    empty: int = 0  # pictures without an object


@dataclass(frozen=True)
class Problem:
    """Files that were left out for one kind of reason: how many, the first one's reason, and the first few."""

    count: int
    reason: str
    examples: Sequence[str]


@dataclass(frozen=True)
class Survey:
    halves: Mapping[str, Half]
    unit: str  # of the numbers of classes
    problems: Sequence[Problem]
    shape: tuple[int, int, int]
    boxes: Mapping[str, float]  # shorter sides of boxes as shares of the picture's: smallest, median, largest


def survey(data: ImageData) -> Survey:
    """Counts what an opened set holds."""
    splits = {half: split for half in HALVES if (split := getattr(data, half)) is not None}
    unit = "pixels" if data.train.masked else "objects" if data.train.boxes is not None else "pictures"
    halves = {half: _count(split, data.classes) for half, split in splits.items()}
    boxes = [split.boxes for split in splits.values() if split.boxes is not None]
    sides = torch.cat([_sides(rows) for rows in boxes]).sort().values if boxes else torch.empty(0)
    spread = {"smallest": 0, "median": len(sides) // 2, "largest": -1} if len(sides) else {}
    found = {word: float(sides[place]) for word, place in spread.items()}
    return Survey(halves, unit, problems(data.left_out), data.shape, found)


def problems(left_out: Sequence[LeftOut]) -> list[Problem]:
    """`left_out` by kind: reasons that differ in numbers and names alone are one."""
    groups: dict[str, list[LeftOut]] = {}
    for item in left_out:
        groups.setdefault(VARYING.sub("…", item.reason), []).append(item)
    ordered = sorted(groups.values(), key=len, reverse=True)
    return [Problem(len(group), group[0].reason, [item.file for item in group[:SHOWN]]) for group in ordered]


def _sides(rows: Tensor) -> Tensor:
    kept = rows[rows[..., 0] >= 0]
    return torch.minimum(kept[:, 3] - kept[:, 1], kept[:, 4] - kept[:, 2])


def _count(split: Split, classes: Sequence[str]) -> Half:
    if split.boxes is not None:
        numbers = split.boxes[..., 0]
        counts = torch.bincount(numbers[numbers >= 0].long(), minlength=len(classes))
        return Half(len(split), _by_name(classes, counts.tolist()), int((numbers < 0).all(1).sum()))
    if split.masked:
        pixels = torch.zeros(VOID + 1, dtype=torch.int64)
        for index in range(len(split)):
            pixels += torch.bincount(split.pictures.whole(index)[-1].flatten(), minlength=VOID + 1)
        known = pixels[:VOID].sum().clamp(min=1)
        return Half(len(split), _by_name(classes, (pixels[: len(classes)] / known).tolist()))
    if split.labels is not None:
        counts = torch.bincount(split.labels, minlength=len(classes))
        return Half(len(split), _by_name(classes, counts.tolist()))
    return Half(len(split), {})


def _by_name(classes: Sequence[str], values: Sequence[float]) -> dict[str, float]:
    return dict(zip(classes, values, strict=True))


def in_lines(found: Survey) -> list[str]:
    """The counts and the problems, for a terminal."""
    names = list(next(iter(found.halves.values())).classes)
    lines = list[str]()
    if names:
        wide = max(map(len, (*names, found.unit))) + 2
        lines.append(f"{found.unit:<{wide}}" + "".join(f"{WORDS[half]:>12}" for half in found.halves))
        for name in names:
            cells = (half.classes[name] for half in found.halves.values())
            lines.append(f"{name:<{wide}}" + "".join(f"{_cell(value, found.unit):>12}" for value in cells))
    for half, counts in found.halves.items():
        if counts.empty:
            lines.append(f"{counts.empty:,} {WORDS[half]} pictures without an object: background")
    if found.boxes:
        sides = ", ".join(f"{word} {share:.1%}" for word, share in found.boxes.items())
        lines.append(f"shorter sides of boxes, of the picture's: {sides}")
    return [*lines, *problem_lines(found.problems)]


def problem_lines(found: Sequence[Problem]) -> list[str]:
    """A line for each kind of problem."""
    lines = []
    for problem in found:
        more = ", ..." if problem.count > len(problem.examples) else ""
        lines.append(f"left out: {problem.count:,}: {problem.reason} ({', '.join(problem.examples)}{more})")
    return lines


def _cell(value: float, unit: str) -> str:
    return f"{value:.2%}" if unit == "pixels" else f"{value:,}"


def examples(data: ImageData, count: int = EXAMPLES) -> bytes:
    """A PNG of training images, with what is known of each drawn on it."""
    split = data.train
    drawn, words = [], []
    for index in split.spread(count).tolist():
        picture, mask = split.parted(split.pictures.whole(index)[None])
        image = picture[0].float().expand(3, -1, -1) / 255
        word = ""
        if split.boxes is not None:
            rows = split.boxes[index]
            rows = rows[rows[:, 0] >= 0]
            image = boxed(_enlarged(image), rows[:, 1:], rows[:, 0].long(), data.classes)
            word = f"{len(rows)} object{'s' * (len(rows) != 1)}"
        elif mask is not None:
            image = coloured(image, mask[0], data.classes, data.palette)
            there = [name for number, name in enumerate(data.classes) if (mask == number).any()]
            word = ", ".join(there[:SHOWN]) + (", ..." if len(there) > SHOWN else "")
        elif split.labels is not None:
            word = data.classes[int(split.labels[index])]
        drawn.append(_squared(_enlarged(image)))
        words.append(word)
    return captioned(torch.stack(drawn), words, columns=4)


def _enlarged(image: Tensor) -> Tensor:
    """(3, h, w) with a longer side of SIDE."""
    height, width = image.shape[-2:]
    size = [max(1, round(side * SIDE / max(height, width))) for side in (height, width)]
    return F.interpolate(image[None], size, mode="bilinear" if max(height, width) > SIDE else "nearest")[0]


def _squared(image: Tensor) -> Tensor:
    """(3, SIDE, SIDE): the image in the middle of white."""
    down, across = (SIDE - side for side in image.shape[-2:])
    return F.pad(image, (across // 2, across - across // 2, down // 2, down - down // 2), value=1.0)


def write_survey(data: ImageData, found: Survey, out: Path) -> None:
    """The examples as a PNG, or with all counts as an HTML page, as the ending says. Raises SfumatoError for another
    ending."""
    picture = examples(data)
    if out.suffix.lower() == ".png":
        content = picture
    elif out.suffix.lower() in (".html", ".htm"):
        report = Report(data.name, subtitle=data.reading)
        names = list(next(iter(found.halves.values())).classes)
        if names:
            rows = [
                [name, *(_cell(half.classes[name], found.unit) for half in found.halves.values())] for name in names
            ]
            report.table([found.unit, *(WORDS[half] for half in found.halves)], rows, "What each class has.")
        report.picture("examples", picture, "Training images, with what is known of them.")
        if found.problems:
            rows = [[f"{item.count:,}", item.reason, ", ".join(item.examples)] for item in found.problems]
            report.table(["files", "reason", "examples"], rows, "Left out.")
        content = report.html().encode()
    else:
        raise SfumatoError(f"{out}: must end in .png or .html")
    write_bytes(out, content)
