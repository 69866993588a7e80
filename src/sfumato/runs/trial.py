"""How fast a run would train here: a few of its steps, of which nothing is kept."""

import time
from collections.abc import Mapping
from typing import Any

import torch

from ..data.batches import batches_for
from ..data.dataset import ImageData
from ..engine.clock import Clock
from ..engine.loop import ticks
from ..engine.runtime import Runtime
from .catalog import settled

SECONDS = 0.4  # that steps are watched, after the first
SEED = 0


def images_per_second(system: str, data: ImageData, fields: Mapping[str, Any], runtime: Runtime) -> tuple[int, float]:
    """The images that a run of `system` with these fields would draw, and how many a second it would draw here."""
    entry, config = settled(system, data, fields)
    torch.manual_seed(SEED)
    made = entry.build(config)
    made.begin()
    made.to(runtime.device, memory_format=runtime.memory_format)  # pyright: ignore[reportCallIssue]
    total = sum(stage.images for stage in made.stages())
    began, first, took = time.monotonic(), 0, 0.0
    for tick in ticks(
        made,
        lambda stage: batches_for(data, stage, SEED, made.image_range, device=runtime.device,
                                  memory_format=runtime.memory_format).at,
        Clock(), SEED, runtime,
    ):  # fmt: skip
        runtime.wait()
        now = time.monotonic()
        if first and (now - began >= SECONDS or tick.images >= total):
            return total, (tick.images - first) / (now - began)
        if not first:  # which pays for what is done once
            took, began, first = now - began, now, tick.images
    return total, total / took
