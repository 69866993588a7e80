"""One picture in the style of others: what `sfumato stylize` does, for files, folders, PIL images and tensors.

Pictures keep their size, their transparency and, in PNG files, a note of how they were made. Large ones are restyled
tile by tile; what was chosen is said.
"""

import json
import math
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any, Literal, TypeVar, get_args

import torch
from PIL import Image, ImageChops
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
from torch import Tensor
from torch.nn import functional as F

from ..data.dataset import fingerprint
from ..data.jobs import jobs, read_file
from ..data.pictures import MAX_PIXELS, layers_of, to_bytes, to_picture, to_tensor, write_picture
from ..engine.runtime import Runtime, choose
from ..errors import SfumatoError
from ..nets.activations import unit_mean_activation
from ..nets.encoders import Encoder, EncoderName, build_encoder
from ..ops.colour import keep_chroma, match_covariance, match_histogram
from ..ops.statistics import Moments
from ..version import __version__
from .clips import Clip, ClipWork, frames, is_clip, open_clip, restyle_frames, write_clip
from .gatys import RECIPES, PictureTick, Recipe, Start, paint, recipe_for
from .network import MULTIPLE, Restyler, Statistics, StyleSystem, shipped
from .tiles import TiledRestyler

Method = Literal["adain", "gatys"]
Keep = Literal["luma", "coral", "histogram"]
Effort = Literal["draft", "fine"]
PAINTED = 768  # pixels on the longer side of what is optimised, unless a content size is given
FINE_STEPS = 60  # of optimisation after AdaIN
TILE = 1024
TAUGHT = ("vgg16", "vgg19")  # encoders whose pooling a recipe may change; ours was trained with its own
LOOK, WATCHED = 5, 50  # steps of an optimisation between two looks at its losses, and at its picture
MIN_SIDE = 8
PictureT = TypeVar("PictureT", Image.Image, Tensor)


@dataclass(frozen=True, kw_only=True)
class Options:
    """How pictures are restyled."""

    method: Method = "adain"  # adain: at once. gatys: by optimisation, slow and finer
    recipe: str = "multiscale"  # gatys: layers, weights and optimiser of a known implementation
    init: str = "content"  # gatys: what is changed: content, noise, style (its colours), or a picture
    steps: int | None = None  # gatys: at the finest scale, instead of the recipe's
    preset: Effort = "draft"  # adain: fine goes on from it by optimisation
    alpha: float = 1.0  # adain: 0 keeps the content as it is, 1 is all style
    weights: tuple[float, ...] = ()  # of several styles; equal by default
    content_size: int | None = None  # pixels on the shorter side of the content, and of the result
    style_size: int | None = 512  # pixels on the shorter side of a style
    crop: bool = False  # cut contents and styles to their central squares
    keep_color: Keep | None = None  # the content's colours: its chroma, or styles recoloured first
    encoder: EncoderName = "sfumato"  # gatys: the network whose features are compared
    weights_file: str = ""  # gatys: the encoder's weights, as torchvision or we name them
    run: str = ""  # adain: a run folder of `sfumato train adain`, instead of the shipped network
    tile: int = TILE  # adain: side of the tiles of large pictures
    coherence: float = 0.6  # clips: share of the frame before, warped, in what is shown; 0: each frame for itself
    seed: int = 0  # what all randomness is derived from

    def __post_init__(self) -> None:
        for name, kind in (("method", Method), ("keep_color", Keep), ("preset", Effort)):
            value = getattr(self, name)
            if value is not None and value not in get_args(kind):
                raise SfumatoError(f"{name} {value!r}: must be one of {', '.join(get_args(kind))}")
        for name in ("alpha", "coherence"):
            if not 0 <= getattr(self, name) <= 1:
                raise SfumatoError(f"{name} {getattr(self, name)}: must lie between 0 and 1")
        usable = all(weight >= 0 and math.isfinite(weight) for weight in self.weights)
        if not usable or (self.weights and not sum(self.weights) > 0):
            raise SfumatoError(f"weights {' '.join(map(str, self.weights))}: must not be negative, nor all 0")
        for name in ("content_size", "style_size", "tile"):
            value = getattr(self, name)
            if value is not None and value < 4 * MIN_SIDE:
                raise SfumatoError(f"{name} {value}: must be at least {4 * MIN_SIDE}")
        if self.steps is not None and self.steps < 1:
            raise SfumatoError(f"steps {self.steps}: must be at least 1")
        if self.tile % MULTIPLE:
            raise SfumatoError(f"tile {self.tile}: must be a multiple of {MULTIPLE}")
        painted = self.method == "gatys" or self.preset == "fine"
        if self.method == "gatys" and self.preset == "fine":
            raise SfumatoError(
                "preset 'fine': is AdaIN followed by optimisation; --method gatys optimises from the start"
            )
        if painted and self.alpha != 1:
            raise SfumatoError(f"alpha {self.alpha}: is AdaIN's alone; in an optimisation the recipe sets the strength")
        if self.method == "gatys" and self.run:
            raise SfumatoError(f"run {self.run!r}: holds an AdaIN network; --method gatys uses an --encoder")
        if not painted and self.weights_file:
            raise SfumatoError(
                f"weights_file {self.weights_file!r}: is for optimisation: --method gatys or --preset fine"
            )
        if not painted and self.encoder != "sfumato":
            raise SfumatoError(
                f"encoder {self.encoder!r}: no decoder for it is shipped: train one (sfumato train adain --encoder "
                f"{self.encoder}) and give it with --run, or use --method gatys"
            )
        if self.init not in get_args(Start) and not Path(self.init).is_file():
            raise SfumatoError(f"init {self.init!r}: must be {', '.join(get_args(Start))}, or a picture")


