"""What the handwriting study measures."""

from collections.abc import Mapping
from dataclasses import dataclass

import torch
from torch import Tensor

from ...autoencoders.codes import CALIBRATED
from ...autoencoders.layers import layer_rows
from ...autoencoders.measures import decode, distances, encode, noisy_images, reconstruct
from ...family import USUAL
from ...metrics.digit_reader import DigitReader, reader_for
from ...metrics.plane import CodePlane, describe_codes
from ...metrics.reconstruction import Row as Measures
from ...metrics.reconstruction import entropy_floor, fidelity
from ...ops.codes import singular_values, square
from ...ops.noise import with_psnr
from ...ops.penalties import sum_of_norms
from ...seeds import derive
from ..study import Lab, Measured

SIDE = 20  # cells along each axis of a sampled plane
MARGIN = 0.5
Extent = tuple[float, float, float, float]  # left, right, bottom, top
L2_BOX: Extent = (-5.0, 5.0, -5.0, 5.0)
PLANES = ("autoencoder", "weight-decay", "norm-penalty")
COMPARED = (
    "autoencoder",
    "weight-decay",
    "norm-penalty",
    "mse",
    "relu",
    "all-sigmoid",
    "cnn",
    "vae",
)  # with two numbers
DRAWN_BY = ("autoencoder", "vae")
SPREAD = 20_000  # images, at most, whose spectrum is taken


@dataclass(frozen=True)
class Network:
    """A network as text, as rows of a table, and the sum of its parameters."""

    text: str
    layers: list[list[str]]
    parameters: int
    bottleneck: int


@dataclass(frozen=True)
class Denoised:
    """One image per digit with noise and without it again; the measures of all test images, both times."""

    noisy: Tensor
    denoised: Tensor
    before: Measures
    after: Measures


@dataclass(frozen=True)
class Plane:
    """A square of decoded codes: images (SIDE², c, h, w), first row at the top, and which of them are legible."""

    images: Tensor
    legible: Tensor
    extent: Extent

    @property
    def share(self) -> float:
        return float(self.legible.float().mean())


@dataclass(frozen=True)
class Space:
    """The codes (n, 2) of all test images in one run; planes over the range that they occupy and over `L2_BOX`; the sum
    of the 2-norms of the run's parameters."""

    codes: Tensor
    numbers: CodePlane
    around: Plane
    boxed: Plane
    norms: float


@dataclass(frozen=True)
class Drawn:
    """Of the runs `DRAWN_BY`: the distance of drawn images from the test images by what their codes were drawn from, and
    the network that says so; by run `pictures`, a row of each. `bound`: of the VAE, the ELBO of the test images, its
    divergence and the bound on their likelihood; `coins`: the likelihood by the mean image."""

    values: Mapping[str, Mapping[str, float]]
    network: str
    pictures: Mapping[str, Mapping[str, Tensor]]
    bound: Mapping[str, float]
    coins: float


@dataclass(frozen=True)
class Reading:
    """The digit reader: its hash, its test accuracy, and what it finds legible: shares of real test images and of
    uniform noise, and whether the mean image is."""

    hash: str
    accuracy: float
    real: float
    noise: float
    mean: bool


@dataclass(frozen=True, kw_only=True)
class Handwriting(Measured):
    """`originals` and, by run, `outputs`: one test image per digit; `fidelity`: of all test images, by run;
    `floor`: the BCE that no reconstruction of them can be below; `training_bce`: of the autoencoder with its final
    weights. `codes` (n, 2) of the test images, by run; `spectra`: standard deviations along principal directions, of the
    pixels and of codes by run; `calibrated`: the originals under noise, by dB."""

    network: Network
    originals: Tensor
    outputs: Mapping[str, Tensor]
    fidelity: Mapping[str, Measures]
    floor: float
    training_bce: float
    denoising: Denoised
    labels: Tensor
    spaces: Mapping[str, Space]
    reading: Reading
    codes: Mapping[str, Tensor]
    drawn: Drawn
    spectra: Mapping[str, Tensor]
    calibrated: Mapping[int, Tensor]


