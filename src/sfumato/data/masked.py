"""Pictures with a class for each pixel, below a folder or in a zip.

A mask is a palette or grey picture of class numbers, or one of colours that a `labelmap.txt`, `class_dict.csv` or
`label_colors.txt` explains, of the size of its picture; `pairing` says where it lies. Where there are no masks,
outlines of COCO, Labelme, CVAT or YOLO are drawn, over a background. Halves are those of folders, lists and tables.

255 is void: neither trained nor measured on; in CamVid 11 is, in Cityscapes whatever is not one of its 19 classes.
Masks of nothing but 0 and 255 are background and object. Levels with wide gaps between them are numbered anew, and
said. What lies between two levels at edges alone was softened by somebody who resized the mask: it is no class, and the
mask is left out. Names of classes are the lines of `classes.txt` or `class_names.txt`, a map of colours, or those that
VOC, CamVid and Cityscapes are known to have.
"""

import io
import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path, PurePosixPath

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor

from ..errors import SfumatoError
from .annotations import Annotated
from .archives import Files, text_of
from .boxed import alike, open_annotations
from .dataset import VOID, ImageData, LeftOut, fingerprint
from .division import NOWHERE, USUAL, Division, declared, listed
from .halves import Half, are_told_apart, half_of_path, halves_of
from .index import PictureIndex
from .outlines import drawn
from .pairing import paired
from .pictures import Colour, picture_header, read_indices
from .reader import PictureReader, marks_of, open_files, passed_over, refuse_if, splits_of


def _voc_colour(number: int) -> Colour:
    """VOC's rule: the lowest three bits of a class are the highest of red, green and blue, the next the next."""
    red, green, blue = (sum((number >> 3 * place + band & 1) << 7 - place for place in range(3)) for band in range(3))
    return red, green, blue


VOC = ("background", "aeroplane", "bicycle", "bird", "boat", "bottle", "bus", "car", "cat", "chair", "cow",
       "diningtable", "dog", "horse", "motorbike", "person", "pottedplant", "sheep", "sofa", "train",
       "tvmonitor")  # fmt: skip
CAMVID = ("sky", "building", "pole", "road", "pavement", "tree", "sign", "fence", "car", "pedestrian", "bicyclist")
KNOWN: dict[tuple[str, ...], tuple[Colour, ...]] = {  # colours of classes whose masks have none
    VOC: tuple(_voc_colour(number) for number in range(len(VOC))),
    CAMVID: ((128, 128, 128), (128, 0, 0), (192, 192, 128), (128, 64, 128), (60, 40, 222), (128, 128, 0),
             (192, 128, 128), (64, 64, 128), (64, 0, 128), (64, 64, 0), (0, 128, 192)),
}  # fmt: skip
CITYSCAPES = {7: "road", 8: "sidewalk", 11: "building", 12: "wall", 13: "fence", 17: "pole", 19: "traffic light",
              20: "traffic sign", 21: "vegetation", 22: "terrain", 23: "sky", 24: "person", 25: "rider", 26: "car",
              27: "truck", 28: "bus", 31: "train", 32: "motorcycle", 33: "bicycle"}  # fmt: skip
NAMES = ("classes.txt", "class_names.txt", "_classes.txt", "labels.txt", "names.txt")
COLOURS = ("labelmap.txt", "label_colors.txt", "class_dict.csv", "colormap.csv", "_classes.csv")
LEVEL = re.compile(r"\s*[0-9]{1,3}\s*")
VOCS = re.compile(r"(\d{4}_)?\d{6}")
BACKGROUND = "background"
DENSE = 64  # levels below it are numbers of classes, not shades: what lies between two may be a third
SHOWN = 12
PALETTED = ("PNG", "GIF", "BMP", "TIFF")  # formats that have palettes
Levels = NDArray[np.uint8]


