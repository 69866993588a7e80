"""How good translations are, in both directions, beside what needs no training.

- `frechet`, `kernel`: of translated test pictures, 200 at most, from real ones of the side that they shall be of.
- `content`: relative squared error of what the encoder that comes with the package sees at relu4_1, from each picture
  to its translation: how much of it is no longer the same.
- `partner`: where both sides are digits, the share of translations that a reader of digits, which took no part in the
  training, reads as the digit of their origin.
- `l1`, `psnr`, `ssim`: of translations to their true partners, where the data are pairs. `labels`: where one side is
  maps of few colours, the share of pixels whose colour is nearest to the one of the true map.
- `cycle`, `cycle_jpeg`: PSNR of pictures that went there and back; `cycle_jpeg`: through a JPEG file of quality 75.
- `same`: PSNR of what is left of a picture by the network that makes its own side.
All pictures are squares of the run's resolution.
"""

from math import isfinite

import torch
from torch import Tensor

from ..data.dataset import ImageData, Split, spread
from ..engine.runtime import Runtime
from ..metrics.digit_reader import DIGITS, LARGEST, shipped_reader
from ..metrics.distance import Features, frechet, kernel_value
from ..metrics.generation import PictureJudge, within
from ..metrics.kept import kept
from ..metrics.reconstruction import fidelity, mean_image
from ..metrics.table import OURS, Evaluation, Row, Words, rows_of
from ..nets.encoders import build_encoder
from ..ops.style_losses import relative_error
from ..seeds import derive
from .drawing import MAX_IMAGES, cycle, held_out, split_of, translated
from .palette import named, palette_of
from .probe import as_jpeg, decibels, fineness, probe
from .translator import OTHER, SIDES, Both, Side, Translator

SEED = 0
COMPARED, QUICK = 200, 100  # pictures of a side whose distances are taken, at the end and on the way
PROBED = 32
QUALITY = 75
COLOURED = 256  # pictures whose colours are looked at
TINY = 1e-6
SEEN = "relu4_1"
AT_ONCE = 50
_JUDGES: dict[tuple[str, str, str, str], PictureJudge] = {}  # measures on the way share them
NAMES = {
    OURS: Words("translated", "翻译结果"),
    "untouched": Words("input, untouched", "输入原图"),
    "recoloured": Words("input in the mean colours of the other side", "输入图像换成目标域平均色彩"),
    "mean": Words("mean training image of the other side", "目标域训练集平均图像"),
    "floor": Words("real training images of the other side (floor)", "目标域真实训练图像（下限）"),
}


def measure(system: Translator, data: ImageData, runtime: Runtime, features: str = "") -> Evaluation:
    """Both directions on test pictures, and the cycle. `features`: another network than the usual one, as `Features`
    takes it."""
    images: Both = {side: held_out(system, data, side) for side in SIDES}
    made, back, same = cycle(system, images, runtime)
    jpeg = {side: translated(system, as_jpeg(QUALITY)(made[side]), side, runtime) for side in SIDES}
    rows: list[Row] = []
    directions: dict[Side, Direction] = {side: Direction(system, data, side, runtime, features) for side in SIDES}
    for side, direction in directions.items():
        for of, values in {OURS: direction.measured(made[OTHER[side]]), **direction.baselines()}.items():
            rows += direction.rows(of, values)
        ways = {"cycle": back[side], "cycle_jpeg": jpeg[side], "same": same[side]}
        there = {f"{key}_{side}": decibels(images[side], found) for key, found in ways.items()}
        rows += rows_of(there, len(images[side]))
    network = directions["a"].judge.name
    return Evaluation.on(
        data,
        images=sum(map(len, images.values())),
        resolution=system.config.resolution,
        rows=tuple(rows),
        names=NAMES,
        note=Words(
            f"Those of both sides together; distances of {COMPARED} a side at most. Network: {network}. JPEG of "
            f"quality {QUALITY}.",
            f"两个域合计；距离每域至多 {COMPARED} 张。网络：{network}。JPEG 质量 {QUALITY}。",
        ),
        network=network,
        seed=SEED,
        more={
            "probe": {side: probed(system, images[side][:PROBED], side, runtime) for side in SIDES},
            "fineness": {f"to_{side}": [fineness(images[side]), fineness(made[OTHER[side]])] for side in SIDES},
        },
    )


