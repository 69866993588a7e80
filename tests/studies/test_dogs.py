"""The dogs study in miniature: every section, both formats, both languages, data with odd files."""

import io
import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from docx import Document
from PIL import Image

import sfumato
from sfumato.data.dataset import ImageData, InMemory, LeftOut, Split
from sfumato.data.sources import View, open_data
from sfumato.errors import SfumatoError
from sfumato.studies.dogs import plans

FIGURES = {
    "curves", "codes", "reconstructions", "noise", "samples", "blended", "perturbed-real", "perturbed-drawn",
    "perturbed-blended", "interpolated", "directions", "noisy-samples", "nearest",
}  # fmt: skip
RUNS = {"reference", "noise-0.05", "noise-0.10", "noise-0.15", "variance-0.15", "code-16", "better"}


@pytest.fixture
def tiny(monkeypatch: pytest.MonkeyPatch) -> None:
    """Few patches, so that the whole study takes seconds."""
    whole = open_data("patches", View(3, 64))

    def part(split: Split, count: int) -> Split:
        return Split(InMemory(split.pictures.take(torch.arange(count))))

    bad = (LeftOut("bad.jpg", "damaged"),)
    data = replace(whole, train=part(whole.train, 48), test=part(whole.test, 20), fingerprint="tiny", left_out=bad)
    monkeypatch.setattr(plans, "open_data", lambda *_, **__: data)
    monkeypatch.setattr(plans, "QUICK_IMAGES", dict.fromkeys(plans.QUICK_IMAGES, 48))


@pytest.mark.usefixtures("tiny")
def test_the_study_whole_then_again_in_chinese(tmp_path: Path, tell_again: Callable[[str], list[str]]) -> None:
    results = sfumato.study("dogs", out=tmp_path, precision="fp32")
    assert json.loads((tmp_path / "results.json").read_text()) == results
    assert tell_again("dogs") == [row["name"] for row in results["rows"]]
    names = [row["name"] for row in results["rows"]]
    assert len(names) == len(set(names))
    for row in results["rows"]:
        assert row["met"] is None, "nothing may be held against numbers on other dogs"
        assert np.isfinite(row["measured"])
    assert {row["published"] for row in results["rows"]} == {None, 25.9, 24.3, 24.2, 42.0, 37.0, 36.0, 31.4}
    assert {path.stem for path in (tmp_path / "figures").iterdir()} == FIGURES
    assert {path.name for path in (tmp_path / "runs").iterdir()} == RUNS
    html = (tmp_path / "report.html").read_text()
    assert "not pictures of dogs" in html
    assert "the encoder of Sfumato" in html
    assert "bad.jpg" in html
    assert results["images in each measured set"] == 20
    assert html.count("data:image/png") == len(FIGURES)
    document = Document(str(tmp_path / "report.docx"))
    assert len(document.inline_shapes) == len(FIGURES)
    assert len(document.tables) == html.count("<table")
    began = {path: path.stat().st_mtime for path in tmp_path.glob("runs/*/state.json")}

    sfumato.study("dogs", out=tmp_path, precision="fp32", language="zh")
    assert {path: path.stat().st_mtime for path in tmp_path.glob("runs/*/state.json")} == began, "trained again"
    html = (tmp_path / "report.html").read_text()
    assert "发表值与实测值" in html
    assert "不是狗的照片" in html


def picture(mode: str, size: tuple[int, int], seed: int = 0, **options: object) -> bytes:
    values = np.random.default_rng(seed).integers(0, 256, (*size[::-1], 3), dtype=np.uint8)
    buffer = io.BytesIO()
    Image.fromarray(values).convert(mode).save(buffer, "JPEG", **options)
    return buffer.getvalue()


def test_a_folder_of_odd_files_trains_and_the_report_lists_what_was_left_out(tmp_path: Path) -> None:
    rotated = Image.Exif()
    rotated[0x0112] = 6
    files = {f"fine-{index}.jpg": picture("RGB", (80, 70), index) for index in range(24)}
    files |= {
        "grey.jpg": picture("L", (90, 60)),
        "cmyk.jpg": picture("CMYK", (90, 60)),
        "rotated.jpg": picture("RGB", (90, 60), exif=rotated),
        "huge.jpg": picture("L", (4000, 3000)),
        "tiny.jpg": picture("RGB", (3, 2)),
        "broken.jpg": picture("RGB", (90, 60))[:300],
        "text.png": b"not a picture",
    }
    source = tmp_path / "pictures"
    source.mkdir()
    for name, content in files.items():
        (source / name).write_bytes(content)
    run = sfumato.train(
        "convolutional", data=str(source), run=tmp_path / "run", images=32, batch_size=16, filters=(8, 8, 8)
    )
    assert run.manifest.data.train + run.manifest.data.test == 29
    assert run.config.network == "reference"
    page = (tmp_path / "run" / "report.html").read_text()
    for name, reason in (("broken.jpg", "damaged"), ("text.png", "not an image")):
        assert name in page
        assert reason in page


def test_too_few_images_and_bad_features_are_refused(
    tmp_path: Path, toy: ImageData, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(SfumatoError, match="no such file"):
        sfumato.study("dogs", out=tmp_path / "out", features=tmp_path / "none.safetensors")
    with pytest.raises(SfumatoError, match="takes no features"):
        sfumato.study("handwriting", out=tmp_path / "out", features=tmp_path / "none.safetensors")
    monkeypatch.setattr(plans, "open_data", lambda *_, **__: toy)
    with pytest.raises(SfumatoError, match="needs 16 training and 16 test images"):
        sfumato.study("dogs", out=tmp_path / "out")
    assert not (tmp_path / "out").exists()
