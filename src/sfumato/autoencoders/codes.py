"""What lies in a run's code space: its codes as pictures, new ones drawn, blended, perturbed, walked through.

An autoencoder promises nothing about the space between its codes; these are the experiments that show what is there.
"""

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Literal

import torch
from torch import Tensor

from ..data.pictures import read_picture, to_tensor
from ..errors import SfumatoError
from ..family import OpenRun
from ..files import opened
from ..metrics.reconstruction import psnr
from ..ops.codes import (
    DENSITIES,
    Plane,
    between,
    blend,
    main_directions,
    nearest,
    plane_of,
    shrinkage,
    singular_values,
    square,
)
from ..ops.noise import with_psnr
from ..reports.figures import code_pictures, curve, labelled_rows, plane, scatter
from ..seeds import derive
from .autoencoder import Autoencoder
from .measures import decode, encode

FITTED = 256  # codes that the Gaussian is fitted to, as in the reference
SHARE = 0.25  # of a drawn code in a blend
NOISE = 0.1  # standard deviation of a perturbation, for codes of power 1
STEPS = 9  # from one image to the other, or from one end of a direction to the other
SPAN = 2.0  # standard deviations to each side along a direction
OFFSETS = [f"{offset:+.1f}σ" for offset in torch.linspace(-SPAN, SPAN, STEPS).tolist()]
MAX_SHOWN = 64
MAX_WAYS = 8  # interpolations, or directions, in one picture
SIDE = 20  # cells along each axis of a plane
BOX = 5.0  # a plane reaches from -BOX to BOX
SCATTERED = 5_000  # test images whose codes are drawn as points
CALIBRATED = (10, 15, 20, 25, 30, 35, 40, 46)  # dB of pictures that show what a PSNR looks like


@dataclass(frozen=True)
class CodeStatistics:
    """Of (n, d) codes: over all numbers their mean, standard deviation, extremes and share of exact zeros; `shrinkage`,
    how much of the fitted covariance is not learnt from them."""

    mean: float
    std: float
    low: float
    high: float
    zeros: float
    shrinkage: float


class Codes:
    """The codes of a run's first `count` training images in random order, and what can be done with them.

    `images` (n, c, h, w) in [0, 1]; `codes` (n, d), flat. Every method that makes images returns (m, c, h, w) in
    [0, 1] on the CPU, without noise on the codes.
    """

    def __init__(self, run: OpenRun, count: int = FITTED, seed: int = 0) -> None:
        system = run.system
        if not isinstance(system, Autoencoder):
            raise SfumatoError(f"{run.path}: {run.system_name} has no codes: it is no autoencoder")
        if count < 2:
            raise SfumatoError(f"fit {count}: a Gaussian needs two codes at least")
        self.system, self.runtime, self.seed = system, run.runtime, seed
        self.data = run.data
        order = torch.randperm(len(run.data.train), generator=self._generator("images"))
        self.images = run.data.train.images(order[:count])
        self.codes = self.encode(self.images)

    def encode(self, images: Tensor) -> Tensor:
        """(n, d) codes."""
        return encode(self.system, images, self.runtime).flatten(1)

    def decode(self, codes: Tensor) -> Tensor:
        """The images of (n, d) codes."""
        return decode(self.system, codes, self.runtime)

    def maps(self, codes: Tensor) -> Tensor:
        """(n, d) codes in their own shape; a vector becomes maps of one number each."""
        shape = self.system.code_shape
        return codes.view(len(codes), *shape) if len(shape) == 3 else codes.view(*codes.shape, 1, 1)

    def statistics(self) -> CodeStatistics:
        """Mean, deviation, range and share of zeros of the codes, and how much their Gaussian is shrunk."""
        codes = self.codes
        return CodeStatistics(
            float(codes.mean()), float(codes.std()), float(codes.min()), float(codes.max()),
            float((codes == 0).float().mean()), shrinkage(codes),
        )  # fmt: skip

    def draw(self, count: int, density: str = "shrunk") -> Tensor:
        """(count, d) codes from a density fitted to `codes`: one of `ops.codes.DENSITIES`, or `prior` where the system
        has one. Raises SfumatoError for others."""
        if density == "prior" and self.system.prior:
            return self.system.latents(count, self._generator("draw")).cpu()
        if density not in DENSITIES:
            known = [*DENSITIES, *(["prior"] if self.system.prior else [])]
            raise SfumatoError(f"density {density!r}: this run's codes can be drawn from {', '.join(known)}")
        return DENSITIES[density](self.codes, count, self._generator("draw"))

    def plane(self) -> tuple[Plane, tuple[str, str]]:
        """The plane of `ops.codes.plane_of`, and what its axes are called."""
        if self.codes.shape[1] == 2:
            return plane_of(self.codes), ("first number of the code", "second number")
        return plane_of(self.codes), ("first principal direction, in deviations", "second")

    def blends(self, drawn: Tensor, share: float, by: Literal["row", "nearest"]) -> Tensor:
        """(n, d): `share` of each drawn code, the rest of a real one: of the code in the same row (`by="row"`, as the
        reference does it) or of the nearest one (`by="nearest"`)."""
        partner = self.codes[nearest(drawn, self.codes)] if by == "nearest" else self.codes[: len(drawn)]
        return blend(drawn[: len(partner)], partner, share)

    def perturb(self, codes: Tensor, strength: float) -> Tensor:
        """`codes` + normal noise with a standard deviation of `strength` times the root of the real codes' power."""
        noise = torch.randn(codes.shape, generator=self._generator("perturb"))
        return codes + strength * self.codes.square().mean().sqrt() * noise

    def directions(self, count: int, steps: int = STEPS, span: float = SPAN) -> list[Tensor]:
        """For each of the first principal directions (steps, d) codes: the mean code moved along it from -`span` to
        +`span` standard deviations."""
        vectors, spreads = main_directions(self.codes, count)
        offsets = torch.linspace(-span, span, steps)[:, None]
        return [self.codes.mean(0) + offsets * spread * vector for vector, spread in zip(vectors, spreads, strict=True)]

    def _generator(self, *purpose: str) -> torch.Generator:
        return torch.Generator().manual_seed(derive(self.seed, "codes", *purpose))


