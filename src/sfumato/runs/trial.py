"""How fast a run would train here: a few of its steps, of which nothing is kept."""

import time
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import torch

from ..data.batches import batches_for
from ..data.dataset import ImageData
from ..engine.clock import Clock
from ..engine.loop import Draw, ticks
from ..engine.runtime import Runtime
from ..engine.system import Stage, System
from .catalog import settled

SECONDS = 0.4  # that steps are watched, after the first
SEED = 0


def images_per_second(system: str, data: ImageData, fields: Mapping[str, Any], runtime: Runtime) -> tuple[int, float]:
    """The images that a run of `system` with these fields would draw, and how many a second it would draw here: of a
    run in stages, on average over them."""
    entry, config = settled(system, data, fields)
    torch.manual_seed(SEED)
    made = entry.build(config)
    made.begin()
    made.to(runtime.device, memory_format=made.layout(runtime))  # pyright: ignore[reportCallIssue]
    stages = made.stages()
    kinds = {replace(stage, images=0) for stage in stages}
    known: dict[Stage, float] = {}
    start, seconds = 0, 0.0
    for stage in stages:
        kind = replace(stage, images=0)
        if kind not in known:
            known[kind] = _speed(made, data, start, stage.images, SECONDS / len(kinds), runtime)
        start += stage.images
        seconds += stage.images / known[kind]
    return start, start / seconds


def _speed(system: System, data: ImageData, start: int, images: int, watched: float, runtime: Runtime) -> float:
    """Images a second in the stage of so many `images` after `start`."""

    def feed(stage: Stage) -> Draw[Any]:
        return batches_for(
            data, stage, SEED, system.image_range, device=runtime.device, memory_format=system.layout(runtime)
        ).at

    began, first, took = time.monotonic(), 0, 0.0
    for tick in ticks(system, feed, Clock(images=start, before=start), SEED, runtime):
        runtime.wait()
        now, drawn = time.monotonic(), tick.images - start
        if first and (now - began >= watched or drawn >= images):
            return (drawn - first) / (now - began)
        if not first:  # which pays for what is done once
            took, began, first = now - began, now, drawn
        if drawn >= images:
            break
    return first / took
