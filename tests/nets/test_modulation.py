"""Modulated convolutions: both forms alike, unit deviation, and what they are printed as."""

import pytest
import torch
from torch.nn import functional as F

from sfumato.nets.modulation import ModulatedConv, modulated
from sfumato.ops.resampling import SMOOTH, filtered


@pytest.mark.parametrize("up", [False, True])
@pytest.mark.parametrize("gain", [None, 1.0, 1.4])
def test_scaling_the_maps_is_the_grouped_convolution(gain: float | None, up: bool) -> None:
    torch.manual_seed(0)
    maps, weights, styles = torch.randn(3, 8, 6, 6), torch.randn(5, 8, 3, 3), torch.randn(3, 8) + 1
    scaled, grouped = (modulated(maps, weights, styles, gain, up, form) for form in ("scaled", "grouped"))
    size = float(grouped.abs().max())
    torch.testing.assert_close(scaled, grouped, atol=2e-6 * size, rtol=2e-6)
    assert scaled.shape == (3, 5, 12, 12) if up else (3, 5, 6, 6)


def test_each_image_has_the_filters_of_its_style() -> None:
    maps, weights, styles = torch.randn(2, 4, 5, 5), torch.randn(3, 4, 3, 3), torch.randn(2, 4)
    for image, style, found in zip(maps, styles, modulated(maps, weights, styles, 1.0), strict=True):
        own = weights * style[:, None, None]
        own = own / own.square().sum((1, 2, 3), keepdim=True).sqrt()
        torch.testing.assert_close(found, F.conv2d(image[None], own, padding=1)[0], atol=1e-5, rtol=1e-4)


def test_enlarged_ones_are_zeros_between_pixels_a_convolution_and_a_filter() -> None:
    maps, weights = torch.randn(1, 2, 4, 4, dtype=torch.float64), torch.randn(3, 2, 3, 3, dtype=torch.float64)
    spaced = torch.zeros(1, 2, 9, 9, dtype=torch.float64)
    spaced[..., 1:8:2, 1:8:2] = maps
    printed = F.conv2d(spaced, weights.flip(2, 3), padding=1)
    found = modulated(maps, weights, torch.ones(1, 2, dtype=torch.float64), None, up=True)
    torch.testing.assert_close(found, filtered(printed, SMOOTH, padding=1, gain=4.0))


@pytest.mark.parametrize("strength", [0.1, 1.0, 30.0])
def test_demodulated_outputs_have_unit_deviation_whatever_the_style(strength: float) -> None:
    torch.manual_seed(0)
    maps, weights = torch.randn(16, 64, 16, 16), torch.randn(32, 64, 3, 3)
    styles = strength * (torch.randn(16, 64) + 1)
    inner = modulated(maps, weights, styles, 1.0)[..., 1:-1, 1:-1]
    torch.testing.assert_close(inner.std((0, 2, 3)), torch.ones(32), atol=0.05, rtol=0)


def test_noise_enters_by_its_strength_which_begins_at_nothing() -> None:
    layer = ModulatedConv(6, 4, 3)
    maps, styles, noise = torch.randn(2, 4, 8, 8), torch.randn(2, 6), torch.randn(2, 1, 8, 8)
    assert torch.equal(layer(maps, styles, noise), layer(maps, styles, None))
    torch.nn.init.constant_(layer.strength, 0.5)
    assert not torch.equal(layer(maps, styles, noise), layer(maps, styles, None))
