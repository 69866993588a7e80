"""Files are written whole or not at all; where they cannot be, the error names the file and the reason."""

import errno
import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from sfumato import files
from sfumato.data.clips import ClipWork
from sfumato.data.pictures import WRITERS, write_picture
from sfumato.errors import SfumatoError
from sfumato.files import (
    FULL,
    append_line,
    json_of,
    opened_inside,
    resolved,
    write_atomically,
    write_bytes,
    write_json,
)
from sfumato.reports.films import write_film

resource = pytest.importorskip("resource")
LIMIT = 4096  # bytes of a file


@contextmanager
def small_files() -> Iterator[None]:
    """No file may be larger than LIMIT."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (LIMIT, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


def noise(seed: int = 0) -> Image.Image:
    return Image.fromarray(np.random.default_rng(seed).integers(0, 256, (96, 96, 3), dtype=np.uint8))


def film(path: Path) -> None:
    if path.suffix == ".mp4":
        pytest.importorskip("av")
    write_film([noise(seed) for seed in range(4)], path)


WRITES: dict[str, Callable[[Path], object]] = {
    "bytes": lambda path: write_bytes(path, bytes(2 * LIMIT)),
    "numbers.json": lambda path: write_json(path, list(range(LIMIT))),
    "rows.jsonl": lambda path: append_line(path, "x" * 2 * LIMIT),
    "film.gif": film,
    "film.mp4": film,
    **{f"picture{ending}": lambda path: write_picture(noise(), path) for ending in WRITERS},
}


@pytest.mark.parametrize("name", WRITES)
def test_a_full_disk_is_told_with_the_file_and_nothing_stays(name: str, tmp_path: Path) -> None:
    path = tmp_path / name
    with small_files(), pytest.raises(OSError, match=os.strerror(errno.EFBIG)) as caught:
        WRITES[name](path)
    assert caught.value.errno in FULL
    assert caught.value.filename == str(path)
    assert list(tmp_path.iterdir()) == [path] * (name == "rows.jsonl")


@pytest.mark.parametrize("number", sorted(FULL))
def test_what_was_there_stays(number: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Some disks say that they are full only when they are asked to keep what was written."""

    def fsync(_: int) -> None:
        raise OSError(number, os.strerror(number))

    path = tmp_path / "picture.png"
    path.write_bytes(b"old")
    monkeypatch.setattr(os, "fsync", fsync)
    with pytest.raises(OSError, match=os.strerror(number)) as caught:
        write_picture(noise(), path)
    assert caught.value.filename == str(path)
    assert path.read_bytes() == b"old"
    assert list(tmp_path.iterdir()) == [path]


def test_an_error_without_a_number_stays_as_it_is(tmp_path: Path) -> None:
    def write(_: Path) -> None:
        raise OSError("odd")

    with pytest.raises(OSError, match=r"^odd$"):
        write_atomically(tmp_path / "file", write)
    assert not list(tmp_path.iterdir())


def test_frames_of_a_clip_that_do_not_fit(tmp_path: Path) -> None:
    work = ClipWork(tmp_path / "clip.mp4", {})
    with small_files(), pytest.raises(OSError, match=r"000000\.png"):
        work.keep(noise())
    assert work.done == 0


