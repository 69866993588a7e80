"""What an adversarial system draws: images from noise, and walks from one to another."""

from math import prod

import torch
from torch import Tensor

from ..engine.runtime import Runtime
from ..seeds import derive
from .game import Adversarial

AT_ONCE = 500
MAX_AT_ONCE = 20_000_000  # numbers in all images that are made at once
SEED = 0


def draw(system: Adversarial, count: int, runtime: Runtime, seed: int = SEED, labels: Tensor | None = None) -> Tensor:
    """`count` images (count, c, h, w) in [0, 1] on the CPU, the same for the same seed; of a conditional system under
    `labels` (count,), by default each class in turn."""
    generator = torch.Generator().manual_seed(derive(seed, "drawn"))
    return make(system, torch.randn(count, system.config.latent, generator=generator), runtime, labels)


def make(system: Adversarial, latent: Tensor, runtime: Runtime, labels: Tensor | None = None) -> Tensor:
    """The images (n, c, h, w) in [0, 1], on the CPU, of latent vectors; of a conditional system under `labels` (n,), by
    default each class in turn."""
    system.eval()
    with torch.no_grad(), runtime.autocast():
        at_once = max(1, min(AT_ONCE, MAX_AT_ONCE // prod(system.config.shape)))
        if not system.conditional:
            made = map(system.make, latent.split(at_once))
        else:
            labels = torch.arange(len(latent)) % system.config.classes if labels is None else labels
            made = map(system.make, latent.split(at_once), labels.split(at_once))
        return torch.cat([(images.cpu() + 1) / 2 for images in made])


def walk(system: Adversarial, runtime: Runtime, rows: int = 4, steps: int = 9) -> Tensor:
    """(rows, steps, c, h, w): in each row from one latent vector to another along the great circle between them. Of a
    conditional system, a class in each row."""
    ends = torch.randn(2, rows, 1, system.config.latent, generator=torch.Generator().manual_seed(derive(SEED, "walk")))
    latent = great_circle(ends[0], ends[1], torch.linspace(0, 1, steps)[:, None])
    labels = torch.arange(rows).repeat_interleave(steps) % max(1, system.config.classes)
    return make(system, latent.flatten(0, 1), runtime, labels).unflatten(0, (rows, steps))


def great_circle(first: Tensor, second: Tensor, share: Tensor) -> Tensor:
    """Noise between `first` and `second` (..., latent), along the great circle through both; `share` (..., 1) of the
    way."""
    angle = torch.acos(torch.cosine_similarity(first, second, dim=-1).clamp(-1, 1))[..., None]
    round_ = (torch.sin((1 - share) * angle) * first + torch.sin(share * angle) * second) / torch.sin(angle)
    return torch.where(torch.sin(angle) > 1e-3, round_, torch.lerp(first, second, share))  # one number has no circle
