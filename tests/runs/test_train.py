"""Runs from Python: train, open, sample, evaluate, resume; and what is refused."""

import json
from pathlib import Path
from typing import Any

import pytest
import torch

import sfumato
from sfumato.autoencoders.autoencoder import Autoencoder
from sfumato.autoencoders.stacked import StackedAutoencoder
from sfumato.data.dataset import ImageData, InMemory, Split
from sfumato.errors import SfumatoError
from sfumato.runs.folder import RunFolder
from sfumato.runs.stopping import Stopped
from sfumato.runs.training import Training

SMALL: dict[str, Any] = {"widths": (8,), "batch_size": 8, "images": 64, "precision": "fp32"}


@pytest.fixture
def run(tmp_path: Path, toy: ImageData) -> sfumato.Run:
    return sfumato.train("stacked", data="digits", run=tmp_path / "run", opened=toy, **SMALL)


def test_a_finished_run_has_everything(run: sfumato.Run) -> None:
    names = {path.name for path in run.path.iterdir()}
    assert {"config.json", "state.json", "metrics.jsonl", "evaluation.json", "report.html", "samples"} <= names
    assert any(name.startswith("events.") for name in names)
    rows = run.metrics()
    assert rows[-1]["images"] == 64
    assert [row["epoch"] for row in rows] == [1, 2, 3, 4]
    assert rows[-1]["bce"] < rows[0]["bce"]
    html = (run.path / "report.html").read_text()
    assert "http" not in html.replace("https://www.cs.toronto.edu", "").replace("http://www.w3.org", "")


def test_the_same_seed_samples_the_same(run: sfumato.Run) -> None:
    again = sfumato.open(run.path)
    assert torch.equal(run.sample(4, seed=3), again.sample(4, seed=3))
    assert not torch.equal(run.sample(4, seed=3), run.sample(4, seed=4))


def test_evaluation_stands_beside_baselines_and_names_its_data(run: sfumato.Run, toy: ImageData) -> None:
    found = run.evaluate(toy)
    assert [found.called(of) for of in found.things()] == ["reconstruction", "PCA-2", "mean image"]
    assert found == run.evaluation
    assert found.images == 8
    assert found.fingerprint == toy.fingerprint


def test_denoising_is_measured_on_noisy_images_too(tmp_path: Path, toy: ImageData) -> None:
    run = sfumato.train("denoising", data="digits", run=tmp_path / "run", opened=toy, **SMALL)
    assert run.evaluation.things() == ["ours", "denoised", "noisy-input", "pca", "mean"]


def test_a_folder_with_a_run_is_not_overwritten(run: sfumato.Run, toy: ImageData) -> None:
    with pytest.raises(SfumatoError, match="sfumato resume"):
        sfumato.train("stacked", data="digits", run=run.path, opened=toy, **SMALL)


def test_resuming_a_finished_run_changes_nothing(run: sfumato.Run, toy: ImageData) -> None:
    before = run.metrics()
    weights = {path.name: path.read_bytes() for path in (run.path / "checkpoints").iterdir()}
    sfumato.resume(run.path, opened=toy)
    assert run.metrics() == before
    assert {path.name: path.read_bytes() for path in (run.path / "checkpoints").iterdir()} == weights


def test_a_stop_saves_and_the_resumed_log_is_whole(tmp_path: Path, toy: ImageData, monkeypatch: Any) -> None:
    whole = sfumato.train("stacked", data="digits", run=tmp_path / "whole", opened=toy, log_every=8, **SMALL)
    asked = iter([None, None, 15])
    monkeypatch.setattr(Training, "_agreed", lambda self, requested: next(asked))
    with pytest.raises(Stopped) as caught:
        sfumato.train("stacked", data="digits", run=tmp_path / "part", opened=toy, log_every=8, **SMALL)
    assert caught.value.signum == 15
    monkeypatch.undo()
    part = sfumato.resume(tmp_path / "part", opened=toy, log_every=8)
    for one, two in zip(whole.metrics(), part.metrics(), strict=True):
        assert {**one, "seconds": 0} == {**two, "seconds": 0}
    for key, value in whole.system.state_dict().items():
        assert torch.equal(value, part.system.state_dict()[key]), key


def test_a_diverging_run_stops_with_the_last_good_checkpoint(tmp_path: Path, toy: ImageData) -> None:
    with pytest.raises(SfumatoError, match=r"diverged before image .*--learning-rate"):
        sfumato.train("stacked", data="digits", run=tmp_path, opened=toy, learning_rate=1e30, save_every=1e9, **SMALL)
    assert not (tmp_path / "state.json").exists()


def test_diverged_weights_do_not_overwrite_a_good_checkpoint(
    tmp_path: Path, toy: ImageData, monkeypatch: pytest.MonkeyPatch
) -> None:
    steps = iter(range(100))
    step = Autoencoder.step

    def step_until_it_breaks(self: Autoencoder, *arguments: Any) -> Any:
        scalars = step(self, *arguments)
        if next(steps) == 3:
            with torch.no_grad():
                next(self.parameters()).fill_(float("nan"))
        return scalars

    monkeypatch.setattr(Autoencoder, "step", step_until_it_breaks)
    with pytest.raises(SfumatoError, match=r"norm of the weights nan.*last checkpoint is kept"):
        sfumato.train("stacked", data="digits", run=tmp_path, opened=toy, save_every=0, log_every=10**6, **SMALL)
    assert sfumato.open(tmp_path).sample(4).isfinite().all()


