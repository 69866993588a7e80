"""Pictures with boxes around objects, below a folder or in a zip; `annotations` says in which forms.

Each picture is squashed into a square: boxes, as shares of the sides, stay what they are. One without objects is kept:
it says what is background.
"""

import io
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor

from ..errors import SfumatoError
from .annotations import Annotated, Annotations, Object
from .dataset import ImageData, LeftOut, Split
from .folder import PictureReader, hashed_half, open_files, refuse_if, taken
from .pictures import picture_size


@dataclass(frozen=True)
class Placed:
    """A picture that can be used, with the boxes that lie in it as shares of its sides."""

    file: str
    is_test: bool
    labels: Sequence[str]
    boxes: Sequence[tuple[float, float, float, float]]


def read_boxed(path: Path, resolution: int, strict: bool = False) -> ImageData:
    """The annotated pictures below `path`, `resolution` pixels square. Raises SfumatoError if nothing can be used, or,
    with `strict`, at the first thing that cannot."""
    root, (files, under) = path, open_files(path)
    if not under and path.is_dir() and not any(name.endswith((".csv", ".json", ".xml")) for name in files.names()):
        root, under = path.parent, f"{path.name}/"  # a part of a data set whose table lies above it
        files, _ = open_files(root)
    try:
        annotations = Annotations(files, under)
    except SfumatoError as error:
        raise SfumatoError(f"{path}: {error}") from None
    annotated = [annotations.found[name] for name in sorted(annotations.found)]
    reader = PictureReader(files, 3, resolution, "squash")
    good, pictures, bad = reader.gather([item.file for item in annotated], path.name)
    left_out = [*files.refused(), *annotations.left_out, *bad]
    placed = [_placed(annotated[place], files.content(annotated[place].file), left_out) for place in good]
    refuse_if(strict, path, left_out, bool(placed))
    return _data(path, placed, pictures, reader, left_out)


def _placed(annotated: Annotated, content: bytes, left_out: list[LeftOut]) -> Placed:
    width, height = picture_size(io.BytesIO(content))
    inside = []
    for item in annotated.objects:
        left, top, right, bottom = item.box
        cut = (max(left, 0) / width, max(top, 0) / height, min(right, width) / width, min(bottom, height) / height)
        if cut[0] < cut[2] and cut[1] < cut[3]:
            inside.append(Object(item.label, cut, item.where))
        else:
            shown = f"box {left:g}, {top:g}, {right:g}, {bottom:g}"
            left_out.append(LeftOut(item.where, f"{shown}: beyond the picture of {width}×{height}"))
    is_test = hashed_half(annotated.file) if annotated.is_test is None else annotated.is_test
    return Placed(annotated.file, is_test, [item.label for item in inside], [item.box for item in inside])


def _data(
    path: Path, placed: list[Placed], pictures: list[Tensor], reader: PictureReader, left_out: list[LeftOut]
) -> ImageData:
    classes = tuple(sorted({label for item in placed for label in item.labels}))
    if not classes:
        raise SfumatoError(f"{path}: no box in any picture")
    halves = [[number for number, item in enumerate(placed) if item.is_test == half] for half in (False, True)]
    if not all(halves):
        raise SfumatoError(f"{path}: no picture to {'test' if halves[0] else 'train'} on")
    boxes = padded([item.labels for item in placed], [item.boxes for item in placed], classes)
    train, test = (
        Split(reader.hold([placed[number].file for number in half], taken(pictures, half)), boxes=boxes[half])
        for half in halves
    )
    known = reader.fingerprint([item.file for item in placed], pictures, boxes)
    return ImageData(path.name, train, test, classes, known, left_out=tuple(left_out))


def padded(
    labels: Sequence[Sequence[str]],
    boxes: Sequence[Sequence[tuple[float, float, float, float]]],
    classes: Sequence[str],
) -> Tensor:
    """(n, m, 5): the boxes of n pictures as `Split` has them."""
    most = max(map(len, labels))
    rows = torch.full((len(labels), most, 5), -1.0)
    for row, names, places in zip(rows, labels, boxes, strict=True):
        for number, (name, place) in enumerate(zip(names, places, strict=True)):
            row[number] = torch.tensor([classes.index(name), *place])
    return rows
