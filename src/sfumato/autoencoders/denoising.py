"""The denoising autoencoder: it sees a noisy image and must answer with the clean one.

Vincent et al. 2008, https://www.cs.toronto.edu/~larocheh/publications/icml-2008-denoising-autoencoders.pdf.
Images are (b, c, h, w) in [0, 1]; noisy images are not clipped and leave that range; codes are (b, bottleneck).
Departs from the paper: Gaussian noise of standard deviation 0.4 instead of masking noise, and one deep network
trained end to end instead of a stack, both as in the course experiment. The noise is drawn afresh for each batch.
"""

from dataclasses import dataclass
from math import prod

from torch import nn

from ..engine.fields import Amount
from ..nets.mlp import Activation, mlp_autoencoder
from .autoencoder import Autoencoder, AutoencoderConfig, Widths


@dataclass(frozen=True, kw_only=True)
class Config(AutoencoderConfig):
    """784-512-128-64-10-2 and its mirror; x + 0.4·N(0, 1) goes in, x is wanted."""

    widths: Widths = (512, 128, 64, 10)  # hidden units between image and code; the decoder mirrors them
    activation: Activation = "leaky_relu"  # between the layers; the output is a sigmoid always
    noise: Amount = 0.4  # standard deviation of the noise added to the input
    images: int = 7_200_000  # training images drawn in the whole run (120 epochs of MNIST)


PRESETS = {
    "mnist": Config(),  # 120 epochs of MNIST
    "digits": Config(images=430_000, batch_size=64),  # 300 epochs of the embedded digits
}


class DenoisingAutoencoder(Autoencoder):
    config: Config

    def build(self) -> tuple[nn.Sequential, nn.Sequential]:
        widths = (prod(self.image_shape), *self.config.widths, self.config.bottleneck)
        return mlp_autoencoder(widths, self.config.activation)
