"""What the dogs study measures: networks, codes, reconstructions beside linear codes, noise, and the space of codes."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from ...autoencoders.codes import FITTED, NOISE, SHARE, STEPS, Codes, CodeStatistics
from ...autoencoders.layers import layer_rows, multiply_adds
from ...autoencoders.measures import baselines, decode, encode, sent_codes
from ...metrics.distance import Comparison, Features, Yardstick
from ...metrics.reconstruction import Restore, fidelity, mean_image, psnr
from ...metrics.reconstruction import Row as Measures
from ...metrics.table import Words
from ...ops.codes import between
from ...ops.noise import measured_snr
from ...seeds import derive
from ..study import Lab, Measured
from .plans import NOISY

SHOWN = 9
MAX_IMAGES = 2_000  # of each split that are measured
MAX_KNOWN = 20_000  # training images among which the nearest is looked for
STRENGTHS = (NOISE, 2 * NOISE, 4 * NOISE, 8 * NOISE)  # of noise on codes
FLOOR = "real training images (floor)"


@dataclass(frozen=True)
class Networks:
    """The reference layer by layer; the parameters of both networks, and their multiply-adds for an image."""

    layers: list[list[str]]
    parameters: tuple[int, int]
    products: tuple[int, int]


@dataclass(frozen=True)
class Restored:
    """What a code gives back of training and of held-out images, and the first held-out ones."""

    words: Words
    train: Measures
    held_out: Measures
    shown: Tensor


@dataclass(frozen=True)
class Sent:
    """Images through a code without and with noise; the signal-to-noise ratio of that code in dB; and PSNRs, of the
    images against both and of both against each other."""

    clean: Tensor
    noisy: Tensor
    snr: float
    restored: Measures
    with_noise: Measures
    agreement: Measures


@dataclass(frozen=True)
class Explored:
    """The space of the reference's codes, as images: drawn from the Gaussian (also as `maps`), blended with real codes in
    both ways, those real ones, and real, drawn and blended codes under no noise and each of `STRENGTHS`. Of the better
    network's: `ways` between training images, and along `directions`. `samples`: drawn from the space of each run."""

    maps: Tensor
    drawn: Tensor
    same_row: Tensor
    nearest: Tensor
    partners: Tensor
    real: Sequence[Tensor]
    unreal: Sequence[Tensor]
    blended: Sequence[Tensor]
    ways: Sequence[Tensor]
    directions: Sequence[Tensor]
    samples: Mapping[str, Tensor]


@dataclass(frozen=True)
class Generation:
    """Sets of images against held-out ones, by English name; `pictures`: the first of some sets above the training images
    nearest to them; `usual`, `limit`: how near held-out images lie to training images, and what is closer than usual."""

    words: Mapping[str, Words]
    found: Mapping[str, Comparison]
    pictures: Mapping[str, tuple[Tensor, Tensor]]
    usual: float
    limit: float
    known: int
    network: str
    numbers: int  # that it sees of an image


@dataclass(frozen=True, kw_only=True)
class Dogs(Measured):
    """`count` images of each split are measured; `images`: the first held-out ones; `maps`: their codes in the
    reference; `fitted`: codes that each Gaussian is fitted to, of `numbers` numbers; `linear`: of `restored`, the linear
    codes as large as the reference's."""

    count: int
    images: Tensor
    networks: Networks
    maps: Tensor
    fitted: int
    numbers: int
    statistics: Mapping[str, CodeStatistics]
    restored: Mapping[str, Restored]
    linear: Sequence[str]
    held_out: Mapping[str, Sent]
    train: Mapping[str, Sent]
    explored: Explored
    generation: Generation


def measure(lab: Lab) -> Dogs:
    data = lab.data
    count = min(len(data.train), len(data.test), MAX_IMAGES)
    train, test = (
        split.images(torch.randperm(len(split), generator=_generator(lab, name))[:count])
        for name, split in (("train", data.train), ("test", data.test))
    )
    spaces = {name: Codes(run, min(FITTED, len(data.train)), lab.settings.seed) for name, run in lab.runs.items()}
    reference = spaces["reference"]
    codes, numbers = reference.codes.shape
    features = Features(lab.settings.features).to(lab.runtime.device)
    restored, linear = restore(lab, spaces, train, test)
    return Dogs(
        data=data,
        full=lab.settings.full,
        runs=lab.finished(),
        notes={"features": features.name, "images in each measured set": count},
        count=count,
        images=test[:SHOWN],
        networks=compare(lab.system("reference"), lab.system("better")),
        maps=reference.maps(reference.encode(test[:SHOWN])),
        fitted=codes,
        numbers=numbers,
        statistics={name: space.statistics() for name, space in spaces.items()},
        restored=restored,
        linear=linear,
        held_out={name: send(lab, name, test) for name in NOISY},
        train={name: send(lab, name, train) for name in NOISY},
        explored=explore(spaces),
        generation=generate(lab, spaces, train, test, features),
    )


def _generator(lab: Lab, split: str) -> torch.Generator:
    return torch.Generator().manual_seed(derive(lab.settings.seed, "dogs", split))


