"""What style transfer minimises. Features are (b, c, h, w), any real numbers; every loss is an fp32 scalar."""

import torch
from torch import Tensor
from torch.nn import functional as F

from .statistics import TINY, Moments, covariance, exact, square_root


def relative_error(found: Tensor, target: Tensor) -> Tensor:
    """The mean of `relative_errors`."""
    return relative_errors(found, target).mean()


def relative_errors(found: Tensor, target: Tensor) -> Tensor:
    """‖found - target‖² / ‖target‖² of each sample, (b,): 0 is equal, 1 is as good as nothing."""
    each = tuple(range(1, target.dim()))
    missed = torch.linalg.vector_norm(found - target, dim=each, dtype=torch.float32)
    size = torch.linalg.vector_norm(target, dim=each, dtype=torch.float32)
    return missed.square() / size.square().clamp_min(TINY)


def relative_moments(found: Moments, target: Moments) -> Tensor:
    """The relative error of the channels' means and standard deviations, taken as one vector."""
    return relative_error(torch.cat(found, 1), torch.cat(target, 1))


def total_variation(images: Tensor) -> Tensor:
    """Mean squared difference of neighbours in (b, c, h, w) images, down and across."""
    down = (images[..., 1:, :] - images[..., :-1, :]).square().mean()
    return down + (images[..., 1:] - images[..., :-1]).square().mean()


def added_grain(images: Tensor, content: Tensor) -> Tensor:
    """Mean squared excess of the second differences of (b, c, h, w) images over those of `content` at the same place,
    down and across: fine detail where there was none."""
    total = images.new_zeros(())
    for side in (2, 3):
        found, there = (values.diff(2, side).abs() for values in (images, content))
        total = total + (found - there).relu().square().mean()
    return total


def gram_error(found: Tensor, target: Tensor) -> Tensor:
    """E_l of Gatys et al. 2016 (eq. 4), Σ(G - A)² / 4N²M², of (b, N, N) Gram matrices divided by their M positions."""
    return (found - target).square().sum((1, 2)).mean() / (4 * found.shape[1] ** 2)


def gaussian_distance(features: Tensor, mean: Tensor, covariance_root: Tensor, eps: float = 1e-4) -> Tensor:
    """Squared 2-Wasserstein distance per channel between Gaussians fitted to (b, c, h, w) features and to a style's.

    ‖μ - ν‖² + tr(A + B - 2 (√A B √A)^½); `covariance_root` is the style's √A, (b, c, c), of A + `eps`.
    """
    own_mean, own = covariance(features)
    own = own + eps * torch.eye(own.shape[-1], device=own.device)
    with exact(features):
        cross = square_root(covariance_root @ own @ covariance_root)
        style = covariance_root @ covariance_root
    traces = [matrix.diagonal(dim1=1, dim2=2).sum(1) for matrix in (style, own, cross)]
    distance = (own_mean - mean).square().sum((1, 2)) + traces[0] + traces[1] - 2 * traces[2]
    return distance.mean() / features.shape[1]


def sliced_distance(found: Tensor, target: Tensor, directions: Tensor) -> Tensor:
    """Squared sliced 2-Wasserstein distance between the features of two pictures, (b, c, h, w) and (b, c, k, l).

    `directions`: (n, c) of norm 1. Along each, sorted values are compared; the longer set is read at even steps.
    """
    with exact(found):
        sorted_found, sorted_target = (
            (directions @ values.flatten(2).float()).sort(2).values for values in (found, target)
        )
    if sorted_found.shape[2] != sorted_target.shape[2]:
        sorted_target = F.interpolate(sorted_target, size=sorted_found.shape[2], mode="linear", align_corners=False)
    return (sorted_found - sorted_target).square().mean()


def patch_distance(
    found: Tensor, target: Tensor, directions: Tensor, scales: int, centred: bool = False, eps: float = 0.0
) -> Tensor:
    """The sliced 2-Wasserstein distance between the square patches of two sets of pictures (b, 3, h, w), which differ
    in size at will, averaged over `scales`, each half the one before.

    `directions`: (n, 3·p·p) of norm 1, for patches of p pixels. `centred`: patches less their mean in each channel.
    `eps` is added to the squares: a root of 0 has no gradient.
    """
    side = round((directions.shape[1] / found.shape[1]) ** 0.5)
    distances = []
    for scale in range(scales):
        sets = [
            F.unfold(F.avg_pool2d(part, 2**scale), side, stride=1 if scale else 2).unflatten(1, (part.shape[1], -1))
            for part in (found, target)
        ]
        if centred:
            sets = [patches - patches.mean(2, keepdim=True) for patches in sets]
        first, second = (patches.flatten(1, 2)[..., None] for patches in sets)
        distances.append((sliced_distance(first, second, directions) + eps).sqrt())
    return torch.stack(distances).mean()


def checker_share(pictures: Tensor) -> Tensor:
    """Of (b, c, h, w) pictures, (b,): how much of the fine detail of their grey is checks of 2×2 pixels. Of white noise
    ¼, of any edge that runs straight down or across 0."""
    grey = pictures.mean(1, keepdim=True)
    across, down = grey.diff(dim=3), grey.diff(dim=2)
    checks = across.diff(dim=2).square().mean((1, 2, 3)) / 4
    return checks / (across.square().mean((1, 2, 3)) + down.square().mean((1, 2, 3))).clamp_min(TINY)


def absolute_variation(images: Tensor) -> Tensor:
    """Half the mean absolute differences of neighbours, down and across: the total variation of course texts."""
    down = (images[..., 1:, :] - images[..., :-1, :]).abs().mean()
    return 0.5 * (down + (images[..., 1:] - images[..., :-1]).abs().mean())
