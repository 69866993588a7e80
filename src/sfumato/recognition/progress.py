"""What one sees while pictures are read, and what is said of all of them at the end."""

import sys
import time
from collections import Counter

from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from ..terminal import console
from .predict import LEAST, Prediction

PATIENCE = 1.0  # seconds before a progress bar
LISTED = 12  # classes in a line


class Bar:
    """A progress bar on standard error, once the work has taken a while and somebody looks."""

    def __init__(self, title: str, total: int | None) -> None:
        self.title, self.total, self.done = title, total, 0
        self.console, self.began = console(), time.monotonic()
        self.progress: Progress | None = None

    def advance(self) -> None:
        self.done += 1
        if self.progress is not None:
            self.progress.update(self.progress.task_ids[0], completed=self.done)
        elif self.console.is_terminal and time.monotonic() - self.began > PATIENCE:
            self.progress = Progress(
                TextColumn("{task.description}", markup=False), BarColumn(), MofNCompleteColumn(),
                TimeRemainingColumn(), console=self.console, transient=True,
                redirect_stdout=sys.stdout.isatty(),  # answers that go into a file or a pipe stay there
            )  # fmt: skip
            self.progress.start()
            self.progress.add_task(self.title, total=self.total, completed=self.done)

    def close(self) -> None:
        if self.progress is not None:
            self.progress.stop()


class Tally:
    """How many answers there are, and of what. `noun`: what is read, `total` of them if that is known."""

    def __init__(self, noun: str, total: int | None) -> None:
        self.noun, self.total, self.count, self.bare = noun, total, 0, 0
        self.classes = Counter[str]()

    def add(self, found: Prediction) -> None:
        self.count += 1
        values = found.values
        if "objects" in values:
            self.classes.update(item["name"] for item in values["objects"])
            self.bare += not values["objects"]
        elif "pixels" in values:
            self.classes.update(name for name, share in values["pixels"].items() if share >= LEAST)
        else:
            self.classes[values["classes"][0]["name"]] += 1

    def words(self) -> str:
        common = self.classes.most_common(LISTED)
        said = [f"{name} {count:,}" for name, count in common]
        if len(self.classes) > LISTED:
            said.append(f"{len(self.classes) - LISTED} more classes")
        if self.bare:
            said.append(f"nothing in {self.bare:,}")
        of = f" of {self.total:,}" if self.total and self.total > self.count else ""
        return f"{self.count:,}{of} {self.noun} read{': ' if said else ''}{', '.join(said)}"
