"""Figures as PNG bytes, drawn with matplotlib without a window."""

import io
import logging
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np
import torch
from PIL import Image
from torch import Tensor
from torch.nn import functional as F

from .grids import grid, tile
from .language import CJK, cjk_font

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

DPI = 150
PAGE = 7.0  # inches
LONGEST = 120  # characters of a word in a figure
SPACE = 0.07  # between images, of their width
SMALL = 48  # pixels, below which each is drawn as a square
INK = "#22303c"
FAINT = "#9aa5b1"
ACCENT = "#c8553d"
LETTER = 0.09  # inches
MOST_COUNTED = 30  # classes of a confusion matrix whose numbers can be read


def new_figure(width: float = 7.2, height: float = 3.6) -> "Figure":
    """An empty figure in the house style, inches wide and high."""
    import matplotlib as mpl
    from matplotlib.figure import Figure

    logging.getLogger("matplotlib.font_manager").setLevel(logging.ERROR)  # "findfont: failed to find font weight ..."
    mpl.rcParams.update(
        {
            "font.family": ["DejaVu Sans", *([font] if (font := cjk_font()) else [])],  # the first has every sign
            "font.size": 9,
            "axes.spines.top": False,
            "axes.spines.right": False,
            "axes.edgecolor": FAINT,
            "axes.labelcolor": INK,
            "xtick.color": INK,
            "ytick.color": INK,
            "legend.frameon": False,
            "axes.unicode_minus": False,
        }
    )
    return Figure(figsize=(width, height), dpi=DPI, layout="constrained")


def png(figure: "Figure") -> bytes:
    """The figure's PNG file."""
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png")
    return buffer.getvalue()


def labelled_rows(rows: Mapping[str, Tensor], columns: Sequence[str] = ()) -> bytes:
    """Rows of images, each with its name at the left, and a heading over each column. Large images are drawn larger,
    as far as the page is wide enough."""
    count = max(len(images) for images in rows.values())
    height, width = next(iter(rows.values())).shape[-2:]
    cell = max(0.62, min(width / DPI, PAGE / count))
    beside = max(1.3, 0.3 + LETTER * max(map(_letters, rows)))
    figure = new_figure(beside + cell * count, 0.25 * bool(columns) + (0.04 + cell * height / width) * len(rows))
    axis = figure.subplots()
    gap = max(1, round(SPACE * width))
    # One picture: an axis for each image takes a hundred times as long.
    whole = [F.pad(images.float().cpu(), (0,) * 7 + (count - len(images),), value=1.0) for images in rows.values()]
    sheet = grid(torch.cat(whole).expand(-1, 3, -1, -1).clamp(0, 1), count, gap, ground=1.0)
    axis.imshow(sheet.permute(1, 2, 0).numpy(), interpolation="nearest" if width < SMALL else None)
    axis.set_anchor("E")  # what room is left over is for the names
    axis.set_yticks([line * (height + gap) + height / 2 for line in range(len(rows))], list(map(plain, rows)))
    headings = columns[:count]
    axis.set_xticks([index * (width + gap) + width / 2 for index in range(len(headings))], list(map(plain, headings)))
    axis.tick_params(length=0, pad=2, labeltop=True, labelbottom=False)
    axis.spines[:].set_visible(False)
    return png(figure)


def png_of(picture: Tensor) -> bytes:
    """A picture (3, h, w) in [0, 1], pixel for pixel."""
    buffer = io.BytesIO()
    Image.fromarray((picture.clamp(0, 1) * 255).round().to(torch.uint8).permute(1, 2, 0).numpy()).save(buffer, "PNG")
    return buffer.getvalue()


def _letters(name: str) -> int:
    """How many Latin letters are about as wide."""
    return len(name) + sum(letter >= CJK for letter in name)


