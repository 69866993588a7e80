"""A run in training: it is fed, logged, drawn, saved and stopped here."""

import math
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import asdict, replace
from typing import Any

import torch

from ..data.batches import batches_for, check_cuts
from ..data.dataset import ImageData
from ..data.pictures import to_picture, write_picture
from ..engine.checkpoint import (
    check_shapes,
    load_best,
    load_checkpoint,
    save_best,
    save_checkpoint,
    save_snapshot,
)
from ..engine.clock import Clock
from ..engine.loop import Draw, Tick, ticks
from ..engine.memory import keep_freed_memory
from ..engine.runtime import Runtime, largest_over_processes
from ..engine.system import Stage
from ..errors import SfumatoError
from ..files import write_json
from ..seeds import derive
from ..strict import convert
from ..terminal import warn
from ..threads import warning
from .catalog import configured
from .folder import RunFolder
from .log import Log, LogState, Meter, append_row
from .manifest import Manifest
from .open import history_of
from .page import write_page
from .progress import TrainingProgress, measuring
from .start import load_start
from .stopping import Stopped, StopSignals

Watch = Callable[[int], object]
MEASURING = 0.05  # of the seconds trained so far may go into measures on the way
DRAWING = 0.02  # the same for pictures of what it can
CREDIT = 0.5  # and so many seconds beside, each
ROWS = 5_000  # of a log, at most, unless somebody asks for more
GUESS = 6e-4  # seconds that measuring takes for each number of an image


class Allowance:
    """Of seconds beside training: a `share` of those trained so far, and CREDIT. `guess`: how long it takes once."""

    def __init__(self, share: float, guess: float = 0.0) -> None:
        self.share, self.last, self.spent = share, guess, 0.0

    def allows(self, trained: float) -> bool:
        """Whether to do it once more takes no more than that."""
        return self.spent + self.last <= CREDIT + self.share * trained

    @contextmanager
    def spending(self) -> Iterator[None]:
        began = time.monotonic()
        yield
        self.last = time.monotonic() - began
        self.spent += self.last


