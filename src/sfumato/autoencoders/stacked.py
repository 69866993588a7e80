"""The deep autoencoder: a stack of linear layers that squeezes an image through a few numbers and unfolds it again.

Hinton and Salakhutdinov 2006, https://www.cs.toronto.edu/~hinton/absps/science.pdf.
Images are (b, c, h, w) in [0, 1]; codes are (b, bottleneck), any real numbers.
Departs from the paper: trained end to end from random weights with Adam, without layer-wise pretraining; LeakyReLU
instead of logistic units; widths 512-128-64-10-2 of the course experiment instead of 1000-500-250-30. Under bf16,
layers of 16 units or fewer stay in fp32 (see `NarrowLinear`).
"""

from dataclasses import dataclass
from math import prod

from torch import nn

from ..nets.mlp import Activation, mlp_autoencoder
from .autoencoder import Autoencoder, AutoencoderConfig, Widths


@dataclass(frozen=True, kw_only=True)
class Config(AutoencoderConfig):
    """784-512-128-64-10-2 and its mirror, on 28×28 grey images."""

    widths: Widths = (512, 128, 64, 10)  # hidden units between image and code; the decoder mirrors them
    activation: Activation = "leaky_relu"  # between the layers; the output is a sigmoid always


PRESETS = {
    "mnist": Config(),  # 100 epochs of MNIST
    "digits": Config(images=430_000, batch_size=64),  # 300 epochs of the embedded digits
}


class StackedAutoencoder(Autoencoder):
    config: Config

    def build(self) -> tuple[nn.Sequential, nn.Sequential]:
        widths = (prod(self.image_shape), *self.config.widths, self.config.bottleneck)
        return mlp_autoencoder(widths, self.config.activation)
