"""Boxes and outlines written as other tools read them: COCO's JSON, YOLO's text, VOC's XML.

Pictures are copied as they are. Boxes are those of the upright picture, to a hundredth of a pixel, so that every form
reads back as the same.
"""

import json
from collections import Counter
from collections.abc import Callable, Sequence
from pathlib import Path, PurePosixPath
from typing import Literal
from xml.etree.ElementTree import Element, ElementTree, SubElement, indent

from ..errors import SfumatoError
from ..files import json_of, write_atomically
from .annotations import Object
from .archives import Files
from .boxed import Placed, halves_for, place_objects
from .dataset import LeftOut
from .division import USUAL, Division
from .formats.yolo import box_line, line
from .halves import HALVES, Half
from .jobs import check_outside
from .outlines import Outline, Runs

Form = Literal["coco", "yolo", "voc"]
LISTS: dict[Half, str] = {"train": "train", "valid": "val", "test": "test"}
DIGITS = 2  # behind the point of a pixel
Named = dict[str, tuple[Placed, Half]]  # by the name of the picture in what is written


def convert(source: Path, target: Path, form: Form, division: Division = USUAL) -> tuple[int, list[LeftOut]]:
    """Writes the annotated pictures at `source` into the new folder `target`; returns how many, and what was left out.
    Raises SfumatoError if `target` is there already or nothing can be converted; an OSError names `target`."""
    if target.exists():
        raise SfumatoError(f"{target}: is there already: give a new folder")
    check_outside(target, source, "folder")
    files, placed, left_out, _ = place_objects(source, division)
    if not placed:
        raise SfumatoError(f"{source}: no annotated picture that can be used; first left out: {left_out[0]}")
    halves = halves_for(placed, division)
    named: Named = {}
    for name, one, half in zip(_names(placed), placed, halves, strict=True):
        if half is not None:
            named[name] = one, half
    classes = sorted({item.label for one, _ in named.values() for item in one.objects})

    def write(folder: Path) -> None:
        folder.mkdir()
        WRITERS[form](folder, files, named, classes)

    write_atomically(target, write)
    return len(named), left_out


def _names(placed: Sequence[Placed]) -> list[str]:
    """Names of files without folders, which stand before them where two would be called alike."""
    bases = [PurePosixPath(one.file).stem.lower() for one in placed]
    counts = Counter(bases)
    return [
        PurePosixPath(one.file).name if counts[base] == 1 else one.file.replace("/", "_")
        for one, base in zip(placed, bases, strict=True)
    ]


def _copy(files: Files, name: str, target: Path) -> None:
    target.parent.mkdir(parents=True, exist_ok=True)
    target.write_bytes(files.content(name))


def _pixels(item: Object, size: tuple[int, int]) -> list[float]:
    """Left, top, right and bottom."""
    return [round(edge * side, DIGITS) for edge, side in zip(item.box, size * 2, strict=True)]


def _write_coco(folder: Path, files: Files, named: Named, classes: Sequence[str]) -> None:
    for half in HALVES:
        chosen = [(name, one) for name, (one, own) in named.items() if own == half]
        images, annotations = [], []
        for number, (name, one) in enumerate(chosen, 1):
            _copy(files, one.file, folder / LISTS[half] / name)
            images.append({"id": number, "file_name": name, "width": one.size[0], "height": one.size[1]})
            annotations += [_coco_object(item, one.size, number, classes) for item in one.objects]
        for number, annotation in enumerate(annotations, 1):
            annotation["id"] = number
        if chosen:
            categories = [{"id": number, "name": label} for number, label in enumerate(classes, 1)]
            path = folder / "annotations" / f"instances_{LISTS[half]}.json"
            path.parent.mkdir(exist_ok=True)
            values = {"images": images, "annotations": annotations, "categories": categories}
            path.write_text(json_of(values), encoding="utf-8")


