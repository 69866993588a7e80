"""Points of the plane around several centres: the smallest data on which a generator can lose a mode.

Points are float32 (n, 2, 1, 1) in [-1, 1], images of one pixel and two channels, so that any system takes them.
"""

from dataclasses import dataclass

import torch
from torch import Tensor

from ..seeds import derive
from .batches import Batch


@dataclass(frozen=True)
class Modes:
    """Centres (k, 2), each drawn as often as the others, with normal noise of deviation `spread`."""

    centres: Tensor
    spread: float

    def draw(self, count: int, generator: torch.Generator | None = None) -> Tensor:
        which = torch.randint(len(self.centres), (count,), generator=generator)
        points = self.centres[which] + self.spread * torch.randn(count, 2, generator=generator)
        return points.view(count, 2, 1, 1)

    def batches(self, batch_size: int, seed: int) -> "PointBatches":
        return PointBatches(self, batch_size, seed)


@dataclass(frozen=True)
class PointBatches:
    """Endless batches; which points is a function of the seed and of how many were drawn."""

    modes: Modes
    batch_size: int
    seed: int

    def at(self, images: int) -> tuple[Batch, int]:
        generator = torch.Generator().manual_seed(derive(self.seed, "points", images))
        return Batch(self.modes.draw(self.batch_size, generator), None, ends_epoch=False), self.batch_size


def ring(count: int = 8, radius: float = 0.7, spread: float = 0.03) -> Modes:
    """Evenly spread on a circle."""
    angle = torch.arange(count) * (2 * torch.pi / count)
    return Modes(radius * torch.stack([angle.cos(), angle.sin()], 1), spread)


def lattice(side: int = 5, reach: float = 0.8, spread: float = 0.03) -> Modes:
    """A square of `side` × `side`."""
    along = torch.linspace(-reach, reach, side)
    return Modes(torch.cartesian_prod(along, along), spread)


def covered(points: Tensor, modes: Modes) -> tuple[int, float]:
    """How many modes hold a fifth of their share of the (n, 2) points or more, within three deviations of the centre;
    and the share of points that lie so near to any."""
    distances, nearest = torch.cdist(points, modes.centres).min(1)
    near = distances <= 3 * modes.spread
    held = nearest[near].bincount(minlength=len(modes.centres))
    fair = len(points) / len(modes.centres)
    return int((held >= fair / 5).sum()), float(near.float().mean())
