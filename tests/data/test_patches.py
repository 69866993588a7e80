"""The embedded photographs: held-out patches share nothing with training patches."""

import torch

from sfumato.data.patches import SIDE, STRIDES, cut_patches, photographs, read_patches
from sfumato.data.sources import View, open_data


def test_patches_are_squares_of_their_photographs() -> None:
    data = read_patches()
    assert data.shape == (3, SIDE, SIDE)
    assert len(data.train) > 1500
    assert len(data.test) > 80
    assert data.train.labels is not None
    assert data.test.labels is not None
    assert data.test.labels.unique().tolist() == list(range(len(data.classes)))
    assert read_patches().fingerprint == data.fingerprint
    first = next(iter(photographs().values()))
    assert torch.equal(data.train.pictures.take(torch.tensor([0]))[0], first[:, :SIDE, :SIDE])


def test_no_test_patch_shares_a_pixel_with_a_training_patch() -> None:
    """Each pixel is coloured by its column; training columns must end before test columns begin."""
    for picture in photographs().values():
        for shrink, stride in STRIDES.items():
            height, width = picture.shape[1] // shrink, picture.shape[2] // shrink
            columns = torch.arange(width).expand(1, height, width)
            border = width - max(SIDE, width // 4)
            assert cut_patches(columns[..., :border], stride).max() < cut_patches(columns[..., border:], SIDE).min()


def test_they_come_grey_and_small_when_asked() -> None:
    data = open_data("patches", View(channels=1, resolution=32))
    assert data.shape == (1, 32, 32)
