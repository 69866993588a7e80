"""Making a run: create its folder, train it, save it, resume it. The command line, Python and studies all come here."""

import os
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch

from ..data.dataset import ImageData
from ..data.jobs import check_outside
from ..data.sources import HeldOut, located, path_of
from ..engine.fields import build, to_json
from ..engine.runtime import Runtime, awaited, choose, largest_over_processes, together
from ..errors import SfumatoError
from ..files import FULL, resolved
from ..terminal import warn
from ..version import __version__
from .catalog import Entry, configured, find, open_for, settled
from .folder import RunFolder
from .length import with_length
from .manifest import DataRecord, Manifest
from .model import is_model
from .open import Run, opening
from .start import check_start
from .training import Training, Watch

IDENTITY = ("system", "config", "seed", "device", "precision", "processes", "start_from")  # of a run, and its data


def train(
    system: str,
    *,
    data: str | Path | Sequence[str | Path] = (),
    run: str | Path,
    seed: int = 0,
    device: str = "auto",
    precision: str = "auto",
    threads: int | None = None,
    strict: bool = False,
    split: Sequence[str] = (),
    holdout: float | None = None,
    start_from: str | Path | None = None,
    save_every: float = 30.0,
    log_every: int | None = None,
    evaluate: bool = True,
    opened: ImageData | None = None,
    watch: Watch | None = None,
    **fields: Any,
) -> Run:
    """Trains `system` (`NAME` or `NAME:PRESET`) on `data` and returns the finished run.

    `data`: a name or path as `open_data` takes it, two of them for a system that learns from two sets side by side, or
    nothing for the embedded data of the system. `run`: the folder to make. `threads`: that compute on the CPU.
    `split`, `holdout`: which of one's own pictures are held out: `train=DIR` and `test=DIR`, a table, or a share that
    is drawn by `seed`; by default as the data say. `start_from`: a run of the same system whose weights this one begins
    with; of its network must differ no more than the number of classes: what depends on that begins as ever, and so do
    the optimisers. `save_every`: seconds between checkpoints. `log_every`: images between two rows of metrics.jsonl, an
    epoch by default. `evaluate`: measure it at the end and write report.html. `opened`: `data`, if the caller has
    opened it already. `watch`: told of the images drawn, after every step, in place of a progress bar. `fields`: any
    field of the system's Config, e.g. `images=100_000`. Under `torchrun --max-restarts` it goes on with its own run, if
    that is there.
    Raises SfumatoError for bad input and Stopped after SIGINT or SIGTERM, when everything is saved.
    """
    _check_intervals(save_every, log_every)
    names = _names(data)
    entry, preset = find(system, names)
    config = build(entry.config_class, fields, entry.name, base=entry.presets[preset])
    entry.system_class.refuse(config)
    folder = RunFolder(run)
    for name in names:
        check_outside(folder.path, path_of(name), "--run")
    with together(str(folder.path)):
        runtime = choose(device, precision, threads)
        there = bool(largest_over_processes(runtime.process == 0 and folder.is_run, runtime.device))
        if there and not _restarts():
            raise SfumatoError(f"{folder.path}: holds a run already: go on with `sfumato resume {folder.path}`")
        start = None if start_from is None else str(resolved(Path(start_from).expanduser()))
        if start and not there:  # one that is there has the weights in its checkpoint
            check_start(start, folder, entry)
        held = HeldOut(tuple(split), holdout, seed)
        opened = opened or open_for(entry, config, names, strict, held)
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
                valid=len(opened.valid or ()),
                split=held.split,
                holdout=holdout,
                reading=opened.reading,
                palette=tuple(f"#{bytes(colour).hex()}" for colour in opened.palette),
            ),
            seed=seed,
            device=runtime.device.type,  # pyright: ignore[reportArgumentType] - one of those that `choose` knows
            precision=runtime.precision,
            processes=runtime.processes,
            threads=torch.get_num_threads(),
            start_from=start,
        )
        known = _same(folder, manifest) if there else None
        _writable(folder.path)
        return _train(folder, runtime, opened, known or manifest, known, save_every, log_every, evaluate, watch)


def _check_intervals(save_every: float, log_every: int | None) -> None:
    if not save_every >= 0:
        raise SfumatoError(f"save_every {save_every}: must be seconds, 0 or more")
    if log_every is not None and log_every < 1:
        raise SfumatoError(f"log_every {log_every}: must be 1 image or more")


def _names(data: str | Path | Sequence[str | Path]) -> tuple[str, ...]:
    return (str(data),) if isinstance(data, str | Path) else tuple(map(str, data))


def _restarts() -> bool:
    """Whether torchrun was told to start again what has failed (`--max-restarts`). How often it has done so is not
    asked: its agents on several machines count differently, and a job that is queued again begins at 0."""
    return int(os.environ.get("TORCHELASTIC_MAX_RESTARTS", "0")) > 0


def _same(folder: RunFolder, new: Manifest) -> Manifest:
    """What the run in `folder` is. Raises SfumatoError unless it is the one that `new` would begin."""
    known = folder.manifest()
    pairs = {name: (getattr(known, name), getattr(new, name)) for name in IDENTITY}
    pairs["data"] = (known.data.fingerprint, new.data.fingerprint)
    if other := [name for name, (there, asked) in pairs.items() if there != asked]:
        raise SfumatoError(
            f"{folder.path}: holds a run already, and one of another {', '.join(other)}: take another folder, or go on "
            f"with `sfumato resume {folder.path}`"
        )
    return known


