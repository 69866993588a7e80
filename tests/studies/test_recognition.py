"""The recognition study in miniature, and what it is built from against closed forms."""

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from docx import Document
from torch.nn import functional as F

import sfumato
from sfumato.data.dataset import ImageData, InMemory, Split
from sfumato.data.sources import View, open_data
from sfumato.errors import SfumatoError
from sfumato.studies.plan import Plan
from sfumato.studies.recognition import measures, plans
from sfumato.studies.recognition.experiments import adjointness, convolution_matrix, transposed_matrix

RUNS = {"fine-tuned", "scratch", "ssd", "ssd-pretrained", "fcn-32s", "fcn-8s", "unet", "deeplab"}
FIGURES = {
    "naming", "confusion-fine-tuned", "confusion-scratch", "anchors", "assigned-0", "assigned-1", "boxing",
    "detections", "transposed", "colouring", "pixels", "looks", "naming-epochs",
    "colouring-epochs", "matrix-1", "matrix-2", "kernels",
}  # fmt: skip


@pytest.fixture
def tiny(monkeypatch: pytest.MonkeyPatch) -> None:
    """Few and small images, so that the whole study takes seconds."""

    def part(split: Split, count: int) -> Split:
        known = {
            name: None if (value := getattr(split, name)) is None else value[:count] for name in ("labels", "boxes")
        }
        return replace(split, pictures=InMemory(split.pictures.take(torch.arange(count))), **known)

    def opened(source: str, view: View) -> ImageData:
        whole = open_data(source, replace(view, resolution=64))
        return replace(
            whole, train=part(whole.train, 32), test=part(whole.test, 16), fingerprint=f"tiny {source} {view.target}"
        )

    monkeypatch.setattr(plans, "open_data", opened)
    monkeypatch.setattr(plans, "QUICK", {"names": 32, "boxes": 32, "masks": 16})
    monkeypatch.setattr(measures, "SHOWN", 3)
    whole = plans.plans

    def small(*arguments: Any) -> list[Plan]:
        few = {"resolution": 64, "batch_size": 8}
        more = {"unet": {"width": 4}, "deeplab": {"width": 8}}
        crop = {name: {"crop": 32} for name in ("unet", "deeplab", "fcn-32s", "fcn-8s")}
        return [
            replace(plan, fields={**few, **plan.fields, **more.get(plan.name, {}), **crop.get(plan.name, {})})
            for plan in whole(*arguments)
        ]

    monkeypatch.setattr(plans, "plans", small)


@pytest.mark.parametrize("language", ["en", "zh"])
def test_the_whole_study(tiny: None, tmp_path: Path, language: Any, tell_again: Callable[[str], list[str]]) -> None:
    results = sfumato.study("recognition", out=tmp_path, language=language, precision="fp32")
    assert {path.name for path in (tmp_path / "runs").iterdir()} == RUNS
    assert {path.stem for path in (tmp_path / "figures").glob("*.png")} >= FIGURES
    assert results == json.loads((tmp_path / "results.json").read_text("utf-8"))
    rows = {row["name"]: row for row in results["rows"]}
    assert tell_again("recognition") == list(rows)
    for name in (
        "anchors of TinySSD", "largest difference from the printed overlaps of five anchors",
        "largest difference from the printed offsets of five anchors",
        "anchors of five assigned otherwise than printed", "boxes kept of four by suppression",
        "largest |⟨Ax, y⟩ - ⟨x, Aᵀy⟩| / |⟨Ax, y⟩| of six shapes",
        "largest difference of a bilinear transposed convolution from interpolation",
        "receptive field of a halving block, by gradient",
        "largest difference of Aᵀy from torch's transposed convolution",
    ):  # fmt: skip
        assert rows[name]["met"] is True, name
    assert rows["test accuracy, fine-tuned"]["published"] == 0.94
    assert rows["test accuracy, fine-tuned"]["met"] is None
    page = (tmp_path / "report.html").read_text("utf-8")
    assert ("锚框" if language == "zh" else "Anchors") in page
    assert len(Document(str(tmp_path / "report.docx")).inline_shapes) >= len(FIGURES)


def test_data_that_do_not_fit_are_refused(tmp_path: Path) -> None:
    with pytest.raises(SfumatoError, match="takes 3, not 1"):
        sfumato.study("recognition", out=tmp_path, data="faces")
    with pytest.raises(SfumatoError, match="has not boxes"):
        sfumato.study("recognition", out=tmp_path, data=("faces", "faces", "scenes"))
    with pytest.raises(SfumatoError, match="there is no such file"):
        sfumato.study("recognition", out=tmp_path, features=tmp_path / "none")


@pytest.mark.parametrize("stride", [1, 2, 3])
@pytest.mark.parametrize("padding", [0, 1])
def test_a_transposed_convolution_is_the_transpose(stride: int, padding: int) -> None:
    assert adjointness(stride, padding) < 1e-12


@pytest.mark.parametrize("stride", [1, 2])
def test_a_convolution_is_its_matrix(stride: int) -> None:
    kernel, picture = torch.rand(2, 3), torch.rand(5, 7)
    drawn = F.conv2d(picture[None, None], kernel[None, None], stride=stride)
    weights = convolution_matrix(kernel, 5, 7, stride)
    assert torch.allclose(weights @ picture.flatten(), drawn.flatten())


def test_transposed_convolutions_are_the_printed_ones() -> None:
    """ "Dive into Deep Learning", section 14.10."""
    assert transposed_matrix(1).drawn.tolist() == [0, 0, 1, 0, 4, 6, 4, 12, 9]
    assert transposed_matrix(2).drawn.view(4, 4).tolist() == [[0, 0, 0, 1], [0, 0, 2, 3], [0, 2, 0, 3], [4, 6, 6, 9]]
