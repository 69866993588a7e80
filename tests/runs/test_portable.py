"""Models elsewhere: what ONNX Runtime and PyTorch's own format compute is what the run computes."""

from pathlib import Path

import pytest

import sfumato
from sfumato.errors import SfumatoError
from sfumato.runs.model import is_model
from sfumato.runs.portable import export

pytest.importorskip("onnxruntime")
SMALL = {"images": 32, "batch_size": 16, "evaluate": False, "precision": "fp32", "device": "cpu"}
SYSTEMS = {
    "stacked": {}, "cgan": {}, "stylegan2": {"latent": 16}, "ssd": {"pretrained": False},
    "cyclegan": {"batch_size": 2}, "adain": {"encoder": "sfumato", "batch_size": 2, "crop": 64},
    "unet": {"pretrained": False, "width": 8},
}  # fmt: skip


@pytest.mark.slow
@pytest.mark.parametrize("name", SYSTEMS)
def test_onnx_computes_what_the_run_does(tmp_path: Path, name: str) -> None:
    run = sfumato.train(name, run=tmp_path / "run", **{**SMALL, **SYSTEMS[name]})
    made = list(export(run, tmp_path / "model.onnx"))
    assert len(made) == len(run.system.portable())
    for one in made:
        assert one.path.is_file()
        assert one.difference < 1e-4


def test_pt2_does_too_and_says_what_it_is(tmp_path: Path) -> None:
    import torch

    run = sfumato.train("gan", run=tmp_path / "run", **SMALL)
    (made,) = export(run, tmp_path / "model.pt2")
    assert made.difference < 1e-6
    said = {"system": "", "about.latents": ""}
    torch.export.load(made.path, extra_files=said)
    assert said["system"] == "gan"
    assert said["about.latents"] == "(n, 64), normal"


def test_other_endings_are_refused(tmp_path: Path) -> None:
    run = sfumato.train("gan", run=tmp_path / "run", **SMALL)
    with pytest.raises(SfumatoError, match=r"model\.tflite: models are written as \.onnx or \.pt2"):
        list(export(run, tmp_path / "model.tflite"))
    assert not is_model(tmp_path / "run")
