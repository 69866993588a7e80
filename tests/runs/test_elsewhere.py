"""Runs that go on elsewhere: their data have moved, the device is another one, the threads are more or fewer."""

import json
from pathlib import Path
from typing import Any

import pytest
import torch

import sfumato
from sfumato.data import reader as folder_module
from sfumato.data.dataset import ImageData
from sfumato.errors import SfumatoError
from sfumato.runs.stopping import Stopped
from sfumato.runs.training import Training

from ..conftest import Command, one_line
from ..data.test_folder import FILES, jpeg, packed, tree
from .test_length import check_same_weights, stopped

SMALL: dict[str, Any] = {"widths": (8,), "batch_size": 8, "images": 48, "precision": "fp32", "device": "cpu"}


def changed(run: Path, **values: Any) -> None:
    path = run / "config.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | values))


def stopped_on(monkeypatch: pytest.MonkeyPatch, run: Path, system: str, data: Any, **fields: Any) -> None:
    """A run that has saved after two steps."""
    asked = iter([None, 15])
    monkeypatch.setattr(Training, "_agreed", lambda self, requested: next(asked))
    with pytest.raises(Stopped):
        sfumato.train(system, data=data, run=run, **fields)
    monkeypatch.undo()


@pytest.mark.parametrize("memory", [folder_module.MEMORY, 0], ids=["in memory", "mapped"])
def test_a_run_on_moved_data_is_bitwise_the_unmoved(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, memory: int
) -> None:
    def limited() -> None:
        monkeypatch.setattr(folder_module, "MEMORY", memory)
        monkeypatch.setenv("SFUMATO_CACHE", str(tmp_path / "cache"))

    old, new = tree(tmp_path / "old", FILES), tmp_path / "elsewhere" / "new"
    limited()
    whole = sfumato.train("stacked", data=old, run=tmp_path / "whole", **SMALL)
    stopped_on(monkeypatch, tmp_path / "part", "stacked", old, **SMALL)
    limited()
    new.parent.mkdir()
    old.rename(new)
    with pytest.raises(
        SfumatoError, match=r"old'.* that is there; if they lie elsewhere now: .*resume .* --data PATH`"
    ):
        sfumato.resume(tmp_path / "part")
    part = sfumato.resume(tmp_path / "part", data=new)
    check_same_weights(whole.path, part.path)
    record = sfumato.open(part.path).manifest.data
    assert (record.source, record.name) == ((str(new),), "new")
    assert record.fingerprint == whole.manifest.data.fingerprint
    sfumato.resume(part.path)  # finds them there now
    with pytest.raises(SfumatoError, match="if they lie elsewhere now"):
        sfumato.open(whole.path).evaluate()
    assert len(sfumato.resume(whole.path, data=[new]).data.train) == len(part.data.train)


def test_a_folder_may_have_become_a_zip(tmp_path: Path) -> None:
    run = sfumato.train("stacked", data=str(tree(tmp_path / "old", FILES)), run=tmp_path / "run", **SMALL)
    moved = sfumato.resume(run.path, data=packed(tmp_path / "new.zip", FILES))
    assert moved.manifest.data.name == "new.zip"


