"""Boxes and masks in the forms in which people have them; every row that cannot be used is named."""

import json
import zipfile
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from sfumato.data.batches import Batches
from sfumato.data.boxed import read_boxed
from sfumato.data.dataset import VOID, InMemory, Split
from sfumato.data.masked import CAMVID, read_masked
from sfumato.data.scenes import SHAPES
from sfumato.data.sources import View, open_data
from sfumato.errors import SfumatoError


def picture(path: Path, width: int = 40, height: int = 20, mode: str = "RGB") -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.new(mode, (width, height), 128).save(path)


def csv(tmp_path: Path, *rows: str, header: str = "img_name,split,label,xmin,ymin,xmax,ymax") -> Path:
    for name in ("a", "b", "c"):
        picture(tmp_path / "images" / f"{name}.png")
    (tmp_path / "label.csv").write_text("\n".join((header, *rows)) + "\n")
    return tmp_path


def test_a_table_gives_boxes_as_shares_of_the_sides(tmp_path: Path) -> None:
    data = read_boxed(
        csv(tmp_path, "a.png,train,cat,10,5,30,15", "a.png,train,dog,0,0,40,20", "b.png,val,cat,0,0,20,10"), 32
    )
    assert data.classes == ("cat", "dog")
    assert data.train.boxes is not None
    assert data.train.boxes.tolist() == [[[0, 0.25, 0.25, 0.75, 0.75], [1, 0, 0, 1, 1]]]
    assert data.test.boxes is not None
    assert data.test.boxes.tolist() == [[[0, 0, 0, 0.5, 0.5], [-1] * 5]]
    assert data.shape == (3, 32, 32)


@pytest.mark.parametrize(
    ("row", "reason"),
    [
        ("c.png,train,cat,10,5,10,15", "label.csv:4: box 10, 5, 10, 15: encloses nothing"),
        ("c.png,train,cat,nan,5,30,15", "label.csv:4: box nan, 5, 30, 15: encloses nothing"),
        ("c.png,train,cat,x,5,30,15", "label.csv:4: edges x, 5, 30, 15: not four numbers"),
        ("c.png,train,cat,10,5", "label.csv:4: edges 10, 5, None, None: not four numbers"),
        ("c.png,train,,10,5,30,15", "label.csv:4: box 10, 5, 30, 15: has no label"),
        ("c.png,train,cat,50,5,60,15", "label.csv:4: box 50, 5, 60, 15: beyond the picture of 40×20"),
        ("gone.png,train,cat,10,5,30,15", "label.csv:4: picture 'gone.png' is not there"),
    ],
)
def test_a_bad_row_is_named_with_its_picture_and_the_others_are_used(tmp_path: Path, row: str, reason: str) -> None:
    folder = csv(tmp_path, "a.png,train,cat,1,1,9,9", "b.png,val,cat,1,1,9,9", row)
    data = read_boxed(folder, 32)
    with_it = [] if row.startswith("gone") else ["images/c.png: 1 of its 1 objects cannot be used"]
    assert [str(item) for item in data.left_out] == [reason, *with_it]
    assert data.train.boxes is not None
    assert (data.train.boxes[..., 0] >= 0).sum() == 1
    with pytest.raises(SfumatoError, match="--strict"):
        read_boxed(folder, 32, strict=True)


def test_a_part_of_a_zip_has_the_rows_of_its_pictures(tmp_path: Path) -> None:
    inner = tmp_path / "in"
    for name in ("cards/one.png", "cards/two.png", "cells/three.png"):
        picture(inner / name)
    rows = ["cards/one.png,train,ace,1,1,9,9", "cards/two.png,val,ace,1,1,9,9", "cells/three.png,train,cell,1,1,9,9"]
    (inner / "label.csv").write_text("img_name,split,label,xmin,ymin,xmax,ymax\n" + "\n".join(rows))
    with zipfile.ZipFile(tmp_path / "all.zip", "w") as archive:
        for path in inner.rglob("*"):
            archive.write(path, path.relative_to(inner))
    assert open_data(str(tmp_path / "all.zip" / "cards"), View(3, 32, target="boxes")).classes == ("ace",)
    assert open_data(str(inner / "cards"), View(3, 32, target="boxes")).classes == ("ace",)
    assert open_data(str(tmp_path / "all.zip"), View(3, 32, target="boxes")).classes == ("ace", "cell")
    with pytest.raises(SfumatoError, match="neither a known name"):
        open_data(str(tmp_path / "none.zip" / "cards"), View(3, 32))


