"""Steps of optimisers without torch's compiler."""

import copy

import pytest
import torch

from sfumato.engine.eager import step


@pytest.mark.parametrize(
    "kind",
    [
        lambda parameters: torch.optim.Adam(parameters, lr=1e-2, fused=True),
        lambda parameters: torch.optim.AdamW(parameters, lr=1e-2, weight_decay=0.1),
        lambda parameters: torch.optim.SGD(parameters, lr=1e-2, momentum=0.9),
        lambda parameters: torch.optim.RMSprop(parameters, lr=1e-2),
    ],
    ids=["adam", "adamw", "sgd", "rmsprop"],
)
def test_a_step_is_the_optimisers_own(kind: object) -> None:
    torch.manual_seed(0)
    ours = torch.nn.Linear(5, 3)
    theirs = copy.deepcopy(ours)
    optimizers = [kind(network.parameters()) for network in (ours, theirs)]  # pyright: ignore[reportCallIssue]
    for _ in range(4):
        images = torch.randn(7, 5)
        for network, optimizer in zip((ours, theirs), optimizers, strict=True):
            optimizer.zero_grad()
            network(images).square().mean().backward()
        step(optimizers[0])
        optimizers[1].step()
    assert torch.equal(ours.weight, theirs.weight)
    assert torch.equal(ours.bias, theirs.bias)
