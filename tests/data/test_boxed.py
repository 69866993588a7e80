"""Boxes that can be mended are, and what cannot be used takes its picture with it."""

import json
from pathlib import Path
from typing import Any

import pytest
import torch
from PIL import Image, ImageOps

from sfumato.data.boxed import read_boxed
from sfumato.data.dataset import ImageData
from sfumato.data.pictures import Header
from sfumato.errors import SfumatoError


def coco(root: Path, change: dict[int, dict[str, Any]], count: int = 8, **top: Any) -> Path:
    """Pictures of 64×48 with a box each; `change`: of annotations, by number; None takes a key away."""
    (root / "images").mkdir(parents=True)
    for number in range(count):
        Image.new("RGB", (64, 48), (number, 0, 0)).save(root / f"images/{number}.png")
    notes = [
        {"id": number, "image_id": number, "category_id": 1, "bbox": [5, 6, 20, 20]} | change.get(number, {})
        for number in range(count)
    ]
    values = {
        "images": [{"id": n, "file_name": f"{n}.png", "width": 64, "height": 48} for n in range(count)],
        "annotations": [{key: value for key, value in note.items() if value is not None} for note in notes],
        "categories": [{"id": 1, "name": "x"}, {"id": 2, "name": "y"}], **top,
    }  # fmt: skip
    (root / "boxes.json").write_text(json.dumps(values))
    return root


def background(data: ImageData) -> int:
    """Pictures that say that there is nothing in them."""
    boxes = [split.boxes for split in (data.train, data.test) if split.boxes is not None]
    return sum(int((rows[..., 0] < 0).all(1).sum()) for rows in boxes)


def used(data: ImageData) -> int:
    return len(data.train) + len(data.test)


@pytest.mark.parametrize(
    "fault",
    [
        {"bbox": None}, {"bbox": [5, 6, 0, 20]}, {"bbox": [5, 6, 20, -3]}, {"bbox": [500, 6, 20, 20]},
        {"bbox": ["a", 6, 20, 20]}, {"bbox": [1, 2, 3]}, {"bbox": [float("nan"), 6, 20, 20]}, {"bbox": "box"},
        {"category_id": 9}, {"category_id": None}, {"bbox": None, "segmentation": [[1, 2]]},
        {"segmentation": {"counts": [3], "size": [48, 64]}, "bbox": None},
    ],
    ids=str,
)  # fmt: skip
def test_an_object_that_cannot_be_used_takes_its_picture_with_it(tmp_path: Path, fault: dict[str, Any]) -> None:
    data = read_boxed(coco(tmp_path, {0: fault, 1: fault}), 32)
    assert used(data) == 6
    assert background(data) == 0
    files = {item.file for item in data.left_out}
    assert {"images/0.png", "images/1.png", "boxes.json: annotation 0", "boxes.json: annotation 1"} == files


def test_a_picture_keeps_its_objects_only_if_all_can_be_used(tmp_path: Path) -> None:
    root = coco(tmp_path, {1: {"image_id": 0, "bbox": [900, 900, 5, 5]}})
    data = read_boxed(root, 32)
    assert {item.file: item.reason for item in data.left_out}["images/0.png"] == "1 of its 2 objects cannot be used"
    assert background(data) == 1  # picture 1 has none: nobody says otherwise


@pytest.mark.parametrize("change", [{"image_id": "0"}, {"category_id": "1"}, {"image_id": 0.0 + 0}])
def test_numbers_may_be_texts(tmp_path: Path, change: dict[str, Any]) -> None:
    data = read_boxed(coco(tmp_path, {0: change}), 32)
    assert (used(data), background(data), data.left_out) == (8, 0, ())


def test_an_annotation_of_an_unknown_picture_is_named(tmp_path: Path) -> None:
    data = read_boxed(coco(tmp_path, {0: {"image_id": 77}}), 32)
    assert [str(item) for item in data.left_out] == [
        "boxes.json: annotation 0: image_id 77: no image of the file has it"
    ]


def test_a_picture_of_crowds_alone_is_no_background(tmp_path: Path) -> None:
    data = read_boxed(coco(tmp_path, {0: {"iscrowd": 1}}), 32)
    assert (used(data), background(data)) == (7, 0)


def test_an_outline_without_a_box_has_its_own(tmp_path: Path) -> None:
    outline = [[8, 12, 32, 12, 32, 24, 8, 24]]
    data = read_boxed(coco(tmp_path, {n: {"bbox": None, "segmentation": outline} for n in range(8)}), 32)
    assert data.train.boxes is not None
    assert torch.equal(data.train.boxes[0, 0, 1:], torch.tensor([0.125, 0.25, 0.5, 0.5]))


def table(root: Path, *rows: str, head: str = "filename,width,height,class,xmin,ymin,xmax,ymax") -> Path:
    for number, name in enumerate("abcd"):
        root.mkdir(exist_ok=True)
        Image.new("RGB", (64, 48), (number, 0, 0)).save(root / f"{name}.png")
    (root / "boxes.csv").write_text("\n".join((head, *rows)))
    return root


def test_corners_that_have_changed_places_are_put_back(tmp_path: Path) -> None:
    straight = table(tmp_path / "a", *(f"{name}.png,64,48,cat,5,6,40,30" for name in "abcd"))
    crossed = table(tmp_path / "b", *(f"{name}.png,64,48,cat,40,30,5,6" for name in "abcd"))
    first, second = read_boxed(straight, 32), read_boxed(crossed, 32)
    assert torch.equal(first.train.boxes, second.train.boxes)  # pyright: ignore[reportArgumentType]
    assert not second.left_out


