"""Translators stopped at any instant, and in two processes: pools of old images included."""

import os
from pathlib import Path
from typing import Any

import pytest
import torch
import torch.distributed as dist

from sfumato.data.batches import batches_for
from sfumato.data.dataset import ImageData, InMemory, Split
from sfumato.engine.checkpoint import load_checkpoint, save_checkpoint
from sfumato.engine.clock import Clock
from sfumato.engine.loop import ticks
from sfumato.engine.runtime import Runtime
from sfumato.translation import cyclegan, discogan, dualgan
from sfumato.translation.translator import Translator

STEPS = 20
SMALL: dict[str, Any] = {"resolution": 16, "width": 2, "batch_size": 4}
BUILD = {
    "cyclegan": lambda: cyclegan.CycleGAN(
        cyclegan.Config(**SMALL, images=4 * STEPS, blocks=1, patch=16, pool=10, identity=0.5, cycle_noise=1.0)
    ),
    "discogan": lambda: discogan.DiscoGAN(discogan.Config(**SMALL, images=4 * STEPS, constant=0.5)),
    "dualgan": lambda: dualgan.DualGAN(dualgan.Config(**SMALL, images=12 * STEPS, patch=16)),
}


def noise(seed: int, count: int) -> ImageData:
    images = torch.randint(256, (count, 3, 20, 20), dtype=torch.uint8, generator=torch.Generator().manual_seed(seed))
    split = Split(InMemory(images))
    second = noise(seed + 1, count + 7) if seed == 0 else None
    return ImageData("noise", split, split, (), "noise", second=second)


def build(name: str) -> Translator:
    torch.manual_seed(0)
    return BUILD[name]()


def train(system: Translator, clock: Clock, steps: int, runtime: Runtime) -> None:
    data = noise(0, 24)

    def feed(stage: Any) -> Any:
        cut = type(stage)(stage.images, stage.batch_size, crop=16, flip=stage.flip, across=True)
        return batches_for(data, cut, 0, system.image_range, runtime.process, runtime.processes).at

    running = ticks(system, feed, clock, 0, runtime)
    for _ in range(steps):
        next(running)


@pytest.mark.parametrize("name", BUILD)
def test_stopped_at_any_of_ten_instants_it_ends_with_the_same_bits(name: str, tmp_path: Path) -> None:
    """While the pools fill, and when they exchange."""
    runtime = Runtime(torch.device("cpu"), "fp32")
    whole = build(name)
    train(whole, Clock(), STEPS, runtime)
    wanted = whole.state_dict()
    for instant in torch.randperm(STEPS - 1, generator=torch.Generator().manual_seed(1))[:10].add(1).tolist():
        part, clock = build(name), Clock()
        train(part, clock, instant, runtime)
        save_checkpoint(tmp_path, part, clock, {})
        torch.manual_seed(99)
        resumed = build(name)
        clock, _ = load_checkpoint(tmp_path, resumed)
        train(resumed, clock, STEPS - instant, runtime)
        for key, value in resumed.state_dict().items():
            assert torch.equal(value, wanted[key]), f"{key}, stopped after {instant} steps"


def as_process(process: int, folder: str) -> None:
    """One of two: weights agree to the bit, pools are each one's own."""
    torch.set_num_threads(1)
    dist.init_process_group("gloo", init_method=f"file://{folder}/meet", rank=process, world_size=2)
    system = build("cyclegan")
    train(system, Clock(), 9, Runtime(torch.device("cpu"), "fp32", process, 2))
    for key, value in system.state_dict().items():
        both = [torch.empty_like(value) for _ in range(2)]
        dist.all_gather(both, value)
        assert torch.equal(both[0], both[1]) != key.startswith("pool_"), key
    dist.barrier()
    dist.destroy_process_group()
    os._exit(0)  # see tests/engine/test_growing.py


@pytest.mark.slow
def test_two_processes_have_one_network_and_two_pools(tmp_path: Path) -> None:
    torch.multiprocessing.spawn(as_process, (str(tmp_path),), nprocs=2)
