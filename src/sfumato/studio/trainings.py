"""Trainings: processes of their own, `sfumato train` and `sfumato resume`, one at a time, that outlive the studio.
What they say is kept beside the runs; the run folder is all that is known of them."""

import os
import signal
import socket
import subprocess
import sys
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from ..errors import SfumatoError
from ..files import make_folder
from ..runs.find import Found
from ..runs.folder import RunFolder
from ..runs.stopping import ASKING
from ..visible import one_line
from .shelf import id_of

LOGS = ".studio"
LONGEST = 2**16  # bytes of a log that are looked at
ROWS = 200  # of metrics.jsonl, so that a curve has as many points
NICE = 10
WAITING = 20  # trainings, at most
ENDED = tuple(128 + number for number in ASKING)
KILL = getattr(signal, "SIGKILL", signal.SIGTERM)  # Windows has no other
State = Literal["queued", "starting", "running", "failed"]


@dataclass
class Training:
    """One that this studio began, or is to begin. `process`: None before it starts, and of one that another began."""

    run: Path
    command: list[str]
    log: Path
    process: "subprocess.Popen[bytes] | None" = None

    @property
    def running(self) -> bool:
        return self.process is not None and self.process.poll() is None

    @property
    def ended_well(self) -> bool:
        """Or because somebody asked for it."""
        return self.process is not None and self.process.returncode in (0, *ENDED, -signal.SIGTERM, -KILL)


class Trainings:
    """`root`: the folder of runs."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.queue: list[Training] = []
        self.begun: dict[Path, Training] = {}

    def train(
        self, run: Path, system: str, preset: str, data: Sequence[str], fields: Mapping[str, Any], every: int
    ) -> None:
        """Puts a new run in the queue. `every`: images between two rows."""
        words = ["train", f"{system}:{preset}", f"--run={run}", f"--log-every={every}"]
        words += [f"--data={source}" for source in data]
        for name, value in fields.items():
            words += option(name, value)
        self._put(run, words)

    def resume(self, run: Path, images: int | None, every: int) -> None:
        """Puts a run that is there in the queue; `images`: how many in all."""
        more = [] if images is None else [f"--images={images}"]
        self._put(run, ["resume", str(run), f"--log-every={every}", *more])

    def _put(self, run: Path, words: Sequence[str]) -> None:
        self.forget(run)
        if len(self.queue) >= WAITING:
            raise SfumatoError(f"queue: {WAITING} trainings wait already")
        folder = self.root / LOGS
        if folder.is_symlink():
            raise SfumatoError(f"{LOGS}: a link: remove it")
        make_folder(folder)
        log = folder / f"{id_of(str(run.relative_to(self.root)))}.log"
        self.queue.append(Training(run, [sys.executable, "-m", "sfumato", *words], log))

    def forget(self, run: Path) -> bool:
        """How its training ended; whether there was one. Raises SfumatoError if it has not ended."""
        if any(training.run == run for training in self.queue) or (run in self.begun and self.begun[run].running):
            raise SfumatoError(f"{run.name}: is in the queue, or being trained")
        return self.begun.pop(run, None) is not None

    def tend(self, found: Sequence[Found]) -> None:
        """Starts the next one if nothing is trained under the root, whoever began it."""
        busy = any(training.running for training in self.begun.values())
        if busy or not self.queue or any(run.state == "running" for run in found):
            return
        training = self.queue.pop(0)
        self.begun[training.run] = training
        training.log.unlink(missing_ok=True)  # it may be a link
        with training.log.open("wb") as log:
            try:
                training.process = subprocess.Popen(  # noqa: S603 - a list of our own words, and no shell
                    training.command, stdin=subprocess.DEVNULL, stdout=log, stderr=subprocess.STDOUT,
                    start_new_session=True, env={**os.environ, "OMP_WAIT_POLICY": "passive", "NO_COLOR": "1"},
                )  # fmt: skip
            except OSError as error:
                log.write(f"sfumato: cannot be started ({error.strerror})".encode())
                return
        if sys.platform != "win32":
            with suppress(OSError):
                os.setpriority(os.PRIO_PROCESS, training.process.pid, NICE)

    def state(self, run: Path, found: Found | None) -> tuple[State | str, str]:
        """How a run stands as far as the studio knows, and of one that failed, why."""
        if any(training.run == run for training in self.queue):
            return "queued", ""
        training = self.begun.get(run)
        if training is None:
            return (found.state, found.fault) if found else ("failed", "")
        if training.running:
            return ("running" if found and found.state == "running" else "starting"), ""
        if found and training.ended_well:
            return found.state, found.fault
        return "failed", self.last_words(training)

    def last_words(self, training: Training) -> str:
        """The last line of a log."""
        with suppress(OSError), training.log.open("rb") as file:
            file.seek(max(0, training.log.stat().st_size - LONGEST))
            lines = file.read().decode("utf-8", "replace").splitlines()
            said = [line for line in lines if line.startswith("sfumato: ")] or [line for line in lines if line.strip()]
            if said:
                return one_line(said[-1].removeprefix("sfumato: "))
        return "ended without a word"

    def stop(self, run: Path, owner: str, kill: bool = False) -> None:
        """Takes it out of the queue, or asks its process to save and end; `kill`: ends that at once. Raises
        SfumatoError if nobody trains it, or somebody elsewhere."""
        for training in self.queue:
            if training.run == run:
                self.queue.remove(training)
                return
        number = KILL if kill else signal.SIGTERM
        training = self.begun.get(run)
        if training and training.process and training.running:
            training.process.send_signal(number)
            return
        pid = pid_of(owner)
        if pid is None:
            raise SfumatoError(f"{run.name}: nobody on this machine trains it")
        os.kill(pid, number)

    def waiting(self) -> list[Training]:
        """Those that are no run on disk yet: in the queue, starting, or failed before they were one."""
        begun = (training for training in self.begun.values() if training.running or not training.ended_well)
        return [*self.queue, *(training for training in begun if not RunFolder(training.run).is_run)]

    def left(self) -> list[Training]:
        """Those that go on when the studio ends."""
        return [training for training in self.begun.values() if training.running]


def pid_of(owner: str) -> int | None:
    """Of the process that a lock names, if it runs here, is ours, and is a training of ours."""
    words = owner.split()
    if len(words) != 4 or words[0] != "process" or not words[1].isdecimal() or words[3] != socket.gethostname():
        return None
    try:
        command = Path(f"/proc/{words[1]}/cmdline").read_bytes().split(b"\0")
        os.kill(int(words[1]), 0)
    except OSError:
        return None
    ours = any(b"sfumato" in word for word in command) and any(word in command for word in (b"train", b"resume"))
    return int(words[1]) if ours else None


def option(name: str, value: Any) -> list[str]:
    """A field as words of the command line."""
    flag = f"--{name.replace('_', '-')}"
    match value:
        case bool():
            return [flag if value else f"--no-{name.replace('_', '-')}"]
        case [] | ():
            raise SfumatoError(f"{name}: none at all cannot be asked for here")
        case list() | tuple():
            return [f"{flag}={item}" for item in value]
        case None:
            return []
    return [f"{flag}={value}"]
