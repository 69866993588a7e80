"""One process at a time owns a run that is being trained; a look at the lock tells others so. Needs no torch."""

import os
import socket
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from ..errors import SfumatoError
from ..files import check_place, opened
from ..locks import PAUSE, lock, try_lock

NAME = "lock"
PATIENCE = 0.5  # seconds: somebody who looks at the lock holds it for an instant


@contextmanager
def owned(folder: Path) -> Iterator[None]:
    """Holds `folder` for this process; the system lets go of it even after a kill. Where there are no locks, none is
    held.

    Raises SfumatoError naming the owner if another process holds it.
    """
    check_place(folder / NAME)
    with (folder / NAME).open("a+", encoding="utf-8") as file:
        until = time.monotonic() + PATIENCE
        while not lock(file.fileno(), folder):
            if time.monotonic() > until:
                raise SfumatoError(f"{folder}: in use by {_said(folder) or 'another process'}")
            time.sleep(PAUSE)
        file.truncate(0)
        file.write(f"process {os.getpid()} on {socket.gethostname()}\n")
        file.flush()
        yield


def owner_of(folder: Path) -> str | None:
    """Who trains the run in `folder`, as it says; None if nobody does. Writes nothing."""
    try:
        with opened(folder / NAME) as file:
            return None if try_lock(file.fileno(), alone=False) else _said(folder) or "another process"
    except OSError:
        return None


def _said(folder: Path) -> str:
    """What the owner wrote into the lock, in one line."""
    with opened(folder / NAME) as file:
        return " ".join(file.read(200).decode("utf-8", "replace").split())
