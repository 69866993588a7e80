"""One truth, written in every form by hand, reads back as the same boxes, classes and halves."""

import json
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

import sfumato
from sfumato.data.convert import convert
from sfumato.data.dataset import ImageData
from sfumato.data.sources import View, open_data
from sfumato.errors import SfumatoError

SIZE = (96, 64)
TRUTH: dict[str, tuple[str, list[tuple[str, tuple[int, int, int, int]]]]] = {
    "a": ("train", [("dog", (3, 5, 41, 33)), ("cat", (50, 10, 90, 60))]),
    "b": ("train", [("cat", (7, 7, 20, 21))]),
    "c": ("train", [("bird", (0, 0, 96, 64))]),
    "d": ("val", [("cat", (11, 13, 47, 43))]),
    "e": ("test", [("dog", (1, 2, 94, 63)), ("bird", (30, 30, 33, 35))]),
}
LABELS = ("cat", "dog", "bird")  # in an order of its own: forms that number classes must not matter


def picture(path: Path, name: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    generator = np.random.default_rng(ord(name[-1]))
    Image.fromarray(generator.integers(0, 255, (SIZE[1], SIZE[0], 3), np.uint8)).save(path)


def voc_xml(objects: list[tuple[str, tuple[int, int, int, int]]]) -> str:
    rows = "".join(
        f"<object><name>{label}</name><bndbox><xmin>{x1}</xmin><ymin>{y1}</ymin><xmax>{x2}</xmax><ymax>{y2}</ymax>"
        "</bndbox></object>"
        for label, (x1, y1, x2, y2) in objects
    )
    return f"<annotation><size><width>{SIZE[0]}</width><height>{SIZE[1]}</height></size>{rows}</annotation>"


def voc(root: Path) -> None:
    for name, (half, objects) in TRUTH.items():
        picture(root / f"JPEGImages/{name}.png", name)
        (root / "Annotations").mkdir(exist_ok=True)
        (root / f"Annotations/{name}.xml").write_text(voc_xml(objects))
        (root / "ImageSets/Main").mkdir(parents=True, exist_ok=True)
        with (root / f"ImageSets/Main/{half}.txt").open("a") as file:
            file.write(f"{name}\n")
    (root / "ImageSets/Main/trainval.txt").write_text("a\nb\nc\nd\n")


def labelimg(root: Path) -> None:
    """XML beside its picture, in folders of halves: Roboflow's VOC."""
    for name, (half, objects) in TRUTH.items():
        picture(root / f"{half}/{name}.png", name)
        (root / f"{half}/{name}.xml").write_text(voc_xml(objects))


def coco_values(half: str, folder: str = "") -> dict[str, Any]:
    chosen = [name for name, (own, _) in TRUTH.items() if own == half]
    return {
        "images": [
            {"id": str(number), "file_name": f"{folder}{name}.png", "width": SIZE[0], "height": SIZE[1]}
            for number, name in enumerate(chosen)
        ],
        "categories": [{"id": number + 7, "name": label} for number, label in enumerate(LABELS)],
        "annotations": [
            {"id": 1, "image_id": number, "category_id": LABELS.index(label) + 7, "bbox": [x, y, x2 - x, y2 - y]}
            for number, name in enumerate(chosen)
            for label, (x, y, x2, y2) in TRUTH[name][1]
        ],
    }


def coco(root: Path) -> None:
    for name, (half, _) in TRUTH.items():
        picture(root / f"{half}2017/{name}.png", name)
    (root / "annotations").mkdir()
    for half in ("train", "val", "test"):
        (root / f"annotations/instances_{half}2017.json").write_text(json.dumps(coco_values(half)))


def roboflow_coco(root: Path) -> None:
    for name, (half, _) in TRUTH.items():
        folder = "valid" if half == "val" else half
        picture(root / f"{folder}/{name}.png", name)
        (root / f"{folder}/_annotations.coco.json").write_text(json.dumps(coco_values(half)))


def yolo_line(label: str, box: tuple[int, int, int, int]) -> str:
    left, top, right, bottom = (edge / side for edge, side in zip(box, SIZE * 2, strict=True))
    numbers = ((left + right) / 2, (top + bottom) / 2, right - left, bottom - top)
    return f"{LABELS.index(label)} " + " ".join(f"{number:.6f}" for number in numbers) + "\n"


def yolo(root: Path) -> None:
    for name, (half, objects) in TRUTH.items():
        picture(root / f"images/{half}/{name}.png", name)
        (root / f"labels/{half}").mkdir(parents=True, exist_ok=True)
        (root / f"labels/{half}/{name}.txt").write_text("".join(yolo_line(*item) for item in objects))
    (root / "data.yaml").write_text("train: images/train\nval: images/val\ntest: images/test\nnames:\n" + "".join(
        f"  {number}: {label}\n" for number, label in enumerate(LABELS)
    ))  # fmt: skip


def roboflow_yolo(root: Path) -> None:
    for name, (half, objects) in TRUTH.items():
        folder = "valid" if half == "val" else half
        picture(root / f"{folder}/images/{name}.png", name)
        (root / f"{folder}/labels").mkdir(parents=True, exist_ok=True)
        (root / f"{folder}/labels/{name}.txt").write_text("".join(yolo_line(*item) for item in objects))
    (root / "data.yaml").write_text(f"train: ../train/images\nval: ../valid/images\nnc: 3\nnames: {list(LABELS)}\n")


def darknet(root: Path) -> None:
    for name, (half, objects) in TRUTH.items():
        picture(root / f"{half}/{name}.png", name)
        (root / f"{half}/{name}.txt").write_text("".join(yolo_line(*item) for item in objects))
        (root / f"{half}/_darknet.labels").write_text("\n".join(LABELS))


def labelme(root: Path) -> None:
    for name, (half, objects) in TRUTH.items():
        picture(root / f"{half}/{name}.png", name)
        shapes = [
            {"label": label, "shape_type": "rectangle", "points": [[x2, y2], [x, y]]}
            for label, (x, y, x2, y2) in objects
        ]
        values = {"shapes": shapes, "imagePath": f"{name}.png", "imageWidth": SIZE[0], "imageHeight": SIZE[1]}
        (root / f"{half}/{name}.json").write_text(json.dumps(values))


def cvat(root: Path) -> None:
    images = ""
    for number, (name, (half, objects)) in enumerate(TRUTH.items()):
        picture(root / f"images/{name}.png", name)
        boxes = "".join(
            f'<box label="{label}" occluded="0" xtl="{x}.00" ytl="{y}.00" xbr="{x2}.00" ybr="{y2}.00"/>'
            for label, (x, y, x2, y2) in objects
        )
        images += (
            f'<image id="{number}" name="{name}.png" subset="{half.title()}" width="{SIZE[0]}" height="{SIZE[1]}">'
            f"{boxes}</image>"
        )
    (root / "annotations.xml").write_text(f"<annotations><version>1.1</version><meta/>{images}</annotations>")


def createml(root: Path) -> None:
    for name, (half, _) in TRUTH.items():
        picture(root / f"{half}/{name}.png", name)
    for half in ("train", "val", "test"):
        values = [
            {"image": f"{name}.png", "annotations": [
                {"label": label, "coordinates": {
                    "x": (x + x2) / 2, "y": (y + y2) / 2, "width": x2 - x, "height": y2 - y}}
                for label, (x, y, x2, y2) in objects
            ]}
            for name, (own, objects) in TRUTH.items() if own == half
        ]  # fmt: skip
        (root / f"{half}/_annotations.createml.json").write_text(json.dumps(values))


def table(root: Path, mark: str = ",", head: str = "filename,split,width,height,class,xmin,ymin,xmax,ymax") -> None:
    rows = [head.replace(",", mark)]
    for name, (half, objects) in TRUTH.items():
        picture(root / f"images/{name}.png", name)
        rows += [mark.join(map(str, (f"{name}.png", half, *SIZE, label, *box))) for label, box in objects]
    (root / "boxes.csv").write_text("\ufeff" + "\r\n".join(rows) + "\r\n", encoding="utf-8")


def bare_table(root: Path) -> None:
    """Without a header, one for each half."""
    for name, (half, objects) in TRUTH.items():
        picture(root / f"{half}/{name}.png", name)
        with (root / f"{half}/annotations.csv").open("a") as file:
            file.writelines(f"{name}.png,{','.join(map(str, box))},{label}\n" for label, box in objects)


FORMS: dict[str, Callable[[Path], None]] = {
    "VOC": voc, "labelImg": labelimg, "COCO": coco, "Roboflow's COCO": roboflow_coco, "YOLO": yolo,
    "Roboflow's YOLO": roboflow_yolo, "Darknet": darknet, "Labelme": labelme, "CVAT": cvat, "CreateML": createml,
    "table": table, "semicolons": lambda root: table(root, ";"), "tabs": lambda root: table(root, "\t"),
    "other columns": lambda root: table(root, head="Image,Subset,width,height,Label,X1,Y1,X2,Y2"),
    "bare table": bare_table,
}  # fmt: skip


@pytest.fixture(scope="module")
def truth(tmp_path_factory: pytest.TempPathFactory) -> ImageData:
    root = tmp_path_factory.mktemp("truth")
    voc(root)
    return open_data(str(root), View(3, 32, target="boxes"))


def same(data: ImageData, truth: ImageData) -> None:
    assert data.classes == truth.classes == ("bird", "cat", "dog")
    assert not data.left_out
    for half in ("train", "valid", "test"):
        own, other = getattr(data, half), getattr(truth, half)
        assert len(own) == len(other) > 0
        assert torch.equal(own.boxes, other.boxes), half
        assert torch.equal(own.images(), other.images())


def test_the_truth_is_what_was_written(truth: ImageData) -> None:
    assert truth.train.boxes is not None
    expected = [[2, 3 / 96, 5 / 64, 41 / 96, 33 / 64], [1, 50 / 96, 10 / 64, 90 / 96, 60 / 64]]
    assert torch.allclose(truth.train.boxes[0], torch.tensor(expected))
    assert (len(truth.train), len(truth.valid or ()), len(truth.test)) == (3, 1, 1)


@pytest.mark.parametrize("form", FORMS)
def test_every_form_reads_back_identical(tmp_path: Path, truth: ImageData, form: str) -> None:
    root = tmp_path / "set"
    root.mkdir()
    FORMS[form](root)
    same(open_data(str(root), View(3, 32, target="boxes")), truth)


@pytest.fixture(scope="module")
def weights(tmp_path_factory: pytest.TempPathFactory) -> dict[str, torch.Tensor]:
    return trained(tmp_path_factory.mktemp("run"), "VOC")


def trained(root: Path, form: str) -> dict[str, torch.Tensor]:
    (root / "set").mkdir()
    FORMS[form](root / "set")
    run = sfumato.train(
        "ssd", data=str(root / "set"), run=root / "run", images=12, batch_size=4, resolution=64, device="cpu",
        precision="fp32", evaluate=False,
    )  # fmt: skip
    return run.system.state_dict()


@pytest.mark.parametrize(
    "form", ["labelImg", "COCO", "Roboflow's COCO", "YOLO", "Darknet", "Labelme", "CVAT", "CreateML", "table"]
)
def test_every_form_trains_to_the_same_weights(tmp_path: Path, weights: dict[str, torch.Tensor], form: str) -> None:
    found = trained(tmp_path, form)
    assert all(torch.equal(value, weights[name]) for name, value in found.items())


@pytest.mark.parametrize("form", ["VOC", "COCO", "YOLO", "Labelme", "CVAT", "table"])
def test_every_form_is_read_in_a_zip_with_a_folder_around_it(tmp_path: Path, truth: ImageData, form: str) -> None:
    root = tmp_path / "set"
    root.mkdir()
    FORMS[form](root)
    with zipfile.ZipFile(tmp_path / "set.zip", "w") as archive:
        for path in sorted(root.rglob("*")):
            archive.write(path, f"download/{path.relative_to(root)}")
        archive.writestr("__MACOSX/download/._a.png", b"x")
    same(open_data(str(tmp_path / "set.zip"), View(3, 32, target="boxes")), truth)


@pytest.mark.parametrize("to", ["coco", "yolo", "voc"])
@pytest.mark.parametrize("form", ["VOC", "COCO", "YOLO", "Labelme", "table"])
def test_a_converted_set_reads_back_identical(tmp_path: Path, truth: ImageData, form: str, to: Any) -> None:
    root = tmp_path / "set"
    root.mkdir()
    FORMS[form](root)
    assert convert(root, tmp_path / "converted", to) == (5, [])
    same(open_data(str(tmp_path / "converted"), View(3, 32, target="boxes")), truth)


def test_a_conversion_writes_nothing_over_and_nothing_half(tmp_path: Path) -> None:
    root = tmp_path / "set"
    root.mkdir()
    voc(root)
    with pytest.raises(SfumatoError, match="is there already"):
        convert(root, root, "coco")
    (tmp_path / "bare").mkdir()
    with pytest.raises(SfumatoError, match="no boxes found"):
        convert(tmp_path / "bare", tmp_path / "out", "coco")
    with pytest.raises(SfumatoError, match="nowhere: neither a folder nor an archive"):
        convert(tmp_path / "nowhere", tmp_path / "out", "coco")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["bare", "set"]
