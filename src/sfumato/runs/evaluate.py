"""Measuring a run by the measures of its family, on held-out images, beside trivial baselines."""

from math import prod
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from ..autoencoders.autoencoder import Autoencoder
from ..data.dataset import ImageData
from ..engine.runtime import Runtime
from ..engine.system import System
from ..errors import SfumatoError
from ..gans.drawing import measure_adversarial
from ..gans.game import Adversarial
from ..metrics.reconstruction import Restore, cut, entropy_floor, fidelity, in_chunks, mean_image, patch_pca, pca
from ..recognition.measures import measure_recognition
from ..recognition.recognizer import Recognizer
from ..seeds import derive
from ..style.network import Restyler, StyleSystem
from .catalog import Entry

MAX_IMAGES = 10_000
MAX_NUMBERS = 250_000_000  # in all of them: a gigabyte
NOISE_SEED = 0
PAIRED = 10  # contents, and as many styles
_FITTED: dict[tuple[Any, ...], dict[str, Restore]] = {}  # a study's runs share their baselines


def evaluate_run(
    entry: Entry, system: System, data: ImageData, runtime: Runtime, inception: Path | None = None
) -> dict[str, Any]:
    """`rows`: a dict per line, its `name` and its measures; `note`: what must be known to read them; beside them what
    they were measured on. `inception`: weights to measure FID with, of systems that draw."""
    system.eval()
    if inception and not isinstance(system, Adversarial):
        raise SfumatoError(
            f"inception {inception}: FID is measured of what adversarial systems draw, not of {entry.name}"
        )
    if isinstance(system, Autoencoder):
        measured = _measure_autoencoder(system, data, runtime)
    elif isinstance(system, Adversarial):
        measured = measure_adversarial(system, data, runtime, inception)
    elif isinstance(system, Recognizer):
        measured = measure_recognition(system, data, runtime)
    else:
        assert isinstance(system, StyleSystem), f"{entry.family} has no measures yet"
        measured = _measure_style(system, data, runtime)
    return {
        "split": "test",
        "data": data.name,
        "fingerprint": data.fingerprint,
        "notice": data.notice,
        "left_out": len(data.left_out),
        **measured,
    }


def _measure_style(system: StyleSystem, data: ImageData, runtime: Runtime) -> dict[str, Any]:
    """Every one of ten test contents in every one of ten test styles, beside both as they are."""
    content, style = test_pairs(data, PAIRED)
    restyled = restyle(system.restyler, content, style, runtime)
    rows = []
    for name, pictures in (("restyled", restyled), ("content, untouched", content), ("style, untouched", style)):
        rows.append({"name": name, **judged(system, pictures, content, style, runtime)})
    return {
        "images": len(content),
        "resolution": content.shape[-1],
        "note": "Pairs, not single images; content and style are the losses that were trained on.",
        "rows": rows,
    }


@torch.no_grad()
def judged(system: StyleSystem, pictures: Tensor, content: Tensor, style: Tensor, runtime: Runtime) -> dict[str, float]:
    """The mean content and style loss of `pictures`, pair by pair."""
    losses = [
        torch.stack(system.judge(*(part.to(runtime.device) for part in parts))) * len(parts[0])
        for parts in zip(*(item.split(PAIRED) for item in (pictures, content, style)), strict=True)
    ]
    of_content, of_style = (torch.stack(losses).sum(0) / len(content)).tolist()
    return {"content": of_content, "style": of_style}


def test_pairs(data: ImageData, count: int) -> tuple[Tensor, Tensor]:
    """Each of `count` test contents with each of `count` test styles, spread over both sets: (count², 3, h, w) each."""
    assert data.second is not None
    content, style = (
        split.images(torch.linspace(0, len(split) - 1, min(count, len(split))).long())
        for split in (data.test, data.second.test)
    )
    return content.repeat_interleave(len(style), 0), style.repeat(len(content), 1, 1, 1)


def restyle(restyler: Restyler, content: Tensor, style: Tensor, runtime: Runtime) -> Tensor:
    """`content` in the style of `style`, pair by pair, in [0, 1], on the CPU."""
    with torch.no_grad(), runtime.autocast():
        parts = [
            restyler(one.to(runtime.device), other.to(runtime.device)).float().clamp(0, 1).cpu()
            for one, other in zip(content.split(PAIRED), style.split(PAIRED), strict=True)
        ]
    return torch.cat(parts)


def _measure_autoencoder(system: Autoencoder, data: ImageData, runtime: Runtime) -> dict[str, Any]:
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
    floor = entropy_floor(images)
    return {
        "images": len(images),
        "resolution": data.shape[1],
        "bce_floor": floor,
        "noise_seed": NOISE_SEED if noisy is not images or sent is not codes else None,
        "note": f"No reconstruction can have a BCE below {floor:.6f}. psnr: mean over images; psnr_pooled: of the mean "
        "squared error, in dB.",
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
