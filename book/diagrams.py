"""Block diagrams from a few lines of text, as SVG in the colour of the page.

    (z) | G | (fake) | D | (verdict)
     |  | (x) | |
    x -> D
    verdict -- G: loss

A line with bars is a row of cells: `(a)` is data, `a` a network, nothing a gap, `>` a gap that an arrow runs through.
Filled neighbours get an arrow. `a -> b: words` is one more arrow, `--` a dashed line. `name=label` names a cell whose
label is longer.
"""

import re
from dataclasses import dataclass
from html import escape

WIDTH, HEIGHT, GAP, ROW = 112, 40, 36, 84  # pixels: a cell, from one to the next, from row to row
BOW = 48  # pixels that a line hangs down which would run through cells
EDGE = re.compile(r"^\s*(?P<start>[^|>-]+?)\s*(?P<kind>->|--)\s*(?P<end>[^|:]+?)\s*(?::\s*(?P<words>.+))?$")


@dataclass(frozen=True)
class Cell:
    label: str
    data: bool
    column: int
    row: int

    @property
    def centre(self) -> tuple[float, float]:
        return self.column * (WIDTH + GAP) + WIDTH / 2 + 4, self.row * ROW + HEIGHT / 2 + 4

    def border(self, towards: tuple[float, float]) -> tuple[float, float]:
        """Where a line from the centre leaves the cell."""
        x, y = self.centre
        across, down = towards[0] - x, towards[1] - y
        scale = min(
            (WIDTH / 2 + 2) / abs(across) if across else float("inf"),
            (HEIGHT / 2 + 2) / abs(down) if down else float("inf"),
        )
        return x + across * scale, y + down * scale


def _cell(text: str, column: int, row: int) -> tuple[str, Cell]:
    data = text.startswith("(") and text.endswith(")")
    name, _, label = (text[1:-1] if data else text).partition("=")
    return name.strip(), Cell((label or name).strip(), data, column, row)


def parse(text: str) -> tuple[dict[str, Cell], list[tuple[str, str, bool, str]]]:
    """The cells by name, and lines: from, to, dashed, words. Raises ValueError for a line that says neither."""
    cells: dict[str, Cell] = {}
    edges: list[tuple[str, str, bool, str]] = []
    rows = 0
    for line in filter(str.strip, text.splitlines()):
        found = EDGE.match(line)
        if found and "|" not in line:
            edges.append((found["start"], found["end"], found["kind"] == "--", found["words"] or ""))
            continue
        before, through = "", False
        for column, part in enumerate(line.split("|")):
            part = part.strip()
            if part in ("", ">"):
                before, through = (before, True) if part and before else ("", False)
                continue
            name, cell = _cell(part, column, rows)
            if name in cells:
                raise ValueError(f"diagram: {name} stands there twice")
            cells[name] = cell
            if before and (through or cells[before].column == column - 1):
                edges.append((before, name, False, ""))
            before, through = name, False
        rows += 1
    if unknown := {end for edge in edges for end in edge[:2]} - cells.keys():
        raise ValueError(f"diagram: {', '.join(sorted(unknown))}: no such cell")
    return cells, edges


def _between(cells: dict[str, Cell], first: Cell, last: Cell) -> bool:
    """Whether a cell of their row stands between the two."""
    low, high = sorted((first.column, last.column))
    return any(cell.row == first.row and low < cell.column < high for cell in cells.values())


def svg(text: str) -> str:
    """One element of HTML, without blank lines, which Markdown passes on."""
    cells, edges = parse(text)
    width = max(cell.centre[0] for cell in cells.values()) + WIDTH / 2 + 4
    height = max(cell.centre[1] for cell in cells.values()) + HEIGHT / 2 + 4
    parts = []
    for start, end, dashed, words in edges:
        first, last = cells[start], cells[end]
        style = ' stroke-dasharray="5 4"' if dashed else ' marker-end="url(#arrow)"'
        if first.row == last.row and _between(cells, first, last):
            (x1, _), (x2, _), y = first.centre, last.centre, first.row * ROW + HEIGHT + 6
            parts.append(
                f'<path class="line" d="M{x1:.0f} {y} C{x1:.0f} {y + BOW} {x2:.0f} {y + BOW} {x2:.0f} {y}"{style}/>'
            )
            middle, height = ((x1 + x2) / 2, y + 0.75 * BOW - 5), max(height, y + BOW)
        else:
            (x1, y1), (x2, y2) = first.border(last.centre), last.border(first.centre)
            parts.append(f'<path class="line" d="M{x1:.0f} {y1:.0f} {x2:.0f} {y2:.0f}"{style}/>')
            middle = (x1 + x2) / 2, (y1 + y2) / 2 - 6
        if words:
            parts.append(f'<text class="words" x="{middle[0]:.0f}" y="{middle[1]:.0f}">{escape(words)}</text>')
    for cell in cells.values():
        x, y = cell.centre
        kind, corner = ("data", HEIGHT // 2) if cell.data else ("network", 4)
        parts.append(
            f'<rect class="{kind}" x="{x - WIDTH / 2:.0f}" y="{y - HEIGHT / 2:.0f}" width="{WIDTH}" height="{HEIGHT}" '
            f'rx="{corner}"/><text x="{x:.0f}" y="{y + 5:.0f}">{escape(cell.label)}</text>'
        )
    said = escape(
        ", ".join(f"{cells[start].label} → {cells[end].label}" for start, end, dashed, _ in edges if not dashed)
    )
    return (
        f'<div class="diagram"><svg viewBox="0 0 {width:.0f} {height:.0f}" style="max-width: {width:.0f}px" role="img" '
        f'aria-label="{said}"><defs><marker id="arrow" viewBox="0 0 8 8" refX="7" refY="4" markerWidth="7" '
        f'markerHeight="7" orient="auto"><path d="M0 0 8 4 0 8z"/></marker></defs>{"".join(parts)}</svg></div>'
    )
