"""Measuring what an adversarial run draws: at the end beside trivial baselines, and on the way."""

from math import prod
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from ..data.dataset import ImageData
from ..engine.runtime import Runtime
from ..metrics.digit_reader import DigitReader, train_reader
from ..metrics.distance import Features, Inception, frechet
from ..metrics.generation import DigitJudge, Judge, PictureJudge
from ..metrics.reconstruction import mean_image
from ..seeds import derive
from .game import Adversarial

MAX_IMAGES = 10_000
MAX_NUMBERS = 50_000_000  # in all of them
QUICK = 2_000  # images that are measured on the way
AT_ONCE = 500
MAX_AT_ONCE = 20_000_000  # numbers in all images that are made at once
SEED = 0
NOISE = 0.3
READ = (1, 28, 28)  # what the digit reader reads
_READERS: dict[str, tuple[DigitReader, float]] = {}
_JUDGES: dict[tuple[str, str, int], Judge] = {}  # a study's runs share them


def draw(system: Adversarial, count: int, runtime: Runtime, seed: int = SEED) -> Tensor:
    """`count` images (count, c, h, w) in [0, 1] on the CPU, the same for the same seed."""
    generator = torch.Generator().manual_seed(derive(seed, "drawn"))
    return make(system, torch.randn(count, system.config.latent, generator=generator), runtime)


def make(system: Adversarial, latent: Tensor, runtime: Runtime, labels: Tensor | None = None) -> Tensor:
    """The images (n, c, h, w) in [0, 1], on the CPU, of latent vectors; of a conditional system under `labels` (n,), by
    default each class in turn."""
    system.eval()
    with torch.no_grad(), runtime.autocast():
        at_once = max(1, min(AT_ONCE, MAX_AT_ONCE // prod(system.config.shape)))
        if not system.conditional:
            made = map(system.make, latent.split(at_once))
        else:
            labels = torch.arange(len(latent)) % system.config.classes if labels is None else labels
            made = map(system.make, latent.split(at_once), labels.split(at_once))
        return torch.cat([(images.cpu() + 1) / 2 for images in made])


def walk(system: Adversarial, runtime: Runtime, rows: int = 4, steps: int = 9) -> Tensor:
    """(rows, steps, c, h, w): in each row from one latent vector to another along the great circle between them. Of a
    conditional system, a class in each row."""
    ends = torch.randn(2, rows, 1, system.config.latent, generator=torch.Generator().manual_seed(derive(SEED, "walk")))
    first, second = ends
    along = torch.linspace(0, 1, steps)[:, None]
    angle = torch.acos(torch.cosine_similarity(first, second, dim=-1))[..., None]
    round_ = (torch.sin((1 - along) * angle) * first + torch.sin(along * angle) * second) / torch.sin(angle)
    latent = torch.where(torch.sin(angle) > 1e-3, round_, torch.lerp(first, second, along))  # one number has no circle
    labels = torch.arange(rows).repeat_interleave(steps) % max(1, system.config.classes)
    return make(system, latent.flatten(0, 1), runtime, labels).unflatten(0, (rows, steps))


def judge_of(data: ImageData, runtime: Runtime, count: int) -> Judge:
    """What measures made images against `count` test images: a digit reader for 28×28 grey images with classes, which
    is trained on the training images, else the network that comes with the package."""
    key = (data.fingerprint, str(data.shape), count)
    if key not in _JUDGES:
        real = data.test.images(_spread(len(data.test), count))
        if data.shape == READ and data.classes and data.test.labels is not None:
            if data.fingerprint not in _READERS:
                reader = train_reader(data, runtime, SEED)
                right = reader.probabilities(data.test.images()).argmax(1) == data.test.labels
                _READERS[data.fingerprint] = reader, float(right.float().mean())
            _JUDGES[key] = DigitJudge(*_READERS[data.fingerprint], real, SEED)
        else:
            _JUDGES[key] = PictureJudge(Features().to(runtime.device), real, SEED)
    return _JUDGES[key]


def count_for(data: ImageData, limit: int = MAX_IMAGES) -> int:
    """How many images of each set are compared."""
    return max(2, min(len(data.test), limit, MAX_NUMBERS // prod(data.shape)))


def measure_adversarial(
    system: Adversarial, data: ImageData, runtime: Runtime, inception: Path | None = None
) -> dict[str, Any]:
    """Drawn images, and beside them real training images, disturbed test images and the mean image. `inception`: the
    weights of the network that FID is defined by, if it shall be measured too."""
    fid = Inception(inception).to(runtime.device) if inception else None
    count = count_for(data)
    judge = judge_of(data, runtime, count)
    real = data.test.images(_spread(len(data.test), count))
    drawn = draw(system, count, runtime)
    noise = torch.randn(real.shape, generator=torch.Generator().manual_seed(derive(SEED, "disturbed")))
    order = torch.randperm(len(data.train), generator=torch.Generator().manual_seed(derive(SEED, "floor")))
    sets = {
        "drawn": drawn,
        "real training images (floor)": data.train.images(order[:count]),
        f"test images under noise σ {NOISE:g}": (real + NOISE * noise).clamp_(0, 1),
        "mean training image": mean_image(data.train, real),
    }
    rows: list[dict[str, Any]] = [{"name": name, **judge.measure(images)} for name, images in sets.items()]
    if system.conditional and isinstance(judge, DigitJudge):
        rows[0]["accuracy"] = judge.accuracy(drawn, torch.arange(count) % system.config.classes)
    note = (
        f"Each set has as many images as the test images it is measured against. Network: {judge.name}. Noise of seed "
        f"{SEED}."
    )
    if fid:
        wanted = fid.of(real)
        for row, images in zip(rows, sets.values(), strict=True):
            row["fid"] = frechet(wanted, fid.of(images))
        note += f" FID by {fid.name}, of {count:,} images: fewer than 50,000 raise it, fewer than 2,048 leave its covariance singular."  # noqa: E501
    return {
        "images": count,
        "resolution": data.shape[1],
        "network": judge.name,
        "seed": SEED,
        "note": note,
        "rows": rows,
    }


def measure_on_the_way(system: Adversarial, data: ImageData, runtime: Runtime) -> dict[str, float]:
    """The measures that are quick, of fewer images."""
    count = count_for(data, QUICK)
    return judge_of(data, runtime, count).measure(draw(system, count, runtime), quick=True)


def _spread(length: int, count: int) -> Tensor:
    return torch.linspace(0, length - 1, min(count, length)).long()
