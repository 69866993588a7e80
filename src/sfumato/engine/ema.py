"""An exponential moving average of a network's weights, with its half-life in images."""

import copy

import torch
from torch import Tensor, nn

RAMP = 0.05


class Average(nn.Module):
    """A copy of `network` that follows it: after `half_life` images, half of what was there before is forgotten.

    At first sooner: the half-life is never more than a twentieth of the images seen, so that the untrained network is
    soon forgotten. Buffers (batch statistics, counters) are copied, not averaged.
    """

    def __init__(self, network: nn.Module, half_life: int) -> None:
        super().__init__()
        self.network = copy.deepcopy(network).requires_grad_(False)
        self.half_life = half_life

    @torch.no_grad()
    def follow(self, network: nn.Module, images: int, seen: int) -> None:
        """Moves the copy towards `network` by the weight of `images` images just trained on, of `seen` in all."""
        keep = 0.5 ** (images / min(self.half_life, RAMP * seen))
        averages: list[Tensor] = list(self.network.parameters())
        current: list[Tensor] = list(network.parameters())
        torch._foreach_lerp_(averages, current, 1 - keep)
        for average, buffer in zip(self.network.buffers(), network.buffers(), strict=True):
            average.copy_(buffer)

    def forward(self, *args: Tensor, **kwargs: Tensor) -> Tensor:
        return self.network(*args, **kwargs)
