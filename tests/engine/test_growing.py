"""A made-up system that grows from 4 to 8 to 16 pixels: stopped anywhere and resumed, it ends with the same bits.

It has all that is hard to resume: blocks that are not yet in play, fades, an optimiser that is reset at each growth, a
penalty at every 16th step, another batch size at the end, a pool that each process has for itself and a running mean
that all of them share.
"""

import os
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
import torch.distributed as dist
from torch import Tensor, nn
from torch.nn import functional as F

from sfumato.data.batches import Batch, batches_for, check_cuts
from sfumato.data.dataset import ImageData, InMemory, Split
from sfumato.engine.annealing import set_rate
from sfumato.engine.checkpoint import load_checkpoint, save_checkpoint
from sfumato.engine.clock import Clock
from sfumato.engine.descend import descend, reset
from sfumato.engine.loop import ticks
from sfumato.engine.runtime import Runtime, average_gradients
from sfumato.engine.state import read_state
from sfumato.engine.system import Scalars, Stage, System
from sfumato.errors import SfumatoError
from sfumato.ops.objectives import discriminator_loss, gradient_at_real
from sfumato.runs.log import LogState, Meter
from sfumato.strict import convert

SIDES = (4, 8, 16)
FIRST, FADE, STABLE, LATE_FADE, LAST = (
    Stage(38, 4, across=True, resolution=4),  # its last step goes beyond it
    Stage(50, 4, across=True, resolution=8, flip=True),
    Stage(24, 4, across=True, resolution=8),
    Stage(40, 2, across=True, resolution=16),
    Stage(20, 2, across=True, resolution=16),
)
STAGES = (FIRST, FADE, STABLE, LATE_FADE, LAST)
STEPS = 10 + 12 + 6 + 20 + 10
EVERY = 16
RATE = 1e-2
INSTANTS = {
    "before the first step": 0,
    "after the first step": 1,
    "before the last step of a stage": 9,
    "after the last step of a stage, before a reset": 10,
    "after the first step of a stage, after a reset": 11,
    "before a lazy term": 16,
    "after a lazy term": 17,
    "at the end of a fade": 22,
    "between stages of one side": 28,
    "inside a fade, between lazy terms": 39,
    "at the end": STEPS,
}


class Growing(System):
    """A critic of random pictures, blocks from the coarsest on, that reads them at the level in play."""

    image_range = (-1.0, 1.0)
    grows = True
    local_buffers = ("pool",)
    shared_buffers = ("mean_*",)
    alpha: Tensor
    level: Tensor
    steps: Tensor
    pool: Tensor
    mean_logit: Tensor

    def __init__(self) -> None:
        super().__init__()
        self.read = nn.ModuleList([nn.Conv2d(1, 4, 1) for _ in SIDES])
        self.blocks = nn.ModuleList([nn.Conv2d(4, 4, 3, padding=1) for _ in SIDES])
        self.last = nn.Linear(4 * 4 * 4, 1)
        self.register_buffer("alpha", torch.ones(()))
        self.register_buffer("level", torch.zeros((), dtype=torch.int64))
        self.register_buffer("steps", torch.zeros((), dtype=torch.int64))
        self.register_buffer("pool", torch.zeros(4, 1, 16, 16))
        self.register_buffer("mean_logit", torch.zeros(()))
        blocks = [*self.read.parameters(), *self.blocks.parameters()]
        groups = [{"params": self.last.parameters(), "factor": 0.1}, {"params": blocks}]
        self.optimizers["critic"] = torch.optim.Adam(groups, lr=RATE, betas=(0.0, 0.99), fused=True)
        self.entered: list[tuple[Stage, int, bool]] = []
        self.start = 0

    def stages(self) -> Sequence[Stage]:
        return STAGES

    def enter(self, stage: Stage, start: int, fresh: bool) -> None:
        self.entered.append((stage, start, fresh))
        self.start, self.stage = start, stage
        assert stage.resolution is not None
        grown = SIDES.index(stage.resolution)
        if fresh and stage in (FADE, LATE_FADE):
            reset(self.optimizers["critic"])
            nn.init.normal_(self.blocks[grown].weight, 0.0, 0.1)  # pyright: ignore[reportArgumentType]
        self.level.fill_(grown)

    def forward(self, images: Tensor) -> Tensor:
        level = int(self.level)
        maps = self.read[level](images)
        for below in range(level, 0, -1):
            maps = F.avg_pool2d(F.leaky_relu(self.blocks[below](maps)), 2)
            if below == level and self.alpha < 1:
                maps = torch.lerp(self.read[below - 1](F.avg_pool2d(images, 2)), maps, self.alpha)
        return self.last(F.leaky_relu(self.blocks[0](maps)).flatten(1))[:, 0]

    def step(self, batches: Iterator[Batch], clock: Clock) -> Scalars:
        fades = self.stage in (FADE, LATE_FADE)
        self.alpha.fill_((clock.before - self.start) / self.stage.images if fades else 1.0)
        set_rate(self.optimizers["critic"], RATE * (1 - clock.before / 400))
        images = next(batches).images
        side = images.shape[-1]
        made = torch.cat([torch.randn_like(images), F.adaptive_avg_pool2d(self.pool, side)])
        real = self(images)
        loss = discriminator_loss("non_saturating", real, self(made))
        scalars = {"loss": loss.detach()}
        if self.steps % EVERY == 0:
            penalty = EVERY * gradient_at_real(self, images)
            scalars["penalty"] = penalty.detach()
            loss = loss + penalty
        descend(loss, self.optimizers["critic"])
        self.steps += 1
        self.pool[torch.randint(len(self.pool), ())] = F.interpolate(images[:1], (16, 16))[0]
        self.mean_logit.lerp_(real.detach().mean(), 0.1)
        return scalars


