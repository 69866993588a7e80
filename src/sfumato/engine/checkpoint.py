"""Checkpoints that survive a kill at any instant, a loss of power and a damaged file, and whose loading runs no code.

A checkpoint is `checkpoints/<images>.safetensors` and `state.json`, which names it. Both are written beside their
place, flushed to disk, renamed, and the folder flushed; `state.json` goes last, so at every instant it names a complete
file. The save before is kept too.

Names of tensors: `system.<name>` as in the system's `state_dict`; `optimizer.<name>.<number>.<entry>` of each parameter
that an optimiser knows something of, counted through its groups; `process.<number>.<name>` of the buffers that each
process has for itself, of the processes after the first.
"""

import hashlib
import math
from collections.abc import Callable, Collection, Mapping
from inspect import signature
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import load, save
from torch import Tensor

from ..errors import SfumatoError
from ..files import write_bytes
from .clock import Clock
from .loop import stage_at
from .runtime import gather, place
from .state import FORMAT, LAST, WEIGHTS, Group, State, last_state, weights_name, write_state
from .system import System

BEST = "best.safetensors"
DIGEST = "blake2b"  # of what is kept beside the last checkpoint
SHOWN = 10  # names in a message
FIT = "its config.json"  # what a checkpoint must fit
LARGEST = 1e6  # of what an optimiser is told: rates, decay


def save_checkpoint(folder: Path, system: System, clock: Clock, log: dict[str, Any]) -> None:
    """Writes weights, optimisers, schedules, the clock and `log` (JSON values). Called by all processes at the same
    instant; process 0 writes."""
    local = system.buffers_like(system.local_buffers)
    others = gather(list(local.values()))[1:]
    if place()[0]:
        return
    tensors = _tensors_of(system)
    for process, values in enumerate(others, 1):
        tensors |= {f"process.{process}.{name}": value for name, value in zip(local, values, strict=True)}
    content = save(tensors)
    schedules = {key: schedule.state() for key, schedule in system.schedules.items()}
    name, digest = weights_name(clock.images), hashlib.blake2b(content).hexdigest()
    write_bytes(folder / WEIGHTS / name, content)
    state = State(FORMAT, clock.images, clock.stage, name, digest, _groups_of(system), schedules, log)
    kept = write_state(folder, state)
    if kept is None:  # nothing is thrown away that may still be spoken of
        return
    for old in (folder / WEIGHTS).iterdir():
        if old.name not in {*kept, BEST} and old.suffix in (".safetensors", ".part"):
            old.unlink(missing_ok=True)


def load_checkpoint(folder: Path, system: System, weights_only: bool = False) -> tuple[Clock, dict[str, Any]]:
    """Loads what `save_checkpoint` wrote into `system`; returns the clock and the log.

    `weights_only` leaves the optimisers, the schedules and what other processes had for themselves alone. Raises
    SfumatoError, in one line that names them, if entries are missing, unknown, wrongly shaped or out of their range, or
    if a file is damaged.
    """
    state, tensors = _read(folder)
    where = str(folder / LAST)
    homes = ("system.", "process.", *(f"optimizer.{name}." for name in system.optimizers))
    if strangers := sorted(key for key in tensors if not key.startswith(homes)):
        raise _misfit(folder, f"unknown {_listed(strangers)}")
    own = {key: value for key, value in tensors.items() if key.startswith("system.")}
    _compare(own, {f"system.{key}": value for key, value in system.state_dict().items()}, folder)
    clock = _clock_of(state, system, where)
    if not weights_only:
        process, processes = place()
        local = system.buffers_like(system.local_buffers)
        owed = {f"process.{n}.{key}": value for n in range(1, processes) for key, value in local.items()}
        _compare({key: value for key, value in tensors.items() if key.startswith("process.")}, owed, folder)
        if process:
            own |= {f"system.{key}": tensors[f"process.{process}.{key}"] for key in local}
        _same_names(system.optimizers, state.optimizers, f"{where}: optimizers")
        _same_names(system.schedules, state.schedules, f"{where}: schedules")
        loaded = {
            name: _optimizer_state(name, optimizer, tensors, state.optimizers[name], folder)
            for name, optimizer in system.optimizers.items()
        }
        for name, optimizer in system.optimizers.items():
            optimizer.load_state_dict(loaded[name])
        for name, schedule in system.schedules.items():
            schedule.load(state.schedules[name])
    system.load_state_dict({key.removeprefix("system."): value for key, value in own.items()})
    return clock, state.log