def code_pictures(
    images: Tensor | None, maps: Tensor, decoded: Tensor, names: tuple[str, str, str, str], bins: int = 24
) -> bytes:
    """A column per image: the image, its code's (c, h, w) maps as a tile, a histogram of all its numbers, what it
    decodes to; `names` of these four rows. Without `images`, their row is left out. All histograms share their axes.
    """
    lines = [images, maps, maps, decoded][images is None :]
    figure = new_figure(1.3 + 0.95 * len(maps), 0.98 * len(lines))
    axes = figure.subplots(len(lines), len(maps), squeeze=False)
    low, high = float(maps.min()), float(maps.max())
    histograms = len(lines) - 2
    for line, (values, name) in enumerate(zip(lines, names[images is None :], strict=True)):
        axes[line][0].text(-0.15, 0.5, name, transform=axes[line][0].transAxes, ha="right", va="center", color=INK)
        for axis, value in zip(axes[line], values, strict=True):
            if line == histograms:
                axis.hist(value.flatten().numpy(), bins=bins, range=(low, high), color=INK)
                axis.tick_params(labelsize=5, length=2, pad=1)
                axis.set(yscale="log", yticks=[])
                axis.minorticks_off()
            else:
                axis.set_axis_off()
                show(axis, tile(value) if line == histograms - 1 else value)
    for axis in axes[histograms]:
        axis.set_ylim(0.5, max(other.get_ylim()[1] for other in axes[histograms]))
    return png(figure)


def show(axis: "Axes", image: Tensor) -> None:
    """Draws one (c, h, w) image in [0, 1] on `axis`."""
    picture = image.clamp(0, 1).permute(1, 2, 0).float().cpu().numpy()
    axis.imshow(picture[..., 0] if picture.shape[-1] == 1 else picture, cmap="gray", vmin=0, vmax=1)


def curve(
    series: Mapping[str, tuple[Sequence[float], Sequence[float]]],
    xlabel: str,
    ylabel: str,
    rate: tuple[str, Sequence[float], Sequence[float]] | None = None,
    marks: Sequence[tuple[float, float]] = (),
    marks_name: str = "",
    rising: bool = False,
    logarithmic: bool = False,
) -> bytes:
    """Lines by name, (x, y) each; `rate`: name, x and y of a learning rate, on a logarithmic axis at the right;
    `marks`: published points to compare with; `rising`: whether better is up."""
    figure = new_figure()
    axis = figure.subplots()
    for index, (name, (x, y)) in enumerate(series.items()):
        shade, dot = INK if index == 0 and len(series) == 1 else f"C{index}", "o" if len(x) == 1 else ""
        axis.plot(x, y, label=plain(name), color=shade, linewidth=1.6, marker=dot)  # no line shows a single point
    if marks:
        axis.scatter(*zip(*marks, strict=True), marker="x", color=ACCENT, zorder=3, label=marks_name)
    axis.set(xlabel=xlabel, ylabel=ylabel)
    # The first epochs would flatten the rest of the curve.
    values = np.concatenate([np.asarray(y, dtype=float) for _, y in series.values()])
    if logarithmic:
        axis.set_yscale("log")
    elif max(len(y) for _, y in series.values()) > 10:
        low = float(np.quantile(values, 0.03) if rising else values.min())
        high = float(values.max() if rising else np.quantile(values, 0.97))
        axis.set_ylim(low - 0.05 * (high - low), high + 0.1 * (high - low))
    handles, labels = axis.get_legend_handles_labels()
    if rate is not None:
        right = axis.twinx()
        (line,) = right.plot(rate[1], rate[2], color=FAINT, linewidth=1, drawstyle="steps-post", label=rate[0])
        right.set(ylabel=rate[0], yscale="log", ylim=(min(rate[2]) / 12, max(rate[2]) * 3))
        right.spines["right"].set_visible(True)
        handles, labels = [*handles, line], [*labels, rate[0]]
    axis.legend(handles, labels, loc="best")
    return png(figure)


def confusion_table(counts: Tensor, names: Sequence[str], true: str, said: str) -> bytes:
    """A confusion matrix (k, k), rows what is true: the counts, darker where they are a larger share of their row."""
    side = min(PAGE, 1.6 + 0.5 * len(names))
    figure = new_figure(side, side)
    axis = figure.subplots()
    shares = counts / counts.sum(1, keepdim=True).clamp(min=1)
    axis.imshow(shares.numpy(), cmap="Blues", vmin=0, vmax=1)
    for row, column in counts.nonzero().tolist() if len(names) <= MOST_COUNTED else []:
        ink = "white" if shares[row, column] > 0.5 else INK
        axis.text(column, row, f"{int(counts[row, column])}", ha="center", va="center", color=ink, fontsize=8)
    axis.set_xticks(range(len(names)), [plain(name) for name in names], rotation=90)
    axis.set_yticks(range(len(names)), [plain(name) for name in names])
    axis.set_xlabel(said)
    axis.set_ylabel(true)
    return png(figure)


