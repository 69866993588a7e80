"""How much of an image one number of a network's last map can depend on."""

import copy

import torch
from torch import nn

from .norms import InstanceNorm


def receptive_field(network: nn.Module, side: int = 768) -> int:
    """Pixels along a side of the square that the middle number of the map depends on; `side` if it is all of them.

    Found by differentiation: filters become means, poolings averages, and norms and rectifiers are left out, so that
    nothing is cancelled or passed over by chance; the gradient is then zero outside the field alone. `network`: from
    images (1, 3, h, w) to one map.
    """
    probe = copy.deepcopy(network).cpu().eval()
    for module in probe.modules():
        if isinstance(module, nn.Conv2d):
            nn.init.constant_(module.weight, 1 / module.weight[0].numel())
            if module.bias is not None:
                nn.init.zeros_(module.bias)
        for name, child in module.named_children():
            if isinstance(child, nn.BatchNorm2d | InstanceNorm | nn.ReLU | nn.ReLU6 | nn.LeakyReLU):
                setattr(module, name, nn.Identity())
            elif isinstance(child, nn.MaxPool2d):
                setattr(module, name, nn.AvgPool2d(child.kernel_size, child.stride, child.padding, child.ceil_mode))
    images = torch.ones(1, 3, side, side, requires_grad=True)
    values = probe(images)
    middle = values[..., values.shape[-2] // 2, values.shape[-1] // 2]
    middle.sum().backward()
    assert images.grad is not None
    reached = images.grad.abs().sum((0, 1, 2)).nonzero().flatten()
    return int(reached[-1] - reached[0]) + 1
