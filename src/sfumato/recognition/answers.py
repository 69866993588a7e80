"""Answers as files that other programs read: a table, a list, COCO's JSON, YOLO's text.

Boxes are in pixels of the upright picture, to a hundredth. All but YOLO's labels, a file for each picture, are written
at the end, whole or not at all.
"""

import csv
import io
import re
from collections.abc import Mapping, Sequence
from pathlib import Path, PurePosixPath
from typing import Any, Protocol

from ..data.formats.yolo import box_line
from ..data.sources import Target
from ..errors import SfumatoError
from ..files import json_of, write_bytes
from .predict import DIGITS, Prediction

ENDINGS = (".csv", ".json")
SHARES = 6  # digits behind the point of a probability, a score or a share
WHERE = ("file", "frame", "time")
CLASSES = "classes.txt"
FORMULA, NUMBER = ("=", "+", "-", "@"), r"[+-]?\d+(\.\d+)?"  # how one begins in a spreadsheet, and what is none
COLUMNS: dict[Target, tuple[str, ...]] = {
    "labels": ("class", "probability"), "boxes": ("class", "score", "xmin", "ymin", "xmax", "ymax"), "masks": (),
}  # fmt: skip


def is_table(path: Path) -> bool:
    """Whether answers are written into a file of this name, and not drawn."""
    return path.suffix.lower() in ENDINGS


class Answers(Protocol):
    """Takes one answer after the other. `path`: where they are after `write`."""

    path: Path

    def add(self, found: Prediction) -> None: ...
    def write(self) -> None: ...


def answers_at(path: Path, target: Target, names: Sequence[str], moving: bool) -> Answers:
    """What writes `path`, by its ending. `names`: of all classes; `moving`: of the frames of a clip. Raises
    SfumatoError if it is a folder, which nobody should learn at the end."""
    if path.is_dir():
        raise SfumatoError(f"{path}: is a folder: give a file that ends in {path.suffix}")
    path.parent.mkdir(parents=True, exist_ok=True)
    if path.suffix.lower() == ".csv":
        return Table(path, target, names, moving)
    return Coco(path, names) if target == "boxes" and not moving else List(path)


class Table:
    """CSV in UTF-8: a row for each picture with all probabilities, or the share of each class; or for each object. What
    a spreadsheet would take for a formula is not one: see `_cell`."""

    def __init__(self, path: Path, target: Target, names: Sequence[str], moving: bool) -> None:
        self.path, self.names = path, names
        self.text = io.StringIO(newline="")
        self.rows = csv.writer(self.text)
        each = {"labels": "p", "masks": "share", "boxes": ""}[target]
        head = [*(WHERE[1:] if moving else WHERE[:1]), *COLUMNS[target]]
        self.rows.writerow([*head, *(f"{each}({name})" for name in names if each)])

    def add(self, found: Prediction) -> None:
        where = [found.values[key] for key in WHERE if key in found.values]
        self.rows.writerows([_cell(cell) for cell in (*where, *row)] for row in _rows(found.values, self.names))

    def write(self) -> None:
        write_bytes(self.path, self.text.getvalue().encode())


def _cell(value: Any) -> Any:
    """`value`, behind an apostrophe if it is text that begins as a formula does and is no number."""
    if not isinstance(value, str) or not value.startswith(FORMULA) or re.fullmatch(NUMBER, value):
        return value
    return f"'{value}"


def _rows(values: Mapping[str, Any], names: Sequence[str]) -> list[list[Any]]:
    if "objects" in values:
        return [[item["name"], round(item["score"], SHARES), *item["box"]] for item in values["objects"]]
    if "pixels" in values:
        return [[round(values["pixels"][name], SHARES) for name in names]]
    chances = {item["name"]: round(item["probability"], SHARES) for item in values["classes"]}
    likeliest = values["classes"][0]["name"]
    return [[likeliest, chances[likeliest], *(chances[name] for name in names)]]


class List:
    """JSON: a list of the values of all answers, each on a line of its own."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.lines: list[str] = []

    def add(self, found: Prediction) -> None:
        self.lines.append(json_of(found.values))

    def write(self) -> None:
        text = "[\n" + ",\n".join(self.lines) + "\n]\n"
        write_bytes(self.path, text.encode())


class Coco:
    """COCO's JSON, in which detections are annotations with a score."""

    def __init__(self, path: Path, names: Sequence[str]) -> None:
        self.path = path
        self.numbers = {name: number for number, name in enumerate(names, 1)}
        self.images: list[dict[str, Any]] = []
        self.annotations: list[dict[str, Any]] = []

    def add(self, found: Prediction) -> None:
        width, height = found.size
        image = {"id": len(self.images) + 1, "file_name": found.values["file"], "width": width, "height": height}
        self.images.append(image)
        for item in found.values["objects"]:
            left, top, right, bottom = item["box"]
            sides = round(right - left, DIGITS), round(bottom - top, DIGITS)
            self.annotations.append(
                {
                    "id": len(self.annotations) + 1,
                    "image_id": image["id"],
                    "category_id": self.numbers[item["name"]],
                    "bbox": [left, top, *sides],
                    "area": round(sides[0] * sides[1], DIGITS),
                    "iscrowd": 0,
                    "score": round(item["score"], SHARES),
                }
            )

    def write(self) -> None:
        categories = [{"id": number, "name": name} for name, number in self.numbers.items()]
        values = {"images": self.images, "annotations": self.annotations, "categories": categories}
        text = json_of(values) + "\n"
        write_bytes(self.path, text.encode())


class Yolo:
    """YOLO's labels: a .txt for each picture, without scores, so that one trains on them; and classes.txt."""

    def __init__(self, path: Path, places: Mapping[str, str], names: Sequence[str]) -> None:
        """`places`: of each file that will be read, its path below `path`. Raises SfumatoError if something is there
        already, labels drawn by hand perhaps, and if two pictures would share their labels."""
        self.path, self.places, self.names = path, places, names
        self.numbers = {name: number for number, name in enumerate(names)}
        if path.exists() and (not path.is_dir() or any(path.iterdir())):
            raise SfumatoError(f"{path}: is there already: give --yolo a new folder")
        taken = {CLASSES: f"the list {CLASSES}"}
        for place in places.values():
            label = _label(place)
            if label.lower() in taken:
                raise SfumatoError(
                    f"{place}: its labels would be {label}, as those of {taken[label.lower()]}: rename it"
                )
            taken[label.lower()] = place
        path.mkdir(parents=True, exist_ok=True)

    def add(self, found: Prediction) -> None:
        label = self.path / _label(self.places[found.values["file"]])
        text = "".join(self._line(item, found.size) for item in found.values["objects"])
        write_bytes(label, text.encode())

    def _line(self, item: Mapping[str, Any], size: tuple[int, int]) -> str:
        shares = [edge / side for edge, side in zip(item["box"], size * 2, strict=True)]
        return box_line(self.numbers[item["name"]], shares)

    def write(self) -> None:
        text = "".join(f"{name}\n" for name in self.names)
        write_bytes(self.path / CLASSES, text.encode())


def _label(place: str) -> str:
    return PurePosixPath(place).with_suffix(".txt").as_posix()
