"""Tables of boxes: a row each, with the picture's name, the label and four edges in pixels.

Columns are known in any case and order; commas, semicolons, tabs or bars stand between them. A column `split` says the
half. Without a header, `file, xmin, ymin, xmax, ymax, label` is understood.
"""

from typing import TYPE_CHECKING

from ...errors import SfumatoError
from ..annotations import size_of
from ..dataset import LeftOut
from ..division import FILE_COLUMNS, HALF_COLUMNS, columns
from ..halves import half_of

if TYPE_CHECKING:
    from ..annotations import Annotations

LABEL_COLUMNS = ("label", "class", "class_name", "classname", "category", "name", "breed")
EDGES = (
    ("xmin", "ymin", "xmax", "ymax"),
    ("x_min", "y_min", "x_max", "y_max"),
    ("x1", "y1", "x2", "y2"),
    ("left", "top", "right", "bottom"),
)
BARE = ["file", "xmin", "ymin", "xmax", "ymax", "label"]  # of a table without a header
SHOWN = 12


def known(head: list[str], options: tuple[str, ...]) -> str | None:
    """The first of `options` that is a column."""
    return next((name for name in options if name in head), None)


def read(notes: "Annotations", name: str) -> None:
    text = notes.text(name)
    head, rows = columns(text)
    if len(head) == len(BARE) and all(_is_number(cell) for cell in head[1:5]):
        head, rows = columns(f"{','.join(BARE)}\n{text}")
    file, label = known(head, FILE_COLUMNS), known(head, LABEL_COLUMNS)
    edges = next((names for names in EDGES if set(names) <= set(head)), None)
    if file is None or label is None or edges is None:
        shown = ", ".join(head[:SHOWN])
        notes.misread.append(f"{name} has the columns {shown or '(none)'}")
        return
    notes.read_as("table")
    half = known(head, HALF_COLUMNS)
    for line, row in rows:
        where = f"{name}:{line}"
        try:
            annotated = notes.picture(row.get(file, ""), name)
        except SfumatoError as error:
            notes.left_out.append(LeftOut(where, str(error)))
            continue
        if half and row.get(half):
            annotated.half = half_of(row[half])
        size = size_of(row.get("width"), row.get("height"))
        notes.add(annotated, row.get(label), [row.get(edge) for edge in edges], where, size)


def _is_number(cell: str) -> bool:
    try:
        float(cell)
    except ValueError:
        return False
    return True