@dataclass
class Seen:
    """What the masks of a set hold: by file, its levels and those of them that fill a square of 3×3 somewhere; whether
    all of them are palettes."""

    levels: dict[str, frozenset[int]] = field(default_factory=dict)
    solid: set[int] = field(default_factory=set)
    palettes: bool = True


class MaskReader(PictureReader):
    """Reads a picture as uint8 (4, h, w): colours, and the class of each pixel, as `masks` gives them for a picture of
    that name and shape, height and width."""

    def __init__(self, files: Files, resolution: int, masks: Callable[[str, tuple[int, int]], Levels]) -> None:
        super().__init__(files, 3, resolution, "short")
        self.masks = masks
        self.table = torch.arange(256, dtype=torch.uint8)  # level to class

    def read(self, name: str) -> Tensor:
        picture = super().read(name)
        width, height = picture_header(io.BytesIO(self.files.content(name))).size
        levels = self.masks(name, (height, width))
        size = (picture.shape[2], picture.shape[1])
        small = np.array(Image.fromarray(levels).resize(size, Image.Resampling.NEAREST))
        return torch.cat([picture, self.table[torch.from_numpy(small).long()][None]])


@dataclass(frozen=True)
class Classes:
    """The names of classes, the class of each level, and what must be said of that."""

    names: tuple[str, ...]
    table: Tensor
    how: str = ""


def read_masked(path: Path, resolution: int, strict: bool = False, division: Division = USUAL) -> ImageData:
    """The pictures below `path` that have a mask; their shorter side becomes `resolution`. Raises SfumatoError if
    nothing can be used, or, with `strict`, at the first file that cannot."""
    files, under = open_files(path)
    names = [name for name in files.names() if name.startswith(under)]
    pairs, unpaired = paired(names)
    if not pairs:
        return _from_outlines(path, resolution, strict, division, unpaired)
    masks = {pair.file: pair.mask for pair in pairs}
    colours, named = _named(files, names)
    seen = Seen()
    left_out = [*files.refused(), *unpaired]

    def of(name: str, shape: tuple[int, int]) -> Levels:
        content = io.BytesIO(files.content(masks[name]))
        try:
            levels, is_palette = read_indices(content, colours)
        except SfumatoError as error:
            raise SfumatoError(f"{masks[name]}: {error}") from None
        if levels.shape != shape:
            sizes = f"{shape[1]}×{shape[0]}, its mask {masks[name]} {levels.shape[1]}×{levels.shape[0]}"
            raise SfumatoError(f"is {sizes}")
        seen.levels[name] = frozenset(np.unique(levels).tolist())
        seen.palettes &= is_palette
        if not is_palette and max(seen.levels[name]) >= DENSE:
            seen.solid |= solid_levels(levels)
        return levels

    reader = MaskReader(files, resolution, of)
    halves, how = _halves(files, names, under, sorted(masks), division)
    chosen = [name for name in sorted(masks) if halves is None or name in halves]
    left_out += [LeftOut(name, NOWHERE) for name in sorted(masks) if name not in chosen]
    good, pictures, bad = reader.gather(chosen, path.name)
    chosen = [chosen[place] for place in good]
    soft = {} if colours else _softened(chosen, masks, seen)
    if soft:
        kept = [place for place, name in enumerate(chosen) if name not in soft]
        pictures = [pictures[place] for place in kept] if pictures else []
        chosen = [chosen[place] for place in kept]
    left_out += [*bad, *(LeftOut(name, reason) for name, reason in soft.items())]
    refuse_if(strict, path, left_out, bool(chosen))
    classes = _classes(path, [(masks[name], seen.levels[name]) for name in chosen], named)
    known_by = [f"{masks[name]}:{files.size(masks[name])}" for name in chosen]
    data = _data(path, reader, chosen, pictures, halves, classes, left_out, division, how, known_by)
    by_level = {level: colour for colour, level in (colours or {}).items()}
    if seen.palettes:
        by_level = _palette(files.content(masks[chosen[0]]))
    present = frozenset().union(*(seen.levels[name] for name in chosen))
    return replace(data, palette=_of_classes(by_level, present, classes) or KNOWN.get(classes.names, ()))