def test_shares_that_are_given_for_pixels_are_shares_and_said(tmp_path: Path) -> None:
    data = read_boxed(table(tmp_path, *(f"{name}.png,64,48,cat,0.25,0.25,0.75,1" for name in "abcd")), 32)
    assert data.train.boxes is not None
    assert torch.equal(data.train.boxes[0, 0, 1:], torch.tensor([0.25, 0.25, 0.75, 1]))
    assert "4 boxes in shares, not pixels" in data.reading


@pytest.mark.parametrize("orientation", range(1, 9))
def test_a_box_on_the_unturned_photograph_turns_with_it(tmp_path: Path, orientation: int) -> None:
    """Against Pillow's own turning of a picture with a white box in it."""
    stored = Image.new("L", (64, 48))
    stored.paste(255, (8, 12, 40, 24))
    exif = Image.Exif()
    exif[0x0112] = orientation
    for name in "abcd":
        stored.convert("RGB").save(tmp_path / f"{name}.png", exif=exif)
    upright = ImageOps.exif_transpose(Image.open(tmp_path / "a.png")).convert("L")
    (tmp_path / "boxes.csv").write_text(
        "filename,width,height,class,xmin,ymin,xmax,ymax\n" + "".join(f"{n}.png,64,48,cat,8,12,40,24\n" for n in "abcd")
    )
    data = read_boxed(tmp_path, 48)
    assert data.train.boxes is not None
    expected = upright.getbbox() if orientation >= 5 or orientation == 1 else None
    if expected is None:  # turned upside down or mirrored: sizes do not tell, the box is taken as it is
        expected = (8, 12, 40, 24)
    width, height = upright.size
    shares = torch.tensor([expected[0] / width, expected[1] / height, expected[2] / width, expected[3] / height])
    assert torch.allclose(data.train.boxes[0, 0, 1:], shares)


def test_a_header_turns_a_box_only_if_the_picture_is_turned() -> None:
    assert Header((10, 20), 1).turned((1, 2, 3, 4)) is None
    assert Header((10, 20), 6).turned((0, 0, 20, 10)) == (0, 0, 10, 20)


def test_objects_are_put_into_both_halves(tmp_path: Path) -> None:
    """Two pictures of many have an object: each half gets one, whatever the hash of their names says."""
    for place in range(5):
        root = tmp_path / str(place)
        empty = {number: {"image_id": 77} for number in range(20) if number not in (place, place + 7)}
        data = read_boxed(coco(root, empty, count=20), 32)
        for split in (data.train, data.test):
            assert split.boxes is not None
            assert (split.boxes[..., 0] >= 0).any()


@pytest.mark.parametrize(
    "text", ["0 0.5 0.5 0.2", "9 0.5 0.5 0.2 0.2", "x 0.5 0.5 0.2 0.2", "0.5 0.5 0.5 0.2 0.2", "0 1 2 3 4 5 6"]
)
def test_a_bad_line_of_yolo_takes_its_picture_with_it(tmp_path: Path, text: str) -> None:
    for number in range(4):
        Image.new("RGB", (64, 48), (number, 0, 0)).save(tmp_path / f"{number}.png")
        (tmp_path / f"{number}.txt").write_text("0 0.5 0.5 0.2 0.2\n" + (f"{text}\n" if number == 0 else ""))
    (tmp_path / "classes.txt").write_text("cat\ndog\n")
    data = read_boxed(tmp_path, 32)
    assert used(data) == 3
    assert data.left_out[0].file == "0.txt:2"


def test_a_picture_without_a_file_of_yolo_is_background(tmp_path: Path) -> None:
    for number in range(6):
        Image.new("RGB", (64, 48), (number, 0, 0)).save(tmp_path / f"{number}.png")
        if number:
            (tmp_path / f"{number}.txt").write_text("" if number == 1 else "0 0.5 0.5 0.2 0.2\n")
    (tmp_path / "data.yaml").write_text("names: [cat]\n")
    data = read_boxed(tmp_path, 32)
    assert (used(data), background(data), data.classes) == (6, 2, ("cat",))


@pytest.mark.parametrize("yaml", ["names: [", "!!python/object/apply:os.system ['true']", "names: !!set {a}", "- 1"])
def test_hostile_yaml_runs_nothing(tmp_path: Path, yaml: str) -> None:
    Image.new("RGB", (64, 48)).save(tmp_path / "a.png")
    (tmp_path / "a.txt").write_text("0 0.5 0.5 0.2 0.2\n")
    (tmp_path / "data.yaml").write_text(yaml)
    with pytest.raises(SfumatoError) as caught:
        read_boxed(tmp_path, 32)
    assert "\n" not in str(caught.value)


def test_a_table_that_is_not_understood_is_named_with_its_columns(tmp_path: Path) -> None:
    root = table(tmp_path, "a.png,1,2", head="picture;what;where")
    with pytest.raises(SfumatoError, match=r"boxes.csv has the columns picture, what, where"):
        read_boxed(root, 32)


def test_pictures_without_annotations_are_counted(tmp_path: Path) -> None:
    data = read_boxed(table(tmp_path, "a.png,64,48,cat,5,6,40,30", "b.png,64,48,cat,5,6,40,30"), 32)
    assert "not used, without annotations: 2 (c.png, ...)" in data.reading
