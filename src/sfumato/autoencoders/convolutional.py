"""The convolutional autoencoder: the same squeeze with local filters, pooling on the way in, upsampling on the way out.

Masci et al. 2011, https://people.idsia.ch/~ciresan/data/icann2011.pdf.
Images are (b, c, h, w) in [0, 1]; codes are (b, bottleneck), any real numbers.
Departs from the paper: nearest upsampling and convolution instead of transposed filters (no checkerboard), LeakyReLU,
trained end to end with Adam; a linear layer to a code of `bottleneck` numbers, so that it can stand beside the
stacked one.
"""

from dataclasses import dataclass
from itertools import pairwise

from torch import nn

from ..errors import SfumatoError
from ..nets.mlp import linear
from .autoencoder import Autoencoder, AutoencoderConfig


@dataclass(frozen=True, kw_only=True)
class Config(AutoencoderConfig):
    """Two halvings of 28×28, then a linear layer to the code."""

    filters: tuple[int, ...] = (16, 32)  # channels after each halving of the image
    hidden: int = 128  # units of the linear layer between the feature maps and the code

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.hidden < 1:
            raise SfumatoError(f"hidden {self.hidden}: must be at least 1")
        if self.resolution % 2 ** len(self.filters):
            raise SfumatoError(
                f"resolution {self.resolution}: must be a multiple of {2 ** len(self.filters)}, "
                f"as the image is halved {len(self.filters)} times"
            )


PRESETS = {
    "mnist": Config(),  # 100 epochs of MNIST
    "digits": Config(images=140_000, batch_size=64),  # 100 epochs of the embedded digits
}


class ConvolutionalAutoencoder(Autoencoder):
    config: Config

    def build(self) -> tuple[nn.Sequential, nn.Sequential]:
        filters = (self.config.channels, *self.config.filters)
        side = self.config.resolution // 2 ** len(self.config.filters)
        maps, features = (filters[-1], side, side), filters[-1] * side * side
        down: list[nn.Module] = []
        for inputs, outputs in pairwise(filters):
            down += [nn.Conv2d(inputs, outputs, 3, padding=1), nn.MaxPool2d(2), nn.LeakyReLU(0.02)]
        up: list[nn.Module] = []
        for inputs, outputs in pairwise(reversed(filters)):
            up += [nn.Upsample(scale_factor=2), nn.Conv2d(inputs, outputs, 3, padding=1), nn.LeakyReLU(0.02)]
        squeeze = [linear(features, self.config.hidden), nn.LeakyReLU(0.02)]
        unfold = [linear(self.config.hidden, features), nn.LeakyReLU(0.02), nn.Unflatten(1, maps)]
        encoder = nn.Sequential(*down, nn.Flatten(), *squeeze, linear(self.config.hidden, self.config.bottleneck))
        enter = [linear(self.config.bottleneck, self.config.hidden), nn.LeakyReLU(0.02)]
        return encoder, nn.Sequential(*enter, *unfold, *up[:-1])
