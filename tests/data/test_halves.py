"""Which words say a half of a split, and what becomes of pictures of which nobody says anything."""

import pytest

from sfumato.data.halves import Half, half_of, half_of_path, halves_of, held_out


@pytest.mark.parametrize(
    ("word", "half"),
    [
        ("train", "train"), ("Training", "train"), ("TRAIN", "train"), ("train_set", "train"),
        ("training_set", "train"),
        ("train2017", "train"), ("trainset", "train"), ("MICCAI_BraTS_2018_Data_Training", "train"),
        ("TrainingData", "train"), ("images-train", "train"),
        ("val", "valid"), ("valid", "valid"), ("Validation", "valid"), ("valid_set", "valid"), ("val2014", "valid"),
        ("test", "test"), ("Testing", "test"), ("test_set", "test"), ("TestSet", "test"), ("test-1", "test"),
        ("trainval", None), ("train_test", None), ("strain", None), ("contest", None), ("cats", None), ("", None),
        ("latest", None), ("protest", None), ("évaluation", None),
    ],
)  # fmt: skip
def test_a_word_says_a_half_in_any_spelling(word: str, half: Half | None) -> None:
    assert half_of(word) == half


def test_the_name_of_a_picture_decides_nothing() -> None:
    assert half_of_path("cats/test_1.jpg") is None
    assert half_of_path("train/cats/test_1.jpg") == "train"
    assert half_of_path("a/train/val/1.jpg") == "valid"


@pytest.mark.parametrize(
    ("said", "halves"),
    [
        (["train", "valid"], ["train", "test"]),
        (["train", "test"], ["train", "test"]),
        (["train", "valid", "test"], ["train", "valid", "test"]),
        (["train", "test", None], ["train", "test", None]),
        (["train", "valid", None], ["train", "test", None]),
    ],
)
def test_what_is_said_is_kept_and_validation_alone_is_the_test(
    said: list[Half | None], halves: list[Half | None]
) -> None:
    assert halves_of([f"{place}.jpg" for place in range(len(said))], said) == halves


@pytest.mark.parametrize("said", [[None] * 40, ["train"] * 40, ["test"] * 40])
def test_where_no_two_halves_are_said_a_share_is_held_out(said: list[Half | None]) -> None:
    names = [f"{place}.jpg" for place in range(40)]
    found = halves_of(names, said)
    assert found == ["test" if held_out(name) else "train" for name in names]
    assert found.count("test") > 0


def test_a_share_is_held_out_by_its_seed_and_the_name_alone() -> None:
    names = [f"{place}.jpg" for place in range(4000)]
    first, again, other = (halves_of(names, [None] * 4000, 0.25, seed) for seed in (1, 1, 2))
    assert first == again != other
    assert abs(first.count("test") / 4000 - 0.25) < 0.03
    assert halves_of(names[::-1], [None] * 4000, 0.25, 1) == first[::-1]


def test_of_a_handful_one_is_tested_on() -> None:
    assert sorted(map(str, halves_of(["a", "b"], [None, None]))) == ["test", "train"]