def voc(tmp_path: Path, content: str | None = None) -> Path:
    for name in ("p", "q"):
        picture(tmp_path / "VOC" / "JPEGImages" / f"{name}.jpg")
        objects = "".join(
            f"<object><name>{label}</name><bndbox><xmin>4</xmin><ymin>2</ymin><xmax>20</xmax><ymax>10</ymax></bndbox>"
            "<part><name>head</name><bndbox><xmin>5</xmin><ymin>3</ymin><xmax>6</xmax><ymax>4</ymax></bndbox></part>"
            "</object>"
            for label in (["dog"] if name == "p" else [])
        )
        path = tmp_path / "VOC" / "Annotations" / f"{name}.xml"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(content or f"<annotation><filename>{name}.jpg</filename>{objects}</annotation>")
    lists = tmp_path / "VOC" / "ImageSets" / "Main"
    lists.mkdir(parents=True)
    (lists / "train.txt").write_text("p\n")
    (lists / "val.txt").write_text("q\n")
    return tmp_path / "VOC"


def test_a_voc_tree_has_its_own_split_and_pictures_without_objects(tmp_path: Path) -> None:
    data = read_boxed(voc(tmp_path), 32)
    assert data.classes == ("dog",)
    assert data.train.boxes is not None
    assert torch.allclose(data.train.boxes, torch.tensor([[[0, 0.1, 0.1, 0.5, 0.5]]]))
    assert data.test.boxes is not None
    assert (data.test.boxes == -1).all()


@pytest.mark.parametrize(("width", "height", "factor"), [(80, 40, 0.5), (30, 30, 1), (0, 0, 1)])
def test_boxes_of_a_larger_copy_fit_the_picture(tmp_path: Path, width: int, height: int, factor: float) -> None:
    """A size of another shape, or none, says nothing."""
    tree = voc(tmp_path)
    described = tree / "Annotations" / "p.xml"
    size = f"<size><width>{width}</width><height>{height}</height></size>"
    described.write_text(described.read_text().replace("<object>", f"{size}<object>", 1))
    boxes = read_boxed(tree, 32).train.boxes
    assert boxes is not None
    assert torch.allclose(boxes[0, 0, 1:], factor * torch.tensor([0.1, 0.1, 0.5, 0.5]))


def test_boxes_of_a_turned_picture_are_left_out_by_name(tmp_path: Path) -> None:
    tree = voc(tmp_path)
    described = tree / "Annotations" / "p.xml"
    size = "<size><width>20</width><height>40</height></size>"
    content = described.read_text().replace("<object>", f"{size}<object>", 1)
    described.write_text(content)
    with pytest.raises(SfumatoError, match="no box in any picture"):
        read_boxed(tree, 32)
    with pytest.raises(SfumatoError, match="drawn in a picture of 20×40, which is 40×20, turned"):
        read_boxed(tree, 32, strict=True)


def test_a_size_belongs_to_its_own_annotation(tmp_path: Path) -> None:
    """Two tables of the same pictures, one drawn in copies of twice the size."""
    for name in ("p", "q"):
        picture(tmp_path / f"{name}.jpg")
    head = "filename,width,height,class,xmin,ymin,xmax,ymax\n"
    (tmp_path / "a.csv").write_text(head + "".join(f"{name}.jpg,80,40,dog,8,4,40,20\n" for name in "pq"))
    (tmp_path / "b.csv").write_text("filename,class,xmin,ymin,xmax,ymax\np.jpg,cat,4,2,20,10\nq.jpg,cat,4,2,20,10\n")
    boxes = read_boxed(tmp_path, 32).train.boxes
    assert boxes is not None
    assert torch.allclose(boxes[0, :, 1:], torch.tensor([0.1, 0.1, 0.5, 0.5]).expand(2, 4))


def test_a_bad_coco_image_is_named_and_the_others_are_used(tmp_path: Path) -> None:
    tree = coco(tmp_path, [[4, 2, 16, 8]])
    for path in (tree / "annotations").iterdir():
        values = json.loads(path.read_text())
        values["images"] += ["junk", {"id": 8, "file_name": "1.jpg", "width": 10**400, "height": 3}]
        path.write_text(json.dumps(values))
    data = read_boxed(tree, 32)
    assert (len(data.train), len(data.test)) == (1, 1)
    assert [item.file for item in data.left_out] == [
        f"annotations/instances_{half}2017.json: image 2" for half in ("train", "val")
    ]


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        ('<!DOCTYPE a [<!ENTITY b "c">]><annotation>&b;</annotation>', "document type"),
        ("<annotation><object>", "cannot be read"),
        ("not xml", "cannot be read"),
    ],
)
def test_hostile_xml_is_refused_in_one_line(tmp_path: Path, content: str, reason: str) -> None:
    with pytest.raises(SfumatoError, match=reason):
        read_boxed(voc(tmp_path, content), 32)


