"""Batches are a pure function of (seed, process, images drawn)."""

import pytest
import torch

from sfumato.data.batches import Batches
from sfumato.data.dataset import InMemory, Split, random_crops
from sfumato.data.digits import read_digits
from sfumato.errors import SfumatoError

NUMBERED = Split(InMemory(torch.arange(50, dtype=torch.uint8).view(50, 1, 1, 1).expand(50, 1, 4, 4)), torch.arange(50))


def drawn(batches: Batches, start: int, until: int) -> list[int]:
    """The labels of all images drawn from `start` on."""
    found: list[int] = []
    images = start
    while images < until:
        batch, count = batches.at(images)
        assert batch.labels is not None
        found += batch.labels.tolist()
        images += count
    return found


def test_an_epoch_draws_each_image_once_and_the_next_in_another_order() -> None:
    batches = Batches(NUMBERED, 16, seed=0)
    first, second = drawn(batches, 0, 50), drawn(batches, 50, 100)
    assert sorted(first) == sorted(second) == list(range(50))
    assert first != second


def test_the_last_batch_of_an_epoch_is_what_is_left_and_says_so() -> None:
    batches = Batches(NUMBERED, 16, seed=0)
    ends = [(len(batches.at(images)[0]), batches.at(images)[0].ends_epoch) for images in (0, 16, 32, 48)]
    assert ends == [(16, False), (16, False), (16, False), (2, True)]


def test_a_batch_depends_on_nothing_but_its_place() -> None:
    one, two = (Batches(NUMBERED, 16, seed=3, flip=True, crop=3) for _ in range(2))
    one.at(0)
    assert torch.equal(one.at(32)[0].images, two.at(32)[0].images)
    assert drawn(Batches(NUMBERED, 16, seed=4), 0, 50) != drawn(one, 0, 50)


@pytest.mark.parametrize("processes", [2, 4])
def test_processes_share_a_batch_without_overlap(processes: int) -> None:
    alone = Batches(NUMBERED, 16, seed=0)
    parts = [Batches(NUMBERED, 16, seed=0, process=i, processes=processes) for i in range(processes)]
    for images in (0, 16, 32):
        together = sorted(label for part in parts for label in drawn(part, images, images + 1))
        assert together == sorted(drawn(alone, images, images + 1))
    assert len({len(part.at(48)[0]) for part in parts}) == 1


def test_values_lie_in_the_range_asked_for() -> None:
    split = Split(InMemory(torch.tensor([0, 255], dtype=torch.uint8).view(2, 1, 1, 1)))
    batch, _ = Batches(split, 2, seed=0, image_range=(-1.0, 1.0)).at(0)
    assert sorted(batch.images.flatten().tolist()) == pytest.approx([-1.0, 1.0])


def test_flips_mirror_about_half() -> None:
    ramp = torch.arange(4, dtype=torch.uint8).expand(400, 1, 4, 4)
    batch, _ = Batches(Split(InMemory(ramp)), 400, seed=0, flip=True).at(0)
    mirrored = (batch.images[:, 0, 0, 0] > 0).float().mean()
    assert 0.4 < mirrored < 0.6


def test_crops_are_windows_of_their_pictures() -> None:
    pictures = torch.arange(2 * 6 * 6, dtype=torch.uint8).view(2, 1, 6, 6)
    crops = random_crops(pictures, 3, torch.Generator().manual_seed(0))
    for picture, crop in zip(pictures, crops, strict=True):
        windows = picture.unfold(1, 3, 1).unfold(2, 3, 1).reshape(-1, 3, 3)
        assert any(torch.equal(window, crop[0]) for window in windows)


@pytest.mark.parametrize(
    ("options", "word"), [({"batch_size": 0}, "batch_size 0"), ({"batch_size": 3, "processes": 2}, "batch_size 3")]
)
def test_impossible_batches_are_refused(options: dict[str, int], word: str) -> None:
    with pytest.raises(SfumatoError, match=word):
        Batches(NUMBERED, seed=0, **options)


def test_the_embedded_digits_are_what_scikit_learn_ships() -> None:
    data = read_digits()
    assert (len(data.train), len(data.test)) == (1437, 360)
    assert data.shape == (1, 28, 28)
    images = data.train.images()
    assert images.min() == 0
    assert images.max() > 0.98
    assert images[:, :, :4].abs().max() == 0  # the margin of MNIST
    assert "not MNIST" in data.notice
    assert data.fingerprint == read_digits().fingerprint
