"""One gradient step."""

import torch
from torch import Tensor

from .eager import step
from .runtime import average_gradients


def descend(loss: Tensor, optimizer: torch.optim.Optimizer, clip: float | None = None) -> None:
    """Zero, backward, average over processes, clip, step: only parameters that `optimizer` holds change, and of those
    only such as took part in `loss`; the others keep their weights, and the optimiser what it knows of them.

    `loss`: a scalar. `clip`: the largest 2-norm of all gradients together. Nobody toggles `requires_grad`: gradients
    are computed for the optimiser's own parameters alone.
    """
    parameters = [parameter for group in optimizer.param_groups for parameter in group["params"]]
    for parameter in parameters:
        parameter.grad = None
    with torch.autocast(loss.device.type, enabled=False):
        loss.backward(inputs=parameters)
        average_gradients(parameters)
        if clip is not None:
            torch.nn.utils.clip_grad_norm_(parameters, clip)
        step(optimizer)
    # Autocast keeps bf16 copies of weights until its outermost block ends; a second update in the same step must not
    # see those from before this one.
    torch.clear_autocast_cache()


def reset(optimizer: torch.optim.Optimizer) -> None:
    """Forgets all that past steps left behind, moments and counts of steps; rates stay as they are."""
    optimizer.state.clear()