def test_two_sets_side_by_side_may_both_have_moved(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    first, second = tree(tmp_path / "a", FILES), tree(tmp_path / "b", {f"{i}.jpg": jpeg(50 + i) for i in range(8)})
    fields: dict[str, Any] = {
        "resolution": 32, "width": 2, "batch_size": 2, "images": 8, "paired": False, "device": "cpu",
        "precision": "fp32", "evaluate": False,
    }  # fmt: skip
    data = [str(first), str(second)]
    whole = sfumato.train("cyclegan:inks", data=data, run=tmp_path / "whole", **fields)
    stopped_on(monkeypatch, tmp_path / "part", "cyclegan:inks", data, **fields)
    places = [str(path.rename(tmp_path / f"{path.name} elsewhere")) for path in (first, second)]
    with pytest.raises(SfumatoError, match="--data PATH PATH`"):
        sfumato.resume(tmp_path / "part")
    with pytest.raises(SfumatoError, match="not those that it was started with"):
        sfumato.resume(tmp_path / "part", data=places[::-1])
    with pytest.raises(SfumatoError, match="not those that it was started with"):  # its two classes would be sides
        sfumato.resume(tmp_path / "part", data=places[:1])
    part = sfumato.resume(tmp_path / "part", data=places, evaluate=False)
    check_same_weights(whole.path, part.path)
    assert part.manifest.data.source == tuple(places)


def test_other_data_are_refused_by_both_fingerprints(tmp_path: Path) -> None:
    run = sfumato.train("stacked", data=str(tree(tmp_path / "old", FILES)), run=tmp_path / "run", **SMALL)
    before = (run.path / "config.json").read_bytes()
    other = tree(tmp_path / "other", FILES | {"cats/new.jpg": jpeg(99)})
    known, found = run.manifest.data.fingerprint, sfumato.train(
        "stacked", data=str(other), run=tmp_path / "other run", **SMALL
    ).manifest.data.fingerprint  # fmt: skip
    with pytest.raises(SfumatoError, match=rf"{other}: not those .*\(fingerprint {found}, was {known}\)"):
        sfumato.resume(run.path, data=other)
    with pytest.raises(SfumatoError, match=r"nowhere.*neither a known name"):
        sfumato.resume(run.path, data="nowhere")
    assert (run.path / "config.json").read_bytes() == before


def test_names_that_lie_nowhere_else_are_not_asked_for(tmp_path: Path, toy: ImageData) -> None:
    run = sfumato.train("stacked", data="digits", run=tmp_path / "run", opened=toy, **SMALL)
    path = run.path / "config.json"
    values = json.loads(path.read_text())
    values["data"]["source"] = ["scenes"]
    values["config"]["channels"] = 3
    path.write_text(json.dumps(values))
    with pytest.raises(SfumatoError) as caught:
        sfumato.resume(run.path)
    assert "--data" not in str(caught.value)


def test_a_device_that_is_gone_is_left_by_an_option_that_there_is(
    tmp_path: Path, toy: ImageData, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """The part of before was trained on the CPU after all: so the weights can be compared."""
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    whole = sfumato.train("stacked", data="digits", run=tmp_path / "whole", opened=toy, **SMALL)
    part = tmp_path / "part"
    stopped(monkeypatch, part, toy, **{**SMALL, "images": 48})
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    changed(part, device="cuda", precision="fp32")
    with pytest.raises(SfumatoError, match="device 'cuda' is not available here: use --device auto"):
        sfumato.resume(part, opened=toy)
    with pytest.raises(SfumatoError, match="device 'tpu': must be auto, cpu, cuda or mps"):
        sfumato.resume(part, opened=toy, device="tpu")
    with pytest.raises(SfumatoError, match="precision 'fp8': must be auto, bf16 or fp32"):
        sfumato.resume(part, opened=toy, device="cpu", precision="fp8")
    capsys.readouterr()
    run = sfumato.resume(part, opened=toy, device="cpu")
    assert "was trained on cuda in fp32, goes on with cpu in fp32: its weights will not be" in capsys.readouterr().err
    assert (run.manifest.device, run.manifest.precision) == ("cpu", "fp32")
    check_same_weights(whole.path, part)


def test_another_precision_is_kept_and_said(
    tmp_path: Path, toy: ImageData, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    stopped(monkeypatch, tmp_path / "run", toy, **SMALL)
    run = sfumato.resume(tmp_path / "run", opened=toy, precision="bf16")
    assert "was trained on cpu in fp32, goes on with cpu in bf16" in capsys.readouterr().err
    assert run.manifest.precision == "bf16"


def test_a_finished_run_stays_one_of_the_device_that_trained_it(
    tmp_path: Path, toy: ImageData, capsys: pytest.CaptureFixture[str]
) -> None:
    run = sfumato.train("stacked", data="digits", run=tmp_path / "run", opened=toy, **SMALL)
    changed(run.path, device="cuda")
    again = sfumato.resume(run.path, opened=toy, device="cpu")
    assert again.manifest.device == "cuda"
    assert "bitwise" not in capsys.readouterr().err


def test_the_threads_are_kept_and_another_number_is_said(
    tmp_path: Path, toy: ImageData, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    stopped(monkeypatch, tmp_path / "run", toy, **SMALL)
    assert json.loads((tmp_path / "run" / "config.json").read_text())["threads"] == 1
    asked = iter([15])
    monkeypatch.setattr(Training, "_agreed", lambda self, requested: next(asked))
    try:
        with pytest.raises(Stopped):
            sfumato.resume(tmp_path / "run", opened=toy, threads=2)
    finally:
        torch.set_num_threads(1)
    said = "was trained by 1 threads, goes on by 2, which may add sums in another order: --threads 1 is as before"
    assert said in capsys.readouterr().err
    assert json.loads((tmp_path / "run" / "config.json").read_text())["threads"] == 2
    monkeypatch.undo()
    changed(tmp_path / "run", threads=None)  # as runs of before
    sfumato.resume(tmp_path / "run", opened=toy)
    assert "threads, goes on" not in capsys.readouterr().err


@pytest.mark.parametrize("threads", [0, -1, 1.5, True, 10**6])
def test_a_number_of_threads_that_cannot_be_is_named(tmp_path: Path, toy: ImageData, threads: Any) -> None:
    with pytest.raises(SfumatoError, match=rf"threads {threads}: must be a whole number from 1 to 1,024"):
        sfumato.train("stacked", data="digits", run=tmp_path / "run", opened=toy, threads=threads, **SMALL)
    assert not (tmp_path / "run").exists()


def test_the_command_has_these_options(tmp_path: Path, sfumato: Command) -> None:
    tree(tmp_path / "old", FILES)
    fields = ("--widths", "8", "--images", "24", "--device", "cpu", "--threads", "2")
    assert sfumato("train", "stacked", "--data", "old", "--run", "run", *fields).returncode == 0
    assert json.loads((tmp_path / "run" / "config.json").read_text())["threads"] == 2
    (tmp_path / "old").rename(tmp_path / "new")
    one_line(sfumato("resume", "run"), "old'", "--data PATH")
    one_line(sfumato("resume", "run", "--device", "tpu"), "tpu")
    done = sfumato("resume", "run", "--data", "new", "--device", "auto", "--precision", "fp32", "--images", "64")
    assert done.returncode == 0, done.stderr
    assert sfumato("report", "run").returncode == 0
