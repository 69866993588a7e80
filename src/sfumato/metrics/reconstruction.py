"""How close reconstructions come to their images, beside what no learning would give.

Everything is on images in [0, 1]. Each number names its definition:
- `bce`: binary cross-entropy per pixel, in nats. It is not 0 for a perfect reconstruction of grey pixels: see
  `entropy_floor`.
- `mse`: squared error per pixel.
- `psnr`: in dB, the mean over images of 10·log10(1 / mse of that image).
- `psnr_pooled`: in dB, 10·log10(1 / mse over all pixels of all images). Never above `psnr`.
- `ssim`: Wang et al. 2004, https://doi.org/10.1109/TIP.2003.819861, Gaussian window of 11 pixels with σ 1.5, mean over
  images; the border is mirrored, as torchmetrics has it.
"""

from collections.abc import Callable

import torch
from torch import Tensor
from torch.nn import functional as F

from ..data.dataset import Split

Row = dict[str, float]
CHUNK = 500
SSIM_WINDOW, SSIM_SIGMA = 11, 1.5
SSIM_C1, SSIM_C2 = 0.01**2, 0.03**2
HALF_LEVEL = 0.5 / 255  # baselines stay this far from 0 and 1, where one wrong pixel's cross-entropy is infinite
MAX_PCA_NUMBERS = 100_000_000
MAX_MEAN_NUMBERS = 10_000_000  # that are averaged at a time


def cut(images: Tensor) -> Tensor:
    """`images` cut to [0, 1], half a grey level away from its ends."""
    return images.clamp(HALF_LEVEL, 1 - HALF_LEVEL)


def fidelity(images: Tensor, outputs: Tensor) -> Row:
    """All measures of (n, c, h, w) `outputs` against `images`, both in [0, 1]; without ssim where its window is
    larger than the images."""
    outputs = outputs.float().to(images.device)
    row = {
        "bce": float(F.binary_cross_entropy(outputs, images)),
        "mse": float(F.mse_loss(outputs, images)),
        **psnr(images, outputs),
    }
    if min(images.shape[-2:]) >= SSIM_WINDOW:
        row["ssim"] = _ssim(images, outputs)
    return row


def psnr(images: Tensor, outputs: Tensor) -> Row:
    """`psnr` and `psnr_pooled` alone: they take no time."""
    errors = (outputs - images).square().flatten(1).mean(1)
    return {"psnr": float(-10 * errors.log10().mean()), "psnr_pooled": float(-10 * errors.mean().log10())}


def _ssim(images: Tensor, outputs: Tensor) -> float:
    """In chunks: the windows of ten thousand images at once would take gigabytes."""
    total = 0.0
    for chunk, output in zip(images.split(CHUNK), outputs.split(CHUNK), strict=True):
        total += float(_similarity(chunk, output).sum())
    return total / len(images)


def _similarity(first: Tensor, second: Tensor) -> Tensor:
    """(n,): the structural similarity of (n, c, h, w) images. The window is two products with banded matrices."""
    rows, columns = (_windows(side).to(first) for side in first.shape[-2:])

    def local(values: Tensor) -> Tensor:
        return rows @ values @ columns.T

    mean, other = local(first), local(second)
    variance, others = (
        (local(values.square()) - means.square()).clamp(min=0) for values, means in ((first, mean), (second, other))
    )
    together = local(first * second) - mean * other
    light = (2 * mean * other + SSIM_C1) / (mean.square() + other.square() + SSIM_C1)
    return (light * (2 * together + SSIM_C2) / (variance + others + SSIM_C2)).flatten(1).mean(1)


