"""The three translators against closed forms and torch's own layers."""

from typing import Any

import pytest
import torch
from torch import Tensor, nn

from sfumato.data.batches import Batch
from sfumato.engine.clock import Clock
from sfumato.errors import SfumatoError
from sfumato.translation import cyclegan, discogan, dualgan
from sfumato.translation.cyclegan import CycleGAN, convolution
from sfumato.translation.translator import Translator

SMALL: dict[str, Any] = {"resolution": 32, "width": 4, "blocks": 1, "patch": 16, "batch_size": 2, "images": 100}


def small(**fields: Any) -> CycleGAN:
    torch.manual_seed(0)
    return CycleGAN(cyclegan.Config(**{**SMALL, **fields}))


def pairs(count: int = 2, side: int = 32) -> Any:
    """Batches of both sides without end."""
    generator = torch.Generator().manual_seed(1)
    while True:
        images = [torch.rand(count, 3, side, side, generator=generator) * 2 - 1 for _ in range(2)]
        yield tuple(Batch(part, None, ends_epoch=False) for part in images)


def stepped(system: Translator) -> dict[str, Tensor]:
    return system.step(pairs(), Clock(images=2))


class Same(nn.Module):
    """A generator that leaves images alone, with a weight to train."""

    def __init__(self) -> None:
        super().__init__()
        self.scale = nn.Parameter(torch.ones(()))

    def forward(self, images: Tensor) -> Tensor:
        return images * self.scale


def test_reflection_at_the_border_is_that_of_torch() -> None:
    layer, images = convolution(3, 4, 7), torch.rand(1, 3, 12, 9)
    plain = nn.Conv2d(3, 4, 7, bias=False)
    plain.load_state_dict(layer.state_dict())
    torch.testing.assert_close(layer(images), plain(nn.ReflectionPad2d(3)(images)))


def test_the_published_generators_have_the_published_number_of_weights() -> None:
    """11,378,179 with nine blocks and biases everywhere; norms cancel all but the last layer's three."""
    network = cyclegan.Generator(3, 64, 9, resized=False)
    before_norms = 64 + 128 + 256 + 18 * 256 + 128 + 64
    assert sum(parameter.numel() for parameter in network.parameters()) == 11_378_179 - before_norms
    config = cyclegan.Config()
    assert (config.cycle, config.pool, config.batch_size, config.learning_rate) == (10, 50, 1, 2e-4)
    systems = [CycleGAN(cyclegan.Config(width=1, resolution=side)) for side in (128, 256)]
    blocks = [sum(isinstance(layer, cyclegan.Residual) for layer in system.to_a.modules()) for system in systems]
    assert blocks == [6, 9]


def test_resized_convolutions_are_nearest_neighbours_and_a_convolution() -> None:
    layer = cyclegan.enlarging(3, 2, resized=True)
    assert isinstance(layer, nn.Conv2d)
    images = torch.rand(1, 3, 6, 5)
    enlarged = images.repeat_interleave(2, 2).repeat_interleave(2, 3)
    padded = nn.functional.pad(enlarged, (1, 1, 1, 1), mode="reflect")
    torch.testing.assert_close(
        layer(images), nn.functional.conv2d(padded, layer.weight, layer.bias), atol=1e-5, rtol=1e-5
    )


@pytest.mark.parametrize("kind", [cyclegan, discogan, dualgan])
def test_generators_that_leave_images_alone_lose_nothing_by_the_cycle(kind: Any) -> None:
    fields = {**SMALL, "blocks": 1} if kind is cyclegan else {"resolution": 32, "width": 4, "batch_size": 2}
    fields |= {"patch": 16} if kind is dualgan else {}
    name = {cyclegan: "CycleGAN", discogan: "DiscoGAN", dualgan: "DualGAN"}[kind]
    system = getattr(kind, name)(kind.Config(**fields))
    system.to_a, system.to_b = Same(), Same()
    system.optimizers["generators"] = system.optimizer([*system.to_a.parameters(), *system.to_b.parameters()])
    losses = stepped(system)
    assert losses["cycle_a"] == losses["cycle_b"] == 0


def test_without_lambda_the_plain_game_is_left() -> None:
    """The generators' gradients are those of the game alone, and the step says nothing of a cycle."""
    system = small(cycle=0.0)
    real = {side: next(pairs())[0].images for side in ("a", "b")}
    wanted = [
        (system.judged(side, system.generator_to(side)(real["b" if side == "a" else "a"])) - 1).square().mean()
        for side in ("a", "b")
    ]
    parameters = [*system.to_a.parameters(), *system.to_b.parameters()]
    gradients = torch.autograd.grad(torch.stack(wanted).sum(), parameters)
    losses, _ = system.generate(real)  # pyright: ignore[reportArgumentType]
    assert losses.keys() == {"to_a", "to_b"}
    for parameter, gradient in zip(parameters, gradients, strict=True):
        torch.testing.assert_close(parameter.grad, gradient)


def test_the_rate_is_constant_and_then_falls_in_a_straight_line() -> None:
    system, rates = small(images=1000), []
    for before in (0, 250, 500, 750, 999):
        system.set_rates(Clock(images=before + 1, before=before))
        rates.append([group["lr"] for optimizer in system.optimizers.values() for group in optimizer.param_groups])
    for found, share in zip(rates, (1, 1, 1, 0.5, 0.002), strict=True):
        assert found == pytest.approx([2e-4 * share] * 3)


def test_the_discriminator_is_shown_older_images() -> None:
    system = small(pool=2)
    for _ in range(6):
        stepped(system)
    assert int(system.get_buffer("given_a")) == 12
    assert system.get_buffer("pool_b").abs().sum() > 0
    assert not [name for name, _ in small(pool=0).named_buffers() if "pool" in name]


def test_noise_within_the_cycle_is_of_the_size_that_is_asked_for() -> None:
    system, made = small(cycle_noise=8.0), torch.zeros(4, 3, 64, 64)
    assert float(system.passed(made).std()) == pytest.approx(2 * 8 / 255, rel=0.02)
    assert small().passed(made) is made


def test_an_averaged_verdict_and_one_on_the_whole_image_are_numbers() -> None:
    images = torch.rand(3, 3, 32, 32)
    assert small(verdict="averaged").judged("a", images).shape == (3,)
    assert small(verdict="whole").judged("a", images).shape == (3,)
    assert small().judged("a", images).shape == (3, 1, 14, 14)


def test_critics_of_the_dual_game_stay_within_their_limit() -> None:
    system = dualgan.DualGAN(dualgan.Config(resolution=32, width=4, patch=16, batch_size=2, clip=0.01))
    stepped(system)
    for critic in (system.critic_a, system.critic_b):
        assert max(float(weight.detach().abs().max()) for weight in critic.parameters()) <= 0.01


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({"resolution": 30}, "resolution 30: must be a multiple of 4"),
        ({"patch": 70, "resolution": 20}, "patch 70: needs images of 24 pixels"),
        ({"pool": 1}, "pool 1: must be 0, or at least batch_size 2"),
        ({"cycle": 0.0, "adversarial": 0.0}, "leave nothing to learn from"),
        ({"fit": "short"}, "trained on squares"),
    ],
)
def test_what_cannot_be_is_refused(fields: dict[str, Any], words: str) -> None:
    with pytest.raises(SfumatoError, match=words):
        cyclegan.Config(**{**SMALL, **fields})
