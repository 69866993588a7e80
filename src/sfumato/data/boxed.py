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
from .annotations import Annotated, Annotations, Object, in_words
from .archives import Files, FolderFiles
from .dataset import ImageData, LeftOut, Split, fingerprint
from .folder import PictureReader, open_files, refuse_if, taken
from .halves import halves_of
from .pictures import picture_size

ENDINGS = (".csv", ".json", ".xml")  # of annotations
MOST = 2_000  # boxes in a picture
SAME_SHAPE = 0.02  # by which the quotients of the sides of a picture and of its smaller copy may differ


@dataclass(frozen=True)
class Placed:
    """A picture that can be used, with the boxes that lie in it as shares of its sides."""

    file: str
    is_test: bool | None
    labels: Sequence[str]
    boxes: Sequence[tuple[float, float, float, float]]


def read_boxed(path: Path, resolution: int, strict: bool = False) -> ImageData:
    """The annotated pictures below `path`, `resolution` pixels square. Raises SfumatoError if nothing can be used, or,
    with `strict`, at the first thing that cannot."""
    files, under = open_files(path)
    if not under and path.is_dir() and not any(name.endswith(ENDINGS) for name in files.names()):
        files, under = AndTables(path), f"{path.name}/"  # a part of a data set whose table lies beside it
    try:
        annotations = Annotations(files, under)
    except SfumatoError as error:
        raise SfumatoError(f"{path}: {error}") from None
    annotated = [annotations.found[name] for name in sorted(annotations.found)]
    reader = PictureReader(files, 3, resolution, "squash")
    good, pictures, bad = reader.gather([item.file for item in annotated], path.name)
    left_out = [*files.refused(), *annotations.left_out, *bad]
    placed = [_placed(annotated[place], files, left_out) for place in good]
    refuse_if(strict, path, left_out, bool(placed))
    return _data(path, placed, pictures, reader, left_out)


class AndTables(FolderFiles):
    """The files of a folder, under its name, and the annotation files that lie directly in the folder above it."""

    def __init__(self, path: Path) -> None:
        super().__init__(path.absolute().parent)
        self.inner = path.absolute()

    def names(self) -> list[str]:
        own = [f"{self.inner.name}/{name}" for name in FolderFiles(self.inner).names()]
        return [*own, *(found.name for found in sorted(self.root.iterdir()) if found.name.endswith(ENDINGS))]


def _placed(annotated: Annotated, files: Files, left_out: list[LeftOut]) -> Placed:
    """A picture that could be read, with those of its objects that lie in it."""
    found = picture_size(io.BytesIO(files.content(annotated.file)))
    inside = []
    for item in annotated.objects:
        said = item.size or found
        fits = alike(said, found)
        if not fits and alike(said[::-1], found):
            turned = f"drawn in a picture of {said[0]:g}×{said[1]:g}, which is {found[0]}×{found[1]}, turned"
            left_out.append(LeftOut(item.where, f"{in_words(item.box)}: {turned}"))
            continue
        width, height = said if fits else found
        left, top, right, bottom = item.box
        cut = (max(left, 0) / width, max(top, 0) / height, min(right, width) / width, min(bottom, height) / height)
        if cut[0] < cut[2] and cut[1] < cut[3]:
            inside.append(Object(item.label, cut, item.where))
        else:
            left_out.append(LeftOut(item.where, f"{in_words(item.box)}: beyond the picture of {width:g}×{height:g}"))
    return Placed(annotated.file, annotated.is_test, [item.label for item in inside], [item.box for item in inside])


def alike(said: Sequence[float], found: tuple[int, int]) -> bool:
    """Whether pictures of these sizes can be one picture, enlarged or reduced."""
    return abs(said[0] * found[1] / (said[1] * found[0]) - 1) < SAME_SHAPE


def _data(
    path: Path, placed: list[Placed], pictures: list[Tensor], reader: PictureReader, left_out: list[LeftOut]
) -> ImageData:
    classes = tuple(sorted({label for item in placed for label in item.labels}))
    if not classes:
        raise SfumatoError(f"{path}: no box in any picture")
    if len(placed) < 2:
        raise SfumatoError(f"{path}: holds one picture; at least two are needed, one to train on and one to test")
    most = max(len(item.boxes) for item in placed)
    if most > MOST:
        raise SfumatoError(f"{path}: a picture with {most:,} boxes; {MOST:,} at most")
    files = [item.file for item in placed]
    is_test = halves_of(files, [item.is_test for item in placed])
    halves = [[number for number, half in enumerate(is_test) if half == wanted] for wanted in (False, True)]
    boxes = padded([item.labels for item in placed], [item.boxes for item in placed], classes)
    if not (boxes[halves[0]][..., 0] >= 0).any():
        raise SfumatoError(f"{path}: no box in any training picture")
    train, test = (
        Split(reader.hold([files[number] for number in half], taken(pictures, half)), boxes=boxes[half])
        for half in halves
    )
    known = reader.fingerprint(files, pictures, boxes, torch.tensor(is_test))
    return ImageData(path.name, train, test, classes, fingerprint(known, *classes), left_out=tuple(left_out))


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
