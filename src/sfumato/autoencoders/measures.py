"""How well an autoencoder brings held-out images back, beside linear codes of the same size and no code at all."""

from collections.abc import Callable, Sequence
from functools import cache
from math import prod
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional as F

from ..data.dataset import ImageData
from ..engine.runtime import Runtime
from ..family import USUAL, Judges
from ..metrics.judges import judge_of
from ..metrics.kept import kept
from ..metrics.reconstruction import Restore, cut, entropy_floor, fidelity, in_chunks, mean_image, patch_pca, pca
from ..metrics.table import OURS, Evaluation, Role, Row, Words, rows_of
from ..ops.codes import DENSITIES
from ..seeds import derive
from .autoencoder import Autoencoder

MAX_IMAGES = 10_000
MAX_NUMBERS = 250_000_000  # in all of them: a gigabyte
MAX_FITTED = 10_000  # codes of training images that densities are fitted to
DRAWS = {False: 64, True: 5_000}  # codes for each image, of a likelihood; if it is thorough
NOISE_SEED = 0
MIRRORED = Words(
    " What is fitted beside the network is fitted on training images and their mirrors, as it is trained on both.",
    "与网络并列的基线也在训练图像及其镜像上拟合，因为网络以两者训练。",
)
DRAWN = {
    "prior": Words("drawn from the prior", "由先验抽取"),
    "gaussian": Words("drawn from a Gaussian of codes", "由编码的高斯分布抽取"),
    "shrunk": Words("drawn from a shrunk Gaussian of codes", "由编码的收缩高斯分布抽取"),
    "mixture": Words("drawn from a mixture of ten Gaussians of codes", "由编码的十个高斯的混合抽取"),
    "histogram": Words("drawn from histograms of each number", "由每个数的直方图抽取"),
    "floor": Words("real training images (floor)", "真实训练图像（下限）"),
}
_FITTED: dict[tuple[Any, ...], dict[str, tuple[Words, Restore]]] = {}  # a study's runs share their baselines


