"""The training loop: a generator of ticks. Whoever consumes it logs, draws, saves and stops."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Generic, TypeVar

from ..seeds import derive
from .clock import Clock
from .runtime import Runtime, average_in_place, average_over_processes
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


def stage_at(stages: Sequence[Stage], images: int) -> tuple[int, int]:
    """The number of the stage that the image after `images` belongs to, and the count of images at which it begins;
    after the last stage, how many there are, and all of their images."""
    start = 0
    for number, stage in enumerate(stages):
        if images < start + stage.images:
            return number, start
        start += stage.images
    return len(stages), start


def ticks(
    system: System, feed: Callable[[Stage], Draw[BatchT]], clock: Clock, seed: int, runtime: Runtime
) -> Iterator[Tick]:
    """Runs `system` from `clock` to the end of its last stage and yields after each step.

    Before each step the global generator is seeded from (seed, process, images drawn): a resumed run draws the same
    noise as one that never stopped, and no generator state needs saving. Which scalars a step has may depend on the
    clock alone: all processes have the same.
    """
    stages = system.stages()
    while (at := stage_at(stages, clock.images))[0] < len(stages):
        number, start = at
        stage, end = stages[number], start + stages[number].images
        runtime.reseed(derive(seed, "stage", number))
        system.enter(stage, start, fresh=clock.stage != number)
        clock.stage = number
        batches = Feed(feed(stage), clock)
        while clock.images < end:
            clock.before = clock.images
            runtime.reseed(derive(seed, "step", runtime.process, clock.images))
            if not system.training:  # whoever consumed the last tick may have sampled
                system.train()
            with runtime.autocast():
                scalars = system.step(batches, clock)
            if runtime.processes > 1 and system.shared_buffers:
                average_in_place(list(system.buffers_like(system.shared_buffers).values()))
            means = {name: average_over_processes(value) for name, value in scalars.items()}
            yield Tick(means, clock.images, clock.images - clock.before)
