"""StyleGAN2: styles scale the filters, and what that does to deviations is divided out again, which ends the droplets.

Karras et al. 2020, https://arxiv.org/abs/1912.04958, configuration F; with `ada`, the augmentation of Karras et al.
2020, https://arxiv.org/abs/2006.06676, whose strength follows the discriminator's certainty.
Images are (b, c, h, w), real ones in [-1, 1]; latent vectors are (b, latent), normal; see `styled`.
Departs from the paper: the averaged generator forgets by images and not by steps; each image of a batch has a crossover
of its own; an eager path length (`path_every` 1) is an update of its own too; `ops/adaptive.py` says what differs
there; DiffAugment and labels are options.
"""

from dataclasses import dataclass, replace
from itertools import pairwise
from typing import Annotated, ClassVar, Literal, cast

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from ..data.batches import Batch
from ..engine.clock import Clock
from ..engine.descend import descend
from ..engine.fields import Amount, Bounds, Count
from ..engine.system import Scalars
from ..errors import SfumatoError
from ..nets.equalised import LOUD, EqualConv, Verdict, leaky
from ..nets.growing import SMALLEST, sides
from ..nets.modulation import ModulatedColours, ModulatedConv
from ..nets.styles import PER_SIDE, Mapping
from ..ops.adaptive import adaptively
from ..ops.objectives import Objective, path_lengths
from ..ops.resampling import SMOOTH, enlarge, filtered, shrink
from .game import Player
from .styled import Generator, Noise, Styled, StyledConfig, due

Architecture = Literal["plain", "skip", "residual"]
HALF = 0.5**0.5  # what two summands of equal deviation are multiplied by
SHRUNK = 2  # a path length is taken of a batch so many times smaller
FORGETS = 0.01  # the mean path length, from one to the next
LOOKED = 4  # iterations between two looks of the controller of `ada`


@dataclass(frozen=True, kw_only=True)
class Config(StyledConfig):
    """1024×1024 RGB, as printed."""

    objective: ClassVar[Objective] = "non_saturating"
    resolution: int = 1024  # side of the square images: 16, 32, 64, ... pixels
    channels: int = 3  # 1 for grey, 3 for RGB
    base: int = 32_768  # maps of a layer are this over the side of its images, as far as `widest` lets them
    learning_rate: float = 2e-3  # of both players
    beta1: float = 0.0  # of Adam: how much of the mean of the gradients is kept from step to step
    beta2: float = 0.99  # of Adam: the same for their squares
    r1: float = 10.0  # weight of R1, the squared gradient of the discriminator at real images
    r1_every: int = 16  # iterations between two of R1, which then counts as many times; 1: in every one, in the loss
    path_weight: Amount = 2.0  # of the path length regularisation
    path_every: Count = 4  # iterations between two of it
    generator_network: Architecture = "skip"  # how colours leave the generator
    discriminator_network: Architecture = "residual"  # how they enter the discriminator
    ada: bool = False  # show the discriminator augmented images, as many as keep it from learning the data by heart
    ada_target: Annotated[float, Bounds(0, 1, above=True, below=True)] = 0.6  # mean sign of its logits for real images
    ada_images: Count = 500_000  # real images in which the share of augmented ones can rise from 0 to 1
    half_life: int = 10_000  # real images after which half of the averaged generator is forgotten; 0: no average
    batch_size: int = 32  # images per update, over all processes
    images: int = 25_000_000  # real images drawn in the whole run
    flip: bool = True  # mirror half of the training images: for photographs, not for writing

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.ada and self.augmented:
            raise SfumatoError("ada with augmented: both augment what the discriminator sees: choose one")
        if self.path_weight and self.batch_size < 2 * SHRUNK:
            raise SfumatoError(f"batch_size {self.batch_size}: must be at least {2 * SHRUNK} for path lengths")


