"""What is shipped paints as the run that it is from does, and says where it comes from."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from safetensors import safe_open
from safetensors.torch import load_file

import sfumato
from sfumato import cli
from sfumato.data.dataset import ImageData, InMemory, Split
from sfumato.errors import SfumatoError
from sfumato.runs.open import Run
from sfumato.style.network import StyleSystem, shipped
from sfumato.weights.known import SHIPPED


@pytest.fixture
def trained(toy: ImageData, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Run]:
    """Trains an encoder into a folder of that name, for two steps, under a teacher that knows nothing."""
    monkeypatch.setenv("SFUMATO_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr("sfumato.nets.encoders.Encoder.load", lambda encoder, *_: encoder)
    images = Split(InMemory(torch.randint(256, (16, 3, 64, 64), dtype=torch.uint8)))
    data = replace(toy, train=images, test=images)

    def train(name: str, **fields: object) -> Run:
        return sfumato.train(
            "encoder", data=("a", "b"), run=tmp_path / name, opened=replace(data, second=data), precision="fp32",
            resolution=64, crop=64, images=16, **fields,
        )  # fmt: skip

    return train


def export(run: Path, out: Path) -> None:
    cli.main(["export", str(run), "--out", str(out)])


def test_the_exported_files_paint_the_same(
    trained: Callable[..., Run], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = trained("run", teacher_file=str(tmp_path / "secret" / "teacher.pth"))
    export(run.path, tmp_path / "out")
    paths = sorted((tmp_path / "out").iterdir(), reverse=True)
    assert [path.name for path in paths] == ["sfumato-encoder.safetensors", "sfumato-decoder.safetensors"]
    with safe_open(paths[0], "pt") as file:
        assert "teacher.pth" in file.metadata()["config"]
        assert "secret" not in str(file.metadata())
    monkeypatch.setattr("sfumato.style.network.SHIPPED", tmp_path / "out")
    assert isinstance(run.system, StyleSystem)
    content, style = torch.rand(2, 1, 3, 64, 64)
    with torch.no_grad():
        expected, found = run.system.restyler(content, style), shipped()(content, style)
    assert (found - expected).abs().max() < 0.02 * expected.abs().max()
    own, exported = (sfumato.stylize(content[0], style[0], run=path) for path in (run.path, ""))
    assert (own - exported).abs().max() < 0.02


def test_training_goes_on_with_the_decoder_alone(trained: Callable[..., Run], tmp_path: Path) -> None:
    export(trained("run").path, tmp_path / "out")
    export(trained("more", start=str(tmp_path / "out")).path, tmp_path / "again")
    encoder, decoder = (
        [load_file(tmp_path / folder / f"sfumato-{part}.safetensors") for folder in ("out", "again")]
        for part in ("encoder", "decoder")
    )
    assert all(torch.equal(value, encoder[1][name]) for name, value in encoder[0].items())
    assert not all(torch.equal(value, decoder[1][name]) for name, value in decoder[0].items())
    assert all((value - decoder[1][name]).abs().max() < 0.01 for name, value in decoder[0].items())


def test_a_folder_without_exported_files_is_named(trained: Callable[..., Run], tmp_path: Path) -> None:
    with pytest.raises(SfumatoError, match="there is no such file"):
        trained("run", start=str(tmp_path))


def test_other_runs_become_a_folder_that_opens_like_one(toy: ImageData, tmp_path: Path) -> None:
    run = sfumato.train("stacked", run=tmp_path / "run", opened=toy, images=16, batch_size=8)
    export(tmp_path / "run", tmp_path / "out")
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == ["config.json", "model.safetensors"]
    assert (sfumato.open(tmp_path / "out").sample(4) - run.sample(4)).abs().max() < 1e-2
    picture = torch.rand(3, 32, 32)
    with pytest.raises(SfumatoError, match="run: is not a run of a style system"):
        sfumato.stylize(picture, picture, run=tmp_path / "run")


def test_what_the_package_ships_is_small_and_names_no_folder() -> None:
    paths = sorted(SHIPPED.glob("*.safetensors"))
    assert len(paths) == 3
    assert sum(path.stat().st_size for path in paths) < 8_000_000
    for path in paths:
        with safe_open(path, "pt") as file:
            assert not any("/" in text for text in file.metadata().values())
