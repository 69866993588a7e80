"""Every call that changes files fails in turn: after each there is one line, no half file under a final name, and the
same command, or `resume`, ends as if nothing had been."""

import json
import os
import shutil
import tempfile
import time
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any
from unittest.mock import patch

import torch
from PIL import Image
from safetensors.torch import load_file

import sfumato
from sfumato.cli import main
from sfumato.data.sources import View, open_data
from sfumato.studies.handwriting import plans

from ..studies.conftest import first_of
from .kills import outcome
from .layer import ERRORS, Counted, between, failing
from .processes import forked

OFTEN = ("--log-every", "64", "--save-every", "0")
TRAINING = ("--images", "192", "--batch-size", "64", "--precision", "fp32", *OFTEN)
SHORT = {"batch_size": 32, "images": 64, "precision": "fp32", "evaluate": False}


@dataclass(frozen=True)
class Scenario:
    """A command, run in a folder that `prepare` fills; {} in its words is that folder. `again`: what goes on after a
    failure, if not the same command. `result`: what must be the same then. `every`: it is slow, and at length takes one
    point in so many."""

    name: str
    words: tuple[str, ...]
    prepare: Callable[[Path], object]
    again: Callable[[Path], tuple[str, ...]] | None = None
    result: Callable[[Path], dict[str, Any]] = lambda folder: _files(folder / "out")
    every: int = 1


def _tensors(folder: Path) -> dict[str, Any]:
    """Of what stands before them, the order changes."""
    found = {path.name: load_file(path) for path in (folder / "out").iterdir()}
    return {file: {name: value.tolist() for name, value in tensors.items()} for file, tensors in found.items()}


def _files(folder: Path) -> dict[str, Any]:
    paths = [path for path in sorted(folder.rglob("*")) if path.is_file()]
    return {str(path.relative_to(folder)): path.read_bytes() for path in paths}


def _photograph(folder: Path) -> None:
    noise = torch.randint(0, 255, (2, 48, 64, 3), dtype=torch.uint8, generator=torch.Generator().manual_seed(0))
    for name, pixels in zip(("a", "b"), noise, strict=True):
        for label in ("left", "right"):
            (folder / "data" / label).mkdir(parents=True, exist_ok=True)
            Image.fromarray(pixels.numpy()).save(folder / "data" / label / f"{name}-{label}.png")


def _stopped(folder: Path) -> None:
    """A run that has drawn a part of its images."""
    sfumato.train("stacked", run=folder / "run", save_every=0.0, **SHORT)


def _network(folder: Path) -> None:
    sfumato.train("gan", run=folder / "gan", **SHORT)


def _styled(folder: Path) -> None:
    small = {"resolution": 16, "base": 128, "widest": 16, "latent": 8, "batch_size": 8, "images": 16}
    sfumato.train("stylegan2", run=folder / "styled", **{**SHORT, **small})
    _photograph(folder)


def _translator(folder: Path) -> None:
    small = {"batch_size": 2, "images": 4, "resolution": 32, "width": 4, "blocks": 1}
    sfumato.train("cyclegan", run=folder / "translator", **{**SHORT, **small})
    _photograph(folder)


def _brush(folder: Path) -> None:
    sfumato.train(
        "brush", run=folder / "brush", **{**SHORT, "batch_size": 1, "images": 1, "resolution": 32, "crop": 32}
    )


def _boxed(folder: Path) -> None:
    _photograph(folder)
    rows = "".join(f"{side}/{name}-{side}.png,cat,4,5,24,30\n" for side in ("left", "right") for name in "ab")
    (folder / "data" / "boxes.csv").write_text(f"file,label,xmin,ymin,xmax,ymax\n{rows}", "utf-8")


def _namer(folder: Path) -> None:
    sfumato.train("finetune", run=folder / "namer", **{**SHORT, "images": 32})
    _photograph(folder)


def _going_on(folder: Path) -> tuple[str, ...]:
    begun = (folder / "run" / "config.json").is_file()
    return ("resume", str(folder / "run"), *OFTEN) if begun else SCENARIOS[0].words


def _trained(folder: Path) -> dict[str, Any]:
    """Beside what training comes to: the files at the top."""
    names = {path.name for path in (folder / "run").iterdir() if not path.name.startswith("events.")}
    return {**outcome(folder / "run"), "names": names}


def _reported(folder: Path) -> dict[str, Any]:
    """The page itself says when it was written."""
    return {**_trained(folder), "page": (folder / "run" / "report.html").stat().st_size > 0}


def _studied(folder: Path) -> dict[str, Any]:
    """Its pages say when they were written."""
    rows = json.loads((folder / "out" / "results.json").read_text("utf-8"))["rows"]
    runs = {path.name: outcome(path) for path in sorted((folder / "out" / "runs").iterdir())}
    names = {str(path.relative_to(folder)) for path in folder.glob("out/*")}
    return {**runs, "rows": rows, "names": names, "figures": _files(folder / "out" / "figures")}