def load_agreeing(folder: Path, system: System) -> tuple[int, list[str]]:
    """Loads the weights of the checkpoint in `folder` that `system` has too, of the same shape. What each process has
    for itself stays as it is, and so do the optimisers. Returns after how many images they were saved, and the names of
    the other weights of `system`."""
    state, tensors = _read(folder)
    local = system.buffers_like(system.local_buffers)
    owed = {key: value for key, value in system.state_dict().items() if key not in local}
    found = {key: value for key in owed if (value := tensors.get(f"system.{key}")) is not None}
    agreeing = {key: value for key, value in found.items() if value.shape == owed[key].shape}
    system.load_state_dict(agreeing, strict=False)
    return state.images, [key for key in owed if key not in agreeing]


def check_shapes(folder: Path, build: Callable[[], System], fit: str = FIT) -> None:
    """Raises SfumatoError, as `load_checkpoint` does, if the weights in `folder` are not those of what `build` returns,
    called `fit`. Reads names and shapes alone and takes no memory: a config that was tampered with may ask for any
    network."""
    path = folder / WEIGHTS / last_state(folder).weights
    try:
        with safe_open(path, "pt") as file:
            keys = [key for key in file.keys() if key.startswith("system.")]  # noqa: SIM118 - no mapping
            found = {key: torch.empty(file.get_slice(key).get_shape(), device="meta") for key in keys}
    except FileNotFoundError:
        raise SfumatoError(f"{path}: cannot be read (no such file)") from None
    except (SafetensorError, OSError, ValueError) as error:
        raise SfumatoError(f"{path}: not a safetensors file ({error})") from None
    with torch.device("meta"):
        owed = {f"system.{key}": value for key, value in build().state_dict().items()}
    _compare(found, owed, folder, fit)


def _clock_of(state: State, system: System, where: str) -> Clock:
    """Where training stood. Raises SfumatoError for a stage that these images do not belong to."""
    stages = system.stages()
    reached, _ = stage_at(stages, state.images)
    if state.stage is None:
        known = state.images == 0
    else:  # the last step of a stage may draw images of later ones, which are entered only with the step after
        start = sum(stage.images for stage in stages[: state.stage])
        known = state.stage < len(stages) and state.stage <= reached and start < state.images
    if not known:
        raise SfumatoError(f"{where}: stage {state.stage}: cannot be after {state.images:,} images")
    return Clock(images=state.images, before=state.images, stage=state.stage)


def save_best(folder: Path, system: System, images: int) -> None:
    """Keeps the weights of `system` after so many images, and what was fitted to them, as `checkpoints/best`."""
    said = {"images": str(images)} | {f"fitted.{name}": repr(value) for name, value in system.fitted.items()}
    _keep(folder / WEIGHTS / BEST, system, said)


def load_best(folder: Path, system: System) -> int | None:
    """Loads what `save_best` kept; returns after how many images that was, None if nothing is kept. Raises SfumatoError
    if it is damaged or another system's."""
    path = folder / WEIGHTS / BEST
    if not path.is_file():
        return None
    try:
        tensors, said = _kept(path)
        images = int(said["images"])
        fitted = {name.removeprefix("fitted."): float(said[name]) for name in said if name.startswith("fitted.")}
        if not all(map(math.isfinite, fitted.values())):
            raise ValueError(f"fitted {fitted}")
    except (SafetensorError, OSError, KeyError, ValueError) as error:
        raise SfumatoError(f"{path}: damaged ({error}): remove it, and the last weights are used") from None
    _compare(tensors, system.state_dict(), folder)
    system.load_state_dict(tensors)
    system.fitted = fitted
    return images


