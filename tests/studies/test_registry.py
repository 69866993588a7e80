"""The registry of studies: every one can be named, opens its own data, plans runs of systems that there are."""

import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from sfumato.runs.catalog import find
from sfumato.studies.plan import Settings
from sfumato.studies.registry import STUDIES, in_words

ROOT = Path(__file__).parents[2]


@pytest.mark.parametrize("name", STUDIES)
def test_a_study_is_called_something_in_both_languages(name: str) -> None:
    title = STUDIES[name].title
    assert title.en != title.zh
    assert all(ord(letter) < 128 for letter in title.en)
    assert any(ord(letter) > 0x2E80 for letter in title.zh)


@pytest.mark.parametrize("name", STUDIES)
def test_its_own_data_open_and_its_plans_build(tmp_path: Path, name: str) -> None:
    entry = STUDIES[name]
    setup = entry.part("plans").prepare(Settings(name, tmp_path / "out", entry.data, False, "en", 0, "cpu", "fp32"))
    assert not (tmp_path / "out").exists(), "nothing is written before everything is known to be right"
    assert len({plan.name for plan in setup.plans}) == len(setup.plans) > 0
    for plan in setup.plans:
        system, preset = find(plan.system)
        assert plan.system == f"{system.name}:{preset}"
        base = system.presets[preset]
        _, data = plan.on or (entry.data, setup.data)
        assert system.family.settle(replace(base, **plan.fields), data, system.name)


@pytest.mark.parametrize("name", STUDIES)
def test_every_study_has_the_same_parts(name: str) -> None:
    entry = STUDIES[name]
    assert callable(entry.part("plans").prepare)
    assert callable(entry.part("measures").measure)
    assert all(callable(section) for section in entry.part("sections").SECTIONS)


def test_help_and_docs_list_them() -> None:
    assert all(name in in_words() for name in STUDIES)
    for page in ("README.md", "README.zh-CN.md"):
        text = (ROOT / page).read_text("utf-8")
        assert all(f"studies/{name}.md" in text for name in STUDIES), page


def test_the_registry_imports_nothing_heavy() -> None:
    code = "import sys, sfumato.studies.registry; print([name for name in ('torch', 'numpy') if name in sys.modules])"
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert result.stdout.strip() == "[]"


@pytest.mark.parametrize("name", STUDIES)
def test_no_study_names_a_class_of_one_subject(name: str) -> None:
    for path in (ROOT / "src" / "sfumato" / "studies" / name.replace("-", "_")).glob("*.py"):
        assert "isinstance(" not in path.read_text("utf-8"), path
