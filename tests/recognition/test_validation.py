"""Weights are chosen by validation images, kept, and measured on the test images once."""

import json
from dataclasses import replace
from pathlib import Path

import pytest
import torch

import sfumato
from sfumato.data.sources import View, open_data
from sfumato.engine.checkpoint import load_best
from sfumato.errors import SfumatoError
from sfumato.recognition.family import by_epoch
from sfumato.runs.open import Run, history_of

from ..data.test_folder import jpeg, tree


def three(root: Path, count: int = 8) -> Path:
    """Three parts of two classes, which cannot be told apart: only noise is learnt."""
    return tree(
        root,
        {
            f"{half}/{label}/{number}.jpg": jpeg(100 * place + number + ord(label), (40, 40))
            for place, half in enumerate(("train", "val", "test")) for label in "ab" for number in range(count)
        },
    )  # fmt: skip


def trained(root: Path, run: Path, **fields: object) -> Run:
    return sfumato.train(
        "finetune", data=str(root), run=run, resolution=32, batch_size=8, precision="fp32", device="cpu",
        **{"images": 16 * 6, "learning_rate": 3e-3, **fields},
    )  # fmt: skip


def test_the_best_weights_are_kept_and_used(tmp_path: Path) -> None:
    run = trained(three(tmp_path / "data"), tmp_path / "run")
    rows = run.measures()
    assert [row["images"] for row in rows] == [16 * epoch for epoch in range(1, 7)]
    best = max(rows, key=lambda row: row["valid_accuracy"])
    system = run.system
    assert load_best(run.path, system) == best["images"]
    assert run.evaluation.images == 16
    assert run.data.valid is not None
    with torch.no_grad():
        said = system(run.data.valid.images()).argmax(1)
    assert run.data.valid.labels is not None
    assert float((said == run.data.valid.labels).float().mean()) == pytest.approx(best["valid_accuracy"])
    assert system.fitted["temperature"] > 0
    assert {"accuracy", "ece", "confidence"} <= set(run.evaluation.keys())
    page = (run.path / "report.html").read_text()
    assert "how sure the network is" in page
    assert "On validation images" in page


def test_a_stopped_run_chooses_the_same(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    data = three(tmp_path / "data")
    whole = trained(data, tmp_path / "whole")
    from sfumato.runs.stopping import Stopped

    def stop(images: int) -> None:
        if images == 56:
            import signal

            signal.raise_signal(signal.SIGINT)

    with pytest.raises(Stopped):
        trained(data, tmp_path / "run", watch=stop)
    again = sfumato.resume(tmp_path / "run")
    assert again.measures() == [
        {**row, "seconds": other["seconds"]} for row, other in zip(whole.measures(), again.measures(), strict=True)
    ]
    first, second = whole.system, again.system
    assert first.fitted == second.fitted
    assert all(torch.equal(value, second.state_dict()[key]) for key, value in first.state_dict().items())


def test_patience_ends_a_run_that_learns_nothing_more(tmp_path: Path) -> None:
    run = trained(three(tmp_path / "data"), tmp_path / "run", patience=2, images=16 * 50, learning_rate=1e-6)
    drawn = run.measures()[-1]["images"]
    best = max(run.measures(), key=lambda row: row["valid_accuracy"])["images"]
    assert drawn == best + 2 * 16 < 16 * 50
    assert run.config.images == drawn
    assert run.folder.is_finished
    again = sfumato.resume(tmp_path / "run")
    assert again.measures()[-1]["images"] == drawn


def test_patience_without_validation_images_is_refused(tmp_path: Path) -> None:
    files = {
        f"{half}/{label}/{number}.jpg": jpeg(number)
        for half in ("train", "test")
        for label in "ab"
        for number in range(4)
    }
    with pytest.raises(SfumatoError, match="no validation images"):
        trained(tree(tmp_path / "data", files), tmp_path / "run", patience=2)
    assert not (tmp_path / "run").exists()


def test_without_validation_images_the_last_weights_are_used(tmp_path: Path) -> None:
    files = {
        f"{half}/{label}/{number}.jpg": jpeg(number)
        for half in ("train", "test")
        for label in "ab"
        for number in range(6)
    }
    run = trained(tree(tmp_path / "data", files), tmp_path / "run", images=24)
    assert not (run.path / "checkpoints/best.safetensors").exists()
    assert run.measures() == []


def test_test_images_are_followed_and_nothing_is_chosen_by_them(tmp_path: Path) -> None:
    two = {
        f"{half}/{label}/{number}.jpg": jpeg(number + 9 * ord(label), (40, 40))
        for half in ("train", "test") for label in "ab" for number in range(8)
    }  # fmt: skip
    run = trained(tree(tmp_path / "data", two), tmp_path / "run", images=48, follow=True)
    assert [row["images"] for row in run.measures()] == [16, 32, 48]
    assert run.measures()[-1]["test_accuracy"] == run.evaluation.value("accuracy")
    assert "nothing was chosen by these" in (run.path / "report.html").read_text()
    assert not (run.path / "checkpoints/best.safetensors").exists()
    plain = trained(tmp_path / "data", tmp_path / "plain", images=48)
    assert all(torch.equal(value, plain.system.state_dict()[key]) for key, value in run.system.state_dict().items())
    found = by_epoch(history_of(run.folder), 16)
    assert found["accuracy"][0] == found["test_accuracy"][0] == [1, 2, 3]


@pytest.mark.parametrize("content", [b"", b"x" * 100, b'{"a": 1}'])
def test_damaged_best_weights_are_one_line(tmp_path: Path, content: bytes) -> None:
    run = trained(three(tmp_path / "data", 4), tmp_path / "run", images=16)
    (run.path / "checkpoints/best.safetensors").write_bytes(content)
    with pytest.raises(SfumatoError, match="damaged"):
        _ = Run(run.path).system


@pytest.mark.parametrize(
    ("system", "target", "keys"),
    [("ssd", "boxes", ["valid_map_50"]), ("fcn", "masks", ["valid_miou", "valid_pixel_accuracy"])],
)
def test_objects_and_pixels_are_validated_too(tmp_path: Path, system: str, target: str, keys: list[str]) -> None:
    scenes = open_data("scenes", View(3, 64, target=target))  # pyright: ignore[reportArgumentType]
    small = replace(scenes, valid=scenes.test)
    options = {"crop": 32} if system == "fcn" else {}
    run = sfumato.train(
        system, data="scenes", opened=small, run=tmp_path / "run", images=480, resolution=64, device="cpu",
        precision="fp32", evaluate=False, **options,
    )  # fmt: skip
    (row,) = run.measures()
    assert set(row) == {"images", "seconds", "valid_loss", *keys}
    assert (run.path / "checkpoints/best.safetensors").exists()


def test_an_external_set_is_measured_whole(tmp_path: Path) -> None:
    run = trained(three(tmp_path / "data", 4), tmp_path / "run", images=16)
    measured = run.evaluate(run.open_data([str(tmp_path / "data")]))
    assert measured.images == 24
    assert run.evaluation.images == 8


def test_a_run_from_before_these_options_is_read(tmp_path: Path) -> None:
    run = trained(three(tmp_path / "data", 4), tmp_path / "run", images=16)
    path = run.path / "config.json"
    values = json.loads(path.read_text())
    values["format"] = 2
    for name in ("patience", "loss", "balance", "smoothing"):
        del values["config"][name]
    for name in ("valid", "split", "holdout", "reading"):
        del values["data"][name]
    path.write_text(json.dumps(values))
    assert Run(run.path).config == run.config
