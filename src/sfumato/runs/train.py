"""Making a run: create its folder, train it, save it, resume it. The command line, Python and studies all come here."""

import os
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

import torch

from ..data.dataset import ImageData
from ..data.sources import located
from ..engine.fields import build, to_json
from ..engine.runtime import Runtime, awaited, choose, largest_over_processes, together
from ..errors import SfumatoError
from ..files import FULL
from ..version import __version__
from .catalog import configured, find, open_for, settled
from .folder import RunFolder
from .manifest import DataRecord, Manifest
from .open import Run
from .training import Training, Watch

IDENTITY = ("system", "config", "seed", "device", "precision", "processes")  # of a run, and its data


def train(
    system: str,
    *,
    data: str | Sequence[str] = (),
    run: str | Path,
    seed: int = 0,
    device: str = "auto",
    precision: str = "auto",
    strict: bool = False,
    save_every: float = 30.0,
    log_every: int | None = None,
    evaluate: bool = True,
    opened: ImageData | None = None,
    watch: Watch | None = None,
    **fields: Any,
) -> Run:
    """Trains `system` (`NAME` or `NAME:PRESET`) on `data` and returns the finished run.

    `data`: a name or path as `open_data` takes it, two of them for a system that learns from two sets side by side, or
    nothing for the embedded data of the system. `run`: the folder to make. `save_every`: seconds between checkpoints.
    `log_every`: images between two rows of metrics.jsonl, an epoch by default. `evaluate`: measure it at the end and
    write report.html. `opened`: `data`, if the caller has opened it already. `watch`: told of the images drawn, after
    every step, in place of a progress bar. `fields`: any field of the system's Config, e.g. `images=100_000`. Under
    `torchrun --max-restarts` it goes on with its own run, if that is there.
    Raises SfumatoError for bad input and Stopped after SIGINT or SIGTERM, when everything is saved.
    """
    names = (data,) if isinstance(data, str) else tuple(data)
    entry, preset = find(system, names)
    config = build(entry.config_class, fields, entry.name, base=entry.presets[preset])
    entry.system_class.refuse(config)
    folder = RunFolder(run)
    with together(str(folder.path)):
        runtime = choose(device, precision)
        there = bool(largest_over_processes(runtime.process == 0 and folder.is_run, runtime.device))
        if there and not _restarts():
            raise SfumatoError(f"{folder.path}: holds a run already: go on with `sfumato resume {folder.path}`")
        opened = opened or open_for(entry, config, names, strict)
        config = entry.family.settle(config, opened, entry.name)
        manifest = Manifest(
            sfumato=__version__,
            torch=torch.__version__,
            system=entry.name,
            preset=preset,
            config=to_json(config),
            data=DataRecord(
                source=tuple(map(located, names or entry.data)),
                name=opened.name,
                fingerprint=opened.fingerprint,
                classes=opened.classes,
                train=len(opened.train),
                test=len(opened.test),
            ),
            seed=seed,
            device=runtime.device.type,  # pyright: ignore[reportArgumentType] - one of those that `choose` knows
            precision=runtime.precision,
            processes=runtime.processes,
        )
        if there:
            _same(folder, manifest)
        _writable(folder.path)
        return _train(folder, runtime, opened, None if there else manifest, save_every, log_every, evaluate, watch)


def _restarts() -> bool:
    """Whether torchrun was told to start again what has failed (`--max-restarts`). How often it has done so is not
    asked: its agents on several machines count differently, and a job that is queued again begins at 0."""
    return int(os.environ.get("TORCHELASTIC_MAX_RESTARTS", "0")) > 0


def _same(folder: RunFolder, new: Manifest) -> None:
    """Raises SfumatoError unless the run in `folder` is the one that `new` would begin."""
    known = folder.manifest()
    pairs = {name: (getattr(known, name), getattr(new, name)) for name in IDENTITY}
    pairs["data"] = (known.data.fingerprint, new.data.fingerprint)
    if other := [name for name, (there, asked) in pairs.items() if there != asked]:
        raise SfumatoError(
            f"{folder.path}: holds a run already, and one of another {', '.join(other)}: take another folder, or go on "
            f"with `sfumato resume {folder.path}`"
        )


def resume(
    run: str | Path,
    *,
    save_every: float = 30.0,
    log_every: int | None = None,
    evaluate: bool = True,
    opened: ImageData | None = None,
    watch: Watch | None = None,
) -> Run:
    """Goes on with a run exactly where its last checkpoint stands; returns it finished.

    On the same machine and versions, the final weights are bitwise those of a run that was never stopped.
    Raises SfumatoError if the folder, its data or its checkpoint is not what it was.
    """
    folder = RunFolder(run)
    with together(str(folder.path)):
        manifest = _joining(folder)
        runtime = choose(manifest.device, manifest.precision)
        if runtime.processes != manifest.processes:
            raise SfumatoError(
                f"{folder.path}: was trained by {manifest.processes} processes, not {runtime.processes}: "
                f"use torchrun --nproc-per-node {manifest.processes}"
            )
        entry, config = configured(manifest, str(folder.path / "config.json"))
        opened = opened or open_for(entry, config, manifest.data.source)
        if opened.fingerprint != manifest.data.fingerprint:
            raise SfumatoError(
                f"{folder.path}: its data {' '.join(manifest.data.source)} has changed since it was started "
                f"(fingerprint {opened.fingerprint}, was {manifest.data.fingerprint})"
            )
        entry.family.settle(config, opened, entry.name)
        return _train(folder, runtime, opened, None, save_every, log_every, evaluate, watch)


def _joining(folder: RunFolder) -> Manifest:
    """config.json. Who has none joins the others before saying so: they would wait for it."""
    try:
        return folder.manifest()
    except SfumatoError:
        with suppress(RuntimeError):
            choose()
        raise


def _train(
    folder: RunFolder,
    runtime: Runtime,
    data: ImageData,
    new: Manifest | None,
    save_every: float,
    log_every: int | None,
    evaluate: bool,
    watch: Watch | None,
) -> Run:
    """`new`: what a run to begin is; None goes on with the one that is there."""
    try:
        with awaited(runtime.device):
            if runtime.process == 0:
                with folder.owned():
                    if new is not None and folder.is_run:
                        raise SfumatoError(f"{folder.path}: another process has made a run there")
                    training = Training(folder, runtime, data, save_every, log_every, new)
                    if new is not None:
                        folder.write_manifest(new)
                    training.consume(watch)
                    training.finish(evaluate)
            else:
                Training(folder, runtime, data, save_every, log_every, new).consume()
    except OSError as error:
        if error.errno not in FULL:
            raise
        kept = "its last checkpoint is kept: free some space, then `sfumato resume` it" if folder.has_checkpoint else ""
        raise SfumatoError(f"{folder.path}: {error.strerror}; {kept or 'nothing was saved yet'}") from None
    return Run(folder.path, runtime.device.type, data)


def _writable(path: Path) -> None:
    try:
        path.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise SfumatoError(f"{path}: cannot be a run folder ({error.strerror})") from None
    if not os.access(path, os.W_OK):
        raise SfumatoError(f"{path}: cannot be written to")


def fits(folder: RunFolder, system: str, data: ImageData, seed: int, precision: str, fields: dict[str, Any]) -> bool:
    """Whether the run in `folder` is the one that `train` would make of these."""
    manifest = folder.manifest()
    entry, config = settled(system, data, fields)
    return (
        manifest.system == entry.name
        and manifest.config == to_json(config)
        and manifest.data.fingerprint == data.fingerprint
        and manifest.seed == seed
        and manifest.precision == precision
    )