def _palette(content: bytes) -> dict[int, Colour]:
    """The colour of each level of a palette picture."""
    with Image.open(io.BytesIO(content), formats=PALETTED) as image:
        levels = image.getpalette() or []
    return dict(enumerate(zip(levels[::3], levels[1::3], levels[2::3], strict=True)))


def _of_classes(by_level: dict[int, Colour], present: Iterable[int], classes: Classes) -> tuple[Colour, ...]:
    """The colour of each class, by a level that masks hold if there is one; nothing unless all have different ones."""
    levels = [*sorted(by_level, reverse=True), *(level for level in present if level in by_level)]
    known = {int(classes.table[level]): by_level[level] for level in levels}
    palette = tuple(known[number] for number in range(len(classes.names)) if number in known)
    return palette if len(set(palette)) == len(classes.names) else ()


def _data(
    path: Path,
    reader: MaskReader,
    chosen: list[str],
    pictures: list[Tensor],
    said: dict[str, Half] | None,
    classes: Classes,
    left_out: list[LeftOut],
    division: Division,
    how: str,
    known_by: list[str],
) -> ImageData:
    reader.table = classes.table
    for picture in pictures:
        picture[3] = classes.table[picture[3].long()]
    if len(chosen) < 2:
        raise SfumatoError(f"{path}: holds one picture; at least two are needed, one to train on and one to test")
    halves = halves_of(chosen, [said[name] if said else None for name in chosen], division.share, division.seed)
    splits = splits_of(reader, chosen, pictures, halves, left_out, masked=True)
    pixels = reader.fingerprint(chosen, pictures, *marks_of(halves))
    reading = [how, classes.how, *passed_over(reader.files)]
    return ImageData(
        path.name,
        **splits,
        classes=classes.names,
        fingerprint=fingerprint(pixels, *known_by, *classes.names),
        left_out=tuple(left_out),
        reading="; ".join(filter(None, reading)),
    )


def _halves(
    files: Files, names: Sequence[str], under: str, pictures: Sequence[str], division: Division
) -> tuple[dict[str, Half] | None, str]:
    """The halves of pictures, None where nobody says any; and how they were found."""
    if not division.asks:
        lists = dict(listed(files, names, PictureIndex(pictures), "ImageSets/Segmentation"))
        if lists:
            return lists, "halves from ImageSets/Segmentation"
        said: dict[str, Half] = {name: half for name in pictures if (half := half_of_path(name))}
        if are_told_apart(said.values()):
            return said, ""
    known = set(pictures)
    wanted = [name for name in names if name in known or not name.lower().endswith((".png", ".jpg", ".gif", ".bmp"))]
    found = declared(files, wanted, under, division)
    return {name: half for name, (half, _) in found.halves.items()} or None, found.how


def solid_levels(levels: Levels) -> set[int]:
    """The levels that fill a square of 3×3 pixels somewhere, and the lowest and the highest."""
    ends = {int(levels.min()), int(levels.max())}
    if min(levels.shape) < 3:
        return ends
    inner = levels[1:-1, 1:-1]
    same = np.ones(inner.shape, bool)
    height, width = levels.shape
    for down in range(3):
        for across in range(3):
            same &= levels[down : height - 2 + down, across : width - 2 + across] == inner
    return ends | set(np.unique(inner[same]).tolist())


def _softened(chosen: Sequence[str], masks: dict[str, str], seen: Seen) -> dict[str, str]:
    """The pictures whose masks have levels that fill no square in any mask: what resizing leaves at edges."""
    if seen.palettes:
        return {}
    found = {}
    for name in chosen:
        soft = sorted(seen.levels[name] - seen.solid - {VOID}) if max(seen.levels[name]) >= DENSE else []
        if soft:
            shown = ", ".join(map(str, soft[:SHOWN])) + (", ..." if len(soft) > SHOWN else "")
            found[name] = f"its mask {masks[name]} has soft edges: levels {shown} lie at edges alone"
    return found


