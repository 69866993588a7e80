"""A run that is told how many images to draw once it has begun: longer, shorter, after its end, killed on the way."""

import json
import signal
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import torch

import sfumato
from sfumato.data.dataset import ImageData
from sfumato.engine.system import Stage
from sfumato.errors import SfumatoError
from sfumato.gans import progan
from sfumato.recognition import finetune
from sfumato.runs.catalog import CATALOG
from sfumato.runs.folder import RunFolder
from sfumato.runs.length import with_length
from sfumato.runs.stopping import Stopped
from sfumato.runs.train import fits
from sfumato.runs.training import Training

from ..conftest import Command, one_line
from .test_survival import ENVIRONMENT, final_weights, start, wait_for

SMALL: dict[str, Any] = {"widths": (8,), "batch_size": 8, "precision": "fp32"}


def check_same_weights(one: Path, two: Path) -> None:
    expected, found = final_weights(one), final_weights(two)
    assert expected.keys() == found.keys()
    for key, value in expected.items():
        assert torch.equal(value, found[key]), key


def test_a_finished_run_goes_on_to_the_weights_of_the_longer_one(tmp_path: Path, toy: ImageData) -> None:
    """Optimisers too. 40 images end inside an epoch of 16, where the schedule's mean is not complete."""
    fields: dict[str, Any] = {**SMALL, "plateau_factor": 0.5}
    whole = sfumato.train("stacked", data="digits", run=tmp_path / "whole", opened=toy, images=96, **fields)
    part = sfumato.train("stacked", data="digits", run=tmp_path / "part", opened=toy, images=40, **fields)
    before = part.evaluation
    page = (part.path / "report.html").read_text()
    longer = sfumato.resume(part.path, images=96, opened=toy)
    check_same_weights(whole.path, part.path)
    assert longer.evaluation == whole.evaluation != before
    assert [row["images"] for row in longer.metrics()] == [16, 32, 40, 48, 64, 80, 96]  # 40 was an end
    assert (part.path / "report.html").read_text() != page
    assert longer.manifest.config["images"] == 96
    fields.pop("precision")
    assert fits(longer.folder, "stacked:digits", toy, 0, "fp32", {**fields, "images": 96})
    assert not fits(longer.folder, "stacked:digits", toy, 0, "fp32", {**fields, "images": 40})


def test_the_length_is_kept_and_may_be_that_of_before(tmp_path: Path, toy: ImageData) -> None:
    run = sfumato.train("stacked", data="digits", run=tmp_path / "run", opened=toy, images=16, **SMALL)
    sfumato.resume(run.path, images=32, opened=toy)
    weights = final_weights(run.path)
    for images in (None, 32):
        sfumato.resume(run.path, images=images, opened=toy)
        for key, value in final_weights(run.path).items():
            assert torch.equal(value, weights[key]), key
    assert run.folder.manifest().config["images"] == 32


def stopped(monkeypatch: pytest.MonkeyPatch, run: Path, toy: ImageData, system: str = "stacked", **fields: Any) -> None:
    """A run of `system` that has saved after three steps."""
    asked = iter([None, None, 15])
    monkeypatch.setattr(Training, "_agreed", lambda self, requested: next(asked))
    with pytest.raises(Stopped):
        sfumato.train(system, data="digits", run=run, opened=toy, **{**SMALL, **fields})
    monkeypatch.undo()


def test_a_run_on_its_way_may_become_shorter(tmp_path: Path, toy: ImageData, monkeypatch: pytest.MonkeyPatch) -> None:
    whole = sfumato.train("stacked", data="digits", run=tmp_path / "whole", opened=toy, images=40, **SMALL)
    stopped(monkeypatch, tmp_path / "part", toy, images=96)
    with pytest.raises(SfumatoError, match=r"images 23: .*part has drawn 24 already"):
        sfumato.resume(tmp_path / "part", images=23, opened=toy)
    sfumato.resume(tmp_path / "part", images=40, opened=toy)
    check_same_weights(whole.path, tmp_path / "part")


def test_it_may_end_where_it_stands(tmp_path: Path, toy: ImageData, monkeypatch: pytest.MonkeyPatch) -> None:
    stopped(monkeypatch, tmp_path / "run", toy, images=96)
    run = sfumato.resume(tmp_path / "run", images=24, opened=toy)
    assert run.folder.is_finished
    assert run.metrics()[-1]["images"] == 24


