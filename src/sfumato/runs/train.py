"""Making a run: create its folder, train it, save it, resume it. The command line, Python and studies all come here."""

import errno
import math
import os
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import torch

from ..data.batches import batches_for, check_cuts
from ..data.dataset import ImageData
from ..data.sources import NAMES
from ..engine.checkpoint import load_checkpoint, save_checkpoint, save_snapshot
from ..engine.clock import Clock
from ..engine.loop import Draw, Tick, ticks
from ..engine.memory import keep_freed_memory
from ..engine.runtime import Runtime, choose, largest_over_processes, leave
from ..engine.system import Stage
from ..errors import SfumatoError
from ..files import write_json
from ..gans.diagnosis import history
from ..gans.drawing import measure_on_the_way
from ..gans.game import Adversarial
from ..seeds import derive
from ..strict import convert
from ..version import __version__
from .catalog import find, open_for, settled
from .evaluate import evaluate_run
from .fields import build, to_json
from .folder import RunFolder
from .log import Log, LogState, Meter
from .open import Run
from .page import write_page
from .pictures import progress_picture, save_picture
from .progress import TrainingProgress
from .stopping import Stopped, StopSignals

MEASUREMENTS = 10  # on the way, of systems that are measured then


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
    **fields: Any,
) -> Run:
    """Trains `system` (`NAME` or `NAME:PRESET`) on `data` and returns the finished run.

    `data`: a name or path as `open_data` takes it, two of them for a system that learns from two sets side by side, or
    nothing for the embedded data of the system. `run`: the folder to make. `save_every`: seconds between checkpoints.
    `log_every`: images between two rows of metrics.jsonl, an epoch by default. `evaluate`: measure it at the end and
    write report.html. `opened`: `data`, if the caller has opened it already. `fields`: any field of the system's
    Config, e.g. `images=100_000`.
    Raises SfumatoError for bad input and Stopped after SIGINT or SIGTERM, when everything is saved.
    """
    names = (data,) if isinstance(data, str) else tuple(data)
    entry, preset = find(system, names)
    config = build(entry.config_class, fields, f"{entry.name}: field", base=entry.presets[preset])
    folder = RunFolder(run)
    runtime = choose(device, precision)
    if runtime.process == 0 and folder.is_run:
        raise SfumatoError(f"{folder.path}: holds a run already: go on with `sfumato resume {folder.path}`")
    opened = opened or open_for(entry, config, names, strict)
    config = settled(config, opened)
    values = {
        "sfumato": __version__,
        "torch": torch.__version__,
        "system": entry.name,
        "preset": preset,
        "config": to_json(config),
        "data": {
            "source": [
                name if name in NAMES else str(Path(name).expanduser().resolve()) for name in names or entry.data
            ],
            "name": opened.name,
            "fingerprint": opened.fingerprint,
            "classes": list(opened.classes),
            "train": len(opened.train),
            "test": len(opened.test),
        },
        "seed": seed,
        "device": runtime.device.type,
        "precision": runtime.precision,
        "processes": runtime.processes,
    }
    _writable(folder.path)
    return _train(folder, runtime, opened, values, save_every, log_every, evaluate)


def resume(
    run: str | Path,
    *,
    save_every: float = 30.0,
    log_every: int | None = None,
    evaluate: bool = True,
    opened: ImageData | None = None,
) -> Run:
    """Goes on with a run exactly where its last checkpoint stands; returns it finished.

    On the same machine and versions, the final weights are bitwise those of a run that was never stopped.
    Raises SfumatoError if the folder, its data or its checkpoint is not what it was.
    """
    folder = RunFolder(run)
    values = folder.read_config()
    runtime = choose(values["device"], values["precision"])
    if runtime.processes != values["processes"]:
        raise SfumatoError(
            f"{folder.path}: was trained by {values['processes']} processes, not {runtime.processes}: "
            f"use torchrun --nproc-per-node {values['processes']}"
        )
    entry, config = folder.build_config(values)
    opened = opened or open_for(entry, config, values["data"]["source"])
    if opened.fingerprint != values["data"]["fingerprint"]:
        raise SfumatoError(
            f"{folder.path}: its data {values['data']['source']!r} has changed since it was started "
            f"(fingerprint {opened.fingerprint}, was {values['data']['fingerprint']})"
        )
    return _train(folder, runtime, opened, None, save_every, log_every, evaluate)


