"""Boxes around objects, in the three forms in which people have them: VOC's XML, COCO's JSON, a table.

- VOC: `Annotations/*.xml` beside `JPEGImages/`; the lists in `ImageSets/Main` are the split.
- COCO: any `*.json` with `images`, `annotations` and `categories`.
- A table: any `*.csv` with a header that names the file (`img_name`, `filename`, `file` or `image`), the `label` (or
  `class`) and `xmin`, `ymin`, `xmax`, `ymax` in pixels; with a column `split`, that is the split.

Elsewhere the words train, val and test in names of files and folders tell the halves apart; where nothing does, a tenth
of the pictures is the test set. A row that cannot be used is left out, with its file and line. VOC's `difficult`
objects count like all others.
"""

import csv
import io
import json
import math
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import PurePosixPath
from typing import Any
from xml.etree import ElementTree

from ..errors import SfumatoError
from .archives import Files
from .dataset import LeftOut
from .halves import TEST_NAMES, half_of
from .pictures import ENDINGS

FILE_COLUMNS, LABEL_COLUMNS = ("img_name", "filename", "file", "image"), ("label", "class")
EDGES = ("xmin", "ymin", "xmax", "ymax")
PICTURE_FOLDERS = ("", "images/", "JPEGImages/", "../JPEGImages/", "../images/", "../")


@dataclass(frozen=True)
class Object:
    """`box`: left, top, right, bottom in pixels of the upright picture. `where`: its file and line. `size`: the width
    and height of the picture that the box was drawn in, if they are said."""

    label: str
    box: tuple[float, float, float, float]
    where: str
    size: tuple[float, float] | None = None


@dataclass
class Annotated:
    """A picture's objects; `is_test` is None where nothing says which half of the split it belongs to."""

    file: str
    is_test: bool | None = None
    objects: list[Object] = field(default_factory=list)


