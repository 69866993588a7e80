"""Every system, found in the folders of the subjects. The command line, the conformance tests and the docs walk it.

A subject is a package with a `family.py`; its `SYSTEMS` name, for each system, the class in the file of that name, and
the data where nobody says which: two names for a system that learns from two sets side by side. Subjects are
the folders of this package, and packages that others have installed under the entry point group `sfumato.subjects`.
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from importlib import import_module
from importlib.metadata import entry_points
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Any

from ..data.sources import USUAL, HeldOut, alike, open_data
from ..engine.fields import Field, build, fields_of, from_json
from ..errors import SfumatoError
from ..strict import shown
from ..terminal import warn
from .manifest import Manifest

if TYPE_CHECKING:
    from ..data.dataset import ImageData
    from ..engine.system import System
    from ..family import Family

GROUP = "sfumato.subjects"
TRAITS = (
    "draws",
    "encodes",
    "restyles",
    "conditional",
    "names_classes",
    "grows",
    "styled",
    "translates",
)  # of a system's class: what it can do


@dataclass(frozen=True)
class Entry:
    """Where a system lives: `<package>.<name>` defines `class_name`, `Config` and `PRESETS`; importing them is left to
    whoever needs them. `data`: what it is trained on where nobody says."""

    package: str
    name: str
    class_name: str
    data: tuple[str, ...]

    @property
    def subject(self) -> str:
        return self.package.rpartition(".")[2]

    @property
    def family(self) -> "Family":
        return import_module(f"{self.package}.family").FAMILY

    @property
    def module(self) -> ModuleType:
        return import_module(f"{self.package}.{self.name}")

    @property
    def system_class(self) -> "type[System]":
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

    @property
    def departures(self) -> str:
        """What its docstring says of where it leaves its paper, from "Departs" on; empty if nothing."""
        _, found, rest = (self.module.__doc__ or "").partition("Departs from the paper")
        return " ".join(f"{found}{rest}".split())

    def build(self, config: Any) -> "System":
        """The untrained system."""
        return self.system_class(config)  # pyright: ignore[reportCallIssue] - every system takes its Config


def _subjects() -> Iterator[str]:
    """The packages of all subjects."""
    own = Path(__file__).parent.parent
    yield from (f"sfumato.{found.parent.name}" for found in sorted(own.glob("*/family.py")))
    yield from (point.value for point in entry_points(group=GROUP))


def _entries() -> Iterator[Entry]:
    """Ours first. A package that cannot be imported, or takes a name that there is, is named and left out: it must not
    break what others do."""
    taken = set()
    for package in _subjects():
        try:
            systems = import_module(package).SYSTEMS
        except Exception as error:  # whatever somebody else's package stumbles over
            if package.startswith("sfumato."):
                raise
            warn(f"left out: subject {package}: {type(error).__name__}: {error}")
            continue
        for name, (class_name, data) in systems.items():
            if name in taken:
                warn(f"left out: {package}.{name}: there is a system of that name")
                continue
            taken.add(name)
            yield Entry(package, name, class_name, data)


CATALOG = {entry.name: entry for entry in _entries()}


def systems() -> list[dict[str, Any]]:
    """The catalog as plain values: name, family, idea, paper, presets, traits."""
    return [
        {
            "name": entry.name,
            "family": entry.subject,
            "idea": entry.idea,
            "paper": entry.paper,
            "presets": list(entry.presets),
            "traits": [name for name in TRAITS if getattr(entry.system_class, name)],
        }
        for entry in CATALOG.values()
    ]


def in_short(name: str) -> dict[str, Any]:
    """What there is to know of one system, as plain values: what its file says, presets, traits, data, and the fields
    of its first preset. Raises SfumatoError for an unknown name."""
    entry, preset = find(name)
    fields = [{"name": field.name, "default": field.default, "text": field.text} for field in describe(entry, preset)]
    return {
        "about": (entry.module.__doc__ or "").strip(),
        "presets": list(entry.presets),
        "traits": [trait for trait in TRAITS if getattr(entry.system_class, trait)],
        "data": list(entry.data),
        "fields": fields,
    }


def find(system: str, data: Sequence[str] = ()) -> tuple[Entry, str]:
    """The entry and the preset that `SYSTEM[:PRESET]` names.

    Without a preset: the one called like the data, or like what they are (the entry's own if none are given), else the
    first. Raises SfumatoError for unknown names.
    """
    name, _, preset = system.partition(":")
    if name == "gatys":
        raise SfumatoError("system 'gatys': is not trained, but changes one picture: sfumato stylize --method gatys")
    if name not in CATALOG:
        raise SfumatoError(f"system {name!r}: unknown; there are {', '.join(CATALOG)}")
    entry = CATALOG[name]
    if not preset:
        names = [name for source in data or entry.data for name in alike(source)]
        preset = next((name for name in names if name in entry.presets), next(iter(entry.presets)))
    if preset not in entry.presets:
        raise SfumatoError(f"preset {preset!r}: {name} has {', '.join(entry.presets)}")
    return entry, preset


def settled(system: str, data: "ImageData", fields: Mapping[str, Any]) -> tuple[Entry, Any]:
    """The entry that `SYSTEM[:PRESET]` names, and the Config that a run with these fields would have on `data`."""
    entry, preset = find(system, (data.name,))
    config = build(entry.config_class, fields, entry.name, base=entry.presets[preset])
    return entry, entry.family.settle(config, data, entry.name)


def describe(entry: Entry, preset: str) -> list[Field]:
    """The fields of a system, in order, with the values of one of its presets: for a help text, or a form."""
    return fields_of(entry.presets[preset])


def configured(manifest: Manifest, where: str) -> tuple[Entry, Any]:
    """The entry of a run's system, and its Config. Raises SfumatoError, which begins with `where`."""
    if manifest.system not in CATALOG:
        raise SfumatoError(f"{where}: system {shown(manifest.system)}: unknown; there are {', '.join(CATALOG)}")
    entry = CATALOG[manifest.system]
    return entry, from_json(entry.config_class, manifest.config, f"{where}: config")


def open_for(
    entry: Entry, config: Any, data: Sequence[str], strict: bool = False, held: HeldOut = USUAL
) -> "ImageData":
    """`data` (the entry's own if it is empty) as the system with this Config reads it: one set of images or two, which
    may lie in one source. `held`: which of its pictures are held out."""
    data = data or entry.data
    view = replace(entry.family.view(config), split=held.split, holdout=held.holdout, seed=held.seed)
    if len(data) == 1 < len(entry.data):
        return open_data(data[0], replace(view, target="sides"), strict=strict)
    if len(data) != len(entry.data):
        owed = "one data set" if len(entry.data) == 1 else f"two data sets, as in --data {' '.join(entry.data)}"
        raise SfumatoError(f"data {' '.join(data)}: {entry.name} is trained on {owed}")
    return open_data(data[0] if len(data) == 1 else data, view, strict=strict)