def _train(
    folder: RunFolder,
    runtime: Runtime,
    data: ImageData,
    new: dict[str, Any] | None,
    save_every: float,
    log_every: int | None,
    evaluate: bool,
) -> Run:
    """`new`: the config.json of a run to begin; None goes on with the one that is there."""
    try:
        if runtime.process == 0:
            with folder.owned():
                if new is not None and folder.is_run:
                    raise SfumatoError(f"{folder.path}: another process has made a run there")
                training = Training(folder, runtime, data, save_every, log_every, new)
                if new is not None:
                    write_json(folder.path / "config.json", new)
                training.consume()
                training.finish(evaluate)
        else:
            Training(folder, runtime, data, save_every, log_every, new).consume()
    except OSError as error:
        if error.errno not in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG):
            raise
        kept = "its last checkpoint is kept: free some space, then `sfumato resume` it" if folder.has_checkpoint else ""
        raise SfumatoError(f"{folder.path}: {error.strerror}; {kept or 'nothing was saved yet'}") from None
    finally:
        leave()
    return Run(folder.path, runtime.device.type, data)


def _writable(path: Path) -> None:
    try:
        path.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise SfumatoError(f"{path}: cannot be a run folder ({error.strerror})") from None
    if not os.access(path, os.W_OK):
        raise SfumatoError(f"{path}: cannot be written to")


