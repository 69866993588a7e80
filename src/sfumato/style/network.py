"""What the style systems share: a network that gives one picture the feature statistics of another.

Images are (b, 3, h, w) in [0, 1], RGB, with sides that are multiples of 8.
"""

from abc import abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, ClassVar, TypeVar

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from ..data.pictures import Fit
from ..engine.fields import Bounds, Count, Positive, check
from ..engine.portable import Portable
from ..engine.system import Stage, System
from ..errors import SfumatoError
from ..nets.decoder import LAYERS, Decoder
from ..nets.encoders import Encoder, build_encoder
from ..ops.colour import transported
from ..ops.statistics import Moments, exchange, moments
from ..ops.strokes import flow_noise
from ..weights.known import SHIPPED
from ..weights.load import read_weights

DETAILED = (*LAYERS, "relu3_1")  # where the shipped networks exchange statistics
TELLING = "telling."  # begins the names of what an older decoder may lack
Statistics = dict[str, Moments]  # by layer
RestylerT = TypeVar("RestylerT", bound="Restyler")
MAX_RESOLUTION = 4096
NOISE = 0.08  # its deviation
MIXED = 0.5  # of the draft in what the second pass sees
FLOOR = 3e-3  # beside variances of colours: near-grey paintings would blow up
MULTIPLE = 8  # how often the encoder pools, as a factor of size


@dataclass(frozen=True, kw_only=True)
class TransferConfig:
    """The fields that every style system has."""

    channels: ClassVar[int] = 3
    resolution: Annotated[int, Bounds(1, MAX_RESOLUTION)] = 256  # shorter side of the training pictures, in pixels
    fit: Fit = "short"  # how they get there: whole, squashed to a square, or cut to one
    crop: Count = 128  # side of the random squares that are trained on, a multiple of 8
    flip: bool = True  # mirror half of the training pictures
    batch_size: Count = 8  # content images per step, and as many styles
    learning_rate: Positive = 1e-3  # of Adam
    images: Count = 80_000  # content images drawn in the whole run

    def __post_init__(self) -> None:
        check(self)
        if self.resolution % MULTIPLE:
            raise SfumatoError(f"resolution {self.resolution}: must be a multiple of {MULTIPLE}")
        if self.crop % MULTIPLE or self.crop > self.resolution:
            raise SfumatoError(
                f"crop {self.crop}: must be a multiple of {MULTIPLE}, and not above resolution {self.resolution}"
            )


class Restyler(nn.Module):
    """Encoder, exchange of statistics at the decoder's layers, decoder.

    `eps` and `style_eps` stand beside the variances of content and style; `unbiased` as in `moments`.
    """

    def __init__(
        self, encoder: Encoder, decoder: Decoder, eps: float = 1e-5, style_eps: float = 1e-5, unbiased: bool = False
    ) -> None:
        super().__init__()
        self.encoder, self.decoder = encoder, decoder
        self.eps, self.style_eps, self.unbiased = eps, style_eps, unbiased

    @property
    def layers(self) -> Sequence[str]:
        return self.decoder.layers

    def style_statistics(self, features: Mapping[str, Tensor]) -> Statistics:
        """Of styles, at the decoder's layers."""
        return {layer: moments(features[layer], self.style_eps, self.unbiased) for layer in self.layers}

    def restyled(self, features: Mapping[str, Tensor], style: Statistics) -> dict[str, Tensor]:
        """`features` of the decoder's layers with the statistics `style` instead of their own (8)."""
        return {
            layer: exchange(features[layer], moments(features[layer], self.eps, self.unbiased), style[layer])
            for layer in self.layers
        }

    def forward(self, content: Tensor, style: Tensor) -> Tensor:
        """`content` in the style of `style`, whole: (b, 3, h, w), meant to lie in [0, 1]."""
        statistics = self.style_statistics(self.encoder(style, self.layers))
        return self.decoder(self.restyled(self.encoder(content, self.layers), statistics))


class Brush(Restyler):
    """One whose decoder is told the style."""

    def once(self, content: Tensor, style: Tensor) -> Tensor:
        """One pass over what is `prepared`."""
        statistics = self.style_statistics(self.encoder(style, self.layers))
        return self.decoder(self.restyled(self.encoder(content, self.layers), statistics), statistics).float()

    def forward(self, content: Tensor, style: Tensor) -> Tensor:
        """A pass at half the size, one at full size over the photograph mixed with it, and the painting's colours."""
        _, given = prepared(content, style, torch.zeros(len(content), dtype=torch.int64))
        return transported(self.passes(given, style), style, FLOOR)

    def passes(self, given: Tensor, style: Tensor) -> Tensor:
        """The two passes over what is `prepared`."""
        draft = self.once(*(F.interpolate(part, scale_factor=0.5, mode="area") for part in (given, style)))
        return self.once(mixed(given, draft), style).clamp(0, 1)


