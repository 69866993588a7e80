"""Locks: one at a time, until the process or the block ends; where a file system knows none, work goes on."""

import errno
import os
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from sfumato import locks
from sfumato.errors import SfumatoError
from sfumato.locks import lock, locked
from sfumato.runs.lock import owned, owner_of

fcntl = pytest.importorskip("fcntl")
WITHOUT = {"ENOSYS": errno.ENOSYS, "EOPNOTSUPP": errno.EOPNOTSUPP, "ENOLCK": errno.ENOLCK, "ENOTSUP": errno.ENOTSUP}


def answering(monkeypatch: pytest.MonkeyPatch, number: int) -> None:
    """Every lock is answered with that error."""

    def flock(*_: object) -> None:
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(fcntl, "flock", flock)


def test_who_has_a_lock_is_waited_for(tmp_path: Path) -> None:
    order = []

    def second() -> None:
        with locked(tmp_path / "lock"):
            order.append("second")

    with locked(tmp_path / "lock"):
        thread = threading.Thread(target=second)
        thread.start()
        thread.join(4 * locks.PAUSE)
        order.append("first")
    thread.join(10)
    assert order == ["first", "second"]


def test_a_lock_ends_with_its_process(tmp_path: Path) -> None:
    holds = "\n".join([
        "from pathlib import Path", "from sfumato.locks import locked", "with locked(Path('lock')):",
        "    print(flush=True)", "    input()",
    ])  # fmt: skip
    path = tmp_path / "lock"
    with subprocess.Popen(
        [sys.executable, "-c", holds], stdin=subprocess.PIPE, stdout=subprocess.PIPE, cwd=tmp_path
    ) as process:
        assert process.stdout is not None
        process.stdout.readline()
        with path.open("a") as file:
            assert not lock(file.fileno(), tmp_path)
            process.kill()
            process.wait()
            assert lock(file.fileno(), tmp_path)


@pytest.mark.parametrize("name", WITHOUT)
def test_without_locks_work_goes_on_and_a_line_says_so_once(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    answering(monkeypatch, WITHOUT[name])
    done = []
    for _ in range(2):
        with locked(tmp_path / "a.lock"), locked(tmp_path / "b.lock"), owned(tmp_path):
            done.append(owner_of(tmp_path))
    assert done == [None, None]
    said = capsys.readouterr()
    assert said.err == f"sfumato: {tmp_path}: cannot be locked here ({os.strerror(WITHOUT[name])}): " + (
        "let one process at a time write to it\n"
    )
    assert not said.out


@pytest.mark.parametrize("number", [errno.EIO, errno.EBADF, errno.EINVAL])
def test_other_errors_are_not_passed_over(number: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    answering(monkeypatch, number)
    with pytest.raises(OSError, match=os.strerror(number)), locked(tmp_path / "lock"):
        pass
    with pytest.raises(OSError, match=os.strerror(number)), owned(tmp_path):
        pass


def test_an_owner_is_named(tmp_path: Path) -> None:
    with owned(tmp_path):
        assert f"process {os.getpid()}" in str(owner_of(tmp_path))
        with pytest.raises(SfumatoError, match=f"in use by process {os.getpid()}"), owned(tmp_path):
            pass
    assert owner_of(tmp_path) is None
