"""Filters against SciPy's, and against one another."""

import numpy as np
import pytest
import torch
from scipy.signal import correlate2d
from torch.nn import functional as F

from sfumato.ops.resampling import BINOMIAL, SMOOTH, blur, enlarge, filtered, repeated, shrink


def squared(taps: tuple[float, ...]) -> np.ndarray:
    row = np.array(taps) / sum(taps)
    return np.outer(row, row)


def test_a_blur_is_scipys() -> None:
    images = torch.randn(2, 3, 9, 7, dtype=torch.float64)
    for image, found in zip(images.flatten(0, 1), blur(images).flatten(0, 1), strict=True):
        assert np.allclose(found, correlate2d(image, squared(BINOMIAL), mode="same"))
    padded = correlate2d(np.pad(images[0, 0], 2), squared(SMOOTH), mode="valid")
    assert np.allclose(filtered(images, SMOOTH, padding=2)[0, 0], padded)


def test_shrinking_and_enlarging_are_filters_of_every_second_pixel() -> None:
    images = torch.randn(2, 3, 8, 8, dtype=torch.float64)
    smooth = correlate2d(np.pad(images[0, 0], 1), squared(SMOOTH), mode="valid")
    assert np.allclose(shrink(images)[0, 0], smooth[::2, ::2])
    spaced = np.zeros((16, 16))
    spaced[::2, ::2] = images[0, 0]
    wide = 4 * correlate2d(np.pad(spaced, ((2, 1), (2, 1))), squared(SMOOTH), mode="valid")
    assert np.allclose(enlarge(images)[0, 0], wide)


def test_away_from_the_border_enlarging_is_bilinear() -> None:
    images = torch.randn(1, 2, 6, 6)
    bilinear = F.interpolate(images, scale_factor=2, mode="bilinear", align_corners=False)
    torch.testing.assert_close(enlarge(images)[..., 1:-1, 1:-1], bilinear[..., 1:-1, 1:-1])


@pytest.mark.parametrize("change", [blur, shrink, enlarge])
def test_they_can_be_differentiated_twice(change: object) -> None:
    images = torch.randn(1, 2, 6, 6, dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(change, (images,))
    assert torch.autograd.gradgradcheck(change, (images,))


def test_a_constant_stays_one() -> None:
    flat = torch.ones(1, 1, 8, 8)
    for changed in (blur(flat), shrink(flat), enlarge(flat), repeated(flat)):
        torch.testing.assert_close(changed[..., 2:-2, 2:-2], torch.ones_like(changed[..., 2:-2, 2:-2]))
