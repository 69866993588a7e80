"""Objectives and penalties against closed forms; each «bug elsewhere» is one found in a published repository."""

import math

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from sfumato.ops.objectives import (
    Objective,
    clip_weights,
    discriminator_loss,
    generator_loss,
    gradient_at_real,
    gradient_penalty,
    realness,
)

REAL, FAKE = torch.tensor([0.3, -1.2, 2.0]), torch.tensor([-0.7, 0.4])


def test_minimax_is_binary_cross_entropy_and_its_generator_minimises_the_same_game() -> None:
    expected = -(REAL.sigmoid().log().mean() + (1 - FAKE.sigmoid()).log().mean())
    for objective in ("minimax", "non_saturating"):
        torch.testing.assert_close(discriminator_loss(objective, REAL, FAKE), expected)
    torch.testing.assert_close(generator_loss("minimax", FAKE), (1 - FAKE.sigmoid()).log().mean())
    torch.testing.assert_close(
        generator_loss("non_saturating", FAKE), F.binary_cross_entropy_with_logits(FAKE, torch.ones(2))
    )


def test_minimax_saturates_where_the_other_does_not() -> None:
    slopes = []
    for objective in ("minimax", "non_saturating"):
        logit = torch.tensor([-20.0], requires_grad=True)
        (slope,) = torch.autograd.grad(generator_loss(objective, logit), logit)  # pyright: ignore[reportArgumentType]
        slopes.append(abs(float(slope)))
    assert slopes[0] < 1e-8
    assert slopes[1] == pytest.approx(1.0)


def test_least_squares_hinge_and_wasserstein() -> None:
    torch.testing.assert_close(
        discriminator_loss("least_squares", REAL, FAKE), ((REAL - 1) ** 2).mean() / 2 + (FAKE**2).mean() / 2
    )
    torch.testing.assert_close(generator_loss("least_squares", FAKE), ((FAKE - 1) ** 2).mean() / 2)
    torch.testing.assert_close(discriminator_loss("wasserstein", REAL, FAKE), FAKE.mean() - REAL.mean())
    assert float(discriminator_loss("hinge", torch.tensor([1.5]), torch.tensor([-2.0]))) == 0
    assert float(discriminator_loss("hinge", torch.tensor([0.0]), torch.tensor([0.0]))) == 2
    for objective in ("hinge", "wasserstein"):
        torch.testing.assert_close(generator_loss(objective, FAKE), -FAKE.mean())


@pytest.mark.parametrize("objective", ["minimax", "non_saturating", "least_squares", "hinge", "wasserstein"])
def test_the_generator_always_wants_higher_logits(objective: Objective) -> None:
    logits = torch.linspace(-2, 0.5, 5, requires_grad=True)
    (slope,) = torch.autograd.grad(generator_loss(objective, logits), logits)
    assert (slope < 0).all()


def test_realness_is_a_probability_only_where_there_is_one() -> None:
    assert float(realness("minimax", torch.zeros(2))) == 0.5
    assert float(realness("wasserstein", torch.tensor([3.0, 5.0]))) == 4.0


def linear_critic(weight: Tensor) -> nn.Module:
    critic = nn.Sequential(nn.Flatten(), nn.Linear(weight.numel(), 1, bias=False), nn.Flatten(0))
    with torch.no_grad():
        critic[1].weight.copy_(weight[None])
    return critic


@pytest.mark.parametrize("length", [0.25, 1.0, 3.0])
def test_the_penalty_of_a_linear_critic_is_known_exactly(length: float) -> None:
    weight = length * F.normalize(torch.randn(12, generator=torch.Generator().manual_seed(0)), dim=0)
    critic, real, fake = linear_critic(weight), torch.randn(5, 3, 2, 2), torch.randn(5, 3, 2, 2)
    assert float(gradient_penalty(critic, real, fake).detach()) == pytest.approx((length - 1) ** 2, abs=1e-6)
    one_sided = float(gradient_penalty(critic, real, fake, one_sided=True).detach())
    assert one_sided == pytest.approx(max(0.0, length - 1) ** 2, abs=1e-6)
    assert float(gradient_at_real(critic, real).detach()) == pytest.approx(length**2 / 2, abs=1e-6)


def test_each_sample_has_its_own_norm_and_its_own_share() -> None:
    """Bug elsewhere: one norm over the whole batch, one share for all."""

    def critic(images: Tensor) -> Tensor:  # its gradient at x is 2x
        seen.append(images.detach())
        return images.square().flatten(1).sum(1)

    seen: list[Tensor] = []
    torch.manual_seed(0)
    real, fake = torch.ones(64, 1, 1, 1), torch.zeros(64, 1, 1, 1)
    penalty = gradient_penalty(critic, real, fake)
    shares = seen[0].flatten()
    assert shares.std() > 0.1
    assert ((shares >= 0) & (shares <= 1)).all()
    torch.testing.assert_close(penalty, (2 * shares - 1).square().mean())
    larger = gradient_penalty(
        lambda images: images.flatten(1).sum(1), torch.zeros(64, 9, 1, 1), torch.ones(64, 9, 1, 1)
    )
    assert float(larger) == pytest.approx((3 - 1) ** 2), "the batch's size must not enter"


def test_the_penalty_trains_the_critic_even_under_bf16() -> None:
    critic = linear_critic(torch.full((4,), 2.0))
    with torch.autocast("cpu", torch.bfloat16):
        penalty = gradient_penalty(critic, torch.randn(3, 4, 1, 1), torch.randn(3, 4, 1, 1))
    assert float(penalty.detach()) == pytest.approx(9.0)
    penalty.backward()
    gradient = critic[1].weight.grad  # pyright: ignore[reportIndexIssue]
    torch.testing.assert_close(gradient, torch.full((1, 4), 2 * 3 * 0.5))


def test_clipping_reaches_every_parameter() -> None:
    network = nn.Linear(50, 50)
    nn.init.normal_(network.bias)
    clip_weights(network, 0.01)
    for parameter in network.parameters():
        assert float(parameter.detach().abs().max()) == pytest.approx(0.01)
        assert parameter.grad is None
        assert math.isfinite(float(parameter.detach().sum()))
