"""Work done in a process of its own that was not started anew: the loaded libraries are there already."""

import os
import signal
import sys
import time
import traceback
from collections.abc import Callable
from pathlib import Path

LONGEST = 120.0  # seconds


def forked(work: Callable[[], object], said: Path, seconds: float = LONGEST) -> int:
    """Does `work` in a child; what it prints goes to the file `said`. Returns its exit status, or minus the signal that
    ended it. It is killed after so many `seconds`."""
    child = os.fork()
    if not child:
        _live(work, said)
    ends = time.monotonic() + seconds
    while True:
        ended, status = os.waitpid(child, os.WNOHANG)
        if ended:
            return os.waitstatus_to_exitcode(status)
        if time.monotonic() > ends:
            os.kill(child, signal.SIGKILL)
        time.sleep(0.002)


def _live(work: Callable[[], object], said: Path) -> None:
    code = 1
    try:
        descriptor = os.open(said, os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
        for stream in (1, 2):
            os.dup2(descriptor, stream)
        sys.stdout = sys.stderr = open(descriptor, "w", encoding="utf-8")  # noqa: SIM115, PTH123 - to the end
        try:
            work()
            code = 0
        except SystemExit as end:
            code = end.code if isinstance(end.code, int) else int(end.code is not None)
        except BaseException:
            traceback.print_exc()
        sys.stdout.flush()
    finally:
        os._exit(code)
