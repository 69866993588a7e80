"""The training loop: a generator of ticks. Whoever consumes it logs, draws, saves and stops."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Generic, TypeVar

from ..seeds import derive
from .clock import Clock
from .runtime import Runtime, average_over_processes
from .system import Scalars, Stage, System

BatchT = TypeVar("BatchT")
Draw = Callable[[int], tuple[BatchT, int]]


@dataclass(frozen=True)
class Tick:
    """What one step left behind. `scalars` are tensors, still on the device, averaged over processes; `images` were
    drawn so far, `drawn` of them in this step."""

    scalars: Scalars
    images: int
    drawn: int


class Feed(Iterator[BatchT], Generic[BatchT]):
    """Pulls batches by the clock: `draw(images)` returns the batch at that time and how many images it takes."""

    def __init__(self, draw: Draw[BatchT], clock: Clock) -> None:
        self.draw = draw
        self.clock = clock

    def __next__(self) -> BatchT:
        batch, count = self.draw(self.clock.images)
        self.clock.advance(count)
        return batch


def stage_at(system: System, images: int) -> tuple[Stage, int] | None:
    """The stage that the image after `images` belongs to, and the count at which it ends; None after the last."""
    end = 0
    for stage in system.stages():
        end += stage.images
        if images < end:
            return stage, end
    return None


def ticks(
    system: System, feed: Callable[[Stage], Draw[BatchT]], clock: Clock, seed: int, runtime: Runtime
) -> Iterator[Tick]:
    """Runs `system` from `clock` to the end of its last stage and yields after each step.

    Before each step the global generator is seeded from (seed, process, images drawn): a resumed run draws the same
    noise as one that never stopped, and no generator state needs saving.
    """
    while (at := stage_at(system, clock.images)) is not None:
        stage, end = at
        system.enter(stage)
        batches = Feed(feed(stage), clock)
        while clock.images < end:
            clock.before = clock.images
            runtime.reseed(derive(seed, "step", runtime.process, clock.images))
            if not system.training:  # whoever consumed the last tick may have sampled
                system.train()
            with runtime.autocast():
                scalars = system.step(batches, clock)
            means = {name: average_over_processes(value) for name, value in scalars.items()}
            yield Tick(means, clock.images, clock.images - clock.before)
