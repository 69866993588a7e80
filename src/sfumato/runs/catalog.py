"""Every system, a line each. The command line, the conformance tests and the docs read this list."""

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from importlib import import_module
from types import ModuleType
from typing import Any

from ..data.dataset import ImageData
from ..data.sources import open_data
from ..engine.fields import Field, fields_of, from_json
from ..engine.system import System
from ..errors import SfumatoError
from ..gans.game import AdversarialConfig
from ..recognition.recognizer import RecognitionConfig
from .manifest import Manifest


@dataclass(frozen=True)
class Entry:
    """Where a system lives: `sfumato.<family>.<name>` defines `class_name`, `Config` and `PRESETS`.

    `data`: what it is trained on where nobody says; two names for a system that learns from two sets side by side.
    """

    family: str
    name: str
    class_name: str
    data: tuple[str, ...] = ("digits",)

    @property
    def module(self) -> ModuleType:
        return import_module(f"sfumato.{self.family}.{self.name}")

    @property
    def system_class(self) -> Callable[[Any], System]:
        return getattr(self.module, self.class_name)

    @property
    def config_class(self) -> type[Any]:
        return self.module.Config

    @property
    def presets(self) -> dict[str, Any]:
        return self.module.PRESETS

    @property
    def idea(self) -> str:
        return (self.module.__doc__ or "").splitlines()[0]

    @property
    def paper(self) -> str:
        """The first link of the module's docstring."""
        found = re.search(r"https?://[^\s,;)]+", self.module.__doc__ or "")
        return found.group().rstrip(".") if found else ""


MIN_TEST = 4
STYLED = ("photographs", "paintings")
CATALOG = {
    entry.name: entry
    for entry in (
        Entry("autoencoders", "stacked", "StackedAutoencoder"),
        Entry("autoencoders", "denoising", "DenoisingAutoencoder"),
        Entry("autoencoders", "convolutional", "ConvolutionalAutoencoder"),
        Entry("gans", "gan", "GAN"),
        Entry("gans", "wgan", "WGAN"),
        Entry("gans", "wgan_gp", "WGANGP"),
        Entry("gans", "sngan", "SNGAN"),
        Entry("gans", "cgan", "CGAN"),
        Entry("gans", "dcgan", "DCGAN", ("photographs",)),
        Entry("style", "encoder", "DistilledEncoder", STYLED),
        Entry("style", "adain", "AdaIN", STYLED),
        Entry("recognition", "finetune", "FineTuned", ("faces",)),
        Entry("recognition", "ssd", "SSD", ("scenes",)),
        Entry("recognition", "fcn", "FCN", ("scenes",)),
        Entry("recognition", "unet", "UNet", ("scenes",)),
        Entry("recognition", "deeplab", "DeepLab", ("scenes",)),
    )
}


def systems() -> list[dict[str, Any]]:
    """The catalog as plain values: name, family, idea, paper, presets."""
    return [
        {
            "name": entry.name,
            "family": entry.family,
            "idea": entry.idea,
            "paper": entry.paper,
            "presets": list(entry.presets),
        }
        for entry in CATALOG.values()
    ]


def find(system: str, data: Sequence[str] = ()) -> tuple[Entry, str]:
    """The entry and the preset that `SYSTEM[:PRESET]` names.

    Without a preset: the one called like the data (the entry's own if none is given), else the first. Raises
    SfumatoError for unknown names.
    """
    name, _, preset = system.partition(":")
    if name not in CATALOG:
        raise SfumatoError(f"system {name!r}: unknown; there are {', '.join(CATALOG)}")
    entry = CATALOG[name]
    if not preset:
        first = (data or entry.data)[0]
        preset = first if first in entry.presets else next(iter(entry.presets))
    if preset not in entry.presets:
        raise SfumatoError(f"preset {preset!r}: {name} has {', '.join(entry.presets)}")
    return entry, preset


def describe(entry: Entry, preset: str) -> list[Field]:
    """The fields of a system, in order, with the values of one of its presets: for a help text, or a form."""
    return fields_of(entry.presets[preset])


def build_config(manifest: Manifest, entry: Entry, where: str) -> Any:
    """The Config in a manifest of a run of this system. Raises SfumatoError, which begins with `where`."""
    return from_json(entry.config_class, manifest.config, f"{where}: config")


def open_for(entry: Entry, config: Any, data: Sequence[str], strict: bool = False) -> ImageData:
    """`data` (the entry's own if it is empty) as the system with this Config reads it: one set of images or two."""
    data = data or entry.data
    if len(data) != len(entry.data):
        owed = "one data set" if len(entry.data) == 1 else f"two data sets, as in --data {' '.join(entry.data)}"
        raise SfumatoError(f"data {' '.join(data)}: {entry.name} is trained on {owed}")
    source = data[0] if len(data) == 1 else data
    target = config.target if isinstance(config, RecognitionConfig) else "labels"
    opened = open_data(source, config.channels, config.resolution, strict, config.fit, target)
    if isinstance(config, AdversarialConfig):
        _suits(entry, config, opened)
    return opened


def settled(config: Any, data: ImageData) -> Any:
    """`config` with what only the data can tell: how many classes a recognition system tells apart. Raises SfumatoError
    if it says otherwise, or there is nothing to tell apart."""
    if not isinstance(config, RecognitionConfig):
        return config
    count = len(data.classes)
    if count < (1 if config.target == "boxes" else 2):
        raise SfumatoError(f"data {data.name}: has {count or 'no'} classes: there is nothing to tell apart")
    if config.classes not in (0, count):
        raise SfumatoError(f"classes {config.classes}: the data {data.name} has {count}")
    return replace(config, classes=count)


def _suits(entry: Entry, config: AdversarialConfig, data: ImageData) -> None:
    """Raises SfumatoError for data that an adversarial system cannot be trained or measured on."""
    if config.channels == 2:
        raise SfumatoError(f"channels 2: for points of a plane, which images of {data.name} are not; it must be 1 or 3")
    if config.classes and len(data.classes) != config.classes:
        there = len(data.classes) or "no"
        raise SfumatoError(
            f"data {data.name}: has {there} classes, and {entry.name} is set to --classes {config.classes}"
        )
    if len(data.test) < MIN_TEST:
        raise SfumatoError(
            f"data {data.name}: has {len(data.test)} test images; made images are measured against {MIN_TEST} at least"
        )
