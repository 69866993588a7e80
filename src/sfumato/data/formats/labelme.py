"""Labelme's JSON: one file a picture, with `shapes` of points. https://github.com/wkentaro/labelme"""

import math
from typing import TYPE_CHECKING, Any

from ...errors import SfumatoError
from ..annotations import objects, size_of, text_of
from ..dataset import LeftOut
from ..outlines import Outline, box_of, polygons

if TYPE_CHECKING:
    from ..annotations import Annotations

CORNERS = 64  # of the polygon that a circle becomes


def fits(values: Any) -> bool:
    return isinstance(values, dict) and isinstance(values.get("shapes"), list)


def read(notes: "Annotations", name: str, values: Any) -> None:
    stem = name.rpartition("/")[2].rpartition(".")[0]
    annotated = notes.picture(text_of(values, "imagePath") or stem, name, stem)
    notes.read_as("Labelme")
    size = size_of(values.get("imageWidth"), values.get("imageHeight"))
    for number, shape in enumerate(objects(values["shapes"], "shapes"), 1):
        where = f"{name}: shape {number}"
        try:
            outline = _outline(shape.get("shape_type") or "polygon", shape["points"])
            edges = box_of(outline)
        except Exception as error:  # as in `attempt`
            annotated.faults.append(LeftOut(where, f"cannot be read ({error})"))
            continue
        notes.add(annotated, shape.get("label"), edges, where, size, outline=outline)


def _outline(kind: str, points: Any) -> Outline:
    corners = [(float(x), float(y)) for x, y in points]
    if kind == "rectangle":
        (left, top), (right, bottom) = corners[0], corners[-1 if len(corners) == 2 else 2]
        corners = [(left, top), (right, top), (right, bottom), (left, bottom)]
    elif kind == "circle":
        (x, y), edge = corners
        turns = (2 * math.pi * number / CORNERS for number in range(CORNERS))
        radius = math.dist((x, y), edge)
        corners = [(x + radius * math.cos(turn), y + radius * math.sin(turn)) for turn in turns]
    elif kind != "polygon":
        raise SfumatoError(f"a {kind} encloses nothing")
    outline = polygons([[value for corner in corners for value in corner]])
    if outline is None:
        raise SfumatoError(f"{len(corners)} corners enclose nothing")
    return outline
