"""Checkpoints that survive a kill at any instant, and whose loading runs no code.

A checkpoint is `checkpoints/<images>.safetensors` and `state.json`, which names it. Both are written beside their
place, flushed to disk and renamed; `state.json` goes last, so at every instant it names a complete file.
"""

import hashlib
import json
from collections.abc import Collection
from inspect import signature
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load, save
from torch import Tensor

from ..errors import SfumatoError
from ..files import write_atomically, write_json
from .clock import Clock
from .system import System

FORMAT = 1


def save_checkpoint(folder: Path, system: System, clock: Clock, log: dict[str, Any]) -> None:
    """Writes weights, optimisers, schedules, the clock and `log` (JSON values that the run's log needs to go on)."""
    (folder / "checkpoints").mkdir(parents=True, exist_ok=True)
    tensors, groups = _tensors_of(system), _groups_of(system)
    name = f"{clock.images:012d}.safetensors"
    content = save(tensors)
    state = {
        "format": FORMAT,
        "images": clock.images,
        "weights": name,
        "blake2b": hashlib.blake2b(content).hexdigest(),
        "optimizers": groups,
        "schedules": {key: schedule.state() for key, schedule in system.schedules.items()},
        "log": log,
    }
    write_atomically(folder / "checkpoints" / name, lambda path: path.write_bytes(content))
    write_json(folder / "state.json", state)
    for old in (folder / "checkpoints").iterdir():
        if old.name != name and old.suffix in (".safetensors", ".part"):
            old.unlink(missing_ok=True)


def load_checkpoint(folder: Path, system: System, weights_only: bool = False) -> tuple[Clock, dict[str, Any]]:
    """Loads what `save_checkpoint` wrote into `system`; returns the clock and the log.

    `weights_only` leaves the optimisers and schedules alone. Raises SfumatoError, in one line that names them, if
    entries are missing, unknown or wrongly shaped, or if a file is damaged.
    """
    state, tensors = _read(folder)
    homes = ("system.", *(f"optimizer.{name}." for name in system.optimizers))
    if strangers := sorted(key for key in tensors if not key.startswith(homes)):
        raise _misfit(folder, f"unknown {', '.join(strangers)}")
    own = {key: value for key, value in tensors.items() if key.startswith("system.")}
    _compare(own, {f"system.{key}": value for key, value in system.state_dict().items()}, folder)
    system.load_state_dict({key.removeprefix("system."): value for key, value in own.items()})
    if not weights_only:
        _same_names(system.optimizers, state["optimizers"], f"{folder / 'state.json'}: optimizers")
        for name, optimizer in system.optimizers.items():
            _load_optimizer(name, optimizer, tensors, state["optimizers"][name], folder)
        _same_names(system.schedules, state["schedules"], f"{folder / 'state.json'}: schedules")
        for name, schedule in system.schedules.items():
            saved = state["schedules"][name]
            _same_names(schedule.state(), saved, f"{folder / 'state.json'}: schedules.{name}")
            schedule.load(saved)
    return Clock(images=state["images"], before=state["images"]), state["log"]


def save_snapshot(folder: Path, system: System, percent: int) -> None:
    """Keeps the weights of `system` alone as `snapshots/<percent>.safetensors`."""
    (folder / "snapshots").mkdir(parents=True, exist_ok=True)
    content = save({key: value.detach().to("cpu").contiguous() for key, value in system.state_dict().items()})
    write_atomically(folder / "snapshots" / f"{percent:03d}.safetensors", lambda path: path.write_bytes(content))


def load_snapshot(folder: Path, system: System, percent: int) -> None:
    """Loads what `save_snapshot` kept. Raises SfumatoError naming those that are there."""
    path = folder / "snapshots" / f"{percent:03d}.safetensors"
    if not path.is_file():
        there = ", ".join(str(int(other.stem)) for other in sorted(path.parent.glob("[0-9]*.safetensors")))
        raise SfumatoError(f"{folder}: no snapshot at {percent} %; there are {there or 'none'}")
    try:
        tensors = load(path.read_bytes())
    except SafetensorError as error:
        raise SfumatoError(f"{path}: damaged ({error})") from None
    _compare(tensors, system.state_dict(), folder)
    system.load_state_dict(tensors)


def _read(folder: Path) -> tuple[dict[str, Any], dict[str, Tensor]]:
    """state.json and the weights it names. Once more if they went in between: the run may be training."""
    state = _read_state(folder / "state.json")
    if not (folder / "checkpoints" / state["weights"]).exists():
        state = _read_state(folder / "state.json")
    return state, _read_weights(folder / "checkpoints" / state["weights"], state["blake2b"])


def _same_names(owed: Collection[str], found: Any, where: str) -> None:
    if not isinstance(found, dict):
        raise SfumatoError(f"{where}: must be an object")
    if odd := sorted(set(owed) ^ found.keys()):
        raise SfumatoError(f"{where}: missing or unknown: {', '.join(odd)}")


def _tensors_of(system: System) -> dict[str, Tensor]:
    tensors = {f"system.{key}": value for key, value in system.state_dict().items()}
    for name, optimizer in system.optimizers.items():
        for index, entries in optimizer.state_dict()["state"].items():
            tensors |= {f"optimizer.{name}.{index}.{key}": torch.as_tensor(value) for key, value in entries.items()}
    return {key: value.detach().to("cpu").contiguous() for key, value in tensors.items()}


