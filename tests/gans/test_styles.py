"""StyleGAN and StyleGAN2 against closed forms: mixing, the mean style, truncation, lazy regularisation, ADA."""

from typing import Any

import pytest
import torch
from torch import Tensor, nn

from sfumato.data.batches import Batch
from sfumato.engine.clock import Clock
from sfumato.engine.loop import ticks
from sfumato.engine.runtime import Runtime
from sfumato.errors import SfumatoError
from sfumato.gans import stylegan, stylegan2
from sfumato.gans.styled import Styled, due
from sfumato.nets.styles import Mapping, mixed
from sfumato.ops.objectives import path_lengths

SMALL: dict[str, Any] = {
    "resolution": 16, "base": 128, "widest": 16, "latent": 8, "batch_size": 4, "half_life": 0, "mapping_layers": 2,
}  # fmt: skip
GROWN = {"batch_sizes": (), "growth": 20, "images": 120}


def one(**more: Any) -> stylegan.StyleGAN:
    torch.manual_seed(0)
    return stylegan.StyleGAN(stylegan.Config(**{**SMALL, **GROWN, **more}))


def two(**more: Any) -> stylegan2.StyleGAN2:
    torch.manual_seed(0)
    return stylegan2.StyleGAN2(stylegan2.Config(**{**SMALL, "images": 10**6, **more}))


def run(system: Styled, steps: int) -> list[dict[str, Tensor]]:
    def feed(stage: Any) -> Any:
        side, count = stage.resolution or system.config.resolution, stage.batch_size
        return lambda _: (Batch(torch.rand(count, 3, side, side) * 2 - 1, torch.arange(count) % 2, False), count)

    running = ticks(system, feed, Clock(), 0, Runtime(torch.device("cpu"), "fp32"))
    return [next(running).scalars for _ in range(steps)]


both = pytest.mark.parametrize("build", [one, two])


def test_crossovers_lie_among_the_layers_in_play() -> None:
    system = one(mixing=1.0)
    for side, active in ((8, 4), (16, 6)):
        system.side = side
        assert system.active == active
        styles = system.mix(torch.randn(500, 8), None)
        first_other = (styles != styles[:, :1]).any(2).float().argmax(1)
        assert set(first_other.tolist()) == set(range(1, active)), "of every image, and at every layer"


def test_styles_are_mixed_at_the_crossover() -> None:
    first, second = torch.zeros(3, 2), torch.ones(3, 2)
    found = mixed(first, second, torch.tensor([1, 3, 4]), 4)[..., 0]
    assert found.tolist() == [[0, 1, 1, 1], [0, 0, 0, 1], [0, 0, 0, 0]]


def test_as_many_images_are_mixed_as_are_asked_for() -> None:
    styles = two(mixing=0.3).mix(torch.randn(2000, 8), None)
    share = float((styles[:, -1] != styles[:, 0]).any(1).float().mean())
    assert share == pytest.approx(0.3, abs=0.04)


def test_the_mean_style_follows_the_mean_of_w() -> None:
    torch.manual_seed(0)
    mapping = Mapping(8, 0, 2)
    wanted = mapping(torch.randn(20_000, 8)).detach().mean(0)
    for _ in range(2000):
        mapping.follow(mapping(torch.randn(32, 8)))
    torch.testing.assert_close(mapping.mean, wanted, atol=0.02, rtol=0)
    mapping.mean.zero_()
    mapping.follow(torch.ones(4, 8))
    torch.testing.assert_close(mapping.mean, torch.full((8,), 0.005))


