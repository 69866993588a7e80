"""What one can do with codes: draw new ones, blend, find the nearest, walk between two, find their main directions.

Codes are float (n, d), flat. Random numbers come from a CPU generator, so that a seed means the same everywhere.
"""

import math

import torch
from torch import Tensor

from ..errors import SfumatoError


def shrinkage(codes: Tensor) -> float:
    """How far the covariance of (n, d) `codes` should be drawn towards a multiple of the identity, in [0, 1].

    Ledoit and Wolf 2004, https://doi.org/10.1016/S0047-259X(03)00096-4, lemma 3.2 and section 3.3: b² / d².

    With fewer codes than numbers in a code, the plain covariance is singular: it knows nothing outside their span.
    """
    rows = codes.cpu().double()
    rows = rows - rows.mean(0)
    count, numbers = rows.shape
    # Of the products of codes and of the covariance the squares have the same sum: the smaller one is formed.
    products = rows @ rows.T if count < numbers else rows.T @ rows
    power, total = products.square().sum() / count**2, rows.square().sum() / count
    apart = power - total**2 / numbers  # d², times the numbers in a code
    error = (rows.square().sum(1).square().sum() / count - power) / count  # b², in the same way
    return float((error / apart).clamp(0, 1)) if apart > 0 and numbers > 1 else 0.0


def draw_like(codes: Tensor, count: int, generator: torch.Generator | None = None) -> Tensor:
    """(count, d) draws from the Gaussian with the mean and the shrunk covariance of (n, d) `codes`.

    Never forms the d × d covariance: centred codes mixed by normal weights have covariance S, white noise has the rest.
    From fewer than two codes nothing can be learnt: the draws are then standard normal. Of codes that are not finite,
    draws are not either.
    """
    numbers = codes.shape[1]
    white = torch.randn(count, numbers, generator=generator).to(codes.device)
    if len(codes) < 2:
        return white
    weights = torch.randn(count, len(codes), generator=generator).to(codes.device)
    centre = codes.mean(0)
    if not codes.isfinite().all():
        return white + centre.sum()
    centred = codes - centre
    share, variance = shrinkage(codes), float(centred.square().mean())
    with torch.autocast(codes.device.type, enabled=False):
        mixed = weights @ centred * math.sqrt((1 - share) / len(codes))
    return centre + mixed + math.sqrt(share * variance) * white


def blend(drawn: Tensor, real: Tensor, share: float) -> Tensor:
    """`share` of each drawn code, the rest of the real code in its row. Raises SfumatoError unless 0 ≤ share ≤ 1."""
    if not 0 <= share <= 1:
        raise SfumatoError(f"share {share}: must lie between 0 and 1")
    return torch.lerp(real, drawn, share)


def nearest(codes: Tensor, among: Tensor) -> Tensor:
    """(n,) for each of (n, d) `codes` the row of (m, d) `among` that is closest in Euclidean distance."""
    return torch.cdist(codes.float(), among.float()).argmin(1)


def between(first: Tensor, last: Tensor, steps: int) -> Tensor:
    """(steps, d) codes on the straight line from `first` (d,) to `last` (d,), both included."""
    return torch.lerp(first, last, torch.linspace(0, 1, steps, device=first.device)[:, None])


def main_directions(codes: Tensor, count: int) -> tuple[Tensor, Tensor]:
    """The first `count` principal directions of (n, d) `codes`: unit vectors (count, d), and the standard deviation of
    the codes along each (count,). The sign of a direction is chosen so that its largest entry is positive."""
    centred = codes.cpu().double()
    centred -= centred.mean(0)
    _, values, directions = torch.linalg.svd(centred, full_matrices=False)
    directions, values = directions[:count], values[:count]
    largest = directions.gather(1, directions.abs().argmax(1, keepdim=True))
    return (directions * largest.sign()).to(codes), (values / math.sqrt(len(codes))).to(codes)
