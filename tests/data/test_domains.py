"""Two sides in one source: every layout that people have, and what is said of others."""

import io
import zipfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from sfumato.data.dataset import ImageData
from sfumato.data.sources import View, open_data
from sfumato.errors import SfumatoError

DARK, LIGHT = 40, 200  # levels of the pictures of sides A and B


def picture(level: int, size: tuple[int, int] = (20, 20)) -> bytes:
    buffer = io.BytesIO()
    Image.new("RGB", size, (level, level, level)).save(buffer, "PNG")
    return buffer.getvalue()


def tree(root: Path, pattern: Callable[[str, str, int], str], counts: tuple[int, int] = (6, 9)) -> Path:
    """Pictures of both sides and halves; `pattern` gives the name of a picture for a half, a side and a number."""
    for half, share in (("train", 1.0), ("test", 0.5)):
        for side, level, count in (("A", DARK, counts[0]), ("B", LIGHT, counts[1])):
            for number in range(int(share * count)):
                path = root / pattern(half, side, number + 100 * (half == "test"))
                path.parent.mkdir(parents=True, exist_ok=True)
                path.write_bytes(picture(level + number))
    return root


def sides(path: Path, **fields: object) -> ImageData:
    return open_data(str(path), View(3, 16, target="sides", **fields))  # pyright: ignore[reportArgumentType]


def levels(data: ImageData) -> tuple[float, float]:
    """The mean level of each side."""
    assert data.second is not None
    return float(data.train.images().mean()) * 255, float(data.second.train.images().mean()) * 255


LAYOUTS: dict[str, Callable[[str, str, int], str]] = {
    "trainA": lambda half, side, number: f"{half}{side}/{number}.png",
    "train_a": lambda half, side, number: f"{half}_{side.lower()}/{number}.png",
    "train/A": lambda half, side, number: f"{half}/{side}/{number}.png",
    "A/train": lambda half, side, number: f"{side}/{half}/{number}.png",
    "below a folder": lambda half, side, number: f"horse2zebra/{half}{side}/{number}.png",
    "valA": lambda half, side, number: f"{half.replace('test', 'val')}{side}/{number}.png",
    "names": lambda half, side, number: f"{half}/{'apples' if side == 'A' else 'pears'}/{number}.png",
    "folders within": lambda half, side, number: f"{half}{side}/{number % 2}/{number}.png",
}


@pytest.mark.parametrize("layout", LAYOUTS)
def test_every_layout_is_found_out(layout: str, tmp_path: Path) -> None:
    data = sides(tree(tmp_path / "set", LAYOUTS[layout]))
    assert data.second is not None
    assert (len(data.train), len(data.test)) == (6, 3)
    assert (len(data.second.train), len(data.second.test)) == (9, 4)
    first, second = levels(data)
    assert abs(first - DARK) < 10 < abs(second - first)
    named = "side A is apples, side B pears" if layout == "names" else "sides A and B are called so by their folders"
    assert data.reading == f"{named}: 6 and 9 pictures to train on, 3 and 4 to test"
    assert not data.left_out


def test_a_zip_is_read_where_it_lies(tmp_path: Path) -> None:
    root = tree(tmp_path / "set", LAYOUTS["trainA"])
    with zipfile.ZipFile(tmp_path / "set.zip", "w") as archive:
        for path in root.rglob("*.png"):
            archive.write(path, path.relative_to(root))
    inside, outside = sides(tmp_path / "set.zip"), sides(root)
    assert torch.equal(inside.train.images(), outside.train.images())
    assert (inside.left_out, inside.reading) == ((), outside.reading)


def test_without_halves_a_tenth_is_tested_on_and_partners_stay_together(tmp_path: Path) -> None:
    for side, level in (("A", 0), ("B", 100)):
        for number in range(60):
            path = tmp_path / "set" / side / f"{number}.png"
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(picture(level + number))
    data = sides(tmp_path / "set", paired=True)
    assert data.second is not None
    assert data.paired
    assert 0 < len(data.test) < 20
    for split, other in ((data.train, data.second.train), (data.test, data.second.test)):
        apart = other.images().mean((1, 2, 3)) - split.images().mean((1, 2, 3))
        torch.testing.assert_close(apart * 255, torch.full((len(split),), 100.0), atol=0.1, rtol=0)


