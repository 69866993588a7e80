"""The restyle study in miniature: every section, both formats, both languages, the course's own pair."""

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from docx import Document
from PIL import Image

import sfumato
from sfumato.data.paintings import painting
from sfumato.errors import SfumatoError
from sfumato.studies.restyle import measures, plans, sections

FIGURES = {
    "curves", "snapshots", "photographs", "strengths", "corners", "optimisation-curves", "optimisation", "comparison",
    "frames", "sheet", "strokes",
}  # fmt: skip


QUICK = {"fine": {"preset": "fine", "effort": 0.1}, "strokes": {"method": "gatys", "effort": 0.1}}


@pytest.fixture
def tiny(monkeypatch: pytest.MonkeyPatch) -> None:
    """Few steps on small pictures, so that the whole study takes seconds."""
    for module, name, value in (
        (plans, "SIDE", 128), (plans, "QUICK_IMAGES", 32), (measures, "PAINTED", {False: (48, 64, 4)}),
        (measures, "SHOWN_EVERY", {False: 2}), (measures, "MARKS", {False: (1, 3)}), (measures, "FRAMES", {False: 3}),
        (measures, "CORNERS", 2),
        (measures, "METHODS", QUICK), (measures, "SPEED_SIDES", (64,)), (sections, "PUBLISHED_FPS", {64: 56.0}),
    ):  # fmt: skip
        monkeypatch.setattr(module, name, value)


@pytest.fixture
def sets(tmp_path: Path) -> tuple[str, str]:
    """A folder of contents and one of styles; the course's pair is among them."""
    for folder, name, manner in (
        ("contents", "cornell.jpg", "blocks"), ("styles", "woman_with_hat_matisse.jpg", "strokes"),
    ):  # fmt: skip
        for half, count in (("train", 12), ("test", 4)):
            (tmp_path / folder / half).mkdir(parents=True)
            for index in range(count):
                painting(manner, index, 48).resize((150, 140)).save(tmp_path / folder / half / f"{index}.jpg")
        Image.new("RGB", (160, 140), "red" if folder == "contents" else "blue").save(tmp_path / folder / "test" / name)
    return str(tmp_path / "contents"), str(tmp_path / "styles")


@pytest.mark.usefixtures("tiny")
def test_the_study_whole_then_again_in_chinese(
    tmp_path: Path, sets: tuple[str, str], tell_again: Callable[[str], list[str]]
) -> None:
    out = tmp_path / "out"
    results = sfumato.study("restyle", out=out, data=sets, precision="fp32")
    assert json.loads((out / "results.json").read_text()) == results
    assert tell_again("restyle") == [row["name"] for row in results["rows"]]
    names = [row["name"] for row in results["rows"]]
    assert len(names) == len(set(names))
    assert all(np.isfinite(row["measured"]) and row["met"] is None for row in results["rows"])
    assert {path.stem for path in (out / "figures").iterdir()} == FIGURES
    assert {path.name for path in (out / "runs" / "adain" / "snapshots").iterdir()} == {
        "010.safetensors", "050.safetensors", "080.safetensors", "100.safetensors",
    }  # fmt: skip
    html = (out / "report.html").read_text()
    assert html.count("data:image/png") == len(FIGURES)
    assert "our own encoder" in html
    assert len(Document(str(out / "report.docx")).inline_shapes) == len(FIGURES)
    began = (out / "runs" / "adain" / "state.json").stat().st_mtime

    sfumato.study("restyle", out=out, data=sets, precision="fp32", language="zh")
    assert (out / "runs" / "adain" / "state.json").stat().st_mtime == began, "trained again"
    assert "发表值与实测值" in (out / "report.html").read_text()


@pytest.mark.usefixtures("tiny")
def test_the_courses_own_pair_is_found(tmp_path: Path, sets: tuple[str, str]) -> None:
    content, style = (
        measures.named(source, name, 128)
        for source, name in zip(sets, (measures.COURSE_CONTENT, measures.COURSE_STYLE), strict=True)
    )
    assert content is not None
    assert style is not None
    assert content.mean((1, 2))[0] > 0.9 > 0.1 > content.mean((1, 2))[2]
    assert measures.named("photographs", "cornell.jpg", 128) is None


def test_one_data_set_is_too_few(tmp_path: Path) -> None:
    with pytest.raises(SfumatoError, match="study restyle takes 2, not 1"):
        sfumato.study("restyle", out=tmp_path / "out", data="photographs")
