"""Our side of a row: systems that are trained as `sfumato train` does it."""

from collections.abc import Callable
from dataclasses import replace
from itertools import repeat

from torch import Tensor

from sfumato.data.batches import Batch, Batches
from sfumato.data.dataset import InMemory, Split
from sfumato.engine.clock import Clock
from sfumato.engine.loop import ticks
from sfumato.engine.runtime import Runtime
from sfumato.engine.system import System


def epochs_of(system: System, images: Tensor, runtime: Runtime, seed: int = 0) -> Callable[[], None]:
    """A function that trains `system` for one epoch of `images` (n, c, h, w), bytes."""
    return steps_of(system, images, steps_in(system, images), runtime, seed=seed)


def steps_in(system: System, images: Tensor) -> int:
    """Steps of an epoch of `images`."""
    (stage,) = system.stages()
    return -(-len(images) // stage.batch_size)


def steps_of(
    system: System, images: Tensor, steps: int, runtime: Runtime, labels: Tensor | None = None, seed: int = 0
) -> Callable[[], None]:
    """A function that trains `system` for so many steps on `images` (n, c, h, w), bytes, and their labels (n,)."""
    system.to(runtime.device, memory_format=system.layout(runtime))  # pyright: ignore[reportCallIssue]
    (stage,) = system.stages()
    batches = Batches(
        Split(InMemory(images), labels), stage.batch_size, seed, system.image_range, stage.crop, stage.flip,
        stage.across, device=runtime.device, memory_format=system.layout(runtime),
    )  # fmt: skip
    running = ticks(system, lambda _: batches.at, Clock(), seed, runtime)

    def run() -> None:
        for _ in range(steps):
            next(running)

    return run


def step_on(system: System, batch: Batch | tuple[Batch, Batch], runtime: Runtime) -> Callable[[], None]:
    """A function that trains `system` for a step on the same batch, or pair of batches, each time."""
    system.to(runtime.device, memory_format=system.layout(runtime))  # pyright: ignore[reportCallIssue]
    parts = [
        replace(part, images=part.images.contiguous(memory_format=system.layout(runtime)))
        for part in ((batch,) if isinstance(batch, Batch) else batch)
    ]
    fed = repeat(parts[0] if isinstance(batch, Batch) else tuple(parts))
    clock = Clock()

    def step() -> None:
        clock.before = clock.images
        clock.advance(len(parts[0]))
        with runtime.autocast():
            system.step(fed, clock)

    return step