SCENARIOS = (
    Scenario("train", ("train", "stacked", *TRAINING, "--run", "{}/run"), lambda _: None, _going_on, _trained),
    Scenario("resume", ("resume", "{}/run", "--images", "192", *OFTEN), _stopped, None, _trained),
    Scenario("sample", ("sample", "{}/gan", "-o", "{}/out/sheet.png", "--count", "4"), _network),
    Scenario("stylize", ("stylize", "{}/data/left", "{}/data/right/a-right.png", "-o", "{}/out", "--precision", "fp32"),
             _photograph),
    Scenario("predict", ("predict", "{}/namer", "{}/data", "-o", "{}/out/out.csv"), _namer),
    Scenario("data check", ("data", "check", "{}/data", "-o", "{}/out/check.png"), _photograph),
    Scenario("codes", ("codes", "{}/run", "-o", "{}/out"), _stopped),
    Scenario("report", ("report", "{}/run"), _stopped, None, _reported),
    Scenario("project", ("project", "{}/styled", "{}/data/left/a-left.png", "--steps", "2", "-o", "{}/out/a.png"),
             _styled),
    Scenario("directions", ("directions", "{}/styled", "-n", "2", "-o", "{}/out"), _styled),
    Scenario("translate", ("translate", "{}/translator", "{}/data/left", "-o", "{}/out"), _translator),
    Scenario("export", ("export", "{}/brush", "-o", "{}/out"), _brush, None, _tensors),
    Scenario("data convert", ("data", "convert", "{}/data", "{}/out", "--to", "yolo"), _boxed),
    Scenario("study", ("study", "handwriting", "--out", "{}/out", "--precision", "fp32"), lambda _: None, None,
             _studied, every=50),
)  # fmt: skip


def few_digits() -> AbstractContextManager[object]:
    """Lets a study of handwriting take seconds."""
    digits = open_data("digits", View(1, 28))
    few = replace(digits, train=first_of(digits.train, 50), test=first_of(digits.test, 50), fingerprint="few")
    return patch.multiple(plans, open_data=lambda *_: few, QUICK_IMAGES=1, QUICK_ABLATION_IMAGES=1)


def calls(long: bool) -> tuple[str, list[str]]:
    """ENOSPC, EIO and EACCES at every call, of a study at every fiftieth; the quick part takes every tenth, with one of
    the three. The study is the one on handwriting, in miniature: ten runs, some 700 calls, 6 seconds."""
    torch.set_num_threads(1)
    tried, faults, began = list[str](), list[str](), time.monotonic()
    for scenario in SCENARIOS if long else SCENARIOS[:3]:
        with few_digits(), tempfile.TemporaryDirectory() as folder:
            points, found = _fail_in_turn(scenario, Path(folder), long)
        tried.append(f"{scenario.name} {points}" + f" (one in {scenario.every})" * (scenario.every > 1))
        faults += found
    return f"{', '.join(tried)} points in {time.monotonic() - began:.0f} s", faults


def _fail_in_turn(scenario: Scenario, folder: Path, long: bool) -> tuple[int, list[str]]:
    start, whole, said = folder / "start", folder / "whole", folder / "said"
    start.mkdir()
    scenario.prepare(start)
    shutil.copytree(start, whole)
    counted = Counted()
    with between(whole, counted):
        _command(scenario.words, whole)()
    expected, count = scenario.result(whole), len(counted.calls)
    points = [(at, error) for at in range(count) for error in ERRORS][:: scenario.every]
    if not long:
        points = points[:: len(points) // 36 * 3 + 1]
    faults = list[str]()
    for at, error in points:
        place = folder / "place"
        shutil.copytree(start, place)
        kind, path = counted.calls[at]
        where = f"{scenario.name}, {kind} of {path.relative_to(whole.resolve())}, error {error}"
        faults += [
            f"{where}: {fault}" for fault in _one(scenario, place, Counted(at, failing(error)), kind, said, expected)
        ]
        shutil.rmtree(place)
    return len(points), faults


def _one(
    scenario: Scenario, place: Path, counted: Counted, kind: str, said: Path, expected: dict[str, Any]
) -> list[str]:
    """What is wrong after a call of that kind has failed."""

    def work() -> None:
        with between(place, counted):
            _command(scenario.words, place)()

    status = forked(work, said)
    text, faults = said.read_text("utf-8"), list[str]()
    if status not in (0, 2) or "Traceback" in text:
        faults.append(f"status {status}: {text[-300:]}")
    elif status and not text.splitlines()[-1].startswith("sfumato: "):
        faults.append(f"no line: {text[-200:]}")
    faults += _halves(place)
    if status == 0 and kind == "read" and any(os.strerror(number) in text for number in ERRORS):
        return faults  # what could not be read was named, with the reason, and passed over
    words = scenario.again(place) if scenario.again else scenario.words
    if status and forked(_command(words, place), said):
        faults.append(f"does not go on: {said.read_text('utf-8')[-300:]}")
    else:
        found = scenario.result(place)
        faults += [f"another {name}" for name in expected | found if expected.get(name) != found.get(name)]
    return faults


def _command(words: Sequence[str], folder: Path) -> Callable[[], None]:
    return lambda: main([word.replace("{}", str(folder)) for word in words])


def _halves(folder: Path) -> list[str]:
    """Files under a final name that are not whole, and what was left beside one."""
    faults = list[str]()
    readers: dict[str, Callable[[Path], object]] = {
        ".json": lambda path: json.loads(path.read_text("utf-8")),
        ".png": lambda path: Image.open(path).load(),
        ".safetensors": load_file,
    }
    for path in folder.rglob("*"):
        try:
            if path.is_file() and path.suffix in readers:
                readers[path.suffix](path)
            if path.suffix == ".part":
                faults.append(f"left {path.name}")
        except Exception as error:
            faults.append(f"half a file, {path.name}: {error}")
    return faults