@pytest.mark.parametrize("name", ["out.png", "out.jpg", "out.tif"])
def test_the_command_says_it_in_one_line(name: str, tmp_path: Path) -> None:
    noise(1).resize((200, 200)).save(tmp_path / "content.png")
    noise(2).save(tmp_path / "style.png")
    limit = f"import resource, sfumato.cli; resource.setrlimit(resource.RLIMIT_FSIZE, ({LIMIT}, {LIMIT})); "
    result = subprocess.run(
        [sys.executable, "-c", f"{limit} sfumato.cli.main(['stylize', 'content.png', 'style.png', '-o', {name!r}])"],
        cwd=tmp_path, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert result.returncode == 2, result.stderr
    assert result.stderr == f"sfumato: {name}: {os.strerror(errno.EFBIG)}\n"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["content.png", "style.png"]


def test_json_is_what_every_reader_takes(tmp_path: Path) -> None:
    """The oracle is Python's own reader, which is told to refuse what JSON does not have."""

    def refuse(constant: str) -> None:
        raise AssertionError(constant)

    values = {
        "numbers": [1, 2.5, -0.0, float("nan"), float("inf"), (float("-inf"), True, None)],
        "numpy": {"nan": np.float64("nan"), "one": np.float64(1.0)},
        "words": "猫 × σ",
    }
    expected = {"numbers": [1, 2.5, -0.0, None, None, [None, True, None]], "numpy": {"nan": None, "one": 1.0},
                "words": "猫 × σ"}  # fmt: skip
    write_json(tmp_path / "file.json", values)
    for text in (json_of(values), json_of(values, 1, ascii_only=True), (tmp_path / "file.json").read_text("utf-8")):
        assert json.loads(text, parse_constant=refuse) == expected
    assert json_of(values, ascii_only=True).isascii()


@pytest.mark.parametrize("length", [1, 200, 249, 255])
@pytest.mark.parametrize("letter", ["x", "é"])
def test_names_as_long_as_names_can_be(length: int, letter: str, tmp_path: Path) -> None:
    name = letter * (length // len(letter.encode()))
    path = tmp_path / (name or "x")  # one "é" takes two bytes
    write_bytes(path, b"new")
    assert path.read_bytes() == b"new"
    picture = tmp_path / f"{name[:-4]}.png" if length > 4 else tmp_path / "x.png"
    write_picture(noise(), picture)
    assert picture.stat().st_size


def test_a_name_that_is_too_long_is_named(tmp_path: Path) -> None:
    path = tmp_path / ("x" * 256)
    with pytest.raises(OSError, match="too long") as caught:
        write_bytes(path, b"new")
    assert caught.value.filename == str(path)
    assert not list(tmp_path.iterdir())


def test_a_link_to_itself_is_named(tmp_path: Path) -> None:
    (tmp_path / "loop").symlink_to(tmp_path / "loop")
    with pytest.raises(SfumatoError, match=r"loop/x\.png: cannot be followed"):
        resolved(tmp_path / "loop" / "x.png")


def test_a_folder_is_written_whole_or_not_at_all(tmp_path: Path) -> None:
    def write(folder: Path) -> None:
        (folder / "in").mkdir(parents=True)
        (folder / "in" / "file").write_text("new")

    def fails(folder: Path) -> None:
        write(folder)
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    out = tmp_path / "deep" / "out"
    with pytest.raises(OSError, match=str(out)):
        write_atomically(out, fails)
    assert not list(out.parent.iterdir())
    write_atomically(out, write)
    with pytest.raises(OSError, match=str(out)):  # somebody was faster
        write_atomically(out, write)
    assert [path.name for path in out.parent.iterdir()] == ["out"]
    assert (out / "in" / "file").read_text() == "new"


def test_a_folder_whose_name_cannot_be_flushed_is_not_there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    sync = files._sync_folder

    def failing(path: Path) -> None:
        if path == tmp_path:
            raise OSError(errno.EIO, "no")
        sync(path)

    monkeypatch.setattr(files, "_sync_folder", failing)
    with pytest.raises(OSError, match="no"):
        write_atomically(tmp_path / "out", lambda path: path.mkdir())
    assert list(tmp_path.iterdir()) == []


def test_a_file_inside_a_folder_is_reached_by_no_link(tmp_path: Path) -> None:
    home = tmp_path / "home"
    (home / "run" / "samples").mkdir(parents=True)
    (home / "run" / "samples" / "a").write_text("inside")
    (tmp_path / "samples").mkdir()
    (tmp_path / "samples" / "a").write_text("outside")
    (home / "link").symlink_to(home / "run")
    (home / "run" / "link").symlink_to(tmp_path / "samples")
    (home / "run" / "samples" / "link").symlink_to("a")
    os.mkfifo(home / "run" / "pipe")
    (tmp_path / "way").symlink_to(home)  # on the way to the folder itself links are followed
    for folder in (home, tmp_path / "way"):
        with opened_inside(folder, Path("run/samples/a")) as file:
            assert file.read() == b"inside"
    for inner in ("link/samples/a", "run/link/a", "run/samples/link", "run/pipe", "run/samples", "run/none", "none/a"):
        with pytest.raises(OSError, match=r"link|pipe|samples|none|a"):
            opened_inside(home, Path(inner))
