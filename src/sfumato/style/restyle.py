"""One picture in the style of others, by one of three methods: a pass through a network, optimisation, or both.

Large pictures are restyled tile by tile, or optimised small and enlarged; what was chosen is said.
"""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Protocol, TypeVar, get_args

import torch
from PIL import Image, ImageChops
from torch import Tensor, nn
from torch.nn import functional as F

from ..data.dataset import fingerprint, resized
from ..data.jobs import read_file
from ..data.pictures import MAX_PIXELS, layers_of, to_bytes, to_picture, to_tensor
from ..engine.runtime import Runtime, choose
from ..errors import SfumatoError
from ..nets.activations import unit_mean_activation
from ..nets.encoders import build_encoder
from ..ops.colour import keep_chroma, match_covariance, match_histogram
from ..ops.statistics import Moments
from .gatys import RECIPES, PictureTick, paint, recipe_for
from .network import Restyler, Statistics, shipped
from .options import FineOptions, MethodOptions, NetworkOptions, OptimisedOptions, PaintOptions, Start
from .tiles import TiledRestyler

PAINTED = 768  # pixels on the longer side of what is optimised, unless a content size is given
FINE_STEPS = 60  # of optimisation after AdaIN
TAUGHT = ("vgg16", "vgg19")  # encoders whose pooling a recipe may change; ours was trained with its own
MIN_SIDE = 8
RECOLOUR = {"coral": match_covariance, "histogram": match_histogram}
PictureT = TypeVar("PictureT", Image.Image, Tensor)
Advance = Callable[[int, int], object]  # told what is done and what there is to do: tiles, or steps
Note = Callable[[str], None]  # told what was chosen
Follow = Callable[[PictureTick], object]  # handed every step of an optimisation


class Method(Protocol):
    """A way of restyling."""

    @property
    def networks(self) -> Sequence[nn.Module]:
        """What results depend on, beside pictures and options."""
        ...

    def __call__(self, content: Tensor, styles: Sequence[Tensor], advance: Advance) -> Tensor:
        """`content` in the style of `styles`, all uint8 (1, 3, h, w) on the CPU."""
        ...


class Network:
    """A pass through a network that exchanges statistics (AdaIN), tile by tile.

    `shares`: of the styles, with sum 1. `masks`: uint8 (1, 1, h, w), one for each style instead of its share, or none.
    """

    def __init__(
        self, restyler: Restyler, runtime: Runtime, tile: int, shares: Sequence[float], note: Note, alpha: float = 1.0,
        masks: Sequence[Tensor] = (),
    ) -> None:  # fmt: skip
        self.tiled, self.networks = TiledRestyler(restyler, runtime, tile), [restyler]
        self.shares, self.note, self.alpha, self.masks = shares, note, alpha, masks
        self._styles: Sequence[Tensor] = ()
        self._known: list[Statistics] = []

    def __call__(self, content: Tensor, styles: Sequence[Tensor], advance: Advance) -> Tensor:
        if styles is not self._styles:
            self._styles, self._known = styles, [self.tiled.style(style) for style in styles]
        count = self.tiled.count(content)
        if count > 1:
            self.note(f"{content.shape[3]}×{content.shape[2]} pixels: in {count} tiles of {self.tiled.side}")
        done = iter(range(1, count + 1))
        goals: list[Statistics | None] = [*self._known]
        masks = self._regions(content)
        if masks is None:
            goals = [blended(self._known, self.shares)]
        elif len(masks) > len(goals):
            goals.append(None)
        return self.tiled.restyle(content, goals, masks, self.alpha, lambda: advance(next(done), count))

    def _regions(self, content: Tensor) -> Tensor | None:
        """(n, 1, h, w): the share of each style in each pixel, and last of what stays as it is."""
        if not self.masks:
            return None
        size = list(content.shape[2:])
        masks = torch.cat([F.interpolate(_floats(mask), size=size, mode="area") for mask in self.masks])
        total = masks.sum(0, keepdim=True)
        return torch.cat([masks / total.clamp_min(1), (1 - total).clamp_min(0)])