def _groups_of(system: System) -> dict[str, list[dict[str, Any]]]:
    return {
        name: [
            {key: value for key, value in group.items() if key != "params"}
            for group in optimizer.state_dict()["param_groups"]
        ]
        for name, optimizer in system.optimizers.items()
    }


def _read_state(path: Path) -> dict[str, Any]:
    try:
        state = json.loads(path.read_text("utf-8"))
    except FileNotFoundError:
        raise SfumatoError(f"{path}: not there: this run has no checkpoint yet") from None
    except (ValueError, OSError) as error:
        raise SfumatoError(f"{path}: not readable as JSON ({error})") from None
    owed = {"format": int, "images": int, "weights": str, "blake2b": str, "optimizers": dict, "schedules": dict,
            "log": dict}  # fmt: skip
    wrong = [key for key, kind in owed.items() if not isinstance(state, dict) or not isinstance(state.get(key), kind)]
    if wrong:
        raise SfumatoError(f"{path}: missing or wrongly typed: {', '.join(wrong)}")
    if unknown := sorted(state.keys() - owed.keys()):
        raise SfumatoError(f"{path}: unknown entries: {', '.join(unknown)}")
    if state["format"] != FORMAT:
        raise SfumatoError(f"{path}: format {state['format']}, but this Sfumato reads format {FORMAT}")
    if Path(state["weights"]).name != state["weights"]:
        raise SfumatoError(f"{path}: weights {state['weights']!r}: must be a file name, not a path")
    return state


def _read_weights(path: Path, digest: str) -> dict[str, Tensor]:
    try:
        content = path.read_bytes()
    except OSError as error:
        raise SfumatoError(f"{path}: cannot be read ({error.strerror})") from None
    if hashlib.blake2b(content).hexdigest() != digest:
        raise SfumatoError(f"{path}: damaged: its content is not what state.json was written for")
    try:
        return load(content)
    except (SafetensorError, ValueError) as error:
        raise SfumatoError(f"{path}: not a safetensors file ({error})") from None


def _compare(found: dict[str, Tensor], owed: dict[str, Tensor], folder: Path) -> None:
    faults = []
    if missing := sorted(owed.keys() - found.keys()):
        faults.append("missing " + ", ".join(missing))
    if unknown := sorted(found.keys() - owed.keys()):
        faults.append("unknown " + ", ".join(unknown))
    for key in sorted(owed.keys() & found.keys()):
        if owed[key].shape != found[key].shape:
            faults.append(f"{key} has shape {tuple(found[key].shape)}, must be {tuple(owed[key].shape)}")
    if faults:
        raise _misfit(folder, "; ".join(faults))


def _misfit(folder: Path, faults: str) -> SfumatoError:
    return SfumatoError(f"{folder}: the checkpoint does not fit its config.json: {faults}")


def _load_optimizer(
    name: str, optimizer: torch.optim.Optimizer, tensors: dict[str, Tensor], saved: Any, folder: Path
) -> None:
    """Restores one optimiser: every entry of every parameter, or, before the first step, none."""
    parameters = [parameter for group in optimizer.param_groups for parameter in group["params"]]
    prefix = f"optimizer.{name}."
    found = {key: value for key, value in tensors.items() if key.startswith(prefix)}
    entries: dict[int, dict[str, Tensor]] = {}
    if found:
        owed = {
            f"{prefix}{index}.{entry}": value
            for index, parameter in enumerate(parameters)
            for entry, value in _entries_after_a_step(optimizer, parameter).items()
        }
        _compare(found, owed, folder)
        for key, value in found.items():
            index, _, entry = key.removeprefix(prefix).partition(".")
            # In the strides of its parameter: fused optimisers walk memory, not indices.
            entries.setdefault(int(index), {})[entry] = torch.empty_like(owed[key], device="cpu").copy_(value)
    current = optimizer.state_dict()["param_groups"]
    where = f"{folder / 'state.json'}: optimizers.{name}"
    if not isinstance(saved, list) or len(saved) != len(current):
        raise SfumatoError(f"{where}: must be a list of {len(current)} parameter groups")
    restored = []
    for group, values in zip(current, saved, strict=True):
        _same_names(group.keys() - {"params"}, values, where)
        restored.append({**group, **{k: tuple(v) if isinstance(v, list) else v for k, v in values.items()}})
    optimizer.load_state_dict({"state": entries, "param_groups": restored})


def _entries_after_a_step(optimizer: torch.optim.Optimizer, parameter: Tensor) -> dict[str, Tensor]:
    """What `optimizer` keeps for `parameter` once it has stepped: asked of a twin, on zeros."""
    zeros = torch.zeros_like(parameter).requires_grad_()
    zeros.grad = torch.zeros_like(zeros)
    taken = signature(type(optimizer)).parameters  # AdamW keeps a default that it does not take
    twin = type(optimizer)([zeros], **{name: value for name, value in optimizer.defaults.items() if name in taken})
    twin.step()
    return {entry: torch.as_tensor(value) for entry, value in twin.state[zeros].items()}