class Annotations:
    """All of them, by picture."""

    def __init__(self, files: Files, under: str = "") -> None:
        """Reads what is there. `under`: only pictures whose names begin so. Raises SfumatoError if there is nothing."""
        self.files = files
        self.names = files.names()
        self.pictures = {name for name in self.names if PurePosixPath(name).suffix.lower() in ENDINGS}
        self.by_name: dict[str, list[str]] = {}
        for name in sorted(self.pictures):
            self.by_name.setdefault(PurePosixPath(name).name, []).append(name)
        self.found: dict[str, Annotated] = {}
        self.left_out: list[LeftOut] = []
        for name in self.names:
            path = PurePosixPath(name)
            if path.suffix.lower() == ".xml" and path.parent.name == "Annotations":
                self._attempt(name, self._read_xml)
            elif path.suffix.lower() == ".json":
                self._attempt(name, self._read_json)
            elif path.suffix.lower() == ".csv":
                self._attempt(name, self._read_table)
        self._split_voc()
        self.found = {name: found for name, found in self.found.items() if name.startswith(under)}
        if not self.found:
            reason = f"; the first of {len(self.left_out)} left out: {self.left_out[0]}" if self.left_out else ""
            raise SfumatoError(
                "no boxes found: neither Annotations/*.xml (VOC), nor a COCO *.json, nor a *.csv with the columns "
                f"img_name, label, xmin, ymin, xmax, ymax{reason}"
            )

    def _attempt(self, name: str, read: Any) -> None:
        try:
            read(name)
        except SfumatoError as error:
            self.left_out.append(LeftOut(name, str(error)))
        except OSError as error:
            self.left_out.append(LeftOut(name, f"cannot be read ({error.strerror})"))
        except Exception as error:  # nearly anything may stand in a file that somebody else wrote
            self._unreadable(name, error)

    def _unreadable(self, where: str, error: Exception) -> None:
        self.left_out.append(LeftOut(where, f"cannot be read ({type(error).__name__}: {error})"))

    def _text(self, name: str) -> str:
        return self.files.content(name).decode("utf-8-sig", "replace")

    def _picture(self, said: str, beside: str, ending: str = "") -> Annotated:
        """The picture that an annotation file `beside` calls `said`, or `said` and any ending of pictures if it is
        called so without one. Raises SfumatoError if it is not there."""
        folder, half = PurePosixPath(beside).parent, half_of(beside)
        names = [said] if not ending else [f"{said}{each}" for each in (ending, *sorted(ENDINGS))]
        candidates = [_plain(folder / place / name) for place in PICTURE_FOLDERS for name in names]
        name = next((candidate for candidate in candidates if candidate in self.pictures), None)
        if name is None:
            alike = [path for each in names for path in self.by_name.get(PurePosixPath(each).name, [])]
            alike = [path for path in alike if half is None or half_of(path) in (None, half)]
            if len(alike) != 1:
                raise SfumatoError(f"picture {said!r} is not there{', but several of that name are' if alike else ''}")
            name = alike[0]
        return self.found.setdefault(name, Annotated(name, half if half is not None else half_of(name)))

    def _read_xml(self, name: str) -> None:
        text = self._text(name)
        if "<!DOCTYPE" in text or "<!ENTITY" in text:
            raise SfumatoError("has a document type of its own: refused")
        root = ElementTree.fromstring(text)  # noqa: S314 - without a document type there is nothing to expand
        annotated = self._picture(PurePosixPath(name).stem, name, ".jpg")
        size = _size(root.findtext("size/width"), root.findtext("size/height"))
        for number, item in enumerate(root.iter("object"), 1):
            box = item.find("bndbox")
            edges = [None if box is None else box.findtext(edge) for edge in EDGES]
            self._add(annotated, item.findtext("name"), edges, f"{name}: object {number}", size)

    def _read_json(self, name: str) -> None:
        values = json.loads(self._text(name))
        if not (isinstance(values, dict) and {"images", "annotations", "categories"} <= values.keys()):
            return
        labels = {category["id"]: str(category["name"]) for category in values["categories"]}
        pictures = {}
        for number, image in enumerate(values["images"], 1):
            try:
                size = _size(image.get("width"), image.get("height"))
                pictures[image["id"]] = self._picture(str(image["file_name"]), name), size
            except SfumatoError as error:
                self.left_out.append(LeftOut(name, str(error)))
            except Exception as error:  # as in _attempt
                self._unreadable(f"{name}: image {number}", error)
        for number, item in enumerate(values["annotations"], 1):
            where = f"{name}: annotation {item.get('id', number) if isinstance(item, dict) else number}"
            try:
                left, top, width, height = (float(value) for value in item["bbox"])
                image, label, crowd = item["image_id"], labels.get(item["category_id"]), item.get("iscrowd")
            except Exception as error:  # as in _attempt
                self._unreadable(where, error)
                continue
            if crowd:
                self.left_out.append(LeftOut(where, "a crowd, not an object"))
            elif image in pictures:
                annotated, size = pictures[image]
                self._add(annotated, label, (left, top, left + width, top + height), where, size)

    def _read_table(self, name: str) -> None:
        table = csv.DictReader(io.StringIO(self._text(name)))
        columns = table.fieldnames or []
        file, label = (
            next((column for column in options if column in columns), None) for options in (FILE_COLUMNS, LABEL_COLUMNS)
        )
        if file is None or label is None or not set(EDGES) <= set(columns):
            return
        for row in table:
            where = f"{name}:{table.line_num}"
            try:
                annotated = self._picture(row[file] or "", name)
            except SfumatoError as error:
                self.left_out.append(LeftOut(where, str(error)))
                continue
            if row.get("split"):
                annotated.is_test = row["split"].lower() in TEST_NAMES
            size = _size(row.get("width"), row.get("height"))
            self._add(annotated, row[label], [row[edge] for edge in EDGES], where, size)

    def _add(
        self,
        annotated: Annotated,
        label: str | None,
        edges: Sequence[Any],
        where: str,
        size: tuple[float, float] | None,
    ) -> None:
        try:
            left, top, right, bottom = (float(edge) for edge in edges)
        except (TypeError, ValueError):
            self.left_out.append(LeftOut(where, f"edges {', '.join(map(str, edges))}: not four numbers"))
            return
        box = left, top, right, bottom
        label = " ".join((label or "").split())
        known = {(item.label, item.box) for item in annotated.objects}
        if (label, box) in known:
            return  # said twice, as COCO's keypoints repeat its instances
        if not label:
            self.left_out.append(LeftOut(where, f"{in_words(box)}: has no label"))
        elif not all(map(math.isfinite, box)) or left >= right or top >= bottom:
            self.left_out.append(LeftOut(where, f"{in_words(box)}: encloses nothing"))
        else:
            annotated.objects.append(Object(label, box, where, size))

    def _split_voc(self) -> None:
        """The lists in ImageSets/Main, if there are any, are the split of the pictures that came with XML."""
        halves = dict(listed(self.files, self.names, "Main"))
        if not halves:
            return
        for name in [name for name in self.found if PurePosixPath(name).parent.name == "JPEGImages"]:
            stem = PurePosixPath(name).stem
            if stem in halves:
                self.found[name].is_test = halves[stem]
            else:
                self.left_out.append(LeftOut(name, "in no list of ImageSets/Main"))
                del self.found[name]


def listed(files: Files, names: Iterable[str], task: str) -> Iterator[tuple[str, bool]]:
    """Each stem in the lists `ImageSets/<task>/{train,val,test}.txt` of a VOC tree, and whether it is tested on."""
    for name in names:
        path = PurePosixPath(name)
        if path.parent.as_posix().endswith(f"ImageSets/{task}") and path.stem in ("train", *TEST_NAMES):
            for line in files.content(name).decode("utf-8", "replace").splitlines():
                if line.strip():
                    yield line.split()[0], path.stem in TEST_NAMES


def in_words(box: Sequence[float]) -> str:
    return "box " + ", ".join(f"{edge:g}" for edge in box)


def _size(width: Any, height: Any) -> tuple[float, float] | None:
    try:
        size = float(width), float(height)
    except (TypeError, ValueError, OverflowError):
        return None
    return size if min(size) > 0 and max(size) < math.inf else None


def _plain(path: PurePosixPath) -> str:
    parts: list[str] = []
    for part in path.parts:
        if part == ".." and parts:
            parts.pop()
        elif part != ".":
            parts.append(part)
    return "/".join(parts)
