"""Processes that work together know of one another's end: each beats once in a second in the store through which they
met, and one that falls silent is named by the others, which end then too.

That takes threads, since who waits for a frozen process waits inside a collective. They sleep between two beats, and a
process that saves, draws or measures alone beats on. Time is counted in beats of one's own: where the whole machine
slept, nobody was silent.
"""

import os
import signal
import socket
import threading
from contextlib import suppress
from typing import NoReturn

import torch.distributed as dist

BEAT = 1.0  # seconds between two beats
SILENCE = 20  # beats, after which a process or the store counts as lost
SURE = 5  # the same where a connection has broken: somebody has ended
LOST = 75  # the exit code, EX_TEMPFAIL of sysexits.h: start all again
LEFT = "left"  # in place of a number: the last beat
MEND = "go on with `sfumato resume` under the same torchrun, or let `torchrun --max-restarts` do so"


class Watch:
    """Watches over the other processes that have met in `store`, from now until `leave`."""

    def __init__(self, store: dist.Store, process: int, processes: int) -> None:
        self.store, self.process = store.clone(), process  # a connection of its own: others may wait in theirs
        self.host = socket.gethostname()
        self.console = f"said/{os.environ.get('GROUP_RANK', self.host)}"  # a torchrun's
        self.keys = [f"beat/{number}" for number in range(processes)]
        self.heard, self.silent = [""] * processes, [0] * processes
        self.unanswered = self.broken = 0  # beats since the store answered; since a connection broke
        self.over = threading.Event()
        self._tell("0")
        self.threads = [threading.Thread(target=run, daemon=True) for run in (self._beat, self._guard)]
        for thread in self.threads:
            thread.start()

    def leave(self, word: str = "") -> None:
        """Ends the watch. `word`: what this process failed of, and has said, or will."""
        self.over.set()
        for thread in self.threads:
            thread.join(BEAT)
        with suppress(RuntimeError):
            if word:
                self.store.add(self.console, 1)
            self._tell(LEFT, word and f"process {self.process} on {self.host} has failed: {word}")

    def lose(self) -> NoReturn:
        """A connection has broken: ends this process once it is known whose."""
        if threading.current_thread() is threading.main_thread():
            signal.signal(signal.SIGTERM, signal.SIG_IGN)  # torchrun sends it when one of its processes has ended
        self.broken = 1
        while True:
            self.over.wait()

    def _tell(self, count: str, word: str = "") -> None:
        self.store.set(self.keys[self.process], f"{count}|{self.host}|{word}")

    def _beat(self) -> None:
        count = 0
        try:
            while not self.over.wait(BEAT):
                count += 1
                self._tell(str(count))
                fallen = self._fallen([beat.decode() for beat in self.store.multi_get(self.keys)])
                self.unanswered = 0
                if fallen and not self.over.is_set():
                    self._tell(LEFT, fallen)
                    _end(fallen if self.store.add(self.console, 1) == 1 else "")
        except RuntimeError:  # the store is gone, as it is when all have done their work, who will leave at once
            self.unanswered = SILENCE - SURE

    def _guard(self) -> None:
        """Ends this process where the store has gone or hangs."""
        while not self.over.wait(BEAT):
            self.unanswered += 1
            if self.unanswered >= SILENCE:
                keeper = "torchrun" if os.environ.get("TORCHELASTIC_USE_AGENT_STORE") == "True" else "process 0"
                place = f"{os.environ.get('MASTER_ADDR')}:{os.environ.get('MASTER_PORT')}"
                first = os.environ.get("LOCAL_RANK", "0") == "0"
                _end(f"{keeper} at {place}, through which all have met, was killed, is frozen or cut off" * first)

    def _fallen(self, beats: list[str]) -> str:
        """What has become of another process, if it has fallen, by what all have told last."""
        told = [beat.split("|", 2) for beat in beats]
        for number, (count, _, word) in enumerate(told):
            lives = beats[number] != self.heard[number] or (count == LEFT and not word)
            self.silent[number] = 0 if lives else self.silent[number] + 1
        self.heard = beats
        longest = max(self.silent)
        number = self.silent.index(longest)
        _, host, word = told[number]
        if self.broken:
            self.broken += 1
            for at, (count, where, last) in enumerate(told):
                if count == LEFT:
                    return last or f"process {at} on {where} has ended"
            if self.broken > 2 * SURE and longest < SURE:
                return "the connection to another process has broken"
        if longest < (SURE if self.broken else SILENCE):
            return ""
        return word or (
            f"process {number} on {host} has not answered for {round(longest * BEAT)} seconds: "
            f"it was killed, is frozen or cut off"
        )


def _end(line: str) -> NoReturn:
    """Ends the process, whose main thread may wait for ever."""
    try:
        if line:
            os.write(2, f"sfumato: {line}: {MEND}\n".encode(errors="backslashreplace"))
    finally:
        os._exit(LOST)
