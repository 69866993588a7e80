"""Keeping a picture's colours while its style changes. Images are (3, h, w) in [0, 1], RGB."""

import torch
from torch import Tensor

TINY = 1e-5  # beside the variances of colours, which may all be 0
TO_LUMA = ((0.299, 0.587, 0.114), (-0.168736, -0.331264, 0.5), (0.5, -0.418688, -0.081312))  # BT.601: Y, Cb, Cr


def keep_chroma(image: Tensor, colours: Tensor) -> Tensor:
    """`image` with the chroma of `colours`, of the same size: only its light and dark stay (Gatys et al. 2016,
    https://arxiv.org/abs/1606.05897, section 4)."""
    to_luma = torch.tensor(TO_LUMA, device=image.device)
    luma = torch.einsum("c,chw->hw", to_luma[0], image)[None]
    chroma = torch.einsum("kc,chw->khw", to_luma[1:], colours)
    return torch.einsum("ck,khw->chw", torch.linalg.inv(to_luma), torch.cat([luma, chroma])).clamp(0, 1)


def match_covariance(image: Tensor, colours: Tensor) -> Tensor:
    """`image` with the mean and covariance of the colours of another, of any size: CORAL (Sun et al. 2016,
    https://arxiv.org/abs/1511.05547).

    Covariances are those of one pixel, so that `TINY` matters where a picture is flat and nowhere else.
    """
    values, others = (picture.flatten(1).double() for picture in (image, colours))
    (mean, own), (goal, other) = (_distributions(part[None], TINY) for part in (values, others))
    moved = (powers(other, 0.5) @ powers(own, -0.5))[0] @ (values - mean[0, :, None]) + goal[0, :, None]
    return moved.view_as(image).to(image.dtype).clamp(0, 1)


def transported(images: Tensor, colours: Tensor, floor: float = TINY) -> Tensor:
    """`images` (b, 3, h, w) with the mean and covariance of others' colours, of any size, by the map that moves colours
    least: the optimal transport between two Gaussians (Peyré and Cuturi 2019, https://arxiv.org/abs/1803.00567, remark
    2.31). Not clamped. `floor`: added to both covariances; where colours hardly vary it keeps the map from blowing up.
    """
    matrix, shift = transport(images, colours, floor)
    return torch.einsum("bij,bjhw->bihw", matrix, images) + shift[..., None, None]


def transport(images: Tensor, colours: Tensor, floor: float = TINY) -> tuple[Tensor, Tensor]:
    """The map itself: matrices (b, 3, 3) and shifts (b, 3)."""
    (mean, own), (goal, other) = (_distributions(values, floor) for values in (images, colours))
    root, inverse = powers(own, 0.5), powers(own, -0.5)
    matrix = inverse @ powers(root @ other @ root, 0.5) @ inverse
    return matrix.float(), (goal - (matrix @ mean[..., None])[..., 0]).float()


def _distributions(images: Tensor, floor: float) -> tuple[Tensor, Tensor]:
    values = images.flatten(2).double()
    mean = values.mean(2)
    centred = values - mean[..., None]
    identity = torch.eye(3, device=values.device, dtype=values.dtype)
    return mean, centred @ centred.transpose(1, 2) / values.shape[2] + floor * identity


def match_histogram(image: Tensor, colours: Tensor) -> Tensor:
    """`image` with the histogram of another, channel by channel."""
    from skimage.exposure import match_histograms

    matched = match_histograms(image.cpu().numpy(), colours.cpu().numpy(), channel_axis=0)
    return torch.from_numpy(matched).to(image).clamp(0, 1)


def powers(matrices: Tensor, exponent: float) -> Tensor:
    """Of symmetric (b, n, n) matrices, positive definite."""
    values, vectors = torch.linalg.eigh(matrices)
    return vectors * values.clamp_min(TINY**2).pow(exponent)[..., None, :] @ vectors.transpose(1, 2)
