"""Penalties on weights."""

from collections.abc import Iterable

import torch
from torch import Tensor


def sum_of_norms(parameters: Iterable[Tensor]) -> Tensor:
    """Σ ‖θ‖₂ over the parameter tensors, not squared: a scalar.

    The reference texts add this to the loss and call it «L2 regularisation». It is not weight decay: its gradient
    θ/‖θ‖ has length 1 per tensor however small the tensor is, where weight decay's λθ fades with θ.
    """
    return torch.stack(torch._foreach_norm(list(parameters))).sum()
