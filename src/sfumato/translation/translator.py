"""What translators share: two generators, one for each direction, and two discriminators, one for each side.

Images are (b, c, h, w) in [-1, 1]; sides are called a and b: `to_b` makes images of side B from images of side A. A
step is fed pairs of batches, one of each side, that have nothing to do with one another.
"""

from abc import abstractmethod
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Annotated, Literal, cast, get_args

import torch
from torch import Tensor, nn

from ..data.pictures import Fit
from ..engine.annealing import set_rate
from ..engine.clock import Clock
from ..engine.ema import Average
from ..engine.fields import MAX_UNITS, Bounds, Count, Natural, Positive, Share, check
from ..engine.portable import Portable
from ..engine.system import Stage, System
from ..errors import SfumatoError
from ..nets.players import WIDEST

Side = Literal["a", "b"]
SIDES: tuple[Side, ...] = get_args(Side)
OTHER: dict[Side, Side] = {"a": "b", "b": "a"}
Both = dict[Side, Tensor]  # images by the side that they are of, or come from
Parameters = list[nn.Parameter]
MAX_RESOLUTION = 1024
GLANCES = 10  # measurements on the way


@dataclass(frozen=True, kw_only=True)
class TranslationConfig:
    """The fields that every translator has."""

    resolution: Annotated[int, Bounds(16, MAX_RESOLUTION)] = 256  # side of the square images, in pixels
    channels: Literal[1, 3] = 3  # 1 for grey, 3 for RGB
    fit: Fit = "square"  # how pictures get there: whole, squashed to a square, or cut to one
    enlarged: Annotated[float, Bounds(1, 2)] = 1.12  # training images are read larger by this, and cut at random
    flip: bool = True  # mirror half of the training images
    paired: bool = False  # the data are pairs: what is right is known, and measured; training is not told
    width: Annotated[int, Bounds(1, MAX_UNITS // WIDEST)] = 64  # maps next to the images
    learning_rate: Positive = 2e-4  # of all networks
    constant: Share = 0.5  # of the run with that rate, which then falls to 0 in a straight line
    half_life: Natural = 0  # images after which half of the averaged generators is forgotten; 0: no averages
    batch_size: Count = 1  # images of each side per step, over all processes
    images: Count = 200_000  # images of side A drawn in the whole run
    measure_every: Natural = 0  # images between two measurements on the way; 0: a tenth of the run

    def __post_init__(self) -> None:
        check(self)
        if self.fit == "short":
            raise SfumatoError("fit short: these networks are trained on squares: it must be square or squash")

    @property
    def read_at(self) -> int:
        """Side of the pictures that training images are cut from."""
        return round(self.enlarged * self.resolution)


@dataclass(frozen=True)
class Parts:
    """A generator cut in three: `down` and `up` change the side of the maps, by `stride` in all; what they make of a
    pixel depends on others `margin` pixels away at most, and through norms on all."""

    down: nn.Sequential
    middle: nn.Sequential
    up: nn.Sequential
    stride: int
    margin: int


class Translator(System):
    """Subclasses build a generator and a discriminator of their paper, and play by its rules."""

    translates = True
    image_range = (-1.0, 1.0)
    looks = 40
    config: TranslationConfig

    def __init__(self, config: TranslationConfig) -> None:
        super().__init__()
        self.config = config
        self.to_a, self.to_b = self.generator(), self.generator()
        self.critic_a, self.critic_b = self.critic(), self.critic()
        self.average_a, self.average_b = (
            Average(network, config.half_life) if config.half_life else None for network in (self.to_a, self.to_b)
        )
        self.spare = ("critic_?.*", "pool_?", "given_?", *(("to_?.*",) if config.half_life else ()))
        self.optimizers["generators"] = self.optimizer([*self.to_a.parameters(), *self.to_b.parameters()])
        for side in SIDES:
            self.optimizers[f"critic_{side}"] = self.optimizer([*self.critic_of(side).parameters()])

    @abstractmethod
    def generator(self) -> nn.Module:
        """A new one: images of one side to images of the other."""

    @abstractmethod
    def critic(self) -> nn.Module:
        """A new one: images to logits."""

    @abstractmethod
    def optimizer(self, parameters: Parameters) -> torch.optim.Optimizer:
        """A new one for `parameters`."""

    def generator_to(self, side: Side) -> nn.Module:
        return self.to_a if side == "a" else self.to_b

    def critic_of(self, side: Side) -> nn.Module:
        return self.critic_a if side == "a" else self.critic_b

    def maker_of(self, side: Side) -> nn.Module:
        """The network that pictures of a side are made with: the averaged generator if there is one."""
        average = self.average_a if side == "a" else self.average_b
        return self.generator_to(side) if average is None else cast(nn.Module, average.network)

    def follow(self, clock: Clock) -> None:
        """Moves the averages after an update of the generators."""
        for side in SIDES:
            average = self.average_a if side == "a" else self.average_b
            if average is not None:
                average.follow(self.generator_to(side), clock.images - clock.before, clock.images)

    def parts_to(self, side: Side) -> Parts | None:
        """Of a generator for images of any size, its parts; None of one for those of `resolution` alone."""
        return None

    @property
    def glance_every(self) -> int:
        return self.config.measure_every or max(1, self.config.images // GLANCES)

    @property
    def glances_asked(self) -> bool:
        return bool(self.config.measure_every)

    def stages(self) -> Sequence[Stage]:
        config = self.config
        crop = config.resolution if config.read_at > config.resolution else None
        return [Stage(config.images, config.batch_size, crop=crop, flip=config.flip, across=True)]

    def set_rates(self, clock: Clock) -> None:
        """Constant, then falling in a straight line to 0 at the end of the run."""
        config = self.config
        start = config.constant * config.images
        left = (config.images - clock.before) / max(1.0, config.images - start)
        for optimizer in self.optimizers.values():
            set_rate(optimizer, config.learning_rate * min(1.0, left))

    def portable(self) -> Sequence[Portable]:
        channels, side = self.config.channels, self.config.resolution
        images = torch.rand(2, channels, side, side)
        return [
            Portable(
                f"to-{to}", _through(self.maker_of(to)), (self.maker_of(to),), {other: images}, (to,),
                {other: f"(n, {channels}, h, w) of side {other} in [0, 1]", to: f"the same, of side {to}"},
                {other: parts.stride} if (parts := self.parts_to(to)) else {},
            )
            for other, to in zip(SIDES, reversed(SIDES), strict=True)
        ]  # fmt: skip

    @torch.no_grad()
    def translate(self, images: Tensor, to: Side) -> Tensor:
        """Images (n, c, h, w) in [-1, 1] of the other side as ones of side `to`, of the same shape."""
        return self.maker_of(to)(images.to(next(self.parameters()).device)).float()


def _through(maker: nn.Module) -> Callable[[Tensor], Tensor]:
    """Images in [0, 1] to images in [0, 1]."""
    return lambda images: (maker(images * 2 - 1).clamp(-1, 1) + 1) / 2
