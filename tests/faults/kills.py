"""Runs that are killed and lose power, again and again: they end bitwise as one that was left in peace."""

import dataclasses
import json
import os
import random
import shutil
import signal
import tempfile
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch

import sfumato
from sfumato.data.dataset import ImageData

from ..conftest import toy_data
from ..test_conformance import Case, cases, fit
from .layer import Counted, Disk, between
from .processes import forked

KILLED, LOST = 1_000, 200  # at length
QUICK = {"stacked", "dcgan", "cyclegan"}
TAUGHT = {"encoder"}  # by a network whose weights do not come with the package
LIVES = 12  # of processes that a run may take


def kills(long: bool) -> tuple[str, list[str]]:
    """SIGKILL, at calls that change files and at any time."""
    return _all(long, KILLED if long else 12, _killed)


def power(long: bool) -> tuple[str, list[str]]:
    """Loss of power: of files and folders what was flushed is left, of the rest a part."""
    return _all(long, LOST if long else 9, _without_power)


def _all(long: bool, count: int, life: Callable[..., None]) -> tuple[str, list[str]]:
    torch.set_num_threads(1)
    chosen = {case.entry.name: case for case in cases().values() if case.entry.name not in TAUGHT}
    if not long:
        chosen = {name: case for name, case in chosen.items() if name in QUICK}
    ended, faults, began = 0, list[str](), time.monotonic()
    for number, (name, case) in enumerate(chosen.items()):
        share = count * (number + 1) // len(chosen) - count * number // len(chosen)
        with tempfile.TemporaryDirectory() as folder:
            tried = Trial(Path(folder), case, random.Random(number))
            ended += tried.all_of(share, life)
            faults += [f"{name}: {fault}" for fault in tried.faults]
    return f"{ended} ends of {len(chosen)} systems in {time.monotonic() - began:.0f} s", faults


class Trial:
    """One system, and the run that others must equal."""

    def __init__(self, folder: Path, case: Case, pick: random.Random) -> None:
        self.folder, self.case, self.pick, self.faults = folder, case, pick, list[str]()
        self.data, self.said = toy_of(case), folder / "said"
        whole, counted = folder / "whole", Counted()
        whole.mkdir()
        began = time.monotonic()
        with between(whole, counted):
            self.go_on(whole / "run")
        self.seconds, self.calls = time.monotonic() - began, len(counted.calls)
        self.expected = outcome(whole / "run")

    def go_on(self, run: Path) -> None:
        """Begins the run, or goes on with it, to its end."""
        fields = {field.name: getattr(self.case.config, field.name) for field in dataclasses.fields(self.case.config)}
        if fields.get("classes"):
            fields["classes"] = len(self.data.classes)
        if fields.get("pretrained"):  # weights that may not be here
            fields |= {"pretrained": False} | ({"frozen": 0.0} if "frozen" in fields else {})
        asked: dict[str, Any] = {"opened": self.data, "save_every": 0.0, "log_every": 8, "evaluate": False}
        if (run / "config.json").is_file():
            sfumato.resume(run, **asked)
        else:
            sfumato.train(self.case.entry.name, run=run, device="cpu", precision="fp32", **asked, **fields)

    def all_of(self, count: int, life: Callable[["Trial", Path], None]) -> int:
        """Ends so many processes; each run lives until it is at its end, and is compared."""
        ended = runs = 0
        while ended < count:
            runs += 1
            place = self.folder / f"life-{runs}"
            place.mkdir()
            for _ in range(min(LIVES, count - ended)):
                status = life(self, place)
                if status == 0:
                    break
                if status != -signal.SIGKILL:
                    self.faults.append(f"ended with {status}: {self.said.read_text('utf-8')[-300:]}")
                ended += 1
            if forked(lambda place=place: self.go_on(place / "run"), self.said):
                self.faults.append(f"does not go on: {self.said.read_text('utf-8')[-300:]}")
            elif different := [key for key, value in outcome(place / "run").items() if value != self.expected[key]]:
                self.faults.append(f"after {ended} ends another {', '.join(different)}")
            shutil.rmtree(place)
        return ended


def _killed(trial: Trial, place: Path) -> int:
    if trial.pick.random() < 0.3:  # at any time
        return forked(lambda: trial.go_on(place / "run"), trial.said, trial.pick.random() * trial.seconds)
    counted = Counted(trial.pick.randrange(trial.calls), lambda kind, path: os.kill(os.getpid(), signal.SIGKILL))

    def work() -> None:
        with between(place, counted):
            trial.go_on(place / "run")

    return forked(work, trial.said)


def _without_power(trial: Trial, place: Path) -> int:
    left, pick = place.with_name("left"), random.Random(trial.pick.random())

    def work() -> None:
        disk = Disk(place)

        def lose(kind: str, path: Path) -> None:
            disk.lose_power(left, pick)
            os.kill(os.getpid(), signal.SIGKILL)

        with between(place, Counted(at, lose), disk.flushed):
            trial.go_on(place / "run")

    at = trial.pick.randrange(trial.calls)
    status = forked(work, trial.said)
    if status == -signal.SIGKILL:
        shutil.rmtree(place)
        left.rename(place)
    return status


def outcome(run: Path) -> dict[str, Any]:
    """The last weights with the optimisers, the state, and the rows without their seconds."""
    state = json.loads((run / "state.json").read_text("utf-8"))
    rows = [json.loads(line) for line in (run / "metrics.jsonl").read_text("utf-8").splitlines()]
    return {
        "weights": (run / "checkpoints" / state["weights"]).read_bytes(),
        "state": {name: value for name, value in state.items() if name not in ("log", "digest")},
        "rows": [{name: value for name, value in row.items() if name != "seconds"} for row in rows],
        "files": sorted(path.name for path in run.rglob("*") if path.name.endswith(".part")),
    }


def toy_of(case: Case) -> ImageData:
    """The toy data in the shape that the case wants; two sets of them where it wants two."""
    toy = toy_data()
    data = replace(toy, train=fit(toy.train, case.config), test=fit(toy.test, case.config))
    return replace(data, second=data) if len(case.entry.data) == 2 else data
