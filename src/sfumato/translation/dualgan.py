"""DualGAN: two Wasserstein games, one in each direction, closed by what comes back.

Yi et al. 2017, https://arxiv.org/abs/1704.02510, algorithm 1; generators are the U-Nets of Isola et al. 2017,
https://arxiv.org/abs/1611.07004, and noise is their dropout.
Images are (b, c, h, w) in [-1, 1]; logits are (b, 1, h', w').
Departs from the paper: dropout is off where pictures are translated for use, so that the same picture gives the same
translation; one λ for both directions; what comes back is compared pixel by pixel on average, so that a λ of the paper,
which sums, is no λ here. Depths, widths and sides other than 256 are options.
"""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import cast

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from ..data.batches import Batch
from ..engine.clock import Clock
from ..engine.descend import descend
from ..engine.fields import Amount, Count, Positive
from ..engine.system import Scalars
from ..errors import SfumatoError
from ..nets.patches import Patch, PatchDiscriminator, smallest
from ..nets.players import SLOPE, WIDEST, initialise
from ..ops.objectives import clip_weights, discriminator_loss, generator_loss
from .translator import OTHER, SIDES, Both, Parameters, TranslationConfig, Translator

OBJECTIVE = "wasserstein"
DROPPED = 0.5
NOISY = 3  # innermost layers under dropout


@dataclass(frozen=True, kw_only=True)
class Config(TranslationConfig):
    """256×256 RGB."""

    enlarged: float = 1.0  # training images are read larger by this, and cut at random
    learning_rate: float = 5e-5  # of all networks, by RMSProp
    cycle: Amount = 500.0  # weight λ of what came back, in (3); 0 leaves the plain game
    adversarial: Amount = 1.0  # weight of the game; 0 leaves the cycle alone
    critic_steps: Count = 3  # updates of both discriminators for one of the generators
    clip: Positive = 0.01  # largest weight of a discriminator
    patch: Patch = 70  # side of what a discriminator judges on its own, in pixels
    constant: float = 1.0  # of the run with that rate, which then falls to 0 in a straight line
    batch_size: int = 4  # images of each side per update, over all processes
    images: int = 400_000  # images of side A drawn in the whole run

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.resolution & (self.resolution - 1):
            raise SfumatoError(f"resolution {self.resolution}: must be 16, 32, 64, ...")
        if self.resolution < smallest(self.patch):
            raise SfumatoError(
                f"patch {self.patch}: needs images of {smallest(self.patch)} pixels; at {self.resolution} take a "
                "smaller one"
            )
        if not self.adversarial and not self.cycle:
            raise SfumatoError("adversarial 0, cycle 0: leave nothing to learn from")


SMALL = Config(resolution=64, width=32, patch=34, batch_size=8, images=80_000)
PRESETS = {
    "photographs": SMALL,
    "inks": replace(SMALL, resolution=32, width=16, patch=16, flip=False, paired=True, batch_size=16, images=60_000),
    "paper": Config(),
}


class Level(nn.Module):
    """Half the side and back, with `inner` between; what went in lies beside what comes out."""

    def __init__(self, maps: int, outputs: int, inner: "Level | None", noisy: bool) -> None:
        super().__init__()
        self.down = nn.Conv2d(maps, outputs, 4, 2, padding=1, bias=False)
        self.norm = nn.BatchNorm2d(outputs) if inner else nn.Identity()  # of one pixel there are no statistics
        self.inner = inner
        self.up = nn.ConvTranspose2d(2 * outputs if inner else outputs, maps, 4, 2, padding=1, bias=False)
        self.last = nn.Sequential(nn.BatchNorm2d(maps), nn.Dropout(DROPPED) if noisy else nn.Identity())

    def forward(self, maps: Tensor) -> Tensor:
        found = self.norm(self.down(F.leaky_relu(maps, SLOPE)))
        found = found if self.inner is None else self.inner(found)
        return torch.cat([maps, self.last(self.up(F.relu(found)))], 1)


class UNet(nn.Module):
    """(b, c, h, h) to (b, c, h, h) by 4×4 convolutions of stride 2, down to one pixel."""

    def __init__(self, channels: int, width: int, resolution: int) -> None:
        super().__init__()
        levels = resolution.bit_length() - 1
        widths = [width * min(2**level, WIDEST) for level in range(levels)]
        inner: Level | None = None
        for number in range(levels - 1, 0, -1):
            inner = Level(widths[number - 1], widths[number], inner, levels - 2 >= number > levels - 2 - NOISY)
        assert inner is not None
        self.down, self.inner = nn.Conv2d(channels, width, 4, 2, padding=1), inner
        self.up = nn.ConvTranspose2d(2 * width, channels, 4, 2, padding=1)
        self.apply(initialise)

    def forward(self, images: Tensor) -> Tensor:
        return self.up(F.relu(self.inner(self.down(images)))).float().tanh()


class DualGAN(Translator):
    config: Config

    def generator(self) -> nn.Module:
        return UNet(self.config.channels, self.config.width, self.config.resolution)

    def critic(self) -> nn.Module:
        config = self.config
        return PatchDiscriminator(config.channels, config.width, config.patch, nn.BatchNorm2d)

    def optimizer(self, parameters: Parameters) -> torch.optim.Optimizer:
        return torch.optim.RMSprop(parameters, self.config.learning_rate)

    def step(self, batches: Iterator[tuple[Batch, Batch]], clock: Clock) -> Scalars:
        """Algorithm 1: the discriminators several times, each on new images, then the generators on the last."""
        self.set_rates(clock)
        said, real = Scalars(), Both()
        for _ in range(self.config.critic_steps):
            a, b = (batch.images for batch in next(batches))
            real = cast(Both, {"a": a, "b": b})
            for side in SIDES:
                with torch.no_grad():
                    made = self.generator_to(side)(real[OTHER[side]])
                verdicts = (self.critic_of(side)(images).float() for images in (real[side], made))
                loss = discriminator_loss(OBJECTIVE, *verdicts)
                descend(loss, self.optimizers[f"critic_{side}"])
                clip_weights(self.critic_of(side), self.config.clip)
                said[f"critic_{side}"] = loss.detach()
        said |= self.generate(real)
        self.follow(clock)
        return said

    def generate(self, real: Both) -> Scalars:
        """One update of both generators by (3)."""
        config, losses, total = self.config, Scalars(), real["a"].new_zeros(())
        made: Both = {side: self.generator_to(side)(real[OTHER[side]]) for side in SIDES}
        for side in SIDES:
            if config.adversarial:
                losses[f"to_{side}"] = generator_loss(OBJECTIVE, self.critic_of(side)(made[side]).float())
                total = total + config.adversarial * losses[f"to_{side}"]
            if config.cycle:
                losses[f"cycle_{side}"] = F.l1_loss(self.generator_to(side)(made[OTHER[side]]), real[side])
                total = total + config.cycle * losses[f"cycle_{side}"]
        descend(total, self.optimizers["generators"])
        return {name: loss.detach() for name, loss in losses.items()}