def _named(files: Files, names: Sequence[str]) -> tuple[dict[Colour, int] | None, tuple[str, ...]]:
    """What colours mean, and the names of the classes, as files beside the masks say; nothing if there are none."""
    for name in names:
        if PurePosixPath(name).name.lower() in COLOURS and (rows := colour_rows(text_of(files, name))):
            return {colour: number for number, (_, colour) in enumerate(rows)}, tuple(label for label, _ in rows)
    for name in names:
        if PurePosixPath(name).name.lower() in NAMES:
            lines = text_of(files, name).splitlines()
            found = tuple(line.strip() for line in lines if line.strip() and line.strip() != "__ignore__")
            return None, tuple(BACKGROUND if line == "_background_" else line for line in found)
    return None, ()


def colour_rows(text: str) -> list[tuple[str, Colour]]:
    """The classes of a map of colours in order: `name:r,g,b::` (CVAT), `name,r,g,b` or `r g b name` (CamVid)."""
    rows = []
    for line in text.splitlines():
        label, colon, rest = line.partition(":")
        if line.startswith("#") or not line.strip():
            continue
        cells = [label, *rest.split(":")[0].split(",")] if colon else line.replace(",", " ").replace("\t", " ").split()
        numbers = [int(cell) for cell in cells if LEVEL.fullmatch(cell)]
        words = " ".join(cell.strip() for cell in cells if not LEVEL.fullmatch(cell))
        if len(numbers) == 3 and max(numbers) <= VOID and words:
            rows.append((words, (numbers[0], numbers[1], numbers[2])))
    return rows


def _classes(path: Path, seen: Sequence[tuple[str, frozenset[int]]], named: tuple[str, ...]) -> Classes:
    """The classes of masks that hold these levels. Raises SfumatoError if they cannot be told."""
    table = torch.arange(256, dtype=torch.uint8)
    present = sorted(frozenset().union(*(levels for _, levels in seen)))
    folders = {part for mask, _ in seen for part in mask.lower().split("/")[:-1]}
    if not named and {"trainannot", "testannot"} <= folders and present[-1] <= len(CAMVID):
        table[len(CAMVID)] = VOID
        return Classes(CAMVID, table)
    if not named and any("labelids" in mask.lower() and "gtfine" in mask.lower() for mask, _ in seen):
        table[:] = VOID
        table[list(CITYSCAPES)] = torch.arange(len(CITYSCAPES), dtype=torch.uint8)
        return Classes(tuple(CITYSCAPES.values()), table, "the 19 classes of Cityscapes; the others are void")
    _same_white(path, seen)
    if present == [0, VOID]:
        table[VOID] = 1
        return Classes(named if len(named) == 2 else (BACKGROUND, "object"), table)
    below = [level for level in present if level != VOID]
    count = max(below, default=0) + 1
    if named and len(named) >= count:
        return Classes(named, table)
    if named and len(named) in (len(below), len(present)):
        levels = below if len(named) == len(below) else present
        table[levels] = torch.arange(len(levels), dtype=torch.uint8)
        return Classes(named, table, _numbered_anew(levels))
    if named:
        raise SfumatoError(
            f"{path}: {len(named)} classes are named ({', '.join(named[:3])}, ...), the masks hold {count}"
        )
    if "segmentationclass" in folders and count <= len(VOC) and all(map(_is_vocs, seen)):
        return Classes(VOC, table)
    if 2 * len(below) < count:
        levels = present if present[-1] == VOID and count > DENSE else below
        table[levels] = torch.arange(len(levels), dtype=torch.uint8)
        return Classes(tuple(f"level {level}" for level in levels), table, _numbered_anew(levels))
    return Classes(tuple(f"class {number}" for number in range(max(2, count))), table)


