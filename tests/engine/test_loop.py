"""Clock, descend, averages, schedules: against closed forms and torch itself."""

import pytest
import torch
from torch import nn

from sfumato.engine.annealing import set_rate
from sfumato.engine.clock import Clock
from sfumato.engine.descend import descend, reset
from sfumato.engine.ema import Average
from sfumato.engine.plateau import Plateau
from sfumato.engine.runtime import choose
from sfumato.errors import SfumatoError
from sfumato.seeds import derive


def test_clock_crosses_each_multiple_once() -> None:
    clock, crossings = Clock(), 0
    for _ in range(100):
        clock.before = clock.images
        clock.advance(7)
        crossings += clock.crossed(50)
    assert crossings == 700 // 50


def test_descend_leaves_other_parameters_and_their_gradients_alone() -> None:
    judge, maker = nn.Linear(2, 1), nn.Linear(2, 2)
    optimizer = torch.optim.SGD(judge.parameters(), lr=0.1)
    before = {name: value.detach().clone() for name, value in maker.named_parameters()}
    descend(judge(maker(torch.ones(3, 2))).mean(), optimizer)
    for name, value in maker.named_parameters():
        assert torch.equal(value, before[name])
        assert value.grad is None


def test_descend_leaves_parameters_alone_that_took_no_part_though_they_have_a_past() -> None:
    """Under momentum, a gradient of 0 would still move them; the optimiser would count a step, too."""
    one, two = nn.Parameter(torch.ones(2)), nn.Parameter(torch.ones(2))
    adam = torch.optim.Adam([one, two], lr=0.1)
    descend((one.sum() + two.sum()).square(), adam)
    kept = two.detach().clone()
    descend(one.sum(), adam)
    assert torch.equal(two, kept)
    assert not torch.equal(one, kept)
    assert [int(adam.state[part]["step"]) for part in (one, two)] == [2, 1]
    reset(adam)
    descend(two.sum(), adam)
    assert [part in adam.state for part in (one, two)] == [False, True]
    assert adam.state[two]["step"] == 1


def test_rates_keep_their_ratios() -> None:
    groups = [{"params": [nn.Parameter(torch.ones(1))], "factor": 0.1}, {"params": [nn.Parameter(torch.ones(1))]}]
    optimizer = torch.optim.SGD(groups, lr=1.0)
    set_rate(optimizer, 0.5)
    assert [group["lr"] for group in optimizer.param_groups] == [0.05, 0.5]


def test_descend_clips_the_whole_gradient() -> None:
    weight = nn.Parameter(torch.zeros(4))
    descend((weight * 100).sum(), torch.optim.SGD([weight], lr=1.0), clip=1.0)
    assert weight.norm().item() == pytest.approx(1.0, rel=1e-4)


def test_a_second_update_in_one_autocast_block_sees_new_weights() -> None:
    layer = nn.Linear(4, 4, bias=False)
    optimizer = torch.optim.SGD(layer.parameters(), lr=1.0)
    images = torch.ones(2, 4)
    with torch.autocast("cpu", torch.bfloat16):
        descend(layer(images).float().sum(), optimizer)
        now = layer(images).float()
    assert torch.allclose(now, images @ layer.weight.detach().T, atol=0.05)


def test_average_forgets_half_after_its_half_life() -> None:
    network = nn.Linear(1, 1, bias=False)
    nn.init.zeros_(network.weight)
    average = Average(network, half_life=1000)
    nn.init.ones_(network.weight)
    for _ in range(10):
        average.follow(network, images=100, seen=1_000_000)
    assert float(average.network.weight) == pytest.approx(0.5, abs=1e-6)


def test_average_soon_forgets_where_it_started() -> None:
    network = nn.Linear(1, 1, bias=False)
    nn.init.zeros_(network.weight)
    average = Average(network, half_life=10_000)
    nn.init.ones_(network.weight)
    for step in range(1, 11):
        average.follow(network, images=100, seen=100 * step)
    assert float(average.network.weight) > 0.999


def test_average_copies_buffers() -> None:
    network = nn.BatchNorm1d(2)
    average = Average(network, half_life=10)
    network(torch.randn(8, 2) + 3)
    average.follow(network, images=1, seen=1)
    assert torch.equal(average.network.running_mean, network.running_mean)


def test_plateau_is_torchs_schedule_on_epoch_means_even_when_resumed_inside_an_epoch() -> None:
    losses = [1.0, 0.9, 0.95, 0.92, 0.93, 0.91, 0.905, 0.92, 0.5, 0.6, 0.7, 0.8]

    def schedule() -> tuple[torch.optim.Optimizer, Plateau]:
        optimizer = torch.optim.SGD([nn.Parameter(torch.zeros(1))], lr=1.0)
        return optimizer, Plateau(optimizer, 0.1, 2)

    oracle = torch.optim.SGD([nn.Parameter(torch.zeros(1))], lr=1.0)
    reference = torch.optim.lr_scheduler.ReduceLROnPlateau(oracle, factor=0.1, patience=2)
    optimizer, plateau = schedule()
    for loss in losses:
        plateau.follow(torch.tensor(loss + 0.1), 3, ends_epoch=False)
        rate = optimizer.param_groups[0]["lr"]
        state = plateau.state()
        optimizer, plateau = schedule()
        optimizer.param_groups[0]["lr"] = rate
        plateau.load(state)
        plateau.follow(torch.tensor(loss - 0.3), 1, ends_epoch=True)
        reference.step(loss)
        assert optimizer.param_groups[0]["lr"] == pytest.approx(oracle.param_groups[0]["lr"])


def test_seeds_depend_on_every_part_of_their_purpose() -> None:
    seeds = {derive(seed, "step", process, images) for seed in range(3) for process in range(3) for images in range(3)}
    assert len(seeds) == 27
    assert derive(1, "a") == derive(1, "a")
    assert all(0 <= seed < 2**63 for seed in seeds)


@pytest.mark.parametrize(("device", "precision", "word"), [("tpu", "auto", "tpu"), ("cpu", "fp8", "fp8")])
def test_unknown_device_or_precision_is_named(device: str, precision: str, word: str) -> None:
    with pytest.raises(SfumatoError, match=word):
        choose(device, precision)


@pytest.mark.skipif(torch.cuda.is_available(), reason="a CUDA device is here")
def test_a_device_that_is_not_there_is_refused() -> None:
    with pytest.raises(SfumatoError, match="--device auto"):
        choose("cuda")


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device")
def test_auto_takes_the_gpu_in_bf16() -> None:
    runtime = choose()
    assert runtime.device.type == "cuda"
    assert runtime.precision == "bf16"
