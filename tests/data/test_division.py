"""Halves of a set: as folders, tables, lists or the command say."""

import zipfile
from collections.abc import Sequence
from pathlib import Path

import pytest
import torch

from sfumato.data.division import Division
from sfumato.data.sources import View, open_data
from sfumato.errors import SfumatoError

from .test_folder import jpeg, tree

SMALL = View(3, 16)


def made(root: Path, names: Sequence[str], **files: str) -> Path:
    tree(root, {name: jpeg(number) for number, name in enumerate(names)})
    for name, text in files.items():
        (root / f"{name.replace('_dot_', '.')}").write_text(text)
    return root


def counts(root: Path, view: View = SMALL) -> tuple[int, int, int, tuple[str, ...]]:
    data = open_data(str(root), view)
    return len(data.train), len(data.valid or ()), len(data.test), data.classes


@pytest.mark.parametrize(
    ("train", "valid", "test"),
    [
        ("train", "", "test"), ("Training", "", "Testing"), ("train_set", "", "test_set"),
        ("training_set", "valid", "test"),
        ("TRAIN", "VALIDATION", "TEST"), ("train", "val", "test"), ("trainset", "valset", "testset"),
        ("BraTS_Data_Training", "BraTS_Data_Validation", "BraTS_Data_Testing"), ("x/train", "x/valid", "x/test"),
        ("train/images", "val/images", "test/images"), ("a/b/train/train", "a/b/val/val", "a/b/test/test"),
    ],
)  # fmt: skip
def test_halves_are_known_in_any_spelling_and_stay_three(tmp_path: Path, train: str, valid: str, test: str) -> None:
    halves = [half for half in (train, valid, test) if half]
    made(tmp_path, [f"{half}/{kind}/{number}.jpg" for half in halves for kind in "ab" for number in range(3)])
    assert counts(tmp_path) == (6, 6 if valid else 0, 6, ("a", "b"))


def test_halves_below_the_classes_are_known(tmp_path: Path) -> None:
    made(tmp_path, [f"{kind}/{half}/{number}.jpg" for kind in "ab" for half in ("train", "val") for number in range(2)])
    assert counts(tmp_path) == (4, 0, 4, ("a", "b"))


def test_classes_that_are_called_like_halves_stay_classes(tmp_path: Path) -> None:
    """Vehicles: a train is one, and nothing else says a half."""
    made(tmp_path, [f"{kind}/{number}.jpg" for kind in ("bus", "car", "train") for number in range(8)])
    assert counts(tmp_path)[3] == ("bus", "car", "train")


def test_words_in_the_names_of_pictures_decide_nothing(tmp_path: Path) -> None:
    made(
        tmp_path, [f"{kind}/{word}_{number}.jpg" for kind in "ab" for word in ("train", "test") for number in range(20)]
    )
    train, valid, test, _ = counts(tmp_path)
    assert (valid, train + test) == (0, 80)
    assert test < 20


def test_an_unlabelled_half_and_loose_pictures_are_named(tmp_path: Path) -> None:
    names = [f"{half}/{kind}/{number}.jpg" for half in ("train", "val") for kind in "ab" for number in range(4)]
    data = open_data(str(made(tmp_path, [*names, "test/1.jpg", "test/2.jpg", "extra/x/3.jpg", "4.jpg"])), SMALL)
    assert data.classes == ("a", "b")
    assert (len(data.train), len(data.test)) == (8, 8)
    assert {item.file: item.reason.split(",")[0] for item in data.left_out} == {
        "test/1.jpg": "in no folder of a class", "test/2.jpg": "in no folder of a class",
        "extra/x/3.jpg": "in no half of the split", "4.jpg": "in no half of the split",
    }  # fmt: skip


def test_a_few_folders_among_loose_pictures_are_no_classes(tmp_path: Path) -> None:
    names = [f"{number}.jpg" for number in range(10)] + ["best/x.jpg", "more/y.jpg"]
    train, _, test, classes = counts(made(tmp_path, names))
    assert (train + test, classes) == (12, ("",))


