"""How much of an image one number of a network's map can depend on, and how much it does."""

import copy
from collections.abc import Callable

import torch
from torch import Tensor, nn

from .norms import InstanceNorm


def receptive_field(network: nn.Module, side: int = 768) -> int:
    """Pixels along a side of the square that the middle number of the map depends on; `side` if it is all of them.

    `network`: from images (1, 3, h, w) to one map.
    """
    left, _, right, _ = extent(influence(positive(network), torch.ones(1, 3, side, side)))
    return right - left


def positive(network: nn.Module) -> nn.Module:
    """A copy of `network` whose gradient is zero outside the receptive field alone: filters become means, poolings
    averages, and norms and rectifiers are left out, so that nothing is cancelled or passed over by chance."""
    probe = copy.deepcopy(network).cpu().eval()
    for module in probe.modules():
        if isinstance(module, nn.Conv2d):
            nn.init.constant_(module.weight, 1 / module.weight[0].numel())
            if module.bias is not None:
                nn.init.zeros_(module.bias)
        for name, child in module.named_children():
            if isinstance(child, nn.BatchNorm2d | InstanceNorm | nn.ReLU | nn.ReLU6 | nn.LeakyReLU):
                setattr(module, name, nn.Identity())
            elif isinstance(child, nn.AdaptiveMaxPool2d):
                setattr(module, name, nn.AdaptiveAvgPool2d(child.output_size))
            elif isinstance(child, nn.MaxPool2d):
                setattr(module, name, nn.AvgPool2d(child.kernel_size, child.stride, child.padding, child.ceil_mode))
    return probe


def influence(network: Callable[[Tensor], Tensor], images: Tensor) -> Tensor:
    """(h, w): how much the middle number of a map, its channels summed, changes with each pixel of `images`
    (n, 3, h, w): absolute gradients, summed over colours, their mean over images."""
    images = images.detach().clone().requires_grad_()
    values = network(images)
    (gradient,) = torch.autograd.grad(values[..., values.shape[-2] // 2, values.shape[-1] // 2].sum(), images)
    return gradient.abs().sum(1).mean(0)


def extent(values: Tensor) -> tuple[int, int, int, int]:
    """Left, top, right and bottom of the least rectangle of (h, w) that holds all that is not 0; right and bottom
    outside it."""
    rows, columns = (values.sum(along).nonzero().flatten().tolist() for along in (1, 0))
    return columns[0], rows[0], columns[-1] + 1, rows[-1] + 1