def in_words(space: Codes) -> str:
    """A line on the codes and on the Gaussian that was fitted to them."""
    facts = space.statistics()
    return (
        f"{len(space.codes)} codes of {space.codes.shape[1]} numbers: mean {facts.mean:.3f}, standard deviation "
        f"{facts.std:.3f}, from {facts.low:.2f} to {facts.high:.2f}, zeros {facts.zeros:.1%}; "
        f"covariance shrunk by {facts.shrinkage:.2f} (Ledoit-Wolf)"
    )


@dataclass(frozen=True)
class Options:
    """What the pictures of `sfumato codes` can be told."""

    count: int = 9
    share: float = SHARE
    noise: float = NOISE
    density: str = "shrunk"
    own: Sequence[Path] = ()

    def __post_init__(self) -> None:
        if not 1 <= self.count <= MAX_SHOWN:
            raise SfumatoError(f"count {self.count}: must lie between 1 and {MAX_SHOWN}")
        if not 0 <= self.share <= 1:
            raise SfumatoError(f"share {self.share}: must lie between 0 and 1")
        if not 0 <= self.noise < math.inf:
            raise SfumatoError(f"noise {self.noise}: must be a number that is not negative")
        if len(self.own) > MAX_SHOWN:
            raise SfumatoError(f"images: {len(self.own)} are too many for a picture; give {MAX_SHOWN} at most")


def _chosen(space: Codes, options: Options) -> Tensor:
    """The images to show: the user's own, or the first of those that the codes were taken from."""
    if not options.own:
        return space.images[: options.count]
    config = space.system.config
    images = []
    for path in options.own:
        try:
            with opened(path) as file:
                images.append(to_tensor(read_picture(file, config.channels, config.resolution)))
        except SfumatoError as error:
            raise SfumatoError(f"{path}: {error}") from None
    return torch.stack(images).float() / 255


def show(space: Codes, options: Options) -> bytes:
    """Images, their codes as maps, histograms of the codes, reconstructions."""
    images = _chosen(space, options)
    codes = space.encode(images)
    return code_pictures(images, space.maps(codes), space.decode(codes), ("image", "code", "histogram", "decoded"))


def sample(space: Codes, options: Options) -> bytes:
    """Images decoded from codes that were drawn."""
    drawn = space.draw(options.count, options.density)
    images, maps = space.decode(drawn), space.maps(drawn)
    return code_pictures(None, maps, images, ("", "drawn code", "histogram", "decoded"))


def blended(space: Codes, options: Options) -> bytes:
    """Drawn codes pulled towards real ones, in both ways."""
    drawn = space.draw(options.count, options.density)
    rows = {"drawn": space.decode(drawn)}
    rows[f"{options.share:g} of it, same row"] = space.decode(space.blends(drawn, options.share, "row"))
    rows[f"{options.share:g} of it, nearest"] = space.decode(space.blends(drawn, options.share, "nearest"))
    return labelled_rows(rows)