def pictures() -> ImageData:
    images = torch.randint(256, (14, 1, 16, 16), dtype=torch.uint8, generator=torch.Generator().manual_seed(1))
    return ImageData("noise", Split(InMemory(images)), Split(InMemory(images)), (), "")


def run(system: System, data: ImageData, clock: Clock, runtime: Runtime, steps: int, meter: Meter) -> list[Scalars]:
    """That many steps, or as many as there are."""

    def feed(stage: Stage) -> Any:
        return batches_for(data, stage, 5, system.image_range, runtime.process, runtime.processes).at

    scalars = []
    running = ticks(system, feed, clock, 7, runtime)
    while len(scalars) < steps and (tick := next(running, None)):
        scalars.append(tick.scalars)
        meter.add(tick)
    return scalars


def state(system: System) -> dict[str, Tensor]:
    entries = system.optimizers["critic"].state_dict()["state"]
    kept = {f"{index}.{key}": value for index, values in entries.items() for key, value in values.items()}
    return {key: value.clone() for key, value in {**system.state_dict(), **kept}.items()}


def build(seed: int = 0) -> Growing:
    torch.manual_seed(seed)
    return Growing()


def check_stopped_and_resumed(folder: Path, runtime: Runtime, stops: Sequence[int]) -> None:
    """Trains once without a stop, once with these, and compares every bit, and the means in the log."""
    data, whole, meter = pictures(), build(), Meter()
    run(whole, data, Clock(), runtime, STEPS, meter)
    system, clock, kept = build(), Clock(), Meter()
    for done, stop in zip((0, *stops), stops, strict=False):
        run(system, data, clock, runtime, stop - done, kept)
        save_checkpoint(folder, system, clock, {"meter": kept.state(), "seconds": 0.0})
        if dist.is_initialized():
            dist.barrier()  # nobody reads before it is written
        system = build(seed=99)
        clock, log = load_checkpoint(folder, system)
        kept = Meter(convert(log, LogState, "log").meter)
    run(system, data, clock, runtime, STEPS, kept)
    expected, found = state(whole), state(system)
    assert found.keys() == expected.keys()
    for key, value in found.items():
        assert torch.equal(value, expected[key]), f"{key}, after stops at {stops}"
    assert kept.read() == meter.read()


@pytest.mark.parametrize("stop", INSTANTS.values(), ids=INSTANTS)
def test_stopped_and_resumed_it_ends_with_the_same_bits(tmp_path: Path, runtime: Runtime, stop: int) -> None:
    check_stopped_and_resumed(tmp_path, runtime, [stop])


def test_stopped_after_every_few_steps_it_ends_with_the_same_bits(tmp_path: Path, runtime: Runtime) -> None:
    check_stopped_and_resumed(tmp_path, runtime, range(0, STEPS, 5))


def test_each_stage_is_entered_where_it_begins_and_is_fresh_once(tmp_path: Path, runtime: Runtime) -> None:
    whole = build()
    run(whole, pictures(), Clock(), runtime, STEPS, Meter())
    assert whole.entered == [
        (FIRST, 0, True),
        (FADE, 38, True),
        (STABLE, 88, True),
        (LATE_FADE, 112, True),
        (LAST, 152, True),
    ]
    for stop, number, entered in ((10, 0, (FADE, 38, True)), (11, 1, (FADE, 38, False)), (50, 4, (LAST, 152, False))):
        system, clock = build(), Clock()
        run(system, pictures(), clock, runtime, stop, Meter())
        save_checkpoint(tmp_path, system, clock, {})
        assert read_state(tmp_path / "state.json").stage == number
        resumed = build()
        clock, _ = load_checkpoint(tmp_path, resumed)
        run(resumed, pictures(), clock, runtime, 1, Meter())
        assert resumed.entered == [entered]