def measure(system: Autoencoder, data: ImageData, runtime: Runtime, judges: Judges = USUAL) -> Evaluation:
    """Reconstructions of the test images; from noisy codes and of noisy images where the system trains on such;
    likelihoods where it has them. Of a system with a prior, and where judges are asked for, how far drawn images are.
    """
    images = data.test.images(range(min(len(data.test), MAX_IMAGES, MAX_NUMBERS // prod(data.shape))))
    rows: list[Row] = []
    names: dict[str, Words] = {}

    def add(of: str, en: str, zh: str, outputs: Tensor, role: Role = "ours") -> None:
        names[of] = Words(en, zh)
        rows.extend(rows_of(fidelity(images, outputs), len(images), of, role))

    codes = encode(system, images, runtime)
    add(OURS, "reconstruction", "重建", decode(system, codes, runtime))
    sent = sent_codes(system, codes)
    if sent is not codes:
        add("noisy-codes", "reconstruction from noisy codes", "由含噪编码重建", decode(system, sent, runtime))
    noisy = noisy_images(system, images)
    if noisy is not images:
        add("denoised", "denoised", "去噪", reconstruct(system, noisy, runtime))
        add("noisy-input", "noisy input, cut to [0, 1]", "含噪输入，裁剪到 [0, 1]", cut(noisy), "baseline")
    likely = likelihoods(system, images, runtime, judges.thorough)
    rows += likely
    if likely:
        rows.append(coins(data, images, system))
    judged = system.prior or judges != USUAL
    drawn, network, _ = distances(system, data, runtime, judges) if judged else ([], "", {})
    rows += drawn
    names |= {of: words for of, words in DRAWN.items() if any(row.of == of for row in drawn)}
    mirrored = system.config.flip
    known = baselines(data, system.code_shape, mirrored)
    found = kept(
        lambda: {of: fidelity(images, restore(images)) for of, (_, restore) in known.items()},
        "reconstruction", data.fingerprint, data.shape, len(data.train), len(images), system.code_shape,
        mirrored,
    )  # fmt: skip
    for of, (words, _) in known.items():
        names[of] = words
        rows.extend(rows_of(found[of], len(images), of, "baseline"))
    floor = entropy_floor(images)
    return Evaluation.on(
        data,
        images=len(images),
        resolution=data.shape[1],
        rows=tuple(rows),
        names=names,
        note=Words(
            f"No reconstruction can have a BCE below {floor:.6f}. psnr: mean over images; psnr_pooled: of the mean "
            f"squared error, in dB.{MIRRORED.en if mirrored else ''}{_explained(likely, network, judges, False)}",
            f"任何重建的 BCE 都不低于 {floor:.6f}。psnr 为逐图平均，psnr_pooled 由总均方误差算得，单位 dB。"
            f"{MIRRORED.zh if mirrored else ''}{_explained(likely, network, judges, True)}",
        ),
        network=network,
        seed=NOISE_SEED if noisy is not images or sent is not codes or likely or drawn else None,
        more={"bce_floor": floor},
    )


def likelihoods(system: Autoencoder, images: Tensor, runtime: Runtime, thorough: bool) -> list[Row]:
    """The bounds that a system with a likelihood gives, a mean over all images."""
    generator = torch.Generator().manual_seed(derive(NOISE_SEED, "bounds"))
    found = system.bounds(images, DRAWS[thorough], generator)
    return list(rows_of({name: float(values.double().mean()) for name, values in found.items()}, len(images)))


def coins(data: ImageData, images: Tensor, system: Autoencoder) -> Row:
    """The log likelihood of images whose pixels are coins, each with the mean grey of the training images for itself.
    Of images drawn black or white it is in the mean what it is of their greys."""
    means = cut(mean_image(data.train, images, system.config.flip))
    nats = -images[0].numel() * float(F.binary_cross_entropy(means, images))
    return Row(key="elbo", value=nats, n=len(images), of="mean", role="baseline", unit="nats")


def distances(
    system: Autoencoder, data: ImageData, runtime: Runtime, judges: Judges
) -> tuple[list[Row], str, dict[str, Tensor]]:
    """How far drawn images are from the test images: from the prior, where there is one, and from each density fitted
    to codes of training images; beside them real training images. And the network that says so, and the images."""
    count = min(len(data.test), MAX_IMAGES, MAX_NUMBERS // prod(data.shape))
    judge = judge_of(data, runtime, count, judges.features)
    generator = torch.Generator().manual_seed(derive(NOISE_SEED, "densities"))
    order = torch.randperm(len(data.train), generator=generator)
    chosen = data.train.images(order[: min(MAX_FITTED, count)])
    codes = encode(system, chosen, runtime).flatten(1)
    drawn = {name: draw(codes, count, generator) for name, draw in DENSITIES.items()}
    if system.prior:
        drawn = {"prior": system.latents(count, generator), **drawn}
    rows: list[Row] = []
    made = {**{of: decode(system, found, runtime) for of, found in drawn.items()}, "floor": chosen}
    for of, images in made.items():
        key, value = next(iter(judge.measure(judge.see(images), quick=True).items()))
        rows += rows_of({key: value}, count, of, "baseline" if of == "floor" else "ours")
    return rows, judge.name, made


def _explained(likely: Sequence[Row], network: str, judges: Judges, chinese: bool) -> str:
    """What must be known to read likelihoods and distances."""
    draws, text = f"{DRAWS[judges.thorough]:,}", ""
    if likely:
        text += (
            f" elbo、kl、nll 以 nat 每图计，各用 {draws} 个编码。"
            if chinese
            else f" elbo, kl, nll: nats per image, by {draws} codes each."
        )
    if network:
        text += f" 距离由 {network} 算得。" if chinese else f" Distances by {network}."
    return text


def baselines(data: ImageData, code_shape: tuple[int, ...], mirrored: bool) -> dict[str, tuple[Words, Restore]]:
    """What no network gives, fitted on the training images: linear codes of the same size, and no code at all.
    `mirrored`: fitted on their mirrors too, as a network is trained that sees flips.

    By key what each is called, and the function that sends images (n, c, h, w) through it. The same for every run on
    `data`.
    """
    known = (data.fingerprint, data.shape, code_shape, mirrored)
    if known not in _FITTED:
        numbers = min(prod(code_shape), len(data.train) * (1 + mirrored))
        fitted = {"pca": (Words(f"PCA-{numbers}", f"PCA-{numbers}"), _late(lambda: pca(data.train, numbers, mirrored)))}
        if len(code_shape) == 3:
            maps, side = code_shape[0], data.shape[1] // code_shape[1]
            words = Words(f"patch PCA, {maps} numbers per {side}×{side}", f"分块 PCA，{maps} 个数 / {side}×{side}")
            fitted["patch-pca"] = (words, _late(lambda: patch_pca(data.train, maps, side, mirrored)))
        fitted["mean"] = (Words("mean image", "平均图像"), lambda images: mean_image(data.train, images, mirrored))
        _FITTED[known] = fitted
    return _FITTED[known]


def _late(fit: Callable[[], Restore]) -> Restore:
    """What `fit` gives, once it is needed."""
    fitted = cache(fit)
    return lambda images: fitted()(images)


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