class Optimised:
    """Pixels changed until features say what they should. `begin`: a picture to change instead of what the recipe says,
    uint8 (1, 3, h, w); `changes`: of the recipe."""

    def __init__(
        self, options: PaintOptions, runtime: Runtime, shares: Sequence[float], note: Note, follow: Follow,
        begin: Tensor | None = None, **changes: Any,
    ) -> None:  # fmt: skip
        self.options, self.runtime, self.shares, self.begin = options, runtime, shares, begin
        self.note, self.follow = note, follow
        name, taught = options.recipe, options.encoder in TAUGHT
        encoder = build_encoder(options.encoder, pooling=RECIPES[name].pooling if name in RECIPES and taught else "max")
        if options.steps is not None:
            changes["steps"] = options.steps
        self.recipe = recipe_for(name, encoder, **changes)
        encoder.load(options.weights_file or "")
        if self.recipe.rescaled and options.encoder != "sfumato":  # ours comes rescaled
            unit_mean_activation(encoder)
        self.encoder, self.networks = encoder, [encoder]

    def __call__(
        self, content: Tensor, styles: Sequence[Tensor], advance: Advance, begin: Tensor | None = None
    ) -> Tensor:
        begin = self.begin if begin is None else begin
        size, working = content.shape[2:], content
        if self.options.content_size is None and max(size) > PAINTED:
            scale = PAINTED / max(size)
            working = resized(content, (round(size[0] * scale), round(size[1] * scale)), "bicubic")
            self.note(
                f"{size[1]}×{size[0]} pixels: painted at {working.shape[3]}×{working.shape[2]} and enlarged; "
                f"--content-size sets another size"
            )
        start = None if begin is None else _floats(resized(begin, working.shape[2:], "bicubic"))
        tick = None
        for tick in paint(
            _floats(working), [_floats(style) for style in styles], self.encoder, self.recipe, self.runtime,
            self.shares, self.options.seed, start,
        ):  # fmt: skip
            self.follow(tick)
            advance(tick.images, tick.total)
        assert tick is not None
        if not tick.canvas.image.isfinite().all():
            raise SfumatoError("the optimisation diverged: try another --recipe, or --precision fp32")
        return resized(to_bytes(tick.canvas.image), size, "bicubic")


class Fine:
    """A draft from a network, then changed by optimisation."""

    def __init__(self, draft: Network, optimised: Optimised) -> None:
        self.draft, self.optimised = draft, optimised
        self.networks = [*draft.networks, *optimised.networks]

    def __call__(self, content: Tensor, styles: Sequence[Tensor], advance: Advance) -> Tensor:
        return self.optimised(content, styles, advance, self.draft(content, styles, advance))


class Styles:
    """Styles, made ready once and laid on any number of contents.

    `masks`: one grey picture for each style, white where it goes; where none of them is white, the content stays.
    `network`: gives the one of `options.run`. `note` hears each kind of line once: a folder has many sizes.
    """

    def __init__(
        self, styles: Sequence[Image.Image], options: MethodOptions, runtime: Runtime,
        masks: Sequence[Image.Image] = (), network: Callable[[], Restyler] = shipped, note: Note = lambda _: None,
        follow: Follow = lambda _: None,
    ) -> None:  # fmt: skip
        self.options, self.runtime = options, runtime
        if not styles:
            raise SfumatoError("style: at least one is needed")
        if options.weights and len(options.weights) != len(styles):
            raise SfumatoError(f"weights: {len(options.weights)} for {len(styles)} styles")
        if masks and (len(masks) != len(styles) or options.weights):
            raise SfumatoError(f"masks: {len(masks)} for {len(styles)} styles; each style needs its own, and no weight")
        if masks and not isinstance(options, NetworkOptions):
            raise SfumatoError("masks: are for --method adain with --preset draft")
        weights = options.weights or (1.0,) * len(styles)
        shares = [weight / sum(weights) for weight in weights]
        self.masks = [_tensor(sized(mask.convert("L"), None, options.crop)) for mask in masks]
        self.styles = [_tensor(sized(style, options.style_size, options.crop)) for style in styles]
        match options:
            case NetworkOptions():
                self.method: Method = Network(
                    network(), runtime, options.tile, shares, once(note), options.alpha, self.masks
                )
            case OptimisedOptions():
                drawn = options.init in get_args(Start)
                begin = None if drawn else _tensor(read_file(Path(options.init))[0])
                changes = {"start": options.init} if drawn else {}
                self.method = Optimised(options, runtime, shares, once(note), follow, begin, **changes)
            case FineOptions():
                changes = {"steps": FINE_STEPS, "scale_factor": 1.0}
                draft = Network(network(), runtime, options.tile, shares, once(note))
                self.method = Fine(draft, Optimised(options, runtime, shares, once(note), follow, **changes))

    def lay(self, content: Image.Image, advance: Advance = lambda *_: None) -> Image.Image:
        """`content`, an `RGB` picture, restyled; of its size unless `content_size` or `crop` say otherwise."""
        options = self.options
        picture = _tensor(sized(content, options.content_size, options.crop))
        if min(picture.shape[2:]) < MIN_SIDE:
            raise SfumatoError(f"{picture.shape[3]}×{picture.shape[2]} pixels: too small, {MIN_SIDE} a side are needed")
        styles = self.styles
        if match := RECOLOUR.get(options.keep_color or ""):
            styles = [to_bytes(match(_floats(style)[0], _floats(picture)[0]))[None] for style in styles]
        result = self.method(picture, styles, advance)
        if options.keep_color == "luma":
            result = to_bytes(keep_chroma(_floats(result)[0], _floats(picture)[0]))[None]
        return to_picture(_floats(result)[0])

    def digest(self) -> str:
        """Changes with whatever a result depends on: styles, masks, networks, precision."""
        values = [value.cpu() for network in self.method.networks for value in network.state_dict().values()]
        return fingerprint(self.runtime.describe(), *self.styles, *self.masks, *values)


