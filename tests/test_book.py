"""The book: every page is there and whole, its commands are ones, its Python runs, it builds without a warning."""

import os
import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest
from PIL import Image

pytest.importorskip("latex2mathml")
pytest.importorskip("zensical")

from book import compose, diagrams, measured
from sfumato import cli
from sfumato.runs.catalog import CATALOG
from sfumato.studies.registry import STUDIES

ROOT = Path(__file__).parents[1]
DOCS = ROOT / "docs"
PAGES = [*(ROOT / name for name in ("README.md", "README.zh-CN.md")), *sorted(DOCS.rglob("*.md"))]
HEADINGS = {
    "": ("Equations", "In Python", "The command", "What comes out", "Published and measured",
         "Departures from the paper", "What goes wrong", "Fields"),
    "zh": ("公式", "用 Python", "命令", "得到什么", "论文所载与实测", "与论文的不同", "会出什么问题", "参数"),
}  # fmt: skip
PLACES = ("{{ idea }}", "{{ command }}", "{{ measured }}", "{{ departures }}", "{{ fields }}")
CODE = re.compile(r"^( *)```(?P<kind>[^\n`]*)\n(?P<body>.*?)^ *```", re.DOTALL | re.MULTILINE)


def commands(page: Path) -> list[str]:
    """The commands of a page: lines of its blocks, and code in its tables, without what is said behind them."""
    text = page.read_text("utf-8")
    bodies = [re.sub(r"\\\n\s*", "", block["body"]) for block in CODE.finditer(text)]
    lines = [line.strip() for body in bodies for line in body.splitlines()]
    lines += re.findall(r"^\| `(sfumato [^`]+)` \|", text, re.MULTILINE)
    found = (re.split(r" {2,}", line.partition(" && ")[2] or line)[0] for line in lines)
    return [line for line in found if line.startswith("sfumato ")]


def blocks(page: Path) -> list[str]:
    return [found["body"] for found in CODE.finditer(page.read_text("utf-8")) if found["kind"].strip() == "python"]


@pytest.mark.parametrize("language", HEADINGS)
@pytest.mark.parametrize("name", CATALOG)
def test_every_system_has_a_whole_page(name: str, language: str) -> None:
    text = (DOCS / language / "systems" / f"{name}.md").read_text("utf-8")
    assert re.findall(r"^## (.+)$", text, re.MULTILINE) == list(HEADINGS[language])
    places = [place for place in PLACES if not (language and place == "{{ departures }}")]  # are written by hand there
    assert [place for place in places if place in text] == places
    assert "```diagram" in text


@pytest.mark.parametrize("language", HEADINGS)
@pytest.mark.parametrize("name", STUDIES)
def test_every_study_has_a_page_with_figures(name: str, language: str) -> None:
    text = (DOCS / language / "studies" / f"{name}.md").read_text("utf-8")
    assert "{{ study }}" in text
    assert len(re.findall(r"!\[", text)) >= 3


def test_the_readme_is_short() -> None:
    for name in ("README.md", "README.zh-CN.md"):
        assert len((ROOT / name).read_text("utf-8").splitlines()) <= 120


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_commands_of_a_page_are_ones(page: Path) -> None:
    """Every name, option and value is one that the command line takes; what they do is tested elsewhere."""
    for command in commands(page):
        tokens = shlex.split(command, comments=True)[1:]
        if tokens[:1] == ["train"]:
            cli._offer_fields(tokens[1:])
        if tokens[:1] == ["stylize"]:
            cli._offer_options()
        try:
            cli.app.parse_args(cli._settle_memory(tokens), exit_on_error=False, print_error=False)
        except Exception as error:
            raise AssertionError(f"{command}: {error}") from error


def test_numbers_come_from_results_and_a_place_where_none_stands_is_refused() -> None:
    for name in CATALOG:
        for language in ("en", "zh"):
            assert "results/" in measured.system_table(name, language)
    with pytest.raises((KeyError, StopIteration)):
        measured._find(measured.result("dogs-full.json"), "no such row")
    assert measured._find({"rows": [{"name": "a", "published": 1, "measured": 2, "unit": "dB"}]}, "a") == (1, 2, "dB")
    assert measured._find({"a": [{"name": "b", "c": 3}]}, "a/b/c") == (None, 3, "")


def test_a_diagram_has_its_cells_arrows_and_words() -> None:
    drawn = diagrams.svg("(x=photo) | net | (y)\n | (z) |\nz -> net: style\ny -- x: loss")
    assert drawn.count("<rect") == 4
    assert drawn.count("marker-end") == 3
    assert drawn.count("stroke-dasharray") == 1
    for word in ("photo", "style", "loss"):
        assert f">{word}<" in drawn
    with pytest.raises(ValueError, match="no such cell"):
        diagrams.svg("a | b\na -> c")


def test_formulas_become_mathml_and_code_stays() -> None:
    text = compose._outside_code("$x^2$ and `$x$`\n\n```bash\necho $HOME $PATH\n```\n")
    assert "<msup>" in text
    assert "`$x$`" in text
    assert "echo $HOME $PATH" in text


@pytest.mark.slow
def test_the_book_builds_without_a_warning_and_leads_nowhere_wrong(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "book", "--out", str(tmp_path / "site")], cwd=ROOT, capture_output=True, text=True,
        timeout=600, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    for page in ("index.html", "zh/index.html", "systems/ssd.html", "zh/studies/dogs.html", "commands.html"):
        html = (tmp_path / "site" / page).read_text("utf-8")
        assert "{{" not in html
        assert not re.findall(r'(?:src|href)="https?://[^"]+\.(?:js|css)"', html)  # nothing is fetched from elsewhere


@pytest.mark.slow
@pytest.mark.parametrize(
    "page",
    [page for page in PAGES if blocks(page) and "zh" not in page.parts and page.parent.name in ("systems", "how-to")],
    ids=lambda page: page.stem,
)
def test_python_of_a_page_runs(page: Path, tmp_path: Path) -> None:
    """With 64 images in place of the number that a reader should take, and small pictures."""
    picture = Image.open(ROOT / "docs" / "images" / "stylize.jpg").resize((324, 259))
    for name in ("photo.jpg", "painting.jpg"):
        picture.save(tmp_path / name)
    for block in blocks(page):
        short = re.sub(r"\bimages=[\d_]+", "images=64", block)
        subprocess.run(
            [sys.executable, "-c", short], cwd=tmp_path, check=True, timeout=600, capture_output=True,
            env={**os.environ, "OMP_NUM_THREADS": "1"},
        )  # fmt: skip