def reliability_diagram(confidence: Sequence[float], accuracy: Sequence[float], counts: Sequence[int]) -> bytes:
    """Bars of the share of right answers by how sure they are, one for each bin that holds any; darker where it holds
    more. On the line, confidence means what it says."""
    figure = new_figure(4.2, 4.2)
    axis = figure.add_subplot()
    most, width = max(1, *counts), 1 / len(counts)
    for place, (right, count) in enumerate(zip(accuracy, counts, strict=True)):
        if count:
            axis.bar((place + 0.5) * width, right, 0.94 * width, color="C0", alpha=0.25 + 0.75 * count / most)
            axis.text((place + 0.5) * width, right, str(count), ha="center", va="bottom", fontsize=6, color=INK)
    there = [(sure, right) for sure, right, count in zip(confidence, accuracy, counts, strict=True) if count]
    axis.plot([0, 1], [0, 1], color=INK, linewidth=0.8, linestyle="--")
    axis.plot(*zip(*there, strict=True), color=INK, marker="o", markersize=3, linewidth=0)
    axis.set(xlim=(0, 1), ylim=(0, 1.05), xlabel="confidence", ylabel="share that is right")
    return png(figure)


def plain(word: str) -> str:
    """A user's word as matplotlib shall draw it, in seconds: cut short, and a dollar is a dollar, no formula begins."""
    return (word if len(word) <= LONGEST else f"{word[:LONGEST]}…").replace("$", r"\$")


