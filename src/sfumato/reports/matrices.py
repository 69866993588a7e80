"""Numbers in a rectangle as pictures: kernels, convolutions as matrices, gradients in an image."""

from collections.abc import Sequence
from dataclasses import dataclass

from torch import Tensor

from .figures import ACCENT, INK, new_figure, plain, png

PANEL = 1.7  # inches, of a gradient
CELL = 0.27  # inches, of a number
DARK = 0.55  # of the largest value, from which on numbers are white
Frame = tuple[int, int, int, int]


@dataclass(frozen=True)
class Panel:
    """`values` (h, w), not negative, and a frame around some of them: left, top, right, bottom."""

    title: str
    values: Tensor
    frame: Frame | None = None


def matrices(panels: Sequence[Panel], digits: str = "") -> bytes:
    """The panels side by side, darker where values are larger. `digits`: the format of the numbers, which then stand in
    cells of one size; without, each panel has the same size, and roots are shown, or one peak would be all."""
    from matplotlib.patches import Rectangle

    columns = [panel.values.shape[1] if digits else 1 for panel in panels]
    tallest = max(panel.values.shape[0] for panel in panels)
    size = (CELL * (sum(columns) + len(panels)), CELL * tallest + 0.4) if digits else (PANEL * len(panels), PANEL + 0.3)
    figure = new_figure(*size)
    axes = figure.subplots(1, len(panels), width_ratios=columns, squeeze=False)[0]
    for axis, panel in zip(axes, panels, strict=True):
        values = panel.values.detach().float().cpu()
        shown = values if digits else values.sqrt()
        most = float(shown.max()) or 1.0
        axis.imshow(shown.numpy(), cmap="Blues", vmin=0, vmax=most, interpolation="nearest")
        axis.set_title(plain(panel.title), fontsize=8, color=INK)
        axis.set_xticks([])
        axis.set_yticks([])
        for row, line in enumerate(values.tolist() if digits else []):
            for column, value in enumerate(line):
                ink = "white" if value > DARK * most else INK
                axis.text(column, row, format(value, digits), ha="center", va="center", color=ink, fontsize=6.5)
        axis.spines[:].set_visible(False)
        if panel.frame:
            left, top, right, bottom = panel.frame
            place, size = (left - 0.5, top - 0.5), (right - left, bottom - top)
            axis.add_patch(Rectangle(place, *size, fill=False, edgecolor=ACCENT, linewidth=1.4, clip_on=False))
    return png(figure)
