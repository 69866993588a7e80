"""CycleGAN: two generators and two discriminators learn to turn either kind of picture into the other, and back.

Zhu et al. 2017, https://arxiv.org/abs/1703.10593; networks as in its appendix 7.
Images are (b, c, h, w) in [-1, 1]; logits are (b, 1, h', w'), or (b,).
Departs from the paper: biases before norms, which change nothing, are left out; a run is as long
as its images, of which 200,000 are 200 epochs of 1,000. `width`, `blocks`, `patch`, verdicts averaged or on the whole
image, enlarging by neighbours, averaged generators and noise within the cycle are options; the small presets use some
of them, batches of more than one image and shorter runs.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from itertools import pairwise
from typing import Literal, cast

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from ..data.batches import Batch
from ..engine.clock import Clock
from ..engine.descend import descend
from ..engine.fields import Amount, Natural, ShareBelow1
from ..engine.runtime import Runtime
from ..engine.system import Scalars
from ..errors import SfumatoError
from ..nets.convolution import UpsampleConv
from ..nets.norms import InstanceNorm
from ..nets.patches import Patch, PatchDiscriminator, averaged, smallest
from ..nets.players import DCDiscriminator, check_resolution, initialise
from ..ops.objectives import discriminator_loss
from ..ops.pools import exchanged
from .translator import OTHER, SIDES, Both, Parameters, Parts, Side, TranslationConfig, Translator

FEW, MANY = 6, 9  # residual blocks of generators below LARGE pixels, and from there on
LARGE = 256
WIDE = 64  # maps of a generator's first layer
STRIDED = 2  # convolutions that halve the side, and as many that double it
MULTIPLE = 2**STRIDED
MARGIN = 3 * MULTIPLE  # 3 pixels for the widest kernel, and 1 for each other at its own scale, rounded up
LEVELS = 255


@dataclass(frozen=True, kw_only=True)
class Config(TranslationConfig):
    """256×256, as printed: 200 epochs of 1,000 images."""

    beta1: ShareBelow1 = 0.5  # of Adam: how much of the mean of the gradients is kept from step to step
    beta2: ShareBelow1 = 0.999  # of Adam: the same for their squares
    adversarial: Amount = 1.0  # weight of the game; 0 leaves the cycle alone
    cycle: Amount = 10.0  # weight λ of the cycle's loss, in (3); 0 leaves the plain game
    identity: Amount = 0.0  # weight of leaving alone what is of the target side already, as a share of λ (section 5.2)
    blocks: Natural = 0  # residual blocks of a generator; 0: 6, and 9 from 256 pixels on
    enlarging: Literal["transposed", "resized"] = "transposed"  # convolutions; or by neighbours, against checkerboards
    verdict: Literal["patches", "averaged", "whole"] = "patches"  # on every patch, on their mean, or on the whole image
    patch: Patch = 70  # side of what a discriminator judges on its own, in pixels
    pool: Natural = 50  # made images of before that the discriminators are shown again; 0: none
    cycle_noise: Amount = 0.0  # on what goes back, in levels of 255: nothing can be hidden below it

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.resolution % MULTIPLE:
            raise SfumatoError(f"resolution {self.resolution}: must be a multiple of {MULTIPLE}")
        if self.verdict != "whole" and self.resolution < smallest(self.patch):
            raise SfumatoError(
                f"patch {self.patch}: needs images of {smallest(self.patch)} pixels; at {self.resolution} take a "
                "smaller one"
            )
        if 0 < self.pool < self.batch_size:
            raise SfumatoError(f"pool {self.pool}: must be 0, or at least batch_size {self.batch_size}")
        if self.verdict == "whole":
            check_resolution(self.resolution)
        if not self.adversarial and not self.cycle:
            raise SfumatoError("adversarial 0, cycle 0: leave nothing to learn from")


SMALL = Config(
    resolution=128, width=32, enlarging="resized", half_life=4_000, batch_size=4, learning_rate=4e-4, images=60_000
)
PRESETS = {
    "photographs": replace(SMALL, resolution=64),
    "inks": Config(
        resolution=32,
        enlarged=1.0,
        flip=False,
        width=16,
        blocks=3,
        patch=16,
        paired=True,
        batch_size=16,
        images=8_000,
        learning_rate=5e-4,
    ),
    "small_128": SMALL,
    "paper": Config(),
    "paper_128": Config(resolution=128),
}


class Residual(nn.Module):
    """Two 3×3 convolutions beside a way straight through."""

    def __init__(self, maps: int) -> None:
        super().__init__()
        self.first, self.second = (convolution(maps, maps, 3) for _ in range(2))
        self.norm = InstanceNorm()

    def forward(self, maps: Tensor) -> Tensor:
        return maps + self.norm(self.second(self.norm(self.first(maps)).relu_()))


class Generator(nn.Sequential):
    """(b, c, h, w) to (b, c, h, w), sides multiples of 4, in three parts: down to a quarter of the side, `blocks`
    residual blocks, and up again."""

    def __init__(self, channels: int, width: int, blocks: int, resized: bool) -> None:
        widths = [width << level for level in range(STRIDED + 1)]
        down = [convolution(channels, width, 7), InstanceNorm(), nn.ReLU(inplace=True)]
        for inputs, outputs in pairwise(widths):
            down += [nn.Conv2d(inputs, outputs, 3, 2, padding=1, bias=False), InstanceNorm(), nn.ReLU(inplace=True)]
        up: list[nn.Module] = []
        for inputs, outputs in pairwise(widths[::-1]):
            up += [enlarging(inputs, outputs, resized), InstanceNorm(), nn.ReLU(inplace=True)]
        up += [convolution(width, channels, 7, bias=True), PreciseTanh()]
        middle = [Residual(widths[-1]) for _ in range(blocks)]
        super().__init__(nn.Sequential(*down), nn.Sequential(*middle), nn.Sequential(*up))
        self.apply(initialise)


class PreciseTanh(nn.Module):
    """In fp32: images near black or white have few of bf16's 8 bits left."""

    def forward(self, maps: Tensor) -> Tensor:
        return maps.float().tanh()