def captioned(images: Tensor, words: Sequence[str], columns: int = 6) -> bytes:
    """Images (n, c, h, w) in [0, 1] in rows, each with its words below it."""
    rows = -(-len(images) // columns)
    figure = new_figure(PAGE, rows * (PAGE / columns + 0.3))
    for index, (image, word) in enumerate(zip(images, words, strict=True)):
        axis = figure.add_subplot(rows, columns, index + 1)
        show(axis, image)
        axis.set_axis_off()
        axis.text(0.5, -0.04, plain(word), transform=axis.transAxes, ha="center", va="top", fontsize=7, color=INK)
    return png(figure)


def scatter(
    points: Tensor, labels: Tensor, names: Sequence[str], xlabel: str, ylabel: str, box: Sequence[float] | None = None
) -> bytes:
    """(n, 2) points coloured by class, the class's name at its centre; `box`: left, bottom, right, top, outlined."""
    from matplotlib.patches import Rectangle

    figure = new_figure(6.4, 5.6)
    axis = figure.subplots()
    for index, name in enumerate(names):
        own = points[labels == index].numpy()
        if not len(own):
            continue
        colour = f"C{index % 10}"
        axis.scatter(
            own[:, 0],
            own[:, 1],
            s=5 if len(points) > 2000 else 16,
            color=colour,
            alpha=0.5,
            linewidths=0,
            label=plain(name),
        )
        across, up = np.median(own, axis=0)
        badge = {"boxstyle": "circle,pad=0.15", "facecolor": "white", "edgecolor": colour, "alpha": 0.8}
        axis.text(across, up, plain(name), fontsize=13, fontweight="bold", ha="center", va="center", bbox=badge)
    if box is not None:
        left, bottom, right, top = box
        axis.add_patch(
            Rectangle((left, bottom), right - left, top - bottom, fill=False, edgecolor=ACCENT, linestyle="--")
        )
    axis.set(xlabel=xlabel, ylabel=ylabel)
    return png(figure)


def scatters(panels: Mapping[str, Tensor], labels: Tensor, names: Sequence[str], columns: int = 4) -> bytes:
    """Panels of (n, 2) points by name, each on axes of its own, coloured by class."""
    rows = -(-len(panels) // columns)
    figure = new_figure(PAGE, rows * PAGE / columns + 0.4)
    for index, (name, points) in enumerate(panels.items()):
        axis = figure.add_subplot(rows, columns, index + 1)
        for label, word in enumerate(names):
            own = points[labels == label].numpy()
            axis.scatter(own[:, 0], own[:, 1], s=1.5, alpha=0.6, linewidths=0, label=plain(word))
        axis.set_title(plain(name), fontsize=8)
        axis.tick_params(labelsize=6)
        axis.locator_params(nbins=3)  # numbers that differ in their fifth digit are long
    figure.legend(*figure.axes[0].get_legend_handles_labels(), loc="outside lower center", ncols=10, markerscale=5)
    return png(figure)


def plane(
    images: Tensor,
    columns: int,
    extent: tuple[float, float, float, float],
    xlabel: str,
    ylabel: str,
    legible: Tensor | None = None,
) -> bytes:
    """A square of decoded grid points, first row at the top; `extent`: left, right, bottom, top of the outer points.

    `legible`: (n,) booleans; cells that are not legible are shaded.
    """
    figure = new_figure(6.4, 6.2)
    axis = figure.subplots()
    sheet = grid(images, columns, gap=0).permute(1, 2, 0).numpy()
    shown = np.repeat(sheet, 3, axis=2) if sheet.shape[2] == 1 else sheet
    if legible is not None:
        side = images.shape[-1]
        mask = np.kron(legible.view(-1, columns).numpy(), np.ones((side, side)))[..., None]
        shown = np.where(mask, shown, 0.72 * shown + np.array([0.28, 0.12, 0.10]) * (1 - shown))
    left, right, bottom, top = extent
    across, up = (right - left) / (columns - 1) / 2, (top - bottom) / (len(images) // columns - 1) / 2
    cells = (left - across, right + across, bottom - up, top + up)  # points stand at the centres of their cells
    axis.imshow(np.clip(shown, 0, 1), extent=cells, aspect="auto", interpolation="nearest")
    axis.set(xlabel=xlabel, ylabel=ylabel)
    return png(figure)


def histograms(values: Mapping[str, Tensor], xlabel: str, bins: int = 40) -> bytes:
    """Histograms by name over one axis, which ends where a hundredth of all lies beyond."""
    figure = new_figure()
    axis = figure.subplots()
    end = float(torch.cat(list(values.values())).quantile(0.99))
    for index, (name, found) in enumerate(values.items()):
        axis.hist(
            found.numpy(), bins=bins, range=(0, end), histtype="step", color=f"C{index}", linewidth=1.6, label=name
        )
    axis.set(xlabel=xlabel, yticks=[])
    axis.legend(loc="best")
    return png(figure)


def lines_on_plane(points: Tensor, lines: Mapping[str, Tensor]) -> bytes:
    """Lines (n, points, 2) by name, a panel each, over the points (m, 2) of the plane."""
    figure = new_figure(PAGE, PAGE / len(lines))
    for axis, (name, paths) in zip(figure.subplots(1, len(lines), squeeze=False)[0], lines.items(), strict=True):
        axis.scatter(*points.T.numpy(), s=3, color=FAINT, linewidths=0)
        for path in paths:
            axis.plot(*path.T.numpy(), color=ACCENT, linewidth=0.9)
        axis.set(title=name, aspect="equal", xticks=[], yticks=[])
    return png(figure)


def contours(ground: Tensor, panels: Mapping[str, Tensor], low: float, high: float, levels: int = 6) -> bytes:
    """Levels of densities (n, n) over the square from `low` to `high`: of `ground` in grey, on it each of `panels`."""
    figure = new_figure(PAGE, PAGE / len(panels))
    places = np.linspace(low, high, len(ground))
    for axis, (name, density) in zip(figure.subplots(1, len(panels), squeeze=False)[0], panels.items(), strict=True):
        axis.contourf(places, places, ground.numpy(), levels, cmap="Greys", alpha=0.7)
        axis.contour(places, places, density.numpy(), levels, colors=ACCENT, linewidths=1)
        axis.set(title=name, aspect="equal")
    return png(figure)
