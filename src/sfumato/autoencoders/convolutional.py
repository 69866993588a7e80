"""The convolutional autoencoder: the same squeeze with local filters; the code is a stack of small maps.

Masci et al. 2011, https://people.idsia.ch/~ciresan/data/icann2011.pdf.
Images are (b, c, h, w) in [0, 1]; codes are (b, code_channels, h/8, w/8), or (b, bottleneck) with `network="vector"`.
The network `reference` is the course experiment's, on 64×64 photographs: 3→48→96→192 with max-pooling, a 1×1
convolution to 16 maps, and its mirror with nearest upsampling; batch norm, ReLU, Tanh, squared error.
`latent_noise` scales codes to power 1 and adds white Gaussian noise to them, in training and in test (the channel of
Bourtsoulatze et al. 2019, https://arxiv.org/abs/1809.01733). The reference's text gives the noise as a variance, its
code uses the same number as a standard deviation; `noise_is` says which. `power_per` says whose power is 1: each
image's, or the batch's, as the reference has it.
Departs from the paper: trained end to end with Adam, max-pooling always, no tied weights. Departs from the reference:
- The batch's power is a running mean outside training, as in batch norm: what an image becomes must not depend on its
  neighbours.
- Tanh on [-1, 1] is written as the sigmoid of twice the logit on [0, 1]; squared errors are on [0, 1], a quarter of
  those on [-1, 1]. ReLU stands behind the pooling (it commutes with it) and upsampling is part of the convolution
  that follows: the same function in less time.
- With `halvings=2` (a 16×16 code of a 64×64 image) the last pooling and the first upsampling are left out.
- The learning rate falls along a cosine; the reference's schedule for this network is not known.
"""

from dataclasses import dataclass, replace
from itertools import pairwise
from typing import Annotated, Literal

import torch
from torch import Tensor, nn

from ..engine.fields import Bounds, Layers, Units
from ..errors import SfumatoError
from ..nets.convolution import UpsampleConv
from ..nets.mlp import linear
from ..ops.noise import Per, Reading, deviation, power, with_noise
from .autoencoder import Autoencoder, AutoencoderConfig

MAX_CODE = 1_000_000
POWER_MEMORY = 0.05  # least weight of a batch in the running mean of the codes' power
TINY = 1e-8  # beside the power of a code: an all-zero code stays one