def test_a_known_name_is_stored_as_a_name_even_beside_a_folder_called_so(
    tmp_path: Path, toy: ImageData, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "digits").mkdir()
    run = sfumato.train("stacked", data="digits", run="run", opened=toy, **SMALL)
    assert run.manifest.data.source == ("digits",)


def test_two_pictures_of_four_pixels_can_be_measured(tmp_path: Path) -> None:
    tiny = Split(InMemory(torch.randint(256, (1, 1, 4, 4), dtype=torch.uint8)))
    data = ImageData("tiny", tiny, tiny, (), "tiny-pair")
    run = sfumato.train("stacked", data="digits", run=tmp_path, opened=data, **{**SMALL, "resolution": 4})
    assert not run.evaluation.has("ssim")


def test_changed_data_is_noticed_on_resume(run: sfumato.Run, toy: ImageData) -> None:
    other = ImageData("toy", toy.train, toy.test, toy.classes, "another")
    with pytest.raises(SfumatoError, match="has changed since it was started"):
        sfumato.resume(run.path, opened=other)


@pytest.mark.parametrize(
    ("change", "word"),
    [
        ({"system": "nothing"}, "system 'nothing'"),
        ({"stranger": 1}, "unknown entries: stranger"),
        ({"seed": "zero"}, "seed: expected int, got str"),
        ({"config": {}}, "missing fields: resolution"),
        ({"data": {}}, "missing entries: data.source, data.name, data.fingerprint"),
    ],
)
def test_a_wrong_config_is_named(run: sfumato.Run, change: dict[str, Any], word: str) -> None:
    path = run.path / "config.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | change))
    with pytest.raises(SfumatoError, match=word):
        sfumato.open(run.path)


@pytest.mark.parametrize(
    ("field", "value", "word"),
    [
        ("bottleneck", "two", "must be of type int"),
        ("bottleneck", 3, r"system.encoder.3.weight has shape \(2, 8\), must be \(3, 8\)"),
        ("loss", "huber", "loss 'huber': must be one of bce, mse, log_cosh"),
        ("widths", 5, "must be a list of ints"),
        ("flavour", 1, "unknown fields: flavour"),
        ("bottleneck", True, "must be of type int"),
    ],
)
def test_a_wrong_field_is_named(run: sfumato.Run, field: str, value: Any, word: str) -> None:
    path = run.path / "config.json"
    values = json.loads(path.read_text())
    values["config"][field] = value
    path.write_text(json.dumps(values))
    with pytest.raises(SfumatoError, match=word):
        sfumato.open(run.path)


@pytest.mark.parametrize(
    ("arguments", "word"),
    [
        ({"system": "stackd"}, "unknown; there are stacked"),
        ({"system": "stacked:huge"}, "stacked has mnist, digits"),
        ({"colour": 1}, "unknown fields: colour; there are"),
        ({"bottleneck": 0}, "bottleneck 0: must lie between 1 and 8,192"),
        ({"plateau_factor": 2.0}, "plateau_factor 2.0"),
        ({"channels": 2}, "channels 2: must be 1 or 3"),
        ({"widths": (8, -5)}, r"widths \(8, -5\): each must lie between 1 and 8,192"),
        ({"learning_rate": float("nan")}, "learning_rate nan: must be a finite number"),
    ],
)
def test_bad_arguments_are_named_before_anything_is_written(
    tmp_path: Path, toy: ImageData, arguments: dict[str, Any], word: str
) -> None:
    values = {"system": "stacked", **SMALL, **arguments}
    with pytest.raises(SfumatoError, match=word):
        sfumato.train(values.pop("system"), data="digits", run=tmp_path / "run", opened=toy, **values)
    assert not (tmp_path / "run").exists()


def test_a_second_owner_is_refused_and_told_who_is_first(tmp_path: Path) -> None:
    folder = RunFolder(tmp_path)
    with folder.owned(), pytest.raises(SfumatoError, match=r"in use by process \d+ on "), RunFolder(tmp_path).owned():
        pass
    with RunFolder(tmp_path).owned():
        pass


def test_a_run_killed_before_its_first_checkpoint_begins_anew(
    tmp_path: Path, toy: ImageData, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What was trained before must be loaded then too."""
    begun: list[int] = []
    monkeypatch.setattr(StackedAutoencoder, "begin", lambda self: begun.append(1))
    sfumato.train("stacked", data="digits", run=tmp_path / "run", opened=toy, **SMALL)
    (tmp_path / "run" / "state.json").unlink()
    sfumato.resume(tmp_path / "run", opened=toy)
    sfumato.resume(tmp_path / "run", opened=toy)  # finished: nothing to begin
    assert len(begun) == 2