def _numbered_anew(levels: Sequence[int]) -> str:
    shown = ", ".join(map(str, levels[:SHOWN])) + (", ..." if len(levels) > SHOWN else "")
    return f"levels {shown} of masks are classes 0 to {len(levels) - 1}"


def _same_white(path: Path, seen: Sequence[tuple[str, frozenset[int]]]) -> None:
    """Raises SfumatoError where some masks are 0 and 1, others 0 and 255: of the latter, is 255 an object or void?"""
    ones = [mask for mask, levels in seen if levels <= {0, 1} and 1 in levels]
    whites = [mask for mask, levels in seen if levels <= {0, VOID} and VOID in levels]
    if ones and whites and all(levels <= {0, 1} or levels <= {0, VOID} for _, levels in seen):
        raise SfumatoError(
            f"{path}: masks of 0 and 1 ({ones[0]}, {len(ones):,} in all) and of 0 and 255 ({whites[0]}, "
            f"{len(whites):,}) in one set: save them alike"
        )


def _is_vocs(seen: tuple[str, frozenset[int]]) -> bool:
    """Whether a mask is called as VOC calls its own, and not one of other classes in its layout."""
    return VOCS.fullmatch(PurePosixPath(seen[0]).stem) is not None


def _from_outlines(
    path: Path, resolution: int, strict: bool, division: Division, unpaired: Sequence[LeftOut]
) -> ImageData:
    """A set whose masks are outlines in annotation files."""
    try:
        files, annotations = open_annotations(path, division)
    except SfumatoError:
        found = f"; {unpaired[0]}" if unpaired else ""
        raise SfumatoError(
            f"{path}: no picture has a mask: neither in SegmentationClass/ (VOC), nor in trainannot/ beside train/, "
            f"nor in masks/ beside images/, nor as x_mask beside x, nor as outlines of COCO, Labelme or CVAT{found}"
        ) from None
    left_out = [*files.refused(), *annotations.left_out]
    usable = dict[str, Annotated]()
    for name, annotated in sorted(annotations.found.items()):
        without = [item for item in annotated.objects if item.outline is None]
        if annotated.faults or without or annotated.crowded:
            left_out += annotated.faults
            reason = f"{without[0].where}: a box without an outline" if without else "one of its objects cannot be used"
            left_out.append(LeftOut(name, reason))
        else:
            usable[name] = annotated
    labels = sorted({item.label for annotated in usable.values() for item in annotated.objects} - {BACKGROUND})
    numbers = {label: number for number, label in enumerate((BACKGROUND, *labels))}

    def of(name: str, shape: tuple[int, int]) -> Levels:
        levels = np.zeros(shape, np.uint8)
        for item in usable[name].objects:  # what was drawn later lies above
            if not item.shared and item.size and not alike(item.size, (shape[1], shape[0])):
                sizes = f"{item.size[0]:g}×{item.size[1]:g}, which is {shape[1]}×{shape[0]}"
                raise SfumatoError(f"{item.where}: drawn in a picture of {sizes}")
            if item.outline is not None:
                levels[drawn(item.outline, item.size or (shape[1], shape[0]), shape)] = numbers[item.label]
        return levels

    reader = MaskReader(files, resolution, of)
    good, pictures, bad = reader.gather(list(usable), path.name)
    chosen = [list(usable)[place] for place in good]
    left_out += bad
    refuse_if(strict, path, left_out, bool(chosen))
    said: dict[str, Half] = {name: half for name in chosen if (half := usable[name].half)}
    classes = Classes((BACKGROUND, *labels), torch.arange(256, dtype=torch.uint8), "masks drawn from outlines")
    known_by = [f"{item.label}:{item.outline}" for name in chosen for item in usable[name].objects]
    halves = said if len(said) == len(chosen) else None
    return _data(path, reader, chosen, pictures, halves, classes, left_out, division, annotations.how, known_by)
