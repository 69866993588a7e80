"""The handwriting study in miniature: every section, both formats, both languages, and taking up where it stopped."""

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from docx import Document

import sfumato
from sfumato.data.dataset import ImageData, InMemory, Split
from sfumato.data.sources import View, open_data
from sfumato.errors import SfumatoError
from sfumato.studies.handwriting import plans

SECTIONS = 10
FIGURES = {
    "curve-autoencoder", "reconstructions", "curve-denoising", "denoising", "codes", "plane", "plane-weight-decay",
    "plane-norm-penalty", "codes-compared", "spectrum", "ablations", "psnr", "drawn-autoencoder", "drawn-vae",
}  # fmt: skip


@pytest.fixture
def tiny(monkeypatch: pytest.MonkeyPatch) -> None:
    """Few digits and few images, so that the whole study takes seconds."""
    whole = open_data("digits", View(1, 28))

    def part(split: Split, count: int) -> Split:
        assert split.labels is not None
        return Split(InMemory(split.pictures.take(torch.arange(count))), split.labels[:count])

    data = replace(whole, train=part(whole.train, 200), test=part(whole.test, 100), fingerprint="tiny")
    monkeypatch.setattr(plans, "open_data", lambda *_, **__: data)
    monkeypatch.setattr(plans, "QUICK_IMAGES", 400)
    monkeypatch.setattr(plans, "QUICK_ABLATION_IMAGES", 200)


@pytest.mark.usefixtures("tiny")
def test_the_study_whole_then_again_in_chinese(tmp_path: Path, tell_again: Callable[[str], list[str]]) -> None:
    results = sfumato.study("handwriting", out=tmp_path, precision="fp32")
    assert json.loads((tmp_path / "results.json").read_text()) == results
    assert tell_again("handwriting") == [row["name"] for row in results["rows"]]
    for row in results["rows"]:
        assert row.keys() == {"name", "published", "measured", "unit", "better", "met"}
        assert row["met"] is None, "nothing on the embedded digits may be held against MNIST"
    assert {"seed", "data", "hardware", "versions", "seconds"} <= results.keys()
    assert {path.stem for path in (tmp_path / "figures").iterdir()} == FIGURES
    html = (tmp_path / "report.html").read_text()
    assert html.count("<h2") == SECTIONS
    assert "not MNIST" in html
    assert html.count("data:image/png") == len(FIGURES)
    assert 'src="http' not in html
    document = Document(str(tmp_path / "report.docx"))
    assert len(document.inline_shapes) == len(FIGURES)
    assert len(document.tables) == html.count("<table")
    began = {path: path.stat().st_mtime for path in tmp_path.glob("runs/*/state.json")}
    assert len(began) == 12

    sfumato.study("handwriting", out=tmp_path, precision="fp32", language="zh")
    assert {path: path.stat().st_mtime for path in tmp_path.glob("runs/*/state.json")} == began, "trained again"
    html = (tmp_path / "report.html").read_text()
    assert "发表值与实测值" in html
    assert "不是 MNIST" in html
    assert any("去噪" in paragraph.text for paragraph in Document(str(tmp_path / "report.docx")).paragraphs)
    with pytest.raises(SfumatoError, match="other settings"):
        sfumato.study("handwriting", out=tmp_path, precision="fp32", seed=1)


def test_data_without_ten_classes_is_refused(tmp_path: Path, toy: ImageData, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(plans, "open_data", lambda *_, **__: toy)
    with pytest.raises(SfumatoError, match="needs ten classes; it has 2"):
        sfumato.study("handwriting", out=tmp_path / "out", data="toy")


@pytest.mark.parametrize(
    ("arguments", "word"), [({"name": "x"}, "'x'"), ({"scale": "huge"}, "huge"), ({"language": "fr"}, "fr")]
)
def test_unknown_choices_are_named(tmp_path: Path, arguments: dict[str, str], word: str) -> None:
    values = {"name": "handwriting", **arguments}
    with pytest.raises(SfumatoError, match=word):
        sfumato.study(values.pop("name"), out=tmp_path, **values)  # pyright: ignore[reportArgumentType]
