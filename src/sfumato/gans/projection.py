"""Finding the style of a picture: one w first, then one for each layer (w+).

Karras et al. 2020, https://arxiv.org/abs/1912.04958, appendix D: from the mean w, by Adam under a rate that climbs and
falls, with noise on w that fades away; the noise of the pixels is found along with it, and kept from carrying the
picture by a penalty on its self-correlation. w+ goes on from there (Abdal et al. 2019,
https://arxiv.org/abs/1904.03189). The distance is that of features of the shipped encoder, each place's scaled to
length 1, over four layers, and of pixels.
Departs from the paper: that encoder in place of VGG-16 with learned weights; pixels count too.
"""

import math
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import torch
from safetensors.torch import save
from torch import Tensor
from torch.nn import functional as F

from ..data.dataset import ImageData
from ..data.pictures import read_picture, to_tensor
from ..engine.runtime import Runtime
from ..errors import SfumatoError
from ..family import OpenRun
from ..files import opened, write_bytes
from ..nets.encoders import build_encoder
from ..reports.figures import captioned
from ..seeds import derive
from .directions import many_styles
from .styled import Styled

STEPS = 400  # of w, and as many of w+
RATE = 0.1
CLIMB, FALL = 0.05, 0.25  # shares of the steps in which the rate climbs and falls
NOISED, QUIET = 0.05, 0.75  # noise on w, in deviations of w; the share of the steps after which there is none
LAYERS = ("relu1_1", "relu2_1", "relu3_1", "relu4_1")
PIXELS = 1.0  # weight of the mean squared difference of pixels
UNCORRELATED = 1e4  # weight of the noise's self-correlation
SMALLEST_NOISE = 8  # side down to which that is taken
TINY = 1e-8
KNOWN = 4_000  # training images that are looked at
AT_ONCE = 100
Noise = list[Tensor]


class Likeness:
    """How far images (n, c, h, w) in [0, 1] are from one picture: 0 is equal."""

    def __init__(self, picture: Tensor, runtime: Runtime) -> None:
        self.encoder = build_encoder("sfumato").load().requires_grad_(False).eval().to(runtime.device)
        self.picture = picture[None].to(runtime.device)
        self.features = self._seen(self.picture)

    def _seen(self, images: Tensor) -> list[Tensor]:
        found = self.encoder(images.expand(-1, 3, -1, -1), LAYERS)
        return [values * torch.rsqrt(values.square().sum(1, keepdim=True) + TINY) for values in found.values()]

    def __call__(self, images: Tensor) -> Tensor:
        """(n,)."""
        far = (images - self.picture).square().mean((1, 2, 3)) * PIXELS
        for own, other in zip(self._seen(images), self.features, strict=True):
            far = far + (own - other).square().sum(1).mean((1, 2)) / len(self.features)
        return far


@dataclass(frozen=True)
class Projected:
    """`picture` (c, h, w), what w and w+ draw of it, all in [0, 1]; styles (1, layers, latent) of w+, and the noise of
    pixels; the distances of the image of the mean w, of w, of w+."""

    picture: Tensor
    by_one: Tensor
    by_each: Tensor
    styles: Tensor
    noise: Noise
    distances: tuple[float, float, float]


@dataclass(frozen=True)
class Step:
    """After `done` of `steps`: how far the image is; `found`, after the last of them."""

    done: int
    steps: int
    distance: Tensor
    found: Projected | None = None


def read_target(path: Path, system: Styled) -> Tensor:
    """The picture as the system's images are: its central square, (c, h, w) in [0, 1]. Raises SfumatoError for a file
    that cannot be used."""
    try:
        with opened(path) as file:
            picture = read_picture(file, system.config.channels, system.config.resolution)
    except OSError as error:
        raise SfumatoError(f"{path}: cannot be read ({error.strerror})") from None
    except SfumatoError as error:
        raise SfumatoError(f"{path}: {error}") from None
    return to_tensor(picture).float() / 255