def test_classes_that_differ_between_halves_are_said_with_counts(tmp_path: Path) -> None:
    names = [f"train/{kind}/{number}.jpg" for kind in "abc" for number in range(3)] + ["test/a/1.jpg", "test/d/2.jpg"]
    told = open_data(str(made(tmp_path, names)), SMALL).told
    assert "b (3 train, 0 test)" in told
    assert "c (3 train, 0 test)" in told
    assert "d (0 train, 1 test)" in told
    assert "a (" not in told


LISTS = {
    "plain": ("train.txt", "test.txt", "{name}"),
    "with folders": ("train_list.txt", "test_list.txt", "./{name}"),
    "with classes": ("train.txt", "val.txt", "{name} 3"),
    "without endings": ("trainset.txt", "testset.txt", "{stem}"),
    "from Windows": ("train.txt", "test.txt", "{windows}\r"),
    "in a folder": ("splits/train.txt", "splits/test.txt", "{name}"),
}


@pytest.mark.parametrize("kind", LISTS)
def test_lists_of_names_are_the_halves(tmp_path: Path, kind: str) -> None:
    names = [f"{label}/{number}.jpg" for label in "ab" for number in range(5)]
    made(tmp_path, names)
    (tmp_path / "splits").mkdir()
    first, second, line = LISTS[kind]

    def text(chosen: list[str]) -> str:
        return "\ufeff" + "".join(
            line.format(name=name, stem=name[:-4], windows=name.replace("/", "\\")) + "\n" for name in chosen
        )

    (tmp_path / first).write_text(text(names[::2]), encoding="utf-8")
    (tmp_path / second).write_text(text(names[1::2]), encoding="utf-8")
    assert counts(tmp_path) == (5, 0, 5, ("a", "b"))


@pytest.mark.parametrize("mark", [",", ";", "\t"])
@pytest.mark.parametrize("columns", ["file,split", "filename,subset", "Image,Set"])
def test_a_table_is_the_halves(tmp_path: Path, mark: str, columns: str) -> None:
    names = [f"{label}/{number}.jpg" for label in "ab" for number in range(6)]
    rows = [columns, *(f"{name},{half}" for name, half in zip(names, ("train", "val", "test") * 4, strict=True))]
    made(tmp_path, names, table_dot_csv="\n".join(rows).replace(",", mark))
    assert counts(tmp_path) == (4, 4, 4, ("a", "b"))


def test_a_table_names_the_classes_of_loose_pictures(tmp_path: Path) -> None:
    names = [f"images/{number}.jpg" for number in range(8)]
    rows = ["id,breed", *(f"{number},{'pug' if number % 2 else 'collie'}" for number in range(8))]
    assert counts(made(tmp_path, names, labels_dot_csv="\n".join(rows)))[3] == ("collie", "pug")


def test_a_table_of_ones_names_the_classes(tmp_path: Path) -> None:
    names = [f"{number}.jpg" for number in range(6)]
    rows = ["filename, cat, dog", *(f"{number}.jpg, {number % 2}, {1 - number % 2}" for number in range(6))]
    assert counts(made(tmp_path, names, _classes_dot_csv="\n".join(rows)))[3] == ("cat", "dog")


def test_a_split_that_is_asked_for_is_kept(tmp_path: Path) -> None:
    names = [
        f"{place}/{kind}/{number}.jpg" for place in ("mine", "yours", "train") for kind in "ab" for number in range(3)
    ]
    made(tmp_path, names)
    assert counts(tmp_path, View(3, 16, split=("train=mine", "test=yours"))) == (6, 0, 6, ("a", "b"))
    assert counts(tmp_path, View(3, 16, split=("train=mine", "valid=train", "test=yours"))) == (6, 6, 6, ("a", "b"))
    rows = "file,split\n" + "".join(f"{name},{'test' if 'yours' in name else 'train'}\n" for name in names[:12])
    (tmp_path / "own.csv").write_text(rows)
    elsewhere = str(tmp_path / "own.csv")
    assert counts(tmp_path, View(3, 16, split=(elsewhere,)))[:3] == (6, 0, 6)


