"""The numbers of a run over time: means per interval, to metrics.jsonl and TensorBoard alike."""

import math
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from torch import Tensor

from ..engine.clock import Tally
from ..engine.loop import Tick
from ..files import append_line, check_place, json_of, sync, write_bytes
from ..reports.events import Events
from .rows import read_rows

COUNT = "of"  # in measures.jsonl: how many images were measured
Values = Mapping[str, float | str]


@dataclass(frozen=True)
class MeterState:
    """A `Meter` as JSON values. Older runs have one count, `count`, of the images of every scalar."""

    sums: dict[str, float]
    counts: dict[str, Tally] = field(default_factory=dict)
    count: Tally | None = None

    def __post_init__(self) -> None:
        if not all(self.counts.get(name, self.count) for name in self.sums):
            raise ValueError("sums of nothing: each must have a count of 1 or more")


@dataclass(frozen=True)
class LogState:
    """What state.json keeps of a run's log."""

    meter: MeterState
    seconds: float


class Meter:
    """Means of scalars since the last reading, each over the steps that had it, weighted by images. Sums stay on the
    device until they are read."""

    def __init__(self, state: MeterState | None = None) -> None:
        self.sums: dict[str, Tensor | float] = dict(state.sums) if state else {}
        self.counts = {name: state.counts.get(name, state.count or 0) for name in state.sums} if state else {}

    def add(self, tick: Tick) -> None:
        for name, value in tick.scalars.items():
            self.sums[name] = self.sums.get(name, 0.0) + value.detach() * tick.drawn
            self.counts[name] = self.counts.get(name, 0) + tick.drawn

    def read(self) -> dict[str, float]:
        means = {name: float(value) / self.counts[name] for name, value in self.sums.items()}
        self.sums, self.counts = {}, {}
        return means

    def state(self) -> dict[str, Any]:
        return {"sums": {name: float(value) for name, value in self.sums.items()}, "counts": dict(self.counts)}


def append_row(path: Path, images: int, values: Values) -> None:
    there = {name: value for name, value in values.items() if isinstance(value, str) or math.isfinite(value)}
    append_line(path, json_of({"images": images, **there}))


class Log:
    """Writes a row per interval. On resume, rows from after the checkpoint are dropped: they will come again."""

    def __init__(self, folder: Path, images: int, seconds: float) -> None:
        self.path, self.measures = folder / "metrics.jsonl", folder / "measures.jsonl"
        self.seconds_before, self.began = seconds, time.monotonic()
        for known in (self.path, self.measures):
            check_place(known)
            if known.exists():
                text = "".join(f"{json_of(row)}\n" for row in read_rows(known) if row["images"] <= images)
                write_bytes(known, text.encode())
        self.events = Events(folder, images)

    @property
    def seconds(self) -> float:
        """Seconds of training so far, those before a resume included."""
        return self.seconds_before + time.monotonic() - self.began

    @contextmanager
    def aside(self) -> Iterator[None]:
        """What is done inside does not count as training."""
        began = time.monotonic()
        yield
        self.began += time.monotonic() - began

    def write(self, images: int, epoch: float, scalars: dict[str, float]) -> None:
        append_row(self.path, images, {"epoch": round(epoch, 4), **scalars, "seconds": round(self.seconds, 3)})
        self.events.scalars(scalars, images)

    def measured(self, images: int, values: Values) -> None:
        """What was measured on the way, to measures.jsonl."""
        append_row(self.measures, images, {"seconds": round(self.seconds, 3), **values})
        numbers = {name: value for name, value in values.items() if name != COUNT and not isinstance(value, str)}
        self.events.scalars({f"measured/{name}": value for name, value in numbers.items()}, images)

    def picture(self, name: str, path: Path, images: int) -> None:
        """`path`: of a PNG."""
        self.events.picture(name, path.read_bytes(), images)

    def sync(self) -> None:
        """Flushes what was written to disk: a checkpoint is not to be younger than its rows."""
        for path in (self.path, self.measures):
            sync(path)

    def close(self) -> None:
        self.events.close()
