"""A model, what is handed on of a run, or was brought in: a folder of config.json and model.safetensors, the weights
without those that only training needs. It is opened like a run; it cannot be trained on."""

import json
from collections.abc import Callable, Mapping
from dataclasses import replace
from fnmatch import fnmatchcase
from pathlib import Path

import torch
from safetensors.torch import save
from torch import Tensor

from ..engine.system import System
from ..errors import SfumatoError
from ..files import write_bytes
from ..weights.load import read_weights
from .folder import RunFolder
from .manifest import Manifest

NAME = "model.safetensors"


def is_model(folder: Path) -> bool:
    return (folder / NAME).is_file()


def write_model(manifest: Manifest, system: System, folder: Path, halved: bool = True) -> list[Path]:
    """Writes the model of a run with this manifest into `folder`, `halved`: in 16 bits. Names of folders stay behind.
    Raises SfumatoError for numbers that do not fit into these, and where a run lies that could go on."""
    if RunFolder(folder).has_checkpoint:
        raise SfumatoError(f"{folder}: holds a run: take another folder for the model")
    sources = tuple(Path(source).name for source in manifest.data.source)
    known = replace(manifest, data=replace(manifest.data, source=sources), start_from=None)
    kept = {name: value for name, value in system.state_dict().items() if not is_spare(system, name)}
    bits = _halved if halved else lambda _, value: value.contiguous()
    about = json.dumps({"system": manifest.system, "fingerprint": manifest.data.fingerprint, "seed": manifest.seed})
    content = save({name: bits(name, value) for name, value in kept.items()}, {"sfumato": about})
    RunFolder(folder).write_manifest(known)
    write_bytes(folder / NAME, content)
    return [folder / "config.json", folder / NAME]


def load_model(folder: Path, build: Callable[[], System]) -> System:
    """The system that `build` returns, with the weights of the model in `folder`. Raises SfumatoError if they are not
    its own: before anything is built, as a config that was tampered with may ask for any network."""
    path = folder / NAME
    values = read_weights(path)
    with torch.device("meta"):
        system = build()
    if wrong := misfits(system, values):
        raise SfumatoError(f"{path}: does not fit its config.json: {len(wrong)} weights differ, {wrong[0]!r}")
    system = build()
    types = {name: value.dtype for name, value in system.state_dict().items()}
    system.load_state_dict({name: value.to(types[name]) for name, value in values.items()}, strict=False)
    return system


def misfits(system: System, weights: Mapping[str, Tensor]) -> list[str]:
    """In order, the names that only one of the two knows, or under which they hold other shapes or kinds of numbers."""
    owed = {name: value for name, value in system.state_dict().items() if not is_spare(system, name)}
    return sorted(name for name in owed.keys() | weights.keys() if _form(owed.get(name)) != _form(weights.get(name)))


def is_spare(system: System, name: str) -> bool:
    """Whether only training needs the weight of that name."""
    return any(fnmatchcase(name, pattern) for pattern in system.spare)


def _form(value: Tensor | None) -> tuple[torch.Size, bool] | None:
    """Shape, and whether it holds real numbers."""
    return None if value is None else (value.shape, value.is_floating_point())


def _halved(name: str, value: Tensor) -> Tensor:
    value = value.detach().cpu().contiguous()
    if not value.is_floating_point():
        return value
    half = value.half()
    if not half.isfinite().all():
        raise SfumatoError(f"{name}: does not fit into 16 bits")
    return half
