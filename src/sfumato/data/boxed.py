"""Pictures with boxes around objects, below a folder or in a zip; `annotations` says in which forms.

Each picture is squashed into a square: boxes, as shares of the sides, stay what they are. One without objects is kept:
it says what is background. One of whose objects any cannot be used is left out: it would say so wrongly.
Edges are rounded to hundredths of a pixel, so that one truth in any form gives the same numbers.
"""

import io
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import torch
from torch import Tensor

from ..errors import SfumatoError
from .annotations import Annotated, Annotations, Box, Object, Size, in_words
from .archives import Files, FolderFiles
from .dataset import ImageData, LeftOut, fingerprint
from .division import USUAL, Division
from .halves import Half, halves_of
from .pictures import Header, picture_header
from .reader import PictureReader, marks_of, open_files, passed_over, refuse_if, splits_of

ENDINGS = (".csv", ".json", ".xml", ".yaml", ".yml", ".txt")  # of annotations
MOST = 2_000  # boxes in a picture
SAME_SHAPE = 0.02  # by which the quotients of the sides of a picture and of its smaller copy may differ
STEPS = 100  # in a pixel, to which edges are rounded


@dataclass(frozen=True)
class Placed:
    """A picture that can be used, with the objects that lie in it, their boxes as shares of its sides. `size`: its
    width and height, upright."""

    file: str
    half: Half | None
    objects: Sequence[Object]
    size: tuple[int, int]


def read_boxed(path: Path, resolution: int, strict: bool = False, division: Division = USUAL) -> ImageData:
    """The annotated pictures below `path`, `resolution` pixels square. Raises SfumatoError if nothing can be used, or,
    with `strict`, at the first thing that cannot."""
    files, placed, left_out, reading = place_objects(path, division)
    reader = PictureReader(files, 3, resolution, "squash")
    good, pictures, bad = reader.gather([item.file for item in placed], path.name)
    left_out += bad
    refuse_if(strict, path, left_out, bool(good))
    placed = [placed[place] for place in good]
    return _data(path, placed, pictures, reader, left_out, division, reading)


def place_objects(path: Path, division: Division = USUAL) -> tuple[Files, list[Placed], list[LeftOut], list[str]]:
    """The annotated pictures at `path` that can be used as far as is known without their pixels, what cannot, and, in
    phrases, how it was read. Raises SfumatoError if there is no annotation."""
    files, annotations = open_annotations(path, division)
    mended = dict[str, int]()
    left_out = [*files.refused(), *annotations.left_out]
    placed = []
    for name in sorted(annotations.found):
        try:
            placed.append(_placed(annotations.found[name], files, left_out, mended))
        except SfumatoError as error:
            left_out.append(LeftOut(name, str(error)))
    return files, placed, left_out, _reading(annotations, mended)


def open_annotations(path: Path, division: Division = USUAL) -> tuple[Files, Annotations]:
    """The files at `path`, and what is said of the pictures among them. Raises SfumatoError if nothing is."""
    files, under = open_files(path)
    if not under and path.is_dir() and not any(name.lower().endswith(ENDINGS) for name in files.names()):
        files, under = AndTables(path), f"{path.name}/"  # a part of a data set whose table lies beside it
    try:
        return files, Annotations(files, under, division)
    except SfumatoError as error:
        raise SfumatoError(f"{path}: {error}") from None


class AndTables(FolderFiles):
    """The files of a folder, under its name, and the annotation files that lie directly in the folder above it."""

    def __init__(self, path: Path) -> None:
        super().__init__(path.absolute().parent)
        self.inner = path.absolute()

    def names(self) -> list[str]:
        if self.found is None:
            inner = FolderFiles(self.inner)
            own = [f"{self.inner.name}/{name}" for name in inner.names()]
            self.places = {f"{self.inner.name}/{name}": f"{self.inner.name}/{at}" for name, at in inner.places.items()}
            self.bad, self.systems = inner.bad, inner.systems
            above = sorted(found.name for found in self.root.iterdir() if found.is_file())
            self.found = [*own, *(name for name in above if name.lower().endswith(ENDINGS))]
        return self.found


def _reading(annotations: Annotations, mended: dict[str, int]) -> list[str]:
    """How the set was read, in phrases."""
    forms = ", ".join(f"{form} ({count:,} file{'s' * (count != 1)})" for form, count in annotations.forms.items())
    phrases = [forms, annotations.how, *(f"{count:,} boxes {how}" for how, count in mended.items())]
    if annotations.without:
        more = ", ..." if len(annotations.without) > 1 else ""
        phrases.append(f"not used, without annotations: {len(annotations.without):,} ({annotations.without[0]}{more})")
    return [*filter(None, phrases), *passed_over(annotations.files)]


def _placed(annotated: Annotated, files: Files, left_out: list[LeftOut], mended: dict[str, int]) -> Placed:
    """A picture with its objects. Raises SfumatoError if it must not be used: for one object that cannot be."""
    header = picture_header(io.BytesIO(files.content(annotated.file)))
    inside = list[Object]()
    faults = list(annotated.faults)
    shares = _are_shares(annotated.objects, header)
    for item in annotated.objects:
        try:
            inside.append(_inside(item, header, shares, mended))
        except SfumatoError as error:
            faults.append(LeftOut(item.where, f"{in_words(item.box)}: {error}"))
    left_out += faults
    if faults:
        raise SfumatoError(f"{len(faults)} of its {len(faults) + len(inside)} objects cannot be used")
    if annotated.crowded and not inside:
        raise SfumatoError("shows crowds alone")
    return Placed(annotated.file, annotated.half, inside, header.size)


