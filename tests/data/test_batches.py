"""Batches are a pure function of (seed, process, images drawn)."""

import pytest
import torch

from sfumato.data.batches import Batches, PairedBatches, batches_for
from sfumato.data.dataset import VOID, ImageData, InMemory, Split, Streamed, Varied, joined, random_crops
from sfumato.data.digits import read_digits
from sfumato.engine.system import Stage
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


def test_crops_may_be_rectangles_and_small_masked_pictures_get_a_void_border() -> None:
    picture = torch.randint(0, 200, (1, 4, 6, 9), dtype=torch.uint8)
    windows = picture[0].unfold(1, 3, 1).unfold(2, 5, 1).permute(1, 2, 0, 3, 4).flatten(0, 1)
    crop = random_crops(picture, (3, 5), torch.Generator().manual_seed(0))
    assert any(torch.equal(window, crop[0]) for window in windows)
    square, same = (random_crops(picture, size, torch.Generator().manual_seed(1)) for size in (4, (4, 4)))
    assert torch.equal(square, same)
    (larger,) = random_crops(picture, (8, 9), torch.Generator().manual_seed(0))
    assert torch.equal(larger[:, :6], picture[0])
    assert (larger[:3, 6:] == 0).all()
    assert (larger[3, 6:] == VOID).all()
    with pytest.raises(SfumatoError, match="crop 8×9: larger than the 6×9 pictures"):
        random_crops(picture[:, :3], (8, 9), torch.Generator())


def test_pictures_of_any_sides_are_taken_as_central_squares_of_one_side() -> None:
    pictures = [torch.randint(0, 255, (4, *size), dtype=torch.uint8) for size in ((6, 9), (10, 7))]
    found = Varied(pictures).take(torch.tensor([1, 0]))
    assert torch.equal(found, torch.stack([pictures[1][:, 2:8, :6], pictures[0][:, :, 1:7]]))


@pytest.mark.parametrize(
    ("options", "word"), [({"batch_size": 0}, "batch_size 0"), ({"batch_size": 3, "processes": 2}, "batch_size 3")]
)
def test_impossible_batches_are_refused(options: dict[str, int], word: str) -> None:
    with pytest.raises(SfumatoError, match=word):
        Batches(NUMBERED, seed=0, **options)


def test_smaller_pictures_are_means_of_squares_and_are_made_once() -> None:
    pictures = torch.randint(256, (300, 2, 16, 16), dtype=torch.uint8, generator=torch.Generator().manual_seed(0))
    split = Split(InMemory(pictures), torch.arange(300))
    small = split.at_resolution(4)
    expected = pictures.double().unflatten(3, (4, 4)).unflatten(2, (4, 4)).mean((3, 5))
    found = small.pictures.take(torch.arange(300))
    assert found.dtype == torch.uint8
    assert (found.double() - expected).abs().max() <= 0.5
    assert small.labels is split.labels
    assert split.at_resolution(4).pictures is small.pictures
    assert split.at_resolution(16) is split
    with pytest.raises(SfumatoError, match="resolution 17: the pictures have 16×16 pixels, and are not enlarged"):
        split.at_resolution(17)


def test_a_side_that_is_no_divisor_is_resized_and_keeps_the_mean() -> None:
    ramp = torch.arange(28, dtype=torch.uint8).mul(9).expand(2, 1, 28, 28).contiguous()
    small = Split(InMemory(ramp)).at_resolution(12).pictures.take(torch.arange(2))
    assert small.shape == (2, 1, 12, 12)
    assert float(small.float().mean()) == pytest.approx(float(ramp.float().mean()), abs=1)
    assert (small[..., 1:].int() - small[..., :-1].int() > 0).all()


def test_a_smaller_mask_has_classes_that_were_there_and_boxes_stay() -> None:
    masks = torch.tensor([0, 7, VOID], dtype=torch.uint8)[torch.randint(3, (5, 1, 16, 16))]
    colours = torch.full((5, 3, 16, 16), 100, dtype=torch.uint8)
    boxes = torch.rand(5, 1, 5)
    split = Split(InMemory(torch.cat([colours, masks], 1)), boxes=boxes, masked=True).at_resolution(8)
    pictures, small = split.parted(split.pictures.take(torch.arange(5)))
    assert (pictures == 100).all()
    assert small is not None
    assert set(small.unique().tolist()) <= {0, 7, VOID}
    squares = masks[:, 0].unfold(1, 2, 2).unfold(2, 2, 2).flatten(3)
    assert (squares == small[..., None]).any(3).all()
    assert split.boxes is boxes


def test_streamed_and_varied_pictures_become_as_small() -> None:
    pictures = torch.randint(256, (3, 1, 8, 16), dtype=torch.uint8)
    kept = Split(InMemory(pictures)).at_resolution(4)
    streamed = Split(Streamed(lambda index: pictures[index], 3)).at_resolution(4)
    varied = Split(Varied(list(pictures))).at_resolution(4)
    chosen = torch.tensor([2, 0])
    streamed.pictures.prepare(chosen)
    assert torch.equal(streamed.pictures.whole(1), kept.pictures.whole(1))
    assert streamed.pictures.whole(1).shape == (1, 4, 8)
    assert torch.equal(streamed.pictures.take(chosen), varied.pictures.take(chosen))
    assert streamed.pictures.take(chosen).shape == (2, 1, 4, 4)


def test_the_batches_of_a_stage_are_what_it_says() -> None:
    images = torch.randint(256, (20, 1, 8, 8), dtype=torch.uint8)
    data = ImageData("noise", Split(InMemory(images)), Split(InMemory(images)), (), "")
    stage = Stage(100, 6, crop=3, flip=True, across=True, resolution=4)
    batches = batches_for(data, stage, 1, (-1.0, 1.0))
    direct = Batches(data.train.at_resolution(4), 6, 1, (-1.0, 1.0), crop=3, flip=True, across=True)
    assert torch.equal(batches.at(18)[0].images, direct.at(18)[0].images)  # pyright: ignore[reportAttributeAccessIssue]
    paired = batches_for(ImageData("two", data.train, data.test, (), "", second=data), stage, 1)
    assert isinstance(paired, PairedBatches)
    (one, two), count = paired.at(0)
    assert count == len(one) == len(two) == 6
    assert not torch.equal(one.images, two.images), "both sets in the same order"


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


def test_joined_parts_are_one_split_in_order() -> None:
    generator = torch.Generator().manual_seed(0)
    parts = [torch.randint(0, 255, (count, 3, 8, 8), dtype=torch.uint8, generator=generator) for count in (3, 1, 4)]
    one = joined([Split(InMemory(part), torch.full((len(part),), number)) for number, part in enumerate(parts)])
    everything = torch.cat(parts)
    places = torch.tensor([7, 0, 3, 3, 2, 5])
    assert torch.equal(one.pictures.take(places), everything[places])
    assert all(torch.equal(one.pictures.whole(place), everything[place]) for place in range(8))
    assert one.labels is not None
    assert one.labels.tolist() == [0, 0, 0, 1, 2, 2, 2, 2]
    assert torch.equal(one.at_resolution(4).pictures.take(places), InMemory(everything).reduced(4, False).take(places))
