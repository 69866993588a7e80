"""Objects in pictures, in the forms in which people have them: boxes, and outlines where somebody drew them.

`formats/` has a file for each form. Every object that cannot be used is named, by file and place, and takes its
picture with it: what is left of that would teach that there is nothing. What can be mended is: corners that have
changed places, shares given for pixels, a box drawn on the photograph before it was turned.

Halves are those that were asked for, those of lists and tables that come with the pictures, or those that words in the
names of folders and of annotation files say.
"""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import PurePosixPath
from typing import Any
from xml.etree import ElementTree

from ..errors import SfumatoError
from ..memory import OUT, taking
from ..strict import foreign
from ..visible import one_line
from .archives import Files
from .dataset import LeftOut
from .division import NOWHERE, USUAL, Division, declared, listed
from .halves import Half, are_told_apart, half_of, half_of_path
from .index import PictureIndex, is_picture
from .names import decoded
from .outlines import Outline
from .pairing import is_of_masks
from .pictures import MAX_PIXELS

VALUE = 40  # bytes that a value of JSON takes in memory
Box = tuple[float, float, float, float]
Size = tuple[float, float]


@dataclass(frozen=True)
class Object:
    """`box`: left, top, right, bottom in pixels of the upright picture, as shares of its sides if `shared`. `where`:
    its file and line. `size`: the width and height of the picture that it was drawn in, if they are said."""

    label: str
    box: Box
    where: str
    size: Size | None = None
    shared: bool = False
    outline: Outline | None = None


@dataclass
class Annotated:
    """A picture's objects, and what is wrong with some; `half` is None where nothing says which it belongs to.
    `crowded`: it shows crowds, which are no objects. `said`: labels and boxes of the objects."""

    file: str
    half: Half | None = None
    objects: list[Object] = field(default_factory=list)
    faults: list[LeftOut] = field(default_factory=list)
    crowded: bool = False
    said: set[tuple[str, Box]] = field(default_factory=set)


