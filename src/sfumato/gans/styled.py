"""What the StyleGANs share: styles from noise, mixing, the mean style and truncation, lazy regularisation.

Latent vectors z are (b, latent), normal, and scaled to length √latent; w is (b, latent); styles of all layers are (b,
layers, latent). The generator's parts are `mapping` and `synthesis` (Karras et al. 2019,
https://arxiv.org/abs/1812.04948).
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from typing import Annotated, Protocol, cast

import torch
from torch import Tensor, nn

from ..data.batches import Batch
from ..engine.clock import Clock
from ..engine.descend import descend
from ..engine.fields import Bounds, Count, Share
from ..engine.system import Scalars
from ..errors import SfumatoError
from ..nets.growing import sides
from ..nets.styles import PER_SIDE, Mapping, mixed, new_noise, truncated
from ..ops.objectives import gradient_at_real
from .game import Adversarial, Player
from .growing import PyramidConfig

Noise = Sequence[Tensor] | None
MAX_PSI = 100  # either way


@dataclass(frozen=True, kw_only=True)
class StyledConfig(PyramidConfig):
    """The fields of systems with styles."""

    latent: int = 512  # numbers of z, and of w
    mapping_layers: Annotated[int, Bounds(1, 16)] = (
        8  # of the network from z to w, which learns at a hundredth of the rate
    )
    mixing: Share = 0.9  # share of the images in training that have two styles, the second from some layer on
    r1_every: Count = 1  # iterations between two of R1, which then counts as many times


class Synthesis(Protocol):
    """The part of a generator that draws: styles (b, layers, latent), and noise for the pixels of layers, to images."""

    sides: Sequence[int]  # of the maps of each layer
    fixed: Sequence[Tensor]  # noise that is always the same

    def __call__(self, styles: Tensor, noise: Noise, *how: object) -> Tensor: ...


class Generator(nn.Module):
    """z to w, and w to images."""

    def __init__(self, mapping: Mapping, synthesis: nn.Module) -> None:
        super().__init__()
        self.mapping, self.synthesis = mapping, synthesis


class Styled(Adversarial):
    """Subclasses build a `Generator` and say how it is `synthesised`."""

    styled = True
    steady = True
    shared_buffers = ("*mapping.mean",)
    config: StyledConfig

    @property
    def layers(self) -> int:
        """That styles are for, in the whole network."""
        return PER_SIDE * len(sides(self.config.resolution))

    @property
    def active(self) -> int:
        """Layers that are in play."""
        return self.layers

    def synthesised(self, network: nn.Module, styles: Tensor, noise: Noise) -> Tensor:
        """Images of styles (b, layers, latent)."""
        return _parts(network)[1](styles, noise)

    def play(self, latents: Tensor, labels: Tensor | None) -> Tensor:
        return self.synthesised(self.generator, self.mix(latents, labels), self.new_noise(len(latents)))

    def mix(self, latents: Tensor, labels: Tensor | None) -> Tensor:
        """Styles for training: some images have another w from a random layer on, among those in play. The mean style
        follows."""
        mapping, _ = _parts(self.generator)
        first = mapping(latents, labels)
        mapping.follow(first)
        if not self.config.mixing:
            return self.everywhere(first)
        count, device = len(latents), latents.device
        second = mapping(self.noise(count), labels)
        crossovers = torch.randint(1, self.active, (count,), device=device)
        alone = torch.rand(count, device=device) >= self.config.mixing
        return mixed(first, second, torch.where(alone, self.layers, crossovers), self.layers)

    def everywhere(self, w: Tensor) -> Tensor:
        """The same style in all layers."""
        return w[:, None].expand(-1, self.layers, -1)

    def new_noise(self, count: int, generator: torch.Generator | None = None) -> list[Tensor]:
        mapping, synthesis = _parts(self.generator)
        return new_noise(synthesis.sides[: self.active], count, mapping.mean.device, generator)

    @property
    def fixed_noise(self) -> Sequence[Tensor]:
        """For the pixels of each layer, (1, 1, side, side)."""
        return _parts(self.maker)[1].fixed

    @property
    def mean_style(self) -> Tensor:
        """w̄ (latent,)."""
        return _parts(self.maker)[0].mean

    @torch.no_grad()
    def styles_of(self, latents: Tensor, labels: Tensor | None = None) -> Tensor:
        """w (n, latent) of noise."""
        device = self.mean_style.device
        return _parts(self.maker)[0](latents.to(device), None if labels is None else labels.to(device))

    def truncate(self, styles: Tensor, psi: Sequence[float]) -> Tensor:
        """Styles (n, layers, latent) nearer to the mean one: `psi` for all, or for each side from 4 pixels on."""
        levels = self.layers // PER_SIDE
        given = " ".join(f"{value:g}" for value in psi)
        if len(psi) not in (1, levels):
            raise SfumatoError(f"truncation {given}: must be one number, or {levels}, from 4 pixels on")
        if not all(abs(value) <= MAX_PSI for value in psi):
            raise SfumatoError(f"truncation {given}: must lie between -{MAX_PSI} and {MAX_PSI}")
        each = [value for value in psi for _ in range(self.layers // len(psi))]
        return truncated(styles, self.mean_style, each)

    @torch.no_grad()
    def paint(self, styles: Tensor, noise: Noise) -> Tensor:
        """The images (n, c, h, w) in [-1, 1] of styles (n, layers, latent)."""
        return self.synthesised(self.maker, styles, noise).float().clamp(-1, 1)

    def drawn(self, latents: Tensor, labels: Tensor | None) -> Tensor:
        return self.synthesised(self.maker, self.everywhere(self.styles_of(latents, labels)), self.fixed_noise)

    def penalties(self, real: Tensor, fake: Tensor, labels: Tensor | None = None) -> list[Tensor]:
        return super().penalties(real, fake, labels) if self.config.r1_every == 1 else []

    def optimizer(self, player: nn.Module) -> torch.optim.Optimizer:
        """Adam that takes one more step every so many, as section 4.2 of the second paper has it."""
        config = self.config
        every = self.every(player)
        share = every / (every + 1) if every > 1 else 1.0
        group = {
            "params": list(player.parameters()), "factor": share, "lr": share * config.learning_rate,
            "betas": (config.beta1**share, config.beta2**share),
        }  # fmt: skip
        return torch.optim.Adam([group], fused=True)

    def every(self, player: nn.Module) -> int:
        """Iterations between two of the player's regularisation; 1: none of its own."""
        return self.config.r1_every if player is self.discriminator and self.config.r1 else 1

    def regularise(self, player: Player, batch: Batch, clock: Clock) -> Scalars:
        config = self.config
        if (
            player == "generator"
            or self.every(self.discriminator) == 1
            or not (count := due(config, config.r1_every, clock))
        ):
            return {}
        slope = gradient_at_real(partial(self.critic, labels=self.labels_of(batch)), self.real(batch.images))
        descend(count * config.r1 * slope, self.optimizers["discriminator"])
        return {"penalty": config.r1 * slope.detach()}


def due(config: StyledConfig, every: int, clock: Clock) -> float:
    """How many iterations like this one lie between two of every so many that are due, if this is one of those; else 0.
    A function of the clock: nothing need be saved."""
    images = every * config.batch_size * config.discriminator_steps
    return images / (clock.images - clock.before) if clock.crossed(images) else 0.0


def _parts(generator: nn.Module) -> tuple[Mapping, Synthesis]:
    assert isinstance(generator, Generator)
    return generator.mapping, cast(Synthesis, generator.synthesis)
