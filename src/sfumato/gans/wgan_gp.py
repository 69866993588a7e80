"""The Wasserstein GAN with a gradient penalty: the critic's slope is held at 1 between real and made images.

Gulrajani et al. 2017, https://arxiv.org/abs/1704.00028, algorithm 1.
Images are (b, c, h, w) in [-1, 1]; latent vectors are (b, latent), normal. The critic has no batch norm: each image's
gradient must be its own.
Departs from the paper: Adam's betas are 0.5 and 0.9, as its authors' MNIST script has them (0 and 0.9 are printed);
no layer norm in place of the batch norm that the critic goes without; small players, fully connected with
LeakyReLU(0.2) or those of the DCGAN; tanh in place of sigmoid images.
"""

from dataclasses import dataclass
from functools import partial

from torch import Tensor, nn

from ..engine.fields import Amount
from ..ops.objectives import gradient_penalty
from .game import Adversarial, EitherConfig, players


@dataclass(frozen=True, kw_only=True)
class Config(EitherConfig):
    """λ = 10, five critic steps."""

    learning_rate: float = 1e-4  # of both players
    beta2: float = 0.9  # of Adam: the same for their squares
    discriminator_steps: int = 5  # updates of the critic for one of the generator
    penalty_weight: Amount = 10.0  # λ
    one_sided: bool = False  # punish slopes above 1 only
    batch_size: int = 50  # images per update, over all processes


PRESETS = {"mlp": Config(), "dcgan": Config(network="dcgan", width=32)}


class WGANGP(Adversarial):
    steady = True
    config: Config

    def build(self) -> tuple[nn.Module, nn.Module]:
        return players(self.config, batch_norm=False)

    def penalties(self, real: Tensor, fake: Tensor, labels: Tensor | None = None) -> list[Tensor]:
        given = super().penalties(real, fake, labels)
        slope = gradient_penalty(partial(self.critic, labels=labels), real, fake, self.config.one_sided)
        return [*given, self.config.penalty_weight * slope]
