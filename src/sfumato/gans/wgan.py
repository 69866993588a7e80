"""The Wasserstein GAN: a critic without a verdict, kept smooth by clipping its weights, measures how far apart we are.

Arjovsky et al. 2017, https://arxiv.org/abs/1701.07875, algorithm 1.
Images are (b, c, h, w) in [-1, 1]; latent vectors are (b, latent), normal.
Departs from the paper: small players, fully connected with LeakyReLU(0.2) or those of the DCGAN; nothing in the
algorithm. Its authors' code runs 100 critic steps at the start and every 500th iteration; the printed algorithm does
not, and neither does this. The critic's value is D(real) - D(fake), as printed.
"""

from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import nn

from ..engine.fields import Positive
from ..ops.objectives import clip_weights
from .game import Adversarial, EitherConfig, check_r1, players


@dataclass(frozen=True, kw_only=True)
class Config(EitherConfig):
    """RMSprop, five critic steps, weights within ±0.01."""

    learning_rate: float = 5e-5  # of RMSprop, for both players
    beta1: ClassVar[float] = 0.0  # RMSprop has neither of Adam's two
    beta2: ClassVar[float] = 0.0
    clip: Positive = 0.01  # largest weight of the critic
    discriminator_steps: int = 5  # updates of the critic for one of the generator
    batch_size: int = 64  # images per update, over all processes


PRESETS = {"mlp": Config(), "dcgan": Config(network="dcgan", width=32)}


class WGAN(Adversarial):
    steady = True
    config: Config

    @classmethod
    def refuse(cls, config: Config) -> None:
        if config.network == "dcgan":
            check_r1(config.r1, "use --network mlp, or wgan_gp")

    def build(self) -> tuple[nn.Module, nn.Module]:
        return players(self.config, batch_norm=True)

    def optimizer(self, player: nn.Module) -> torch.optim.Optimizer:
        return torch.optim.RMSprop(player.parameters(), lr=self.config.learning_rate, foreach=True)

    def constrain(self) -> None:
        clip_weights(self.discriminator, self.config.clip)
