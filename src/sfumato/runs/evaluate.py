"""Measuring a run by the measures of its family, on held-out images, beside trivial baselines."""

from math import prod
from typing import Any

import torch
from torch import Tensor

from ..autoencoders.autoencoder import Autoencoder
from ..data.dataset import ImageData
from ..engine.runtime import Runtime
from ..engine.system import System
from ..metrics.reconstruction import Restore, cut, entropy_floor, fidelity, in_chunks, mean_image, patch_pca, pca
from ..seeds import derive
from .catalog import Entry

MAX_IMAGES = 10_000
MAX_NUMBERS = 250_000_000  # in all of them: a gigabyte
NOISE_SEED = 0
_FITTED: dict[tuple[Any, ...], dict[str, Restore]] = {}  # a study's runs share their baselines


def evaluate_run(entry: Entry, system: System, data: ImageData, runtime: Runtime) -> dict[str, Any]:
    """`rows`: a dict per line, its `name` and its measures; beside them what they were measured on."""
    assert isinstance(system, Autoencoder), f"{entry.family} has no measures yet"
    system.eval()
    images = _test_images(data)
    codes = encode(system, images, runtime)
    rows = [{"name": "reconstruction", **fidelity(images, decode(system, codes, runtime))}]
    sent = sent_codes(system, codes)
    if sent is not codes:
        rows.append({"name": "reconstruction from noisy codes", **fidelity(images, decode(system, sent, runtime))})
    noisy = noisy_images(system, images)
    if noisy is not images:
        rows.append({"name": "denoised", **fidelity(images, reconstruct(system, noisy, runtime))})
        rows.append({"name": "noisy input, cut to [0, 1]", **fidelity(images, cut(noisy))})
    for name, restore in baselines(data, system.code_shape).items():
        rows.append({"name": name, **fidelity(images, restore(images))})
    return {
        "split": "test",
        "data": data.name,
        "fingerprint": data.fingerprint,
        "images": len(images),
        "resolution": data.shape[1],
        "bce_floor": entropy_floor(images),
        "noise_seed": NOISE_SEED if noisy is not images or sent is not codes else None,
        "notice": data.notice,
        "left_out": len(data.left_out),
        "rows": rows,
    }


def _test_images(data: ImageData) -> Tensor:
    return data.test.images(range(min(len(data.test), MAX_IMAGES, MAX_NUMBERS // prod(data.shape))))


def baselines(data: ImageData, code_shape: tuple[int, ...]) -> dict[str, Restore]:
    """What no network gives, fitted on the training images: linear codes of the same size, and no code at all.

    By name the function that sends images (n, c, h, w) through each. The same for every run on `data`.
    """
    known = (data.fingerprint, data.shape, code_shape)
    if known not in _FITTED:
        numbers = min(prod(code_shape), len(data.train))
        fitted = {f"PCA-{numbers}": pca(data.train, numbers)}
        if len(code_shape) == 3:
            side = data.shape[1] // code_shape[1]
            fitted[f"patch PCA, {code_shape[0]} numbers per {side}×{side}"] = patch_pca(data.train, code_shape[0], side)
        fitted["mean image"] = lambda images: mean_image(data.train, images)
        _FITTED[known] = fitted
    return _FITTED[known]


def encode(system: Autoencoder, images: Tensor, runtime: Runtime) -> Tensor:
    """The codes of any number of images, (n, *code_shape) on the CPU."""
    with runtime.autocast():
        return in_chunks(lambda chunk: system.encode(chunk.to(runtime.device)), images)


def decode(system: Autoencoder, codes: Tensor, runtime: Runtime) -> Tensor:
    """The images of any number of codes, flat or shaped, on the CPU."""
    with runtime.autocast():
        return in_chunks(
            lambda chunk: system.decode(chunk.to(runtime.device).view(-1, *system.code_shape)), codes.contiguous()
        )


def reconstruct(system: Autoencoder, images: Tensor, runtime: Runtime) -> Tensor:
    """Reconstructions of any number of images, on the CPU, without noise."""
    return decode(system, encode(system, images, runtime), runtime)


def sent_codes(system: Autoencoder, codes: Tensor) -> Tensor:
    """`codes` as the system's decoder sees them in training, with a fixed seed; themselves if nothing is added."""
    return system.transmit(codes, torch.Generator().manual_seed(derive(NOISE_SEED, "code noise")))


def noisy_images(system: Autoencoder, images: Tensor) -> Tensor:
    """`images` as the system's encoder sees them in training, with a fixed seed; themselves if it adds nothing."""
    return system.corrupt(images, torch.Generator().manual_seed(derive(NOISE_SEED, "noise")))
