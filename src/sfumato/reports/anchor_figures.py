"""Pictures of anchors: which of them is assigned to which object, on which map, and which way its offset leads."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from torch import Tensor

from .figures import INK, new_figure, plain, png

if TYPE_CHECKING:
    from matplotlib.axes import Axes

CELL = 1.9  # inches
ROOM = 0.5  # around a picture, of its sides
GREY = "#5f6b76"  # of what belongs to nothing


@dataclass(frozen=True)
class Layer:
    """A map's anchors (a, 4), as shares of the picture's sides, and the object that each is assigned to, or -1."""

    title: str
    anchors: Tensor
    assigned: Tensor


def assigned_anchors(
    picture: Tensor, boxes: Tensor, words: Sequence[str], layers: Sequence[Layer], truth: str
) -> bytes:
    """A panel with the objects, (n, 4) as shares of the sides of `picture` (3, h, w), and one for each map: its
    assigned anchors in the colour of their object, and an arrow from each anchor's centre to the object's. `truth`: the
    title of the first panel."""
    figure = new_figure(CELL * (len(layers) + 1), CELL * picture.shape[1] / picture.shape[2] + 0.3)
    panels = figure.subplots(1, len(layers) + 1)
    height, width = picture.shape[-2:]
    shades = [f"C{number % 10}" for number in range(len(boxes))]
    for panel in panels:
        panel.imshow(picture.clamp(0, 1).permute(1, 2, 0).float().numpy(), extent=(0, 1, 1, 0), aspect=height / width)
        panel.set_axis_off()
        panel.set_xlim(-0.05, 1.05)
        panel.set_ylim(1.05, -0.05)
    panels[0].set_title(plain(truth), fontsize=8, color=INK)
    for box, word, shade in zip(boxes.tolist(), words, shades, strict=True):
        _frame(panels[0], box, shade, 1.6)
        panels[0].text(box[0], box[1] - 0.01, word, fontsize=7, color="white", va="bottom",
                       bbox={"facecolor": shade, "edgecolor": "none", "pad": 1})  # fmt: skip
    for panel, layer in zip(panels[1:], layers, strict=True):
        used = (layer.assigned >= 0).nonzero().flatten().tolist()
        panel.set_title(f"{layer.title}: {len(used)}", fontsize=8, color=INK)
        for place in used:
            anchor, owner = layer.anchors[place].tolist(), int(layer.assigned[place])
            _frame(panel, anchor, shades[owner], 0.8)
            start, end = (_centre(box) for box in (anchor, boxes[owner].tolist()))
            panel.annotate("", end, start, arrowprops={"arrowstyle": "->", "color": shades[owner], "lw": 0.8})
    return png(figure)


def anchor_boxes(
    picture: Tensor, boxes: Tensor, words: Sequence[str], groups: Sequence[int], thick: int = 0, inches: float = 4.2
) -> bytes:
    """`picture` with `boxes` on it, those of one group in one colour, grey of group -1, each with its words. `thick`:
    how many of them, the first, have a bold frame. `inches`: the width. Around the picture is room for boxes that lead
    out of it, by half of its sides at most."""
    height, width = picture.shape[-2:]
    left, top = boxes[:, :2].amin(0).clamp(-ROOM, 0).tolist()
    right, bottom = boxes[:, 2:].amax(0).clamp(1, 1 + ROOM).tolist()
    figure = new_figure(inches, inches * height * (bottom - top) / (width * (right - left)))
    panel = figure.subplots()
    panel.imshow(picture.permute(1, 2, 0).float().numpy(), extent=(0, 1, 1, 0), aspect=height / width)
    panel.set_axis_off()
    panel.set(xlim=(left, right), ylim=(bottom, top))
    for place, (box, word, group) in enumerate(zip(boxes.tolist(), words, groups, strict=True)):
        shade = f"C{group % 10}" if group >= 0 else GREY
        _frame(panel, box, shade, 3.2 if place < thick else 1.6)
        panel.text(max(left, box[0]), max(top, box[1]), word, fontsize=7, color="white", va="top", clip_on=True,
                   bbox={"facecolor": shade, "edgecolor": "none", "pad": 1})  # fmt: skip
    return png(figure)


def _frame(panel: "Axes", box: Sequence[float], shade: str, wide: float) -> None:
    from matplotlib.patches import Rectangle

    left, top, right, bottom = box
    panel.add_patch(Rectangle((left, top), right - left, bottom - top, fill=False, edgecolor=shade, linewidth=wide))


def _centre(box: Sequence[float]) -> tuple[float, float]:
    return (box[0] + box[2]) / 2, (box[1] + box[3]) / 2