def _coco_object(item: Object, size: tuple[int, int], image: int, classes: Sequence[str]) -> dict[str, object]:
    left, top, right, bottom = _pixels(item, size)
    width, height = round(right - left, DIGITS), round(bottom - top, DIGITS)
    found: dict[str, object] = {
        "image_id": image,
        "category_id": classes.index(item.label) + 1,
        "bbox": [left, top, width, height],
        "area": round(width * height, DIGITS),
        "iscrowd": 0,
    }
    if parts := _polygons(item.outline, item.size or size, size):
        found["segmentation"] = parts
    return found


def _polygons(outline: Outline | None, drawn_in: tuple[float, float], size: tuple[int, int]) -> list[list[float]]:
    """The corners of an outline's polygons in pixels; of runs, none."""
    if outline is None or isinstance(outline, Runs):
        return []
    scale = size[0] / drawn_in[0], size[1] / drawn_in[1]
    return [[round(value * scale[place % 2], DIGITS) for place, value in enumerate(part)] for part in outline]


def _write_yolo(folder: Path, files: Files, named: Named, classes: Sequence[str]) -> None:
    for name, (one, half) in named.items():
        _copy(files, one.file, folder / "images" / LISTS[half] / name)
        path = folder / "labels" / LISTS[half] / f"{PurePosixPath(name).stem}.txt"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("".join(_yolo_line(item, one.size, classes) for item in one.objects))
    there = {LISTS[half]: None for _, half in named.values()}
    lines = ["path: .", *(f"{half}: images/{half}" for half in there), "names:"]
    lines += [f"  {number}: {json.dumps(label, ensure_ascii=False)}" for number, label in enumerate(classes)]
    (folder / "data.yaml").write_text("\n".join(lines) + "\n", encoding="utf-8")


def _yolo_line(item: Object, size: tuple[int, int], classes: Sequence[str]) -> str:
    number, parts = classes.index(item.label), _polygons(item.outline, item.size or size, size)
    if len(parts) == 1:  # a line has room for one
        return line(number, (value / size[place % 2] for place, value in enumerate(parts[0])))
    return box_line(number, item.box)


def _write_voc(folder: Path, files: Files, named: Named, classes: Sequence[str]) -> None:
    for place in ("Annotations", "ImageSets/Main"):
        (folder / place).mkdir(parents=True, exist_ok=True)
    for name, (one, _) in named.items():
        _copy(files, one.file, folder / "JPEGImages" / name)
        root = Element("annotation")
        SubElement(root, "folder").text = "JPEGImages"
        SubElement(root, "filename").text = name
        size = SubElement(root, "size")
        for tag, value in (("width", one.size[0]), ("height", one.size[1]), ("depth", 3)):
            SubElement(size, tag).text = str(value)
        for item in one.objects:
            found = SubElement(root, "object")
            SubElement(found, "name").text = item.label
            SubElement(found, "difficult").text = "0"
            box = SubElement(found, "bndbox")
            for tag, value in zip(("xmin", "ymin", "xmax", "ymax"), _pixels(item, one.size), strict=True):
                SubElement(box, tag).text = f"{value:g}" if value == round(value) else str(value)
        indent(root)
        stem = PurePosixPath(name).stem
        ElementTree(root).write(folder / "Annotations" / f"{stem}.xml", encoding="utf-8")
    for half in HALVES:
        stems = [PurePosixPath(name).stem for name, (_, own) in named.items() if own == half]
        if stems:
            text = "".join(f"{stem}\n" for stem in stems)
            (folder / "ImageSets" / "Main" / f"{LISTS[half]}.txt").write_text(text, encoding="utf-8")
    (folder / "classes.txt").write_text("".join(f"{label}\n" for label in classes), encoding="utf-8")


WRITERS: dict[Form, Callable[[Path, Files, Named, Sequence[str]], None]] = {
    "coco": _write_coco, "yolo": _write_yolo, "voc": _write_voc,
}  # fmt: skip