def save_snapshot(folder: Path, system: System, percent: int) -> None:
    """Keeps the weights of `system` alone as `snapshots/<percent>.safetensors`."""
    _keep(folder / "snapshots" / f"{percent:03d}.safetensors", system, {})


def load_snapshot(folder: Path, system: System, percent: int) -> None:
    """Loads what `save_snapshot` kept. Raises SfumatoError naming those that are there."""
    path = folder / "snapshots" / f"{percent:03d}.safetensors"
    if not path.is_file():
        there = ", ".join(str(int(other.stem)) for other in sorted(path.parent.glob("[0-9]*.safetensors")))
        raise SfumatoError(f"{folder}: no snapshot at {percent} %; there are {there or 'none'}")
    try:
        tensors, _ = _kept(path)
    except (SafetensorError, OSError, ValueError) as error:
        raise SfumatoError(f"{path}: damaged ({error})") from None
    _compare(tensors, system.state_dict(), folder)
    system.load_state_dict(tensors)


def _keep(path: Path, system: System, said: dict[str, str]) -> None:
    """Writes the weights of `system` with what is `said` of them and a digest of both."""
    tensors = _on_cpu(system.state_dict())
    write_bytes(path, save(tensors, {**said, DIGEST: _digest_of(tensors, said)}))


def _kept(path: Path) -> tuple[dict[str, Tensor], dict[str, str]]:
    """What `_keep` wrote; older files have no digest."""
    with safe_open(path, "pt") as file:
        said = file.metadata() or {}
        tensors = {key: file.get_tensor(key) for key in file.keys()}  # noqa: SIM118 - no mapping
    digest = said.pop(DIGEST, None)
    if digest is not None and digest != _digest_of(tensors, said):
        raise ValueError("its digest is that of another content")
    return tensors, said


def _digest_of(tensors: Mapping[str, Tensor], said: Mapping[str, str]) -> str:
    digest = hashlib.blake2b(repr(sorted(said.items())).encode())
    for name, value in sorted(tensors.items()):
        digest.update(f"{name} {value.dtype} {tuple(value.shape)}".encode())
        digest.update(value.reshape(-1).view(torch.uint8).numpy().tobytes())
    return digest.hexdigest()


def _read(folder: Path) -> tuple[State, dict[str, Tensor]]:
    """The last state that is whole, and its weights."""
    state = last_state(folder, told=True)
    path = folder / WEIGHTS / state.weights
    try:
        return state, load(path.read_bytes())
    except (SafetensorError, ValueError) as error:
        raise SfumatoError(f"{path}: not a safetensors file ({error})") from None


def _same_names(owed: Collection[str], found: Mapping[str, Any], where: str) -> None:
    if odd := sorted(set(owed) ^ found.keys()):
        raise SfumatoError(f"{where}: missing or unknown: {_listed(odd)}")


def _listed(names: list[str]) -> str:
    """Names for a message; they may come from a hostile file."""
    shown = [ascii(name)[1:-1][:100] for name in names[:SHOWN]]
    return ", ".join(shown) + (f" and {len(names) - SHOWN} more" if len(names) > SHOWN else "")


def _tensors_of(system: System) -> dict[str, Tensor]:
    tensors = {f"system.{key}": value for key, value in system.state_dict().items()}
    for name, optimizer in system.optimizers.items():
        for index, entries in optimizer.state_dict()["state"].items():
            tensors |= {f"optimizer.{name}.{index}.{key}": torch.as_tensor(value) for key, value in entries.items()}
    return _on_cpu(tensors)


