"""What each method of restyling can be told: a class for each method, an option once.

Torch is not imported: the command's list of options is made of these.
"""

from dataclasses import dataclass, fields
from math import inf, isfinite
from pathlib import Path
from typing import Any, ClassVar, Literal, get_args

from ..errors import SfumatoError

Keep = Literal["luma", "coral", "histogram"]
Start = Literal["content", "noise", "style"]
Features = Literal["sfumato", "vgg19", "vgg16", "squeezenet1_0", "squeezenet1_1"]
CHOICES = {"keep_color": get_args(Keep), "encoder": get_args(Features)}
LIMITS = {"content_size": (32, inf), "style_size": (32, inf), "tile": (32, inf), "steps": (1, inf), "alpha": (0, 1),
          "coherence": (0, 1)}  # fmt: skip
CELL = 8  # pixels on a side of a cell of the network's code


@dataclass(frozen=True, kw_only=True)
class Options:
    """What every method can be told. `method` and `preset` are how one is asked for."""

    method: ClassVar[str] = "adain"
    preset: ClassVar[str] = "draft"
    weights: tuple[float, ...] = ()  # of several styles; equal by default
    content_size: int | None = None  # pixels on the shorter side of content and result
    style_size: int | None = 512  # pixels on the shorter side of styles: sets the size of strokes
    crop: bool = False  # cut contents and styles to their central squares
    keep_color: Keep | None = None  # keep the content's colours: its chroma (luma), or styles recoloured first
    coherence: float = 0.6  # in clips, the share of the frame before, warped along its motion; 0: each frame for itself
    seed: int = 0  # what all randomness is derived from

    def __post_init__(self) -> None:
        values = {field.name: getattr(self, field.name) for field in fields(self)}
        for name, value in values.items():
            if value is not None and value not in CHOICES.get(name, (value,)):
                raise SfumatoError(f"{name} {value!r}: must be one of {', '.join(CHOICES[name])}")
            low, high = LIMITS.get(name, (-inf, inf))
            if name in LIMITS and value is not None and not low <= value <= high:
                words = f"be at least {low}" if high == inf else f"lie between {low} and {high}"
                raise SfumatoError(f"{name} {value}: must {words}")
        usable = all(weight >= 0 and isfinite(weight) for weight in self.weights)
        if not usable or (self.weights and not sum(self.weights) > 0):
            raise SfumatoError(f"weights {' '.join(map(str, self.weights))}: must not be negative, nor all 0")
        if values.get("tile", 0) % CELL:
            raise SfumatoError(f"tile {values['tile']}: must be a multiple of {CELL}")
        if (init := values.get("init", "content")) not in get_args(Start) and not Path(init).is_file():
            raise SfumatoError(f"init {init!r}: must be {', '.join(get_args(Start))}, or a picture")


@dataclass(frozen=True, kw_only=True)
class PassOptions(Options):
    """Of what goes through an AdaIN network."""

    run: Path | None = None  # your own `sfumato train adain` run
    tile: int = 1024  # side of the tiles of large pictures


@dataclass(frozen=True, kw_only=True)
class PaintOptions(Options):
    """Of what is optimised."""

    recipe: str = "multiscale"  # gatys2016, d2l, keras or multiscale (ours)
    steps: int | None = None  # steps at full size; the recipe's by default
    encoder: Features = "sfumato"  # the network that pictures are compared with; sfumato comes with the package
    weights_file: Path | None = None  # the encoder's weights; fetched by default


@dataclass(frozen=True, kw_only=True)
class NetworkOptions(PassOptions):
    """One pass through a network (AdaIN)."""

    alpha: float = 1.0  # strength of the style, from 0 to 1


@dataclass(frozen=True, kw_only=True)
class OptimisedOptions(PaintOptions):
    """Optimised from the start (Gatys et al.)."""

    method: ClassVar[str] = "gatys"
    init: str = "content"  # what is changed: content, noise, style (its colours), or a picture


@dataclass(frozen=True, kw_only=True)
class FineOptions(PassOptions, PaintOptions):
    """A pass through a network, then some steps of optimisation."""

    preset: ClassVar[str] = "fine"


MethodOptions = NetworkOptions | OptimisedOptions | FineOptions
METHODS = (NetworkOptions, OptimisedOptions, FineOptions)


def having(name: str) -> list[type[MethodOptions]]:
    """The methods that have the option `name`."""
    return [kind for kind in METHODS if name in kind.__dataclass_fields__]


def options_for(method: str = "adain", preset: str = "draft", **values: Any) -> MethodOptions:
    """The options of the method that is asked for. Raises SfumatoError for what cannot be, and for an option of other
    methods alone whose value is not the usual one."""
    for name, value in (("method", method), ("preset", preset)):
        if value not in (known := dict.fromkeys(getattr(kind, name) for kind in METHODS)):
            raise SfumatoError(f"{name} {value!r}: must be one of {', '.join(known)}")
    chosen = next((kind for kind in METHODS if (kind.method, kind.preset) == (method, preset)), None)
    if chosen is None:
        raise SfumatoError(
            f"preset {preset!r}: is AdaIN followed by optimisation; --method {method} optimises from the start"
        )
    if unknown := sorted(name for name in values if not having(name)):
        raise SfumatoError(f"stylize: unknown options {', '.join(unknown)}")
    given = {name: value for name, value in values.items() if value not in ("", getattr(having(name)[0], name))}
    for name, value in given.items():
        if chosen not in (owners := having(name)):
            flags = " and ".join(map(flag, owners))
            train = (
                f"; no decoder for it is shipped: train one (sfumato train adain --encoder {value}), give it with --run"
            )
            hint = train if name == "encoder" else ""
            raise SfumatoError(f"{name} {value}: is for {flags}, not for {flag(chosen)}{hint}")
    return chosen(**given)


def flag(kind: type[MethodOptions]) -> str:
    """How the command is told to use a method."""
    return f"--method {kind.method}" if kind.preset == "draft" else f"--preset {kind.preset}"
