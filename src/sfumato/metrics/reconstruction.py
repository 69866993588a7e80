"""How close reconstructions come to their images, beside what no learning would give.

Everything is on images in [0, 1]. Each number names its definition:
- `bce`: binary cross-entropy per pixel, in nats. It is not 0 for a perfect reconstruction of grey pixels: see
  `entropy_floor`.
- `mse`: squared error per pixel.
- `psnr`: in dB, the mean over images of 10·log10(1 / mse of that image).
- `psnr_pooled`: in dB, 10·log10(1 / mse over all pixels of all images). Never above `psnr`.
- `ssim`: Wang et al. 2004, Gaussian window of 11 pixels with σ 1.5, mean over images (torchmetrics).
"""

from collections.abc import Callable

import torch
from torch import Tensor
from torch.nn import functional as F
from torchmetrics.functional.image import peak_signal_noise_ratio, structural_similarity_index_measure

from ..data.dataset import Split

Row = dict[str, float]
CHUNK = 500
SSIM_WINDOW = 11
HALF_LEVEL = 0.5 / 255  # baselines stay this far from 0 and 1, where one wrong pixel's cross-entropy is infinite
MAX_PCA_NUMBERS = 100_000_000
EXACT_PCA = 4096  # pixels; above, the covariance would take gigabytes and a seeded randomised solver is used


def cut(images: Tensor) -> Tensor:
    """`images` cut to [0, 1], half a grey level away from its ends."""
    return images.clamp(HALF_LEVEL, 1 - HALF_LEVEL)


def fidelity(images: Tensor, outputs: Tensor) -> Row:
    """All measures of (n, c, h, w) `outputs` against `images`, both in [0, 1]; without ssim where its window is
    larger than the images."""
    outputs = outputs.float().to(images.device)
    per_image = peak_signal_noise_ratio(outputs, images, data_range=1.0, dim=(1, 2, 3), reduction="elementwise_mean")
    row = {
        "bce": float(F.binary_cross_entropy(outputs, images)),
        "mse": float(F.mse_loss(outputs, images)),
        "psnr": float(per_image),
        "psnr_pooled": float(peak_signal_noise_ratio(outputs, images, data_range=1.0)),
    }
    if min(images.shape[-2:]) >= SSIM_WINDOW:
        row["ssim"] = _ssim(images, outputs)
    return row


def _ssim(images: Tensor, outputs: Tensor) -> float:
    """In chunks: the windows of ten thousand images at once would take gigabytes."""
    total = 0.0
    for chunk, output in zip(images.split(CHUNK), outputs.split(CHUNK), strict=True):
        value = structural_similarity_index_measure(output, chunk, data_range=1.0)
        assert isinstance(value, Tensor)
        total += float(value) * len(chunk)
    return total / len(images)


def entropy_floor(images: Tensor) -> float:
    """The least `bce` that any reconstruction can have: the entropy of the pixels read as probabilities."""
    return float(F.binary_cross_entropy(images, images))


def in_chunks(function: Callable[[Tensor], Tensor], images: Tensor) -> Tensor:
    """`function` of all images, a few hundred at a time, without gradients."""
    with torch.no_grad():
        return torch.cat([function(chunk).float().cpu() for chunk in images.split(CHUNK)])


def mean_image(train: Split, like: Tensor) -> Tensor:
    """The mean training image in place of each image in `like`: the reconstruction that needs no code at all."""
    total = torch.zeros(like.shape[1:], dtype=torch.float64)
    for part in torch.arange(len(train)).split(5000):
        total += train.images(part).double().sum(0)
    return cut((total / len(train)).float()).expand_as(like)


def pca(train: Split, images: Tensor, numbers: int) -> Tensor:
    """`images` through a linear code of `numbers` principal components of the training images.

    Fitted on as many training images as fit into 100 million numbers (all of MNIST).
    """
    from sklearn.decomposition import PCA

    if len(train) < 2:
        return mean_image(train, images)
    rows = min(len(train), MAX_PCA_NUMBERS // images[0].numel())
    known = train.images(torch.arange(rows)).flatten(1).numpy()
    solver = "covariance_eigh" if known.shape[1] <= EXACT_PCA else "randomized"
    model = PCA(min(numbers, *known.shape), svd_solver=solver, random_state=0).fit(known)
    restored = model.inverse_transform(model.transform(images.flatten(1).numpy()))
    return cut(torch.from_numpy(restored).float()).view_as(images)
