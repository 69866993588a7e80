"""Runs of a study side by side, and the budget that a machine is given: what comes out depends on neither."""

import json
import os
import signal
import threading
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file

from sfumato.engine.runtime import Runtime
from sfumato.errors import SfumatoError
from sfumato.runs.stopping import Stopped
from sfumato.runs.trial import images_per_second
from sfumato.studies import budget, crew
from sfumato.studies.budget import LEAST, Budget, Fitted, budget_for, given_images
from sfumato.studies.crew import room, threads_for, train_all
from sfumato.studies.plan import Plan, Settings, Setup, cut
from sfumato.studies.registry import STUDIES

NAMES = ("autoencoder", "mse", "cnn")  # of the handwriting study


def settings_in(out: Path) -> Settings:
    return Settings("handwriting", out, ("digits",), False, "en", 0, "cpu", "fp32")


def setup_of(settings: Settings) -> Setup:
    setup = STUDIES["handwriting"].part("plans").prepare(settings)
    return replace(setup, plans=[plan for plan in setup.plans if plan.name in NAMES])


def small(images: Mapping[str, int]) -> Budget:
    """So many images for each run, which should take a second each."""
    return Budget(images, dict.fromkeys(images, 1.0), images, Fitted(0.5, {}, 1.0))


def train(out: Path, images: Mapping[str, int], runtime: Runtime) -> None:
    settings, given = settings_in(out), small(images)
    train_all(settings, cut(setup_of(settings), given.cut), runtime, given)


def weights(out: Path) -> dict[str, dict[str, torch.Tensor]]:
    states = {path.parent.name: json.loads(path.read_text()) for path in out.glob("runs/*/state.json")}
    found = {name: max((out / "runs" / name / "checkpoints").iterdir()) for name in states}
    return {name: load_file(path) for name, path in found.items()}


