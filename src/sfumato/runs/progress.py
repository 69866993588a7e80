"""What one sees while a run trains: where it computes, how far it is, how fast, how long still, the losses."""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import TracebackType

from rich.progress import (
    BarColumn,
    Progress,
    ProgressColumn,
    Task,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)
from rich.text import Text

from ..engine.loop import Tick
from ..terminal import console, say

REFRESH = 0.5  # seconds between two looks at the losses: each look waits for the device


class _Speed(ProgressColumn):
    def render(self, task: Task) -> Text:
        speed = task.speed or task.finished_speed
        return Text(f"{speed:,.0f} images/s" if speed else "", style="progress.data.speed")


class TrainingProgress:
    """A bar on a terminal; elsewhere (a log file, CI) one line per tenth of the run."""

    def __init__(self, title: str, place: str, total: int, done: int) -> None:
        self.console = console()
        self.total = total
        self.live = self.console.is_terminal
        self.next_look = 0.0
        self.next_line = done + total / 10
        self.began, self.began_at = done, time.monotonic()
        self.title, self.place = title, place
        self.bar = Progress(
            TextColumn("{task.description}", markup=False), BarColumn(), TextColumn("{task.percentage:>3.0f} %"),
            _Speed(), TimeRemainingColumn(), TextColumn("{task.fields[losses]}", markup=False),
            TextColumn("{task.fields[place]}", "dim", markup=False), console=self.console, disable=not self.live,
        )  # fmt: skip
        self.task = self.bar.add_task(title, total=total, completed=done, losses="", place=place)

    def __enter__(self) -> "TrainingProgress":
        self.bar.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, _: TracebackType | None) -> None:
        self.bar.stop()

    def show(self, tick: Tick) -> None:
        now = time.monotonic()
        if self.live and now >= self.next_look:
            self.bar.update(self.task, completed=min(tick.images, self.total), losses=_losses(tick))
            self.next_look = time.monotonic() + REFRESH
        elif not self.live and tick.images >= self.next_line:
            speed = (tick.images - self.began) / max(now - self.began_at, 1e-9)
            share = min(1.0, tick.images / self.total)
            line = f"{self.title}: {share:4.0%}, {speed:,.0f} images/s, {_losses(tick)}, {self.place}"
            say(line)
            self.next_line += self.total / 10


@contextmanager
def measuring(title: str) -> Iterator[None]:
    """A moving bar with the seconds so far, on a terminal."""
    shown = console()
    columns = TextColumn("{task.description}", markup=False), BarColumn(), TimeElapsedColumn()
    with Progress(*columns, console=shown, transient=True, disable=not shown.is_terminal) as bar:
        bar.add_task(title, total=None)
        yield


@contextmanager
def stepping(title: str, steps: int) -> Iterator[Callable[[int, str], None]]:
    """A bar over so many steps; give it those done, and what is said of them."""
    shown = console()
    columns = (
        TextColumn("{task.description}", markup=False), BarColumn(), TextColumn("{task.percentage:>3.0f} %"),
        TimeRemainingColumn(), TextColumn("{task.fields[said]}", markup=False),
    )  # fmt: skip
    with Progress(*columns, console=shown, transient=True, disable=not shown.is_terminal) as bar:
        task = bar.add_task(title, total=steps, said="")
        yield lambda done, said: bar.update(task, completed=done, said=said)


def _losses(tick: Tick) -> str:
    return ", ".join(f"{name} {float(value):.4f}" for name, value in tick.scalars.items())
