"""Pictures are found by whatever annotations call them."""

import pytest

from sfumato.data.index import PictureIndex
from sfumato.errors import SfumatoError

NAMES = ["train/images/a.JPG", "train/images/b.png", "val/images/a.jpg", "JPEGImages/My cat 1.jpg", "c.tif", "x.y.jpg"]


@pytest.mark.parametrize(
    ("said", "beside", "found"),
    [
        ("c.tif", "boxes.csv", "c.tif"),
        ("C.TIF", "boxes.csv", "c.tif"),
        ("c", "boxes.csv", "c.tif"),
        ("c.jpg", "boxes.csv", "c.tif"),
        ("x.y", "boxes.csv", "x.y.jpg"),
        ("my cat 1", "Annotations/My cat 1.xml", "JPEGImages/My cat 1.jpg"),
        ("b.png", "train/labels.csv", "train/images/b.png"),
        ("images\\b.png", "train/labels.csv", "train/images/b.png"),
        ("C:\\Users\\x\\train\\images\\a.jpg", "labels.csv", "train/images/a.JPG"),
        ("/home/x/set/val/images/a.jpg", "labels.csv", "val/images/a.jpg"),
        ("./c.tif", "boxes.csv", "c.tif"),
        ("../c.tif", "notes/boxes.csv", "c.tif"),
    ],
)
def test_a_picture_is_found(said: str, beside: str, found: str) -> None:
    assert PictureIndex(NAMES).find(said, beside) == found


@pytest.mark.parametrize("said", ["a.jpg", "gone.jpg", "", "images/gone.png", "///"])
def test_what_is_not_there_or_there_twice_is_refused(said: str) -> None:
    with pytest.raises(SfumatoError, match="is not there"):
        PictureIndex(NAMES).find(said, "boxes.csv")


def test_a_half_is_not_served_from_another() -> None:
    index = PictureIndex(NAMES)
    assert index.find("a.jpg", "lists.csv", "valid") == "val/images/a.jpg"
    with pytest.raises(SfumatoError, match="is not there"):
        index.find("b.png", "lists.csv", "valid")
