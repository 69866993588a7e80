"""Growth: nothing jumps when a block comes in, and stages are those that the config says."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import pytest
import torch
from torch.nn import functional as F

from sfumato.data.batches import Batch
from sfumato.engine.clock import Clock
from sfumato.engine.loop import ticks
from sfumato.engine.runtime import Runtime
from sfumato.errors import SfumatoError
from sfumato.gans import progan, stylegan
from sfumato.gans.growing import Growing
from sfumato.nets.growing import faded
from sfumato.ops.resampling import repeated

SMALL: dict[str, Any] = {
    "resolution": 16, "base": 128, "widest": 16, "latent": 8, "batch_size": 4, "batch_sizes": (), "growth": 20,
    "images": 120,
}  # fmt: skip
SYSTEMS = {
    "progan": lambda **more: progan.ProGAN(progan.Config(**{**SMALL, **more})),
    "stylegan": lambda **more: stylegan.StyleGAN(stylegan.Config(**{**SMALL, **more})),
}
each_system = pytest.mark.parametrize("name", SYSTEMS)


def grown(name: str, side: int, share: float, **more: Any) -> Growing:
    torch.manual_seed(0)
    system = SYSTEMS[name](half_life=0, **more).eval()
    system.grown[:] = torch.tensor([side, share])
    system.side, system.share = side, share
    return system


@each_system
def test_at_share_0_the_generator_is_the_old_one_and_at_1_the_new_one(name: str) -> None:
    latents = torch.randn(3, 8)
    old, fading, whole = (grown(name, *at).drawn(latents, None) for at in ((8, 1.0), (16, 0.0), (16, 1.0)))
    assert torch.equal(repeated(old), fading)
    assert not torch.allclose(fading, whole)
    nearly = grown(name, 16, 1 - 1e-6).drawn(latents, None)
    torch.testing.assert_close(nearly, whole, atol=1e-4, rtol=1e-4)


@each_system
def test_the_critic_grows_in_the_same_way_and_sees_real_images_that_do(name: str) -> None:
    images = torch.randn(4, 3, 16, 16)
    small = F.avg_pool2d(images, 2)
    old, fading, whole = (
        grown(name, *at).critic(seen) for at, seen in (((8, 1.0), small), ((16, 0.0), images), ((16, 1.0), images))
    )
    assert torch.equal(old, fading)
    assert not torch.allclose(fading, whole)
    assert torch.equal(faded(images, 0.0), repeated(small))
    assert torch.equal(faded(images, 1.0), images)
    torch.testing.assert_close(faded(images, 0.25), repeated(small) + (images - repeated(small)) / 4)


@each_system
def test_pictures_of_a_run_that_still_grows_are_as_large_as_at_its_end(name: str) -> None:
    system = grown(name, 8, 1.0)
    images = system.make(torch.randn(2, 8))
    assert images.shape == (2, 3, 16, 16)
    assert torch.equal(images, repeated(images[..., ::2, ::2]))


def watch(system: Growing, steps: int) -> list[tuple[int, float, int]]:
    """(side, share, entries that the optimisers keep before the step) of each of the first steps."""
    seen: list[tuple[int, float, int]] = []
    real = system.real

    def remembered(images: torch.Tensor) -> torch.Tensor:
        seen.append((images.shape[-1], system.share, sum(len(each.state) for each in system.optimizers.values())))
        return real(images)

    system.real = remembered  # pyright: ignore[reportAttributeAccessIssue]

    def feed(stage: Any) -> Any:
        side = stage.resolution
        return lambda _: (Batch(torch.rand(stage.batch_size, 3, side, side), None, False), stage.batch_size)

    running = ticks(system, feed, Clock(), 0, Runtime(torch.device("cpu"), "fp32"))
    for _ in range(steps):
        next(running)
    return seen


def test_stages_shares_and_resets() -> None:
    seen = watch(SYSTEMS["progan"](), 30)
    sides, shares, kept = zip(*seen, strict=True)
    assert list(sides) == [4] * 5 + [8] * 10 + [16] * 15
    ramp = [0.0, 0.2, 0.4, 0.6, 0.8]
    assert list(shares) == pytest.approx([1.0] * 5 + (ramp + [1.0] * 5) + (ramp + [1.0] * 10))
    assert [step for step, count in enumerate(kept) if not count] == [0, 5, 15], "moments go where a block comes in"


def test_batches_by_side() -> None:
    system = SYSTEMS["progan"](batch_sizes=(10, 5, 2))
    assert [(stage.resolution, stage.batch_size) for stage in system.stages()] == [
        (4, 10), (8, 5), (8, 5), (16, 2), (16, 2)
    ]  # fmt: skip
    assert [stage.resolution for stage in SYSTEMS["stylegan"]().stages()] == [8, 16, 16]


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({"images": 80}, "images 80: growing to 16 pixels takes 80"),
        ({"batch_sizes": (4, 4)}, "batch_sizes 4 4: must be 3, for sides 4, 8, 16"),
        ({"resolution": 24}, "resolution 24: must be 16, 32, 64"),
        ({"base": 16, "resolution": 32}, "base 16: leaves no map at 32 pixels"),
    ],
)
def test_what_cannot_grow_is_refused(fields: dict[str, Any], words: str) -> None:
    with pytest.raises(SfumatoError, match=words):
        progan.Config(**{**SMALL, **fields})


def test_the_papers_networks() -> None:
    """Table 2 of the paper: 23.1 million weights in each player."""
    system = progan.ProGAN(replace(progan.PRESETS["paper"], half_life=0))

    def count(network: torch.nn.Module, skipped: Sequence[str]) -> int:
        return sum(value.numel() for name, value in network.named_parameters() if not name.startswith(tuple(skipped)))

    assert count(system.generator, [f"colours.{level}." for level in range(8)]) == pytest.approx(23.1e6, rel=0.005)
    assert count(system.discriminator, [f"seen.{level}." for level in range(8)]) == pytest.approx(23.1e6, rel=0.005)


@each_system
def test_the_average_begins_anew_with_each_growth(name: str) -> None:
    """A half-life as long as a fade would average what the fade has changed: such networks drew in colours of none."""
    system = SYSTEMS[name](half_life=1000)
    stages, began, since = system.stages(), 0, []
    for stage in stages:
        system.enter(stage, began, fresh=True)
        since.append(system.since)
        began += stage.images
    assert since == [20 * number for number in (0, *(last for last in range(1, len(stages), 2) for _ in range(2)))]


@each_system
def test_what_is_opened_is_as_far_grown_as_its_weights(name: str) -> None:
    old, opened = grown(name, 16, 0.25), grown(name, 8, 1.0)
    opened.load_state_dict(old.state_dict())
    assert (opened.side, opened.share) == (16, 0.25)