def test_blocks_that_are_not_in_play_have_no_state_and_do_not_move(runtime: Runtime) -> None:
    system, before = build(), build()
    run(system, pictures(), Clock(), runtime, 10, Meter())
    known = set(map(id, system.optimizers["critic"].state))
    for name, parameter in system.named_parameters():
        in_play = name.startswith(("last", "read.0", "blocks.0"))
        assert (id(parameter) in known) == in_play, name
        assert torch.equal(parameter, before.get_parameter(name)) != in_play, name
    run(system, pictures(), Clock(40, 40, stage=0), runtime, 1, Meter())
    steps = {int(values["step"]) for values in system.optimizers["critic"].state.values()}
    assert steps == {1}, "not reset when it grew"
    rates = [group["lr"] for group in system.optimizers["critic"].param_groups]
    assert rates[0] == pytest.approx(0.1 * rates[1])


def test_a_lazy_term_is_averaged_over_the_steps_that_have_it(runtime: Runtime) -> None:
    meter = Meter()
    scalars = run(build(), pictures(), Clock(), runtime, 20, meter)
    assert [step for step, values in enumerate(scalars) if "penalty" in values] == [0, 16]
    means = meter.read()
    assert means["penalty"] == pytest.approx(float(scalars[0]["penalty"] + scalars[16]["penalty"]) / 2)
    assert means["loss"] == pytest.approx(float(torch.stack([values["loss"] for values in scalars]).mean()))


def test_a_step_may_jump_over_a_stage(tmp_path: Path, runtime: Runtime) -> None:
    class Short(Growing):
        def stages(self) -> Sequence[Stage]:
            return [replace(FIRST, images=10, batch_size=8), replace(FIRST, images=4), replace(FIRST, images=100)]

    system, clock = Short(), Clock()
    run(system, pictures(), clock, runtime, 2, Meter())
    assert (clock.images, clock.stage) == (16, 0), "beyond the second stage, which was never entered"
    save_checkpoint(tmp_path, system, clock, {})
    clock, _ = load_checkpoint(tmp_path, Short())
    assert (clock.images, clock.stage) == (16, 0)


def test_every_stage_is_checked_before_the_run_begins() -> None:
    data = pictures()
    check_cuts(data, STAGES, processes=2)
    with pytest.raises(SfumatoError, match="batch_size 2: must be a positive multiple of the processes"):
        check_cuts(data, STAGES, processes=4)
    with pytest.raises(SfumatoError, match="resolution 32: the pictures have 16×16 pixels"):
        check_cuts(data, [*STAGES, replace(LAST, resolution=32)])
    with pytest.raises(SfumatoError, match=r"batch_size 2: this system's batch statistics need 2 images .* at least 4"):
        check_cuts(data, STAGES, processes=2, least=2)
    with pytest.raises(SfumatoError, match="batch_size 13: leaves 1 of 14 images for the last batch"):
        check_cuts(data, [Stage(40, 13)], least=2)


def as_process(process: int, folder: str) -> None:
    """One of two processes that do what is tested, each in itself and against the other."""
    torch.set_num_threads(1)
    dist.init_process_group("gloo", init_method=f"file://{folder}/meet", rank=process, world_size=2)
    runtime = Runtime(torch.device("cpu"), "fp32", process, 2)
    check_stopped_and_resumed(Path(folder) / "run", runtime, list(INSTANTS.values()))
    system = build()
    run(system, pictures(), Clock(), runtime, 20, Meter())
    for name, value in state(system).items():
        both = [torch.empty_like(value) for _ in range(2)]
        dist.all_gather(both, value)
        assert torch.equal(*both) == (name != "pool"), name
    # Who took part in what need not be the same.
    parts = [nn.Parameter(torch.zeros(2)) for _ in range(3)]
    parts[process].grad = torch.full((2,), 4.0)
    average_gradients(parts)
    assert [None if part.grad is None else part.grad.tolist() for part in parts] == [[2, 2], [2, 2], None]
    dist.barrier()
    dist.destroy_process_group()
    os._exit(0)  # all is checked; torch's own threads have been seen to abort the interpreter's shutdown after it


@pytest.mark.slow
def test_two_processes_stopped_and_resumed_end_with_the_same_bits(tmp_path: Path) -> None:
    (tmp_path / "run").mkdir()
    torch.multiprocessing.spawn(as_process, (str(tmp_path),), nprocs=2)
    alone = build()
    load_checkpoint(tmp_path / "run", alone, weights_only=True)
    with pytest.raises(SfumatoError, match=r"unknown process\.1\.pool"):
        load_checkpoint(tmp_path / "run", alone)