def test_a_cosine_goes_on_along_the_longer_one(tmp_path: Path, toy: ImageData) -> None:
    falling: dict[str, Any] = {**SMALL, "schedule": "cosine", "warmup": 0, "evaluate": False}
    run = sfumato.train("stacked", data="digits", run=tmp_path / "run", opened=toy, images=16, **falling)
    longer = sfumato.resume(run.path, images=32, opened=toy, evaluate=False)
    rates = [row["learning_rate"] for row in longer.metrics()]
    peak = run.config.learning_rate
    # The rate of the last step before each row: after 8 of 16, and after 24 of 32.
    assert rates == pytest.approx([peak * 0.5, peak * 0.5 * (1 + 2**0.5 / -2)], rel=1e-3)


def test_while_it_goes_on_it_is_not_finished_and_keeps_no_snapshot_of_another_share(
    tmp_path: Path, toy: ImageData, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = sfumato.train("stacked", data="digits", run=tmp_path / "run", opened=toy, images=16, **SMALL)
    (run.path / "snapshots").mkdir()
    (run.path / "snapshots" / "050.safetensors").write_bytes(b"of 8 images")
    asked = iter([15])
    monkeypatch.setattr(Training, "_agreed", lambda self, requested: next(asked))
    with pytest.raises(Stopped):
        sfumato.resume(run.path, images=64, opened=toy)
    assert not run.folder.is_finished
    assert not list((run.path / "snapshots").iterdir())
    assert run.folder.manifest().config["images"] == 64


@pytest.mark.parametrize(
    ("images", "message"),
    [
        (0, "images 0: must be at least 1"),
        (-5, "images -5: must be at least 1"),
        (8, "images 8: .* has drawn 16 already"),
        (1.5, r"images 1\.5: must be of type int"),
        (True, "images True: must be of type int"),
        ("many", "images 'many': must be of type int"),
        (2**60, "images .*must lie within"),
    ],
)
def test_a_length_that_cannot_be_is_named_and_changes_nothing(
    tmp_path: Path, toy: ImageData, images: Any, message: str
) -> None:
    run = sfumato.train("stacked", data="digits", run=tmp_path / "run", opened=toy, images=16, evaluate=False, **SMALL)
    before = {path: path.read_bytes() for path in run.path.rglob("*") if path.is_file()}
    with pytest.raises(SfumatoError, match=message):
        sfumato.resume(run.path, images=images, opened=toy)
    assert {path: path.read_bytes() for path in run.path.rglob("*") if path.is_file()} == before


GROWING: dict[str, Any] = {
    "resolution": 16, "base": 128, "widest": 16, "latent": 8, "batch_size": 8, "growth": 8, "batch_sizes": (),
    "widths": None, "measure_every": 1000,
}  # fmt: skip


def test_a_run_that_grows_goes_on_at_its_last_side(tmp_path: Path, toy: ImageData) -> None:
    fields = {name: value for name, value in GROWING.items() if value is not None} | {"precision": "fp32"}
    whole = sfumato.train("progan:digits", run=tmp_path / "whole", opened=toy, evaluate=False, images=64, **fields)
    part = sfumato.train("progan:digits", run=tmp_path / "part", opened=toy, evaluate=False, images=40, **fields)
    with pytest.raises(SfumatoError, match=r"images 30: growing to 16 pixels takes 32 \(--growth 8\)"):
        sfumato.resume(part.path, images=30, opened=toy)
    sfumato.resume(part.path, images=64, opened=toy, evaluate=False)
    check_same_weights(whole.path, part.path)


def test_a_run_is_not_put_back_into_the_part_in_which_its_head_learns_alone(tmp_path: Path) -> None:
    run = sfumato.train(
        "finetune", run=tmp_path / "run", images=20, frozen=0.5, batch_size=10, resolution=32, evaluate=False
    )
    assert json.loads((run.path / "state.json").read_text())["stage"] == 1
    with pytest.raises(SfumatoError, match=r"images 40: .*drawn 20 and is in stage 2 of 2, .* stage 1 of 2: ask for"):
        sfumato.resume(run.path, images=40)
    longer = sfumato.resume(run.path, images=30, evaluate=False)
    assert json.loads((longer.path / "state.json").read_text())["images"] == 30


@pytest.mark.parametrize(("frozen", "lengths"), [(0.0, [10]), (0.25, [3, 7]), (1.0, [10])], ids=["none", "some", "all"])
def test_the_part_in_which_a_head_learns_alone_is_a_stage(frozen: float, lengths: list[int]) -> None:
    config = finetune.Config(images=10, frozen=frozen, classes=2, resolution=32)
    assert [stage.images for stage in finetune.FineTuned(config).stages()] == lengths


def test_a_system_whose_stages_are_no_total_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    entry, folder = CATALOG["progan"], RunFolder(tmp_path)
    config = progan.Config(**{name: value for name, value in GROWING.items() if value is not None}, images=64)
    assert with_length(folder, entry, config, 80).images == 80
    monkeypatch.setattr(progan.ProGAN, "stages", lambda self: [Stage(8, 4)])
    with pytest.raises(SfumatoError, match="images 80: the stages of progan would draw 8"):
        with_length(folder, entry, config, 80)


def test_a_system_without_the_field_is_refused(tmp_path: Path) -> None:
    @dataclass(frozen=True)
    class Config:
        epochs: int = 2

    with pytest.raises(SfumatoError, match="images 80: stacked has no such field"):
        with_length(RunFolder(tmp_path), CATALOG["stacked"], Config(), 80)


FIELDS = ("--batch-size", "64", "--widths", "32", "--precision", "fp32")
QUICK = ("--save-every", "0.05")


def test_killed_in_the_second_part_it_is_bitwise_the_longer_run(tmp_path: Path, sfumato: Command) -> None:
    whole, killed = tmp_path / "whole", tmp_path / "killed"
    assert sfumato("train", "stacked", "--run", whole, *FIELDS, "--images", "20000").returncode == 0
    assert sfumato("train", "stacked", "--run", killed, *FIELDS, "--images", "500").returncode == 0
    first = (killed / "state.json").read_bytes()
    process = start("resume", killed, "--images", "20000", *QUICK)
    while (killed / "state.json").read_bytes() == first:
        wait_for(killed / "state.json", process)
    process.send_signal(signal.SIGKILL)
    process.communicate()
    assert not (killed / "evaluation.json").exists()
    assert 500 < json.loads((killed / "state.json").read_text())["images"] < 20_000
    ended = sfumato("resume", killed)
    assert ended.returncode == 0, ended.stderr
    check_same_weights(whole, killed)


def test_the_command_says_how_one_goes_on(tmp_path: Path, sfumato: Command) -> None:
    assert sfumato("train", "stacked", "--run", "run", "--images", "128", *FIELDS).returncode == 0
    again = sfumato("resume", "run")
    assert again.returncode == 0
    assert "all of its 128 images are drawn: to train longer, `sfumato resume run --images N`" in again.stderr
    one_line(sfumato("resume", "run", "--images", "0"), "images 0", "at least 1")
    one_line(sfumato("resume", "run", "--images", "100"), "images 100", "drawn 128")
    assert sfumato("resume", "run", "--images", "192").returncode == 0
    assert json.loads((tmp_path / "run" / "state.json").read_text())["images"] == 192


@pytest.mark.slow
def test_two_processes_go_on_longer_and_begin_with_a_run(tmp_path: Path) -> None:
    def launch(*arguments: str | Path) -> None:
        done = subprocess.run(
            [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2", "-m", "sfumato",
             *map(str, arguments)],
            capture_output=True, text=True, env=ENVIRONMENT, timeout=200, check=False,
        )  # fmt: skip
        assert done.returncode == 0, done.stderr

    fields, (whole, part, next_) = (*FIELDS, "--device", "cpu"), (tmp_path / name for name in ("whole", "part", "next"))
    launch("train", "stacked", "--run-dir", whole, *fields, "--images", "640")
    launch("train", "stacked", "--run-dir", part, *fields, "--images", "320")
    launch("resume", part, "--images", "640")
    check_same_weights(whole, part)
    launch("train", "stacked", "--run-dir", next_, *fields, "--images", "320", "--from", part)
    assert json.loads((next_ / "config.json").read_text())["start_from"] == str(part)
