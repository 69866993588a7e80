"""Power and noise: what is said to be added is what is measured."""

import math

import pytest
import torch

from sfumato.ops.noise import deviation, measured_snr, nominal_snr, power


def test_power_per_sample_and_per_batch() -> None:
    codes = torch.tensor([[1.0, 1.0], [3.0, 3.0]])
    assert torch.equal(power(codes, "sample"), torch.tensor([[1.0], [9.0]]))
    assert power(codes, "batch").item() == 5.0
    assert power(torch.ones(2, 3, 4, 4), "sample").shape == (2, 1, 1, 1)


@pytest.mark.parametrize(("reading", "expected"), [("std", 20.0), ("variance", 10.0)])
def test_the_two_readings_of_a_tenth(reading: str, expected: float) -> None:
    assert nominal_snr(0.1, reading) == pytest.approx(expected)  # pyright: ignore[reportArgumentType]
    assert deviation(0.1, reading) == pytest.approx(10 ** (-expected / 20))  # pyright: ignore[reportArgumentType]


@pytest.mark.parametrize("snr", [10.0, 26.0])
def test_measured_is_nominal_for_real_codes_with_no_three_decibels_between(snr: float) -> None:
    codes = torch.randn(64, 1024, generator=torch.Generator().manual_seed(0))
    codes = codes * power(codes, "batch").rsqrt()
    noise = torch.randn(codes.shape, generator=torch.Generator().manual_seed(1)) * math.sqrt(10 ** (-snr / 10))
    assert measured_snr(codes, codes + noise) == pytest.approx(snr, abs=0.1)