class Training:
    """A run in training. `ticks()` is the one consumer of the engine's loop: it logs, draws, saves and stops."""

    def __init__(
        self,
        folder: RunFolder,
        runtime: Runtime,
        data: ImageData,
        save_every: float,
        log_every: int | None,
        manifest: Manifest,
        new: bool,
    ) -> None:
        """`manifest`: what the run is, or shall be from now on. `new`: begin it, whatever lies in the folder."""
        self.folder, self.runtime, self.data = folder, runtime, data
        if runtime.device.type == "cpu":
            keep_freed_memory()
        self.seed = manifest.seed
        self.entry, config = configured(manifest, str(folder.path / "config.json"))
        self.save_every = save_every
        resumed = folder.has_checkpoint and not new
        if resumed:
            check_shapes(folder.path, lambda: self.entry.build(config))
        torch.manual_seed(derive(self.seed, "weights"))
        self.system = self.entry.build(config)
        if not resumed:  # a run that was killed before its first checkpoint begins anew
            self.system.begin()
            if manifest.start_from:
                self._say(load_start(self.system, self.entry, config, manifest.start_from))
        self.system.to(runtime.device, memory_format=self.system.layout(runtime))  # pyright: ignore[reportCallIssue]
        self.clock, self.meter, self.seconds = Clock(), Meter(), 0.0
        # Refuses batches that cannot be, before anything is written.
        check_cuts(data, self.system.stages(), runtime.processes, self.system.least_batch)
        if resumed:
            self.clock, log = load_checkpoint(folder.path, self.system)
            kept = convert(log, LogState, f"{folder.path}: log of its state")
            self.meter, self.seconds = Meter(kept.meter), kept.seconds
        if largest_over_processes(self.clock.images, runtime.device) != self.clock.images:
            raise SfumatoError(
                f"{folder.path}: process {runtime.process} finds a checkpoint after {self.clock.images:,} images, "
                f"another process a later one: all machines must share the run folder"
            )
        self.manifest = manifest
        self.best: tuple[float, int] = (-math.inf, 0)  # the best measure, and after how many images
        if not resumed:
            folder.forget_checkpoints()
        self.total = sum(stage.images for stage in self.system.stages())
        self.epoch = max(len(data.train), -(-self.total // ROWS))
        self.log_every = log_every or self.epoch
        self.log: Log | None = None
        self.glances, self.drawings = Allowance(MEASURING, GUESS * math.prod(data.shape)), Allowance(DRAWING)
        if manifest.start_from and not resumed:  # whatever becomes of the other run, this one has its weights
            self._save()

    @property
    def is_over(self) -> bool:
        """Whether all images are drawn."""
        return self.clock.images >= self.total

    def _say(self, text: str) -> None:
        """A line for whoever looks on."""
        if not self.runtime.process:
            warn(f"{self.folder.path}: {text}")

    def feed(self, stage: Stage) -> Draw[Any]:
        """The batches of `stage` as a function of the clock."""
        runtime = self.runtime
        batches = batches_for(
            self.data, stage, self.seed, self.system.image_range, runtime.process, runtime.processes, runtime.device,
            self.system.layout(runtime),
        )  # fmt: skip
        return batches.at

    def ticks(self) -> Iterator[Tick]:
        """Trains, and yields each step after it has been logged and, when it is time, drawn and saved.

        Raises Stopped after a stop signal and SfumatoError when a loss is no longer finite; both times the last good
        state is on disk.
        """
        leads = self.runtime.process == 0
        self.log = Log(self.folder.path, self.clock.images, self.seconds) if leads else None
        if self.validates and leads:
            for row in self.folder.metrics("measures.jsonl"):
                self._better(row.get(self.system.chosen_by), int(row["images"]))
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
                    if self._is_enough():
                        self._end_here()
                        break
                    if (signum := self._agreed(signals.requested)) is not None:
                        self._save()
                        raise Stopped(signum, self.clock.images, self.folder.path)
                if self.meter.counts:
                    self._write_row()
                self._save()
        finally:
            if self.log:
                self.log.close()

    def consume(self, watch: Watch | None = None) -> None:
        """Runs `ticks()` to the end under a progress bar, or tells `watch` of the images drawn."""
        if self.runtime.process or watch:
            for tick in self.ticks():
                if watch:
                    watch(tick.images)
            return
        if self.runtime.device.type == "cpu" and (said := warning()):
            warn(said)
        if self.data.reading or self.data.left_out or self.data.valid:
            warn(f"{self.data.name}: {self.data.told}")
        if self.is_over:
            self._say(
                f"all of its {self.total:,} images are drawn: to train longer, `sfumato resume {self.folder.path} "
                f"--images N`, N more than {self.clock.images:,}"
            )
        for line in () if self.clock.images else self.entry.family.advise(self.system, self.data):
            self._say(line)
        title = f"{self.entry.name} on {self.data.name}"
        with TrainingProgress(title, self.runtime.describe(), self.total, self.clock.images) as progress:
            for tick in self.ticks():
                with suppress(OSError):  # nobody looks on: the terminal is closed, or its log is full
                    progress.show(tick)

    def finish(self, evaluate: bool) -> None:
        """Measures the finished run and writes its page."""
        if not evaluate:
            return
        system, family = self.system.eval(), self.entry.family
        with measuring(f"measuring {self.entry.name}"):
            history = history_of(self.folder)
            chosen = load_best(self.folder.path, system)
            if chosen is not None and family.calibrate(system, self.data, self.runtime):
                save_best(self.folder.path, system, chosen)
            evaluation = family.evaluate(system, self.data, self.runtime, history)
            if history.measures and history.measures[-1]["images"] < self.clock.images:  # the end of its curve
                glanced = evaluation.more.get("glance") or family.glance(system, self.data, self.runtime)
                trained = {"seconds": history.rows[-1]["seconds"]} if history.rows else {}
                append_row(self.folder.path / "measures.jsonl", self.clock.images, {**trained, **glanced})
                history = history_of(self.folder)
            write_page(self.folder, self.entry, system, self.data, self.runtime, history, evaluation)
            write_json(self.folder.path / "evaluation.json", asdict(evaluation))

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
        if self.clock.crossed(max(1, self.total // self.system.looks)) and self._may_draw():
            with self.drawings.spending():
                self._draw()
        if self.log is not None and self._may_measure(self.log.seconds):
            self._finite(self.meter.state()["sums"])
            with self.glances.spending(), self.log.aside():
                found = self.entry.family.glance(self.system, self.data, self.runtime)
                self.log.measured(self.clock.images, found)
                if self.validates:
                    self._choose(found)

    def _may_measure(self, trained: float) -> bool:
        """Whether it is time, and measuring once more takes no more than its share of the seconds trained so far; what
        weights are chosen by is measured after every epoch."""
        if self.validates or self.system.follows:
            return self.clock.crossed(self.epoch) or self.is_over
        every = self.system.glance_every
        if not every or not self.clock.crossed(every) or self.is_over:
            return False
        return self.system.glances_asked or self.glances.allows(trained)

    @property
    def validates(self) -> bool:
        """Whether weights are chosen by images that are neither trained nor tested on."""
        return bool(self.system.chosen_by) and self.data.valid is not None

    def _choose(self, found: Mapping[str, float | str]) -> None:
        """Keeps the weights if they are better than all before."""
        if self._better(found.get(self.system.chosen_by), self.clock.images):
            save_best(self.folder.path, self.system, self.clock.images)

    def _better(self, value: float | str | None, images: int) -> bool:
        """Whether a measure is better than all before; it is remembered then."""
        if not isinstance(value, float | int) or value <= self.best[0]:
            return False
        self.best = float(value), images
        return True

    def _is_enough(self) -> bool:
        """Whether the weights have not become better for as long as the system has patience; all processes agree."""
        if not self.system.patience or not self.validates:
            return False
        waited = self.clock.images - self.best[1] if self.log else 0
        return bool(largest_over_processes(waited >= self.system.patience * len(self.data.train), self.runtime.device))

    def _end_here(self) -> None:
        """The run has had all of its images."""
        self._say(f"no better for {self.system.patience} epochs: ends after {self.clock.images:,} images")
        self.total = self.clock.images
        if self.runtime.process == 0:
            config = {**self.manifest.config, "images": self.clock.images}
            self.folder.write_manifest(replace(self.manifest, config=config))

    def _may_draw(self) -> bool:
        """Whether one more picture takes no more than its share of the seconds trained so far; there is one of the end
        always."""
        return self.drawings.allows(self.log.seconds if self.log else 0.0) or self.clock.images >= self.total

    def _draw(self) -> None:
        picture = self.entry.family.look(self.system.eval(), self.data, self.runtime)
        path = self.folder.path / "samples" / f"{self.clock.images:012d}.png"
        write_picture(to_picture(picture), path)
        if self.log:
            self.log.picture("samples", path, self.clock.images)

    def _keep_snapshots(self) -> None:
        for share in self.system.snapshots:
            if self.clock.before < share * self.total <= self.clock.images:
                save_snapshot(self.folder.path, self.system, round(100 * share))

    def _save(self) -> None:
        meter = self.meter.state()
        norm = torch.stack([parameter.detach().norm() for parameter in self.system.parameters()]).sum()
        self._finite({**meter["sums"], "norm of the weights": float(norm)})
        seconds = self.log.seconds if self.log else 0.0
        if self.log:
            self.log.sync()
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
