"""Pictures with a class for each pixel, below a folder or in a zip.

A mask is a palette or grey picture of class numbers, of the size of its picture. Three layouts are known:

- VOC: `SegmentationClass/*.png` beside `JPEGImages/`; the lists in `ImageSets/Segmentation` are the split.
- folders side by side, `train` and `trainannot` (SegNet's CamVid), where there is a `test` the pictures of `val` are
  left for whoever chooses between networks;
- `images` and `masks` (or `labels`, `annotations`), wherever they lie.

255 is void: neither trained nor measured on; in CamVid 11 is. Masks of nothing but 0 and 255 are background and object.
Names of classes are the lines of a `classes.txt`, or those that VOC and CamVid are known to have.
"""

import io
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from ..errors import SfumatoError
from .annotations import listed
from .archives import Files
from .dataset import VOID, ImageData, LeftOut, Split, fingerprint
from .folder import PictureReader, open_files, refuse_if, taken
from .halves import TEST_NAMES, half_of, halves_of
from .pictures import ENDINGS, picture_size, read_indices

VOC = ("background", "aeroplane", "bicycle", "bird", "boat", "bottle", "bus", "car", "cat", "chair", "cow",
       "diningtable", "dog", "horse", "motorbike", "person", "pottedplant", "sheep", "sofa", "train",
       "tvmonitor")  # fmt: skip
CAMVID = ("sky", "building", "pole", "road", "pavement", "tree", "sign", "fence", "car", "pedestrian", "bicyclist")
MASK_FOLDERS = ("masks", "labels", "annotations")


@dataclass(frozen=True)
class Pair:
    """A picture, its mask, and its half of the split."""

    file: str
    mask: str
    is_test: bool | None


class MaskReader(PictureReader):
    """Reads a picture as uint8 (4, h, w): colours, and the class of each pixel."""

    def __init__(self, files: Files, resolution: int, masks: dict[str, str]) -> None:
        super().__init__(files, 3, resolution, "short")
        self.masks = masks
        self.levels = np.zeros(256, dtype=bool)  # that any mask holds
        self.table = torch.arange(256, dtype=torch.uint8)  # level to class

    def read(self, name: str) -> Tensor:
        picture = super().read(name)
        levels = read_indices(io.BytesIO(self.files.content(self.masks[name])))
        width, height = picture_size(io.BytesIO(self.files.content(name)))
        if levels.shape != (height, width):
            raise SfumatoError(f"is {width}×{height}, its mask {self.masks[name]} {levels.shape[1]}×{levels.shape[0]}")
        self.levels[np.unique(levels)] = True
        size = (picture.shape[2], picture.shape[1])
        small = np.array(Image.fromarray(levels).resize(size, Image.Resampling.NEAREST))
        return torch.cat([picture, self.table[torch.from_numpy(small).long()][None]])


def read_masked(path: Path, resolution: int, strict: bool = False) -> ImageData:
    """The pictures below `path` that have a mask; their shorter side becomes `resolution`. Raises SfumatoError if
    nothing can be used, or, with `strict`, at the first file that cannot."""
    files, under = open_files(path)
    names = [name for name in files.names() if name.startswith(under)]
    left_out = files.refused()
    pairs, known = _paired(files, names, left_out)
    reader = MaskReader(files, resolution, {pair.file: pair.mask for pair in pairs})
    good, pictures, bad = reader.gather([pair.file for pair in pairs], path.name)
    left_out += bad
    if not pairs:
        raise SfumatoError(
            f"{path}: no picture has a mask: neither in SegmentationClass/ (VOC), nor in trainannot/ beside train/, "
            f"nor in {', '.join(MASK_FOLDERS)} beside images/"
        )
    refuse_if(strict, path, left_out, bool(good))
    classes, table = _classes(files, names, known, reader.levels)
    reader.table = table
    for picture in pictures:
        picture[3] = table[picture[3].long()]
    if len(good) < 2:
        raise SfumatoError(f"{path}: holds one picture; at least two are needed, one to train on and one to test")
    chosen = [pairs[place] for place in good]
    is_test = halves_of([pair.file for pair in chosen], [pair.is_test for pair in chosen])
    halves = [[number for number, half in enumerate(is_test) if half == wanted] for wanted in (False, True)]
    train, test = (
        Split(reader.hold([chosen[number].file for number in half], taken(pictures, half)), masked=True)
        for half in halves
    )
    masks = [f"{pair.mask}:{files.size(pair.mask)}" for pair in chosen]
    known_by = reader.fingerprint([pair.file for pair in chosen], pictures, torch.tensor(is_test))
    digest = fingerprint(known_by, *masks, *classes)
    return ImageData(path.name, train, test, classes, digest, left_out=tuple(left_out))


def _paired(files: Files, names: list[str], left_out: list[LeftOut]) -> tuple[list[Pair], tuple[str, ...]]:
    """Every picture that has a mask, and the classes that such a data set is known to have."""
    pictures = [name for name in names if PurePosixPath(name).suffix.lower() in ENDINGS]
    there = {str(PurePosixPath(name).with_suffix("")): name for name in pictures}
    tops = {PurePosixPath(name).parts[-2] for name in pictures if "/" in name}
    lists = dict(listed(files, names, "Segmentation"))
    held_back = "test" in tops and "testannot" in tops
    pairs = []
    for stem, name in there.items():
        parts = PurePosixPath(stem).parts
        mask = _mask_of(parts, there)
        if mask is None:
            continue
        half = lists.get(parts[-1]) if lists else half_of("/".join(parts[:-1]))
        if lists and half is None:
            left_out.append(LeftOut(name, "in no list of ImageSets/Segmentation"))
        elif not (held_back and "val" in parts):
            pairs.append(Pair(name, mask, half))
    if "SegmentationClass" in tops:
        return pairs, VOC
    return pairs, CAMVID if {"trainannot", "testannot"} <= tops else ()


def _mask_of(parts: tuple[str, ...], there: dict[str, str]) -> str | None:
    """The name of the mask of the picture with these parts of its stem."""
    candidates = [("JPEGImages", "SegmentationClass"), *(("images", folder) for folder in MASK_FOLDERS)]
    candidates += [(half, f"{half}annot") for half in ("train", *TEST_NAMES)]
    for folder, other in candidates:
        if folder in parts[:-1]:
            place = parts.index(folder)
            stem = "/".join((*parts[:place], other, *parts[place + 1 :]))
            if stem in there:
                return there[stem]
    return None


def _classes(
    files: Files, names: list[str], known: tuple[str, ...], present: np.ndarray
) -> tuple[tuple[str, ...], Tensor]:
    """The names of the classes, and the table from the levels that are `present` in masks to classes."""
    table = torch.arange(256, dtype=torch.uint8)
    levels = np.flatnonzero(present)
    if known == CAMVID and levels[-1] == len(CAMVID):
        table[len(CAMVID)] = VOID
        return CAMVID, table
    if levels.tolist() == [0, VOID]:
        table[VOID] = 1
        return ("background", "object"), table
    count = int(levels[levels < VOID].max(initial=0)) + 1
    listed_names = [name for name in names if PurePosixPath(name).name == "classes.txt"]
    if listed_names:
        text = files.content(listed_names[0]).decode("utf-8", "replace")
        known = tuple(line.strip() for line in text.splitlines() if line.strip())
        if len(known) < count:
            raise SfumatoError(f"{listed_names[0]}: names {len(known)} classes, the masks hold {count}")
    if len(known) < count:
        known = tuple(f"class {number}" for number in range(max(2, count)))
    return known, table
