"""A new run that begins with the weights of another one of the same system.

The networks must be the same but for the number of classes: layers that depend on it begin as in any new run.
"""

from dataclasses import fields, replace
from pathlib import Path
from typing import Any

from ..engine.checkpoint import check_shapes, load_agreeing
from ..engine.system import System
from ..errors import SfumatoError
from ..files import resolved
from ..strict import short
from .catalog import Entry, configured
from .folder import RunFolder

SHOWN = 400  # characters of a list of layers


def check_start(source: str, folder: RunFolder, entry: Entry) -> None:
    """Raises SfumatoError unless `source`, a whole path, is a run that a new one in `folder` may begin with."""
    if Path(source) == resolved(folder.path):
        raise SfumatoError(f"{source}: a run cannot begin with its own weights: take another folder for the new run")
    system = RunFolder(source).manifest().system
    if system != entry.name:
        raise SfumatoError(f"{source}: is a run of {system}: {entry.name} can begin with a run of {entry.name} only")


def load_start(system: System, entry: Entry, config: Any, source: str) -> str:
    """Loads the weights of the run `source` into `system`, of that `config`, where they fit; returns what was done, in
    one line. Raises SfumatoError if its network is another one."""
    folder = RunFolder(source)
    _, theirs = configured(folder.manifest(), str(folder.path / "config.json"))
    told_classes = any(field.name == "classes" for field in fields(config))
    alike = replace(config, classes=theirs.classes) if told_classes else config
    check_shapes(folder.path, lambda: entry.build(alike), "the run that shall begin with it")
    images, left = load_agreeing(folder.path, system)
    said = f"begins with the weights that {source} has after {images:,} images"
    if not left:
        return said
    layers = dict.fromkeys(name.rpartition(".")[0] for name in left)
    return f"{said}; new, for {config.classes} classes in place of {theirs.classes}: {short(', '.join(layers), SHOWN)}"