class Restyling:
    """Styles, made ready once and laid on any number of contents.

    `masks`: one grey picture for each style, white where it goes; where none of them is white, the content stays.
    `note` is told what was chosen, `follow` is handed every step of an optimisation.
    """

    def __init__(
        self,
        styles: Sequence[Image.Image],
        options: Options,
        runtime: Runtime,
        masks: Sequence[Image.Image] = (),
        note: Callable[[str], object] = lambda _: None,
        follow: Callable[[PictureTick], object] = lambda _: None,
    ) -> None:
        self.options, self.runtime, self.note, self.follow = options, runtime, note, follow
        if not styles:
            raise SfumatoError("style: at least one is needed")
        if options.weights and len(options.weights) != len(styles):
            raise SfumatoError(f"weights: {len(options.weights)} for {len(styles)} styles")
        if masks and (len(masks) != len(styles) or options.weights):
            raise SfumatoError(f"masks: {len(masks)} for {len(styles)} styles; each style needs its own, and no weight")
        if masks and (options.method == "gatys" or options.preset == "fine"):
            raise SfumatoError("masks: are for --method adain with --preset draft")
        weights = options.weights or (1.0,) * len(styles)
        self.shares = [weight / sum(weights) for weight in weights]
        self.masks = [_tensor(_sized(mask.convert("L"), None, options.crop)) for mask in masks]
        self.styles = [_tensor(_sized(style, options.style_size, options.crop)) for style in styles]
        self.tiled = TiledRestyler(self._stylizer(), runtime, options.tile) if options.method == "adain" else None
        self._known: list[Statistics] = []
        self._said: set[str] = set()
        self.painter = self._painter() if options.method == "gatys" or options.preset == "fine" else None

    def __call__(self, content: Image.Image, advance: Callable[[int, int], object] = lambda *_: None) -> Image.Image:
        """`content`, an `RGB` picture, restyled; of its size unless `content_size` or `crop` say otherwise.

        `advance` is called with what is done and what there is to do: tiles, or steps.
        """
        options = self.options
        sized = _tensor(_sized(content, options.content_size, options.crop))
        if min(sized.shape[2:]) < MIN_SIDE:
            raise SfumatoError(f"{sized.shape[3]}×{sized.shape[2]} pixels: too small, {MIN_SIDE} a side are needed")
        styles = [self._recoloured(style, sized) for style in self.styles]
        result = self._at_once(sized, styles, advance) if options.method == "adain" else sized
        if options.method == "gatys" or options.preset == "fine":
            result = self._painted(sized, styles, result, advance)
        if options.keep_color == "luma":
            result = to_bytes(keep_chroma(_floats(result)[0], _floats(sized)[0]))[None]
        return to_picture(_floats(result)[0])

    def digest(self) -> str:
        """Changes with whatever a result depends on: styles, masks, networks, precision."""
        networks = [self.tiled.restyler] if self.tiled else []
        networks += [self.painter[0]] if self.painter else []
        values = [value.cpu() for network in networks for value in network.state_dict().values()]
        return fingerprint(self.runtime.describe(), *self.styles, *self.masks, *values)

    def _say(self, kind: str, line: str) -> None:
        """Tells `note` what was chosen, once of each kind: a clip has many frames."""
        if kind not in self._said:
            self._said.add(kind)
            self.note(line)

    def _stylizer(self) -> Restyler:
        if not self.options.run:
            return shipped()
        from ..runs.open import open as open_run  # and with it all that trains and measures

        system = open_run(self.options.run, self.runtime.device.type).system
        if not isinstance(system, StyleSystem):
            raise SfumatoError(f"{self.options.run}: is not a run of a style system, such as adain")
        return system.restyler

    def _recoloured(self, style: Tensor, content: Tensor) -> Tensor:
        match = {"coral": match_covariance, "histogram": match_histogram}.get(self.options.keep_color or "")
        return style if match is None else to_bytes(match(_floats(style)[0], _floats(content)[0]))[None]

    def _at_once(self, content: Tensor, styles: list[Tensor], advance: Callable[[int, int], object]) -> Tensor:
        assert self.tiled is not None
        if not self._known or self.options.keep_color in ("coral", "histogram"):
            self._known = [self.tiled.style(style) for style in styles]
        count = self.tiled.count(content)
        if count > 1:
            height, width = content.shape[2:]
            self._say("tiles", f"{width}×{height} pixels: in {count} tiles of {self.options.tile}")
        done = iter(range(1, count + 1))
        goals: list[Statistics | None] = [*self._known]
        masks = self._regions(content)
        if masks is None:
            goals = [blended(self._known, self.shares)]
        elif len(masks) > len(goals):
            goals.append(None)
        return self.tiled.restyle(content, goals, masks, self.options.alpha, lambda: advance(next(done), count))

    def _regions(self, content: Tensor) -> Tensor | None:
        """(n, 1, h, w): the share of each style in each pixel, and last of what stays as it is."""
        if not self.masks:
            return None
        size = list(content.shape[2:])
        masks = torch.cat([F.interpolate(_floats(mask), size=size, mode="area") for mask in self.masks])
        total = masks.sum(0, keepdim=True)
        return torch.cat([masks / total.clamp_min(1), (1 - total).clamp_min(0)])

    def _painted(
        self, content: Tensor, styles: list[Tensor], start: Tensor, advance: Callable[[int, int], object]
    ) -> Tensor:
        options, size, working = self.options, content.shape[2:], content
        if options.content_size is None and max(size) > PAINTED:
            scale = PAINTED / max(size)
            working = _resized(content, (round(size[0] * scale), round(size[1] * scale)))
            self._say(
                "size",
                f"{size[1]}×{size[0]} pixels: painted at {working.shape[3]}×{working.shape[2]} and enlarged; "
                f"--content-size sets another size",
            )
        assert self.painter is not None
        encoder, recipe = self.painter
        begin_with = None
        if options.preset == "fine":
            begin_with = _floats(_resized(start, working.shape[2:]))
        elif options.init not in get_args(Start):
            begin_with = _floats(_resized(_tensor(read_file(Path(options.init))[0]), working.shape[2:]))
        steps = paint(
            _floats(working), [_floats(style) for style in styles], encoder, recipe, self.runtime, self.shares,
            options.seed, begin_with,
        )  # fmt: skip
        tick = None
        for tick in steps:
            self.follow(tick)
            advance(tick.images, tick.total)
        assert tick is not None
        if not tick.canvas.image.isfinite().all():
            raise SfumatoError("the optimisation diverged: try another --recipe, or --precision fp32")
        return _resized(to_bytes(tick.canvas.image), size)

    def _painter(self) -> tuple[Encoder, Recipe]:
        """The network that pictures are compared with, and how."""
        options = self.options
        changes: dict[str, Any] = {} if options.steps is None else {"steps": options.steps}
        if options.preset == "fine":
            changes = {"steps": options.steps or FINE_STEPS, "scale_factor": 1.0}
        if options.init in get_args(Start):
            changes["start"] = options.init
        pooling = RECIPES[options.recipe].pooling if options.recipe in RECIPES and options.encoder in TAUGHT else "max"
        encoder = build_encoder(options.encoder, pooling=pooling)
        recipe = recipe_for(options.recipe, encoder, **changes)
        encoder.load(options.weights_file)
        if recipe.rescaled and options.encoder != "sfumato":  # ours comes rescaled
            unit_mean_activation(encoder)
        return encoder, recipe