def coco(tmp_path: Path, boxes: list[list[float]]) -> Path:
    for half in ("train", "val"):
        picture(tmp_path / f"{half}2017" / "1.jpg")
        values = {
            "images": [{"id": 7, "file_name": "1.jpg"}],
            "categories": [{"id": 3, "name": "cup"}, {"id": 9, "name": "bowl"}],
            "annotations": [
                {"id": number, "image_id": 7, "category_id": 3 if number else 9, "bbox": box}
                for number, box in enumerate(boxes)
            ],
        }
        path = tmp_path / "annotations" / f"instances_{half}2017.json"
        path.parent.mkdir(exist_ok=True)
        path.write_text(json.dumps(values))
    return tmp_path


def test_coco_boxes_are_corners_and_sides(tmp_path: Path) -> None:
    data = read_boxed(coco(tmp_path, [[4, 2, 16, 8], [0, 0, 40, 20]]), 32)
    assert data.classes == ("bowl", "cup")
    assert (len(data.train), len(data.test)) == (1, 1)
    assert data.train.boxes is not None
    assert torch.allclose(data.train.boxes[0], torch.tensor([[0, 0.1, 0.1, 0.5, 0.5], [1, 0, 0, 1, 1]]))


def test_a_bad_coco_annotation_is_named(tmp_path: Path) -> None:
    with pytest.raises(SfumatoError, match=r"instances_train2017\.json: annotation 1: box 4, 2, 4, 10: encloses"):
        read_boxed(coco(tmp_path, [[4, 2, 16, 8], [4, 2, 0, 8]]), 32)


