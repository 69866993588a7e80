"""YOLO's labels: `x.txt` beside `x.jpg`, or in `labels/` where the picture is in `images/`; a line for each object.

`class cx cy width height`, all as shares of the sides, or `class x1 y1 x2 y2 x3 y3 ...`, an outline. Names of classes
are in a `data.yaml` (`names`), `classes.txt`, `obj.names` or `_darknet.labels`. A picture without a file is background.
https://docs.ultralytics.com/datasets
"""

from collections.abc import Iterable, Sequence
from pathlib import PurePosixPath
from typing import TYPE_CHECKING, Any

from ...errors import SfumatoError
from ..dataset import LeftOut
from ..outlines import box_of, polygons

if TYPE_CHECKING:
    from ..annotations import Annotated, Annotations

LISTS = ("classes.txt", "obj.names", "_darknet.labels", "labels.txt", "names.txt")
MAX_YAML = 2**20
BOX = 4  # numbers of a box behind its class
SIZE = (1.0, 1.0)  # in which outlines are drawn


def box_line(number: int, box: Sequence[float]) -> str:
    """The line of an object of class `number` whose left, top, right and bottom are shares of the sides."""
    left, top, right, bottom = box
    return line(number, ((left + right) / 2, (top + bottom) / 2, right - left, bottom - top))


def line(number: int, numbers: Iterable[float]) -> str:
    """A class, and what stands behind it."""
    return f"{number} {' '.join(f'{value:.8g}' for value in numbers)}\n"


def read_labels(notes: "Annotations") -> None:
    """The labels of all pictures that have no other annotation, if classes are named or the first file is one."""
    files = {name.lower(): name for name in notes.names if name.lower().endswith(".txt")}
    if not files:
        return
    places = {name: _places(name) for name in notes.index.pictures if name not in notes.found}
    found = {name: files[place] for name, options in places.items() for place in options[::-1] if place in files}
    classes = _classes(notes)
    if not found or (classes is None and not _looks_like(notes.text(next(iter(found.values()))))):
        return
    folders = {_folder(label.lower()) for label in found.values()}
    for name, options in places.items():
        label = found.get(name)
        if label is None and not any(_folder(option) in folders for option in options):
            continue
        annotated = notes.picture(name, name)
        if label is not None:
            notes.read_as("YOLO")
            notes.attempt(label, lambda label=label, annotated=annotated: _read(notes, annotated, label, classes))


def _places(picture: str) -> list[str]:
    """Where a picture's labels may lie, the likeliest first."""
    path = PurePosixPath(picture.lower()).with_suffix(".txt")
    options = [path.as_posix()]
    if "images" in path.parts[:-1]:
        place = len(path.parts) - 1 - path.parts[::-1].index("images")
        options.insert(0, "/".join((*path.parts[:place], "labels", *path.parts[place + 1 :])))
    return options


def _folder(name: str) -> str:
    return name.rpartition("/")[0]


def _looks_like(text: str) -> bool:
    lines = [line.split() for line in text.splitlines() if line.strip()]
    try:
        return bool(lines) and all(len(line) > BOX and [float(value) for value in line] for line in lines)
    except ValueError:
        return False


def _classes(notes: "Annotations") -> dict[int, str] | None:
    """The names of classes by number; None if nothing names them."""
    for name in notes.names:
        if name.lower().endswith((".yaml", ".yml")):
            values = _yaml(notes, name)
            names = values.get("names") if isinstance(values, dict) else None
            if isinstance(names, list):
                return dict(enumerate(map(str, names)))
            if isinstance(names, dict):
                return {int(number): str(label) for number, label in names.items()}
    for name in notes.names:
        if PurePosixPath(name).name.lower() in LISTS:
            return dict(enumerate(line.strip() for line in notes.text(name).splitlines() if line.strip()))
    return None


def _yaml(notes: "Annotations", name: str) -> Any:
    import yaml

    class Loader(yaml.SafeLoader):
        def compose_node(self, parent: Any, index: Any) -> Any:
            if self.check_event(yaml.AliasEvent):  # a few of them stand for as much as one likes
                raise yaml.YAMLError("an alias")
            return super().compose_node(parent, index)

    if notes.files.size(name) > MAX_YAML:
        raise SfumatoError(f"{name}: larger than {MAX_YAML // 2**20} MiB")
    try:
        return yaml.load(notes.text(name), Loader)  # noqa: S506 - it makes plain values alone
    except (yaml.YAMLError, RecursionError) as error:
        raise SfumatoError(f"{name}: not readable YAML ({' '.join(str(error).split())[:100]})") from None


def _read(notes: "Annotations", annotated: "Annotated", name: str, classes: dict[int, str] | None) -> None:
    for line, text in enumerate(notes.text(name).splitlines(), 1):
        if not text.strip():
            continue
        where = f"{name}:{line}"
        try:
            number, *numbers = (float(value) for value in text.split())
            label = f"class {number:g}" if classes is None else classes.get(int(number))
            if label is None or number != int(number):
                raise SfumatoError(f"class {number:g}: only {len(classes or {})} are named")
            if len(numbers) in (BOX, BOX + 1):  # and how sure somebody was of it
                x, y, width, height = numbers[:BOX]
                outline, edges = None, (x - width / 2, y - height / 2, x + width / 2, y + height / 2)
            elif outline := polygons([numbers]):
                edges = box_of(outline)
            else:
                raise SfumatoError(f"{len(numbers) + 1} numbers: neither a box (5) nor an outline")
        except (SfumatoError, ValueError, OverflowError) as error:
            annotated.faults.append(LeftOut(where, str(error)))
            continue
        notes.add(annotated, label, edges, where, SIZE, shared=True, outline=outline)
