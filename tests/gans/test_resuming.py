"""StyleGANs stopped at any instant, and in two processes: inside a fade, between lazy steps, the same bits."""

import os
from pathlib import Path
from typing import Any

import pytest
import torch
import torch.distributed as dist
from torch import Tensor

from sfumato.data.batches import batches_for
from sfumato.data.dataset import ImageData, InMemory, Split
from sfumato.engine.checkpoint import load_checkpoint, save_checkpoint
from sfumato.engine.clock import Clock
from sfumato.engine.loop import ticks
from sfumato.engine.runtime import Runtime
from sfumato.gans import progan, stylegan, stylegan2
from sfumato.gans.game import Adversarial
from sfumato.nets.styles import KEPT

SMALL: dict[str, Any] = {"resolution": 16, "base": 128, "widest": 16, "latent": 8, "batch_size": 4, "half_life": 20}
STEPS = 20
GROWN: dict[str, Any] = {"batch_sizes": (), "growth": 20, "images": 4 * (STEPS + 5)}
LAZY: dict[str, Any] = {"r1_every": 4, "mapping_layers": 2}
BUILD = {
    "progan": lambda: progan.ProGAN(progan.Config(**SMALL, **GROWN)),
    "stylegan": lambda: stylegan.StyleGAN(stylegan.Config(**SMALL, **LAZY, **{**GROWN, "growth": 25})),
    "stylegan2": lambda: stylegan2.StyleGAN2(
        stylegan2.Config(**SMALL, **LAZY, images=4 * STEPS, path_every=3, ada=True, ada_images=100)
    ),
}


def data() -> ImageData:
    images = torch.randint(256, (24, 3, 16, 16), dtype=torch.uint8, generator=torch.Generator().manual_seed(0))
    split = Split(InMemory(images))
    return ImageData("noise", split, split, (), "noise")


def build(name: str) -> Adversarial:
    torch.manual_seed(0)
    return BUILD[name]()


def train(system: Adversarial, clock: Clock, steps: int, runtime: Runtime) -> None:
    images = data()

    def feed(stage: Any) -> Any:
        return batches_for(images, stage, 0, system.image_range, runtime.process, runtime.processes).at

    running = ticks(system, feed, clock, 0, runtime)
    for _ in range(steps):
        next(running)


def state(system: Adversarial) -> dict[str, Tensor]:
    return {name: value.clone() for name, value in system.state_dict().items()}


@pytest.mark.parametrize("name", BUILD)
def test_stopped_at_any_of_ten_instants_it_ends_with_the_same_bits(name: str, tmp_path: Path) -> None:
    """Before growth, inside a fade and behind it; between two of what is done now and then, and at them."""
    runtime = Runtime(torch.device("cpu"), "fp32")
    whole = build(name)
    train(whole, Clock(), STEPS, runtime)
    wanted = state(whole)
    for instant in torch.randperm(STEPS - 1, generator=torch.Generator().manual_seed(1))[:10].add(1).tolist():
        part, clock = build(name), Clock()
        train(part, clock, instant, runtime)
        save_checkpoint(tmp_path, part, clock, {})
        torch.manual_seed(99)
        resumed = build(name)
        clock, _ = load_checkpoint(tmp_path, resumed)
        train(resumed, clock, STEPS - instant, runtime)
        for key, value in state(resumed).items():
            assert torch.equal(value, wanted[key]), f"{key}, stopped after {instant} steps"


def as_process(process: int, folder: str) -> None:
    """One of two processes: each has half of every batch, and the running values that are shared agree to the bit."""
    torch.set_num_threads(1)
    dist.init_process_group("gloo", init_method=f"file://{folder}/meet", rank=process, world_size=2)
    for name in ("stylegan", "stylegan2"):
        system = build(name)
        train(system, Clock(), 13, Runtime(torch.device("cpu"), "fp32", process, 2))
        for key, value in state(system).items():
            both = [torch.empty_like(value) for _ in range(2)]
            dist.all_gather(both, value)
            assert torch.equal(both[0], both[1]), f"{name}: {key}"
        if name == "stylegan2":
            mean, path, strength = map(system.get_buffer, ("generator.mapping.mean", "path_mean", "strength"))
            assert float(mean.abs().max()) > 0
            assert float(path) > 0 <= float(strength)
    dist.barrier()
    dist.destroy_process_group()
    os._exit(0)  # see tests/engine/test_growing.py


@pytest.mark.slow
def test_two_processes_agree_on_all_that_they_share(tmp_path: Path) -> None:
    torch.multiprocessing.spawn(as_process, (str(tmp_path),), nprocs=2)


def test_the_mean_of_w_is_the_same_by_halves_of_a_batch() -> None:
    """It is linear in the means of w: the average over two processes that have half of a batch each is that of one."""
    torch.manual_seed(0)
    w, before = torch.randn(8, 4), torch.randn(4)
    one = torch.lerp(before, w.mean(0), 1 - KEPT)
    two = sum(torch.lerp(before, half.mean(0), 1 - KEPT) for half in w.chunk(2)) / 2
    torch.testing.assert_close(one, two)
