"""Every system has a training step that is measured, and its operations are counted as they are made."""

from collections.abc import Callable

import pytest
import torch
from torch import nn
from torch.nn import functional as F

from benchmarks.__main__ import STEPS
from benchmarks.measure import Counter
from sfumato.ops.statistics import gram
from sfumato.runs.catalog import CATALOG


def operations(work: Callable[[], torch.Tensor]) -> int:
    """Of `work` and of its gradient."""
    with Counter() as counter:
        work().sum().backward()
    return counter.operations


def test_every_system_has_a_training_step() -> None:
    assert {name for names in STEPS.values() for name in names} >= set(CATALOG)


def test_linear_layers_count_forward_and_backward_but_not_the_input_s_gradient() -> None:
    network, inputs = nn.Sequential(nn.Linear(7, 11), nn.ReLU(), nn.Linear(11, 3)), torch.randn(5, 7)
    assert operations(lambda: network(inputs)) == 2 * 5 * (2 * 7 * 11 + 3 * 11 * 3)


@pytest.mark.parametrize(
    "settings", [{}, {"padding": 1}, {"stride": 2, "padding": 1}, {"groups": 2}, {"dilation": 2, "padding": 2}]
)
@pytest.mark.parametrize("kind", [nn.Conv2d, nn.ConvTranspose2d])
def test_convolutions_count_what_meets_pixels(kind: type[nn.Conv2d], settings: dict[str, int]) -> None:
    layer, inputs = kind(4, 6, 3, **settings), torch.randn(2, 4, 9, 9, requires_grad=True)
    fine = layer(inputs) if kind is nn.ConvTranspose2d else inputs
    sides = {name: value for name, value in settings.items() if name != "groups"}
    products = F.conv2d(torch.ones(1, 1, *fine.shape[2:]), torch.ones(1, 1, 3, 3), **sides).sum()
    assert operations(lambda: layer(inputs)) == 3 * 2 * 2 * 4 * 6 // layer.groups * products


def test_gradients_of_our_own_are_seen() -> None:
    features = torch.randn(2, 8, 5, 5, requires_grad=True)
    assert operations(lambda: gram(features)) == 2 * 2 * 2 * 25 * 8 * 8


def test_gradients_of_gradients_are_seen() -> None:
    layer, inputs = nn.Linear(4, 1), torch.randn(3, 4, requires_grad=True)

    def slope() -> torch.Tensor:
        (gradient,) = torch.autograd.grad(layer(inputs).sum(), inputs, create_graph=True)
        return gradient.square()

    # Forward, the gradient of the inputs, and what that makes of the weights.
    assert operations(slope) == 3 * 2 * 3 * 4


def test_calls_are_those_of_operators() -> None:
    with Counter() as counter:
        _ = torch.ones(3) + 1
    assert counter.calls == 2
