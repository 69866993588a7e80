"""CVAT's XML for images: one file with every picture's boxes, polygons, ellipses and masks. https://docs.cvat.ai"""

import math
from typing import TYPE_CHECKING
from xml.etree.ElementTree import Element

from ...errors import SfumatoError
from ..annotations import size_of
from ..dataset import LeftOut
from ..halves import half_of
from ..outlines import Outline, Runs, box_of, polygons

if TYPE_CHECKING:
    from ..annotations import Annotated, Annotations

EDGES = ("xtl", "ytl", "xbr", "ybr")
KINDS = ("box", "polygon", "ellipse", "mask")
CORNERS = 64


def fits(root: Element) -> bool:
    return root.tag == "annotations" and root.find("image") is not None


def read(notes: "Annotations", name: str, root: Element) -> None:
    notes.read_as("CVAT")
    for number, image in enumerate(root.iter("image"), 1):
        notes.attempt(f"{name}: image {number}", lambda image=image: _read_image(notes, name, image))


def _read_image(notes: "Annotations", name: str, image: Element) -> None:
    said = image.get("name", "")
    annotated = notes.picture(said, name)
    annotated.half = half_of(image.get("subset", "")) or annotated.half
    size = size_of(image.get("width"), image.get("height"))
    shapes = [shape for shape in image if shape.tag in KINDS]
    for number, shape in enumerate(shapes, 1):
        _read_shape(notes, annotated, shape, f"{name}: {said}: {shape.tag} {number}", size)


def _read_shape(
    notes: "Annotations", annotated: "Annotated", shape: Element, where: str, size: tuple[float, float] | None
) -> None:
    try:
        outline = None if shape.tag == "box" else _outline(shape)
        edges = [shape.get(edge) for edge in EDGES] if outline is None else box_of(outline)
    except Exception as error:  # as in `attempt`
        annotated.faults.append(LeftOut(where, f"cannot be read ({error})"))
        return
    notes.add(annotated, shape.get("label"), edges, where, size, outline=outline)


def _outline(shape: Element) -> Outline:
    if shape.tag == "mask":
        left, top, width, height = (int(shape.attrib[key]) for key in ("left", "top", "width", "height"))
        counts = tuple(int(count) for count in shape.attrib["rle"].split(","))
        return Runs(counts, (height, width), down=False, corner=(left, top))
    if shape.tag == "ellipse":
        x, y, across, down = (float(shape.attrib[key]) for key in ("cx", "cy", "rx", "ry"))
        turns = [2 * math.pi * number / CORNERS for number in range(CORNERS)]
        points = [value for turn in turns for value in (x + across * math.cos(turn), y + down * math.sin(turn))]
    else:
        points = [float(value) for point in shape.attrib["points"].split(";") for value in point.split(",")]
    outline = polygons([points])
    if outline is None:
        raise SfumatoError(f"{len(points) // 2} corners enclose nothing")
    return outline