def stylize(
    content: PictureT, style: Image.Image | Tensor | Sequence[Image.Image | Tensor], *, device: str = "auto",
    precision: str = "auto", masks: Sequence[Image.Image] = (), **options: Any,
) -> PictureT:  # fmt: skip
    """`content` in the style of one picture or of several; of the kind that `content` is.

    Pictures are PIL images, or tensors (3, h, w) in [0, 1]. `options`: the fields of `Options`. Raises SfumatoError for
    what cannot be.
    """
    if wrong := sorted(options.keys() - {field.name for field in fields(Options)}):
        raise SfumatoError(f"stylize: unknown options {', '.join(wrong)}")
    styles = [style] if isinstance(style, Image.Image | Tensor) else list(style)
    restyling = Restyling(
        [_picture(item)[0] for item in styles], Options(**options), choose(device, precision),
        [_masked(*layers_of(mask)) for mask in masks],
    )  # fmt: skip
    picture, alpha = _picture(content)
    result = restyling(picture)
    if isinstance(content, Tensor):
        return (to_tensor(result).float() / 255).to(content)  # pyright: ignore[reportReturnType]
    if alpha is not None:
        result.putalpha(_sized(alpha, restyling.options.content_size, restyling.options.crop))
    return result  # pyright: ignore[reportReturnType]


