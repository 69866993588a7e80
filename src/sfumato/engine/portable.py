"""Parts of a system that can be computed without it: what `sfumato export` writes for other programs."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

import torch
from torch import Tensor, nn


@dataclass(frozen=True)
class Portable:
    """`compute`: from the tensors of `inputs` to those of `outputs`, a batch first. `inputs`: examples, by name.
    `sized`: the inputs whose height and width may be others, and the number that both must be a multiple of.
    `networks`: what `compute` uses. `about`: in words, what goes in and what comes out. `settings`: numbers that
    whoever prepares the inputs needs."""

    name: str
    compute: Callable[..., Tensor | tuple[Tensor, ...]]
    networks: tuple[nn.Module, ...]
    inputs: Mapping[str, Tensor]
    outputs: tuple[str, ...]
    about: Mapping[str, str]
    sized: Mapping[str, int] = field(default_factory=dict)
    settings: Mapping[str, float] = field(default_factory=dict)

    def module(self) -> nn.Module:
        """As one module, in evaluation mode, on the CPU, in fp32."""
        return _Whole(self).eval()

    def others(self) -> dict[str, Tensor]:
        """Inputs of another batch and, where it may be, of another size."""
        generator = torch.Generator().manual_seed(0)

        def other(name: str, value: Tensor) -> Tensor:
            shape = [3, *value.shape[1:]]
            if step := self.sized.get(name):
                shape[-2:] = [value.shape[-2] + step, value.shape[-1] + 2 * step]
            if not value.is_floating_point():
                return torch.arange(3) % (int(value.max()) + 1)
            return torch.rand(shape, generator=generator)

        return {name: other(name, value) for name, value in self.inputs.items()}


class _Whole(nn.Module):
    def __init__(self, part: Portable) -> None:
        super().__init__()
        self.networks = nn.ModuleList(part.networks)
        self.compute = part.compute

    def forward(self, *inputs: Tensor) -> Tensor | tuple[Tensor, ...]:
        return self.compute(*inputs)
