"""Calibration against closed forms."""

import pytest
import torch

from sfumato.metrics.calibration import BINS, fitted_temperature, least_error, reliability


def test_answers_that_are_as_sure_as_they_are_right_have_no_error() -> None:
    chances = torch.tensor([[0.75, 0.25]] * 4)
    found = reliability(chances, torch.tensor([0, 0, 0, 1]))
    assert found.error == pytest.approx(0, abs=1e-7)
    assert sum(found.counts) == 4
    assert len(found.counts) == BINS


@pytest.mark.parametrize("right", range(11))
def test_the_error_is_the_gap(right: int) -> None:
    labels = torch.tensor([0] * right + [1] * (10 - right))
    assert reliability(torch.tensor([[0.9, 0.1]] * 10), labels).error == pytest.approx(abs(0.9 - right / 10), abs=1e-6)


def test_the_error_weighs_bins_by_their_answers() -> None:
    chances = torch.tensor([[1.0, 0.0]] * 3 + [[0.6, 0.4]])
    found = reliability(chances, torch.tensor([0, 0, 1, 0]))
    assert found.error == pytest.approx((3 * (1 - 2 / 3) + 0.4) / 4)


def test_against_torchmetrics() -> None:
    from torchmetrics.functional.classification import multiclass_calibration_error

    generator = torch.Generator().manual_seed(0)
    chances = torch.randn(500, 4, generator=generator).mul(2).softmax(1)
    labels = torch.randint(0, 4, (500,), generator=generator)
    expected = multiclass_calibration_error(chances, labels, 4, n_bins=BINS)
    assert reliability(chances, labels).error == pytest.approx(float(expected), abs=1e-5)


@pytest.mark.parametrize("heat", [0.3, 1.0, 4.0])
def test_the_temperature_undoes_a_scaling(heat: float) -> None:
    """Labels drawn from the chances themselves: the logits, `heat` times as large, must be cooled by as much."""
    generator = torch.Generator().manual_seed(0)
    logits = torch.randn(20_000, 3, generator=generator) * 2
    labels = logits.softmax(1).multinomial(1, generator=generator).flatten()
    assert fitted_temperature(logits * heat, labels) == pytest.approx(heat, rel=0.06)


def test_few_answers_leave_an_error_and_many_none() -> None:
    chances = torch.tensor([[0.7, 0.3]])
    few, many = least_error(chances.expand(25, 2)), least_error(chances.expand(10_000, 2))
    assert few == pytest.approx((2 * 0.7 * 0.3 / (torch.pi * 25)) ** 0.5, rel=0.15)  # the mean of |x| of a Gaussian
    assert many < 0.01
    assert least_error(chances.expand(25, 2)) == few
    assert least_error(torch.tensor([[1.0, 0.0]] * 9)) == 0
