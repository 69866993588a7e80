"""Measures of made images against closed forms, another library, and what must rise and fall."""

import math

import pytest
import torch
from torch import Tensor
from torchmetrics.image.inception import InceptionScore
from torchvision.transforms.v2.functional import gaussian_blur

from sfumato.data.dataset import ImageData
from sfumato.data.digits import read_digits
from sfumato.engine.runtime import Runtime
from sfumato.metrics.digit_reader import reader_for
from sfumato.metrics.distance import Features, frechet
from sfumato.metrics.generation import (
    DigitJudge,
    PictureJudge,
    class_shares,
    classifier_score,
    entropy,
    neighbourhoods,
)


@pytest.fixture(scope="module")
def digits() -> ImageData:
    return read_digits()


@pytest.fixture(scope="module")
def judge(digits: ImageData) -> DigitJudge:
    return DigitJudge(*reader_for(digits, Runtime(torch.device("cpu"), "fp32"), 0), digits.test.images())


def test_the_distance_of_two_gaussians_is_the_closed_form() -> None:
    generator = torch.Generator().manual_seed(0)
    mean, scale = torch.linspace(-1, 1, 128), torch.linspace(0.5, 2, 128)
    first = torch.randn(100_000, 128, generator=generator)
    second = mean + scale * torch.randn(100_000, 128, generator=generator)
    expected = float((mean**2).sum() + ((1 - scale) ** 2).sum())
    assert frechet(first, second) == pytest.approx(expected, rel=0.02)
    assert frechet(first, first + 3 / math.sqrt(128)) == pytest.approx(9, rel=0.001)


def test_measures_follow_noise_and_blur(judge: DigitJudge, digits: ImageData) -> None:
    real = digits.train.images(range(360))
    noise = torch.randn(real.shape, generator=torch.Generator().manual_seed(0))
    for sets in (
        [(real + level * noise).clamp(0, 1) for level in (0.0, 0.2, 0.4, 0.8)],
        [real, *(gaussian_blur(real, [9, 9], [sigma]) for sigma in (1.0, 2.0, 4.0))],
    ):
        found = [judge.measure(judge.see(images)) for images in sets]
        distances = [row["fcd"] for row in found]
        assert distances == sorted(distances)
        assert [row["kernel"] for row in found] == sorted(row["kernel"] for row in found)
        assert found[0]["score"] > found[-1]["score"]
        assert found[0]["confident"] > found[-1]["confident"]


def test_a_lost_class_is_seen(judge: DigitJudge, digits: ImageData) -> None:
    assert digits.train.labels is not None
    chosen = digits.train.images((digits.train.labels < 3).nonzero()[:, 0])
    found = judge.measure(judge.see(chosen))
    assert found["covered"] in (3, 4)
    assert found["entropy"] < 0.65
    whole = judge.measure(judge.see(digits.train.images()))
    assert whole["covered"] == 10
    assert whole["entropy"] > 0.97
    assert judge.accuracy(judge.see(digits.train.images()), digits.train.labels) > 0.95
    assert "kernel" not in judge.measure(judge.see(chosen), quick=True)
    assert judge.reader.hash() in judge.name


@pytest.mark.filterwarnings("ignore:Metric `InceptionScore`", "ignore:std\\(\\)")
def test_the_score_agrees_with_torchmetrics() -> None:
    class Logits(torch.nn.Module):
        def forward(self, images: Tensor) -> Tensor:
            return images.flatten(1)[:, :10]

    logits = 3 * torch.randn(500, 10, generator=torch.Generator().manual_seed(0))
    metric = InceptionScore(feature=Logits(), splits=1)
    metric.update(logits)
    assert classifier_score(logits.softmax(1)) == pytest.approx(float(metric.compute()[0]), rel=1e-5)
    assert classifier_score(torch.eye(10).repeat(5, 1)) == pytest.approx(10)
    assert classifier_score(torch.full((7, 10), 0.1)) == pytest.approx(1)


def test_shares_and_entropy() -> None:
    shares = class_shares(torch.eye(4)[[0, 0, 1, 1, 1, 3]])
    torch.testing.assert_close(shares, torch.tensor([2, 3, 0, 1]) / 6)
    assert entropy(torch.full((10,), 0.1)) == pytest.approx(math.log(10))
    assert entropy(torch.tensor([1.0, 0.0])) == 0


def test_neighbourhoods_by_hand() -> None:
    """Four real points on a line, one apart: with one neighbour each ball reaches just to the next."""
    real = torch.arange(4.0)[:, None]
    found = neighbourhoods(real, real, 1)
    assert found["precision"] == found["recall"] == found["coverage"] == 1
    far = neighbourhoods(real, real + 100, 1)
    assert far == {"precision": 0, "recall": 0, "density": 0, "coverage": 0}
    half = neighbourhoods(real, torch.tensor([[0.5], [0.6], [50.0], [51.0]]), 1)
    assert half["precision"] == 0.5
    assert half["density"] == (2 + 2) / 4
    assert half["coverage"] == 0.5


def test_pictures_are_measured_by_the_network_that_ships() -> None:
    pictures = torch.rand(24, 3, 32, 32, generator=torch.Generator().manual_seed(0))
    judge = PictureJudge(Features(), pictures[:12])
    real, made = (judge.see(part) for part in pictures.split(12))
    found = judge.measure(made)
    assert found.keys() == {"frechet", "kernel", "precision", "recall", "density", "coverage"}
    assert all(math.isfinite(value) for value in found.values())
    assert judge.measure(real)["frechet"] == pytest.approx(0, abs=1e-3)
    assert judge.measure(made, quick=True).keys() == {"frechet"}
    assert "the encoder of Sfumato" in judge.name