def _are_shares(objects: Sequence[Object], header: Header) -> bool:
    """Whether boxes that should be in pixels are in shares of the sides: all edges are at most 1, and some broken."""
    edges = [edge for item in objects if not item.shared for edge in item.box]
    return min(header.size) > 2 and bool(edges) and all(0 <= edge <= 1 for edge in edges) and any(e % 1 for e in edges)


def _inside(item: Object, header: Header, shares: bool, mended: dict[str, int]) -> Object:
    """An object with its box in shares of the upright picture. Raises SfumatoError if it is not in the picture."""
    box, size = item.box, item.size or header.size
    if item.shared or shares:
        box, size = _scaled(box, header.size), header.size
        if not item.shared:
            mended["in shares, not pixels"] = mended.get("in shares, not pixels", 0) + 1
    elif not alike(size, header.size) and alike(size[::-1], header.size):
        stored = header.size[::-1]
        turned = header.turned(_scaled(box, (stored[0] / size[0], stored[1] / size[1])))
        if turned is None:
            shapes = f"{size[0]:g}×{size[1]:g}, which is {header.size[0]}×{header.size[1]}"
            raise SfumatoError(f"drawn in a picture of {shapes}, turned")
        box, size = turned, header.size
        mended["turned with their pictures"] = mended.get("turned with their pictures", 0) + 1
    width, height = size if alike(size, header.size) else header.size
    across, down = header.size
    left, top, right, bottom = _scaled(box, (across / width, down / height))
    edges = max(left, 0), max(top, 0), min(right, across), min(bottom, down)
    left, top, right, bottom = (round(edge * STEPS) / STEPS for edge in edges)
    if left >= right or top >= bottom:
        raise SfumatoError(f"beyond the picture of {width:g}×{height:g}")
    return replace(item, box=(left / across, top / down, right / across, bottom / down))


def _scaled(box: Box, size: Size) -> Box:
    return box[0] * size[0], box[1] * size[1], box[2] * size[0], box[3] * size[1]


def alike(said: Sequence[float], found: tuple[int, int]) -> bool:
    """Whether pictures of these sizes can be one picture, enlarged or reduced."""
    return abs(said[0] * found[1] / (said[1] * found[0]) - 1) < SAME_SHAPE


def _data(
    path: Path,
    placed: list[Placed],
    pictures: list[Tensor],
    reader: PictureReader,
    left_out: list[LeftOut],
    division: Division,
    reading: list[str],
) -> ImageData:
    classes = tuple(sorted({item.label for one in placed for item in one.objects}))
    if not classes:
        reason = f"; the first of {len(left_out)} left out: {left_out[0]}" if left_out else ""
        raise SfumatoError(f"{path}: no box in any picture{reason}")
    if len(placed) < 2:
        raise SfumatoError(f"{path}: holds one picture; at least two are needed, one to train on and one to test")
    most = max(len(one.objects) for one in placed)
    if most > MOST:
        raise SfumatoError(f"{path}: a picture with {most:,} boxes; {MOST:,} at most")
    files = [one.file for one in placed]
    halves = halves_for(placed, division)
    boxes = padded(
        [[item.label for item in one.objects] for one in placed],
        [[item.box for item in one.objects] for one in placed],
        classes,
    )
    splits = splits_of(reader, files, pictures, halves, left_out, boxes=boxes)
    if not (boxes[[half == "train" for half in halves]][..., 0] >= 0).any():
        raise SfumatoError(f"{path}: no box in any training picture")
    known = reader.fingerprint(files, pictures, boxes, *marks_of(halves))
    return ImageData(
        path.name,
        **splits,
        classes=classes,
        fingerprint=fingerprint(known, *classes),
        left_out=tuple(left_out),
        reading="; ".join(reading),
    )


def halves_for(placed: Sequence[Placed], division: Division) -> list[Half | None]:
    """As `halves_of`; where nobody says anything and all objects fell into one half, those with objects are shared out
    on their own."""
    said: list[Half | None] = [one.half for one in placed]
    halves = halves_of([one.file for one in placed], said, division.share, division.seed)
    full = [place for place, one in enumerate(placed) if one.objects]
    if not any(said) and len(full) > 1 and len({halves[place] for place in full}) < 2:
        own = halves_of([placed[place].file for place in full], [None] * len(full), division.share, division.seed)
        for place, half in zip(full, own, strict=True):
            halves[place] = half
    return halves


def padded(
    labels: Sequence[Sequence[str]],
    boxes: Sequence[Sequence[Box]],
    classes: Sequence[str],
) -> Tensor:
    """(n, m, 5): the boxes of n pictures as `Split` has them."""
    most = max(map(len, labels))
    rows = torch.full((len(labels), most, 5), -1.0)
    for row, names, places in zip(rows, labels, boxes, strict=True):
        for number, (name, place) in enumerate(zip(names, places, strict=True)):
            row[number] = torch.tensor([classes.index(name), *place])
    return rows
