"""One picture in the style of others, by one of three methods: a pass through a network, optimisation, or both.

Large pictures are restyled tile by tile, or optimised small and enlarged; what was chosen is said.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import fields, replace
from pathlib import Path
from typing import Any, Protocol, cast, get_args

import torch
from PIL import Image, ImageChops
from torch import Tensor, nn
from torch.nn import functional as F

from ..data.dataset import fingerprint, resized
from ..data.given import Given, GivenT, like, picture_of, pictures_of
from ..data.jobs import read_file
from ..data.pictures import MAX_PIXELS, to_bytes, to_tensor
from ..engine.runtime import Runtime, choose
from ..errors import SfumatoError
from ..nets.activations import unit_mean_activation
from ..nets.encoders import EncoderName, build_encoder
from ..ops.colour import keep_chroma, match_covariance, match_histogram
from .fine import Hand, paint_finely
from .gatys import RECIPES, PictureTick, paint, recipe_for
from .network import Restyler, shipped
from .options import (
    FineOptions,
    GatysOptions,
    MethodOptions,
    NetworkOptions,
    Options,
    PaperOptions,
    PassOptions,
    Start,
    StrokeOptions,
)
from .painter import painter_for, recoloured
from .texture import Eye

PAINTED = 768  # pixels on the longer side of what is optimised whole, unless a content size is given
FINEST = 2048  # of what is painted stroke by stroke
TAUGHT = ("vgg16", "vgg19")  # encoders whose pooling a recipe may change; ours was trained with its own
MIN_SIDE = 8
RECOLOUR = {"coral": match_covariance, "histogram": match_histogram}
Advance = Callable[[int, int], object]  # told what is done and what there is to do: tiles, or steps
Note = Callable[[str], None]  # told what was chosen
Follow = Callable[[PictureTick], object]  # handed every step of an optimisation


class Method(Protocol):
    """A way of restyling."""

    @property
    def networks(self) -> Sequence[nn.Module]:
        """What results depend on, beside pictures and options."""
        ...

    def __call__(
        self, content: Tensor, styles: Sequence[Tensor], advance: Advance, before: Tensor | None = None
    ) -> Tensor:
        """`content` in the style of `styles`, all uint8 (1, 3, h, w) on the CPU. `before`: of a clip, the frame before,
        moved along: what is optimised begins there."""
        ...


class Network:
    """Passes through a network that exchanges statistics (AdaIN), tile by tile. `shares`: of the styles, with sum 1."""

    def __init__(
        self, restyler: Restyler, runtime: Runtime, options: PassOptions, shares: Sequence[float], note: Note
    ) -> None:
        self.networks = [restyler]
        self.painter = painter_for(restyler, runtime, options.tile)
        self.shares, self.note, self.alpha, self.seed = shares, note, options.alpha, options.seed

    def __call__(
        self, content: Tensor, styles: Sequence[Tensor], advance: Advance, before: Tensor | None = None
    ) -> Tensor:
        count = self.painter.count(content)
        if count > 1:
            size = f"{content.shape[3]}×{content.shape[2]}"
            self.note(f"{size} pixels: in {count} tiles of {self.painter.tiled.side}")
        done = iter(range(1, count + 1))
        return self.painter.paint(
            content, styles, self.shares, self.alpha, self.seed, lambda: advance(next(done), count)
        )


class Strokes:
    """Painted stroke by stroke, from the content or from what a network painted of it."""

    def __init__(
        self, options: StrokeOptions, runtime: Runtime, shares: Sequence[float], note: Note, follow: Follow,
        draft: Network | None = None,
    ) -> None:  # fmt: skip
        self.options, self.runtime, self.shares = options, runtime, shares
        self.note, self.follow, self.draft = note, follow, draft
        self.eye = Eye(options.encoder or options.usual)
        self.eye.encoder.load(options.weights_file or "")
        self.networks = [self.eye, *(draft.networks if draft else ())]
        named = {field.name: getattr(options, field.name) for field in fields(Hand) if hasattr(options, field.name)}
        self.hand = Hand(**named)

    def __call__(
        self, content: Tensor, styles: Sequence[Tensor], advance: Advance, before: Tensor | None = None
    ) -> Tensor:
        size = content.shape[2:]
        working = _smaller(content, FINEST, self.options, self.note)
        start, hand = None, self.hand
        if before is not None:
            hand = replace(hand, noise=0.0)  # which is in it already
            start = _floats(resized(before, [max(MIN_SIDE, side // 2) for side in working.shape[2:]], "bicubic"))
        elif self.draft:
            half, *smaller = (
                resized(picture, [max(MIN_SIDE, side // 2) for side in picture.shape[2:]], "bicubic")
                for picture in (working, *styles)
            )
            start = _floats(self.draft(half, smaller, lambda *_: None))
        steps = paint_finely(
            _floats(working), [_floats(style) for style in styles], self.shares, self.eye, hand, self.runtime,
            self.options.seed, start,
        )  # fmt: skip
        painted = _last(steps, self.follow, advance)
        if self.options.matched:
            painted = recoloured(painted, styles, self.shares)
        return resized(painted, size, "bicubic")


class Optimised:
    """Pixels changed until features say what they should, as a recipe has it."""

    def __init__(
        self, options: PaperOptions, runtime: Runtime, shares: Sequence[float], note: Note, follow: Follow
    ) -> None:
        self.options, self.runtime, self.shares = options, runtime, shares
        self.note, self.follow = note, follow
        drawn = options.init in get_args(Start)
        self.begin = None if drawn else _tensor(read_file(Path(options.init))[0])
        changes: dict[str, Any] = {"start": options.init} if drawn else {}
        if options.steps is not None:
            changes["steps"] = options.steps
        name = cast(EncoderName, options.encoder or options.usual)
        encoder = build_encoder(name, pooling=RECIPES[options.recipe].pooling if name in TAUGHT else "max")
        self.recipe = recipe_for(options.recipe, encoder, **changes)
        encoder.load(options.weights_file or "")
        if self.recipe.rescaled and name != "sfumato":  # ours comes rescaled
            unit_mean_activation(encoder)
        self.encoder, self.networks = encoder, [encoder]

    def __call__(
        self, content: Tensor, styles: Sequence[Tensor], advance: Advance, before: Tensor | None = None
    ) -> Tensor:
        working = _smaller(content, PAINTED, self.options, self.note)
        begin = self.begin if before is None else before
        start = None if begin is None else _floats(resized(begin, working.shape[2:], "bicubic"))
        steps = paint(
            _floats(working), [_floats(style) for style in styles], self.encoder, self.recipe, self.runtime,
            self.shares, self.options.seed, start,
        )  # fmt: skip
        return resized(_last(steps, self.follow, advance), content.shape[2:], "bicubic")


class Interrupted(KeyboardInterrupt):
    """A stop while a picture was optimised. `picture`: the best so far, uint8 (1, 3, h, w), of any size; `finished`:
    with all that is done to a picture afterwards."""

    finished: Image.Image

    def __init__(self, picture: Tensor) -> None:
        super().__init__()
        self.picture = picture


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
        weights = options.weights or (1.0,) * len(styles)
        shares = [1.0] if masks else [weight / sum(weights) for weight in weights]
        self.masks = [_tensor(sized(mask.convert("L"), None, options.crop)) for mask in masks]
        self.styles = [_tensor(sized(style, options.style_size, options.crop)) for style in styles]
        note = once(note)
        match options:
            case NetworkOptions():
                self.method: Method = Network(network(), runtime, options, shares, note)
            case FineOptions():
                whole = replace(options, alpha=1.0)
                draft = Network(network(), runtime, whole, shares, note)
                self.method = Strokes(options, runtime, shares, note, follow, draft)
            case GatysOptions():
                self.method = Strokes(options, runtime, shares, note, follow)
            case PaperOptions():
                self.method = Optimised(options, runtime, shares, note, follow)

    def lay(
        self, content: Image.Image, advance: Advance = lambda *_: None, before: Image.Image | None = None
    ) -> Image.Image:
        """`content`, an `RGB` picture, restyled; of its size unless `content_size` or `crop` say otherwise. `before`:
        of a clip, the frame before, moved along.

        Raises Interrupted if it is stopped while there is something to see.
        """
        options = self.options
        picture = _tensor(sized(content, options.content_size, options.crop))
        if min(picture.shape[2:]) < MIN_SIDE:
            raise SfumatoError(f"{picture.shape[3]}×{picture.shape[2]} pixels: too small, {MIN_SIDE} a side are needed")
        if not options.alpha:
            return _picture_of(picture)
        styles = self.styles
        if match := RECOLOUR.get(options.keep_color or ""):
            styles = [to_bytes(match(_floats(style)[0], _floats(picture)[0]))[None] for style in styles]
        begin = None if before is None else _tensor(before)
        try:
            if not self.masks:
                return self._finished(self.method(picture, styles, advance, begin), picture)
            result = picture.float()
            for style, where in zip(styles, regions(self.masks, picture.shape[2:], options.feather), strict=True):
                if where.any():
                    painted = self.method(picture, [style], advance, begin)
                    result = result + where * (painted.float() - picture.float())
            return self._finished(result.round().to(torch.uint8), picture)
        except Interrupted as stopped:
            stopped.finished = self._finished(resized(stopped.picture, picture.shape[2:], "bicubic"), picture)
            raise

    def _finished(self, result: Tensor, picture: Tensor) -> Image.Image:
        options = self.options
        if options.keep_color == "luma":
            result = to_bytes(keep_chroma(_floats(result)[0], _floats(picture)[0]))[None]
        if options.alpha < 1:
            result = to_bytes(torch.lerp(_floats(picture), _floats(result), 1 - (1 - options.alpha) ** 2))
        return _picture_of(result)

    def digest(self) -> str:
        """Changes with whatever a result depends on: styles, masks, networks, precision."""
        values = [value.cpu() for network in self.method.networks for value in network.state_dict().values()]
        return fingerprint(self.runtime.describe(), *self.styles, *self.masks, *values)


def restyle(
    content: GivenT | str | Path, style: Given | Iterable[Given], options: MethodOptions, device: str = "auto",
    precision: str = "auto", masks: Given | Iterable[Given] = (), network: Callable[[], Restyler] = shipped,
) -> GivenT:  # fmt: skip
    """`content` in the style of one picture or of several; of the kind that `content` is, a PIL image if it is a path.

    Pictures are what `data.given` takes. Raises SfumatoError for what cannot be.
    """
    picture, alpha = picture_of(content)
    styles = Styles(
        [picture_of(item)[0] for item in pictures_of(style)], options, choose(device, precision),
        [mask_of(*picture_of(mask)) for mask in pictures_of(masks)], network,
    )  # fmt: skip
    result = styles.lay(picture)
    if alpha is not None:
        result.putalpha(sized(alpha, options.content_size, options.crop))
    return like(result, content)


def once(note: Note) -> Note:
    """`note`, which hears the first line and no other."""
    notes = iter((note,))
    return lambda line: next(notes, lambda _: None)(line)


def _last(steps: Iterator[PictureTick], follow: Follow, advance: Advance) -> Tensor:
    """The picture after the last step, bytes. Raises Interrupted with the best so far, SfumatoError if it diverged."""
    tick = None
    try:
        for tick in steps:
            follow(tick)
            advance(tick.images, tick.total)
    except KeyboardInterrupt:
        if tick is None:
            raise
        raise Interrupted(to_bytes(tick.canvas.image)) from None
    assert tick is not None
    if not tick.canvas.image.isfinite().all():
        raise SfumatoError("the optimisation diverged: try --precision fp32, or another --recipe")
    return to_bytes(tick.canvas.image)


def _smaller(content: Tensor, side: int, options: Options, note: Note) -> Tensor:
    """`content` with `side` pixels on its longer side at most, unless somebody chose its size."""
    size = content.shape[2:]
    if options.content_size is not None or max(size) <= side:
        return content
    working = resized(content, [round(length * side / max(size)) for length in size], "bicubic")
    note(
        f"{size[1]}×{size[0]} pixels: painted at {working.shape[3]}×{working.shape[2]} and enlarged; "
        f"--content-size sets another size"
    )
    return working


def regions(masks: Sequence[Tensor], size: Sequence[int], feather: int) -> Tensor:
    """(n, 1, h, w): the share of each style in each pixel; what is left is the content's. `masks`: bytes, of any sizes.

    Towards what no mask covers, shares fall to 0 over `feather` pixels within the masks: outside nothing changes.
    Where masks meet, one goes over into the other over twice as many.
    """
    covered = torch.cat([F.interpolate(_floats(mask), size=list(size), mode="area") for mask in masks])

    def softened(values: Tensor) -> Tensor:
        return F.avg_pool2d(values, 2 * feather + 1, 1, feather, count_include_pad=False) if feather else values

    soft, total = softened(covered), covered.sum(0, keepdim=True).clamp_max(1)
    inside = (2 * softened(total) - 1).clamp(0, 1) if feather else total
    return soft / soft.sum(0, keepdim=True).clamp_min(1e-6) * torch.minimum(inside, total)


def sized(image: Image.Image, shorter: int | None, crop: bool) -> Image.Image:
    """`image`, cut to its central square if `crop`, with `shorter` pixels on its shorter side."""
    size = size_of(image.size, shorter, crop)
    if crop:
        side = min(image.size)
        left, top = (image.width - side) // 2, (image.height - side) // 2
        image = image.crop((left, top, left + side, top + side))
    return image if size == image.size else image.resize(size, Image.Resampling.LANCZOS, reducing_gap=3.0)


def size_of(size: tuple[int, int], shorter: int | None, crop: bool) -> tuple[int, int]:
    """Width and height of what `sized` makes of a picture of `size`. Raises SfumatoError for too many pixels."""
    width, height = (min(size), min(size)) if crop else size
    if shorter is None:
        return width, height
    scale = shorter / min(size)
    found = (max(1, round(width * scale)), max(1, round(height * scale)))
    if found[0] * found[1] > MAX_PIXELS:
        raise SfumatoError(f"{width}×{height} pixels: {found[0]}×{found[1]} would be too many")
    return found


def mask_of(mask: Image.Image, alpha: Image.Image | None) -> Image.Image:
    """A mask as `L`: what is see-through is black."""
    grey = mask.convert("L")
    return grey if alpha is None else ImageChops.multiply(grey, alpha)


def _tensor(image: Image.Image) -> Tensor:
    """uint8 (1, c, h, w)."""
    return to_tensor(image)[None]


def _picture_of(image: Tensor) -> Image.Image:
    """Of bytes (1, 3, h, w)."""
    return Image.fromarray(image[0].permute(1, 2, 0).contiguous().numpy())


def _floats(image: Tensor) -> Tensor:
    return image.float() / 255