def compare(reference: Any, better: Any) -> Networks:
    rows, total = layer_rows(reference)
    ours = sum(parameter.numel() for parameter in better.parameters())
    return Networks(rows, (total, ours), (multiply_adds(reference), multiply_adds(better)))


def restore(
    lab: Lab, spaces: Mapping[str, Codes], train: Tensor, test: Tensor
) -> tuple[dict[str, Restored], Sequence[str]]:
    """Every run's code, then linear codes of the same sizes; and the names of those as large as the reference's."""
    codes: dict[str, tuple[Words, Restore]] = {
        plan.name: (Words(plan.en, plan.zh), lambda images, space=spaces[plan.name]: space.decode(space.encode(images)))
        for plan in lab.setup.plans
    }
    linear = []
    for name in ("reference", "code-16"):
        system = lab.system(name)
        found = [*baselines(lab.data, system.code_shape, system.config.flip).values()]
        linear.append([words.en for words, _ in found[:2]])
        codes |= {words.en: (words, code) for words, code in found if words.en not in codes}
    restored = {
        name: Restored(words, fidelity(train, code(train)), fidelity(test, code(test)), code(test[:SHOWN]))
        for name, (words, code) in codes.items()
    }
    return restored, linear[0]


def send(lab: Lab, name: str, images: Tensor) -> Sent:
    """`images` through the run `name`, with and without the noise on its codes."""
    system = lab.system(name)
    codes = encode(system, images, lab.runtime)
    sent = sent_codes(system, codes)
    clean, noisy = decode(system, codes, lab.runtime), decode(system, sent, lab.runtime)
    pairs = ((images, clean), (images, noisy), (clean, noisy))
    return Sent(clean[:SHOWN], noisy[:SHOWN], measured_snr(codes, sent), *(psnr(*pair) for pair in pairs))


def explore(spaces: Mapping[str, Codes]) -> Explored:
    space, better = spaces["reference"], spaces["better"]
    drawn = space.draw(SHOWN)
    mixed = space.blends(drawn, SHARE, "row")

    def perturbed(codes: Tensor) -> list[Tensor]:
        return [space.decode(codes), *(space.decode(space.perturb(codes, strength)) for strength in STRENGTHS)]

    return Explored(
        maps=space.maps(drawn),
        drawn=space.decode(drawn),
        same_row=space.decode(mixed),
        nearest=space.decode(space.blends(drawn, SHARE, "nearest")),
        partners=space.decode(space.blends(drawn, 0.0, "nearest")),
        real=perturbed(space.codes[:SHOWN]),
        unreal=perturbed(drawn),
        blended=perturbed(mixed),
        ways=[
            better.decode(between(first, last, STEPS))
            for first, last in zip(better.codes[:4], better.codes[4:8], strict=True)
        ],
        directions=[better.decode(way) for way in better.directions(6)],
        samples={name: spaces[name].decode(spaces[name].draw(SHOWN)) for name in ("reference", *NOISY)},
    )


def generate(lab: Lab, spaces: Mapping[str, Codes], train: Tensor, test: Tensor, features: Features) -> Generation:
    """Every set of images against held-out ones."""
    data = lab.data
    known = data.train.images(range(min(len(data.train), MAX_KNOWN)))
    yardstick = Yardstick(test, known, features)
    sets = image_sets(lab, spaces, train, test)
    found = {words.en: yardstick.measure(images) for words, images in sets}
    pictures = {
        words.en: (images[:SHOWN], known[found[words.en].rows[:SHOWN]])
        for words, images in sets
        if words.en in ("drawn, reference", "blended with nearest, reference")
    }
    words = {words.en: words for words, _ in sets}
    return Generation(
        words, found, pictures, yardstick.usual, yardstick.limit, len(known), features.name, features.numbers
    )


def image_sets(lab: Lab, spaces: Mapping[str, Codes], train: Tensor, test: Tensor) -> list[tuple[Words, Tensor]]:
    """As many images of every kind as there are held-out ones to hold them against."""
    count, space, better = len(test), spaces["reference"], spaces["better"]
    wide = Codes(lab.runs["reference"], min(count, len(lab.data.train)), lab.settings.seed)
    drawn = space.draw(count)
    noisy = [
        (Words(f"drawn, {plan.en}", f"抽取，{plan.zh}"), spaces[plan.name].decode(spaces[plan.name].draw(count)))
        for plan in lab.setup.plans
        if plan.name in NOISY
    ]
    return [
        (Words(FLOOR, "真实训练图像（下限）"), train),
        (Words("reconstructions, reference", "重建，基准网络"), space.decode(space.encode(test))),
        (Words("reconstructions, ours", "重建，我们的网络"), better.decode(better.encode(test))),
        (Words("drawn, reference", "抽取，基准网络"), space.decode(drawn)),
        (Words("blended with same row, reference", "与同一行混合，基准网络"), space.decode(wide.blends(drawn, SHARE, "row"))),
        (Words("blended with nearest, reference", "与最近编码混合，基准网络"), space.decode(wide.blends(drawn, SHARE, "nearest"))),
        *noisy,
        (Words("mean image", "平均图像"), mean_image(lab.data.train, test)),
    ]  # fmt: skip