def masked(tmp_path: Path, layout: str, levels: list[int]) -> Path:
    """Two pictures, one a half, with masks of vertical stripes of `levels`."""
    stripes = np.repeat(np.array(levels, dtype=np.uint8), 40 // len(levels))[None].repeat(20, 0)
    for half, name in (("train", "2007_000001"), ("test", "2007_000002")):
        first, second = {
            "camvid": (f"{half}/{name}", f"{half}annot/{name}"),
            "folders": (f"{half}/images/{name}", f"{half}/masks/{name}"),
            "voc": (f"JPEGImages/{name}", f"SegmentationClass/{name}"),
        }[layout]
        picture(tmp_path / f"{first}.jpg")
        (tmp_path / second).parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(stripes).save(tmp_path / f"{second}.png")
    if layout == "voc":
        lists = tmp_path / "ImageSets" / "Segmentation"
        lists.mkdir(parents=True)
        (lists / "train.txt").write_text("2007_000001\n")
        (lists / "val.txt").write_text("2007_000002\n")
    return tmp_path


@pytest.mark.parametrize("layout", ["camvid", "folders", "voc"])
def test_masks_are_found_beside_their_pictures(tmp_path: Path, layout: str) -> None:
    data = read_masked(masked(tmp_path, layout, [0, 1, 2, 11]), 20)
    assert (len(data.train), len(data.test)) == (1, 1)
    _, mask = data.train.parted(data.train.pictures.whole(0))
    assert mask is not None
    assert mask.shape == (20, 40)
    assert mask[:, ::10][0].tolist() == [0, 1, 2, VOID if layout == "camvid" else 11 if layout == "voc" else 3]
    assert len(data.classes) == {"camvid": 11, "folders": 4, "voc": 21}[layout]
    assert data.classes[0] == {"camvid": CAMVID[0], "folders": "level 0", "voc": "background"}[layout]


def test_black_and_white_masks_are_background_and_object(tmp_path: Path) -> None:
    data = read_masked(masked(tmp_path, "folders", [0, 255]), 20)
    assert data.classes == ("background", "object")
    assert data.train.pictures.whole(0)[3].unique().tolist() == [0, 1]


def test_classes_txt_names_the_classes(tmp_path: Path) -> None:
    (tmp_path / "classes.txt").write_text("sea\nland\n")
    assert read_masked(masked(tmp_path, "folders", [0, 1]), 20).classes == ("sea", "land")


def test_a_mask_of_another_size_or_in_colours_is_left_out(tmp_path: Path) -> None:
    folder = masked(tmp_path, "folders", [0, 1])
    for name, size, mode in (("r", (30, 20), "L"), ("s", (40, 20), "RGB")):
        picture(folder / "train" / "images" / f"{name}.jpg")
        picture(folder / "train" / "masks" / f"{name}.png", *size, mode=mode)
    reasons = [str(item) for item in read_masked(folder, 20).left_out]
    assert reasons[0] == "train/images/r.jpg: is 40×20, its mask train/masks/r.png 30×20"
    assert "a mask in colours" in reasons[1]


def test_masks_and_boxes_move_with_their_pictures() -> None:
    generator = torch.Generator().manual_seed(0)
    values = torch.randint(0, 4, (6, 1, 16, 16), dtype=torch.uint8, generator=generator)
    split = Split(InMemory(torch.cat([values, values, values, values], 1)), masked=True)
    batch, _ = Batches(split, 6, 0, crop=8, flip=True).at(0)
    assert batch.masks is not None
    assert torch.equal((batch.images[:, 0] * 255).round().long(), batch.masks)

    boxes = torch.tensor([[[0, 0.1, 0.2, 0.4, 0.6], [-1] * 5]]).repeat(6, 1, 1)
    batch, _ = Batches(Split(InMemory(values), boxes=boxes), 6, 0, flip=True).at(0)
    assert batch.boxes is not None
    assert batch.boxes.shape == (6, 1, 5)  # no wider than the batch needs
    lefts = sorted({round(value, 3) for value in batch.boxes[:, 0, 1].tolist()})
    assert lefts == [0.1, 0.6]


def test_a_half_that_nobody_names_is_chosen(tmp_path: Path) -> None:
    rows = [f"{name}.png,train,cat,1,1,9,9" for name in "abc"]
    data = read_boxed(csv(tmp_path, *rows), 32)
    assert (len(data.train), len(data.test)) == (2, 1)


def test_a_picture_that_is_missing_is_not_taken_from_the_other_half(tmp_path: Path) -> None:
    for half in ("train", "val"):
        picture(tmp_path / f"bananas_{half}" / "images" / "0.png")
        rows = ["img_name,label,xmin,ymin,xmax,ymax", "0.png,banana,1,1,9,9"]
        rows += ["5.png,banana,2,2,8,8"] if half == "val" else []
        (tmp_path / f"bananas_{half}" / "label.csv").write_text("\n".join(rows))
    picture(tmp_path / "bananas_train" / "images" / "5.png")
    data = read_boxed(tmp_path, 32)
    assert [str(item) for item in data.left_out] == ["bananas_val/label.csv:3: picture '5.png' is not there"]


def test_an_object_that_is_said_twice_is_one(tmp_path: Path) -> None:
    folder = coco(tmp_path, [[4, 2, 16, 8]])
    for half in ("train", "val"):
        text = (folder / "annotations" / f"instances_{half}2017.json").read_text()
        (folder / "annotations" / f"person_keypoints_{half}2017.json").write_text(text)
    data = read_boxed(folder, 32)
    assert data.train.boxes is not None
    assert data.train.boxes.shape == (1, 1, 5)


def test_a_turned_photograph_has_its_upright_size(tmp_path: Path) -> None:
    folder = csv(tmp_path, "a.jpg,train,cat,0,0,10,20", "b.png,val,cat,1,1,9,9")
    exif = Image.Exif()
    exif[0x0112] = 6
    Image.new("RGB", (40, 20)).save(tmp_path / "images" / "a.jpg", exif=exif)
    data = read_boxed(folder, 32)
    assert data.train.boxes is not None
    assert torch.allclose(data.train.boxes[0, 0], torch.tensor([0, 0, 0, 0.5, 0.5]))


def test_scenes_without_a_target_are_pictures_alone() -> None:
    data = open_data("scenes", View(1, 32))
    assert data.shape == (1, 32, 32)
    assert (data.classes, data.train.labels, data.train.boxes) == ((), None, None)
    with pytest.raises(SfumatoError, match="resolution 600"):
        open_data("scenes", View(3, 600, target="masks"))


@pytest.mark.parametrize("target", ["boxes", "masks"])
def test_scenes_say_the_same_of_boxes_and_pixels(target: str) -> None:
    data = open_data("scenes", View(3, 64, target=target))  # pyright: ignore[reportArgumentType]
    assert (len(data.train), len(data.test)) == (480, 120)
    assert data.notice
    assert data.notice_zh
    if target == "boxes":
        assert data.classes == SHAPES
        assert data.train.boxes is not None
        return
    boxes = open_data("scenes", View(3, 64, target="boxes")).test.boxes
    assert boxes is not None
    for number in range(20):
        _, mask = data.test.parted(data.test.pictures.whole(number))
        assert mask is not None
        for label, left, top, right, bottom in boxes[number][boxes[number, :, 0] >= 0].tolist():
            inside = mask[round(top * 64) : round(bottom * 64), round(left * 64) : round(right * 64)]
            assert (inside == label + 1).any()


def test_data_without_what_is_owed_is_refused_by_name(tmp_path: Path) -> None:
    picture(tmp_path / "a.png")
    with pytest.raises(SfumatoError, match="no boxes found"):
        open_data(str(tmp_path), View(3, 32, target="boxes"))
    with pytest.raises(SfumatoError, match="no picture has a mask"):
        open_data(str(tmp_path), View(3, 32, target="masks"))
    with pytest.raises(SfumatoError, match="digits: has not boxes around objects"):
        open_data("digits", View(3, 32, target="boxes"))
