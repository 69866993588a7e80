"""Layers of an equalised rate, the deviation of a batch, and a discriminator's end, against closed forms."""

import math

import pytest
import torch
from torch import nn
from torch.nn import functional as F

from sfumato.nets.equalised import (
    LOUD,
    EqualConv,
    EqualDownConv,
    EqualLinear,
    EqualUpConv,
    LabelledNoise,
    MinibatchDeviation,
    Verdict,
    leaky,
    pixel_norm,
)
from sfumato.ops.resampling import repeated


@pytest.mark.parametrize("inputs", [16, 256])
def test_unit_inputs_give_outputs_of_the_gain(inputs: int) -> None:
    torch.manual_seed(0)
    values = torch.randn(256, inputs)
    for layer, given in (
        (EqualLinear(inputs, 512, LOUD, rate=0.01), values),
        (EqualConv(inputs, 64, 3, LOUD), torch.randn(8, inputs, 16, 16)),
    ):
        assert float(layer.weight.detach().std()) == pytest.approx(
            1 / (0.01 if isinstance(layer, EqualLinear) else 1), rel=0.05
        )
        found = layer(given)[..., 1:-1, 1:-1] if given.dim() == 4 else layer(given)
        assert float(found.detach().std()) == pytest.approx(LOUD, rel=0.05)
        assert float(leaky(found.detach()).square().mean()) == pytest.approx(1.04, rel=0.1)  # He: (1 + 0.2²)


def test_adam_moves_large_and_small_layers_alike() -> None:
    """The first step of Adam is its rate in every stored weight: of used weights it is the same share in all layers."""
    for inputs, rate in ((4, 1.0), (400, 1.0), (400, 0.01)):
        layer = EqualLinear(inputs, 8, rate=rate)
        adam = torch.optim.Adam(layer.parameters(), lr=1e-3)
        before = layer.weights().detach().clone()
        layer(torch.randn(32, inputs)).square().sum().backward()
        adam.step()
        moved = (layer.weights().detach() - before).abs().mean() * math.sqrt(inputs)
        assert float(moved) == pytest.approx(1e-3 * rate, rel=0.05)


def test_enlarging_and_halving_are_folded_into_the_kernel() -> None:
    maps = torch.randn(2, 3, 6, 6, dtype=torch.float64)
    up, down = (kind(3, 5, 3).double() for kind in (EqualUpConv, EqualDownConv))
    nn.init.normal_(up.bias)
    nn.init.normal_(down.bias)
    torch.testing.assert_close(up(maps), F.conv2d(repeated(maps), up.weights(), up.biases(), padding=1))
    printed = F.avg_pool2d(F.conv2d(maps, down.weights(), down.biases(), padding=1), 2)
    torch.testing.assert_close(down(maps), printed)


def test_pixel_norm_leaves_unit_mean_square() -> None:
    torch.testing.assert_close(pixel_norm(7 * torch.randn(3, 16, 4, 4)).square().mean(1), torch.ones(3, 4, 4))


def test_deviation_over_strided_groups() -> None:
    """Bugs elsewhere: the unbiased variance, and groups of neighbours."""
    maps = torch.randn(8, 3, 2, 2, dtype=torch.float64)
    found = MinibatchDeviation()(maps)
    assert torch.equal(found[:, :3], maps)
    for first in (0, 1):
        group = maps[first::2]
        wanted = (group.var(0, correction=0) + 1e-8).sqrt().mean()
        torch.testing.assert_close(found[first::2, 3], wanted.float().double().expand(4, 2, 2), atol=1e-6, rtol=1e-6)
    assert MinibatchDeviation()(maps[:6])[:, 3].unique().numel() == 3  # groups of two: the largest that divide it
    assert float(MinibatchDeviation()(maps[:1])[0, 3].max()) < 1e-3


def test_labels_stand_beside_the_noise_and_in_the_verdict() -> None:
    noise = LabelledNoise(8, 3)
    found = noise(torch.randn(4, 8), torch.tensor([0, 1, 2, 0]))
    torch.testing.assert_close(found.square().sum(1), torch.full((4,), 16.0))
    assert torch.equal(found[0, 8:], found[3, 8:])
    assert not torch.equal(found[0, 8:], found[1, 8:])
    torch.manual_seed(0)
    verdict, maps = Verdict(4, 6, classes=3), torch.randn(4, 4, 4, 4)
    first, second = (verdict(maps, torch.full((4,), label)) for label in (0, 1))
    assert not torch.allclose(first, second)
