"""Locks that end with the process that holds them, on files beside what is locked.

Some file systems know no locks (Lustre, EFS and FUSE may be mounted so): there work goes on without one, and a line on
standard error says so, once for each folder.
"""

import errno
import os
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path

from .terminal import warn

UNKNOWN = frozenset({errno.ENOSYS, errno.EOPNOTSUPP, errno.ENOTSUP, errno.ENOLCK})  # what such systems answer
PAUSE = 0.05  # seconds between two tries


def lock(descriptor: int, folder: Path) -> bool:
    """Locks an open file in `folder` until it is closed. False if somebody else has it locked."""
    try:
        return try_lock(descriptor, alone=True)
    except OSError as error:
        if error.errno not in UNKNOWN:
            raise
        _say_unlocked(folder.resolve(), error.strerror)
        return True


@contextmanager
def locked(path: Path) -> Iterator[None]:
    """Holds the lock on the file `path`, which is made; who has it is waited for."""
    with path.open("a") as file:
        while not lock(file.fileno(), path.parent):
            time.sleep(PAUSE)
        yield


def try_lock(descriptor: int, alone: bool) -> bool:
    """Locks an open file `alone`, or beside others who look. False if somebody has it alone; raises OSError where there
    are no locks."""
    if sys.platform == "win32":
        import msvcrt

        os.lseek(descriptor, 1 << 20, os.SEEK_SET)  # beyond the text, which others must be able to read
        try:
            msvcrt.locking(descriptor, msvcrt.LK_NBLCK, 1)
        except OSError:
            return False
        return True
    import fcntl

    try:
        fcntl.flock(descriptor, (fcntl.LOCK_EX if alone else fcntl.LOCK_SH) | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


@cache
def _say_unlocked(folder: Path, why: str) -> None:
    warn(f"{folder}: cannot be locked here ({why}): let one process at a time write to it")