@dataclass(frozen=True, kw_only=True)
class Config(AutoencoderConfig):
    """64×64 RGB to 16 maps of 8×8 and back."""

    network: Literal["reference", "better", "vector"] = "reference"  # vector: a linear layer to `bottleneck` numbers
    filters: Layers = (48, 96, 192)  # channels from the image to the code (better: at 1/4 and 1/8 of its side)
    halvings: Units = 3  # how often the image is halved on its way to the code (vector: after each of `filters`)
    code_channels: Units = 16  # maps in a code (vector: none)
    bottleneck: int = 2  # numbers in a code (vector only)
    hidden: Units = 128  # units of the linear layer between maps and code (vector only)
    latent_noise: Annotated[float, Bounds(0, 10)] = 0.0  # noise on codes of power 1; 0: none, and codes as they come
    noise_is: Reading = "std"  # what latent_noise is: the noise's standard deviation or its variance
    power_per: Per = "batch"  # whose power is 1 when there is noise: each sample's or the batch's
    resolution: int = 64  # side of the square images, in pixels
    channels: Literal[1, 3] = 3  # 1 for grey, 3 for RGB
    loss: Literal["bce", "mse", "log_cosh"] = "mse"  # minimised, per pixel: cross-entropy, squared or log cosh error
    schedule: Literal["plateau", "cosine"] = "cosine"  # of the learning rate: cosine falls to 0 over the whole run
    batch_size: int = 64  # images per step, over all processes
    flip: bool = True  # mirror half of the training images: for photographs, not for writing
    images: int = 220_000  # training images drawn in the whole run (40 epochs of 5,500)

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.network == "reference" and self.halvings > len(self.filters):
            raise SfumatoError(f"halvings {self.halvings}: at most one for each of the {len(self.filters)} filters")
        if self.network == "vector" and self.halvings != len(self.filters):
            raise SfumatoError(
                f"halvings {self.halvings}: network vector has one for each of {len(self.filters)} filters"
            )
        if self.network == "better" and (self.halvings, len(self.filters)) != (3, 2):
            raise SfumatoError(f"network better: has 3 halvings and 2 filters, not {self.halvings} and {self.filters}")
        if self.network != "vector" and (self.bottleneck, self.hidden) != (Config.bottleneck, Config.hidden):
            raise SfumatoError(
                f"bottleneck {self.bottleneck}, hidden {self.hidden}: only network vector has them; the size of this "
                f"code is code_channels {self.code_channels} times the pixels of its maps"
            )
        multiple = 2**self.halvings
        if self.resolution % multiple or self.resolution == multiple:
            raise SfumatoError(
                f"resolution {self.resolution}: must be a multiple of {multiple}, and more, as the image is halved "
                f"{self.halvings} times"
            )
        if self.network != "vector" and self.code_channels * (self.resolution // multiple) ** 2 > MAX_CODE:
            raise SfumatoError(f"code_channels {self.code_channels}: a code would have more than {MAX_CODE:,} numbers")


MNIST = Config(
    network="vector", filters=(16, 32), halvings=2, resolution=28, channels=1, loss="bce", schedule="plateau",
    batch_size=256, flip=False, images=6_000_000,
)  # fmt: skip
PRESETS = {
    "reference": Config(),  # a 16×8×8 code
    "reference-16": Config(halvings=2),  # a 16×16×16 code
    "better": Config(network="better", filters=(64, 256), latent_noise=0.05),
    "mnist": MNIST,
    "fashion-mnist": MNIST,
    "digits": replace(MNIST, batch_size=64, images=140_000),
    "denoising": replace(MNIST, noise=0.4),
}  # fmt: skip


class Affine(nn.Module):
    """scale · x + shift."""

    def __init__(self, scale: float, shift: float = 0.0) -> None:
        super().__init__()
        self.scale, self.shift = scale, shift

    def forward(self, input: Tensor) -> Tensor:
        return input * self.scale + self.shift

    def extra_repr(self) -> str:
        return f"{self.scale:g}, {self.shift:g}"


class ConvolutionalAutoencoder(Autoencoder):
    config: Config
    code_power: Tensor
    batches_seen: Tensor

    def __init__(self, config: Config) -> None:
        super().__init__(config)
        self.register_buffer("code_power", torch.ones(()))
        self.register_buffer("batches_seen", torch.zeros(()))

    @property
    def code_shape(self) -> tuple[int, ...]:
        if self.config.network == "vector":
            return (self.config.bottleneck,)
        side = self.config.resolution // 2**self.config.halvings
        return (self.config.code_channels, side, side)

    def build(self) -> tuple[nn.Sequential, nn.Sequential]:
        return {"reference": reference, "better": better, "vector": vector}[self.config.network](self.config)

    def encode(self, images: Tensor) -> Tensor:
        """Codes of `images`; scaled to power 1 if there is noise."""
        codes = self.encoder(images)
        if not self.config.latent_noise:
            return codes
        found = power(codes, self.config.power_per)
        if self.config.power_per == "batch":
            if self.training:
                self.batches_seen += 1
                self.code_power.lerp_(found.detach(), (1 / self.batches_seen).clamp(min=POWER_MEMORY))
            else:
                found = self.code_power
        return codes.float() * (found + TINY).rsqrt()

    def transmit(self, codes: Tensor, generator: torch.Generator | None = None) -> Tensor:
        """`codes` + white Gaussian noise of the strength that `latent_noise` says."""
        if not self.config.latent_noise:
            return codes
        return with_noise(codes, deviation(self.config.latent_noise, self.config.noise_is), generator)


def reference(config: Config) -> tuple[nn.Sequential, nn.Sequential]:
    """The course experiment's network: one convolution per resolution on each side."""
    filters = (config.channels, *config.filters)
    down: list[nn.Module] = [Affine(2, -1)]
    for index, (inputs, outputs) in enumerate(pairwise(filters)):
        norm = [nn.BatchNorm2d(outputs)] if index else []
        pool = [nn.MaxPool2d(2)] if index < config.halvings else []
        down += [nn.Conv2d(inputs, outputs, 3, padding=1), *norm, *pool, nn.ReLU()]
    down += [nn.Conv2d(filters[-1], config.code_channels, 1), nn.BatchNorm2d(config.code_channels), nn.ReLU()]
    up: list[nn.Module] = [nn.Conv2d(config.code_channels, filters[-1], 1), nn.BatchNorm2d(filters[-1]), nn.ReLU()]
    for index, (outputs, inputs) in reversed(list(enumerate(pairwise(filters)))):
        layer = UpsampleConv(inputs, outputs) if index < config.halvings else nn.Conv2d(inputs, outputs, 3, padding=1)
        up += [layer, *([nn.BatchNorm2d(outputs), nn.ReLU()] if index else [Affine(2)])]
    return nn.Sequential(*down), nn.Sequential(*up)


class Residual(nn.Module):
    """x + convolution(ReLU(convolution(x))); the second convolution begins at 0, the block as the identity."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.first = nn.Conv2d(channels, channels, 3, padding=1)
        self.second = nn.Conv2d(channels, channels, 3, padding=1)
        nn.init.zeros_(self.second.weight)
        nn.init.zeros_(self.second.bias)  # pyright: ignore[reportArgumentType]

    def forward(self, input: Tensor) -> Tensor:
        return input + self.second(self.first(input).relu())


def better(config: Config) -> tuple[nn.Sequential, nn.Sequential]:
    """Ours, for the same code: no squashing of the code, and the work done at low resolution.

    Pixels are folded into channels (4×4, then 2×2 more) and never pooled away; residual blocks without norms. What
    each change gave is in results/convolutional-changes.json.
    """
    quarter, eighth = config.filters
    code = config.code_channels
    encoder = nn.Sequential(
        Affine(2, -1), nn.PixelUnshuffle(4), nn.Conv2d(16 * config.channels, quarter, 3, padding=1), Residual(quarter),
        nn.PixelUnshuffle(2), nn.Conv2d(4 * quarter, eighth, 1), Residual(eighth), nn.Conv2d(eighth, code, 1),
    )  # fmt: skip
    decoder = nn.Sequential(
        nn.Conv2d(code, eighth, 3, padding=1), Residual(eighth), Residual(eighth),
        nn.Conv2d(eighth, 4 * quarter, 1), nn.PixelShuffle(2), Residual(quarter), Residual(quarter),
        nn.Conv2d(quarter, 16 * config.channels, 3, padding=1), nn.PixelShuffle(4), Affine(2),
    )  # fmt: skip
    return encoder, decoder


def vector(config: Config) -> tuple[nn.Sequential, nn.Sequential]:
    """A small network whose code is a vector, to stand beside the stacked autoencoder."""
    filters = (config.channels, *config.filters)
    side = config.resolution // 2 ** len(config.filters)
    maps, features = (filters[-1], side, side), filters[-1] * side * side
    down: list[nn.Module] = []
    for inputs, outputs in pairwise(filters):
        down += [nn.Conv2d(inputs, outputs, 3, padding=1), nn.MaxPool2d(2), nn.LeakyReLU(0.02)]
    up: list[nn.Module] = []
    for inputs, outputs in pairwise(reversed(filters)):
        up += [nn.Upsample(scale_factor=2), nn.Conv2d(inputs, outputs, 3, padding=1), nn.LeakyReLU(0.02)]
    squeeze = [linear(features, config.hidden), nn.LeakyReLU(0.02)]
    unfold = [linear(config.hidden, features), nn.LeakyReLU(0.02), nn.Unflatten(1, maps)]
    encoder = nn.Sequential(*down, nn.Flatten(), *squeeze, linear(config.hidden, config.bottleneck))
    enter = [linear(config.bottleneck, config.hidden), nn.LeakyReLU(0.02)]
    return encoder, nn.Sequential(*enter, *unfold, *up[:-1])
