"""The runs of a study, side by side: one process each where cores and memory allow, one bar for all of them.

A run is trained by as many threads as the cores leave for each when all go side by side, whether they do or not: what
comes out does not depend on it. The processes are `studies.worker`; words go to and fro as lines of JSON.
"""

import json
import os
import queue
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import asdict
from pathlib import Path
from typing import Any

import torch
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn

from ..engine.runtime import Runtime
from ..errors import SfumatoError
from ..runs.stopping import Stopped, StopSignals
from ..terminal import console, say
from ..threads import usable_cores
from .budget import Budget
from .plan import Plan, Settings, Setup, folder_of, obtain

WORTH = 15.0  # seconds of training from which on it pays to start processes
PROCESS = 900 * 2**20  # bytes that one needs beside its data
MEMORY = Path("/proc/meminfo")
POLL = 0.2  # seconds between two looks at signals
LINES = 10  # where no bar can be drawn


def threads_for(setup: Setup, runtime: Runtime) -> int:
    """Threads for each of the runs."""
    if runtime.device.type != "cpu":
        return torch.get_num_threads()
    return max(1, usable_cores() // len(setup.plans))


def room(setup: Setup, runtime: Runtime) -> int:
    """How many runs of the study can be trained side by side: what cores and memory allow."""
    if runtime.device.type != "cpu":
        return 1
    sets = (setup.data, *setup.others, *(plan.on[1] for plan in setup.plans if plan.on))
    held = sum({data.fingerprint: data.bytes_held for data in sets}.values())
    memory = _free_memory() // (PROCESS + held)
    return max(1, min(len(setup.plans), usable_cores() // threads_for(setup, runtime), memory))


def train_all(settings: Settings, setup: Setup, runtime: Runtime, budget: Budget) -> None:
    """Trains those of the study's runs that are not finished. Raises Stopped after a stop signal, when all are saved, and
    SfumatoError if one of them cannot be trained."""
    plans = [plan for plan in setup.plans if not folder_of(plan, settings).is_finished]
    # The longest first, so that none is waited for at the end.
    plans.sort(key=lambda plan: -budget.seconds[plan.name])
    seconds = sum(budget.seconds[plan.name] for plan in plans)
    count = min(len(plans), room(setup, runtime)) if seconds >= WORTH else 1
    if not plans:
        return
    with _Bar(settings.name, seconds, budget) as bar:
        if count == 1:
            with few_threads(threads_for(setup, runtime)):
                for plan in plans:
                    obtain(plan, settings, setup, runtime, lambda images, name=plan.name: bar.show(name, images))
        else:
            _Crew(settings, threads_for(setup, runtime), budget, bar).train(plans, count)


@contextmanager
def few_threads(count: int) -> Iterator[None]:
    before = torch.get_num_threads()
    torch.set_num_threads(count)
    try:
        yield
    finally:
        torch.set_num_threads(before)


class _Bar:
    """One bar over the seconds that all runs should take, with the time left; a line per tenth where there is no terminal."""

    def __init__(self, study: str, seconds: float, budget: Budget) -> None:
        self.study, self.total, self.budget = study, seconds, budget
        self.done: dict[str, float] = {}
        shown = console()
        self.live, self.said, self.began = shown.is_terminal, 0, time.monotonic()
        self.bar = Progress(
            TextColumn("{task.description}", markup=False), BarColumn(), TextColumn("{task.percentage:>3.0f} %"),
            TimeElapsedColumn(), TimeRemainingColumn(), TextColumn("{task.fields[running]}", "dim", markup=False),
            console=shown, disable=not self.live,
        )  # fmt: skip
        self.task = self.bar.add_task(f"study {study}", total=seconds, running="")

    def __enter__(self) -> "_Bar":
        self.bar.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.bar.stop()

    def show(self, name: str, images: int) -> None:
        """`images`: of the run `name`, so far."""
        total = self.budget.images[name]
        self.done[name] = self.budget.seconds[name] * min(1.0, images / total)
        so_far = sum(self.done.values())
        running = [other for other, seconds in self.done.items() if seconds < self.budget.seconds[other]]
        self.bar.update(self.task, completed=so_far, running=", ".join(running))
        if not self.live and so_far * LINES >= self.total * (self.said + 1):
            self.said = int(so_far * LINES / self.total)
            took = time.monotonic() - self.began
            left = took / so_far * (self.total - so_far)
            names = ", ".join(running) or name
            say(f"study {self.study}: {so_far / self.total:4.0%}, {left:,.0f} s left, {names}")


class _Crew:
    """Processes that train runs, each one after the other."""

    def __init__(self, settings: Settings, threads: int, budget: Budget, bar: _Bar) -> None:
        self.order = {**asdict(settings), "out": str(settings.out), "threads": threads, "images": dict(budget.cut)}
        self.order["features"] = settings.features and str(settings.features)
        self.bar = bar
        self.words: queue.Queue[tuple[subprocess.Popen[str], dict[str, Any] | None]] = queue.Queue()

    def train(self, plans: Sequence[Plan], count: int) -> None:
        waiting = [plan.name for plan in plans]
        environment = {**os.environ, "OMP_NUM_THREADS": str(self.order["threads"])}
        # A session of their own: a Ctrl-C at the terminal comes to us alone, and is passed on once.
        workers = [
            subprocess.Popen([sys.executable, "-m", "sfumato.studies.worker"], stdin=subprocess.PIPE,
                             stdout=subprocess.PIPE, text=True, env=environment, start_new_session=True)
            for _ in range(count)
        ]  # fmt: skip
        ears = [threading.Thread(target=self._listen, args=(worker,), daemon=True) for worker in workers]
        try:
            with StopSignals() as signals:
                for worker, ear in zip(workers, ears, strict=True):
                    ear.start()
                    _say(worker, self.order)
                self._lead(workers, waiting, signals)
        finally:
            for worker, ear in zip(workers, ears, strict=True):
                if worker.poll() is None:
                    worker.terminate()
                worker.wait()
                ear.join()
                for stream in (worker.stdin, worker.stdout):
                    with suppress(OSError):
                        stream.close()  # pyright: ignore[reportOptionalMemberAccess]

    def _listen(self, worker: "subprocess.Popen[str]") -> None:
        assert worker.stdout is not None
        for line in worker.stdout:
            self.words.put((worker, json.loads(line)))
        self.words.put((worker, None))

    def _lead(self, workers: "list[subprocess.Popen[str]]", waiting: list[str], signals: StopSignals) -> None:
        running, failed, passed_on = dict.fromkeys(workers, ""), "", False
        stopped: Stopped | None = None
        while running:
            if (signals.requested or failed) and not passed_on:
                passed_on = True
                for worker in running:
                    worker.terminate()
            try:
                worker, word = self.words.get(timeout=POLL)
            except queue.Empty:
                continue
            if word is None:
                name = running.pop(worker)
                if name and not passed_on:
                    failed = f"run {name}: its process ended ({worker.wait()}): call the study again to go on"
            elif "failed" in word:
                failed = failed or word["failed"]
            elif "stopped" in word:
                path = Path(self.order["out"]) / "runs" / running[worker]
                running[worker] = ""
                stopped = Stopped(signals.requested or signal.SIGTERM, word["stopped"], path)
            elif "images" in word:
                self.bar.show(running[worker], word["images"])
            elif waiting and not passed_on:  # it is ready, or has finished one
                running[worker] = waiting.pop(0)
                _say(worker, running[worker])
            else:
                running[worker] = ""
                with suppress(OSError):
                    worker.stdin.close()  # pyright: ignore[reportOptionalMemberAccess] - it ends
        if failed:
            raise SfumatoError(failed)
        if signals.requested:
            raise stopped or Stopped(signals.requested, 0, Path(self.order["out"]))


def _say(worker: "subprocess.Popen[str]", word: Mapping[str, Any] | str) -> None:
    assert worker.stdin is not None
    with suppress(OSError):  # it has ended: that is heard of elsewhere
        worker.stdin.write(json.dumps(word) + "\n")
        worker.stdin.flush()


def _free_memory() -> int:
    """Bytes, as the system estimates them; where it says nothing, plenty."""
    with suppress(OSError, ValueError, IndexError):
        for line in MEMORY.read_text("utf-8").splitlines():
            if line.startswith("MemAvailable:"):
                return int(line.split()[1]) * 1024
    return sys.maxsize