def perturbed(space: Codes, options: Options) -> bytes:
    """Images from their own codes and from codes with more and more noise."""
    images = _chosen(space, options)
    codes = space.encode(images)
    rows = {"image": images, "decoded": space.decode(codes)}
    for strength in (options.noise, 2 * options.noise, 4 * options.noise):
        rows[f"noise {strength:g}"] = space.decode(space.perturb(codes, strength))
    return labelled_rows(rows)


def interpolated(space: Codes, options: Options) -> bytes:
    """Straight lines between the codes of neighbouring images."""
    codes = space.encode(_chosen(space, options))
    if len(codes) < 2:
        raise SfumatoError("interpolate: needs two pictures at least")
    ways = [between(first, last, STEPS) for first, last in pairwise(codes[: MAX_WAYS + 1])]
    return labelled_rows({f"{index} → {index + 1}": space.decode(way) for index, way in enumerate(ways, 1)})


def along_directions(space: Codes, options: Options) -> bytes:
    """A row per principal direction, from -2 to +2 standard deviations."""
    ways = space.directions(min(options.count, MAX_WAYS))
    return labelled_rows({f"direction {index}": space.decode(way) for index, way in enumerate(ways, 1)}, OFFSETS)


def densities(space: Codes, options: Options) -> bytes:
    """A row of drawn images for each density that codes can be drawn from."""
    names = [*(["prior"] if space.system.prior else []), *DENSITIES]
    return labelled_rows({name: space.decode(space.draw(options.count, name)) for name in names})


def noisy(space: Codes, options: Options) -> bytes:
    """Images from drawn codes, and from the same with more and more noise on them."""
    drawn = space.draw(options.count, options.density)
    rows = {"drawn": space.decode(drawn)}
    for strength in (options.noise, 2 * options.noise, 4 * options.noise):
        rows[f"noise {strength:g}"] = space.decode(space.perturb(drawn, strength))
    return labelled_rows(rows)


def scattered(space: Codes, options: Options) -> bytes:
    """The codes of test images as points, coloured by class where there are classes."""
    test = space.data.test
    chosen = test.spread(min(len(test), SCATTERED))
    found, axes = space.plane()
    points = found.flat(space.encode(test.images(chosen)))
    labels = torch.zeros(len(points), dtype=torch.int64) if test.labels is None else test.labels[chosen]
    return scatter(points, labels, space.data.classes or ("",), *axes)


def boxed(space: Codes, options: Options) -> bytes:
    """The square from -5 to 5 of the plane of codes, decoded."""
    box = (-BOX, BOX, -BOX, BOX)
    found, axes = space.plane()
    return plane(space.decode(found.raised(square(*box, SIDE))), SIDE, box, *axes)


def spectrum(space: Codes, options: Options) -> bytes:
    """How far codes spread along each of their principal directions."""
    values = singular_values(space.codes).tolist()
    rows = {"codes": (list(range(1, len(values) + 1)), values)}
    return curve(rows, "principal direction", "standard deviation", logarithmic=True)


def calibrated(space: Codes, options: Options) -> bytes:
    """What a PSNR looks like: images under noise of so many dB, cut to [0, 1], and the run's own reconstructions."""
    images = _chosen(space, options)
    rows = {"image": images}
    for decibels in CALIBRATED:
        rows[f"{decibels} dB"] = with_psnr(images, decibels, space._generator("calibrated"))
    own = space.decode(space.encode(images))
    rows[f"decoded, {psnr(images, own)['psnr']:.1f} dB"] = own
    return labelled_rows(rows)


OPERATIONS: dict[str, Callable[[Codes, Options], bytes]] = {
    "show": show,
    "sample": sample,
    "blend": blended,
    "perturb": perturbed,
    "interpolate": interpolated,
    "directions": along_directions,
    "densities": densities,
    "noisy": noisy,
    "scatter": scattered,
    "plane": boxed,
    "spectrum": spectrum,
    "calibrated": calibrated,
}


def possible(space: Codes, options: Options) -> list[str]:
    """The operations that can be done: one picture alone has nobody to be walked to."""
    alone = len(options.own or space.codes[: options.count]) < 2
    return [name for name in OPERATIONS if not (alone and name == "interpolate")]


def explore(
    run: OpenRun, operations: Sequence[str], fit: int, seed: int, count: int, share: float, noise: float,
    own: Sequence[Path], density: str = "shrunk",
) -> tuple[Iterator[tuple[str, bytes]], str]:  # fmt: skip
    """What the command shows: a name and a PNG for each of `operations`, or for all that can be done, and a line on the
    codes. Raises SfumatoError for what cannot be."""
    options = Options(count, share, noise, density, own)
    space = Codes(run, fit, seed)
    chosen = operations or possible(space, options)
    return ((name, OPERATIONS[name](space, options)) for name in chosen), in_words(space)
