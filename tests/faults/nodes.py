"""Several processes of which one is lost, on this machine: seconds until a line says which, and until all have ended.

One torchrun with two processes, or two torchruns with one each, as two machines have them; of CPUs, over loopback.
"""

import os
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import sfumato

START = 120  # seconds that a busy machine may take until the first checkpoint
MINUTE = 60.0
TRAIN = ("-m", "sfumato", "train", "stacked", "--data", "digits", "--images", "100000000", "--batch-size", "64",
         "--widths", "64", "10", "--save-every", "0.2", "--device", "cpu")  # fmt: skip


@dataclass(frozen=True)
class Lost:
    """How a loss went: the line, and seconds from the loss to it and to the end of all."""

    nodes: int
    case: str
    line: str
    said: float
    ended: float


def children(pid: int) -> list[int]:
    return [int(word) for word in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]


def lives(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


def until(true: Callable[[], object], seconds: float) -> float:
    """Seconds until something is true; raises AssertionError if it takes longer than so many."""
    began = time.monotonic()
    while not true():
        assert time.monotonic() - began < seconds, f"not within {seconds} seconds"
        time.sleep(0.02)
    return time.monotonic() - began


def free_port() -> int:
    with socket.socket() as opened:
        opened.bind(("127.0.0.1", 0))
        return opened.getsockname()[1]


def is_bound(port: int) -> bool:
    with socket.socket() as opened:
        return opened.connect_ex(("127.0.0.1", port)) == 0


def lose(nodes: int, case: str, folder: Path) -> Lost:
    """`case`: the process that is not process 0 is "killed" or "frozen", or the "store", the torchrun through which
    all have met, is killed. Raises AssertionError unless one line on each machine at most says so and all end within a
    minute, with a checkpoint that can be opened."""
    run, port, environment = folder / "run", free_port(), {**os.environ, "OMP_NUM_THREADS": "1"}
    meeting = ("--rdzv-backend", "c10d", "--rdzv-endpoint", f"127.0.0.1:{port}", "--rdzv-id", "first")
    agents: list[subprocess.Popen[bytes]] = []
    workers: list[int] = []
    try:
        for number in range(nodes):
            with (folder / f"said-{number}").open("wb") as said:
                command = [sys.executable, "-m", "torch.distributed.run", "--nnodes", str(nodes), "--nproc-per-node",
                           str(2 // nodes), *meeting, *TRAIN, "--run-dir", str(run)]  # fmt: skip
                agents.append(subprocess.Popen(command, stdout=said, stderr=said, env=environment))
            until(lambda: is_bound(port), START)  # the first keeps the store
        until((run / "state.json").exists, START)
        workers = [pid for agent in agents for pid in children(agent.pid)]
        (other,) = set(workers) - {int((run / "lock").read_text().split()[1])}
        victim, number = {
            "killed": (other, signal.SIGKILL),
            "frozen": (other, signal.SIGSTOP),
            "store": (agents[0].pid, signal.SIGKILL),
        }[case]
        os.kill(victim, number)

        def lines() -> list[str]:
            texts = "".join(path.read_text() for path in folder.glob("said-*"))
            assert "[rank" not in texts, texts  # torch's own report of a broken connection, in one of our processes
            return [line for line in texts.splitlines() if line.startswith("sfumato: ")]

        began = time.monotonic()
        said = until(lines, MINUTE)
        until(lambda: all(agent.poll() is not None for agent in agents) and not any(map(lives, workers)), MINUTE)
        ended = time.monotonic() - began
        found = lines()
        # Of two torchruns the one that is left stops its processes at once, which have all save.
        named = ("process 1 on ",) if case != "store" else ("torchrun at ", "; saved: go on")
        assert all(any(words in line for words in named) for line in found), found
        assert len(found) <= nodes, found
        assert ended < MINUTE, ended
        sfumato.open(run).metrics()
        return Lost(nodes, case, found[0], said, ended)
    finally:
        for agent in agents:
            agent.kill()
            agent.wait()
        for pid in filter(lives, workers):
            os.kill(pid, signal.SIGKILL)


def all_losses() -> list[Lost]:
    """Every case, on one machine and on two."""
    found = []
    for nodes in (1, 2):
        for case in ("killed", "frozen", "store"):
            with tempfile.TemporaryDirectory() as folder:
                found.append(lose(nodes, case, Path(folder)))
    return found


def nodes() -> str:
    """Seconds to the line and to the end of all, of every case. Raises AssertionError if one takes too long."""
    return "seconds to the line, and to the end of all: " + "; ".join(
        f"{lost.nodes} node(s), {lost.case} {lost.said:.1f}, {lost.ended:.1f}" for lost in all_losses()
    )