def stylize_files(
    content: Path, styles: Sequence[Path], out: Path, options: Options, masks: Sequence[Path] = (),
    device: str = "auto", precision: str = "auto", watch: Path | None = None, as_frames: bool = False,
) -> Iterator[Path]:  # fmt: skip
    """What the command does: restyles `content`, a picture, a folder of them or a clip, and yields each file it has
    written. `as_frames`: the pictures of a folder, in the order of their names, are the frames of a clip.

    Of a folder, pictures that cannot be read are left out with a line each. Raises SfumatoError naming the file at
    fault.
    """
    if watch and not (options.method == "gatys" or options.preset == "fine"):
        raise SfumatoError(f"watch {watch}: there is nothing to watch without --method gatys or --preset fine")
    if out.resolve() in {path.resolve() for path in (*styles, *masks)}:
        raise SfumatoError(f"{out}: is a style or a mask: give another --out")
    clip = open_clip(content, out) if is_clip(content) else None
    work = [] if clip else list(jobs(content, out))
    restyling = Restyling(
        [read_file(path)[0] for path in styles], options, choose(device, precision),
        [_masked(*read_file(path)) for path in masks],
        note=lambda line: print(f"sfumato: {line}", file=sys.stderr),
    )  # fmt: skip
    recipe = described(options, styles, masks)
    with Bars(clip.frames if clip else len(work), watch) as bars:
        restyling.follow = bars.follow
        if clip:
            yield _restyle_clip(clip, out, restyling, recipe, bars)
        elif as_frames:
            yield from _restyle_frames(work, out, restyling, recipe, bars)
        else:
            yield from _restyle_pictures(content, work, restyling, json.dumps(recipe, ensure_ascii=False), bars)


def _restyle_pictures(
    content: Path, work: Sequence[tuple[Path, Path]], restyling: "Restyling", recipe: str, bars: "Bars"
) -> Iterator[Path]:
    restyled = 0
    for source, target in work:
        try:
            picture, alpha = read_file(source)
            with bars.picture(source.name) as advance:
                result = restyling(picture, advance)
        except SfumatoError as error:
            message = str(error) if str(error).startswith(str(source)) else f"{source}: {error}"
            if not content.is_dir():
                raise SfumatoError(message) from None
            print(f"sfumato: left out: {message}", file=sys.stderr)
            continue
        if alpha is not None:
            alpha = _sized(alpha, restyling.options.content_size, restyling.options.crop)
        target.parent.mkdir(parents=True, exist_ok=True)
        write_picture(result, target, alpha, recipe)
        restyled += 1
        yield target
    if not restyled:
        raise SfumatoError(f"{content}: none of its {len(work)} pictures could be restyled")


def _restyle_clip(clip: Clip, out: Path, restyling: Restyling, recipe: dict[str, Any], bars: "Bars") -> Path:
    made = {**recipe, "clip": clip.path.name, "bytes": clip.path.stat().st_size, "digest": restyling.digest()}
    finished = ClipWork(out, made)
    _follow_frames(frames(clip), clip.path.name, clip.frames, finished, restyling, bars)
    if not finished.done:
        raise SfumatoError(f"{clip.path}: holds no frame that can be read")
    write_clip(clip, finished, out)
    finished.remove()
    return out


