"""What the README says is true: its commands run, its table lists the catalog, its links lead somewhere."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from sfumato.runs.catalog import CATALOG

ROOT = Path(__file__).parents[1]
READMES = ("README.md", "README.zh-CN.md")
CARD = "src/sfumato/weights/shipped/README.md"
BOOK = (path.relative_to(ROOT).as_posix() for path in sorted((ROOT / "docs").rglob("*.md")))
PAGES = (*READMES, "CHANGELOG.md", "CONTRIBUTING.md", "SECURITY.md", CARD, *BOOK)


@pytest.mark.parametrize("name", READMES)
def test_both_commands_stand_in_the_readme(name: str) -> None:
    text = (ROOT / name).read_text("utf-8")
    assert "pip install . && sfumato study handwriting --scale quick --out handwriting" in text
    assert "pip install -e '.[dev]' && ./check" in text


@pytest.mark.parametrize("name", READMES)
def test_every_system_is_linked(name: str) -> None:
    text = (ROOT / name).read_text("utf-8")
    for entry in CATALOG.values():
        assert f"systems/{entry.name}.md" in text


@pytest.mark.parametrize("name", PAGES)
def test_relative_links_lead_somewhere(name: str) -> None:
    page = ROOT / name
    for target in re.findall(r"\]\((?!http|mailto)([^)#\s]+)", page.read_text("utf-8")):
        assert (page.parent / target).exists(), target


@pytest.mark.slow
def test_the_main_command_of_the_readme(tmp_path: Path) -> None:
    text = (ROOT / "README.md").read_text("utf-8")
    (line,) = re.findall(r"^pip install \. && (sfumato study .*)$", text, re.MULTILINE)
    subprocess.run([sys.executable, "-m", *line.split()], cwd=tmp_path, check=True, timeout=900)
    for name in ("report.html", "report.docx", "results.json"):
        assert (tmp_path / "handwriting" / name).stat().st_size > 1000


@pytest.mark.slow
def test_a_model_is_taken_elsewhere_as_the_page_says(tmp_path: Path) -> None:
    pytest.importorskip("onnxruntime")
    text = (ROOT / "docs" / "elsewhere.md").read_text("utf-8")
    for kind, block in re.findall(r"```(sh|python)\n(.*?)```", text, re.DOTALL):
        commands = [["-m", *line.split()] for line in block.splitlines()] if kind == "sh" else [["-c", block]]
        for command in commands:
            subprocess.run([sys.executable, *command], cwd=tmp_path, check=True, timeout=300)
    for page in ("page", "stylizer"):
        assert (tmp_path / page / "model.js").stat().st_size > 100_000


@pytest.mark.slow
@pytest.mark.parametrize("path", sorted((ROOT / "examples").glob("*.py")), ids=lambda path: path.name)
def test_examples_run(path: Path, tmp_path: Path) -> None:
    subprocess.run(
        [sys.executable, "-W", "error::DeprecationWarning:__main__", str(path)], cwd=tmp_path, check=True, timeout=300
    )


@pytest.mark.slow
def test_the_benchmark_prints_its_rows(tmp_path: Path) -> None:
    import json

    result = subprocess.run(
        [sys.executable, "-m", "benchmarks", "stacked", "--json", "--images", "2560", "--rounds", "1"],
        cwd=ROOT, check=True, timeout=300, capture_output=True, text=True, env={**os.environ},
    )  # fmt: skip
    rows = json.loads(result.stdout)["rows"]
    assert len(rows) == 2
    for row in rows:
        assert row.keys() == {"name", "ours_s", "textbook_s", "ratio", "peak_share", "kernels"}
        assert 0 < row["peak_share"] < 1


@pytest.mark.slow
def test_the_benchmark_times_whole_processes(tmp_path: Path) -> None:
    import json

    command = "whole --cases start gan --state contended --rounds 1 --json"
    result = subprocess.run(
        [sys.executable, "-m", "benchmarks", *command.split()],
        cwd=ROOT, check=True, timeout=300, capture_output=True, text=True, env={**os.environ, "TMPDIR": str(tmp_path)},
    )  # fmt: skip
    ours, torch, both = json.loads(result.stdout)["rows"]
    assert (ours["side"], torch["side"], both["side"]) == ("sfumato", "import torch", "import torch / sfumato")
    assert both["ratio"] == pytest.approx(torch["median_s"] / ours["median_s"], rel=0.02)
    assert "gan: skipped: needs --data FOLDER" in result.stderr
