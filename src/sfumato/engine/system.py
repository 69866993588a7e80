"""What a system owes the engine."""

from abc import ABC, abstractmethod
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import Any, ClassVar

import torch
from torch import Tensor, nn

from ..errors import SfumatoError
from .clock import Clock
from .eager import do_without_compiler
from .plateau import Plateau
from .portable import Portable
from .runtime import Runtime

Scalars = dict[str, Tensor]
do_without_compiler()


@dataclass(frozen=True)
class Stage:
    """A stretch of training, `images` real images long, and how its batches are made.

    `resolution`: the side that the images are brought to first, None as they are. `crop` cuts a random square of that
    side, or rectangle of that height and width, out of each image, `flip` mirrors half of them. `across`: a batch goes
    on into the next epoch, so that all are of one size.
    """

    images: int
    batch_size: int
    crop: int | tuple[int, int] | None = None
    flip: bool = False
    across: bool = False
    resolution: int | None = None


@dataclass(frozen=True)
class Wishes:
    """What is asked of images that are drawn: `label`, the class of all of them, from 0; None, each class in turn."""

    label: int | None = None


class System(nn.Module, ABC):
    """A trainable method from a paper: its networks, its optimisers and one iteration of its algorithm.

    A subclass builds its networks from `config` alone, all that will ever be in play, fills `optimizers` (each one
    updates its own networks and nothing else) and, if it has any, `schedules`. What is switched on the way is a buffer.

    A run of several processes keeps the buffers of process 0, but for those of which patterns name them (as in
    `fnmatch`): `local_buffers`, of which each process has its own, kept and given back to it; `shared_buffers`, running
    means of floating-point numbers, which the loop averages over the processes after every step.
    """

    # Traits: what a system can do. Whoever needs to know asks these, and not for its class.
    draws: ClassVar[bool] = False  # whether `sample` makes images from nothing
    encodes: ClassVar[bool] = False  # whether it turns images into codes, and codes into images
    restyles: ClassVar[bool] = False  # whether it gives a picture the style of another
    conditional: bool = (
        False  # whether it learns from labels, and can be asked for images of a class; its config may say
    )
    styled: ClassVar[bool] = False  # whether it draws by styles, which can be mixed, moved along and truncated
    names_classes: ClassVar[bool] = False  # whether it tells apart the classes of its data, by their names
    translates: ClassVar[bool] = False  # whether it turns pictures of one side of its data into pictures of the other
    grows: ClassVar[bool] = False  # whether its stages differ in resolution
    image_range: ClassVar[tuple[float, float]] = (0.0, 1.0)  # of the images that `step` is fed and `sample` returns
    snapshots: ClassVar[tuple[float, ...]] = ()  # shares of a run after which the weights are kept by name
    chosen_by: ClassVar[str] = ""  # the measure on validation images by which the best weights are kept; more is better
    looks: ClassVar[int] = 10  # how often in a run a picture is made of what it can
    local_buffers: ClassVar[tuple[str, ...]] = ()
    shared_buffers: ClassVar[tuple[str, ...]] = ()
    spare: Sequence[str] = ()  # patterns of the weights that only training needs
    config: Any

    def __init__(self) -> None:
        super().__init__()
        self.optimizers: dict[str, torch.optim.Optimizer] = {}
        self.schedules: dict[str, Plateau] = {}
        self.fitted: dict[str, float] = {}  # numbers that are fitted after training, and kept with the best weights

    @classmethod
    def refuse(cls, config: Any) -> None:
        """Raises SfumatoError for a Config that no new run may have. One that was begun before goes on with it."""

    def begin(self) -> None:
        """Called once, before the first step of a new run: loads what was trained before. A resumed or opened run has
        it in its checkpoint."""

    def layout(self, runtime: Runtime) -> torch.memory_format:
        """How its weights, and the images that `step` is fed, lie in memory."""
        return runtime.memory_format

    @abstractmethod
    def stages(self) -> Sequence[Stage]:
        """The stretches of training, in order."""

    @property
    def glance_every(self) -> int:
        """Images between two cheap measurements on the way; 0: never."""
        return 0

    @property
    def glances_asked(self) -> bool:
        """Whether somebody wants all of these measurements, whatever time they take."""
        return False

    @property
    def follows(self) -> bool:
        """Whether somebody wants measures on the way after every epoch."""
        return False

    @property
    def patience(self) -> int:
        """Epochs without better weights after which training ends; 0: none are too many."""
        return 0

    @property
    def least_batch(self) -> int:
        """Images that each process must have of a batch."""
        return 1

    def enter(self, stage: Stage, start: int, fresh: bool) -> None:
        """Called before the first step of a stage, which begins after `start` images; and again, no longer `fresh`,
        when a run is resumed inside it. The global generators are seeded, alike in all processes."""

    @abstractmethod
    def step(self, batches: Iterator[Any], clock: Clock) -> Scalars:
        """One whole iteration as the paper's algorithm prints it. Pulls as many batches as it needs."""

    def sample(self, count: int, wishes: Wishes | None = None, generator: torch.Generator | None = None) -> Tensor:
        """`count` images (count, c, h, w) in `image_range`, drawn from the model with `generator` (a CPU one).

        Raises SfumatoError if the system is not one that draws images from nothing, or for a wish that it cannot grant.
        """
        raise SfumatoError(f"{type(self).__name__}: draws no images of its own: it has nothing to sample from")

    def latents(self, count: int, generator: torch.Generator | None = None) -> Tensor:
        """What `make` makes `count` images of, drawn as `sample` draws it.

        Raises SfumatoError if the system is not one that draws images from nothing."""
        raise SfumatoError(f"{type(self).__name__}: draws no images of its own: it has nothing to sample from")

    def make(self, latents: Tensor, labels: Tensor | None = None) -> Tensor:
        """The images (n, c, h, w) in `image_range` of `latents`, noise or codes of n images; of a conditional system
        under `labels` (n,), by default each class in turn.

        Raises SfumatoError if the system makes no images of such."""
        raise SfumatoError(f"{type(self).__name__}: draws no images of its own: it has nothing to make them from")

    def portable(self) -> Sequence[Portable]:
        """The parts of it that other programs can compute: images in [0, 1] in and out. None by default."""
        return ()

    def label_of(self, wishes: Wishes | None) -> int | None:
        """The class that is asked for. Raises SfumatoError if the system cannot be asked for one."""
        label = wishes.label if wishes else None
        if label is not None and not self.conditional:
            raise SfumatoError(f"label {label}: {type(self).__name__} cannot be asked for a class")
        return label

    def buffers_like(self, patterns: Sequence[str]) -> dict[str, Tensor]:
        """The buffers that a checkpoint keeps and one of `patterns` names, by their names."""
        kept = self.state_dict(keep_vars=True)
        return {
            name: buffer
            for name, buffer in self.named_buffers(remove_duplicate=False)
            if name in kept and any(fnmatchcase(name, pattern) for pattern in patterns)
        }
