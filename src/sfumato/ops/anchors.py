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
MOST_MOVES = 300  # of the centres of k-means


def prior_sides(sizes: Sequence[float], ratios: Sequence[float]) -> Tensor:
    """(n + m - 1, 2): widths and heights of anchors, as shares of the image's height.

    `sizes`: n sides as shares of the image's height. `ratios`: m quotients of width over height. Every size comes with
    the first ratio, then the first size with every other ratio: all pairs would be too many.
    """
    shapes = torch.tensor([(size, ratios[0]) for size in sizes] + [(sizes[0], ratio) for ratio in ratios[1:]])
    size, root = shapes[:, 0], shapes[:, 1].sqrt()
    return torch.stack([size * root, size / root], 1)


def laid(height: int, width: int, sides: Tensor) -> Tensor:
    """(height · width · n, 4): boxes of `sides` (n, 2) around the centre of each pixel of a map, rows first; not cut
    off. Sides are shares of the image's height."""
    halves = torch.stack([sides[:, 0] * height / width, sides[:, 1]], 1) / 2
    down, across = torch.meshgrid(
        (torch.arange(height) + 0.5) / height, (torch.arange(width) + 0.5) / width, indexing="ij"
    )
    centres = torch.stack([across, down], -1).view(-1, 1, 2)
    return torch.cat([centres - halves, centres + halves], -1).view(-1, 4)


def prior_boxes(height: int, width: int, sizes: Sequence[float], ratios: Sequence[float]) -> Tensor:
    """(height · width · (n + m - 1), 4): the boxes of `prior_sides`, `laid` over a map."""
    return laid(height, width, prior_sides(sizes, ratios))


def overlaps_of(boxes: Tensor, others: Tensor) -> Tensor:
    """(n, m): intersection over union of each of (n, 4) boxes with each of (m, 4). NaN of two empty ones."""
    shared = torch.min(boxes[:, None, 2:], others[:, 2:]) - torch.max(boxes[:, None, :2], others[:, :2])
    areas, of_others = ((part[:, 2:] - part[:, :2]).prod(1) for part in (boxes, others))
    both = shared.clamp(min=0).prod(2)
    return both / (areas[:, None] + of_others - both)


def best_overlaps(boxes: Tensor, maps: Sequence[tuple[int, int, Tensor]]) -> Tensor:
    """(n,): the intersection over union of each of (n, 4) boxes with its best anchor.

    `maps`: heights, widths and the sides (k, 2) of anchors, as `laid` takes them. The nearest pixel has the best
    anchor of each shape: the overlap along either side only falls with the distance of the centres.
    """
    best = torch.zeros(len(boxes))
    centre, own = centred(boxes).split(2, -1)
    for height, width, sides in maps:
        cells = torch.tensor([width, height])
        place = torch.minimum((centre * cells).floor().clamp(min=0), cells - 1)
        apart = ((place + 0.5) / cells - centre).abs()[:, None]
        shapes = sides * torch.tensor([height / width, 1.0])
        least = torch.minimum(own[:, None], shapes)
        shared = ((own[:, None] + shapes) / 2 - apart).clamp(min=0).minimum(least).prod(2)
        union = own.prod(1)[:, None] + shapes.prod(1) - shared
        best = torch.maximum(best, (shared / union).nan_to_num().amax(1))
    return best


def centred(boxes: Tensor) -> Tensor:
    """(…, 4): the centre form of boxes, across and down, width and height, of their corner form: left, top, right,
    bottom."""
    low, high = boxes[..., :2], boxes[..., 2:]
    return torch.cat([(low + high) / 2, high - low], -1)


def cornered(boxes: Tensor) -> Tensor:
    """(…, 4): the corner form of boxes in centre form: `centred` the other way round."""
    centre, halves = boxes[..., :2], boxes[..., 2:] / 2
    return torch.cat([centre - halves, centre + halves], -1)


def side_overlaps(sides: Tensor, others: Tensor) -> Tensor:
    """(n, m): intersection over union of boxes of widths and heights (n, 2) with ones of (m, 2), about one centre."""
    shared = torch.min(sides[:, None], others).prod(2)
    return shared / (sides.prod(1)[:, None] + others.prod(1) - shared)


def fitted_sides(sides: Tensor, usual: Tensor) -> Tensor:
    """(k, 2), as many as `usual`: widths and heights that fit those of boxes, (n, 2) of n >= k, smallest area first.

    k-means with 1 - intersection over union as the distance (Redmon and Farhadi 2017, "YOLO9000",
    https://arxiv.org/abs/1612.08242, section 2). It begins with `usual`, with boxes spread over all areas and with
    boxes far from each other, and keeps what overlaps best in the mean: never less than `usual`, and nothing is drawn
    at random.
    """
    sides, usual = sides.double(), usual.double()
    found = [_clustered(sides, start) for start in (usual, _spread(sides, len(usual)), _far(sides, len(usual)))]
    best = max(found, key=lambda centres: _fit(sides, centres))
    return best[best.prod(1).argsort(stable=True)].float()


def _fit(sides: Tensor, centres: Tensor) -> float:
    """The mean overlap of boxes with the best of `centres`."""
    return float(side_overlaps(sides, centres).amax(1).mean())


def _clustered(sides: Tensor, centres: Tensor) -> Tensor:
    """`centres` moved to the means of their boxes for as long as that fits better."""
    fit, moved = -1.0, centres
    for _ in range(MOST_MOVES):
        overlap, nearest = side_overlaps(sides, moved).max(1)
        if float(overlap.mean()) <= fit:
            break
        fit, centres, moved = float(overlap.mean()), moved, moved.clone()
        for number in range(len(centres)):
            own = nearest == number
            if own.any():
                moved[number] = sides[own].mean(0)
            else:  # goes to the box that fits worst, and no other goes there
                worst = overlap.argmin()
                moved[number], overlap[worst] = sides[worst], 1.0
    return centres


def _spread(sides: Tensor, count: int) -> Tensor:
    """`count` of (n, 2), by area."""
    order = sides.prod(1).argsort(stable=True)
    return sides[order[((torch.arange(count) + 0.5) * len(sides) / count).long()]]


def _far(sides: Tensor, count: int) -> Tensor:
    """`count` of (n, 2), each as far as can be from those before."""
    chosen = sides[sides.prod(1).argmin()][None]
    for _ in range(count - 1):
        chosen = torch.cat([chosen, sides[side_overlaps(sides, chosen).amax(1).argmin()][None]])
    return chosen


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
    origin, target = centred(anchors), centred(boxes)
    shift = (target[..., :2] - origin[..., :2]) / origin[..., 2:] / VARIANCES[0]
    growth = torch.log(EPS + target[..., 2:] / origin[..., 2:]) / VARIANCES[1]
    return torch.cat([shift, growth], -1)


def shifted(anchors: Tensor, offset: Tensor) -> Tensor:
    """The boxes that `offset` leads to: `offsets` the other way round."""
    origin = centred(anchors)
    centre = origin[..., :2] + offset[..., :2] * VARIANCES[0] * origin[..., 2:]
    sides = origin[..., 2:] * torch.exp((offset[..., 2:] * VARIANCES[1]).clamp(max=10.0))
    return cornered(torch.cat([centre, sides], -1))


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
