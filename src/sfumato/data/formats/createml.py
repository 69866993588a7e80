"""CreateML's JSON, which Roboflow writes: a list of pictures, each box by its middle and its sides."""

from typing import TYPE_CHECKING, Any

from ..annotations import objects, text_of
from ..dataset import LeftOut

if TYPE_CHECKING:
    from ..annotations import Annotations


def fits(values: Any) -> bool:
    first = values[0] if isinstance(values, list) and values else None
    return isinstance(first, dict) and "image" in first and isinstance(first.get("annotations"), list)


def read(notes: "Annotations", name: str, values: Any) -> None:
    notes.read_as("CreateML")
    for number, image in enumerate(objects(values, name), 1):
        where = f"{name}: image {number}"
        notes.attempt(where, lambda image=image, where=where: _read_image(notes, name, image, where))


def _read_image(notes: "Annotations", name: str, image: Any, where: str) -> None:
    annotated = notes.picture(text_of(image, "image"), name)
    for item in objects(image["annotations"], "annotations"):
        try:
            x, y, width, height = (float(item["coordinates"][key]) for key in ("x", "y", "width", "height"))
        except Exception as error:  # as in `attempt`
            annotated.faults.append(LeftOut(where, f"cannot be read ({error})"))
            continue
        edges = x - width / 2, y - height / 2, x + width / 2, y + height / 2
        notes.add(annotated, text_of(item, "label"), edges, where)