class Training:
    """A run in training. `ticks()` is the one consumer of the engine's loop: it logs, draws, saves and stops."""

    def __init__(
        self,
        folder: RunFolder,
        runtime: Runtime,
        data: ImageData,
        save_every: float,
        log_every: int | None,
        new: dict[str, Any] | None,
    ) -> None:
        self.folder, self.runtime, self.data = folder, runtime, data
        if runtime.device.type == "cpu":
            keep_freed_memory()
        self.values = new or folder.read_config()
        self.seed: int = self.values["seed"]
        self.save_every, self.log_every = save_every, log_every or len(data.train)
        torch.manual_seed(derive(self.seed, "weights"))
        self.entry, self.system = folder.build_system(self.values)
        resumed = new is None and folder.has_checkpoint
        if not resumed:  # a run that was killed before its first checkpoint begins anew
            self.system.begin()
        self.system.to(runtime.device, memory_format=runtime.memory_format)  # pyright: ignore[reportCallIssue]
        self.clock, self.meter, self.seconds = Clock(), Meter(), 0.0
        # Refuses batches that cannot be, before anything is written.
        check_cuts(data, self.system.stages(), runtime.processes, self.system.least_batch)
        if resumed:
            self.clock, log = load_checkpoint(folder.path, self.system)
            kept = convert(log, LogState, f"{folder.path / 'state.json'}: log")
            self.meter, self.seconds = Meter(kept.meter), kept.seconds
        self.total = sum(stage.images for stage in self.system.stages())
        self.log: Log | None = None

    def feed(self, stage: Stage) -> Draw[Any]:
        """The batches of `stage` as a function of the clock."""
        runtime = self.runtime
        batches = batches_for(
            self.data, stage, self.seed, self.system.image_range, runtime.process, runtime.processes, runtime.device,
            runtime.memory_format,
        )  # fmt: skip
        return batches.at

    def ticks(self) -> Iterator[Tick]:
        """Trains, and yields each step after it has been logged and, when it is time, drawn and saved.

        Raises Stopped after a stop signal and SfumatoError when a loss is no longer finite; both times the last good
        state is on disk.
        """
        leads = self.runtime.process == 0
        self.log = Log(self.folder.path, self.clock.images, self.seconds) if leads else None
        try:
            with StopSignals() as signals:
                saved_at = time.monotonic()
                for tick in ticks(self.system, self.feed, self.clock, self.seed, self.runtime):
                    self.meter.add(tick)
                    if self.clock.crossed(self.log_every):
                        self._write_row()
                    if leads:
                        self._look()
                        self._keep_snapshots()
                    if largest_over_processes(time.monotonic() - saved_at >= self.save_every, self.runtime.device):
                        self._save()
                        saved_at = time.monotonic()
                    yield tick
                    if (signum := self._agreed(signals.requested)) is not None:
                        self._save()
                        raise Stopped(signum, self.clock.images, self.folder.path)
                if self.meter.counts:
                    self._write_row()
                self._save()
        finally:
            if self.log:
                self.log.close()

    def consume(self) -> None:
        """Runs `ticks()` to the end under a progress bar."""
        if self.runtime.process:
            for _ in self.ticks():
                pass
            return
        title = f"{self.entry.name} on {self.data.name}"
        with TrainingProgress(title, self.runtime.describe(), self.total, self.clock.images) as progress:
            for tick in self.ticks():
                progress.show(tick)

    def finish(self, evaluate: bool) -> None:
        """Measures the finished run and writes its page."""
        if evaluate:
            evaluation = evaluate_run(self.entry, self.system, self.data, self.runtime)
            evaluation |= history(self.folder, evaluation)
            write_page(self.folder, self.entry, self.system, self.data, self.runtime, evaluation)
            write_json(self.folder.path / "evaluation.json", evaluation)

    def _write_row(self) -> None:
        means = self.meter.read()
        self._finite(means)
        if self.log:
            rates = {
                f"learning_rate/{name}" if len(self.system.optimizers) > 1 else "learning_rate": group["lr"]
                for name, optimizer in self.system.optimizers.items()
                for group in optimizer.param_groups[:1]
            }
            epoch = self.clock.images / len(self.data.train)
            self.log.write(self.clock.images, epoch, {**means, **rates})

    def _look(self) -> None:
        """A picture, and measures, when it is time."""
        if self.clock.crossed(max(1, self.total // self.system.looks)):
            self._draw()
        if not isinstance(self.system, Adversarial) or self.log is None:
            return
        every = self.system.config.measure_every or max(1, self.total // MEASUREMENTS)
        if self.clock.crossed(every) or self.clock.images >= self.total:
            self._finite(self.meter.state()["sums"])
            with self.log.aside():
                self.log.measured(self.clock.images, measure_on_the_way(self.system, self.data, self.runtime))

    def _draw(self) -> None:
        picture = progress_picture(self.system, self.data, self.runtime)
        save_picture(picture, self.folder.path / "samples" / f"{self.clock.images:012d}.png")
        if self.log:
            self.log.picture("samples", picture, self.clock.images)

    def _keep_snapshots(self) -> None:
        for share in self.system.snapshots:
            if self.clock.before < share * self.total <= self.clock.images:
                save_snapshot(self.folder.path, self.system, round(100 * share))

    def _save(self) -> None:
        meter = self.meter.state()
        norm = torch.stack([parameter.detach().norm() for parameter in self.system.parameters()]).sum()
        self._finite({**meter["sums"], "norm of the weights": float(norm)})
        seconds = self.log.seconds if self.log else 0.0
        save_checkpoint(self.folder.path, self.system, self.clock, {"meter": meter, "seconds": seconds})

    def _finite(self, values: dict[str, float]) -> None:
        """Stops a run that has diverged before it overwrites its last good checkpoint."""
        bad = {name: value for name, value in values.items() if not math.isfinite(value)}
        if bad:
            shown = ", ".join(f"{name} {value}" for name, value in bad.items())
            kept = "the last checkpoint is kept" if self.folder.has_checkpoint else "nothing was saved yet"
            raise SfumatoError(
                f"{self.folder.path}: diverged before image {self.clock.images:,} ({shown}); {kept}: "
                f"try a smaller --learning-rate or --precision fp32"
            )

    def _agreed(self, requested: int | None) -> int | None:
        """The stop signal that any process got: all must stop after the same step."""
        return largest_over_processes(requested or 0, self.runtime.device) or None


def fits(folder: RunFolder, system: str, data: ImageData, seed: int, precision: str, fields: dict[str, Any]) -> bool:
    """Whether the run in `folder` is the one that `train` would make of these."""
    values = folder.read_config()
    entry, preset = find(system, (data.name,))
    config = build(entry.config_class, fields, entry.name, base=entry.presets[preset])
    return (
        values["system"] == entry.name
        and values["config"] == to_json(settled(config, data))
        and values["data"]["fingerprint"] == data.fingerprint
        and values["seed"] == seed
        and values["precision"] == precision
    )
