"""Losses against their formulas, written out."""

import pytest
import torch

from sfumato.ops.statistics import covariance, gram, square_root
from sfumato.ops.style_losses import (
    absolute_variation,
    added_grain,
    gaussian_distance,
    gram_error,
    relative_error,
    sliced_distance,
    total_variation,
)


def test_gram_error_is_the_papers_e_l() -> None:
    """E_l = Σ(G - A)² / (4 N² M²)."""
    first, second = torch.randn(1, 4, 3, 5), torch.randn(1, 4, 3, 5)
    channels, positions = 4, 15
    summed = sum(
        (float((first[0, i] * first[0, j]).sum()) - float((second[0, i] * second[0, j]).sum())) ** 2
        for i in range(channels)
        for j in range(channels)
    )
    expected = summed / (4 * channels**2 * positions**2)
    assert float(gram_error(gram(first) / positions, gram(second) / positions)) == pytest.approx(expected, rel=1e-4)


def test_gaussian_distance_of_one_channel_is_the_closed_form() -> None:
    """(μ - ν)² + (σ - τ)²."""
    found, style = 2 * torch.randn(1, 1, 40, 40) + 5, torch.randn(1, 1, 40, 40)
    mean, spread = covariance(style)
    root = square_root(spread + 1e-4)
    expected = (found.mean() - style.mean()) ** 2 + (found.std() - style.std()) ** 2
    assert float(gaussian_distance(found, mean, root)) == pytest.approx(float(expected), rel=0.01)


def test_gaussian_distance_to_itself_is_nothing() -> None:
    features = torch.randn(1, 6, 20, 20)
    mean, spread = covariance(features)
    root = square_root(spread + 1e-4 * torch.eye(6))
    assert abs(float(gaussian_distance(features, mean, root))) < 1e-3


def test_sliced_distance_of_shifted_features_is_the_square_of_the_shift_along_each_direction() -> None:
    features, directions = torch.randn(1, 3, 8, 8), torch.eye(3)
    shift = torch.tensor([1.0, 2.0, 3.0]).view(1, 3, 1, 1)
    assert float(sliced_distance(features, features, directions)) == 0
    assert float(sliced_distance(features + shift, features, directions)) == pytest.approx(14 / 3, rel=1e-4)


def test_sliced_distance_compares_pictures_of_different_sizes() -> None:
    small = torch.randn(1, 3, 16, 16)
    large = small.repeat(1, 1, 2, 2)
    assert float(sliced_distance(small, large, torch.eye(3))) < 0.01


def test_both_variations_by_hand() -> None:
    image = torch.tensor([[[[0.0, 1.0], [3.0, 3.0]]]])  # down 3, 2; across 1, 0
    assert float(total_variation(image)) == pytest.approx((9 + 4) / 2 + (1 + 0) / 2)
    assert float(absolute_variation(image)) == pytest.approx(0.5 * ((3 + 2) / 2 + (1 + 0) / 2))


def test_grain_is_detail_that_the_content_has_not() -> None:
    stripes = torch.tensor([0.0, 1.0, 0.0, 1.0]).expand(1, 1, 3, 4)  # second differences -2, 2 across, none down
    flat = torch.full_like(stripes, 0.5)
    assert float(added_grain(stripes, flat)) == pytest.approx(4.0)
    assert float(added_grain(stripes, stripes)) == 0
    assert float(added_grain(flat, stripes)) == 0


def test_relative_error_of_nothing_is_one_and_does_not_depend_on_scale() -> None:
    target = torch.randn(3, 4, 5, 5)
    assert float(relative_error(torch.zeros_like(target), target)) == pytest.approx(1)
    found = target + 0.1
    assert float(relative_error(7 * found, 7 * target)) == pytest.approx(float(relative_error(found, target)), rel=1e-4)