def _restyle_frames(
    work: Sequence[tuple[Path, Path]], out: Path, restyling: Restyling, recipe: dict[str, Any], bars: "Bars"
) -> Iterator[Path]:
    finished = ClipWork(out, {**recipe, "frames": [path.name for path, _ in work], "digest": restyling.digest()})
    _follow_frames((read_file(path)[0] for path, _ in work), out.name, len(work), finished, restyling, bars)
    out.mkdir(parents=True, exist_ok=True)
    for index, (_, target) in enumerate(work):
        finished.frame(index).replace(target.with_suffix(".png"))
        yield target.with_suffix(".png")
    finished.remove()


def _follow_frames(
    pictures: Iterator[Image.Image], name: str, count: int, finished: ClipWork, restyling: Restyling, bars: "Bars"
) -> None:
    options = restyling.options
    sized = (_sized(picture, options.content_size, options.crop) for picture in pictures)
    with bars.picture(name) as advance:
        for done in restyle_frames(sized, restyling, finished, options.coherence):
            advance(done, count or done)
    if means := finished.means():
        restyling.note(
            f"warp error {means[0]:.5f} over {finished.done} frames; restyled each for itself {means[1]:.5f}"
        )


class Bars:
    """What one sees of the work: a bar over pictures, one over the tiles or steps of each, the losses of a step; and in
    the folder `watch`, progress.png and TensorBoard's events."""

    def __init__(self, pictures: int, watch: Path | None) -> None:
        self.console = Console(stderr=True)
        self.bar = Progress(
            TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn(),
            TextColumn("{task.fields[losses]}"), console=self.console, transient=True,
            disable=not self.console.is_terminal,
        )  # fmt: skip
        self.all = self.bar.add_task("pictures", total=pictures, losses="", visible=pictures > 1)
        self.one = self.bar.add_task("", total=None, losses="")
        self.watch = watch
        self.events: Any = None

    def __enter__(self) -> "Bars":
        if self.watch:
            from torch.utils.tensorboard import SummaryWriter

            self.watch.mkdir(parents=True, exist_ok=True)
            self.events = SummaryWriter(str(self.watch))
        self.bar.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.bar.stop()
        if self.events:
            self.events.close()

    @contextmanager
    def picture(self, name: str) -> Iterator[Callable[[int, int], object]]:
        """The function that is told how much of a picture is done."""
        self.bar.update(self.one, description=name, completed=0, losses="")
        yield lambda done, total: self.bar.update(self.one, completed=done, total=total)
        self.bar.advance(self.all)

    def follow(self, tick: PictureTick) -> None:
        """Shows the losses of every step on a terminal, and every 50th step in `watch`."""
        if self.console.is_terminal and tick.images % LOOK == 0:
            self.bar.update(
                self.one, losses=", ".join(f"{key} {float(value):.4g}" for key, value in tick.scalars.items())
            )
        if self.watch and (tick.images % WATCHED == 0 or tick.images == tick.total):
            image = tick.canvas.image[0]
            write_picture(to_picture(image), self.watch / "progress.png")
            self.events.add_image("picture", image, tick.images)
            for name, value in tick.scalars.items():
                self.events.add_scalar(name, value, tick.images)


def described(options: Options, styles: Sequence[Path], masks: Sequence[Path]) -> dict[str, Any]:
    """What is written into a PNG: how to make it again. Names of files only, no folders."""
    usual = Options()
    found: dict[str, Any] = {"sfumato": __version__, "styles": [path.name for path in styles]}
    if masks:
        found["masks"] = [path.name for path in masks]
    for name, value in asdict(options).items():
        if value != getattr(usual, name):
            found[name] = Path(value).name if name in ("run", "weights_file", "init") else value
    return found


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


def _sized(image: Image.Image, shorter: int | None, crop: bool) -> Image.Image:
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


def _masked(mask: Image.Image, alpha: Image.Image | None) -> Image.Image:
    """A mask as `L`: what is see-through is black."""
    grey = mask.convert("L")
    return grey if alpha is None else ImageChops.multiply(grey, alpha)


def _tensor(image: Image.Image) -> Tensor:
    """uint8 (1, c, h, w)."""
    return to_tensor(image)[None]


def _floats(image: Tensor) -> Tensor:
    return image.float() / 255


def _resized(image: Tensor, size: Sequence[int]) -> Tensor:
    """uint8 (1, 3, h, w) in another size."""
    if image.shape[2:] == torch.Size(size):
        return image
    from torchvision.transforms.v2.functional import InterpolationMode, resize

    return resize(image, list(size), InterpolationMode.BICUBIC, antialias=True)