def resume(
    run: str | Path,
    *,
    images: int | None = None,
    data: str | Path | Sequence[str | Path] = (),
    device: str | None = None,
    precision: str | None = None,
    threads: int | None = None,
    save_every: float = 30.0,
    log_every: int | None = None,
    evaluate: bool = True,
    opened: ImageData | None = None,
    watch: Watch | None = None,
) -> Run:
    """Goes on with a run exactly where its last checkpoint stands; returns it finished.

    On the same machine and versions, the final weights are bitwise those of a run that was never stopped.
    `images`: how many it shall draw in all from now on, more than before or fewer, after its end too. With a constant
    rate the weights are those of a run that was asked for as many from the start; what follows the length of a run (a
    rate that falls to its end, measures and pictures on the way) goes on as in the longer run, and snapshots of shares
    of the old length are removed. `data`: where its data lie now. `device`, `precision`: as for `train`, by default
    those that it was trained in; others, like another number of `threads`, do not give the same bits.
    All of these are kept in config.json.
    Raises SfumatoError if the folder, its data or its checkpoint is not what it was, or cannot go on to that length.
    """
    _check_intervals(save_every, log_every)
    folder = RunFolder(run)
    with together(str(folder.path)):
        known = _joining(folder)
        if is_model(folder.path):
            raise SfumatoError(f"{folder.path}: a model, without what training needs: nothing to go on with")
        runtime = choose(device or known.device, precision or known.precision, threads)
        if runtime.processes != known.processes:
            raise SfumatoError(
                f"{folder.path}: was trained by {known.processes} processes, not {runtime.processes}: "
                f"use torchrun --nproc-per-node {known.processes}"
            )
        entry, config = configured(known, str(folder.path / "config.json"))
        if images is not None:
            config = with_length(folder, entry, config, images)
        names = _names(data)
        opened = opened or _open_again(folder.path, entry, config, names, known.data, known.seed)
        _check_fingerprint(folder.path, opened, names, known.data)
        entry.family.settle(config, opened, entry.name)
        place = replace(known.data, source=tuple(map(located, names)), name=opened.name) if names else known.data
        manifest = replace(
            known,
            config=known.config if images is None else to_json(config),
            data=place,
            device=runtime.device.type,
            precision=runtime.precision,
            threads=torch.get_num_threads(),
        )
        return _train(folder, runtime, opened, manifest, known, save_every, log_every, evaluate, watch)


def _open_again(path: Path, entry: Entry, config: Any, names: Sequence[str], known: DataRecord, seed: int) -> ImageData:
    """The data of the run in `path`, where they lay or in another place that is named."""
    held = HeldOut(known.split, known.holdout, seed)
    if names:
        return open_for(entry, config, names, held=held)
    with opening(path, known.source):
        return open_for(entry, config, known.source, held=held)


def _check_fingerprint(path: Path, data: ImageData, names: Sequence[str], known: DataRecord) -> None:
    """Raises SfumatoError unless `data`, found at `names` or where they lay, are those of the run in `path`."""
    if data.fingerprint != known.fingerprint:
        what = (
            f"data {' '.join(names)}: not those that it was started with"
            if names
            else f"its data {' '.join(known.source)} has changed since it was started"
        )
        raise SfumatoError(f"{path}: {what} (fingerprint {data.fingerprint}, was {known.fingerprint})")


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
    manifest: Manifest,
    known: Manifest | None,
    save_every: float,
    log_every: int | None,
    evaluate: bool,
    watch: Watch | None,
) -> Run:
    """`manifest`: what the run is from now on; `known`: what it was, None of one that is to begin."""
    new = known is None
    try:
        with awaited(runtime.device):
            if runtime.process == 0:
                with folder.owned():
                    if new and folder.is_run:
                        raise SfumatoError(f"{folder.path}: another process has made a run there")
                    training = Training(folder, runtime, data, save_every, log_every, manifest, new)
                    _record(folder, manifest, known, training.is_over)
                    training.consume(watch)
                    training.finish(evaluate)
            else:
                Training(folder, runtime, data, save_every, log_every, manifest, new).consume()
    except OSError as error:
        if error.errno not in FULL:
            raise
        kept = "its last checkpoint is kept: free some space, then `sfumato resume` it" if folder.has_checkpoint else ""
        raise SfumatoError(f"{folder.path}: {error.strerror}; {kept or 'nothing was saved yet'}") from None
    return Run(folder.path, runtime.device.type, data)


def _record(folder: RunFolder, manifest: Manifest, known: Manifest | None, is_over: bool) -> None:
    """Writes what a run is from now on, and says what that means for its weights. One that is over is measured, not
    trained: it stays one of the device and the threads that trained it."""
    if known is not None:
        if is_over:
            manifest = replace(manifest, device=known.device, precision=known.precision, threads=known.threads)
        for line in _changes(known, manifest):
            warn(f"{folder.path}: {line}")
        if manifest.config != known.config:
            folder.forget_snapshots()
    if not is_over:
        folder.forget_evaluation()
    if manifest != known:
        folder.write_manifest(manifest)


def _changes(known: Manifest, manifest: Manifest) -> Iterator[str]:
    """Why the weights will not be bitwise those of a run that was never stopped."""
    before, after = (f"{it.device} in {it.precision}" for it in (known, manifest))
    if before != after:
        yield f"was trained on {before}, goes on with {after}: its weights will not be bitwise those of one device"
    elif manifest.device == "cpu" and known.threads not in (None, manifest.threads):
        yield (
            f"was trained by {known.threads} threads, goes on by {manifest.threads}, which may add sums in another "
            f"order: --threads {known.threads} is as before"
        )


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
        and manifest.start_from is None
    )