def _windows(side: int) -> Tensor:
    """(side, side): a row for the window at each pixel; beyond the border it sees the image mirrored."""
    weights = torch.exp(-((torch.arange(SSIM_WINDOW) - SSIM_WINDOW // 2) ** 2) / (2 * SSIM_SIGMA**2))
    places = torch.arange(side)[:, None] + torch.arange(SSIM_WINDOW) - SSIM_WINDOW // 2
    mirrored = side - 1 - (side - 1 - places.abs()).abs()
    return torch.zeros(side, side).scatter_add_(1, mirrored, (weights / weights.sum()).expand(side, -1))


def entropy_floor(images: Tensor) -> float:
    """The least `bce` that any reconstruction can have: the entropy of the pixels read as probabilities."""
    return float(F.binary_cross_entropy(images, images))


def in_chunks(function: Callable[[Tensor], Tensor], images: Tensor) -> Tensor:
    """`function` of all images, a few hundred at a time, without gradients."""
    with torch.no_grad():
        return torch.cat([function(chunk).float().cpu() for chunk in images.split(CHUNK)])


def with_mirrors(images: Tensor) -> Tensor:
    """(2n, c, h, w): images, and then each mirrored: what a network sees that is trained with flips."""
    return torch.cat([images, images.flip(-1)])


def mean_image(train: Split, like: Tensor, mirrored: bool = False) -> Tensor:
    """The mean training image in place of each image in `like`: the reconstruction that needs no code at all.
    `mirrored`: of training images and their mirrors."""
    total = torch.zeros(like.shape[1:], dtype=torch.float64)
    for part in torch.arange(len(train)).split(max(1, MAX_MEAN_NUMBERS // like[0].numel())):
        total += train.images(part).double().sum(0)
    mean = (total / len(train)).float()
    return cut((mean + mean.flip(-1)) / 2 if mirrored else mean).expand_as(like)


Restore = Callable[[Tensor], Tensor]


def pca(train: Split, numbers: int, mirrored: bool = False) -> Restore:
    """Fits a linear code of `numbers` principal components on the training images, `mirrored`: and on their mirrors;
    returns the function that sends (n, c, h, w) images through it and back.

    Fitted on as many of them as fit into 100 million numbers (all of MNIST).
    """
    known = _known(train, torch.arange(len(train)), mirrored).flatten(1)
    return _linear_code(known, numbers) if len(known) > 1 else lambda images: mean_image(train, images)


def patch_pca(train: Split, numbers: int, side: int, mirrored: bool = False) -> Restore:
    """The same on patches of `side` × `side` pixels, each on its own: the linear code with as many numbers in the same
    places as a code of `numbers` maps. Fitted on random images, as many as fit into 100 million numbers."""
    height, width = train.images([0]).shape[2:]
    per_image = (height // side) * (width // side)
    order = torch.randperm(len(train), generator=torch.Generator().manual_seed(0))

    def cut_up(images: Tensor) -> Tensor:
        return F.unfold(images, side, stride=side).transpose(1, 2).flatten(0, 1)

    restore = _linear_code(cut_up(_known(train, order, mirrored)), numbers)

    def whole(images: Tensor) -> Tensor:
        patches = restore(cut_up(images)).view(len(images), per_image, -1).transpose(1, 2)
        return F.fold(patches, (height, width), side, stride=side)

    return whole


def _known(train: Split, order: Tensor, mirrored: bool) -> Tensor:
    """Training images in that order, (n, c, h, w), as many as fit, `mirrored`: with their mirrors."""
    images = train.images(order[: max(1, MAX_PCA_NUMBERS // train.images([0]).numel() // (1 + mirrored))])
    return with_mirrors(images) if mirrored else images


def _linear_code(known: Tensor, numbers: int) -> Restore:
    """Projection on the first principal components of (n, d) `known`, from whichever of the covariance (d × d) and the
    products of rows (n × n) is smaller: both have the same non-zero eigenvalues."""
    centre = known.mean(0)
    rows = known - centre
    numbers = min(numbers, *rows.shape)
    if rows.shape[1] <= rows.shape[0]:
        directions = torch.linalg.eigh(rows.T @ rows)[1][:, -numbers:]
    else:
        directions = torch.linalg.qr(rows.T @ torch.linalg.eigh(rows @ rows.T)[1][:, -numbers:])[0]

    def restore(images: Tensor) -> Tensor:
        flat = images.flatten(1) - centre
        return cut(flat @ directions @ directions.T + centre).view_as(images)

    return restore