def restyle(
    content: PictureT, style: Image.Image | Tensor | Sequence[Image.Image | Tensor], options: MethodOptions,
    device: str = "auto", precision: str = "auto", masks: Sequence[Image.Image] = (),
    network: Callable[[], Restyler] = shipped,
) -> PictureT:  # fmt: skip
    """`content` in the style of one picture or of several; of the kind that `content` is.

    Pictures are PIL images, or tensors (3, h, w) in [0, 1]. Raises SfumatoError for what cannot be.
    """
    given = [style] if isinstance(style, Image.Image | Tensor) else list(style)
    styles = Styles(
        [_picture(item)[0] for item in given], options, choose(device, precision),
        [mask_of(*layers_of(mask)) for mask in masks], network,
    )  # fmt: skip
    picture, alpha = _picture(content)
    result = styles.lay(picture)
    if isinstance(content, Tensor):
        return (to_tensor(result).float() / 255).to(content)  # pyright: ignore[reportReturnType]
    if alpha is not None:
        result.putalpha(sized(alpha, options.content_size, options.crop))
    return result  # pyright: ignore[reportReturnType]


def once(note: Note) -> Note:
    """`note`, which hears the first line and no other."""
    notes = iter((note,))
    return lambda line: next(notes, lambda _: None)(line)


def blended(styles: Sequence[Statistics], shares: Sequence[float]) -> Statistics:
    """The weighted mean of several styles' statistics."""
    return {
        layer: Moments(
            *(
                torch.stack([share * part for share, part in zip(shares, parts, strict=True)]).sum(0)
                for parts in zip(*(style[layer] for style in styles), strict=True)
            )
        )
        for layer in styles[0]
    }


def sized(image: Image.Image, shorter: int | None, crop: bool) -> Image.Image:
    """`image`, cut to its central square if `crop`, with `shorter` pixels on its shorter side."""
    if crop:
        side = min(image.size)
        left, top = (image.width - side) // 2, (image.height - side) // 2
        image = image.crop((left, top, left + side, top + side))
    if shorter is None or shorter == min(image.size):
        return image
    scale = shorter / min(image.size)
    size = (max(1, round(image.width * scale)), max(1, round(image.height * scale)))
    if size[0] * size[1] > MAX_PIXELS:
        raise SfumatoError(f"{image.width}×{image.height} pixels: {size[0]}×{size[1]} would be too many")
    return image.resize(size, Image.Resampling.LANCZOS, reducing_gap=3.0)


def _picture(image: Image.Image | Tensor) -> tuple[Image.Image, Image.Image | None]:
    """An `RGB` picture and its transparency, of what a caller gave."""
    if isinstance(image, Image.Image):
        return layers_of(image)
    if image.dim() != 3 or image.shape[0] != 3 or not image.is_floating_point():
        raise SfumatoError(f"tensor {tuple(image.shape)} of {image.dtype}: must be (3, h, w), floats in [0, 1]")
    return to_picture(image), None


def mask_of(mask: Image.Image, alpha: Image.Image | None) -> Image.Image:
    """A mask as `L`: what is see-through is black."""
    grey = mask.convert("L")
    return grey if alpha is None else ImageChops.multiply(grey, alpha)


def _tensor(image: Image.Image) -> Tensor:
    """uint8 (1, c, h, w)."""
    return to_tensor(image)[None]


def _floats(image: Tensor) -> Tensor:
    return image.float() / 255
