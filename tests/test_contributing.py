"""The system of CONTRIBUTING.md, written down and installed, goes through the commands that the page names."""

import json
import re
import sys
from pathlib import Path

import pytest

from .conftest import Command

PAGE = (Path(__file__).parents[1] / "CONTRIBUTING.md").read_text("utf-8")
FILES = dict(re.findall(r"^`(averages/\w+\.py)` .*?```python\n(.*?)```", PAGE, re.DOTALL | re.MULTILINE))


def test_the_page_is_short() -> None:
    assert len(PAGE.splitlines()) <= 100
    assert FILES.keys() == {"averages/__init__.py", "averages/mean_picture.py", "averages/family.py"}


def test_the_system_of_the_page_works(sfumato: Command, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    about = tmp_path / "site" / "averages-1.0.dist-info"
    about.mkdir(parents=True)
    (about / "METADATA").write_text("Metadata-Version: 2.1\nName: averages\nVersion: 1.0\n")
    (line,) = re.findall(r'`(averages = )"(averages)"`', PAGE)
    (group,) = re.findall(r'`\[project\.entry-points\."(.*?)"\]`', PAGE)
    (about / "entry_points.txt").write_text(f"[{group}]\n{''.join(line)}\n")
    for name, text in FILES.items():
        (tmp_path / "site" / name).parent.mkdir(exist_ok=True)
        (tmp_path / "site" / name).write_text(text, "utf-8")
    monkeypatch.setenv("PYTHONPATH", f"{tmp_path / 'site'}:{':'.join(path for path in sys.path if path)}")
    (train,) = re.findall(r"`sfumato (train .*?)`", PAGE)
    done = sfumato(*train.split())
    assert done.returncode == 0, done.stderr
    run = train.split()[-1]
    assert sfumato("sample", run, "-o", "drawn.png").returncode == 0
    measured = json.loads(sfumato("evaluate", run, "--json").stdout)
    ours, black = (row["value"] for row in measured["rows"])
    assert ours < black
