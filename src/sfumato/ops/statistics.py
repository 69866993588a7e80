"""Statistics of feature maps, and exchanging them.

Features are (b, c, h, w), any real numbers; statistics are fp32, (b, c, 1, 1), taken over positions. `weights`
(b or 1, 1, h, w), not negative, say how much each position counts: a soft mask.
"""

from contextlib import AbstractContextManager
from typing import Any, NamedTuple, cast

import torch
from torch import Tensor

TINY = 1e-8


class Moments(NamedTuple):
    """Mean and standard deviation of every channel."""

    mean: Tensor
    std: Tensor

    def lerp(self, other: "Moments", share: float) -> "Moments":
        """These at `share` 0, the other's at 1."""
        return Moments(torch.lerp(self.mean, other.mean, share), torch.lerp(self.std, other.std, share))


class _MeanAndVariance(torch.autograd.Function):
    """Over positions. torch's own `var_mean` took ten times as long forward, and three times backward, on a CPU."""

    @staticmethod
    def forward(ctx: Any, features: Tensor) -> tuple[Tensor, Tensor]:
        kind = torch.promote_types(features.dtype, torch.float32)
        count = features.shape[2] * features.shape[3]
        mean = features.mean((2, 3), keepdim=True, dtype=kind)
        variance = torch.linalg.vector_norm(features - mean, dim=(2, 3), keepdim=True).square_() / count
        ctx.save_for_backward(features, mean)
        return mean, variance

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> Tensor:
        features, mean = ctx.saved_tensors
        of_mean, of_variance = gradients
        count = features.shape[2] * features.shape[3]
        scale = 2 / count * of_variance
        return torch.addcmul(of_mean / count - mean * scale, features, scale).to(features.dtype)


def moments(features: Tensor, eps: float = 1e-5, unbiased: bool = False, weights: Tensor | None = None) -> Moments:
    """`eps` is added to the variance; `unbiased` divides it by n - 1 (only without `weights`)."""
    if weights is None:
        mean, variance = cast(tuple[Tensor, Tensor], _MeanAndVariance.apply(features))
        count = features.shape[2] * features.shape[3]
        if unbiased:
            variance = variance * (count / max(1, count - 1))
    else:
        values = features.float()
        total = weights.sum((2, 3), keepdim=True).clamp_min(TINY)
        mean = (values * weights).sum((2, 3), keepdim=True) / total
        variance = ((values - mean).square() * weights).sum((2, 3), keepdim=True) / total
    return Moments(mean, (variance + eps).sqrt())


def exchange(features: Tensor, own: Moments, other: Moments) -> Tensor:
    """Adaptive instance normalisation: σ(y) · (x - μ(x)) / σ(x) + μ(y) (Huang and Belongie 2017, eq. 8)."""
    scale = other.std / own.std
    return torch.addcmul(other.mean - own.mean * scale, features, scale).to(features.dtype)


def standardised(features: Tensor, own: Moments) -> Tensor:
    """`features` with mean 0 and deviation 1 in place of their own."""
    scale = 1 / own.std
    return torch.addcmul((-own.mean * scale).to(features.dtype), features, scale.to(features.dtype))


class _Products(torch.autograd.Function):
    """Of the columns of rows (b, n, c) with one another, in fp32. Backward it is one product where autograd takes two,
    in the precision that the gradient has anyway."""

    @staticmethod
    def forward(ctx: Any, rows: Tensor) -> Tensor:
        ctx.save_for_backward(rows)
        wide = rows.to(torch.promote_types(rows.dtype, torch.float32))
        with exact(rows):
            return wide.transpose(1, 2) @ wide

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> Tensor:
        (rows,) = ctx.saved_tensors
        both = gradients[0] + gradients[0].transpose(1, 2)
        with exact(rows):
            return rows @ both.to(rows.dtype)


def gram(features: Tensor) -> Tensor:
    """(b, c, c) inner products of channels, summed over positions (Gatys et al. 2016, eq. 3)."""
    return cast(Tensor, _Products.apply(_rows(features)))


def covariance(features: Tensor) -> tuple[Tensor, Tensor]:
    """Mean (b, 1, c) and covariance (b, c, c) of the channels over positions."""
    flat = _rows(features).float()
    mean = flat.mean(1, keepdim=True)
    return mean, cast(Tensor, _Products.apply(flat - mean)) / flat.shape[1]


def square_root(matrices: Tensor, steps: int = 12) -> Tensor:
    """Of symmetric (b, c, c) matrices without negative eigenvalues, by coupled Newton-Schulz iterations (Higham 2008,
    eq. 6.35): products only, so that gradients are cheap."""
    identity = torch.eye(matrices.shape[-1], device=matrices.device)
    norm = torch.linalg.matrix_norm(matrices, keepdim=True).clamp_min(TINY)
    root, inverse = matrices / norm, identity.expand_as(matrices)
    with exact(matrices):
        for _ in range(steps):
            middle = 1.5 * identity - 0.5 * inverse @ root
            root, inverse = root @ middle, middle @ inverse
    return root * norm.sqrt()


def exact(values: Tensor) -> AbstractContextManager[object]:
    """Products in fp32, whatever surrounds them: bf16 would leave 8 bits of a sum over thousands of positions."""
    return torch.autocast(values.device.type, enabled=False)


def _rows(features: Tensor) -> Tensor:
    """(b, h·w, c): in channels-last memory, nothing moves."""
    return features.permute(0, 2, 3, 1).flatten(1, 2)
