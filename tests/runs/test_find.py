"""Runs under a folder: found, told apart, and never disturbed."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from sfumato.engine.state import sealed, weights_name
from sfumato.errors import SfumatoError
from sfumato.runs.find import runs_under
from sfumato.runs.lock import owned, owner_of

from .test_manifest import OLD


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """Three runs of three families, one of them two folders down."""
    for family, place in (("autoencoders", "a"), ("gans", "deep/er/b"), ("recognition", "c")):
        shutil.copytree(OLD / family, tmp_path / "root" / place)
    return tmp_path / "root"


def test_runs_are_found_with_what_they_are(root: Path) -> None:
    run = root / "a"
    (run / "metrics.jsonl").write_text('{"images": 1}\n{"images": 2}\n{"im')
    (run / "samples").mkdir()
    for name in ("000000000032.png", "000000000016.png", "seed-0.png"):
        (run / "samples" / name).touch()
    first, second, third = runs_under(root)
    assert [found.path for found in (first, second, third)] == [root / "a", root / "c", root / "deep" / "er" / "b"]
    assert first.manifest is not None
    assert (first.manifest.system, first.state, first.images, first.rows) == ("stacked", "stopped", 48, 2)
    assert [path.name for path in first.samples] == ["000000000016.png", "000000000032.png"]
    assert (third.state, third.rows, third.samples, third.owner, third.fault) == ("stopped", 0, (), "", "")
    assert runs_under(run) == [first]


def test_a_run_is_finished_when_it_is_measured_or_has_drawn_its_images(root: Path) -> None:
    (root / "a" / "evaluation.json").write_text("{}")
    state = root / "c" / "state.json"
    values = json.loads(state.read_text())
    state.write_text(json.dumps(sealed({**values, "images": 16, "weights": weights_name(16)})))
    assert [found.state for found in runs_under(root)] == ["finished", "finished", "stopped"]


def test_a_run_without_a_checkpoint_has_drawn_nothing(root: Path) -> None:
    (root / "a" / "state.json").unlink()
    found = runs_under(root)[0]
    assert (found.state, found.images) == ("stopped", 0)


def test_a_running_one_names_its_owner_and_is_not_disturbed(root: Path) -> None:
    run = root / "a"
    with owned(run):
        for _ in range(3):
            found = runs_under(root)[0]
            assert (found.state, found.owner.split()[:2]) == ("running", ["process", str(os.getpid())])
        with pytest.raises(SfumatoError, match=f"in use by process {os.getpid()} on "), owned(run):
            pass
    assert owner_of(run) is None  # the text is still there, the lock is not
    with owned(run):
        pass


def test_looking_makes_no_files(root: Path) -> None:
    before = {path: path.stat().st_mtime_ns for path in root.rglob("*")}
    runs_under(root)
    assert {path: path.stat().st_mtime_ns for path in root.rglob("*")} == before


@pytest.mark.parametrize(
    ("file", "content", "word"),
    [
        ("config.json", b"", "config.json: not readable as JSON"),
        ("config.json", b"[" * 100_000, "config.json: not readable as JSON"),
        ("config.json", b'{"format": 9}', "config.json: format 9, but this Sfumato reads formats 1 to 6"),
        ("state.json", b"\xff", "state.json: not readable as JSON"),
        ("state.json", b'{"format": 2, "images": -1}', "missing entries: stage"),
        ("state.json", b"[]", "state.json: expected object, got array"),
    ],
)
def test_a_broken_one_says_why_and_hides_no_other(root: Path, file: str, content: bytes, word: str) -> None:
    (root / "a" / file).write_bytes(content)
    found = runs_under(root)
    assert [item.state for item in found] == ["broken", "stopped", "stopped"]
    assert (found[0].manifest is None) == (file == "config.json")
    assert word in found[0].fault
    assert found[0].fault.isprintable()


def test_links_are_not_followed(root: Path, tmp_path: Path) -> None:
    outside = shutil.copytree(OLD / "gans", tmp_path / "outside")
    (root / "link").symlink_to(outside)
    (root / "circle").symlink_to(root)
    assert len(runs_under(root)) == 3
    config = root / "a" / "config.json"
    config.unlink()
    config.symlink_to(outside / "config.json")
    found = runs_under(root)[0]
    assert found.state == "broken"
    assert "config.json: a link" in found.fault


def test_a_folder_that_cannot_be_read_is_named(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    scandir = os.scandir

    def refuse(path: Path) -> object:
        if Path(path).name == "deep":
            raise PermissionError(13, "Permission denied", str(path))
        return scandir(path)

    monkeypatch.setattr(os, "scandir", refuse)
    found = runs_under(root)
    assert [item.state for item in found] == ["stopped", "stopped", "broken"]
    assert found[2].fault == f"{root / 'deep'}: cannot be read (Permission denied)"


def test_a_root_that_is_no_folder_is_refused(tmp_path: Path) -> None:
    with pytest.raises(SfumatoError, match="nowhere: not a folder"):
        runs_under(tmp_path / "nowhere")


def test_reading_runs_needs_no_torch(root: Path) -> None:
    code = (
        "import sys; from pathlib import Path; from sfumato.runs.find import runs_under; "
        "print([found.state for found in runs_under(Path(sys.argv[1]))], 'torch' in sys.modules)"
    )
    answer = subprocess.run([sys.executable, "-c", code, root], capture_output=True, text=True, check=True)
    assert answer.stdout.strip() == "['stopped', 'stopped', 'stopped'] False"
