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
    (mean, own), (goal, other) = _distribution(values), _distribution(others)
    moved = _power(other, 0.5) @ _power(own, -0.5) @ (values - mean) + goal
    return moved.view_as(image).to(image.dtype).clamp(0, 1)


def match_histogram(image: Tensor, colours: Tensor) -> Tensor:
    """`image` with the histogram of another, channel by channel."""
    from skimage.exposure import match_histograms

    matched = match_histograms(image.cpu().numpy(), colours.cpu().numpy(), channel_axis=0)
    return torch.from_numpy(matched).to(image).clamp(0, 1)


def _distribution(values: Tensor) -> tuple[Tensor, Tensor]:
    mean = values.mean(1, keepdim=True)
    centred = values - mean
    return mean, centred @ centred.T / values.shape[1] + TINY * torch.eye(3, device=values.device, dtype=values.dtype)


def _power(matrix: Tensor, exponent: float) -> Tensor:
    values, vectors = torch.linalg.eigh(matrix)
    return vectors * values.clamp_min(TINY).pow(exponent) @ vectors.T