class Direction:
    """What pictures that shall be of side `to` are measured against. `inputs`: test pictures that they are made of."""

    def __init__(
        self,
        system: Translator,
        data: ImageData,
        to: Side,
        runtime: Runtime,
        features: str = "",
        limit: int = MAX_IMAGES,
    ) -> None:
        self.system, self.data, self.runtime = system, data, runtime
        self.to: Side = to
        self.inputs, self.real = (held_out(system, data, side, limit) for side in (OTHER[to], to))
        key = data.fingerprint, str(self.real.shape), to, features
        if key not in _JUDGES:
            compared = self.real[spread(len(self.real), min(len(self.real), COMPARED))]
            _JUDGES[key] = PictureJudge(Features(features).to(runtime.device), compared)
        self.judge = _JUDGES[key]
        train, _ = split_of(data, to)
        self.train = train.at_resolution(system.config.resolution)
        self.palette = palette_of(self.train) if data.paired else None

    def distances(self, images: Tensor) -> dict[str, float]:
        """NaN where a side has one picture, which makes no set."""
        judge, compared = self.judge, images[spread(len(images), min(len(images), COMPARED))]
        names = f"frechet_to_{self.to}", f"kernel_to_{self.to}"
        if min(len(judge.real), len(compared)) < 2:
            return dict.fromkeys(names, float("nan"))
        seen = judge.scale * judge.see(compared)
        alike = kernel_value(judge.real, seen, within(judge.name, judge.real))
        return dict(zip(names, (frechet(judge.real, seen), alike), strict=True))

    def rows(self, of: str, values: dict[str, float]) -> list[Row]:
        """Of what was measured of something: distances are of fewer pictures than all else."""
        count, role = len(self.inputs), "ours" if of == OURS else "baseline"
        apart = {key: value for key, value in values.items() if key.startswith(("frechet", "kernel"))}
        others = {key: value for key, value in values.items() if key not in apart}
        return [*rows_of(apart, min(count, COMPARED), of, role), *rows_of(others, count, of, role)]

    def measured(self, images: Tensor) -> dict[str, float]:
        """Everything, of what stands in the places of `inputs`."""
        found = {"content": content_lost(self.inputs, images, self.runtime), **self._partner(images)}
        if self.data.paired:
            found |= self._to_truth(images)
        return {**self.distances(images), **{f"{key}_to_{self.to}": value for key, value in found.items()}}

    def _partner(self, images: Tensor) -> dict[str, float]:
        labels = split_of(self.data, OTHER[self.to])[1].labels
        if labels is None or tuple(self.data.classes) != DIGITS or images.shape[-1] > LARGEST:
            return {}
        chances = shipped_reader().to(self.runtime.device).probabilities(as_digits(images))
        return {"partner": float((chances.argmax(1) == labels[spread(len(labels), len(images))]).float().mean())}

    def _to_truth(self, images: Tensor) -> dict[str, float]:
        close = fidelity(self.real, images.clamp(0, 1))
        found = {"l1": float((images.clamp(0, 1) - self.real).abs().mean()), "psnr": close["psnr"]}
        found |= {"ssim": close["ssim"]} if "ssim" in close else {}
        if self.palette is not None:
            true, said = (named(part, self.palette) for part in (self.real, images))
            found["labels"] = float((true == said).float().mean())
        return found

    def baselines(self) -> dict[str, dict[str, float]]:
        """What needs no network; and real training pictures, whose distances nothing can be asked to fall below."""
        config, source = self.system.config, split_of(self.data, OTHER[self.to])[0].at_resolution(self.real.shape[-1])
        mixed = torch.randperm(len(self.train), generator=torch.Generator().manual_seed(derive(SEED, "floor")))

        def compute() -> dict[str, dict[str, float]]:
            return {
                "untouched": self.measured(self.inputs),
                "recoloured": self.measured(recoloured(self.inputs, source, self.train)),
                "mean": self.measured(mean_image(self.train, self.inputs)),
                "floor": self.distances(self.train.images(mixed[: len(self.inputs)])),
            }

        return kept(
            compute, "translated", self.judge.name, self.data.fingerprint, self.data.shape, config.resolution,
            config.paired, self.to, COMPARED, len(self.inputs), len(self.real),
        )  # fmt: skip


def recoloured(images: Tensor, source: Split, target: Split) -> Tensor:
    """Images with each channel shifted and stretched as takes mean and deviation of the training pictures of their side
    to those of the other (Reinhard et al. 2001, https://doi.org/10.1109/38.946629, in RGB)."""
    means, deviations = zip(*(colours_of(split) for split in (source, target)), strict=True)
    return ((images - means[0]) * (deviations[1] / deviations[0].clamp_min(TINY)) + means[1]).clamp(0, 1)


def colours_of(split: Split) -> tuple[Tensor, Tensor]:
    """Mean and deviation of each channel, (c, 1, 1), over pixels of pictures spread over a set."""
    images = split.images(split.spread(COLOURED))
    return images.mean((0, 2, 3))[:, None, None], images.std((0, 2, 3))[:, None, None]


def as_digits(images: Tensor) -> Tensor:
    """Digits in any ink on any paper as (n, 1, h, w), white on black: paper is the mean grey of the border, ink the
    grey that differs most from it."""
    levels = images.mean(1, keepdim=True)
    border = torch.cat([levels[:, :, [0, -1]].flatten(1), levels[..., [0, -1]].flatten(1)], 1)
    above = levels - border.mean(1)[:, None, None, None]
    flat = above.flatten(1)
    ink = flat.gather(1, flat.abs().argmax(1, keepdim=True))[..., None, None]
    return (above / torch.where(ink.abs() < TINY, TINY, ink)).clamp(0, 1)


@torch.no_grad()
def content_lost(images: Tensor, others: Tensor, runtime: Runtime) -> float:
    """How much of what the encoder sees in each image is not in its counterpart."""
    encoder = build_encoder("sfumato").load().to(runtime.device)
    total = 0.0
    for pair in zip(images.split(AT_ONCE), others.split(AT_ONCE), strict=True):
        one, other = (encoder(part.expand(-1, 3, -1, -1).to(runtime.device), (SEEN,))[SEEN] for part in pair)
        total += float(relative_error(other, one)) * len(one)
    return total / len(images)


def probed(system: Translator, images: Tensor, side: Side, runtime: Runtime) -> dict[str, tuple[float, float]]:
    made = translated(system, images, OTHER[side], runtime)
    return probe(images, made, lambda seen: translated(system, seen, side, runtime))


def glance(system: Translator, data: ImageData, runtime: Runtime) -> dict[str, float | str]:
    """The distances of both directions, of few pictures, where there are any."""
    found: dict[str, float | str] = {}
    for side in SIDES:
        direction = Direction(system, data, side, runtime, limit=QUICK)
        made = translated(system, direction.inputs, side, runtime)
        known = {key: value for key, value in direction.distances(made).items() if isfinite(value)}
        found |= {**known, "network": direction.judge.name}
    return {**found, "of": QUICK, "data": data.fingerprint}
