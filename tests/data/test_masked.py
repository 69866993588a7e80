"""What the levels and colours of masks mean, and what is refused."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from sfumato.data.dataset import VOID, ImageData
from sfumato.data.masked import CAMVID, CITYSCAPES, KNOWN, VOC, read_masked
from sfumato.data.pictures import read_indices
from sfumato.errors import SfumatoError

WIDE, HIGH = 64, 48


def blocks(levels: Sequence[int], place: int = 0) -> np.ndarray:
    """A mask of upright stripes of these levels, in another place for each picture."""
    values = np.full((HIGH, WIDE), levels[0], np.uint8)
    for number, level in enumerate(levels[1:], 1):
        values[5:40, number * 10 + place : number * 10 + 6 + place] = level
    return values


def made(root: Path, masks: dict[str, Image.Image], folder: str = "masks", images: str = "images") -> Path:
    for number, (name, mask) in enumerate(masks.items()):
        (root / images).mkdir(parents=True, exist_ok=True)
        (root / folder).mkdir(parents=True, exist_ok=True)
        pixels = np.random.default_rng(number).integers(0, 255, (HIGH, WIDE, 3), np.uint8)
        Image.fromarray(pixels).save(root / images / f"{name.partition('.')[0]}.jpg")
        mask.save(root / folder / (name if "." in name else f"{name}.png"))
    return root


def in_mode(image: Image.Image, mode: str) -> Image.Image:
    return image.quantize(3) if mode == "P" else image.convert(mode)


def grey(*levels: int, count: int = 4) -> dict[str, Image.Image]:
    return {f"p{place}": Image.fromarray(blocks(levels, place)) for place in range(count)}


def present(data: ImageData) -> list[int]:
    found = torch.cat(
        [split.pictures.whole(i)[3].unique() for split in (data.train, data.test) for i in range(len(split))]
    )
    return sorted(set(found.tolist()))


@pytest.mark.parametrize(
    ("levels", "classes", "found"),
    [
        ((0, 1), ("class 0", "class 1"), [0, 1]),
        ((0, 255), ("background", "object"), [0, 1]),
        ((0, 1, 2), ("class 0", "class 1", "class 2"), [0, 1, 2]),
        ((0, 1, 2, 255), ("class 0", "class 1", "class 2"), [0, 1, 2, VOID]),
        ((0, 128, 255), ("level 0", "level 128", "level 255"), [0, 1, 2]),
        ((0, 100, 200), ("level 0", "level 100", "level 200"), [0, 1, 2]),
        ((10, 20, 30, 40), ("level 10", "level 20", "level 30", "level 40"), [0, 1, 2, 3]),
        ((0, 50, 100, 150), ("level 0", "level 50", "level 100", "level 150"), [0, 1, 2, 3]),
        ((1, 2, 3), ("class 0", "class 1", "class 2", "class 3"), [1, 2, 3]),
    ],
)
def test_levels_are_classes(
    tmp_path: Path, levels: tuple[int, ...], classes: tuple[str, ...], found: list[int]
) -> None:
    data = read_masked(made(tmp_path, grey(*levels)), HIGH)
    assert data.classes == classes
    assert present(data) == found
    assert ("levels " in data.reading) == classes[0].startswith("level")


@pytest.mark.parametrize("by", [Image.Resampling.BILINEAR, Image.Resampling.BICUBIC, Image.Resampling.LANCZOS])
@pytest.mark.parametrize("levels", [(0, 255), (0, 128, 255)])
def test_masks_with_soft_edges_are_left_out_by_name(
    tmp_path: Path, by: Image.Resampling, levels: tuple[int, ...]
) -> None:
    masks = grey(*levels, count=5)
    masks["p1"] = masks["p1"].resize((WIDE // 2, HIGH // 2), Image.Resampling.NEAREST).resize((WIDE, HIGH), by)
    data = read_masked(made(tmp_path, masks), HIGH)
    assert [item.file for item in data.left_out] == ["images/p1.jpg"]
    assert "masks/p1.png has soft edges" in data.left_out[0].reason
    assert len(data.classes) == len(levels)


def test_a_set_of_soft_masks_alone_is_refused(tmp_path: Path) -> None:
    masks = {
        name: mask.resize((21, 17)).resize((WIDE, HIGH), Image.Resampling.BILINEAR)
        for name, mask in grey(0, 255).items()
    }
    with pytest.raises(SfumatoError, match="soft edges"):
        read_masked(made(tmp_path, masks), HIGH)


def test_thin_classes_of_numbered_masks_are_no_soft_edges(tmp_path: Path) -> None:
    values = blocks((0, 1, 2))
    values[:, 50] = 3
    data = read_masked(made(tmp_path, {name: Image.fromarray(values) for name in "ab"}), HIGH)
    assert len(data.classes) == 4
    assert not data.left_out


def test_masks_of_0_and_1_beside_masks_of_0_and_255_are_refused_by_name(tmp_path: Path) -> None:
    masks = grey(0, 255) | {"q": Image.fromarray(blocks((0, 1)))}
    with pytest.raises(SfumatoError, match=r"0 and 1 \(masks/q.png.*0 and 255 \(masks/p0.png"):
        read_masked(made(tmp_path, masks), HIGH)


MAPS = {
    "labelmap.txt": "# label:color_rgb:parts:actions\nbackground:0,0,0::\nleaf:0,128,0::\nstem:128,0,0:a,b:\n",
    "class_dict.csv": "name,r,g,b\nbackground,0,0,0\nleaf,0,128,0\nstem,128,0,0\n",
    "label_colors.txt": "0 0 0\tbackground\n0 128 0\tleaf\n128 0 0\tstem\n",
}


@pytest.mark.parametrize("name", MAPS)
@pytest.mark.parametrize("mode", ["RGB", "RGBA", "P"])
def test_a_map_says_what_colours_mean(tmp_path: Path, name: str, mode: str) -> None:
    colours = np.array([(0, 0, 0), (0, 128, 0), (128, 0, 0)], np.uint8)
    masks = {f"p{place}": in_mode(Image.fromarray(colours[blocks((0, 1, 2), place)]), mode) for place in range(3)}
    made(tmp_path, masks, "SegmentationClass", "JPEGImages")
    (tmp_path / name).write_text(MAPS[name])
    data = read_masked(tmp_path, HIGH)
    assert data.classes == ("background", "leaf", "stem")
    assert present(data) == [0, 1, 2]


def test_a_colour_that_no_map_has_is_named(tmp_path: Path) -> None:
    masks = {name: Image.fromarray(np.stack([blocks((0, 9))] * 3, 2)) for name in "ab"}
    masks["c"] = Image.new("RGB", (WIDE, HIGH), (0, 0, 0))
    masks["d"] = Image.new("RGB", (WIDE, HIGH), (0, 0, 0))
    (made(tmp_path, masks) / "labelmap.txt").write_text("sea:0,0,0::\nland:1,2,3::\n")
    assert {item.file: "colour 9,9,9" in item.reason for item in read_masked(tmp_path, HIGH).left_out} == {
        "images/a.jpg": True, "images/b.jpg": True,
    }  # fmt: skip


def test_colours_without_a_map_are_refused_with_the_mend(tmp_path: Path) -> None:
    masks = {name: Image.new("RGB", (WIDE, HIGH), (200, 10, 10)) for name in "ab"}
    with pytest.raises(SfumatoError, match=r"add a labelmap\.txt"):
        read_masked(made(tmp_path, masks), HIGH)


@pytest.mark.parametrize("mode", ["RGB", "RGBA", "I;16"])
def test_grey_in_other_modes_is_grey(tmp_path: Path, mode: str) -> None:
    masks = {}
    for place in range(3):
        values = blocks((0, 1, 2), place)
        deep = Image.fromarray(values.astype(np.uint16))
        masks[f"p{place}"] = deep if mode == "I;16" else Image.fromarray(np.stack([values] * 3, 2)).convert(mode)
    data = read_masked(made(tmp_path, masks), HIGH)
    assert (len(data.classes), present(data)) == (3, [0, 1, 2])


@pytest.mark.parametrize("name", ["class_names.txt", "classes.txt"])
def test_names_of_classes_stand_in_a_file(tmp_path: Path, name: str) -> None:
    """As labelme2voc writes it: VOC's layout, other classes."""
    made(tmp_path, grey(0, 1, 2), "SegmentationClass", "JPEGImages")
    (tmp_path / name).write_text("__ignore__\n_background_\nleaf\nstem\n")
    assert read_masked(tmp_path, HIGH).classes == ("background", "leaf", "stem")