def _on_cpu(tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    return {key: value.detach().to("cpu").contiguous() for key, value in tensors.items()}


def _groups_of(system: System) -> dict[str, list[Group]]:
    return {
        name: [_without_parameters(group) for group in optimizer.state_dict()["param_groups"]]
        for name, optimizer in system.optimizers.items()
    }


def _without_parameters(group: Mapping[str, Any]) -> Group:
    plain = {key: list(value) if isinstance(value, tuple) else value for key, value in group.items()}
    return {key: value for key, value in plain.items() if key != "params"}


def _compare(found: dict[str, Tensor], owed: dict[str, Tensor], folder: Path, fit: str = FIT) -> None:
    faults = []
    if missing := sorted(owed.keys() - found.keys()):
        faults.append(f"missing {_listed(missing)}")
    if unknown := sorted(found.keys() - owed.keys()):
        faults.append(f"unknown {_listed(unknown)}")
    for key in sorted(owed.keys() & found.keys()):
        if owed[key].shape != found[key].shape:
            faults.append(f"{key} has shape {tuple(found[key].shape)}, must be {tuple(owed[key].shape)}")
    if faults:
        raise _misfit(folder, "; ".join(faults), fit)


def _misfit(folder: Path, faults: str, fit: str = FIT) -> SfumatoError:
    return SfumatoError(f"{folder}: the checkpoint does not fit {fit}: {faults}")


def _optimizer_state(
    name: str, optimizer: torch.optim.Optimizer, tensors: dict[str, Tensor], saved: list[Group], folder: Path
) -> dict[str, Any]:
    """What `optimizer` shall load: every entry of each parameter that has any, and the groups' values."""
    parameters = [parameter for group in optimizer.param_groups for parameter in group["params"]]
    prefix = f"optimizer.{name}."
    found = {key: value for key, value in tensors.items() if key.startswith(prefix)}
    known = {key.removeprefix(prefix).partition(".")[0] for key in found}
    owed = {
        f"{prefix}{index}.{entry}": value
        for index, parameter in enumerate(parameters)
        if str(index) in known
        for entry, value in _entries_after_a_step(optimizer, parameter).items()
    }
    _compare(found, owed, folder)
    entries: dict[int, dict[str, Tensor]] = {}
    for key, value in found.items():
        index, _, entry = key.removeprefix(prefix).partition(".")
        # In the strides of its parameter: fused optimisers walk memory, not indices.
        entries.setdefault(int(index), {})[entry] = torch.empty_like(owed[key], device="cpu").copy_(value)
    current = optimizer.state_dict()["param_groups"]
    where = f"{folder / LAST}: optimizers.{name}"
    if len(saved) != len(current):
        raise SfumatoError(f"{where}: must be a list of {len(current)} parameter groups")
    groups = []
    for group, values in zip(current, saved, strict=True):
        _same_names(group.keys() - {"params"}, values, where)
        judged = {key: _judged(key, value, group[key], where) for key, value in values.items()}
        groups.append({"params": group["params"], **judged})
    return {"state": entries, "param_groups": groups}


def _judged(key: str, value: Any, now: Any, where: str) -> Any:
    """A value of a parameter group as the optimiser, which has `now`, can take it. Raises SfumatoError if it cannot:
    rates and the like are finite and not negative, betas below 1; switches are those of the system."""
    if isinstance(now, tuple) and isinstance(value, list) and len(value) == len(now):
        if all(math.isfinite(part) and 0 <= part < 1 for part in value):
            return tuple(value)
    elif isinstance(now, int | float) and not isinstance(now, bool):
        if isinstance(value, int | float) and not isinstance(value, bool) and 0 <= value <= LARGEST:
            return type(now)(value)
    elif value == now and type(value) is type(now):
        return value
    raise SfumatoError(f"{where}: {key} {repr(value)[:40]}: cannot be, where the system has {now}")


def _entries_after_a_step(optimizer: torch.optim.Optimizer, parameter: Tensor) -> dict[str, Tensor]:
    """What `optimizer` keeps for `parameter` once it has stepped: asked of a twin, on zeros."""
    zeros = torch.zeros_like(parameter).requires_grad_()
    zeros.grad = torch.zeros_like(zeros)
    taken = signature(type(optimizer)).parameters  # AdamW keeps a default that it does not take
    twin = type(optimizer)([zeros], **{name: value for name, value in optimizer.defaults.items() if name in taken})
    twin.step()
    return {entry: torch.as_tensor(value) for entry, value in twin.state[zeros].items()}
