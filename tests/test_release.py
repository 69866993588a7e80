"""What is released: the same bytes from every build, every asset and nothing that is not ours to give; and what is said
of it."""

import ast
import os
import subprocess
import sys
import tarfile
import zipfile
from importlib.metadata import version
from pathlib import Path
from shutil import copyfile, copytree, ignore_patterns

import pytest
import yaml

import sfumato
from sfumato.version import __version__

ROOT = Path(__file__).parents[1]
FOLDERS = ("benchmarks", "book", "docs", "examples", "results", "src", "tests")
BESIDE = {".gitignore", "CHANGELOG.md", "CITATION.cff", "CONTRIBUTING.md", "LICENSE", "PKG-INFO", "README.md",
          "README.zh-CN.md", "SECURITY.md", "pyproject.toml"}  # fmt: skip


def copy_of_this(place: Path) -> Path:
    for name in FOLDERS:
        copytree(ROOT / name, place / name, ignore=ignore_patterns("__pycache__"))
    for path in (path for path in ROOT.iterdir() if path.is_file() and path.name != ".git"):
        copyfile(path, place / path.name)
    return place


def build(tree: Path, out: Path, *, when: int) -> tuple[Path, Path]:
    """A wheel and an sdist of `tree`, whose files are as old as `when`."""
    for path in tree.rglob("*"):
        os.utime(path, (when, when))
    subprocess.run(
        [sys.executable, "-m", "hatchling", "build", "-d", out], cwd=tree, check=True, capture_output=True, timeout=120,
        env={**os.environ, "SOURCE_DATE_EPOCH": "1700000000"},
    )  # fmt: skip
    (wheel,), (sdist,) = out.glob("*.whl"), out.glob("*.tar.gz")
    return wheel, sdist


def assets() -> set[str]:
    """The files of the package, as paths below src."""
    inside = (path for path in (ROOT / "src").rglob("*") if path.is_file() and "__pycache__" not in path.parts)
    return {path.relative_to(ROOT / "src").as_posix() for path in inside}


@pytest.mark.slow
def test_builds_are_reproducible_and_whole(tmp_path: Path) -> None:
    pytest.importorskip("hatchling")
    first, second = (copy_of_this(tmp_path / name) for name in ("first", "another place"))
    wheel, sdist = build(first, tmp_path / "1", when=1_600_000_000)
    for own, other in zip((wheel, sdist), build(second, tmp_path / "2", when=1_650_000_000), strict=True):
        assert own.name == other.name
        assert own.read_bytes() == other.read_bytes()

    with zipfile.ZipFile(wheel) as file:
        inside = {name for name in file.namelist() if ".dist-info/" not in name}
        assert inside == assets()
    top = f"sfumato-{__version__}"
    with tarfile.open(sdist) as file:
        names = {Path(name).relative_to(top) for name in file.getnames()}
        file.extractall(tmp_path / "unpacked", filter="data")
    assert {name.as_posix().removeprefix("src/") for name in names if name.parts[0] == "src"} == assets()
    assert {name.as_posix() for name in names if len(name.parts) == 1} == BESIDE
    assert {name.parts[0] for name in names if len(name.parts) > 1} == {"book", "docs", "examples", "results", "src"}

    again, _ = build(tmp_path / "unpacked" / top, tmp_path / "3", when=1_600_000_000)
    assert again.read_bytes() == wheel.read_bytes()


def test_the_citation_is_of_this_version() -> None:
    said = yaml.safe_load((ROOT / "CITATION.cff").read_text("utf-8"))
    assert said["version"] == __version__ == version("sfumato")
    assert said["authors"] == [{"name": "The Sfumato developers"}]
    assert said["license"] == "MIT"


def test_the_page_of_the_interface_is_up_to_date() -> None:
    made = subprocess.run(
        [sys.executable, "-c", "import api; print(api.page(), end='')"], cwd=ROOT / "docs", check=True,
        capture_output=True, encoding="utf-8", timeout=60, env={**os.environ, "PYTHONIOENCODING": "utf-8"},
    ).stdout  # fmt: skip
    assert made == (ROOT / "docs" / "api.md").read_text("utf-8"), "python docs/api.py writes it anew"
    assert all(f"\n## {name}\n" in made for name in sfumato.__all__)
    assert "`: \n" not in made


@pytest.mark.parametrize("path", sorted((ROOT / "examples").glob("*.py")), ids=lambda path: path.name)
def test_examples_use_what_is_public(path: Path) -> None:
    for node in ast.walk(ast.parse(path.read_text("utf-8"))):
        if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("sfumato"):
            assert node.module == "sfumato.data.paintings"  # whose styles the picture of the README shows
        if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name) and node.value.id == "sfumato":
            assert node.attr in sfumato.__all__
