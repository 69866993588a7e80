"""Measuring what an adversarial system draws: at the end beside trivial baselines, and on the way."""

from math import prod

import torch
from torch import Tensor

from ..data.dataset import ImageData
from ..engine.runtime import Runtime
from ..family import USUAL, Judges
from ..metrics.distance import Inception, frechet, nearest_distance
from ..metrics.generation import DigitJudge
from ..metrics.judges import judge_of
from ..metrics.kept import kept
from ..metrics.reconstruction import mean_image
from ..metrics.table import OURS, Evaluation, Row, Words, rows_of
from ..reports.figures import labelled_rows
from ..seeds import derive
from .drawing import SEED, draw
from .game import Adversarial
from .latents import path_lengths, separability
from .styled import Styled

MAX_IMAGES = 10_000
MAX_NUMBERS = 50_000_000  # in all of them
QUICK = 2_000  # images that are measured on the way
THOROUGH = 1_000  # ways whose length is taken, images that are looked for among those of training
SORTED = 4_000  # images that are sorted by planes
MAX_KNOWN = 60_000  # training images that drawn ones are looked for among
CLOSEST = 8
UNUSUAL = 0.05
NOISE = 0.3
NAMES = {
    OURS: Words("drawn", "所画"),
    "floor": Words("real training images (floor)", "真实训练图像（下限）"),
    "noise": Words(f"training images under noise σ {NOISE:g}", f"训练图像加噪声 σ {NOISE:g}"),
    "mean": Words("mean training image", "平均训练图像"),
    "test": Words("real test images", "真实测试图像"),
}


