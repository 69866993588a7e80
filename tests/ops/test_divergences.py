"""Divergences on a grid against their closed forms."""

from math import log

import pytest
import torch
from torch import Tensor

from sfumato.ops.divergences import gaussian, jensen_shannon, kullback_leibler, wasserstein

GRID = torch.linspace(-20, 20, 4001, dtype=torch.float64)
STEP = float(GRID[1] - GRID[0])


def normal(mean: float, std: float) -> Tensor:
    return gaussian(GRID, mean, std)


def test_kullback_leibler_of_two_gaussians() -> None:
    mean, std = 1.5, 0.7
    expected = log(std) + (1 + mean**2) / (2 * std**2) - 0.5
    assert float(kullback_leibler(normal(0, 1), normal(mean, std), STEP)) == pytest.approx(expected, abs=1e-6)
    assert float(kullback_leibler(normal(0, 1), normal(0, 1), STEP)) == 0


def test_jensen_shannon_is_symmetric_and_ends_at_log_2() -> None:
    first, second = normal(0, 1), normal(2, 1)
    there, back = (float(jensen_shannon(*pair, STEP)) for pair in ((first, second), (second, first)))
    assert there == pytest.approx(back)
    assert 0 < there < log(2)
    assert float(jensen_shannon(normal(-9, 0.5), normal(9, 0.5), STEP)) == pytest.approx(log(2), abs=1e-9)


@pytest.mark.parametrize("shift", [0.0, 0.3, 7.0])
def test_wasserstein_is_how_far_the_earth_is_moved(shift: float) -> None:
    assert float(wasserstein(normal(-3, 1), normal(-3 + shift, 1), STEP)) == pytest.approx(shift, abs=1e-6)
