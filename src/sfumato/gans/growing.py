"""What systems share whose networks grow: the stages, the fading, the batches.

A run begins with images of `smallest` pixels a side. Then for every doubling there are two stages of `growth` images:
one in which the new blocks of both players are faded in, and real images with them, and one in which they have settled;
the last resolution has what is left of the run (Karras et al. 2018, https://arxiv.org/abs/1710.10196, section 3).
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Annotated, ClassVar

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from ..data.batches import Batch
from ..engine.clock import Clock
from ..engine.descend import reset
from ..engine.fields import Bounds, Count, Units
from ..engine.system import Scalars, Stage
from ..errors import SfumatoError
from ..nets.growing import SMALLEST, faded, sides
from .game import Adversarial, AdversarialConfig

MAX_BASE = 2**20


@dataclass(frozen=True, kw_only=True)
class PyramidConfig(AdversarialConfig):
    """The widths of networks that halve or double from block to block."""

    base: Annotated[int, Bounds(16, MAX_BASE)] = 16_384  # maps of a layer are this over the side of its images,
    widest: Units = 512  # but this many at most
    classes: Annotated[int, Bounds(0, 1000)] = 0  # of the images, told to both players; 0: none

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.resolution < 16 or self.resolution & (self.resolution - 1):
            raise SfumatoError(f"resolution {self.resolution}: must be 16, 32, 64, ...")
        if self.base < self.resolution:
            raise SfumatoError(f"base {self.base}: leaves no map at {self.resolution} pixels: it must be at least that")

    def widths(self, side: int) -> int:
        """Maps of a layer at images of that side."""
        return min(self.base // side, self.widest)


@dataclass(frozen=True, kw_only=True)
class GrowingConfig(PyramidConfig):
    """The fields of systems that grow."""

    smallest: ClassVar[int] = SMALLEST  # side of the first images
    grown: bool = True  # begin with small images and networks; else all is there from the start
    growth: Count = 600_000  # real images in which a side is faded in, and as many until the next begins
    batch_sizes: Annotated[
        tuple[int, ...], Bounds(2, empty=True)
    ] = ()  # for each side from the first on; else batch_size

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.batch_sizes and len(self.batch_sizes) != len(self.sides):
            shown = ", ".join(map(str, self.sides))
            raise SfumatoError(
                f"batch_sizes {' '.join(map(str, self.batch_sizes))}: must be {len(self.sides)}, for sides {shown}"
            )
        if self.images <= (spent := self.growth * (2 * len(self.sides) - 2)):
            raise SfumatoError(
                f"images {self.images}: growing to {self.resolution} pixels takes {spent:,} (--growth {self.growth}), "
                "and some must be left"
            )

    @property
    def sides(self) -> list[int]:
        """Of the images, from the first on."""
        return [side for side in sides(self.resolution) if side >= (self.smallest if self.grown else self.resolution)]


class Growing(Adversarial):
    """Subclasses build players that are told `share` by keyword, and the generator also the `side` of its images."""

    grows = True
    config: GrowingConfig
    grown: Tensor

    def __init__(self, config: GrowingConfig) -> None:
        super().__init__(config)
        self.register_buffer("grown", torch.tensor([config.sides[0], 1.0]))
        self.side, self.share, self.fading = config.sides[0], 1.0, None
        self.register_load_state_dict_post_hook(_take_up)

    def stages(self) -> Sequence[Stage]:
        config = self.config
        batches = config.batch_sizes or (config.batch_size,) * len(config.sides)
        lengths = [config.growth] * (2 * len(config.sides) - 2)
        lengths.append(config.images - sum(lengths))
        levels = [(number + 1) // 2 for number in range(len(lengths))]
        return [
            Stage(length, batches[level], flip=config.flip, across=True, resolution=config.sides[level])
            for length, level in zip(lengths, levels, strict=True)
        ]

    def enter(self, stage: Stage, start: int, fresh: bool) -> None:
        self.side = stage.resolution or self.config.resolution
        number = start // self.config.growth
        self.fading = start if number % 2 else None
        # An average over what the last growth has changed would be of no network that there ever was.
        self.since = max(0, number - 1 + number % 2) * self.config.growth
        if self.fading is not None and fresh:  # moments of the smaller network say nothing of the larger one
            for optimizer in self.optimizers.values():
                reset(optimizer)

    def step(self, batches: Iterator[Batch], clock: Clock) -> Scalars:
        self.share = 1.0 if self.fading is None else (clock.before - self.fading) / self.config.growth
        self.grown[0].fill_(self.side)
        self.grown[1].fill_(self.share)
        return super().step(batches, clock)

    def tell(self, network: nn.Module, values: Tensor, labels: Tensor | None) -> Tensor:
        if network is self.discriminator:
            return network(values, labels, share=self.share)
        return network(values, labels, side=self.side, share=self.share)

    def real(self, images: Tensor) -> Tensor:
        return faded(images, self.share)

    def make(self, latents: Tensor, labels: Tensor | None = None) -> Tensor:
        """As large as the run's images; smaller ones, of a run that still grows, have each pixel repeated."""
        return F.interpolate(super().make(latents, labels), size=(self.config.resolution,) * 2)


def _take_up(system: nn.Module, keys: object) -> None:
    """A run that was opened is as far grown as its weights."""
    assert isinstance(system, Growing)
    system.side, system.share = int(system.grown[0]), float(system.grown[1])