def measure(lab: Lab) -> Handwriting:
    data, runtime = lab.data, lab.runtime
    images, labels = data.test.images(), data.test.labels
    assert labels is not None
    chosen = [int((labels == digit).nonzero()[0]) for digit in range(len(data.classes))]
    outputs = {name: reconstruct(lab.system(name), images, runtime) for name in lab.runs}
    reader, accuracy = reader_for(data, runtime, lab.settings.seed)
    system = lab.system("autoencoder")
    whole = data.train.images()
    return Handwriting(
        data=data,
        full=lab.settings.full,
        runs=lab.finished(),
        network=Network(str(system), *layer_rows(system), system.config.bottleneck),
        originals=images[chosen],
        outputs={name: output[chosen] for name, output in outputs.items()},
        fidelity={name: fidelity(images, output) for name, output in outputs.items()},
        floor=entropy_floor(images),
        training_bce=fidelity(whole, reconstruct(system, whole, runtime))["bce"],
        denoising=denoise(lab, images, chosen),
        labels=labels,
        spaces={name: explore(lab, name, images, labels, reader) for name in PLANES},
        reading=examine(reader, accuracy, images, lab.settings.seed),
        codes={name: encode(lab.system(name), images, runtime) for name in COMPARED},
        drawn=draw(lab, chosen),
        spectra={
            "pixels": singular_values(images[:SPREAD].flatten(1)),
            "bottleneck-128": singular_values(encode(lab.system("bottleneck-128"), images[:SPREAD], runtime)),
        },
        calibrated={decibels: with_psnr(images[chosen], decibels, seeded(lab)) for decibels in CALIBRATED},
    )


def seeded(lab: Lab) -> torch.Generator:
    """Of the noise that calibrates."""
    return torch.Generator().manual_seed(derive(lab.settings.seed, "calibrated"))


def draw(lab: Lab, chosen: list[int]) -> Drawn:
    """What can be drawn from a prior, and from densities of codes."""
    values: dict[str, dict[str, float]] = {}
    pictures: dict[str, dict[str, Tensor]] = {}
    network = ""
    for name in DRAWN_BY:
        rows, network, found = distances(lab.system(name), lab.data, lab.runtime, USUAL)
        values[name] = {row.of: row.value for row in rows if row.value is not None}
        pictures[name] = {of: images[: len(chosen)] for of, images in found.items()}
    table = lab.runs["vae"].evaluation
    bound = {key: table.value(key) for key in ("elbo", "kl", "nll")}
    return Drawn(values, network, pictures, bound, table.value("elbo", "mean"))


def denoise(lab: Lab, images: Tensor, chosen: list[int]) -> Denoised:
    system = lab.system("denoising")
    noisy = noisy_images(system, images)
    denoised = reconstruct(system, noisy, lab.runtime)
    before, after = fidelity(images, noisy.clamp(0, 1)), fidelity(images, denoised)
    return Denoised(noisy[chosen], denoised[chosen], before, after)


def explore(lab: Lab, name: str, images: Tensor, labels: Tensor, reader: DigitReader) -> Space:
    """The code plane of the run `name`."""
    system = lab.system(name)
    codes = encode(system, images, lab.runtime)
    numbers = describe_codes(codes, labels)
    (left, bottom), (right, top) = numbers.low, numbers.high

    def decoded(extent: Extent) -> Plane:
        cells = decode(system, square(*extent, SIDE), lab.runtime)
        return Plane(cells, reader.legible(cells), extent)

    around = decoded((left - MARGIN, right + MARGIN, bottom - MARGIN, top + MARGIN))
    norms = float(sum_of_norms(parameter.detach() for parameter in system.parameters()))
    return Space(codes, numbers, around, decoded(L2_BOX), norms)


def examine(reader: DigitReader, accuracy: float, images: Tensor, seed: int) -> Reading:
    """What the digit reader finds legible."""
    noise = torch.rand(400, 1, 28, 28, generator=torch.Generator().manual_seed(derive(seed, "uniform noise")))
    real, unreal = (float(reader.legible(seen).float().mean()) for seen in (images, noise))
    return Reading(reader.hash(), accuracy, real, unreal, bool(reader.legible(images.mean(0, keepdim=True))[0]))