@both
def test_truncation_is_nothing_at_1_and_the_mean_picture_at_0(build: Any) -> None:
    system = build()
    run(system, 2)
    system.eval()
    styles = system.everywhere(system.styles_of(torch.randn(3, 8)))
    noise = system.fixed_noise[: system.active]
    assert torch.equal(system.truncate(styles, [1.0]), styles)
    images = system.paint(system.truncate(styles, [0.0]), noise)
    mean = system.paint(system.everywhere(system.mean_style[None]), noise)
    torch.testing.assert_close(images, mean.expand_as(images), atol=1e-5, rtol=1e-5)
    by_side = system.truncate(styles, [0.0, 1.0, 0.5])
    assert torch.equal(by_side[:, 2:4], styles[:, 2:4])
    torch.testing.assert_close(by_side[:, :2], system.mean_style.expand(3, 2, 8))
    torch.testing.assert_close(by_side[:, 4:], (styles[:, 4:] + system.mean_style) / 2)
    with pytest.raises(SfumatoError, match="truncation 1 1: must be one number, or 3"):
        system.truncate(styles, [1.0, 1.0])
    for odd in (float("nan"), float("inf"), 1e39):
        with pytest.raises(SfumatoError, match="must lie between -100 and 100"):
            system.truncate(styles, [odd])


def test_path_lengths_of_a_linear_network() -> None:
    """Of images A w they are ‖Aᵀy‖, y normal over √(h · w): on average over y, their square is ‖A‖² / (h · w)."""
    torch.manual_seed(0)
    matrix = torch.randn(6, 3 * 4 * 4, dtype=torch.float64)
    styles = torch.randn(4000, 1, 6, dtype=torch.float64, requires_grad=True)
    lengths = path_lengths((styles[:, 0] @ matrix).unflatten(1, (3, 4, 4)), styles)
    assert float(lengths.square().mean()) == pytest.approx(float(matrix.square().sum() / 16), rel=0.03)
    # With two layers that share the work, the mean over layers is half of the whole.
    pair = torch.randn(4000, 2, 6, dtype=torch.float64, requires_grad=True)
    torch.manual_seed(1)
    lengths = path_lengths((pair.sum(1) @ matrix).unflatten(1, (3, 4, 4)), pair)
    assert float(lengths.square().mean()) == pytest.approx(float(matrix.square().sum() / 16), rel=0.03)


def test_a_constant_path_costs_nothing_and_can_be_learnt() -> None:
    system = two(mixing=0.0, r1=0.0, path_every=1)
    lengths = [float(scalars["path"]) for scalars in run(system, 3)]
    assert all(length > 0 for length in lengths)
    assert float(system.path_mean) == pytest.approx(
        lengths[0] * 0.01 * 0.99**2 + lengths[1] * 0.01 * 0.99 + lengths[2] * 0.01
    )