def test_lists_that_are_asked_for_are_kept(tmp_path: Path) -> None:
    made(tmp_path, [f"{kind}/{number}.jpg" for kind in "ab" for number in range(5)])
    (tmp_path / "first.txt").write_text("a/0.jpg\nb/0.jpg\na/1\n")
    (tmp_path / "second.txt").write_text("b/4.jpg\n")
    data = open_data(str(tmp_path), View(3, 16, split=("train=first.txt", "test=second.txt")))
    assert (len(data.train), len(data.test), data.classes) == (3, 1, ("a", "b"))
    assert sum(item.reason == "in no half of the split" for item in data.left_out) == 6


def test_folders_are_named_below_what_holds_everything(tmp_path: Path) -> None:
    made(tmp_path, [f"set/{place}/{kind}/{number}.jpg" for place in "xyz" for kind in "ab" for number in range(2)])
    assert counts(tmp_path, View(3, 16, split=("train=x", "test=set/y"))) == (4, 0, 4, ("a", "b"))


def test_a_list_that_cannot_be_read_is_refused_by_name(tmp_path: Path) -> None:
    made(tmp_path, [f"{kind}/{number}.jpg" for kind in "ab" for number in range(3)])
    (tmp_path / "train.txt").write_bytes("кошка\n".encode("cp1251"))
    with pytest.raises(SfumatoError, match=r"^train\.txt: neither in UTF-8"):
        open_data(str(tmp_path), SMALL)


def test_a_share_that_is_asked_for_overrules_names(tmp_path: Path) -> None:
    names = [f"{half}/{kind}/{number}.jpg" for half in ("train", "val") for kind in "ab" for number in range(25)]
    made(tmp_path, names)
    first, again, other = (open_data(str(tmp_path), View(3, 16, holdout=0.3, seed=seed)) for seed in (1, 1, 2))
    assert 18 <= len(first.test) <= 42
    assert len(first.train) + len(first.test) == 100
    assert torch.equal(first.test.images(), again.test.images())
    assert first.fingerprint == again.fingerprint != other.fingerprint


@pytest.mark.parametrize(
    ("view", "fault"),
    [
        (View(split=("train=nowhere", "test=b")), "no folder of pictures of that name"),
        (View(split=("train=a",)), "no pictures to test on"),
        (View(split=("test=a",)), "no pictures to train on"),
        (View(split=("something",)), "must be train=DIR"),
        (View(split=("half=a", "test=b")), "must be train=DIR"),
        (View(split=("train=a", "test=a")), "is in the half train already"),
        (View(split=("gone.csv",)), "cannot be read"),
        (View(split=("train=a", "test=b"), holdout=0.5), "not both"),
        (View(holdout=0.0), "between 0 and 1"),
        (View(holdout=1.5), "between 0 and 1"),
        (View(holdout=float("nan")), "between 0 and 1"),
    ],
)
def test_a_split_that_cannot_be_is_refused_in_one_line(tmp_path: Path, view: View, fault: str) -> None:
    made(tmp_path, [f"{kind}/{number}.jpg" for kind in "ab" for number in range(3)])
    with pytest.raises(SfumatoError, match=fault) as caught:
        open_data(str(tmp_path), view)
    assert "\n" not in str(caught.value)


def test_embedded_data_have_halves_of_their_own() -> None:
    with pytest.raises(SfumatoError, match="its own halves"):
        open_data("digits", View(holdout=0.2))


def test_halves_in_a_zip_with_a_folder_around_everything(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "a.zip", "w") as archive:
        for half in ("Train", "Test"):
            for kind in "ab":
                for number in range(2):
                    archive.writestr(f"set\\{half}\\{kind}\\{number}.jpg", jpeg(number))
    assert counts(tmp_path / "a.zip") == (4, 0, 4, ("a", "b"))


def test_a_division_is_a_share_by_default() -> None:
    assert not Division().asks
    assert Division().share == 0.1
    assert Division(holdout=0.25).asks
