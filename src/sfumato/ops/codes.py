"""What one can do with codes: draw new ones, blend, find the nearest, walk between two, find their main directions.

Codes are float (n, d), flat. Random numbers come from a CPU generator, so that a seed means the same everywhere.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from ..errors import SfumatoError

WHOLE = 64  # numbers of a code up to which the parts of a mixture have whole covariances


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


def draw_like(
    codes: Tensor, count: int, generator: torch.Generator | None = None, share: float | None = None
) -> Tensor:
    """(count, d) draws from the Gaussian with the mean and the shrunk covariance of (n, d) `codes`. `share`: how far it
    is shrunk, in place of `shrinkage(codes)`.

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
    share, variance = shrinkage(codes) if share is None else share, float(centred.square().mean())
    with torch.autocast(codes.device.type, enabled=False):
        mixed = weights @ centred * math.sqrt((1 - share) / len(codes))
    return centre + mixed + math.sqrt(share * variance) * white


def draw_from_mixture(codes: Tensor, count: int, generator: torch.Generator, parts: int = 10) -> Tensor:
    """(count, d) draws from a mixture of `parts` Gaussians fitted to (n, d) `codes` by expectation maximisation, as
    Ghosh et al. 2020 do (https://arxiv.org/abs/1903.12436); with diagonal covariances where codes have more than
    `WHOLE` numbers."""
    from sklearn.mixture import GaussianMixture

    numbers = codes.shape[1]
    rows = codes.cpu().double().numpy()
    kind = "full" if numbers <= WHOLE else "diag"
    seed = int(torch.randint(2**31, (), generator=generator))
    small = 1e-6 * float(rows.var())
    parts = min(parts, len(rows))
    fitted: Any = GaussianMixture(parts, covariance_type=kind, random_state=seed, reg_covar=small).fit(rows)
    weights, means = torch.from_numpy(fitted.weights_), torch.from_numpy(fitted.means_)
    spreads = torch.from_numpy(fitted.covariances_)
    chosen = torch.multinomial(weights, count, replacement=True, generator=generator)
    white = torch.randn(count, numbers, generator=generator, dtype=torch.float64)
    if kind == "diag":
        moved = spreads.sqrt()[chosen] * white
    else:
        moved = (torch.linalg.cholesky(spreads)[chosen] @ white[..., None])[..., 0]
    return (means[chosen] + moved).to(codes)


def draw_from_histograms(codes: Tensor, count: int, generator: torch.Generator) -> Tensor:
    """(count, d) draws whose numbers are drawn each for itself, from the histogram of that number in (n, d) `codes`
    with bins that hold equally many."""
    ordered = codes.cpu().float().sort(0).values
    places = torch.rand(count, codes.shape[1], generator=generator) * (len(codes) - 1)
    below = places.long()
    low, high = ordered.gather(0, below), ordered.gather(0, (below + 1).clamp(max=len(codes) - 1))
    return torch.lerp(low, high, places - below).to(codes)


def singular_values(codes: Tensor) -> Tensor:
    """(min(n, d),) standard deviations of (n, d) `codes` along their principal directions, falling: the singular values
    of the centred codes over √n."""
    centred = codes.cpu().double()
    return (torch.linalg.svdvals(centred - centred.mean(0)) / math.sqrt(len(codes))).float()


DENSITIES: dict[str, Callable[[Tensor, int, torch.Generator], Tensor]] = {
    "gaussian": lambda codes, count, generator: draw_like(codes, count, generator, 0.0),
    "shrunk": draw_like,
    "mixture": draw_from_mixture,
    "histogram": draw_from_histograms,
}


def blend(drawn: Tensor, real: Tensor, share: float) -> Tensor:
    """`share` of each drawn code, the rest of the real code in its row. Raises SfumatoError unless 0 ≤ share ≤ 1."""
    if not 0 <= share <= 1:
        raise SfumatoError(f"share {share}: must lie between 0 and 1")
    return torch.lerp(real, drawn, share)


def square(left: float, right: float, bottom: float, top: float, side: int) -> Tensor:
    """(side², 2) points spread evenly over a rectangle, the first row at the top."""
    x, y = torch.linspace(left, right, side), torch.linspace(top, bottom, side)
    return torch.stack([x.repeat(side), y.repeat_interleave(side)], dim=1)


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


@dataclass(frozen=True)
class Plane:
    """A plane in the space of codes, through `mean` (d,) along `axes` (2, d), which are orthogonal."""

    mean: Tensor
    axes: Tensor

    def flat(self, codes: Tensor) -> Tensor:
        """(n, 2): how often each axis is gone along to come nearest to (n, d) `codes`."""
        return (codes - self.mean) @ self.axes.T / self.axes.square().sum(1)

    def raised(self, points: Tensor) -> Tensor:
        """The codes of (n, 2) `points`."""
        return self.mean + points @ self.axes


def plane_of(codes: Tensor) -> Plane:
    """The plane of (n, d) `codes`: all of them where they have two numbers, else through their mean along the first two
    principal directions, each as long as they deviate along it. Raises SfumatoError for a single code, or number."""
    if codes.shape[1] == 2:
        return Plane(torch.zeros(2).to(codes), torch.eye(2).to(codes))
    vectors, spreads = main_directions(codes, 2)
    if len(vectors) < 2:
        raise SfumatoError(f"codes: {len(codes)} of {codes.shape[1]} numbers have no plane")
    return Plane(codes.mean(0), vectors * spreads.clamp_min(1e-9)[:, None])
