"""config.json: what a run is made of. Reading it needs no torch."""

import json
import re
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Annotated, Any, Literal

from ..engine.fields import Bounds, Count, Natural, check
from ..errors import SfumatoError
from ..strict import content_of, convert, decode, shown
from ..visible import one_line

FORMAT = 6
NAME = "config.json"
COLOUR = re.compile("#[0-9a-f]{6}")
MAX_BYTES = 2 * 2**20  # of it: the names of some ten thousand classes
SEGMENTING = {"patience": 0, "loss": "cross_entropy", "follow": False, "crop_width": 0}
ENCODING = {"edge_weight": 0.0}
ADDED: dict[str, dict[str, Any]] = {
    "stacked": {"noise": 0.0, **ENCODING},
    "denoising": ENCODING,
    "convolutional": {"noise": 0.0, **ENCODING},
    "finetune": {
        "patience": 0,
        "loss": "cross_entropy",
        "balance": 0.0,
        "smoothing": 0.0,
        "standardised": False,
        "rectified": False,
        "follow": False,
    },
    "ssd": {
        "patience": 0,
        "follow": False,
        "anchors": "usual",
        "sizes": [0.2, 0.272, 0.37, 0.447, 0.54, 0.619, 0.71, 0.79, 0.88, 0.961],
        "ratios": [1.0, 2.0, 0.5],
        "widths": [],
        "heights": [],
    },
    "fcn": SEGMENTING,
    "unet": SEGMENTING,
    "deeplab": SEGMENTING,
}  # fields that systems got with formats 3 to 6, and what did as much before


@dataclass(frozen=True, kw_only=True)
class DataRecord:
    """The data that a run is trained on."""

    source: tuple[str, ...]  # names or absolute paths, as `--data` takes them
    name: str  # what they are called in reports
    fingerprint: str  # of what was read
    classes: tuple[str, ...]  # in the order of their labels
    train: Natural  # images
    test: Natural  # images
    valid: Natural = 0  # images that one chooses by
    split: tuple[str, ...] = ()  # which pictures are held out, as was asked for
    holdout: Annotated[float | None, Bounds(0, 1)] = None  # the share that was asked for, drawn by the seed
    reading: str = ""  # how the halves and the classes were found out
    palette: tuple[str, ...] = ()  # #rrggbb of each class, of masks that have colours of their own

    def __post_init__(self) -> None:
        check(self)
        object.__setattr__(self, "name", one_line(self.name))
        object.__setattr__(self, "classes", tuple(map(one_line, self.classes)))
        if self.palette and len(self.palette) != len(self.classes):
            raise SfumatoError(f"palette: {len(self.palette)} colours for {len(self.classes)} classes")
        if wrong := [colour for colour in self.palette if not COLOUR.fullmatch(colour)]:
            raise SfumatoError(f"palette {shown(wrong[0])}: must be #rrggbb")


@dataclass(frozen=True, kw_only=True)
class Manifest:
    """The content of config.json. `config` holds the fields of the system's Config as JSON values."""

    format: int = FORMAT  # of this file
    sfumato: str  # version
    torch: str  # version
    system: str  # by its name in the catalog
    preset: str  # that the fields were taken from
    config: dict[str, Any]  # every field, as resolved
    data: DataRecord  # what it is trained on
    seed: Annotated[int, Bounds(-(2**63), 2**64 - 1)]  # what all randomness is derived from
    device: Literal["cpu", "cuda", "mps"]  # where it was trained
    precision: Literal["bf16", "fp32"]  # in which it was trained
    processes: Count  # by which it was trained
    threads: Annotated[int | None, Bounds(1)] = None  # of each on the CPU; runs from before it was kept have none
    start_from: str | None = None  # the run whose weights it began with

    def __post_init__(self) -> None:
        check(self)


def read_manifest(folder: Path) -> Manifest:
    """The manifest of the run in `folder`. Raises SfumatoError, in one line, if there is none or it cannot be one."""
    path = folder / NAME
    if not path.is_file():
        raise SfumatoError(f"{folder}: not a run folder: it holds no {NAME}")
    values = decode(content_of(path, MAX_BYTES), dict[str, Any], str(path))
    return convert(migrated(values, str(path)), Manifest, str(path))


def whole_number(config: Mapping[str, Any], name: str) -> int:
    """The field `name` of a manifest's `config`; 0 if it has none, or something else there."""
    value = config.get(name)
    return value if type(value) is int and value >= 0 else 0


def manifest_json(manifest: Manifest) -> dict[str, Any]:
    """What is written as config.json, as JSON values."""
    return json.loads(json.dumps(asdict(manifest)))


def migrated(values: dict[str, Any], where: str) -> dict[str, Any]:
    """config.json of any format that ever was, in today's. Raises SfumatoError for one that is not known yet.

    1 has no "format", and wgan has beta1 and beta2 of an optimiser that it does not use. Up to 5 systems
    lack fields of ADDED."""
    found = values.get("format", 1)
    if type(found) is not int or not 1 <= found <= FORMAT:
        raise SfumatoError(f"{where}: format {shown(found)}, but this Sfumato reads formats 1 to {FORMAT}")
    if found == 1:
        values = {"format": FORMAT, **values}
        config = values.get("config")
        if values.get("system") == "wgan" and isinstance(config, dict):
            values["config"] = {name: value for name, value in config.items() if name not in ("beta1", "beta2")}
    config = values.get("config")
    if found < FORMAT and isinstance(config, dict):
        values = {**values, "config": {**ADDED.get(str(values.get("system")), {}), **config}}
    return {**values, "format": FORMAT}