def prepared(content: Tensor, style: Tensor, seeds: Tensor) -> tuple[Tensor, Tensor]:
    """`content` in the colours of `style`, and the same with noise along its edges, by its own seed in `seeds` (b,)."""
    matched = transported(content, style, FLOOR).clamp(0, 1)
    return matched, (matched + NOISE * flow_noise(matched, seeds)).clamp(0, 1)


def mixed(given: Tensor, draft: Tensor) -> Tensor:
    """What the second pass sees. `draft`: of another size."""
    enlarged = F.interpolate(draft, size=given.shape[2:], mode="bilinear", align_corners=False)
    return given + MIXED * (enlarged.clamp(0, 1) - given)


def shipped() -> Restyler:
    """The network that comes with the package: its encoder, and the brush's decoder for it."""
    decoder = Decoder("sfumato", DETAILED, told=any(name.startswith(TELLING) for name in _exported(SHIPPED, "decoder")))
    kind = Restyler if decoder.telling is None else Brush
    return load_exported(kind(build_encoder("sfumato"), decoder), SHIPPED).eval()


def portable_of(restyler: Restyler, side: int = 64) -> Portable:
    """What other programs can compute of it; `side`: of its examples. A brush's passes, without what comes before and
    after."""
    given = {"content": torch.rand(2, 3, side, side), "style": torch.rand(2, 3, side, side)}
    about = dict.fromkeys((*given, "image"), "(n, 3, h, w) in [0, 1], sides multiples of 8")
    sized = dict.fromkeys(given, 2 * MULTIPLE)
    if not isinstance(restyler, Brush):
        return Portable("", restyler.forward, (restyler,), given, ("image",), about, sized)
    about["content"] += ", in the style's colours and with noise along its edges; the image is to get them again"
    settings = {"noise": NOISE, "floor": FLOOR}
    return Portable("", restyler.passes, (restyler,), given, ("image",), about, sized, settings)


def load_exported(restyler: RestylerT, folder: Path) -> RestylerT:
    """Fills a network with what `sfumato export` wrote into `folder`; a decoder that was not told the style is one that
    nothing has been told yet. Raises SfumatoError if it cannot."""
    for part, module in (("encoder", restyler.encoder), ("decoder", restyler.decoder)):
        values, own = _exported(folder, part), module.state_dict()
        if not any(name.startswith(TELLING) for name in values):
            own = {name: value for name, value in own.items() if not name.startswith(TELLING)}
        shapes = [{name: value.shape for name, value in part.items()} for part in (values, own)]
        if shapes[0] != shapes[1] or not all(bool(value.isfinite().all()) for value in values.values()):
            raise SfumatoError(f"weights {str(_file(folder, part))!r}: not those of an exported {part}")
        module.load_state_dict(values, strict=False)
    return restyler


def _file(folder: Path, part: str) -> Path:
    return folder / f"sfumato-{part}.safetensors"


def _exported(folder: Path, part: str) -> dict[str, Tensor]:
    read = read_weights(_file(folder, part))
    return {name: value.float() for name, value in read.items() if value.is_floating_point()}


class StyleSystem(System):
    """A system that learns to restyle pictures. `step` is fed pairs of batches: contents and styles."""

    restyles = True
    snapshots = (0.1, 0.5, 0.8, 1.0)
    config: TransferConfig

    @property
    @abstractmethod
    def restyler(self) -> Restyler:
        """The network that training is for."""

    @property
    @abstractmethod
    def judging(self) -> nn.Module:
        """The frozen network that `judge` depends on, beside the config."""

    @abstractmethod
    def judge(self, output: Tensor, content: Tensor, style: Tensor) -> tuple[Tensor, Tensor]:
        """The content loss and the style loss that this system minimises, of pictures in [0, 1]."""

    def portable(self) -> Sequence[Portable]:
        return [portable_of(self.restyler, self.config.crop)]

    def stages(self) -> Sequence[Stage]:
        """One stage: random squares of `crop` pixels, batches that are all of one size."""
        config = self.config
        return [Stage(config.images, config.batch_size, crop=config.crop, flip=config.flip, across=True)]


def restyler_of(system: System, where: str) -> Restyler:
    """The network that `system`, of the run in `where`, is for. Raises SfumatoError if it does not restyle."""
    if not isinstance(system, StyleSystem):
        raise SfumatoError(f"{where}: is not a run of a style system, such as adain")
    return system.restyler
