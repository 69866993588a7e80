"""Entanglement on a plane: why a learned space may be straight where a given one cannot be.

Points fill a square but for one corner, as some pairs of traits do not occur. Noise from a disc has to be bent to cover
such a shape; a space between, w, is bent by the mapping, and what follows can be straight (Karras et al. 2019,
https://arxiv.org/abs/1812.04948, figure 6).
"""

from dataclasses import dataclass
from itertools import pairwise

import torch
from torch import Tensor, nn

from ...engine.descend import descend
from ...nets.players import SLOPE, MLPDiscriminator
from ...ops.objectives import discriminator_loss, generator_loss, gradient_at_real
from ...seeds import derive

STEPS = {True: 6_000, False: 2_000}
BATCH, WIDTH, RATE, R1 = 256, 64, 2e-3, 0.1
LINES, ALONG = 9, 60  # of the grid that is drawn, and points of each
PAIRS = 1_000  # ways that are measured
CORNER = 0.0  # beyond which in both directions there is nothing


@dataclass(frozen=True)
class Warped:
    """`points` (n, 2) of the data; made ones; `lines` (lines, points, 2) of a grid over z in the plane of the points, and
    of one over w; how much longer the image of a straight way is than straight, on average, through z and through w."""

    points: Tensor
    made: Tensor
    lines: dict[str, Tensor]
    detours: dict[str, float]


def corner_missing(count: int, generator: torch.Generator) -> Tensor:
    """(count, 2), even in the square from -1 to 1 but for its upper right quarter."""
    points = 2 * torch.rand(2 * count, 2, generator=generator) - 1
    return points[(points <= CORNER).any(1)][:count]


def mlp(*widths: int) -> nn.Sequential:
    layers: list[nn.Module] = []
    for inputs, outputs in pairwise(widths):
        layers += [nn.Linear(inputs, outputs), nn.LeakyReLU(SLOPE)]
    return nn.Sequential(*layers[:-1])


def on_disc(noise: Tensor) -> Tensor:
    """Normal noise (n, 2) as even noise on the unit disc."""
    radius = noise.norm(dim=1, keepdim=True)
    return noise / radius * (1 - torch.exp(-radius.square() / 2)).sqrt()


def warped(full: bool, seed: int) -> Warped:
    """Trains mapping and drawing networks of the same kind together, by the non-saturating loss with R1."""
    torch.manual_seed(derive(seed, "warped"))
    generator = torch.Generator().manual_seed(derive(seed, "corner"))
    mapping, drawing = mlp(2, WIDTH, WIDTH, WIDTH, 2), mlp(2, WIDTH, 2)
    critic = MLPDiscriminator(2, (2 * WIDTH, 2 * WIDTH))
    of_critic = torch.optim.Adam(critic.parameters(), lr=RATE, betas=(0.0, 0.99))
    of_generator = torch.optim.Adam([*mapping.parameters(), *drawing.parameters()], lr=RATE, betas=(0.0, 0.99))
    steps = STEPS[full]
    for step in range(steps):
        for optimizer in (of_critic, of_generator):
            optimizer.param_groups[0]["lr"] = RATE * (1 - step / steps)
        real = corner_missing(BATCH, generator)
        with torch.no_grad():
            made = drawing(mapping(on_disc(torch.randn(BATCH, 2))))
        loss = discriminator_loss("non_saturating", critic(real), critic(made)) + R1 * gradient_at_real(critic, real)
        descend(loss, of_critic)
        descend(
            generator_loss("non_saturating", critic(drawing(mapping(on_disc(torch.randn(BATCH, 2)))))), of_generator
        )
    with torch.no_grad():
        z = on_disc(torch.randn(PAIRS, 2, generator=generator))
        w = mapping(z)
        ends = {"z": (z, z.roll(1, 0)), "w": (w, w.roll(1, 0))}
        draw = {"z": lambda places: drawing(mapping(places)), "w": drawing}
        boxes = {space: (values[0].quantile(0.02, 0), values[0].quantile(0.98, 0)) for space, values in ends.items()}
        return Warped(
            corner_missing(PAIRS, generator),
            drawing(w),
            {space: draw[space](grid_lines(*boxes[space])) for space in draw},
            {space: detour(draw[space](between(*ends[space]))) for space in draw},
        )


def grid_lines(low: Tensor, high: Tensor) -> Tensor:
    """(2 · LINES, ALONG, 2): lines across and up through the box between two corners."""
    across, up = (torch.linspace(float(one), float(other), LINES) for one, other in zip(low, high, strict=True))
    fine = [torch.linspace(float(one), float(other), ALONG) for one, other in zip(low, high, strict=True)]
    level = [torch.stack([fine[0], torch.full((ALONG,), float(at))], 1) for at in up]
    upright = [torch.stack([torch.full((ALONG,), float(at)), fine[1]], 1) for at in across]
    return torch.stack([*level, *upright])


def between(first: Tensor, second: Tensor) -> Tensor:
    """(n, ALONG, 2): straight from each of `first` to its `second`."""
    return torch.lerp(first[:, None], second[:, None], torch.linspace(0, 1, ALONG)[:, None])


def detour(paths: Tensor) -> float:
    """How much longer paths (n, points, 2) are than the straight way between their ends: the median."""
    length = paths.diff(dim=1).norm(dim=2).sum(1)
    return float((length / (paths[:, -1] - paths[:, 0]).norm(dim=1).clamp(min=1e-3)).median())
