"""What anchors can reach at best: how much they overlap the objects, before anything is learned."""

from dataclasses import dataclass

from torch import Tensor

from ..data.dataset import Split
from ..ops.anchors import best_overlaps
from .ssd import SSD

MATCH = 0.5  # overlap from which on a detection counts as right


@dataclass(frozen=True)
class Reach:
    """Of the anchors of a detector over `objects` boxes. `recall`: the share of those whose best anchor overlaps them
    by MATCH or more; `overlap`: the mean of the best overlaps; `smallest`: the root of the smallest anchor's area;
    `too_small`: how many boxes have less than MATCH of that area, so that no anchor at all overlaps them by MATCH."""

    objects: int
    recall: float
    overlap: float
    smallest: float
    too_small: int


def known_boxes(split: Split) -> Tensor:
    """(n, 4): the boxes of all objects of `split`."""
    assert split.boxes is not None
    return split.boxes[split.boxes[..., 0] >= 0][:, 1:]


def reach(system: SSD, boxes: Tensor) -> Reach:
    """Of (n, 4) boxes of one or more objects, as they lie in the data: neither cut nor zoomed."""
    shapes = system.config.sides()
    best = best_overlaps(boxes, [(*map_, sides) for map_, sides in zip(system.map_shapes(), shapes, strict=True)])
    smallest = min(float(sides.prod(1).min()) for sides in shapes)
    return Reach(
        objects=len(boxes),
        recall=float((best >= MATCH).float().mean()),
        overlap=float(best.mean()),
        smallest=smallest**0.5,
        too_small=int(((boxes[:, 2:] - boxes[:, :2]).prod(1) < MATCH * smallest).sum()),
    )


def told(found: Reach) -> str:
    """The same in a line."""
    return (
        f"best possible recall of the anchors: {found.recall:.1%} of {found.objects:,} training objects (overlap of "
        f"{MATCH} or more), mean best overlap {found.overlap:.3f}"
    )


def warned(found: Reach, fitted: bool) -> str:
    """A line that names objects too small for any anchor, and the mend; nothing where there are none."""
    mend = "more --sizes, of which as many anchors are fitted" if fitted else "--anchors fitted, or smaller --sizes"
    return (
        f"{found.too_small:,} of {found.objects:,} training objects are smaller than half of the smallest anchor "
        f"({found.smallest:.2g} of the side): {mend}"
        if found.too_small
        else ""
    )