def test_side_by_side_is_one_after_the_other(
    tmp_path: Path, runtime: Runtime, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    images = dict.fromkeys(NAMES, 640)
    train(tmp_path / "alone", images, runtime)
    monkeypatch.setattr(crew, "WORTH", 0.0)
    monkeypatch.setattr(crew, "room", lambda *_: 2)
    train(tmp_path / "beside", images, runtime)
    alone, beside = weights(tmp_path / "alone"), weights(tmp_path / "beside")
    assert alone.keys() == beside.keys() == set(NAMES)
    for name in NAMES:
        assert all(torch.equal(value, beside[name][key]) for key, value in alone[name].items())
        assert (tmp_path / "beside" / "runs" / name / "report.html").is_file()
    said = capfd.readouterr().err
    assert "100%" in said
    assert "s left" in said


def test_a_stop_is_passed_on_and_nothing_is_lost(
    tmp_path: Path, runtime: Runtime, monkeypatch: pytest.MonkeyPatch
) -> None:
    images = {"autoencoder": 60_000, "mse": 60_000, "cnn": 640}
    monkeypatch.setattr(crew, "WORTH", 0.0)
    monkeypatch.setattr(crew, "room", lambda *_: 2)
    show, shown = crew._Bar.show, threading.Event()

    def stop_once(bar: Any, name: str, drawn: int) -> None:
        show(bar, name, drawn)
        if not shown.is_set() and drawn > 640:
            shown.set()
            os.kill(os.getpid(), signal.SIGINT)

    monkeypatch.setattr(crew._Bar, "show", stop_once)
    with pytest.raises(Stopped) as stopped:
        train(tmp_path, images, runtime)
    assert stopped.value.signum == signal.SIGINT
    states = list(tmp_path.glob("runs/*/state.json"))
    assert states
    assert not list(tmp_path.glob("runs/*/evaluation.json"))
    assert all(json.loads(path.read_text())["images"] < 60_000 for path in states)


def test_a_run_that_cannot_be_trained_ends_all_in_one_line(
    tmp_path: Path, runtime: Runtime, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(crew, "WORTH", 0.0)
    monkeypatch.setattr(crew, "room", lambda *_: 2)
    (tmp_path / "runs").mkdir()
    (tmp_path / "runs" / "mse").write_text("in the way")
    with pytest.raises(SfumatoError, match="mse: cannot be a run folder"):
        train(tmp_path, dict.fromkeys(NAMES, 640), runtime)


def test_a_trial_knows_the_images_and_a_speed(runtime: Runtime) -> None:
    setup = setup_of(settings_in(Path("nowhere")))
    total, speed = images_per_second("stacked:mnist", setup.data, {"images": 3_000, "batch_size": 64}, runtime)
    assert total == 3_000
    assert speed > 0
    assert images_per_second("stacked:mnist", setup.data, {"images": 10, "batch_size": 64}, runtime)[0] == 10


@pytest.mark.parametrize(("speed", "share"), [(1e9, 1.0), (2_000, 0.25), (500, LEAST)])
def test_a_slow_machine_is_given_less_once_and_for_all(
    tmp_path: Path, runtime: Runtime, monkeypatch: pytest.MonkeyPatch, speed: float, share: float
) -> None:
    settings = settings_in(tmp_path)
    setup = setup_of(settings)
    total = 100_000
    monkeypatch.setattr(budget, "images_per_second", lambda *_: (total, speed))
    given = budget_for(settings, setup, runtime, wanted=3 * total / 2_000 / 4, side_by_side=1)
    assert given.fitted.share == pytest.approx(share, abs=0.005)
    shorter = cut(setup, given.cut)
    for before, after in zip(setup.plans, shorter.plans, strict=True):
        assert after.fields["images"] == pytest.approx(share * before.fields["images"], rel=0.05)
        assert after.fields["images"] % len(setup.data.train) == 0
    monkeypatch.setattr(budget, "images_per_second", lambda *_: (total, 7.0))
    again = budget_for(settings, setup, runtime, wanted=1.0, side_by_side=2)
    assert again.cut == given.cut, "what was begun is gone on with"
    (tmp_path / "full").mkdir()
    full = budget_for(replace(settings, full=True, out=tmp_path / "full"), setup, runtime, 1.0, 1)
    assert full.cut == {}


def test_a_study_of_before_is_taken_as_it_is(tmp_path: Path, runtime: Runtime, monkeypatch: pytest.MonkeyPatch) -> None:
    settings = settings_in(tmp_path)
    (tmp_path / "runs" / "mse").mkdir(parents=True)
    (tmp_path / "runs" / "mse" / "config.json").write_text("{}")
    monkeypatch.setattr(budget, "images_per_second", lambda *_: (1000, 1.0))
    assert budget_for(settings, setup_of(settings), runtime, 1.0, 1).cut == {}
    assert not (tmp_path / "budget.json").exists()


def test_what_counts_images_is_cut_along() -> None:
    plan = Plan("a", "gan", {"images": 80_000, "half_life": 600, "r1": 0.1}, "a", "a")
    images = given_images([plan, Plan("b", "gan", {}, "b", "b")], 0.5, 60_000)
    assert images == {"a": 40_000}
    assert given_images([plan], 1.0, 60_000) == {}
    data: Any = None
    (shorter,) = cut(Setup(data, [plan], ""), images).plans
    assert shorter.fields == {"images": 40_000, "half_life": 300, "r1": 0.1}


def test_threads_and_room(runtime: Runtime, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    setup = setup_of(settings_in(tmp_path))
    monkeypatch.setattr(crew, "usable_cores", lambda: 16)
    assert threads_for(setup, runtime) == 5
    assert room(setup, runtime) == 3
    monkeypatch.setattr(crew, "usable_cores", lambda: 2)
    assert threads_for(setup, runtime) == 1
    assert room(setup, runtime) == 2
    memory = tmp_path / "meminfo"
    memory.write_text("MemTotal: 1 kB\nMemAvailable:  900000 kB\n")
    monkeypatch.setattr(crew, "MEMORY", memory)
    assert room(setup, runtime) == 1
    assert room(setup, replace(runtime, device=torch.device("mps"))) == 1
