"""Losses and penalties against torch's own and closed forms."""

import math

import pytest
import torch
from torch.nn import functional as F

from sfumato.ops.losses import binary_cross_entropy, edge_error, log_cosh
from sfumato.ops.penalties import sum_of_norms


@pytest.mark.parametrize("scale", [0.1, 3.0, 60.0])
def test_binary_cross_entropy_is_torchs(scale: float) -> None:
    logits = (torch.randn(4, 1, 5, 5) * scale).requires_grad_()
    twin = logits.detach().clone().requires_grad_()
    targets = torch.rand(4, 1, 5, 5)
    mine, oracle = binary_cross_entropy(logits, targets), F.binary_cross_entropy_with_logits(twin, targets)
    (3 * mine).backward()
    (3 * oracle).backward()
    assert torch.allclose(mine, oracle, rtol=1e-5, atol=1e-7)
    assert logits.grad is not None
    assert twin.grad is not None
    assert torch.allclose(logits.grad, twin.grad, atol=1e-8)


def test_binary_cross_entropy_stays_finite_at_the_ends() -> None:
    logits = torch.tensor([1e4, -1e4], requires_grad=True)
    loss = binary_cross_entropy(logits, torch.tensor([0.0, 0.0]))
    loss.backward()
    assert loss.item() == pytest.approx(5000)
    assert logits.grad is not None
    assert logits.grad.tolist() == pytest.approx([0.5, 0.0])


def test_sum_of_norms_is_not_squared_and_pulls_with_length_one() -> None:
    first, second = torch.full((3, 3), 2.0, requires_grad=True), torch.tensor([3.0, 4.0], requires_grad=True)
    value = sum_of_norms([first, second])
    value.backward()
    assert value.item() == pytest.approx(6 + 5)
    assert first.grad is not None
    assert second.grad is not None
    assert float(first.grad.norm()) == pytest.approx(1)
    assert second.grad.tolist() == pytest.approx([0.6, 0.8])


def test_weight_decay_pulls_in_proportion_where_the_norm_pulls_evenly() -> None:
    small = torch.full((4,), 1e-3, requires_grad=True)
    sum_of_norms([small]).backward()
    assert small.grad is not None
    assert math.isclose(float(small.grad.norm()), 1, rel_tol=1e-5)


def test_log_cosh_is_what_it_says_also_far_from_zero() -> None:
    errors = torch.linspace(-20, 20, 401, dtype=torch.float64)
    assert torch.allclose(log_cosh(errors), errors.cosh().log(), atol=1e-12)
    assert float(log_cosh(torch.tensor(1e4))) == pytest.approx(1e4 - math.log(2))


def test_edges_know_no_brightness_and_count_each_neighbour_once() -> None:
    images = torch.rand(2, 1, 3, 4)
    assert float(edge_error(images + 0.3, images)) == pytest.approx(0, abs=1e-12)
    one = torch.zeros(1, 1, 3, 3)
    one[..., 1, 1] = 1.0  # two of the six differences along each axis
    assert float(edge_error(one, torch.zeros_like(one))) == pytest.approx(2 * 2 / 6)