def test_names_of_vocs_classes_are_for_voc_alone(tmp_path: Path) -> None:
    assert read_masked(made(tmp_path, grey(0, 1, 2), "SegmentationClass", "JPEGImages"), HIGH).classes[1] == "class 1"


def test_names_for_levels_with_gaps_are_taken_in_order(tmp_path: Path) -> None:
    (made(tmp_path, grey(0, 100, 200)) / "classes.txt").write_text("sea\nland\nsky\n")
    data = read_masked(tmp_path, HIGH)
    assert (data.classes, present(data)) == (("sea", "land", "sky"), [0, 1, 2])


def test_too_few_names_are_refused(tmp_path: Path) -> None:
    (made(tmp_path, grey(0, 1, 2)) / "classes.txt").write_text("sea\nland\n")
    with pytest.raises(SfumatoError, match=r"2 classes are named .*the masks hold 3"):
        read_masked(tmp_path, HIGH)


def test_cityscapes_ids_are_its_19_classes(tmp_path: Path) -> None:
    masks = {f"b_{place}_gtFine_labelIds.png": Image.fromarray(blocks((0, 7, 26, 33), place)) for place in range(3)}
    made(tmp_path, masks, "gtFine/train/b", "unused")
    for place in range(3):
        (tmp_path / "leftImg8bit/train/b").mkdir(parents=True, exist_ok=True)
        Image.new("RGB", (WIDE, HIGH), (place, 0, 0)).save(tmp_path / f"leftImg8bit/train/b/b_{place}_leftImg8bit.png")
    for path in (tmp_path / "unused").iterdir():
        path.unlink()
    data = read_masked(tmp_path, HIGH)
    assert data.classes == tuple(CITYSCAPES.values())
    assert present(data) == [0, 13, 18, VOID]


