"""VOC's XML, as labelImg and Roboflow write it too: one file a picture, in `Annotations/` or beside its picture.

http://host.robots.ox.ac.uk/pascal/VOC. Objects that are `difficult` count like all others.
"""

from pathlib import PurePosixPath
from typing import TYPE_CHECKING
from xml.etree.ElementTree import Element

from ..annotations import size_of

if TYPE_CHECKING:
    from ..annotations import Annotations

EDGES = ("xmin", "ymin", "xmax", "ymax")


def fits(root: Element) -> bool:
    return root.tag == "annotation"


def read(notes: "Annotations", name: str, root: Element) -> None:
    """A file's objects. Its picture is the one of its own name: what `filename` says is often the name of before."""
    annotated = notes.picture(PurePosixPath(name).stem, name, root.findtext("filename") or PurePosixPath(name).stem)
    notes.read_as("VOC")
    size = size_of(root.findtext("size/width"), root.findtext("size/height"))
    for number, item in enumerate(root.iter("object"), 1):
        box = item.find("bndbox")
        edges = [None if box is None else box.findtext(edge) for edge in EDGES]
        notes.add(annotated, item.findtext("name"), edges, f"{name}: object {number}", size)