def convolution(inputs: int, outputs: int, kernel: int, bias: bool = False) -> nn.Conv2d:
    """One that keeps the sides, with reflection at the borders. A bias before a norm would change nothing."""
    return nn.Conv2d(inputs, outputs, kernel, padding=kernel // 2, padding_mode="reflect", bias=bias)


def enlarging(inputs: int, outputs: int, resized: bool) -> nn.Module:
    """Twice as high and wide."""
    if resized:
        return UpsampleConv(inputs, outputs, "reflect")
    return nn.ConvTranspose2d(inputs, outputs, 3, 2, padding=1, output_padding=1, bias=False)


class CycleGAN(Translator):
    local_buffers = ("pool_*", "given_*")
    config: Config

    def __init__(self, config: Config) -> None:
        super().__init__(config)
        for side in SIDES if config.pool else ():  # of made images; how many were given to it
            shape = (config.pool, config.channels, config.resolution, config.resolution)
            self.register_buffer(f"pool_{side}", torch.zeros(shape))
            self.register_buffer(f"given_{side}", torch.zeros((), dtype=torch.int64))

    def generator(self) -> nn.Module:
        config = self.config
        blocks = config.blocks or (FEW if config.resolution < LARGE else MANY)
        return Generator(config.channels, config.width, blocks, config.enlarging == "resized")

    def critic(self) -> nn.Module:
        config = self.config
        if config.verdict == "whole":
            return DCDiscriminator(config.width, config.channels, config.resolution, batch_norm=False)
        return PatchDiscriminator(
            config.channels, config.width, config.patch, lambda _: InstanceNorm()
        )  # fmt: skip

    def layout(self, runtime: Runtime) -> torch.memory_format:
        """Backward of maps as wide as the paper's, in fp32 on a CPU, is faster in NCHW."""
        wide = self.config.width >= WIDE and runtime.device.type == "cpu" and runtime.precision == "fp32"
        return torch.contiguous_format if wide else super().layout(runtime)

    def optimizer(self, parameters: Parameters) -> torch.optim.Optimizer:
        config = self.config
        return torch.optim.Adam(parameters, config.learning_rate, (config.beta1, config.beta2), fused=True)

    def parts_to(self, side: Side) -> Parts:
        down, middle, up = cast(Iterable[nn.Sequential], self.maker_of(side))
        return Parts(down, middle, up, MULTIPLE, MARGIN)

    def step(self, batches: Iterator[tuple[Batch, Batch]], clock: Clock) -> Scalars:
        """Both generators first, then each discriminator on its own."""
        self.set_rates(clock)
        a, b = (batch.images for batch in next(batches))
        real: Both = {"a": a, "b": b}
        said, made = self.generate(real)
        self.follow(clock)
        for side in SIDES:
            said[f"critic_{side}"] = self.discriminate(side, real[side], self.pooled(side, made[side].detach()))
        return said

    def generate(self, real: Both) -> tuple[Scalars, Both]:
        """One update of both generators by (3): the game, λ times the cycle, and what is to be left alone."""
        config = self.config
        kept = config.cycle * config.identity
        losses, made, total = Scalars(), {}, torch.zeros((), device=real["a"].device)
        for side in SIDES:
            network, other = self.generator_to(side), real[OTHER[side]]
            if kept:  # one pass over both
                made[side], same = network(torch.cat([other, real[side]])).chunk(2)
                losses[f"identity_{side}"] = F.l1_loss(same, real[side])
                total = total + kept * losses[f"identity_{side}"]
            else:
                made[side] = network(other)
        for side in SIDES:
            if config.adversarial:
                losses[f"to_{side}"] = (self.judged(side, made[side]) - 1).square().mean()
                total = total + config.adversarial * losses[f"to_{side}"]
            if config.cycle:
                back = self.generator_to(side)(self.passed(made[OTHER[side]]))
                losses[f"cycle_{side}"] = F.l1_loss(back, real[side])
                total = total + config.cycle * losses[f"cycle_{side}"]
        descend(total, self.optimizers["generators"])
        return {name: loss.detach() for name, loss in losses.items()}, made

    def discriminate(self, side: Side, real: Tensor, made: Tensor) -> Tensor:
        """One update of a discriminator; its loss."""
        loss = discriminator_loss("least_squares", *self.judged(side, torch.cat([real, made])).chunk(2))
        descend(loss, self.optimizers[f"critic_{side}"])
        return loss.detach()

    def judged(self, side: Side, images: Tensor) -> Tensor:
        """The discriminator's logits, in fp32."""
        logits = self.critic_of(side)(images).float()
        return averaged(logits) if self.config.verdict == "averaged" else logits

    def passed(self, made: Tensor) -> Tensor:
        """What goes back of made images: under noise, if the config says so."""
        noise = self.config.cycle_noise
        return made + 2 * noise / LEVELS * torch.randn_like(made) if noise else made

    def pooled(self, side: Side, made: Tensor) -> Tensor:
        """Made images, half of them exchanged for older ones."""
        if not self.config.pool:
            return made
        return exchanged(self.get_buffer(f"pool_{side}"), self.get_buffer(f"given_{side}"), made)
