"""Measuring what an adversarial system draws: at the end beside trivial baselines, and on the way."""

from math import prod

import torch

from ..data.dataset import ImageData
from ..engine.runtime import Runtime
from ..family import USUAL, Judges
from ..metrics.digit_reader import DigitReader, train_reader
from ..metrics.distance import Features, Inception, frechet
from ..metrics.generation import DigitJudge, Judge, PictureJudge
from ..metrics.reconstruction import mean_image
from ..metrics.table import OURS, Evaluation, Row, Words, rows_of
from ..seeds import derive
from .drawing import SEED, draw
from .game import Adversarial

MAX_IMAGES = 10_000
MAX_NUMBERS = 50_000_000  # in all of them
QUICK = 2_000  # images that are measured on the way
NOISE = 0.3
READ = (1, 28, 28)  # what the digit reader reads
NAMES = {
    OURS: Words("drawn", "所画"),
    "floor": Words("real training images (floor)", "真实训练图像（下限）"),
    "noise": Words(f"test images under noise σ {NOISE:g}", f"测试图像加噪声 σ {NOISE:g}"),
    "mean": Words("mean training image", "平均训练图像"),
}
_READERS: dict[str, tuple[DigitReader, float]] = {}
_JUDGES: dict[tuple[str, str, int, str], Judge] = {}  # a study's runs share them


def judge_of(data: ImageData, runtime: Runtime, count: int, features: str = "") -> Judge:
    """What measures made images against `count` test images: a digit reader for 28×28 grey images with classes, which
    is trained on the training images, else the network that comes with the package. `features`: another network, by its
    name or file."""
    key = (data.fingerprint, str(data.shape), count, features)
    if key not in _JUDGES:
        real = data.test.images(data.test.spread(count))
        if not features and data.shape == READ and data.classes and data.test.labels is not None:
            if data.fingerprint not in _READERS:
                reader = train_reader(data, runtime, SEED)
                right = reader.probabilities(data.test.images()).argmax(1) == data.test.labels
                _READERS[data.fingerprint] = reader, float(right.float().mean())
            _JUDGES[key] = DigitJudge(*_READERS[data.fingerprint], real, SEED)
        else:
            _JUDGES[key] = PictureJudge(Features(features).to(runtime.device), real, SEED)
    return _JUDGES[key]


def count_for(data: ImageData, limit: int = MAX_IMAGES) -> int:
    """How many images of each set are compared."""
    return max(2, min(len(data.test), limit, MAX_NUMBERS // prod(data.shape)))


def measure(system: Adversarial, data: ImageData, runtime: Runtime, judges: Judges = USUAL) -> Evaluation:
    """Drawn images, and beside them real training images, disturbed test images and the mean image."""
    fid = Inception(judges.inception).to(runtime.device) if judges.inception else None
    count = count_for(data)
    judge = judge_of(data, runtime, count, judges.features)
    real = data.test.images(data.test.spread(count))
    drawn = draw(system, count, runtime)
    noise = torch.randn(real.shape, generator=torch.Generator().manual_seed(derive(SEED, "disturbed")))
    order = torch.randperm(len(data.train), generator=torch.Generator().manual_seed(derive(SEED, "floor")))
    sets = {
        OURS: drawn,
        "floor": data.train.images(order[:count]),
        "noise": (real + NOISE * noise).clamp_(0, 1),
        "mean": mean_image(data.train, real),
    }
    found = {of: judge.measure(images) for of, images in sets.items()}
    if system.conditional and isinstance(judge, DigitJudge):
        found[OURS]["accuracy"] = judge.accuracy(drawn, torch.arange(count) % system.config.classes)
    note = Words(
        f"Each set has as many images as the test images it is measured against. Network: {judge.name}. Noise of seed "
        f"{SEED}.",
        f"每组图像数与所比较的测试图像相同。网络：{judge.name}。噪声种子 {SEED}。",
    )
    if fid:
        wanted = fid.of(real)
        for of, images in sets.items():
            found[of]["fid"] = frechet(wanted, fid.of(images))
        note = Words(
            f"{note.en} FID by {fid.name}, of {count:,} images: fewer than 50,000 raise it, fewer than 2,048 leave its "
            "covariance singular.",
            f"{note.zh}FID 用 {fid.name}，{count:,} 张图像：少于 50,000 张则偏大，少于 2,048 张则协方差奇异。",
        )
    rows: list[Row] = []
    for of, values in found.items():
        rows += rows_of(values, count, of, "ours" if of == OURS else "baseline")
    return Evaluation.on(
        data,
        images=count,
        resolution=data.shape[1],
        rows=tuple(rows),
        names=NAMES,
        note=note,
        network=judge.name,
        seed=SEED,
    )


def glance(system: Adversarial, data: ImageData, runtime: Runtime) -> dict[str, float]:
    """The measures that are quick, of fewer images."""
    count = count_for(data, QUICK)
    return judge_of(data, runtime, count).measure(draw(system, count, runtime), quick=True)