def project(system: Styled, picture: Tensor, runtime: Runtime, steps: int = STEPS, seed: int = 0) -> Iterator[Step]:
    """Finds styles for `picture` (c, h, w) in [0, 1] of the system's size, in fp32; yields after each step."""
    system.eval().requires_grad_(False)
    far = Likeness(picture, runtime)
    many = many_styles(system, seed=seed)
    deviation = float((many - many.mean(0)).square().sum(1).mean().sqrt())
    generator = torch.Generator().manual_seed(derive(seed, "projection"))
    device = runtime.device
    w = many.mean(0, keepdim=True).to(device).requires_grad_()
    noise = [values.to(device).requires_grad_() for values in system.new_noise(1, generator)]
    first = float(far(_image(system, system.everywhere(w), noise).detach()))
    drawn, reached = [], []
    styles = w
    for part in range(2):
        if part:
            styles = system.everywhere(w.detach()).clone().requires_grad_()
        adam = torch.optim.Adam([styles, *noise], lr=RATE, betas=(0.9, 0.999))
        for step in range(steps):
            share = step / steps
            adam.param_groups[0]["lr"] = RATE * _rate(share) * (0.5 if part else 1.0)
            strength = 0.0 if part else NOISED * deviation * max(0.0, 1 - share / QUIET) ** 2
            moved = styles + strength * torch.randn(styles.shape, generator=generator).to(device)
            image = _image(system, system.everywhere(moved) if moved.dim() == 2 else moved, noise)
            distance = far(image).sum()
            loss = distance + UNCORRELATED * _correlation(noise)
            for value, gradient in zip([styles, *noise], torch.autograd.grad(loss, [styles, *noise]), strict=True):
                value.grad = gradient
            adam.step()
            with torch.no_grad():
                for values in noise:
                    values.sub_(values.mean()).mul_(torch.rsqrt(values.square().mean() + TINY))
            if step < steps - 1:
                yield Step(part * steps + step + 1, 2 * steps, distance.detach())
        with torch.no_grad():
            whole = system.everywhere(styles) if styles.dim() == 2 else styles
            drawn.append(_image(system, whole, noise).clamp(0, 1))
            reached.append(float(far(drawn[-1])))
        if not part:
            yield Step(steps, 2 * steps, torch.tensor(reached[0]))
    by_one, by_each = (image[0].cpu() for image in drawn)
    kept = [values.detach().cpu() for values in noise]
    found = Projected(picture, by_one, by_each, styles.detach().cpu(), kept, (first, reached[0], reached[1]))
    yield Step(2 * steps, 2 * steps, torch.tensor(reached[1]), found)


def _image(system: Styled, styles: Tensor, noise: Noise) -> Tensor:
    return (system.synthesised(system.maker, styles, noise).float() + 1) / 2


def _rate(share: float) -> float:
    """A straight climb, a plateau, half a cosine down to 0."""
    fall = min(1.0, (1 - share) / FALL)
    return min(1.0, share / CLIMB) * 0.5 * (1 - math.cos(math.pi * fall))


def _correlation(noise: Noise) -> Tensor:
    """Squared correlation of each noise with itself one pixel further, at every scale: 0 for noise, and no picture can
    hide in it."""
    total = noise[0].new_zeros(())
    for values in noise:
        while values.shape[-1] >= SMALLEST_NOISE:
            for side in (2, 3):
                total = total + (values * values.roll(1, side)).mean().square()
            values = F.avg_pool2d(values, 2)
    return total


def keep(found: Projected, path: Path) -> None:
    """Writes styles and noise as safetensors, for `sample --from`."""
    tensors = {f"noise.{place}": values.contiguous() for place, values in enumerate(found.noise)}
    tensors["styles"] = found.styles.contiguous()
    write_bytes(path, save(tensors))


def styled_of(run: OpenRun) -> Styled:
    """The system of a run that pictures can be projected into. Raises SfumatoError for another."""
    if not isinstance(run.system, Styled):
        raise SfumatoError(f"{run.path}: {run.system_name} has no styles: stylegan and stylegan2 have")
    return run.system


def picture_of(found: Projected, data: ImageData) -> bytes:
    """The picture, what w and w+ draw of it, and the training image that is nearest by the same distance. A PNG."""
    known = data.train.images(data.train.spread(min(len(data.train), KNOWN)))
    far = Likeness(found.picture, Runtime(torch.device("cpu"), "fp32"))
    with torch.no_grad():
        distances = torch.cat([far(part) for part in known.split(AT_ONCE)])
    nearest = int(distances.argmin())
    words = [
        "the picture", f"one style: {found.distances[1]:.3f}", f"one for each layer: {found.distances[2]:.3f}",
        f"nearest in training: {float(distances[nearest]):.3f}",
    ]  # fmt: skip
    return captioned(torch.stack([found.picture, found.by_one, found.by_each, known[nearest]]), words, len(words))
