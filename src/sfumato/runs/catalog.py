"""Every system, a line each. The command line, the conformance tests and the docs read this list."""

import re
from collections.abc import Callable
from dataclasses import dataclass
from importlib import import_module
from types import ModuleType
from typing import Any

from ..engine.system import System
from ..errors import SfumatoError


@dataclass(frozen=True)
class Entry:
    """Where a system lives: `sfumato.<family>.<name>` defines `class_name`, `Config` and `PRESETS`."""

    family: str
    name: str
    class_name: str

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


CATALOG = {
    entry.name: entry
    for entry in (
        Entry("autoencoders", "stacked", "StackedAutoencoder"),
        Entry("autoencoders", "denoising", "DenoisingAutoencoder"),
        Entry("autoencoders", "convolutional", "ConvolutionalAutoencoder"),
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


def find(system: str, data: str) -> tuple[Entry, str]:
    """The entry and the preset that `SYSTEM[:PRESET]` names.

    Without a preset: the one called like the data, else the first. Raises SfumatoError for unknown names.
    """
    name, _, preset = system.partition(":")
    if name not in CATALOG:
        raise SfumatoError(f"system {name!r}: unknown; there are {', '.join(CATALOG)}")
    presets = CATALOG[name].presets
    if not preset:
        preset = data if data in presets else next(iter(presets))
    if preset not in presets:
        raise SfumatoError(f"preset {preset!r}: {name} has {', '.join(presets)}")
    return CATALOG[name], preset
