"""How well pictures are named, boxed and coloured in.

Confusion matrices are (k, k): rows are what is true, columns what was said.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import NormalDist
from typing import Any

import torch
from torch import Tensor

from ..data.dataset import VOID
from ..ops.anchors import Detections, overlaps_of

CONFIDENCE = 0.95


def confusion(said: Tensor, true: Tensor, classes: int) -> Tensor:
    """int64 (k, k) of class numbers of any shape."""
    return torch.bincount((true * classes + said).flatten(), minlength=classes**2).view(classes, classes)


def pixel_confusion(said: Tensor, true: Tensor, classes: int) -> Tensor:
    """`confusion` of masks; where `true` is VOID nothing is counted."""
    return confusion(said[true != VOID], true[true != VOID], classes)


@dataclass(frozen=True)
class Share:
    """A share of right answers, and the interval in which it lies with 95 % confidence."""

    value: float
    low: float
    high: float


def accuracy(matrix: Tensor) -> Share:
    """Right answers over all, with the interval of Wilson 1927 (https://doi.org/10.1080/01621459.1927.10502953)."""
    right, count = int(matrix.diagonal().sum()), int(matrix.sum())
    share, z = right / count, NormalDist().inv_cdf((1 + CONFIDENCE) / 2)
    centre = (share + z**2 / (2 * count)) / (1 + z**2 / count)
    half = z / (1 + z**2 / count) * math.sqrt(share * (1 - share) / count + z**2 / (4 * count**2))
    return Share(share, max(0.0, centre - half), min(1.0, centre + half))


def intersection_over_union(matrix: Tensor) -> Tensor:
    """(k,): of each class, pixels that are it and are called it over those that are either (VOC); NaN of no pixel."""
    both = matrix.diagonal().double()
    either = matrix.sum(0) + matrix.sum(1) - both
    return torch.where(either > 0, both / either, torch.nan)


def pixel_scores(matrix: Tensor) -> dict[str, float]:
    """`miou`: the mean of `intersection_over_union` over the classes that there are, of all images together as VOC has
    it, not a mean of images. `pixel_accuracy`: right pixels over all. `class_accuracy`: the mean over classes."""
    true = matrix.sum(1)
    present = true > 0
    recall = matrix.diagonal()[present] / true[present]
    return {
        "miou": float(intersection_over_union(matrix).nanmean()),
        "pixel_accuracy": float(matrix.diagonal().sum() / true.sum()),
        "class_accuracy": float(recall.mean()),
    }


@dataclass(frozen=True)
class Judged:
    """Detections, judged. `scores`: `map`, over overlaps of 0.5 to 0.95, and `map_50`, at an overlap of 0.5 as VOC has
    it; NaN where there are no objects. `curves`: of each class that has objects, its precision (101,) at recalls from 0
    to 1, at an overlap of 0.5: the mean is its average precision, the mean of all is `map_50`."""

    scores: dict[str, float]
    curves: dict[int, Tensor]


def average_precision(found: Sequence[Detections], boxes: Sequence[Tensor]) -> dict[str, float]:
    """The scores of `judge` alone."""
    return judge(found, boxes).scores


def judge(found: Sequence[Detections], boxes: Sequence[Tensor]) -> Judged:
    """COCO's mean average precision of detections, by pycocotools' rules, with 101 points on each curve.

    `boxes`: of each image (n, 5), class, left, top, right, bottom.
    """
    from faster_coco_eval import COCO, COCOeval_faster

    scale = 1000.0  # COCO thinks in pixels; sizes matter to nothing that is read here

    def rows(image: int, places: Tensor, classes: Tensor, scores: Sequence[float] = ()) -> list[dict[str, Any]]:
        corners = scale * places.double().cpu()
        sized = torch.cat([corners[:, :2], corners[:, 2:] - corners[:, :2]], 1)
        known = zip(sized.tolist(), classes.long().tolist(), strict=True)
        return [
            {"image_id": image, "category_id": label, "bbox": box, "area": box[2] * box[3], "iscrowd": 0}
            | ({"score": scores[place]} if scores else {})
            for place, (box, label) in enumerate(known)
        ]

    true = [row for image, item in enumerate(boxes) for row in rows(image, item[:, 1:], item[:, 0])]
    said = [
        row for image, item in enumerate(found) for row in rows(image, item.boxes, item.classes, item.scores.tolist())
    ]
    names = sorted({row["category_id"] for row in (*true, *said)})
    images = [{"id": image} for image in range(len(boxes))]

    def told(of: list[dict[str, Any]]) -> Any:
        numbered = [{"id": number, **row} for number, row in enumerate(of, 1)]
        return COCO({"images": images, "categories": [{"id": name} for name in names], "annotations": numbered})

    judged = COCOeval_faster(told(true), told(said), iouType="bbox", print_function=_unsaid)
    judged.run()
    values = zip(("map", "map_50"), judged.stats[:2], strict=True)
    precision = torch.from_numpy(judged.eval["precision"])[0, :, :, 0, -1]  # overlap of 0.5, all sizes, 100 to an image
    curves = {name: curve for name, curve in zip(names, precision.T, strict=True) if (curve >= 0).all()}
    return Judged({name: math.nan if value < 0 else float(value) for name, value in values}, curves)


def matches(found: Detections, rows: Tensor, overlap: float = 0.5) -> tuple[Tensor, Tensor]:
    """Which detections of an image are right (k,), and which of its objects, `rows` (n, 5), are found (n,).

    Surest first, each detection takes the object of its class, not taken yet, that it overlaps most, if by `overlap`
    at least."""
    right, taken = (torch.zeros(count, dtype=torch.bool) for count in (len(found.boxes), len(rows)))
    overlaps = overlaps_of(found.boxes, rows[:, 1:]).nan_to_num()
    overlaps[found.classes[:, None] != rows[:, 0]] = -1.0
    for place in found.scores.argsort(descending=True, stable=True).tolist() if len(rows) else ():
        best, number = overlaps[place].masked_fill(taken, -1.0).max(0)
        if best >= overlap:
            right[place] = taken[number] = True
    return right, taken


def precision_and_recall(matrix: Tensor) -> tuple[Tensor, Tensor]:
    """(k,) each, of a confusion matrix: right answers over what was called the class, and over what is it; NaN of
    none."""
    right = matrix.diagonal().double()
    return right / matrix.sum(0), right / matrix.sum(1)


def _unsaid(*_: object) -> None:
    """What the library would print."""
