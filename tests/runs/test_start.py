"""Runs that begin with the weights of another run."""

import json
import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch

import sfumato
from sfumato.data.dataset import ImageData, InMemory, Split
from sfumato.engine.checkpoint import load_agreeing
from sfumato.errors import SfumatoError
from sfumato.runs.train import fits
from sfumato.runs.training import Training
from sfumato.translation import cyclegan

from ..conftest import Command, one_line
from .test_length import check_same_weights, stopped
from .test_survival import final_weights

SMALL: dict[str, Any] = {
    "widths": (8,), "batch_size": 8, "images": 48, "precision": "fp32", "device": "cpu", "evaluate": False,
}  # fmt: skip


@pytest.fixture
def first(tmp_path: Path, toy: ImageData) -> sfumato.Run:
    return sfumato.train("stacked", data="digits", run=tmp_path / "first", opened=toy, **SMALL)


def weights_at_start(run: Path) -> dict[str, torch.Tensor]:
    return {name: value for name, value in final_weights(run).items() if name.startswith("system.")}


def test_it_begins_with_these_weights_and_a_fresh_optimiser(
    first: sfumato.Run, tmp_path: Path, toy: ImageData, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Held against the engine: the same weights loaded by hand, the same steps."""
    begun: dict[str, dict[str, torch.Tensor]] = {}
    really = Training.ticks

    def noted(self: Training) -> Any:
        begun["weights"] = {name: value.clone() for name, value in self.system.state_dict().items()}
        begun["optimiser"] = self.system.optimizers["network"].state_dict()["state"]
        return really(self)

    monkeypatch.setattr(Training, "ticks", noted)
    second = sfumato.train(
        "stacked", data="digits", run=tmp_path / "second", opened=toy, seed=1, start_from=first.path, **SMALL
    )
    for name, value in first.system.state_dict().items():
        assert torch.equal(value, begun["weights"][name]), name
    assert begun["optimiser"] == {}
    assert second.manifest.start_from == str(first.path.resolve())
    assert not torch.equal(second.system.state_dict()["encoder.1.weight"], begun["weights"]["encoder.1.weight"])
    assert not fits(second.folder, "stacked", toy, 1, "fp32", {})


def test_resumed_it_uses_its_own_checkpoint_alone(
    first: sfumato.Run, tmp_path: Path, toy: ImageData, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Stopped in its first step too: the other run is gone by then."""
    whole = sfumato.train("stacked", data="digits", run=tmp_path / "whole", opened=toy, start_from=first.path, **SMALL)
    part, early = tmp_path / "part", tmp_path / "early"
    stopped(monkeypatch, part, toy, **SMALL, start_from=first.path)

    def broken(self: Training, watch: Any = None) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(Training, "consume", broken)
    with pytest.raises(KeyboardInterrupt):
        sfumato.train("stacked", data="digits", run=early, opened=toy, start_from=first.path, **SMALL)
    monkeypatch.undo()
    shutil.rmtree(first.path)
    for path in (part, early):
        sfumato.resume(path, opened=toy, evaluate=False)
        check_same_weights(whole.path, path)


def with_classes(toy: ImageData, count: int) -> ImageData:
    """Images of the sides of `toy`, in colour, with so many classes."""
    names = tuple("abcdefg"[:count])
    train, test = (
        Split(
            InMemory(split.pictures.take(torch.arange(len(split))).repeat(1, 3, 2, 2)[..., :32, :32]),
            torch.arange(len(split)) % count,
        )
        for split in (toy.train, toy.test)
    )
    return ImageData("toy", train, test, names, f"toy-{count}")


def test_a_head_for_another_number_of_classes_is_new_and_named(
    tmp_path: Path, toy: ImageData, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    fields: dict[str, Any] = {"images": 16, "batch_size": 8, "resolution": 32, "device": "cpu", "evaluate": False}
    two = sfumato.train("finetune", data="faces", run=tmp_path / "two", opened=with_classes(toy, 2), **fields)
    begun: dict[str, torch.Tensor] = {}
    really = Training.ticks

    def noted(self: Training) -> Any:
        begun.update({name: value.clone() for name, value in self.system.state_dict().items()})
        return really(self)

    monkeypatch.setattr(Training, "ticks", noted)
    capsys.readouterr()
    three = sfumato.train(
        "finetune", data="faces", run=tmp_path / "three", opened=with_classes(toy, 3), start_from=two.path, **fields
    )
    line = f"three: begins with the weights that {two.path.resolve()} has after 16 images; new, for 3 classes in place"
    assert f"{line} of 2: classifier.network.last.1\n" in capsys.readouterr().err
    for name, value in two.system.state_dict().items():
        assert torch.equal(begun[name], value) == (not name.startswith("classifier.network.last.1.")), name
    assert begun["classifier.network.last.1.weight"].shape[0] == 3
    assert three.classes == ("a", "b", "c")


@pytest.mark.parametrize("system", ["ssd", "fcn", "deeplab", "unet:plain"])
def test_every_recognition_system_replaces_what_depends_on_its_classes(system: str, tmp_path: Path) -> None:
    """Nothing but the head: what begins anew has the number of classes in its shape."""
    from sfumato.runs.catalog import find
    from sfumato.runs.start import load_start

    entry, preset = find(system)
    fields: dict[str, Any] = {"resolution": 64, "pretrained": False, **({"crop": 64} if entry.name != "ssd" else {})}
    run = sfumato.train(system, run=tmp_path / "run", images=2, batch_size=2, evaluate=False, **fields)
    torch.manual_seed(1)
    other = entry.build(replace(entry.presets[preset], classes=run.config.classes + 2, **fields))
    before = {name: value.clone() for name, value in other.state_dict().items()}
    said = load_start(other, entry, other.config, str(run.path))
    left = {name for name, value in other.state_dict().items() if torch.equal(value, before[name])}
    theirs = run.system.state_dict()
    new = {name for name, value in other.state_dict().items() if value.shape != theirs[name].shape}
    assert new
    assert new <= left
    for name, value in other.state_dict().items():
        assert name in new or torch.equal(value, theirs[name]), name
    assert {name.rpartition(".")[0] for name in new} == set(said.rpartition(": ")[2].split(", "))


def test_pools_of_old_images_begin_empty(tmp_path: Path) -> None:
    run = sfumato.train(
        "cyclegan:inks", data="inks", run=tmp_path / "run", images=8, batch_size=4, width=2, device="cpu",
        evaluate=False,
    )  # fmt: skip
    assert int(run.system.state_dict()["given_a"]) > 0
    system = cyclegan.CycleGAN(run.config)
    images, left = load_agreeing(run.path, system)
    assert (images, left) == (8, [])
    assert int(system.state_dict()["given_a"]) == 0
    assert torch.equal(next(system.parameters()), next(run.system.cpu().parameters()))


@pytest.mark.parametrize(
    ("system", "fields", "message"),
    [
        ("denoising", {}, "first: is a run of stacked: denoising can begin with a run of denoising only"),
        (
            "stacked",
            {"widths": (9,)},
            r"first: the checkpoint does not fit the run that shall begin with it: .*\(8, 784\), must be \(9, 784\)",
        ),
        ("stacked", {"widths": (8, 8)}, "does not fit the run that shall begin with it: missing "),
    ],
)
def test_a_run_that_does_not_fit_is_refused(
    first: sfumato.Run, tmp_path: Path, toy: ImageData, system: str, fields: dict[str, Any], message: str
) -> None:
    with pytest.raises(SfumatoError, match=message):
        sfumato.train(
            system, data="digits", run=tmp_path / "run", opened=toy, start_from=first.path, **{**SMALL, **fields}
        )
    assert not (tmp_path / "run" / "config.json").exists()


def test_what_is_no_run_or_has_no_weights_is_refused(first: sfumato.Run, tmp_path: Path, toy: ImageData) -> None:
    def begin(run: str, source: Path) -> None:
        sfumato.train("stacked", data="digits", run=tmp_path / run, opened=toy, start_from=source, **SMALL)

    with pytest.raises(SfumatoError, match="nowhere: not a run folder"):
        begin("run", tmp_path / "nowhere")
    with pytest.raises(SfumatoError, match=r"itself: a run cannot begin with its own weights"):
        begin("itself", tmp_path / "itself")
    with pytest.raises(SfumatoError, match=r"first: holds a run already"):
        begin("first", first.path)
    (first.path / "state.json").unlink()
    with pytest.raises(SfumatoError, match=r"state.json: not there: this run has no checkpoint yet"):
        begin("run", first.path)


def test_the_command_takes_from(tmp_path: Path, sfumato: Command) -> None:
    fields = ("--widths", "8", "--images", "256")
    assert sfumato("train", "stacked", "--run", "first", *fields).returncode == 0
    done = sfumato("train", "stacked", "--run", "second", "--from", "first", *fields)
    assert done.returncode == 0, done.stderr
    assert f"begins with the weights that {tmp_path / 'first'} has after 256 images" in done.stderr
    assert json.loads((tmp_path / "second" / "config.json").read_text())["start_from"] == str(tmp_path / "first")
    assert "It began with the weights of" in (tmp_path / "second" / "report.html").read_text()
    one_line(sfumato("train", "stacked", "--run", "third", "--from", "nowhere", *fields), "not a run folder")
    one_line(sfumato("train", "stacked", "--run", "third", "--from", "third", *fields), "its own weights")
    one_line(sfumato("train", "denoising", "--run", "third", "--from", "first", *fields), "is a run of stacked")
