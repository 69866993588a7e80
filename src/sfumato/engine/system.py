"""What a system owes the engine."""

from abc import ABC, abstractmethod
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import torch
from torch import Tensor, nn

from ..errors import SfumatoError
from .clock import Clock
from .plateau import Plateau

Scalars = dict[str, Tensor]


@dataclass(frozen=True)
class Stage:
    """A stretch of training, `images` real images long, and how its batches are made.

    `crop` cuts a random square of that side out of each image, `flip` mirrors half of them. `across`: a batch goes on
    into the next epoch, so that all are of one size.
    """

    images: int
    batch_size: int
    crop: int | None = None
    flip: bool = False
    across: bool = False


class System(nn.Module, ABC):
    """A trainable method from a paper: its networks, its optimisers and one iteration of its algorithm.

    A subclass builds its networks from `config` alone, fills `optimizers` (each one updates its own networks and
    nothing else) and, if it has any, `schedules`. `image_range` is the range of the images that `step` is fed
    and `sample` returns; `snapshots` are the shares of a run after which its weights are kept by name; `looks`, how
    often in a run a picture is made of what it can.
    """

    # Traits: what a system can do. Whoever needs to know asks these, and not for its class.
    draws: ClassVar[bool] = False  # images from nothing
    conditional: ClassVar[bool] = False  # can be asked for a class
    names_classes: ClassVar[bool] = False  # by the names that its data gives them
    grows: ClassVar[bool] = False  # its images become larger on the way
    image_range: ClassVar[tuple[float, float]] = (0.0, 1.0)
    snapshots: ClassVar[tuple[float, ...]] = ()
    looks: ClassVar[int] = 10
    config: Any

    def __init__(self) -> None:
        super().__init__()
        self.optimizers: dict[str, torch.optim.Optimizer] = {}
        self.schedules: dict[str, Plateau] = {}

    @property
    def glance_every(self) -> int:
        """Images between two cheap measurements on the way; 0: never."""
        return 0

    def begin(self) -> None:
        """Called once, before the first step of a new run: loads what was trained before. A resumed or opened run has
        it in its checkpoint."""

    @abstractmethod
    def stages(self) -> Sequence[Stage]:
        """The stretches of training, in order."""

    def enter(self, stage: Stage) -> None:
        """Called before the first step of a stage, and again when a run is resumed inside it."""

    @abstractmethod
    def step(self, batches: Iterator[Any], clock: Clock) -> Scalars:
        """One whole iteration as the paper's algorithm prints it. Pulls as many batches as it needs."""

    def sample(self, count: int, generator: torch.Generator | None = None) -> Tensor:
        """`count` images (count, c, h, w) in `image_range`, drawn from the model with `generator` (a CPU one).

        Raises SfumatoError if the system is not one that draws images from nothing.
        """
        raise SfumatoError(f"{type(self).__name__}: draws no images of its own: it has nothing to sample from")
