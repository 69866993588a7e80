"""A file for each form that people have annotations in. Which form a file has, its content says."""

from collections.abc import Callable
from typing import TYPE_CHECKING

from . import coco, createml, cvat, labelme, table, voc
from .yolo import read_labels

if TYPE_CHECKING:
    from ..annotations import Annotations


def read_xml(notes: "Annotations", name: str) -> None:
    """VOC's or CVAT's; any other is passed over."""
    root = notes.xml(name)
    for form in (voc, cvat):
        if form.fits(root):
            form.read(notes, name, root)
            return


def read_json(notes: "Annotations", name: str) -> None:
    """COCO's, Labelme's or CreateML's; any other is passed over."""
    values = notes.json(name)
    for form in (coco, labelme, createml):
        if form.fits(values):
            form.read(notes, name, values)
            return


READERS: dict[str, Callable[["Annotations", str], None]] = {
    ".xml": read_xml, ".json": read_json, ".csv": table.read, ".tsv": table.read,
}  # fmt: skip

__all__ = ["READERS", "read_labels"]