class Annotations:
    """All of them, by picture."""

    def __init__(self, files: Files, under: str = "", division: Division = USUAL) -> None:
        """Reads what is there. `under`: only pictures whose names begin so. Raises SfumatoError if there is nothing."""
        from .formats import READERS, read_labels

        self.files = files
        self.names = files.names()
        self.index = PictureIndex(self.names)
        self.found: dict[str, Annotated] = {}
        self.left_out: list[LeftOut] = []
        self.forms: dict[str, int] = {}  # how many files of each form were read
        self.misread: list[str] = []  # tables and the like that are no annotations, with what they are
        for name in self.names:
            reader = READERS.get(PurePosixPath(name).suffix.lower())
            if reader:
                self.attempt(name, lambda name=name, reader=reader: reader(self, name))
        self.attempt(under or ".", lambda: read_labels(self))
        self.found = {name: found for name, found in self.found.items() if name.startswith(under)}
        if not self.found:
            reason = f"; the first of {len(self.left_out)} left out: {self.left_out[0]}" if self.left_out else ""
            there = f"; {self.misread[0]}" if self.misread else ""
            raise SfumatoError(
                "no boxes found: neither *.xml (VOC, CVAT), nor *.json (COCO, Labelme), nor *.txt of YOLO beside "
                f"classes.txt or a data.yaml, nor a *.csv with the columns img_name, label, xmin, ymin, xmax, ymax"
                f"{there}{reason}"
            )
        self.without = [name for name in self.index.pictures if name.startswith(under) and self._is_bare(name)]
        self.how = self._divide(under, division)

    def attempt(self, where: str, read: Callable[[], object]) -> None:
        """Reads a part; what goes wrong there is left out, by name."""
        try:
            read()
        except SfumatoError as error:
            self.left_out.append(LeftOut(where, str(error)))
        except OSError as error:
            self.left_out.append(LeftOut(where, f"cannot be read ({error.strerror})"))
        except MemoryError as error:
            raise MemoryError(f"{where}: {error or OUT}") from None
        except Exception as error:  # nearly anything may stand in a file that somebody else wrote
            self.left_out.append(LeftOut(where, f"cannot be read ({type(error).__name__}: {error})"))

    def text(self, name: str) -> str:
        return decoded(self.files.content(name))

    def json(self, name: str) -> Any:
        text = self.text(name)
        with taking(len(text) + VALUE * text.count(",")):
            return foreign(text, "the file")

    def xml(self, name: str) -> ElementTree.Element:
        text = self.text(name)
        if "<!DOCTYPE" in text or "<!ENTITY" in text:
            raise SfumatoError("has a document type of its own: refused")
        return ElementTree.fromstring(text)  # noqa: S314 - without a document type there is nothing to expand

    def read_as(self, form: str) -> None:
        """One more file of a form."""
        self.forms[form] = self.forms.get(form, 0) + 1

    def picture(self, said: str, beside: str, *others: str) -> Annotated:
        """The picture that an annotation file `beside` calls `said`, or else one of `others`. Raises SfumatoError if it
        is not there."""
        stem = PurePosixPath(beside).stem
        half = half_of_path(beside) or half_of(stem)
        names = [said, *others]
        while True:
            try:
                found = self.index.find(names.pop(0), beside, half)
                break
            except SfumatoError:
                if not names:
                    raise
        return self.found.setdefault(found, Annotated(found, half or half_of_path(found)))

    def add(
        self,
        annotated: Annotated,
        label: Any,
        edges: Sequence[Any],
        where: str,
        size: Size | None = None,
        shared: bool = False,
        outline: Outline | None = None,
    ) -> None:
        """An object, if it can be one; else a fault of its picture."""
        try:
            left, top, right, bottom = (float(edge) for edge in edges)
        except (TypeError, ValueError, OverflowError):
            annotated.faults.append(LeftOut(where, f"edges {', '.join(map(str, edges))}: not four numbers"))
            return
        box = left, top, right, bottom
        if all(map(math.isfinite, box)):
            box = min(left, right), min(top, bottom), max(left, right), max(top, bottom)
        label = one_line(" ".join(str(label if label is not None else "").split()))
        if not label:
            annotated.faults.append(LeftOut(where, f"{in_words(box)}: has no label"))
        elif not all(map(math.isfinite, box)) or box[0] == box[2] or box[1] == box[3]:
            annotated.faults.append(LeftOut(where, f"{in_words(box)}: encloses nothing"))
        elif (label, box) not in annotated.said:  # twice, as COCO's keypoints repeat its instances
            annotated.said.add((label, box))
            annotated.objects.append(Object(label, box, where, size, shared, outline))

    def _is_bare(self, picture: str) -> bool:
        """Whether nothing is said of a picture, which is no mask."""
        return picture not in self.found and not any(is_of_masks(part) for part in picture.split("/")[:-1])

    def _divide(self, under: str, division: Division) -> str:
        """Gives the pictures their halves; says how, if something else than words did."""
        names = [name for name in self.names if name.startswith(under)]
        halves: dict[str, Half] = {}
        how = ""
        if not division.asks:
            halves = dict(listed(self.files, self.names, PictureIndex(self.found), "ImageSets/Main"))
            how = "halves from ImageSets/Main" if halves else ""
            if not halves and are_told_apart({item.half for item in self.found.values()}):
                return ""
        if not halves:
            wanted = [name for name in names if name in self.found or not is_picture(name)]
            found = declared(self.files, wanted, under, division)
            how = found.how
            for name, (half, _) in found.halves.items():
                halves[name] = half
        for name in [name for name in self.found if halves]:
            if name in halves:
                self.found[name].half = halves[name]
            else:
                self.left_out.append(LeftOut(name, NOWHERE))
                del self.found[name]
        return how


def in_words(box: Sequence[float]) -> str:
    return "box " + ", ".join(f"{edge:g}" for edge in box)


def size_of(width: Any, height: Any) -> Size | None:
    """A picture's width and height, if they can be that."""
    try:
        size = float(width), float(height)
    except (TypeError, ValueError, OverflowError):
        return None
    return size if min(size) > 0 and size[0] * size[1] <= MAX_PIXELS else None


def objects(values: Any, what: str) -> list[Any]:
    """`values`, if they are a list of JSON objects, but for some. Raises SfumatoError if not."""
    if not isinstance(values, list) or 2 * sum(isinstance(item, dict) for item in values) < len(values):
        raise SfumatoError(f"{what}: must be a list of objects")
    return values


def text_of(values: Mapping[str, Any], *keys: str) -> str:
    """The first of `keys` that is there, as text; nothing if none is."""
    return next((str(values[key]) for key in keys if values.get(key) not in (None, "")), "")