SMALL = Config(
    resolution=64, base=1024, widest=128, latent=128, mapping_layers=2, r1=0.2, images=600_000, learning_rate=2.5e-3,
)  # fmt: skip
DIGITS = replace(
    SMALL, resolution=32, channels=1, base=512, widest=64, latent=64, images=60_000, flip=False, half_life=2_000
)
_PAPER_256 = Config(resolution=256, base=16_384, r1=1.0)
PRESETS = {
    "photographs": SMALL,
    "digits": DIGITS,
    "mnist": replace(DIGITS, images=600_000, half_life=10_000),
    "cifar": Config(
        resolution=32,
        base=16_384,
        mapping_layers=2,
        mixing=0.0,
        path_weight=0.0,
        r1=0.01,
        learning_rate=2.5e-3,
        batch_size=64,
        half_life=500_000,
        discriminator_network="plain",
        ada=True,
        images=100_000_000,
    ),
    "paper": Config(),
    "paper_256": _PAPER_256,
}


class Synthesis(nn.Module):
    """Styles (b, layers, latent) to images (b, c, h, w), from a learned constant of 4×4.

    Colours leave as `how` says: the last maps' alone, those of all sides enlarged and added up, or the last maps' of a
    network whose blocks are added to what enters them.
    """

    def __init__(self, config: Config, how: Architecture) -> None:
        super().__init__()
        self.how = how
        ladder, latent = sides(config.resolution), config.latent
        widths = [config.widths(side) for side in ladder]
        self.sides = [side for side in ladder for _ in range(PER_SIDE)][1:]
        self.constant = nn.Parameter(torch.randn(1, widths[0], SMALLEST, SMALLEST))
        self.layers = nn.ModuleList([ModulatedConv(latent, widths[0], widths[0])])
        for inputs, outputs in pairwise(widths):
            self.layers.append(ModulatedConv(latent, inputs, outputs, up=True))
            self.layers.append(ModulatedConv(latent, outputs, outputs))
        self.colours = nn.ModuleList(
            ModulatedColours(latent, width, config.channels) for width in (widths if how == "skip" else widths[-1:])
        )
        self.past = nn.ModuleList()
        if how == "residual":
            self.past.extend(EqualConv(inputs, outputs, 1, HALF, bias=None) for inputs, outputs in pairwise(widths))
        for place, side in enumerate(self.sides):
            self.register_buffer(f"noise_{place}", torch.randn(1, 1, side, side))

    @property
    def fixed(self) -> list[Tensor]:
        return [cast(Tensor, self.get_buffer(f"noise_{place}")) for place in range(len(self.sides))]

    def forward(self, styles: Tensor, noise: Noise) -> Tensor:
        given = [None] * len(self.layers) if noise is None else noise
        maps = self.layers[0](self.constant.expand(styles.shape[0], -1, -1, -1), styles[:, 0], given[0])
        images = self.colours[0](maps, styles[:, 1]) if self.how == "skip" else None
        for block, place in enumerate(range(1, len(self.layers), PER_SIDE)):
            entered = maps
            for layer in range(place, place + PER_SIDE):
                maps = self.layers[layer](maps, styles[:, layer], given[layer])
            if self.how == "residual":
                maps = torch.add(enlarge(self.past[block](entered)), maps, alpha=HALF)
            if images is not None:
                images = enlarge(images) + self.colours[block + 1](maps, styles[:, place + PER_SIDE])
        return self.colours[0](maps, styles[:, -1]) if images is None else images


class DownBlock(nn.Module):
    """(b, inputs, h, w) to (b, outputs, h/2, w/2). `residual`: what enters, shrunk, is added."""

    def __init__(self, inputs: int, outputs: int, residual: bool) -> None:
        super().__init__()
        self.first = EqualConv(inputs, inputs, 3, LOUD)
        self.second = EqualConv(inputs, outputs, 3, LOUD * HALF if residual else LOUD)
        self.past = EqualConv(inputs, outputs, 1, HALF, bias=None) if residual else None

    def forward(self, maps: Tensor) -> Tensor:
        smooth = filtered(leaky(self.first(maps)), SMOOTH, padding=2)
        found = leaky(F.conv2d(smooth, self.second.weights(), self.second.biases(), stride=2))
        return found if self.past is None else found + self.past(shrink(maps))


