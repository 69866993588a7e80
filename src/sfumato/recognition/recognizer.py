"""What all recognition systems here share: a network that was trained before, new layers on it, and how both learn.

Images are (b, 3, h, w) in [0, 1], RGB. New layers learn at the full rate, those that were trained before at a share of
it (`transfer`), as in the fine-tuning of Girshick et al. 2014, https://arxiv.org/abs/1311.2524, section 2.3.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Annotated, ClassVar, Literal

import torch
from torch import Tensor, nn

from ..data.pictures import Fit
from ..data.sources import Target
from ..engine.annealing import anneal
from ..engine.clock import Clock
from ..engine.descend import descend
from ..engine.fields import Amount, Bounds, Count, Natural, Positive, ShareBelow1, check
from ..engine.system import Stage, System
from ..errors import SfumatoError

MAX_CLASSES = 1000
MAX_RESOLUTION = 2048
SMALLEST = 32  # pixels of a side that five halvings leave one of
CLIMB = 0.05  # of a run in which the rate climbs


@dataclass(frozen=True, kw_only=True)
class RecognitionConfig:
    """The fields that every recognition system has."""

    channels: ClassVar[int] = 3
    fit: ClassVar[Fit] = "square"  # how pictures become images
    target: ClassVar[Target] = "labels"  # what must be known of them
    classes: Annotated[int, Bounds(0, MAX_CLASSES)] = 0  # that are told apart; 0: as many as the data have
    pretrained: bool = True  # begin with weights that were trained before
    weights: str = ""  # a file with them; by default those of the package, or torchvision's, fetched once
    resolution: Annotated[int, Bounds(1, MAX_RESOLUTION)] = 128  # side of the images, in pixels
    optimizer: Literal["adamw", "sgd"] = "adamw"  # by which both parts learn
    momentum: ShareBelow1 = 0.9  # of SGD
    learning_rate: Positive = 1e-3  # of new layers, at its peak
    transfer: Amount = 0.1  # share of that rate for layers that were trained before
    weight_decay: Amount = 1e-4  # per step, times the rate
    annealed: bool = True  # let the rate climb for a twentieth of the run, then fall along a cosine
    batch_size: Count = 32  # images per step, over all processes
    flip: bool = True  # mirror half of the training images
    images: Count = 100_000  # training images drawn in the whole run
    follow: bool = False  # measure the test images after every epoch, to look at: nothing is chosen by them
    patience: Natural = 0  # end after so many epochs without a better measure on validation images; 0: never

    def __post_init__(self) -> None:
        check(self)
        if self.weights and not self.pretrained:
            raise SfumatoError(f"weights {self.weights!r}: given, but pretrained is off")


class Recognizer(System):
    """Subclasses build a network, call `learn` with its old and its new parameters, and give `step` a loss."""

    names_classes = True
    config: RecognitionConfig

    def learn(self, old: Iterable[nn.Parameter], new: Iterable[nn.Parameter]) -> None:
        """Makes the optimiser. Layers that begin with random weights are new, whatever they are."""
        transfer = self.config.transfer if self.config.pretrained else 1.0
        self.optimizers["network"] = self.optimizer((new, 1.0), (old, transfer))

    def optimizer(self, *parts: tuple[Iterable[nn.Parameter], float]) -> torch.optim.Optimizer:
        """An optimiser of some parameters, each part at its share of the rate."""
        config = self.config
        groups = [{"params": list(parameters), "factor": factor} for parameters, factor in parts]
        for group in groups:
            group["lr"] = group["factor"] * config.learning_rate
        common = {"lr": config.learning_rate, "weight_decay": config.weight_decay, "fused": True}
        if config.optimizer == "adamw":
            return torch.optim.AdamW(groups, **common)
        return torch.optim.SGD(groups, momentum=config.momentum, **common)

    @property
    def patience(self) -> int:
        return self.config.patience

    @property
    def follows(self) -> bool:
        return self.config.follow

    @property
    def least_batch(self) -> int:
        """Batch norm cannot take a single number of each channel, which is what five halvings leave of small images."""
        normed = any(type(layer) is nn.BatchNorm2d for layer in self.modules())
        return 2 if normed and self.trained_side <= SMALLEST else 1

    @property
    def trained_side(self) -> int:
        """Pixels of a side of what the network sees in training."""
        return self.config.resolution

    def stages(self) -> Sequence[Stage]:
        return [Stage(self.config.images, self.config.batch_size, flip=self.config.flip, across=True)]

    def improve(self, loss: Tensor, clock: Clock, by: str = "network") -> None:
        """One step of an optimiser, at the rate of this moment."""
        if self.config.annealed:
            total = self.config.images
            anneal(self.optimizers[by], self.config.learning_rate, clock.before, int(CLIMB * total), total)
        descend(loss, self.optimizers[by])