def test_pictures_and_masks_without_a_partner_are_named(tmp_path: Path) -> None:
    made(tmp_path, grey(0, 1, count=6))
    (tmp_path / "masks/p0.png").unlink()
    (tmp_path / "images/p1.jpg").unlink()
    assert {item.file for item in read_masked(tmp_path, HIGH).left_out} == {"images/p0.jpg", "masks/p1.png"}


def test_a_mask_in_jpeg_is_refused(tmp_path: Path) -> None:
    made(tmp_path, grey(0, 1, count=3) | {"q.jpg": Image.fromarray(blocks((0, 255)))})
    assert "a mask in JPEG" in read_masked(tmp_path, HIGH).left_out[0].reason


def test_levels_beyond_a_byte_are_refused(tmp_path: Path) -> None:
    Image.fromarray(np.full((4, 4), 300, np.uint16)).save(tmp_path / "a.png")
    with (tmp_path / "a.png").open("rb") as file, pytest.raises(SfumatoError, match="levels up to 300"):
        read_indices(file)


@pytest.mark.parametrize("half", ["valid", "val", "Validation"])
def test_three_halves_stay_three(tmp_path: Path, half: str) -> None:
    for folder in ("train", half, "test"):
        made(tmp_path / folder, grey(0, 1, count=2))
    data = read_masked(tmp_path, HIGH)
    assert data.valid is not None
    assert (len(data.train), len(data.valid), len(data.test)) == (2, 2, 2)


def test_pictures_are_read_in_their_own_size(tmp_path: Path) -> None:
    made(tmp_path, grey(0, 1, count=4))
    for place, size in enumerate(((40, 70), (90, 50))):
        Image.new("RGB", size, "teal").save(tmp_path / f"images/q{place}.png")
        Image.new("L", size, 1).save(tmp_path / f"masks/q{place}.png")
    data = read_masked(tmp_path, 0)
    shapes = [tuple(split.pictures.whole(i).shape) for split in (data.train, data.test) for i in range(len(split))]
    assert sorted(shapes) == sorted([(4, HIGH, WIDE)] * 4 + [(4, 70, 40), (4, 50, 90)])


def test_grey_masks_of_known_sets_have_the_colours_of_these(tmp_path: Path) -> None:
    """VOC's as "Dive into Deep Learning", section 14.9, prints them."""
    masks = {f"2007_00000{place}": mask for place, mask in enumerate(grey(0, 1, 20, VOID).values())}
    data = read_masked(made(tmp_path / "voc", masks, "SegmentationClass", "JPEGImages"), 32)
    assert data.classes == VOC
    printed = "000800080880008808088888400c00480c80408c08488c880408400c08c0048"
    assert "".join(f"{level // 16:x}" for colour in data.palette for level in colour) == printed
    for half in ("train", "test"):
        made(tmp_path / "camvid", grey(0, 3, 11), f"{half}annot", half)
    data = read_masked(tmp_path / "camvid", 32)
    assert data.classes == CAMVID
    assert data.palette == KNOWN[CAMVID]
    assert len(set(data.palette)) == len(CAMVID)


def test_classes_have_the_colours_of_their_masks(tmp_path: Path) -> None:
    red, blue, pink = (200, 0, 0), (0, 0, 250), (255, 90, 200)
    for folder, levels, palette in (("a", (0, 1, 2), {0: red, 1: blue, 2: pink}), ("b", (0, 255), {0: red, 255: pink})):
        masks = grey(*levels)
        for mask in masks.values():
            mask.putpalette([part for level in range(256) for part in palette.get(level, (level, level, 7))])
        assert read_masked(made(tmp_path / folder, masks), 32).palette == tuple(palette.values())
    assert read_masked(made(tmp_path / "grey", grey(0, 1)), 32).palette == ()
    alike = grey(0, 1)
    for mask in alike.values():
        mask.putpalette([*red, *red, *blue])
    assert read_masked(made(tmp_path / "alike", alike), 32).palette == ()
    coloured = {
        name: Image.fromarray(np.array([red, pink], np.uint8)[np.asarray(mask)]) for name, mask in alike.items()
    }
    made(tmp_path / "rgb", coloured)
    (tmp_path / "rgb" / "labelmap.txt").write_text("wall:200,0,0::\ndoor:255,90,200::\nroof:0,0,250::\n")
    assert read_masked(tmp_path / "rgb", 32).palette == (red, pink, blue)
