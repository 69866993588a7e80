"""Which mask belongs to which picture: by folders side by side, or by a word in its name.

`images/x` and `masks/x`, `train/x` and `trainannot/x`, `JPEGImages/x` and `SegmentationClass/x`,
`leftImg8bit/.../x_leftImg8bit` and `gtFine/.../x_gtFine_labelIds`; with or without `x_mask`, `x-mask`, `mask_x`, which
stand beside `x` as well.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import PurePosixPath

from .dataset import LeftOut
from .index import is_picture

OF_MASKS = re.compile(
    r"(.*?)[ _.-]?(masks?|labels?|annot|annotations?|gt|gtfine|gtcoarse|ground[ _-]?truths?|segmentations?|seg|"
    r"segmentationclass(?:aug|png)?|labelids|targets?)",
    re.IGNORECASE,
)  # a folder, whole; what is before the word it shares with the folder of pictures
OF_PICTURES = re.compile(
    r"(.*?)[ _.-]?(images?|imgs?|jpegimages|leftimg8bit|pictures|photos|inputs?|originals?|frames)", re.IGNORECASE
)
NEITHER = {"segmentationobject", "visualization", "segmentationclassvisualization"}
ENDS = re.compile(
    r"(.+?)[ _.-](masks?|labels?|gt|seg|segmentation|annotation|gtfine_labelids|gtfine_labeltrainids|labelids|"
    r"leftimg8bit|image|img)",
    re.IGNORECASE,
)  # a stem, whole
BEGINS = re.compile(r"(masks?|labels?|gt|seg)[ _.-](.+)", re.IGNORECASE)
OTHERS = re.compile(r".*_(instanceids|color|polygons)", re.IGNORECASE)  # of Cityscapes' files
Key = tuple[tuple[str, ...], str]


@dataclass(frozen=True)
class Pair:
    file: str
    mask: str


def paired(names: Sequence[str]) -> tuple[list[Pair], list[LeftOut]]:
    """The pictures among `names` that have a mask; and those that have none, and the masks without a picture. Nothing
    at all where no folder and no name speaks of masks."""
    pictures = [name for name in names if is_picture(name) and not _is_neither(name)]
    masks = [name for name in pictures if any(is_of_masks(part) for part in name.split("/")[:-1])]
    if not masks:
        masks = [name for name in pictures if _bare(PurePosixPath(name).stem)[1]]
    if not masks:
        return [], []
    others = sorted(set(pictures) - set(masks))
    by_key = {_key(name): name for name in masks}
    by_stem: dict[str, list[str]] = {}
    for name in masks:
        by_stem.setdefault(_key(name)[1], []).append(name)
    stems = [_key(name)[1] for name in others]
    pairs, left_out = list[Pair](), list[LeftOut]()
    for name, stem in zip(others, stems, strict=True):
        alike = by_stem.get(stem, [])
        mask = by_key.get(_key(name)) or (alike[0] if len(alike) == 1 and stems.count(stem) == 1 else None)
        if mask:
            pairs.append(Pair(name, mask))
        else:
            left_out.append(LeftOut(name, "has no mask of its name"))
    taken = {pair.mask for pair in pairs}
    left_out += [LeftOut(name, "a mask without a picture of its name") for name in masks if name not in taken]
    return pairs, left_out


def _is_neither(name: str) -> bool:
    return any(part.lower() in NEITHER for part in name.split("/")) or bool(OTHERS.fullmatch(PurePosixPath(name).stem))


def is_of_masks(folder: str) -> bool:
    """Whether a folder of this name holds masks, or pictures of them."""
    return OF_MASKS.fullmatch(folder) is not None or folder.lower() in NEITHER


def _key(name: str) -> Key:
    """What a picture and its mask have in common."""
    *folders, file = name.lower().split("/")
    shared = []
    for folder in folders:
        match = OF_MASKS.fullmatch(folder) or OF_PICTURES.fullmatch(folder)
        if own := match.group(1) if match else folder:
            shared.append(own)
    return tuple(shared), _bare(PurePosixPath(file).stem)[0]


def _bare(stem: str) -> tuple[str, bool]:
    """A stem in small letters without a word that says picture or mask, and whether it says mask."""
    stem = stem.lower()
    if match := ENDS.fullmatch(stem):
        return match.group(1), match.group(2) not in ("leftimg8bit", "image", "img")
    if match := BEGINS.fullmatch(stem):
        return match.group(2), True
    return stem, False
