"""What each method of restyling can be told: a class for each method, an option once.

Torch is not imported: the command's list of options is made of these.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, ClassVar, Literal, get_args

from ..engine.fields import Amount, Bounds, Natural, Share, build, check
from ..errors import SfumatoError
from ..strict import shown

Keep = Literal["luma", "coral", "histogram"]
Start = Literal["content", "noise", "style"]
Features = Literal["efficientnet_lite0", "sfumato", "vgg19", "vgg16", "squeezenet1_0", "squeezenet1_1"]
Recipes = Literal["gatys2016", "d2l", "keras", "multiscale"]
Side = Annotated[int | None, Bounds(32)]
PATHS = ("run", "weights_file")  # options that name a file or a folder
CELL = 8  # pixels on a side of a cell of the network's code


@dataclass(frozen=True, kw_only=True)
class Options:
    """What every method can be told. `method` and `preset` are how one is asked for."""

    method: ClassVar[str] = "adain"
    preset: ClassVar[str] = "draft"
    weights: Annotated[tuple[float, ...], Bounds(0, empty=True)] = ()  # of several styles; equal by default
    content_size: Side = None  # pixels on the shorter side of content and result
    style_size: Side = 512  # pixels on the shorter side of styles: sets the size of strokes
    crop: bool = False  # cut contents and styles to their central squares
    alpha: Share = 1.0  # strength of the style; 0: the content's own pixels
    feather: Natural = 12  # with masks, the width of their soft edges in pixels
    keep_color: Keep | None = None  # keep the content's colours: its chroma (luma), or styles recoloured first
    coherence: Share = 0.8  # in clips, the share of the frame before, warped along its motion; 0: each frame for itself
    seed: int = 0  # what all randomness is derived from

    def __post_init__(self) -> None:
        check(self)
        if self.weights and not any(self.weights):
            raise SfumatoError(f"weights {shown(self.weights)}: must not all be 0")


@dataclass(frozen=True, kw_only=True)
class PassOptions(Options):
    """Of what goes through an AdaIN network."""

    run: str | None = None  # the folder of your own `sfumato train adain` run
    tile: Annotated[int, Bounds(32)] = 1024  # side of the tiles of large pictures, a multiple of 8

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.tile % CELL:
            raise SfumatoError(f"tile {self.tile}: must be a multiple of {CELL}")


@dataclass(frozen=True, kw_only=True)
class StrokeOptions(Options):
    """Of what is painted stroke by stroke, from coarse to fine."""

    usual: ClassVar[Features] = "efficientnet_lite0"
    encoder: Features | None = None  # the network that judges: efficientnet_lite0, or for paper vgg19
    weights_file: str | None = None  # a file of the encoder's weights; fetched by default
    content_weight: Amount = 8.0  # how legible the content stays; 3 is a free hand
    smoothness: Amount = 60.0  # weight of the total variation
    noise: Share = 0.08  # deviation of the noise along edges that strokes begin from
    matched: bool = True  # first of all, the content in the style's colours
    scale: Annotated[float, Bounds(0.1, 10)] = 1.0  # size of the strokes, times the style's
    effort: Annotated[float, Bounds(0.1, 20)] = 1.0  # times the usual steps
    seconds: Annotated[float | None, Bounds(0, above=True)] = None  # the effort that takes so long here


@dataclass(frozen=True, kw_only=True)
class NetworkOptions(PassOptions):
    """Passes through a network."""


@dataclass(frozen=True, kw_only=True)
class FineOptions(PassOptions, StrokeOptions):
    """What a network paints, worked out stroke by stroke."""

    preset: ClassVar[str] = "fine"


@dataclass(frozen=True, kw_only=True)
class GatysOptions(StrokeOptions):
    """Stroke by stroke from the content."""

    method: ClassVar[str] = "gatys"


@dataclass(frozen=True, kw_only=True)
class PaperOptions(Options):
    """Optimised as Gatys et al. and others have it."""

    method: ClassVar[str] = "gatys"
    preset: ClassVar[str] = "paper"
    recipe: Recipes = "gatys2016"  # whose: the paper's, two textbooks', or one from coarse to fine
    steps: Annotated[int | None, Bounds(1)] = None  # steps at full size; the recipe's by default
    usual: ClassVar[Features] = "vgg19"
    encoder: Features | None = None  # the network that judges: efficientnet_lite0, or for paper vgg19
    weights_file: str | None = None  # a file of the encoder's weights; fetched by default
    init: str = "content"  # what is changed: content, noise, style (its colours), or a picture

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.encoder == "efficientnet_lite0":
            raise SfumatoError(f"encoder {shown(self.encoder)}: is not for --preset paper, whose recipes go by VGG-19")
        if self.init not in get_args(Start) and not Path(self.init).is_file():
            raise SfumatoError(f"init {shown(self.init)}: must be {', '.join(get_args(Start))}, or a picture")


MethodOptions = NetworkOptions | FineOptions | GatysOptions | PaperOptions
METHODS = (NetworkOptions, FineOptions, GatysOptions, PaperOptions)


def having(name: str) -> list[type[MethodOptions]]:
    """The methods that have the option `name`."""
    return [kind for kind in METHODS if name in kind.__dataclass_fields__]


def options_for(method: str = "adain", preset: str = "draft", **values: Any) -> MethodOptions:
    """The options of the method that is asked for; an empty text is the usual value. Raises SfumatoError for what
    cannot be, and for an option of other methods alone whose value is not the usual one."""
    for name, value in (("method", method), ("preset", preset)):
        if value not in (known := [getattr(kind, name) for kind in METHODS]):
            raise SfumatoError(f"{name} {shown(value)}: must be one of {', '.join(dict.fromkeys(known))}")
    chosen = next((kind for kind in METHODS if (kind.method, kind.preset) == (method, preset)), None)
    if chosen is None:
        able = [kind.preset for kind in METHODS if kind.method == method]
        raise SfumatoError(f"preset {preset!r}: --method {method} has {' and '.join(able)}")
    if unknown := sorted(name for name in values if not having(name)):
        raise SfumatoError(f"stylize: unknown options {', '.join(unknown)}")
    given = {name: value for name, value in values.items() if not isinstance(value, str) or value}
    for name in [name for name in given if chosen not in having(name)]:
        value, owners = given.pop(name), having(name)
        if value != getattr(owners[0], name):
            flags = " and ".join(map(flag, owners))
            raise SfumatoError(f"{name} {shown(value)}: is for {flags}, not for {flag(chosen)}")
    return build(chosen, given, "stylize")


def flag(kind: type[MethodOptions]) -> str:
    """How the command is told to use a method."""
    if kind.preset == "draft":
        return f"--method {kind.method}"
    return (
        f"--preset {kind.preset}" if kind.method == Options.method else f"--method {kind.method} --preset {kind.preset}"
    )