@pytest.mark.parametrize("every", [2, 4, 16])
def test_what_is_done_now_and_then_counts_as_if_it_were_always(every: int) -> None:
    config, clock, total, times = two().config, Clock(), 0.0, 0
    for _ in range(64):
        clock.before = clock.images
        clock.advance(4)
        total += (count := due(config, every, clock))
        times += bool(count)
    assert (total, times) == (64, 64 // every)
    clock = Clock(images=16, before=8)  # a larger batch, of a smaller side: as many images lie between
    assert due(config, 4, clock) == 2


def test_lazy_r1_is_the_eager_one_in_expectation(monkeypatch: pytest.MonkeyPatch) -> None:
    """Over 16 iterations of a discriminator that stands still, the gradients of both add up to the same."""

    def total(every: int) -> Tensor:
        system = two(r1=3.0, r1_every=every, path_weight=0.0)
        sums = [torch.zeros_like(parameter) for parameter in system.discriminator.parameters()]
        images = torch.linspace(-1, 1, 4 * 3 * 256).view(4, 3, 16, 16)

        def stood(loss: Tensor, optimizer: torch.optim.Optimizer) -> None:
            if optimizer is system.optimizers["discriminator"]:
                found = torch.autograd.grad(
                    loss, list(system.discriminator.parameters()), materialize_grads=True, allow_unused=True
                )
                for whole, part in zip(sums, found, strict=True):
                    whole += part

        monkeypatch.setattr("sfumato.gans.game.descend", stood)
        monkeypatch.setattr("sfumato.gans.styled.descend", stood)
        monkeypatch.setattr(system, "discriminate", lambda real, fake, labels: (0 * system.critic(real).sum(),) * 3)
        clock = Clock()
        for _ in range(16):
            clock.before = clock.images
            clock.advance(4)
            system.step(iter([Batch(images, None, False)]), clock)
        return torch.cat([part.flatten() for part in sums])

    torch.testing.assert_close(total(16), total(1), rtol=1e-4, atol=1e-4)


def test_adam_is_told_of_the_steps_between() -> None:
    system = two(r1_every=16, path_every=4)
    for name, every in (("discriminator", 16), ("generator", 4)):
        (group,) = system.optimizers[name].param_groups
        share = every / (every + 1)
        assert group["lr"] == pytest.approx(2e-3 * share)
        assert group["betas"] == pytest.approx((0.0, 0.99**share))
    (group,) = two(r1_every=1, path_weight=0.0).optimizers["generator"].param_groups
    assert (group["lr"], group["betas"]) == (2e-3, (0.0, 0.99))


def test_the_controller_follows_a_scripted_series_of_signs() -> None:
    """Steps of 4 batches of 4 over 320 images: a twentieth. Above the target up, below it down, never out of [0, 1]."""
    system, clock = two(ada=True, ada_images=320), Clock()
    strengths = []
    for certainty in (1.0, 1.0, 0.0, 1.0, 0.0, 0.0, 0.0):
        for _ in range(4):
            clock.before = clock.images
            clock.advance(4)
            system.signs += certainty / 4
            system._control(clock)
        strengths.append(float(system.strength))
    assert strengths == pytest.approx([0.05, 0.1, 0.05, 0.1, 0.05, 0.0, 0.0])
    assert float(system.signs) == 0


@pytest.mark.parametrize("generator", ["plain", "skip", "residual"])
@pytest.mark.parametrize("discriminator", ["plain", "skip", "residual"])
def test_every_architecture_learns(generator: Any, discriminator: Any) -> None:
    system = two(generator_network=generator, discriminator_network=discriminator)
    before = {name: value.detach().clone() for name, value in system.named_parameters()}
    run(system, 2)
    still = [name for name, value in system.named_parameters() if torch.equal(value, before[name])]
    assert not still, "a weight that takes no part"
    images = system.eval().sample(2)
    assert images.shape == (2, 3, 16, 16)


def test_the_papers_network() -> None:
    """Of the generator at 1024: 30.0 million weights (the paper's section 4.1 counts 30M, and StyleGAN's 26.2M)."""
    count = sum(value.numel() for value in stylegan2.Synthesis(stylegan2.PRESETS["paper"], "skip").parameters())
    mapping = sum(value.numel() for value in Mapping(512, 0, 8).parameters())
    assert count + mapping == pytest.approx(30.0e6, rel=0.02)
    grown = stylegan.Synthesis(stylegan.PRESETS["paper"])
    colours = sum(value.numel() for level in list(grown.colours)[:-1] for value in level.parameters())
    count = sum(value.numel() for value in grown.parameters()) - colours
    assert count + mapping == pytest.approx(26.2e6, rel=0.01)


@both
def test_labels_are_told_to_both_players(build: Any) -> None:
    system = build(classes=2)
    assert system.conditional
    run(system, 2)
    latents = torch.randn(1, 8).expand(2, -1)
    first, second = system.eval().make(latents, torch.tensor([0, 1]))
    assert not torch.allclose(first, second)
    assert not build().conditional


def test_two_augmentations_at_once_are_refused() -> None:
    with pytest.raises(SfumatoError, match="ada with augmented"):
        stylegan2.Config(ada=True, augmented=True)


def test_noise_has_its_own_strength_in_every_layer() -> None:
    for system in (one(), two()):
        system.eval()
        styles = system.everywhere(system.styles_of(torch.randn(2, 8)))
        plain = system.paint(styles, None)
        noise = system.new_noise(2, torch.Generator().manual_seed(0))
        assert torch.equal(system.paint(styles, noise), plain), "at first it counts for nothing"
        for name, strength in system.generator.named_parameters():
            if name.endswith("strength"):
                nn.init.constant_(strength, 0.3)
        assert not torch.equal(system.paint(styles, noise), plain)
        assert torch.equal(system.paint(styles, noise), system.paint(styles, noise))
