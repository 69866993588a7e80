"""Measuring a run by the measures of its family, on held-out images, beside trivial baselines."""

from math import prod
from typing import Any

import torch

from ..autoencoders.autoencoder import Autoencoder
from ..data.dataset import ImageData
from ..engine.runtime import Runtime
from ..engine.system import System
from ..metrics.reconstruction import cut, entropy_floor, fidelity, in_chunks, mean_image, pca
from ..seeds import derive
from .catalog import Entry

MAX_IMAGES = 10_000
MAX_NUMBERS = 250_000_000  # in all of them: a gigabyte
NOISE_SEED = 0
_MEASURED: dict[tuple[str, int], list[dict[str, Any]]] = {}  # a study's runs share their baselines


def evaluate_run(entry: Entry, system: System, data: ImageData, runtime: Runtime) -> dict[str, Any]:
    """`rows`: a dict per line, its `name` and its measures; beside them what they were measured on."""
    assert isinstance(system, Autoencoder), f"{entry.family} has no measures yet"
    system.eval()
    images = _test_images(data)
    rows = [{"name": "reconstruction", **fidelity(images, reconstruct(system, images, runtime))}]
    noisy = noisy_images(system, images)
    if noisy is not images:
        rows.append({"name": "denoised", **fidelity(images, reconstruct(system, noisy, runtime))})
        rows.append({"name": "noisy input, cut to [0, 1]", **fidelity(images, cut(noisy))})
    rows += _baselines(data, system.config.bottleneck)
    return {
        "split": "test",
        "data": data.name,
        "fingerprint": data.fingerprint,
        "images": len(images),
        "resolution": data.shape[1],
        "bce_floor": entropy_floor(images),
        "noise_seed": NOISE_SEED if noisy is not images else None,
        "notice": data.notice,
        "left_out": len(data.left_out),
        "rows": rows,
    }


def _test_images(data: ImageData) -> torch.Tensor:
    return data.test.images(range(min(len(data.test), MAX_IMAGES, MAX_NUMBERS // prod(data.shape))))


def _baselines(data: ImageData, code: int) -> list[dict[str, Any]]:
    """What no network gives: a linear code of the same size, and no code at all. The same for every run on `data`."""
    known = (data.fingerprint, code)
    if known not in _MEASURED:
        images = _test_images(data)
        _MEASURED[known] = [
            {"name": f"PCA-{code}", **fidelity(images, pca(data.train, images, code))},
            {"name": "mean image", **fidelity(images, mean_image(data.train, images))},
        ]
    return _MEASURED[known]


def reconstruct(system: Autoencoder, images: torch.Tensor, runtime: Runtime) -> torch.Tensor:
    """Reconstructions of any number of images, on the CPU."""
    with runtime.autocast():
        return in_chunks(lambda chunk: system.reconstruct(chunk.to(runtime.device)), images)


def noisy_images(system: Autoencoder, images: torch.Tensor) -> torch.Tensor:
    """`images` as the system's encoder sees them in training, with a fixed seed; themselves if it adds nothing."""
    return system.corrupt(images, torch.Generator().manual_seed(derive(NOISE_SEED, "noise")))
