"""Stopping with nothing lost: Ctrl-C, SIGTERM and a closed terminal let the step finish; then the run is saved."""

import os
import signal
import threading
from contextlib import suppress
from pathlib import Path
from types import FrameType, TracebackType

ASKING = tuple(getattr(signal, name) for name in ("SIGINT", "SIGTERM", "SIGHUP") if hasattr(signal, name))
HANGUP = getattr(signal, "SIGHUP", None)  # Windows has none
TERMINALS = tuple(filter(os.isatty, (1, 2)))  # of standard output and standard error, as we began
AGAIN = b"\nsfumato: finishing the step and saving it; once more ends at once\n"


class Stopped(Exception):
    """Training was asked to stop by the signal `signum` and has saved what it had in the run folder `path`."""

    def __init__(self, signum: int, images: int, path: Path) -> None:
        super().__init__(f"stopped after {images:,} images; saved: go on with `sfumato resume {path}`")
        self.signum, self.images = signum, images


class StopSignals:
    """Inside this block the first signal only sets `requested`, a second one says that it was heard, and a third acts
    as ever. A hang-up that is ignored, as under nohup, stays so."""

    def __init__(self) -> None:
        self.requested: int | None = None
        self.before: dict[int, object] = {}

    def __enter__(self) -> "StopSignals":
        if threading.current_thread() is threading.main_thread():
            for number in ASKING:
                if number != HANGUP or signal.getsignal(number) is not signal.SIG_IGN:
                    self.before[number] = signal.signal(number, self._request)
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, _: TracebackType | None) -> None:
        self._restore()

    def _request(self, number: int, frame: FrameType | None) -> None:
        if number == HANGUP:
            leave_terminal()
        if self.requested is None:
            self.requested = number
            return
        with suppress(OSError):
            os.write(2, AGAIN)  # a buffered stream may be in the middle of a line of its own
        self._restore()

    def _restore(self) -> None:
        for number, handler in self.before.items():
            signal.signal(number, handler)  # pyright: ignore[reportArgumentType] - what signal() gave us
        self.before = {}


def leave_terminal() -> None:
    """It is closed: what is printed there from now on goes nowhere, and does not fail."""
    nowhere = os.open(os.devnull, os.O_WRONLY)
    for descriptor in TERMINALS:
        os.dup2(nowhere, descriptor)
    os.close(nowhere)


def raise_on_signals() -> None:
    """Makes SIGTERM and a closed terminal raise KeyboardInterrupt, as Ctrl-C does, with the signal as its argument:
    what is half written is removed, what is done is kept."""

    def stop(number: int, frame: FrameType | None) -> None:
        if number == HANGUP:
            leave_terminal()
        raise KeyboardInterrupt(number)

    if threading.current_thread() is not threading.main_thread():
        return
    for number in ASKING:
        if number != signal.SIGINT and signal.getsignal(number) is signal.SIG_DFL:
            signal.signal(number, stop)
