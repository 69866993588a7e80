"""The DCGAN: a generator and a discriminator of strided convolutions and batch norm, stable enough for photographs.

Radford et al. 2016, https://arxiv.org/abs/1511.06434.
Images are (b, c, h, w) in [-1, 1]; latent vectors are (b, 100), normal.
Departs from the paper: normal in place of uniform noise; batches of 64 in place of 128, as in the widely used
implementation; both updates of an iteration are on the same made images, as in its authors' code; sides other than 64,
and `half_life`, `augmented` and other objectives, are options. 28×28 leaves two convolutions, so that at sides of 7·2ⁿ
both players have a hidden layer next to the vector and the logit.
"""

from dataclasses import dataclass
from typing import Literal

from torch import nn

from ..nets.players import check_resolution
from ..ops.objectives import GanObjective
from .game import Adversarial, AdversarialConfig, Width, check_r1, dcgan_players


@dataclass(frozen=True, kw_only=True)
class Config(AdversarialConfig):
    """64×64 RGB."""

    resolution: int = 64  # side of the square images: 16, 32, 64, ... or 28, 56, 112, ... pixels
    channels: Literal[1, 3] = 3  # 1 for grey, 3 for RGB
    latent: int = 100  # random numbers that an image is made from
    width: Width = 64  # maps next to the image, doubled with every halving of its side, eightfold at most
    objective: GanObjective = "non_saturating"  # what is played for
    batch_size: int = 64  # images per update, over all processes
    images: int = 200_000  # real images drawn in the whole run
    flip: bool = True  # mirror half of the training images: for photographs, not for writing

    def __post_init__(self) -> None:
        super().__post_init__()
        check_resolution(self.resolution)


_DIGITS = Config(resolution=28, channels=1, width=32, flip=False)
PRESETS = {"photographs": Config(), "digits": _DIGITS, "mnist": _DIGITS, "fashion-mnist": _DIGITS}


class DCGAN(Adversarial):
    shares = True
    config: Config

    @classmethod
    def refuse(cls, config: Config) -> None:
        check_r1(config.r1, "use sngan or wgan_gp with --network dcgan")

    def build(self) -> tuple[nn.Module, nn.Module]:
        return dcgan_players(self.config, self.config.width, batch_norm=True)
