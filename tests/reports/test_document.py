"""Reports: the same content in both formats, nothing from outside, nothing unescaped."""

import io
from pathlib import Path

import pytest
import torch
from docx import Document
from PIL import Image

from sfumato.reports import language
from sfumato.reports.document import Report
from sfumato.reports.figures import curve, labelled_rows, plane, scatter
from sfumato.reports.grids import GROUND, grid
from sfumato.reports.language import Speaker


@pytest.fixture
def report() -> Report:
    made = Report("Title <b>&", subtitle="below")
    made.heading("First")
    made.say("<script>alert(1)</script>", loud=True)
    made.code("Linear(2, 2)")
    made.picture("dot", curve({"a": ([1, 2], [3, 4])}, "x", "y"), "a curve")
    made.table(["name", "value"], [["one", "1"], ["two", "2"]], "numbers", [True, None])
    return made


def test_html_is_one_escaped_file(report: Report) -> None:
    html = report.html()
    assert "<script" not in html
    assert "&lt;script&gt;" in html
    assert "Figure 1. a curve" in html
    assert "Table 1. numbers" in html
    assert html.count('class="met"') == 1
    assert 'src="data:image/png;base64,' in html
    assert "http" not in html


def test_word_has_the_same_content(report: Report, tmp_path: Path) -> None:
    (tmp_path / "report.docx").write_bytes(report.docx())
    document = Document(str(tmp_path / "report.docx"))
    text = "\n".join(paragraph.text for paragraph in document.paragraphs)
    for part in (
        "Title <b>&",
        "First",
        "<script>alert(1)</script>",
        "Linear(2, 2)",
        "Figure 1. a curve",
        "Table 1. numbers",
    ):
        assert part in text
    assert [[cell.text for cell in row.cells] for row in document.tables[0].rows][1] == ["one", "1"]
    assert len(document.inline_shapes) == 1


def test_pictures_are_written_as_png(report: Report, tmp_path: Path) -> None:
    report.write_pictures(tmp_path)
    with Image.open(tmp_path / "dot.png") as picture:
        assert picture.format == "PNG"
        assert picture.width > 500


def test_a_grid_puts_each_image_in_its_cell() -> None:
    images = torch.arange(3).view(3, 1, 1, 1).expand(3, 1, 2, 2) / 4
    sheet = grid(images, columns=2, gap=1)
    assert sheet.shape == (1, 5, 5)
    assert sheet[0, 0].tolist() == pytest.approx([0, 0, GROUND, 0.25, 0.25])
    assert sheet[0, 4].tolist() == pytest.approx([0.5, 0.5, GROUND, GROUND, GROUND])


def test_figures_are_pngs_of_what_they_were_given() -> None:
    images = torch.rand(4, 1, 8, 8)
    for content in (
        labelled_rows({"one": images, "two": images[:2]}, ["a", "b"]),
        scatter(torch.randn(20, 2), torch.arange(20) % 2, ["0", "1"], "x", "y", (-1, -1, 1, 1)),
        plane(images, 2, (-1, 1, -1, 1), "x", "y", torch.tensor([True, False, True, False])),
        curve(
            {"loss": ([1, 2, 3], [3, 2, 1])}, "x", "y", ("rate", [1, 2, 3], [1e-3, 1e-3, 1e-4]), [(2, 2)], "published"
        ),
    ):
        with Image.open(io.BytesIO(content)) as picture:
            assert len(picture.getcolors(1 << 20) or []) > 10


def test_labels_stay_english_where_no_font_can_write_chinese(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(language, "cjk_font", lambda: None)
    say = Speaker("zh")
    assert (say("Loss", "损失"), say.figure("Loss", "损失"), say.lacks_font) == ("损失", "Loss", True)
    monkeypatch.setattr(language, "cjk_font", lambda: "Some Font")
    assert (say.figure("Loss", "损失"), say.lacks_font) == ("损失", False)
    assert Speaker("en")("Loss", "损失") == "Loss"