def test_pictures_that_hold_both_sides_are_cut(tmp_path: Path) -> None:
    for half, count in (("train", 5), ("test", 2)):
        for number in range(count):
            both = np.concatenate([np.full((24, 24, 3), 10 + number), np.full((24, 24, 3), 210 + number)], 1)
            path = tmp_path / "pairs" / half / f"{number}.png"
            path.parent.mkdir(parents=True, exist_ok=True)
            Image.fromarray(both.astype(np.uint8)).save(path)
    data = sides(tmp_path / "pairs", paired=True)
    assert data.second is not None
    assert (len(data.train), len(data.second.test)) == (5, 2)
    assert data.train.images()[:, 0, 0, 0].mul(255).round().tolist() == [10, 11, 12, 13, 14]
    assert data.second.train.images()[:, 0, 0, 0].mul(255).round().tolist() == [210, 211, 212, 213, 214]


def test_what_has_no_partner_is_left_out_by_name(tmp_path: Path) -> None:
    root = tree(tmp_path / "set", LAYOUTS["trainA"], counts=(6, 8))
    data = sides(root, paired=True)
    assert data.second is not None
    assert len(data.train) == len(data.second.train) == 6
    assert {item.file for item in data.left_out} == {"trainB/6.png", "trainB/7.png", "testB/103.png"}


def test_folders_of_neither_side_are_named(tmp_path: Path) -> None:
    root = tree(tmp_path / "set", LAYOUTS["trainA"])
    (root / "drafts").mkdir()
    (root / "drafts" / "x.png").write_bytes(picture(0))
    (root / "trainA" / "notes.txt").write_text("hello")
    reasons = {item.file: item.reason for item in sides(root).left_out}
    assert "neither side (drafts)" in reasons["drafts/x.png"]
    assert "not a picture" in reasons["trainA/notes.txt"]


@pytest.mark.parametrize(
    ("files", "words"),
    [
        ({"x.png": 1, "y.png": 2}, "2 pictures in no folder of a side"),
        ({"cats/x.png": 1, "cats/y.png": 2}, "2 pictures in no folder of a side"),
        ({"cats/x.png": 1, "dogs/y.png": 2, "cows/z.png": 3}, "pictures in 3 folders (cats, cows, dogs)"),
        ({"A/x.png": 1, "B/y.png": 2}, "side A holds 1 picture that can be used; 2 are needed"),
        ({"trainA/x.png": 1, "trainA/y.png": 2}, "which are side A and which side B?"),
        ({"readme.txt": 1}, "no picture that can be used"),
    ],
)
def test_other_layouts_are_refused_in_one_line(files: dict[str, int], words: str, tmp_path: Path) -> None:
    for name, level in files.items():
        path = tmp_path / "set" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(picture(level) if name.endswith(".png") else b"hello")
    with pytest.raises(SfumatoError) as raised:
        sides(tmp_path / "set")
    assert words in str(raised.value)
    assert "\n" not in str(raised.value)


def test_one_set_is_no_two_sides() -> None:
    with pytest.raises(SfumatoError, match="has not two sides, A and B; `inks` and `papers` have"):
        open_data("digits", View(target="sides"))


def test_the_inks_are_partners() -> None:
    data = open_data("inks", View(3, 32, target="sides"))
    assert data.second is not None
    assert data.train.labels is not None
    assert torch.equal(data.train.labels, data.second.train.labels)  # pyright: ignore[reportArgumentType]
    dark, inked = data.test.images(range(5)), data.second.test.images(range(5))
    assert (torch.corrcoef(torch.stack([dark.flatten(), inked.flatten()]))[0, 1]) < -0.9
