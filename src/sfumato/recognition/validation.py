"""Choosing by images that are neither trained nor tested on: their loss and measure, and how sure answers should be."""

from typing import Literal

import torch
from torch import Tensor
from torch.nn import functional as F

from ..data.dataset import VOID, ImageData, Split
from ..engine.runtime import Runtime
from ..metrics.calibration import fitted_temperature
from ..metrics.recognition import accuracy, average_precision, confusion, pixel_confusion, pixel_scores
from ..ops.anchors import detect, targets
from .finetune import FineTuned
from .measures import on_cpu, test_batches, whole_batches
from .recognizer import Recognizer
from .segmentation import Segmenter, pixel_loss
from .ssd import SSD, anchor_losses


def validate(
    system: Recognizer, data: ImageData, runtime: Runtime, half: Literal["valid", "test"] = "valid"
) -> dict[str, float]:
    """The loss on the images of a half, as they are, and the measures of the system's kind, whose names begin with
    `half`."""
    split = data.test if half == "test" else data.valid
    assert split is not None
    system.eval()
    if isinstance(system, Segmenter):
        found = _pixels(system, split, len(data.classes), runtime)
    elif isinstance(system, SSD):
        found = _objects(system, split, runtime)
    else:
        assert isinstance(system, FineTuned)
        found = _names(system, split, len(data.classes), runtime)
    return {f"{half}_{name}": value for name, value in found.items()}


def _names(system: FineTuned, split: Split, classes: int, runtime: Runtime) -> dict[str, float]:
    assert split.labels is not None
    logits = all_logits(system, split, runtime)
    right = accuracy(confusion(logits.argmax(1), split.labels, classes))
    return {"loss": float(F.cross_entropy(logits, split.labels)), "accuracy": right.value}


@torch.no_grad()
def all_logits(system: FineTuned, split: Split, runtime: Runtime) -> Tensor:
    """(n, k) on the CPU, of all pictures of `split`."""
    found = []
    for images, _ in test_batches(split):
        with runtime.autocast():
            found.append(system(images.to(runtime.device, memory_format=runtime.memory_format)).float().cpu())
    return torch.cat(found)


@torch.no_grad()
def _pixels(system: Segmenter, split: Split, classes: int, runtime: Runtime) -> dict[str, float]:
    matrix = torch.zeros(classes, classes, dtype=torch.int64)
    total, known = 0.0, 0
    for images, masks in whole_batches(split):
        assert masks is not None
        with runtime.autocast():
            logits = system(images.to(runtime.device, memory_format=runtime.memory_format)).float().cpu()
        matrix += pixel_confusion(logits.argmax(1), masks, classes)
        count = int((masks != VOID).sum())
        total, known = total + float(pixel_loss(logits, masks)) * count, known + count
    scores = pixel_scores(matrix)
    return {"loss": total / max(1, known), **{key: scores[key] for key in ("miou", "pixel_accuracy")}}


@torch.no_grad()
def _objects(system: SSD, split: Split, runtime: Runtime) -> dict[str, float]:
    assert split.boxes is not None
    total, found = 0.0, []
    for images, places in test_batches(split):
        with runtime.autocast():
            logits, offset, anchors = system(images.to(runtime.device, memory_format=runtime.memory_format))
        rows = split.boxes[places].to(anchors.device)
        wanted = targets(rows[..., 1:], rows[..., 0].long(), anchors, system.config.threshold)
        losses = anchor_losses(logits.float(), offset.float(), wanted, system.config.loss)
        total += float(sum(losses)) * len(images)
        found += on_cpu(detect(logits.float(), offset.float(), anchors))
    true = [rows[rows[:, 0] >= 0] for rows in split.boxes]
    return {"loss": total / len(split), "map_50": average_precision(found, true)["map_50"]}


def calibrate(system: Recognizer, data: ImageData, runtime: Runtime) -> bool:
    """Fits the temperature of a classifier on the validation images; whether there is anything to fit."""
    if not isinstance(system, FineTuned) or data.valid is None or data.valid.labels is None:
        return False
    system.fitted["temperature"] = 1.0
    logits = all_logits(system.eval(), data.valid, runtime)
    system.fitted["temperature"] = fitted_temperature(logits, data.valid.labels)
    return True
