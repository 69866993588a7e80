"""The reference's schedule: divide the learning rate when the training loss of an epoch stops falling."""

import torch
from torch import Tensor
from torch.optim.lr_scheduler import ReduceLROnPlateau

from .runtime import average_over_processes
from .state import PlateauState


class Plateau:
    """torch's ReduceLROnPlateau, fed with the mean training loss of each epoch and resumable inside one.

    The running sum, the same in all processes, stays on the device; it is read once, at the end of an epoch.
    """

    def __init__(self, optimizer: torch.optim.Optimizer, factor: float, patience: int) -> None:
        self.schedule = ReduceLROnPlateau(optimizer, factor=factor, patience=patience)
        self.total: Tensor | float = 0.0
        self.count = 0

    def follow(self, loss: Tensor, count: int, ends_epoch: bool) -> None:
        """Adds the mean `loss` of `count` images; at the end of an epoch, lets the schedule decide."""
        self.total = self.total + average_over_processes(loss.detach()) * count
        self.count += count
        if ends_epoch:
            self.schedule.step(float(self.total) / self.count)
            self.total, self.count = 0.0, 0

    def state(self) -> PlateauState:
        schedule = self.schedule
        best = None if schedule.best == float("inf") else float(schedule.best)
        return PlateauState(best, schedule.num_bad_epochs, schedule.last_epoch, float(self.total), self.count)

    def load(self, state: PlateauState) -> None:
        self.schedule.best = float("inf") if state.best is None else state.best
        self.schedule.num_bad_epochs = state.num_bad_epochs
        self.schedule.last_epoch = state.last_epoch
        # The sum was a float32 on the device; a Python float carries it exactly and joins the next loss in float32.
        self.total = state.total
        self.count = state.count
