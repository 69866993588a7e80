"""ProGAN: both players begin with images of 4×4 and grow, block by block, while they play.

Karras et al. 2018, https://arxiv.org/abs/1710.10196. The loss is that of the WGAN-GP, with a drift that keeps the
critic's values near 0.
Images are (b, c, h, w), real ones in [-1, 1]; latent vectors are (b, latent), normal, and scaled to length √latent.
Departs from the paper: what the critic averages to halve its maps it averages before the activation, and fused into the
convolution, as its authors' code does; gains multiply biases too; the averaged generator forgets by images and not by
steps; DiffAugment and labels are options.
"""

from dataclasses import dataclass, replace
from functools import partial
from itertools import pairwise

from torch import Tensor, nn

from ..engine.fields import Amount
from ..nets.equalised import LOUD, EqualConv, EqualLinear, EqualUpConv, LabelledNoise, leaky, pixel_norm
from ..nets.growing import SMALLEST, Colours, GrownDiscriminator, sides
from ..ops.objectives import gradient_penalty
from .growing import Growing, GrowingConfig


@dataclass(frozen=True, kw_only=True)
class Config(GrowingConfig):
    """1024×1024 RGB, as printed."""

    resolution: int = 1024  # side of the square images at the end: 16, 32, 64, ... pixels
    channels: int = 3  # 1 for grey, 3 for RGB
    latent: int = 512  # random numbers that an image is made from
    learning_rate: float = 1e-3  # of both players
    beta1: float = 0.0  # of Adam: how much of the mean of the gradients is kept from step to step
    beta2: float = 0.99  # of Adam: the same for their squares
    penalty_weight: Amount = 10.0  # of the gradient penalty, λ
    drift: Amount = 0.001  # of the squares of the critic's values for real images
    half_life: int = 5_500  # real images after which half of the averaged generator is forgotten: 0.999 at batches of 8
    batch_size: int = 16  # images per update, over all processes
    batch_sizes: tuple[int, ...] = (128, 128, 128, 64, 32, 16, 8, 4, 4)  # for each side from the first on
    images: int = 12_000_000  # real images drawn in the whole run
    flip: bool = True  # mirror half of the training images: for photographs, not for writing


SMALL = Config(
    resolution=64, base=1024, widest=128, latent=128, growth=40_000, batch_sizes=(), batch_size=32, images=600_000,
    half_life=10_000,
)  # fmt: skip
DIGITS = replace(
    SMALL, resolution=32, channels=1, base=512, widest=64, latent=64, growth=6_000, images=60_000, flip=False
)
PRESETS = {
    "photographs": SMALL,
    "digits": DIGITS,
    "mnist": replace(DIGITS, growth=60_000, images=600_000),
    "paper": Config(),
    "paper_256": Config(resolution=256, batch_sizes=(128, 128, 128, 64, 32, 16, 8)),
}


class UpBlock(nn.Module):
    """(b, inputs, h, w) to (b, outputs, 2h, 2w)."""

    def __init__(self, inputs: int, outputs: int) -> None:
        super().__init__()
        self.first = EqualUpConv(inputs, outputs, 3, LOUD)
        self.second = EqualConv(outputs, outputs, 3, LOUD)

    def forward(self, maps: Tensor) -> Tensor:
        maps = pixel_norm(leaky(self.first(maps)))
        return pixel_norm(leaky(self.second(maps)))


class Generator(nn.Module):
    """(b, latent) noise, and labels (b,) if there are any, to images (b, c, side, side) of any side from 4 on."""

    def __init__(self, config: Config) -> None:
        super().__init__()
        self.sides = sides(config.resolution)
        self.noise = LabelledNoise(config.latent, config.classes)
        widest = config.widths(SMALLEST)
        self.first = EqualLinear(self.noise.outputs, widest * SMALLEST**2, LOUD / SMALLEST)
        self.second = EqualConv(widest, widest, 3, LOUD)
        pairs = pairwise(map(config.widths, self.sides))
        self.blocks = nn.ModuleList(UpBlock(inputs, outputs) for inputs, outputs in pairs)
        self.colours = Colours(config.resolution, config.widths, config.channels)

    def forward(self, latents: Tensor, labels: Tensor | None, side: int, share: float) -> Tensor:
        start = self.first(self.noise(latents, labels)).unflatten(1, (-1, SMALLEST, SMALLEST))
        maps = [pixel_norm(leaky(self.second(pixel_norm(leaky(start)))))]
        for block in self.blocks[: self.sides.index(side)]:
            maps.append(block(maps[-1]))
        return self.colours(maps, share)


class ProGAN(Growing):
    steady = True
    config: Config

    def build(self) -> tuple[nn.Module, nn.Module]:
        config = self.config
        return Generator(config), GrownDiscriminator(
            config.resolution, config.widths, config.channels, config.classes, blurred=False
        )

    def discriminate(self, real: Tensor, fake: Tensor, labels: Tensor | None) -> tuple[Tensor, Tensor, Tensor]:
        loss, verdict, of_fake = super().discriminate(real, fake, labels)
        return loss + self.config.drift * verdict.square().mean(), verdict, of_fake

    def penalties(self, real: Tensor, fake: Tensor, labels: Tensor | None = None) -> list[Tensor]:
        given = super().penalties(real, fake, labels)
        slope = gradient_penalty(partial(self.critic, labels=labels), real, fake)
        return [*given, self.config.penalty_weight * slope]
