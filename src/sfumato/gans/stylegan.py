"""StyleGAN: noise becomes a style, and the style sets mean and deviation of the maps of every layer.

Karras et al. 2019, https://arxiv.org/abs/1812.04948, configuration F: grown from 8×8, with the non-saturating loss and
R1 of Mescheder et al. 2018, https://arxiv.org/abs/1801.04406.
Images are (b, c, h, w), real ones in [-1, 1]; latent vectors are (b, latent), normal; see `styled`.
Departs from the paper: in the discriminator gains multiply biases too; the averaged generator forgets by images and not
by steps; each image of a batch has a crossover of its own; lazy R1 (of StyleGAN2), DiffAugment and labels are options.
"""

from dataclasses import dataclass, replace
from itertools import pairwise
from typing import ClassVar, cast

import torch
from torch import Tensor, nn

from ..nets.equalised import LOUD, EqualConv, EqualUpConv, leaky
from ..nets.growing import SMALLEST, Colours, GrownDiscriminator, sides
from ..nets.styles import PER_SIDE, Mapping, Style
from ..ops.objectives import Objective
from ..ops.resampling import blur
from ..ops.statistics import moments
from .growing import Growing, GrowingConfig
from .styled import Generator, Noise, Styled, StyledConfig

TINY = 1e-8


@dataclass(frozen=True, kw_only=True)
class Config(StyledConfig, GrowingConfig):
    """1024×1024 RGB, as printed."""

    smallest: ClassVar[int] = 8  # side of the first images
    objective: ClassVar[Objective] = "non_saturating"
    resolution: int = 1024  # side of the square images at the end: 16, 32, 64, ... pixels
    channels: int = 3  # 1 for grey, 3 for RGB
    learning_rate: float = 1e-3  # of both players
    beta1: float = 0.0  # of Adam: how much of the mean of the gradients is kept from step to step
    beta2: float = 0.99  # of Adam: the same for their squares
    r1: float = 10.0  # weight of R1, the squared gradient of the discriminator at real images
    half_life: int = 10_000  # real images after which half of the averaged generator is forgotten; 0: no average
    batch_size: int = 32  # images per update, over all processes
    batch_sizes: tuple[int, ...] = (
        256,
        256,
        128,
        64,
        32,
        32,
        32,
        32,
    )  # for each side from the first on; else batch_size
    images: int = 25_000_000  # real images drawn in the whole run
    flip: bool = True  # mirror half of the training images: for photographs, not for writing


SMALL = Config(
    resolution=64, base=1024, widest=128, latent=128, mapping_layers=4, growth=40_000, batch_sizes=(), images=600_000,
    learning_rate=2e-3, r1=1.0, r1_every=16,
)  # fmt: skip
DIGITS = replace(
    SMALL, resolution=32, channels=1, base=512, widest=64, latent=64, growth=6_000, images=60_000, flip=False
)
PRESETS = {
    "photographs": SMALL,
    "digits": DIGITS,
    "mnist": replace(DIGITS, growth=60_000, images=600_000),
    "paper": Config(),
    "paper_256": Config(resolution=256, batch_sizes=(256, 256, 128, 64, 32, 32)),
}


class BlurredUpConv(EqualUpConv):
    """Twice as high and wide under a binomial filter: bilinear enlargement."""

    def forward(self, maps: Tensor) -> Tensor:
        return blur(super().forward(maps))


class Layer(nn.Module):
    """A convolution, noise, bias, LeakyReLU, then each map's mean and deviation as the style has them."""

    def __init__(self, latent: int, maps: int, side: int, convolution: nn.Module) -> None:
        super().__init__()
        self.convolution = convolution
        self.strength, self.bias = (nn.Parameter(torch.zeros(maps, 1, 1)) for _ in range(2))
        self.style = Style(latent, 2 * maps)
        self.register_buffer("noise", torch.randn(1, 1, side, side))

    def forward(self, maps: Tensor, styles: Tensor, noise: Tensor | None) -> Tensor:
        maps = self.convolution(maps)
        added = self.bias if noise is None else torch.addcmul(self.bias, noise, self.strength)
        maps = leaky(maps + added.to(maps.dtype))
        scale, shift = self.style(styles)[..., None, None].chunk(2, 1)
        own = moments(maps, TINY)
        scale = (scale + 1) / own.std
        return torch.addcmul((shift - own.mean * scale).to(maps.dtype), maps, scale.to(maps.dtype))


class Synthesis(nn.Module):
    """Styles (b, layers, latent) to images (b, c, side, side), from a learned constant of 4×4."""

    def __init__(self, config: Config) -> None:
        super().__init__()
        widest, latent = config.widths(SMALLEST), config.latent
        self.ladder = sides(config.resolution)
        self.sides = [side for side in self.ladder for _ in range(PER_SIDE)]
        self.constant = nn.Parameter(torch.ones(1, widest, SMALLEST, SMALLEST))
        convolutions: list[nn.Module] = [nn.Identity(), EqualConv(widest, widest, 3, LOUD, bias=None)]
        for inputs, outputs in pairwise(map(config.widths, self.ladder)):
            convolutions.append(BlurredUpConv(inputs, outputs, 3, LOUD, bias=None))
            convolutions.append(EqualConv(outputs, outputs, 3, LOUD, bias=None))
        self.layers = nn.ModuleList(
            Layer(latent, config.widths(side), side, convolution)
            for side, convolution in zip(self.sides, convolutions, strict=True)
        )
        self.colours = Colours(config.resolution, config.widths, config.channels)

    @property
    def fixed(self) -> list[Tensor]:
        return [cast(Tensor, layer.noise) for layer in self.layers]

    def forward(self, styles: Tensor, noise: Noise, side: int, share: float) -> Tensor:
        maps = self.constant.expand(styles.shape[0], -1, -1, -1)
        found = []
        for place in range(PER_SIDE * (self.ladder.index(side) + 1)):
            maps = self.layers[place](maps, styles[:, place], None if noise is None else noise[place])
            if place % PER_SIDE:
                found.append(maps)
        return self.colours(found, share)


class StyleGAN(Growing, Styled):
    config: Config

    def build(self) -> tuple[nn.Module, nn.Module]:
        config = self.config
        return (
            Generator(Mapping(config.latent, config.classes, config.mapping_layers), Synthesis(config)),
            GrownDiscriminator(config.resolution, config.widths, config.channels, config.classes, blurred=True),
        )

    @property
    def active(self) -> int:
        return PER_SIDE * (sides(self.config.resolution).index(self.side) + 1)

    def synthesised(self, network: nn.Module, styles: Tensor, noise: Noise) -> Tensor:
        assert isinstance(network, Generator)
        return network.synthesis(styles, noise, self.side, self.share)
