"""How well pictures are named, boxed and coloured in.

Confusion matrices are (k, k): rows are what is true, columns what was said.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from ..data.dataset import VOID
from ..ops.anchors import Detections

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
    from scipy.stats import binomtest

    right, count = int(matrix.diagonal().sum()), int(matrix.sum())
    interval = binomtest(right, count).proportion_ci(CONFIDENCE, method="wilson")
    return Share(right / count, float(interval.low), float(interval.high))


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


def average_precision(found: Sequence[Detections], boxes: Sequence[Tensor]) -> dict[str, float]:
    """COCO's mean average precision of detections, by pycocotools' rules (torchmetrics).

    `boxes`: of each image (n, 5), class, left, top, right, bottom. `map`: over overlaps of 0.5 to 0.95; `map_50`: at an
    overlap of 0.5, as VOC has it, with COCO's 101 points on the curve; -1 becomes NaN.
    """
    from torchmetrics.detection import MeanAveragePrecision

    metric = MeanAveragePrecision(box_format="xyxy", backend="faster_coco_eval")
    metric.warn_on_many_detections = False
    scale = 1000.0  # COCO thinks in pixels; sizes matter to nothing that is read here
    metric.update(
        [{"boxes": scale * item.boxes, "scores": item.scores, "labels": item.classes} for item in found],
        [{"boxes": scale * item[:, 1:], "labels": item[:, 0].long()} for item in boxes],
    )
    values = metric.compute()
    return {name: float("nan") if float(values[name]) < 0 else float(values[name]) for name in ("map", "map_50")}