class Discriminator(nn.Module):
    """Images (b, c, h, w) to logits (b,). Colours enter as `how` says: at the first block alone, or shrunk at each."""

    def __init__(self, config: Config, how: Architecture) -> None:
        super().__init__()
        widths = [config.widths(side) for side in sides(config.resolution)[::-1]]
        self.seen = nn.ModuleList(
            EqualConv(config.channels, width, 1, LOUD) for width in (widths if how == "skip" else widths[:1])
        )
        self.blocks = nn.ModuleList(DownBlock(*pair, how == "residual") for pair in pairwise(widths))
        self.verdict = Verdict(widths[-1], widths[-1], config.classes)

    def forward(self, images: Tensor, labels: Tensor | None = None) -> Tensor:
        maps = leaky(self.seen[0](images))
        for block, seen in zip(self.blocks, [*self.seen[1:], *[None] * len(self.blocks)], strict=False):
            maps = block(maps)
            if seen is not None:
                images = shrink(images)
                maps = maps + leaky(seen(images))
        return self.verdict(maps, labels)


class StyleGAN2(Styled):
    shared_buffers = (*Styled.shared_buffers, "path_mean", "signs")
    config: Config
    path_mean: Tensor
    signs: Tensor
    strength: Tensor

    def __init__(self, config: Config) -> None:
        super().__init__(config)
        self.spare = (*self.spare, "path_mean", "signs", "strength")
        self.register_buffer("path_mean", torch.zeros(()))
        self.register_buffer("signs", torch.zeros(()))  # of logits for real images, since the controller last looked
        self.register_buffer("strength", torch.zeros(()))  # share of images that each augmentation changes

    def build(self) -> tuple[nn.Module, nn.Module]:
        config = self.config
        return (
            Generator(
                Mapping(config.latent, config.classes, config.mapping_layers),
                Synthesis(config, config.generator_network),
            ),
            Discriminator(config, config.discriminator_network),
        )

    def every(self, player: nn.Module) -> int:
        if player is self.discriminator:
            return super().every(player)
        return self.config.path_every if self.config.path_weight else 1

    def shown(self, images: Tensor) -> Tensor:
        return adaptively(images, self.strength) if self.config.ada else super().shown(images)

    def discriminate(self, real: Tensor, fake: Tensor, labels: Tensor | None) -> tuple[Tensor, Tensor, Tensor]:
        found = super().discriminate(real, fake, labels)
        if self.config.ada:
            self.signs += found[1].detach().sign().mean() / (LOOKED * self.config.discriminator_steps)
        return found

    def regularise(self, player: Player, batch: Batch, clock: Clock) -> Scalars:
        if player == "discriminator":
            return super().regularise(player, batch, clock)
        said = self._control(clock) if self.config.ada else {}
        if self.config.path_weight and (count := due(self.config, self.config.path_every, clock)):
            said["path"] = self._straighten(batch, count)
        return said

    def _straighten(self, batch: Batch, count: float) -> Tensor:
        """Path length regularisation (section 3.2), in fp32, as if it had been in the loss of `count` iterations."""
        labels = self.labels_of(batch)
        few = max(2, len(batch) // SHRUNK)
        with torch.autocast(batch.images.device.type, enabled=False):
            styles = self.mix(self.noise(few), None if labels is None else labels[:few])
            images = self.synthesised(self.generator, styles, self.new_noise(few))
            lengths = path_lengths(images, styles)
        self.path_mean.lerp_(lengths.detach().mean(), FORGETS)
        penalty = (lengths - self.path_mean).square().mean()
        descend(count * self.config.path_weight * penalty, self.optimizers["generator"])
        return lengths.detach().mean()

    def _control(self, clock: Clock) -> Scalars:
        """Every few iterations the strength goes a step up where the discriminator is too sure of real images, else
        down."""
        config = self.config
        said = {"strength": self.strength.clone()}
        images = LOOKED * config.batch_size * config.discriminator_steps
        if clock.crossed(images):
            step = torch.sign(self.signs - config.ada_target) * (images / config.ada_images)
            self.strength.add_(step).clamp_(0, 1)
            said["certainty"] = self.signs.clone()
            self.signs.zero_()
        return said
