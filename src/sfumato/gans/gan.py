"""The generative adversarial network: a forger and a detective, each trained against the other.

Goodfellow et al. 2014, https://arxiv.org/abs/1406.2661; its two objectives for the generator are `minimax` (equation 1)
and `non_saturating` (end of section 3). `least_squares` is Mao et al. 2017, https://arxiv.org/abs/1611.04076.
Images are (b, c, h, w) in [-1, 1]; latent vectors are (b, 64), normal.
Departs from the paper: the widths of the course experiment, 64-256-256-784 and 784-256-256-1 with LeakyReLU(0.2), in
place of rectifier and maxout units; Adam in place of momentum; normal in place of uniform noise; tanh images.
"""

from dataclasses import dataclass

from torch import nn

from ..engine.fields import Layers, ShareBelow1
from ..ops.objectives import GanObjective
from .game import Adversarial, AdversarialConfig, mlp_players


@dataclass(frozen=True, kw_only=True)
class Config(AdversarialConfig):
    """64-256-256-784 and 784-256-256-1, on 28×28 grey images."""

    objective: GanObjective = "non_saturating"  # what is played for
    hidden: Layers = (256, 256)  # units of the generator's hidden layers; the discriminator mirrors them
    dropout: ShareBelow1 = 0.0  # share of the discriminator's hidden units that are silenced in training
    beta1: float = 0.9  # of Adam: how much of the mean of the gradients is kept from step to step


PRESETS = {
    "non_saturating": Config(),
    "minimax": Config(objective="minimax"),
    "least_squares": Config(objective="least_squares"),
}


class GAN(Adversarial):
    config: Config

    def build(self) -> tuple[nn.Module, nn.Module]:
        return mlp_players(self.config, self.config.hidden, self.config.dropout)
