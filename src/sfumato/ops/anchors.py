"""Anchor boxes: laid over feature maps, assigned to objects, and turned into detections.

Liu et al. 2016, "SSD", https://arxiv.org/abs/1512.02325, sections 2.1 and 2.2. Boxes are (…, 4): left, top, right,
bottom as shares of the image's sides; those of images with fewer objects than others in the batch are padded with rows
of class -1, which no anchor is ever assigned to.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

VARIANCES = (0.1, 0.2)  # by which offsets of centres and of logarithmic sizes are divided
NONE = -1
EPS = 1e-6


def prior_boxes(height: int, width: int, sizes: Sequence[float], ratios: Sequence[float]) -> Tensor:
    """(height · width · (n + m - 1), 4): boxes around the centre of each pixel of a map, rows first; not cut off.

    `sizes`: n sides as shares of the image's height. `ratios`: m quotients of width over height. Every size comes with
    the first ratio, then the first size with every other ratio: all pairs would be too many.
    """
    shapes = torch.tensor([(size, ratios[0]) for size in sizes] + [(sizes[0], ratio) for ratio in ratios[1:]])
    size, root = shapes[:, 0], shapes[:, 1].sqrt()
    halves = torch.stack([size * root * height / width, size / root], 1) / 2
    down, across = torch.meshgrid(
        (torch.arange(height) + 0.5) / height, (torch.arange(width) + 0.5) / width, indexing="ij"
    )
    centres = torch.stack([across, down], -1).view(-1, 1, 2)
    return torch.cat([centres - halves, centres + halves], -1).view(-1, 4)


def overlaps_of(boxes: Tensor, others: Tensor) -> Tensor:
    """(n, m): intersection over union of each of (n, 4) boxes with each of (m, 4). NaN of two empty ones."""
    shared = torch.min(boxes[:, None, 2:], others[:, 2:]) - torch.max(boxes[:, None, :2], others[:, :2])
    areas, of_others = ((part[:, 2:] - part[:, :2]).prod(1) for part in (boxes, others))
    both = shared.clamp(min=0).prod(2)
    return both / (areas[:, None] + of_others - both)


def _centred(boxes: Tensor) -> Tensor:
    """(…, 4): centre and sides of boxes by their edges."""
    low, high = boxes[..., :2], boxes[..., 2:]
    return torch.cat([(low + high) / 2, high - low], -1)


def _suppressed(boxes: Tensor, classes: Tensor, overlap: float) -> Tensor:
    """The places of those of (n, 4) boxes, surest first, that overlap no surer one that is kept and is of the same of
    `classes` (n,) by more than `overlap`."""
    clash = ((overlaps_of(boxes, boxes) > overlap) & (classes[:, None] == classes)).cpu().numpy()
    kept = np.ones(len(boxes), dtype=bool)
    for place in range(len(boxes)):
        if kept[place]:
            kept[place + 1 :] &= ~clash[place, place + 1 :]
    return torch.from_numpy(kept.nonzero()[0]).to(boxes.device)


def assign(boxes: Tensor, classes: Tensor, anchors: Tensor, threshold: float = 0.5) -> Tensor:
    """(b, a): the number of the object that each of `anchors` (a, 4) is trained for, or -1.

    `boxes` (b, m, 4), `classes` (b, m), -1 in padding. An anchor goes to the object that it overlaps most, if by
    `threshold` (of intersection over union) at least. Then, best overlap first, each object gets one anchor of its own,
    so that none is left without.
    """
    count, most = classes.shape
    if not most:
        return torch.full((count, len(anchors)), NONE, device=anchors.device)
    overlaps = overlaps_of(anchors, boxes.reshape(-1, 4)).view(len(anchors), count, most).transpose(0, 1).contiguous()
    overlaps = overlaps.nan_to_num().masked_fill((classes < 0)[:, None], -1.0)
    best, assigned = overlaps.max(2)
    assigned = assigned.masked_fill(best < threshold, NONE)
    which = torch.arange(count, device=anchors.device)
    for _ in range(most):
        value, place = overlaps.flatten(1).max(1)
        anchor, chosen = place // most, place % most
        assigned[which, anchor] = torch.where(value >= 0, chosen, assigned[which, anchor])
        overlaps[which, anchor] = -1.0
        overlaps[which, :, chosen] = -1.0
    return assigned


def offsets(anchors: Tensor, boxes: Tensor) -> Tensor:
    """What leads from `anchors` to `boxes`, both (…, 4): shifts of the centre in sides of the anchor, and logarithms of
    quotients of sides, divided by VARIANCES."""
    origin, target = _centred(anchors), _centred(boxes)
    shift = (target[..., :2] - origin[..., :2]) / origin[..., 2:] / VARIANCES[0]
    growth = torch.log(EPS + target[..., 2:] / origin[..., 2:]) / VARIANCES[1]
    return torch.cat([shift, growth], -1)


def shifted(anchors: Tensor, offset: Tensor) -> Tensor:
    """The boxes that `offset` leads to: `offsets` the other way round."""
    origin = _centred(anchors)
    centre = origin[..., :2] + offset[..., :2] * VARIANCES[0] * origin[..., 2:]
    sides = origin[..., 2:] * torch.exp((offset[..., 2:] * VARIANCES[1]).clamp(max=10.0))
    return torch.cat([centre - sides / 2, centre + sides / 2], -1)


@dataclass(frozen=True)
class Targets:
    """For each anchor of each image: `classes` (b, a), 0 for background, else one more than the object's; `offsets`
    (b, a, 4), 0 for background."""

    classes: Tensor
    offsets: Tensor

    @property
    def positive(self) -> Tensor:
        """(b, a): the anchors that belong to an object."""
        return self.classes > 0


def targets(boxes: Tensor, classes: Tensor, anchors: Tensor, threshold: float = 0.5) -> Targets:
    """What a detector shall say at each anchor; arguments as in `assign`."""
    assigned = assign(boxes, classes, anchors, threshold)
    if not classes.shape[1]:
        return Targets(torch.zeros_like(assigned), torch.zeros(*assigned.shape, 4, device=anchors.device))
    positive, chosen = assigned >= 0, assigned.clamp(min=0)
    own = torch.where(positive[..., None], boxes.gather(1, chosen[..., None].expand(-1, -1, 4)), anchors)
    labels = torch.where(positive, classes.gather(1, chosen) + 1, 0)
    return Targets(labels, offsets(anchors, own).masked_fill(~positive[..., None], 0.0))


@dataclass(frozen=True)
class Detections:
    """What was found in one image, surest first: `boxes` (k, 4), cut at the image's border, `classes` (k,) counted from
    0, `scores` (k,)."""

    boxes: Tensor
    classes: Tensor
    scores: Tensor


def detect(
    logits: Tensor, offset: Tensor, anchors: Tensor, score: float = 0.01, overlap: float = 0.45, most: int = 200
) -> list[Detections]:
    """The detections in each image, of `logits` (b, a, 1 + classes), background first, and `offset` (b, a, 4).

    Of boxes of one class that overlap by more than `overlap` the surest is kept (non-maximum suppression); a box may
    be kept under several classes. `score`: what is less likely is dropped. `most`: in an image; twice as many go into
    suppression.
    """
    found = []
    boxes = shifted(anchors, offset).clamp(0, 1)
    for chances, places in zip(F.softmax(logits, -1)[..., 1:], boxes, strict=True):
        likely, order = chances.flatten().topk(min(2 * most, chances.numel()))
        order = order[likely >= score]
        likely, label = likely[: len(order)], order % chances.shape[1]
        place = places[order // chances.shape[1]]
        kept = _suppressed(place, label, overlap)[:most]
        found.append(Detections(place[kept], label[kept], likely[kept]))
    return found
