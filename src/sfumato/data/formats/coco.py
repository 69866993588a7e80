"""COCO's JSON: `images`, `annotations` and `categories`, with boxes, polygons and runs. https://cocodataset.org

Numbers of pictures and categories may be texts. A crowd is no object; a picture of crowds alone is left out.
"""

from typing import TYPE_CHECKING, Any

from ...errors import SfumatoError
from ..annotations import objects, size_of, text_of
from ..dataset import LeftOut
from ..outlines import Outline, Runs, box_of, polygons, uncompressed

if TYPE_CHECKING:
    from ..annotations import Annotated, Annotations, Size


def fits(values: Any) -> bool:
    return isinstance(values, dict) and {"images", "annotations", "categories"} <= values.keys()


def read(notes: "Annotations", name: str, values: Any) -> None:
    notes.read_as("COCO")
    labels = {_number(item["id"]): str(item["name"]) for item in objects(values["categories"], "categories")}
    pictures: dict[str, tuple[Annotated, Size | None]] = {}
    missing = set[str]()

    def take(image: Any) -> None:
        try:
            found = notes.picture(text_of(image, "file_name", "filename"), name)
        except SfumatoError:
            missing.add(_number(image["id"]))
            raise
        pictures[_number(image["id"])] = found, size_of(image.get("width"), image.get("height"))

    for number, image in enumerate(objects(values["images"], "images"), 1):
        notes.attempt(f"{name}: image {number}", lambda image=image: take(image))
    for number, item in enumerate(objects(values["annotations"], "annotations"), 1):
        where = f"{name}: annotation {item.get('id', number) if isinstance(item, dict) else number}"
        notes.attempt(where, lambda item=item, where=where: _add(notes, item, where, labels, pictures, missing))


def _add(
    notes: "Annotations",
    item: Any,
    where: str,
    labels: dict[str, str],
    pictures: "dict[str, tuple[Annotated, Size | None]]",
    missing: set[str],
) -> None:
    image = _number(item["image_id"])
    if image not in pictures:
        if image in missing:  # which is said already
            return
        raise SfumatoError(f"image_id {image}: no image of the file has it")
    annotated, size = pictures[image]
    if item.get("iscrowd"):
        notes.left_out.append(LeftOut(where, "a crowd, not an object"))
        annotated.crowded = True
        return
    try:
        outline = _outline(item.get("segmentation"))
        if item.get("bbox") is not None:
            left, top, width, height = (float(value) for value in item["bbox"])
            if width < 0 or height < 0:
                raise SfumatoError(f"bbox {item['bbox']}: a side below 0")
            edges = left, top, left + width, top + height
        elif outline is not None:
            edges = box_of(outline)
        else:
            raise SfumatoError("has neither a bbox nor an outline")
    except Exception as error:  # of any kind: what it was about is lost, so its picture is too
        annotated.faults.append(LeftOut(where, f"cannot be read ({error})"))
        return
    label = labels.get(_number(item.get("category_id")))
    if label is None:
        annotated.faults.append(
            LeftOut(where, f"category_id {item.get('category_id')}: no category of the file has it")
        )
        return
    notes.add(annotated, label, edges, where, size, outline=outline)


def _number(said: Any) -> str:
    """An id as text, however it is written: 7, "7", 7.0."""
    return f"{said:.0f}" if isinstance(said, float) and said.is_integer() else str(said).strip()


def _outline(said: Any) -> Outline | None:
    if isinstance(said, dict):
        counts = said["counts"]
        height, width = said["size"]
        found = uncompressed(counts) if isinstance(counts, str) else tuple(map(int, counts))
        return Runs(found, (int(height), int(width)))
    return polygons(said) if said else None
