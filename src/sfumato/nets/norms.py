"""Norms over the positions of each map of each image."""

import torch
from torch import Tensor, nn
from torch.nn import functional as F

EPS = 1e-5


class InstanceNorm(nn.Module):
    """Each map of each image (b, c, h, w) to mean 0 and deviation 1 over its positions, without parameters.

    Ulyanov et al. 2016, https://arxiv.org/abs/1607.08022; torch's `InstanceNorm2d`. On a CPU that takes
    two to five times as long as batch norm of each image alone, which is the same.
    """

    def forward(self, maps: Tensor) -> Tensor:
        if maps.shape[2] * maps.shape[3] == 1:
            return torch.zeros_like(maps)
        if maps.device.type != "cpu" or torch.compiler.is_exporting():
            return F.instance_norm(maps, eps=EPS)
        return torch.cat([F.batch_norm(image, None, None, training=True, eps=EPS) for image in maps.split(1)])