def count_for(data: ImageData, limit: int = MAX_IMAGES) -> int:
    """How many images of each set are compared."""
    return max(2, min(len(data.test), limit, MAX_NUMBERS // prod(data.shape)))


def measure(
    system: Adversarial, data: ImageData, runtime: Runtime, judges: Judges = USUAL, followed: bool = False
) -> Evaluation:
    """Drawn images, and beside them real training images, others of them disturbed, and the mean image; none of them is
    among the test images that all are measured against. A conditional system is asked for those images' labels.

    `followed`: the first of them are measured as on the way too, to end that curve: `more["glance"]`."""
    fid = Inception(judges.inception).to(runtime.device) if judges.inception else None
    count = count_for(data)
    judge = judge_of(data, runtime, count, judges.features)
    real = data.test.images(data.test.spread(count))
    labels = labels_for(system, data, count)
    drawn = draw(system, count, runtime, labels=labels)
    seen = judge.see(drawn)
    mixed = torch.randperm(len(data.train), generator=seeded("floor"))
    sets = {
        "floor": lambda: data.train.images(mixed[:count]),
        "noise": lambda: disturbed(data.train.images(mixed[-count:])),
        "mean": lambda: mean_image(data.train, real),
    }
    of_data = (data.fingerprint, data.shape, len(data.train), count)
    baselines = kept(
        lambda: {of: judge.measure(judge.see(images())) for of, images in sets.items()}, "drawn", judge.name, *of_data
    )
    found = {OURS: judge.measure(seen), **baselines}
    if labels is not None and isinstance(judge, DigitJudge):
        found[OURS]["accuracy"] = judge.accuracy(seen, labels)
    note = Words(
        f"Each set has as many images as the test images it is measured against. Network: {judge.name}. Noise of seed "
        f"{SEED}.",
        f"每组图像数与所比较的测试图像相同。网络：{judge.name}。噪声种子 {SEED}。",
    )
    if fid:
        wanted = fid.of(real)
        others = kept(
            lambda: {of: {"fid": frechet(wanted, fid.of(images()))} for of, images in sets.items()}, fid.name, *of_data
        )
        for of, values in {OURS: {"fid": frechet(wanted, fid.of(drawn))}, **others}.items():
            found[of] |= values
        note = Words(
            f"{note.en} FID by {fid.name}, of {count:,} images: fewer than 50,000 raise it, fewer than 2,048 leave its "
            "covariance singular.",
            f"{note.zh}FID 用 {fid.name}，{count:,} 张图像：少于 50,000 张则偏大，少于 2,048 张则协方差奇异。",
        )
    rows: list[Row] = []
    for of, values in found.items():
        rows += rows_of(values, count, of, "ours" if of == OURS else "baseline")
    if judges.thorough:
        few = min(count, THOROUGH)
        rows += rows_of(path_lengths(system, judge, runtime, few), few)
        if isinstance(judge, DigitJudge):
            rows += rows_of(judge.among(seen[:few]), few)
        if isinstance(system, Styled) and isinstance(judge, DigitJudge) and not system.conditional:
            rows += rows_of(separability(system, judge, runtime, SORTED), SORTED)
        of_drawn, of_real = memorised(drawn[:few], real[:few], data)
        rows += [*rows_of(of_drawn, few), *rows_of(of_real, few, "test", "baseline")]
    return Evaluation.on(
        data,
        images=count,
        resolution=data.shape[1],
        rows=tuple(rows),
        names=NAMES,
        note=note,
        network=judge.name,
        seed=SEED,
        more={"glance": _glanced(seen, data, runtime)} if followed else {},
    )


def labels_for(system: Adversarial, data: ImageData, count: int) -> Tensor | None:
    """Of a conditional system: the labels of the test images that its images are measured against, in disorder."""
    if not system.conditional:
        return None
    assert data.test.labels is not None
    labels = data.test.labels[data.test.spread(count)]
    return labels[torch.randperm(len(labels), generator=seeded("labels"))]


def disturbed(images: Tensor) -> Tensor:
    return (images + NOISE * torch.randn(images.shape, generator=seeded("disturbed"))).clamp_(0, 1)


def memorised(drawn: Tensor, real: Tensor, data: ImageData) -> tuple[dict[str, float], dict[str, float]]:
    """Of drawn and of real test images: `nearest`, the median root mean squared difference per pixel to the nearest
    training image, and `copied`, the share that lies nearer to one than all but a twentieth of the test images do."""
    known = known_images(data)
    of_drawn, of_real = (nearest_distance(images, known)[1] for images in (drawn, real))
    limit = of_real.quantile(UNUSUAL)

    def told(found: Tensor) -> dict[str, float]:
        return {"nearest": float(found.median()), "copied": float((found < limit).float().mean())}

    return told(of_drawn), told(of_real)


def known_images(data: ImageData) -> Tensor:
    """Training images, all of them where they are not too many."""
    return data.train.images(data.train.spread(min(len(data.train), MAX_KNOWN, MAX_NUMBERS // prod(data.shape))))


def closest(system: Adversarial, data: ImageData, runtime: Runtime) -> bytes:
    """The drawn images that lie nearest to a training image, and below each that image. A PNG."""
    count = min(count_for(data), THOROUGH)
    labels = labels_for(system, data, count_for(data))
    drawn = draw(system, count, runtime, labels=None if labels is None else labels[:count])
    known = known_images(data)
    rows, distances = nearest_distance(drawn, known)
    worst = distances.argsort()[:CLOSEST]
    names = [f"{distances[place]:.3f}" for place in worst]
    return labelled_rows({"drawn": drawn[worst], "nearest in\ntraining": known[rows[worst]]}, names)


def seeded(purpose: str) -> torch.Generator:
    return torch.Generator().manual_seed(derive(SEED, purpose))


def glance(system: Adversarial, data: ImageData, runtime: Runtime) -> dict[str, float | str]:
    """The measures that are quick, of fewer images, and of how many."""
    count = count_for(data, QUICK)
    drawn = draw(system, count, runtime, labels=labels_for(system, data, count))
    return _glanced(judge_of(data, runtime, count).see(drawn), data, runtime)


def _glanced(seen: Tensor, data: ImageData, runtime: Runtime) -> dict[str, float | str]:
    count = count_for(data, QUICK)
    judge = judge_of(data, runtime, count)
    return {"of": count, "network": judge.name, "data": data.fingerprint, **judge.measure(seen[:count], quick=True)}
