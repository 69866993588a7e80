"""Whether a confidence means what it says: of all answers that are 80 % sure, four in five should be right.

Guo et al. 2017, https://arxiv.org/abs/1706.04599. Chances are (n, k), rows that add up to 1; labels (n,), class
numbers.
"""

import math
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional as F

BINS = 15
DRAWS = 200
COLDEST, HOTTEST, STEPS = 0.05, 20.0, 400  # between which temperatures are looked for


@dataclass(frozen=True)
class Reliability:
    """Answers by how sure they are, in BINS of equal width: how many, how sure on average, and the share that is
    right; 0 of a bin without any."""

    counts: list[int]
    confidence: list[float]
    accuracy: list[float]

    @property
    def error(self) -> float:
        """The expected calibration error (equation 3): the mean gap between confidence and accuracy, by answers."""
        gaps = (
            count * abs(sure - right)
            for count, sure, right in zip(self.counts, self.confidence, self.accuracy, strict=True)
        )
        return sum(gaps) / max(1, sum(self.counts))


def reliability(chances: Tensor, labels: Tensor) -> Reliability:
    """How right answers are that are so sure."""
    sure, said = chances.double().max(1)
    return _binned(sure, (said == labels).double())


def least_error(chances: Tensor) -> float:
    """The mean calibration error of answers that are right exactly as often as they are sure: what so few answers leave
    of it, over DRAWS draws, always the same."""
    sure = chances.double().max(1).values
    generator = torch.Generator().manual_seed(0)
    drawn = torch.rand(DRAWS, len(sure), generator=generator, dtype=torch.float64) < sure
    return sum(_binned(sure, right.double()).error for right in drawn) / DRAWS


def _binned(sure: Tensor, right: Tensor) -> Reliability:
    place = (sure * BINS).ceil().long().clamp(1, BINS) - 1
    counts = place.bincount(minlength=BINS)
    filled = counts.clamp(min=1)
    means = [place.bincount(values, minlength=BINS) / filled for values in (sure, right)]
    return Reliability(counts.tolist(), means[0].tolist(), means[1].tolist())


def fitted_temperature(logits: Tensor, labels: Tensor) -> float:
    """What to divide `logits` (n, k) by so that the cross entropy of `labels` is smallest (section 4.2): no answer
    changes, only how sure it is."""
    candidates = torch.logspace(math.log10(COLDEST), math.log10(HOTTEST), STEPS)
    losses = torch.stack([F.cross_entropy(logits.float() / heat, labels) for heat in candidates])
    return float(candidates[losses.argmin()])
