"""DiscoGAN: two generators that squeeze a picture through a small map must each undo what the other did.

Kim et al. 2017, https://arxiv.org/abs/1703.05192; networks as in its section 3.1.
Images are (b, c, h, w) in [-1, 1]; logits are (b,).
Departs from the paper: the generators play by the non-saturating loss of its implementation, which also compares the
discriminators' features and changes weights on the way; here the losses are as printed, (5) to (9), and both players
are updated in every step. Images lie in [-1, 1] behind tanh. `latent`, which squeezes a picture into a vector, is an
option, as are sides other than 64.
"""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from itertools import pairwise

import torch
from torch import nn
from torch.nn import functional as F

from ..data.batches import Batch
from ..engine.clock import Clock
from ..engine.descend import descend
from ..engine.fields import Amount, Natural, ShareBelow1
from ..engine.system import Scalars
from ..errors import SfumatoError
from ..nets.convolution import WholeConv, WholeTransposedConv
from ..nets.players import SLOPE, WIDEST, DCDiscriminator, check_resolution, initialise
from ..ops.objectives import discriminator_loss, generator_loss
from .translator import OTHER, SIDES, Both, Parameters, TranslationConfig, Translator

SMALLEST = 4  # side of the map that pictures are squeezed through


@dataclass(frozen=True, kw_only=True)
class Config(TranslationConfig):
    """64×64 RGB."""

    resolution: int = 64  # side of the square images: 16, 32, 64, ... pixels
    enlarged: float = 1.0  # training images are read larger by this, and cut at random
    beta1: ShareBelow1 = 0.5  # of Adam: how much of the mean of the gradients is kept from step to step
    beta2: ShareBelow1 = 0.999  # of Adam: the same for their squares
    weight_decay: Amount = 1e-4  # of Adam
    adversarial: Amount = 1.0  # weight of the game; 0 leaves the cycle alone
    cycle: Amount = 1.0  # weight of the squared error of what came back; 0 leaves the plain game
    latent: Natural = 0  # numbers that a picture is squeezed into; 0: a map of 4×4
    constant: float = 1.0  # of the run with that rate, which then falls to 0 in a straight line
    batch_size: int = 200  # images of each side per step, over all processes

    def __post_init__(self) -> None:
        super().__post_init__()
        check_resolution(self.resolution)
        if self.resolution % (2 * SMALLEST):
            raise SfumatoError(f"resolution {self.resolution}: must be 16, 32, 64, ...")
        if not self.adversarial and not self.cycle:
            raise SfumatoError("adversarial 0, cycle 0: leave nothing to learn from")


SMALL = Config(width=32, batch_size=32, images=60_000)
PRESETS = {
    "photographs": SMALL,
    "inks": replace(SMALL, resolution=32, flip=False, paired=True, cycle=10.0, learning_rate=5e-4, images=20_000),
    "paper": Config(images=2_000_000),
}


class Generator(nn.Sequential):
    """4×4 convolutions of stride 2 down to a map of 4×4, maybe to `latent` numbers, and transposed ones back."""

    def __init__(self, channels: int, width: int, resolution: int, latent: int) -> None:
        levels = (resolution // SMALLEST).bit_length() - 1
        widths = [width * min(2**level, WIDEST) for level in range(levels)]
        layers: list[nn.Module] = []
        for number, (inputs, outputs) in enumerate(pairwise((channels, *widths))):
            layers.append(nn.Conv2d(inputs, outputs, 4, 2, padding=1, bias=False))
            layers += [*([nn.BatchNorm2d(outputs)] if number else []), nn.LeakyReLU(SLOPE, inplace=True)]
        if latent:
            layers += [WholeConv(widths[-1], latent, SMALLEST, bias=False), nn.BatchNorm2d(latent)]
            layers += [nn.LeakyReLU(SLOPE, inplace=True), WholeTransposedConv(latent, widths[-1], SMALLEST)]
            layers += [nn.BatchNorm2d(widths[-1]), nn.ReLU(inplace=True)]
        for inputs, outputs in pairwise(widths[::-1]):
            layers += [nn.ConvTranspose2d(inputs, outputs, 4, 2, padding=1, bias=False), nn.BatchNorm2d(outputs)]
            layers.append(nn.ReLU(inplace=True))
        super().__init__(*layers, nn.ConvTranspose2d(width, channels, 4, 2, padding=1, bias=False), nn.Tanh())
        self.apply(initialise)


class DiscoGAN(Translator):
    config: Config

    def generator(self) -> nn.Module:
        config = self.config
        return Generator(config.channels, config.width, config.resolution, config.latent)

    def critic(self) -> nn.Module:
        return DCDiscriminator(self.config.width, self.config.channels, self.config.resolution, batch_norm=True)

    def optimizer(self, parameters: Parameters) -> torch.optim.Optimizer:
        config = self.config
        betas = (config.beta1, config.beta2)
        return torch.optim.Adam(parameters, config.learning_rate, betas, weight_decay=config.weight_decay, fused=True)

    @property
    def least_batch(self) -> int:
        return 2 if self.config.latent else 1

    def step(self, batches: Iterator[tuple[Batch, Batch]], clock: Clock) -> Scalars:
        """(8) and (9): both generators together, then both discriminators."""
        self.set_rates(clock)
        a, b = (batch.images for batch in next(batches))
        real: Both = {"a": a, "b": b}
        made: Both = {side: self.generator_to(side)(real[OTHER[side]]) for side in SIDES}
        losses, total = Scalars(), a.new_zeros(())
        for side in SIDES:
            if self.config.adversarial:
                losses[f"to_{side}"] = generator_loss("non_saturating", self.critic_of(side)(made[side]).float())
                total = total + self.config.adversarial * losses[f"to_{side}"]
            if self.config.cycle:
                losses[f"cycle_{side}"] = F.mse_loss(self.generator_to(side)(made[OTHER[side]]).float(), real[side])
                total = total + self.config.cycle * losses[f"cycle_{side}"]
        descend(total, self.optimizers["generators"])
        self.follow(clock)
        for side in SIDES:
            verdicts = (self.critic_of(side)(images).float() for images in (real[side], made[side].detach()))
            losses[f"critic_{side}"] = discriminator_loss("non_saturating", *verdicts)
            descend(losses[f"critic_{side}"], self.optimizers[f"critic_{side}"])
        return {name: loss.detach() for name, loss in losses.items()}
