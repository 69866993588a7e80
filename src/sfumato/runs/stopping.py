"""Stopping with nothing lost: Ctrl-C and SIGTERM let the step finish; then the run is saved."""

import signal
import threading
from pathlib import Path
from types import FrameType, TracebackType


class Stopped(Exception):
    """Training was asked to stop by the signal `signum` and has saved what it had in the run folder `path`."""

    def __init__(self, signum: int, images: int, path: Path) -> None:
        super().__init__(f"stopped after {images:,} images; saved: go on with `sfumato resume {path}`")
        self.signum, self.images = signum, images


class StopSignals:
    """Inside this block the first SIGINT or SIGTERM only sets `requested`; a second one acts as ever."""

    def __init__(self) -> None:
        self.requested: int | None = None
        self.before: dict[int, object] = {}

    def __enter__(self) -> "StopSignals":
        if threading.current_thread() is threading.main_thread():
            for number in (signal.SIGINT, signal.SIGTERM):
                self.before[number] = signal.signal(number, self._request)
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, _: TracebackType | None) -> None:
        self._restore()

    def _request(self, number: int, frame: FrameType | None) -> None:
        self.requested = number
        self._restore()

    def _restore(self) -> None:
        for number, handler in self.before.items():
            signal.signal(number, handler)  # pyright: ignore[reportArgumentType] - what signal() gave us
        self.before = {}
