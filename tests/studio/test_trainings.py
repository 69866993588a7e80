"""Trainings in a queue: one at a time, by words that are no one else's, and found again by who comes later."""

import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from sfumato.errors import SfumatoError
from sfumato.runs.find import Found, runs_under
from sfumato.studio import trainings as module
from sfumato.studio.shelf import id_of
from sfumato.studio.trainings import LOGS, NICE, WAITING, Trainings, option, pid_of

PATIENCE = 120.0  # seconds, for what takes few
FAKE = """
import fcntl, json, os, signal, socket, sys, time
run, how = sys.argv[1:]
if how == "refuses":
    sys.exit("a bar 10 %\\nsfumato: bottleneck -1: must be more than 0")
if how == "mute":
    sys.exit(1)
if how == "breaks":
    raise ValueError("of ours")
if how == "starts":
    time.sleep(600)
os.makedirs(run)
lock = open(run + "/lock", "a+")
fcntl.flock(lock, fcntl.LOCK_EX)
lock.write(f"process {os.getpid()} on {socket.gethostname()}\\n"); lock.flush()
stopped = []
signal.signal(signal.SIGTERM, lambda *_: stopped.append(1))
open(run + "/begun", "w").close()
while not stopped and how == "runs":
    time.sleep(0.02)
sys.exit(143 if stopped else 0)
"""


def until(true: Callable[[], object]) -> None:
    ends = time.monotonic() + PATIENCE
    while not true():
        assert time.monotonic() < ends, "it did not come about"
        time.sleep(0.02)


@pytest.fixture
def trainings(tmp_path: Path) -> Iterator[Trainings]:
    made = Trainings(tmp_path)
    yield made
    for training in made.left():
        assert training.process
        training.process.kill()
        training.process.wait()


def put(trainings: Trainings, name: str, how: str = "runs") -> Path:
    """A training that is a fake: a process that does `how`."""
    run = trainings.root / name
    trainings.train(run, "stacked", "digits", ["digits"], {}, 100)
    trainings.queue[-1].command = [sys.executable, "-c", FAKE, str(run), how]
    return run


def begun(run: Path) -> None:
    until((run / "begun").exists)


def test_options_are_words_of_their_own() -> None:
    assert option("batch_size", 8) == ["--batch-size=8"]
    assert option("learning_rate", 1e-05) == ["--learning-rate=1e-05"]
    assert option("flip", True) == ["--flip"]
    assert option("flip", False) == ["--no-flip"]
    assert option("widths", [256, 64]) == ["--widths=256", "--widths=64"]
    assert option("patience", None) == []
    with pytest.raises(SfumatoError, match="widths: none at all"):  # the command line has no words for it
        option("widths", [])
    assert option("text", "--run=/etc; $(x) 'y'\n") == ["--text=--run=/etc; $(x) 'y'\n"]


def test_a_training_is_a_list_of_words(trainings: Trainings) -> None:
    run = trainings.root / "a b"
    trainings.train(run, "stacked", "digits", ["/data/--x", "mnist"], {"images": 10, "activation": "-x"}, 25)
    trainings.resume(trainings.root / "c", 99, 7)
    trainings.resume(trainings.root / "d", None, 7)
    assert [training.command for training in trainings.queue] == [
        [sys.executable, "-m", "sfumato", "train", "stacked:digits", f"--run={run}", "--log-every=25",
         "--data=/data/--x",
         "--data=mnist", "--images=10", "--activation=-x"],
        [sys.executable, "-m", "sfumato", "resume", str(trainings.root / "c"), "--log-every=7", "--images=99"],
        [sys.executable, "-m", "sfumato", "resume", str(trainings.root / "d"), "--log-every=7"],
    ]  # fmt: skip


def test_one_runs_at_a_time_and_the_next_waits(trainings: Trainings) -> None:
    first, second, third = (put(trainings, name) for name in "abc")
    assert trainings.state(first, None) == ("queued", "")
    trainings.tend([])
    assert trainings.state(first, None) == ("starting", "")
    begun(first)
    for _ in range(3):
        trainings.tend([])
    assert [training.run for training in trainings.queue] == [second, third]
    assert trainings.state(first, Found(first, "running")) == ("running", "")
    process = trainings.begun[first].process
    assert process
    assert os.getpriority(os.PRIO_PROCESS, process.pid) == NICE
    assert os.getsid(process.pid) == process.pid  # what is pressed in the terminal does not reach it
    trainings.stop(second, "")  # out of the queue
    trainings.stop(first, "")
    until(lambda: not trainings.begun[first].running)
    assert trainings.state(first, Found(first, "stopped")) == ("stopped", "")
    trainings.tend([])
    begun(third)
    assert trainings.left() == [trainings.begun[third]]


def test_it_waits_for_who_trains_here_already(trainings: Trainings) -> None:
    run = put(trainings, "a", "ends")
    trainings.tend([Found(trainings.root / "theirs", "running")])
    assert trainings.state(run, None) == ("queued", "")
    trainings.tend([Found(trainings.root / "theirs", "stopped")])
    until(lambda: trainings.state(run, Found(run, "finished")) == ("finished", ""))


@pytest.mark.parametrize(
    ("how", "words"),
    [
        ("refuses", "bottleneck -1: must be more than 0"),
        ("mute", "ended without a word"),
        ("breaks", "ValueError: of ours"),
    ],
)
def test_one_that_fails_says_why(trainings: Trainings, how: str, words: str) -> None:
    run = put(trainings, "a", how)
    trainings.tend([])
    until(lambda: not trainings.begun[run].running)
    assert trainings.state(run, None) == trainings.state(run, Found(run, "stopped")) == ("failed", words)
    run.mkdir(exist_ok=True)  # it may have got as far as that
    assert [training.run for training in trainings.waiting()] == [run]
    assert (trainings.root / LOGS / f"{id_of('a')}.log").is_file()
    trainings.forget(run)
    assert trainings.waiting() == []


def test_one_that_cannot_be_started_says_so(trainings: Trainings) -> None:
    run = put(trainings, "a")
    trainings.queue[-1].command[0] = str(trainings.root / "no-python")
    trainings.tend([])
    assert trainings.state(run, None) == ("failed", "cannot be started (No such file or directory)")
    assert not trainings.left()
    other = put(trainings, "b", "ends")
    trainings.tend([])
    until(lambda: trainings.state(other, Found(other, "finished"))[0] == "finished")


@pytest.mark.parametrize("kill", [False, True])
def test_one_that_only_starts_can_be_stopped_and_is_gone(trainings: Trainings, kill: bool) -> None:
    run = put(trainings, "a", "starts")
    trainings.tend([])
    trainings.stop(run, "", kill)
    until(lambda: not trainings.begun[run].running)
    assert trainings.waiting() == []
    put(trainings, "a")  # and its name is free


def test_one_that_was_killed_is_stopped(trainings: Trainings) -> None:
    run = put(trainings, "a")
    trainings.tend([])
    begun(run)
    trainings.stop(run, "", kill=True)
    until(lambda: not trainings.begun[run].running)
    assert trainings.state(run, Found(run, "stopped")) == ("stopped", "")
    with pytest.raises(SfumatoError, match="nobody on this machine trains it"):
        trainings.stop(run, "")


def test_no_run_waits_twice_and_the_queue_is_short(trainings: Trainings) -> None:
    run = put(trainings, "a")
    for again in (lambda: put(trainings, "a"), lambda: trainings.resume(run, None, 1)):
        with pytest.raises(SfumatoError, match="in the queue"):
            again()
    trainings.tend([])
    with pytest.raises(SfumatoError, match="being trained"):
        trainings.resume(run, None, 1)
    for number in range(WAITING):
        put(trainings, f"b{number}")
    with pytest.raises(SfumatoError, match="wait already"):
        put(trainings, "c")


def test_the_folder_of_logs_is_no_link(trainings: Trainings, tmp_path: Path) -> None:
    outside = tmp_path / "outside"
    outside.mkdir()
    (trainings.root / LOGS).symlink_to(outside)
    with pytest.raises(SfumatoError, match="a link"):
        put(trainings, "a")
    (trainings.root / LOGS).unlink()
    (trainings.root / LOGS).mkdir()
    (outside / "mine").write_text("mine")
    run = put(trainings, "a", "refuses")
    trainings.queue[-1].log.symlink_to(outside / "mine")
    trainings.tend([])
    until(lambda: not trainings.begun[run].running)
    assert (outside / "mine").read_text() == "mine"


def test_last_words_are_few_and_visible(trainings: Trainings) -> None:
    run = put(trainings, "a")
    (training,) = trainings.queue
    training.log.write_bytes(b"x" * 10**6 + b"\n\x1b[2J\xff\xe2\x80\xae\n\n")
    assert trainings.last_words(training) == "%1B[2J\ufffd%E2%80%AE"
    training.log.write_bytes(b"")
    assert trainings.last_words(training) == "ended without a word"
    training.log.unlink()
    assert trainings.last_words(training) == "ended without a word"
    trainings.stop(run, "")


@pytest.mark.parametrize(
    "owner",
    ["", "another process", "process x on y", f"process 1 on {socket.gethostname()}", "process 99999999 on there",
     f"process {os.getpid()} on {socket.gethostname()}", f"process -1 on {socket.gethostname()}",
     f"process 0 on {socket.gethostname()}", f"process {'9' * 30} on {socket.gethostname()}"],
    ids=range(9),  # its own process has another number in each worker of the suite
)  # fmt: skip
def test_no_process_of_others_is_ended(trainings: Trainings, owner: str) -> None:
    assert pid_of(owner) is None
    with pytest.raises(SfumatoError, match="nobody on this machine trains it"):
        trainings.stop(trainings.root / "a", owner, kill=True)


def test_one_that_another_studio_began_can_be_stopped(trainings: Trainings) -> None:
    words = [sys.executable, "-c", "import time; time.sleep(600)", "sfumato", "train"]
    with subprocess.Popen(words) as process:
        owner = f"process {process.pid} on {socket.gethostname()}"
        until(lambda: pid_of(owner) == process.pid)
        Trainings(trainings.root).stop(trainings.root / "a", owner)
        assert process.wait(PATIENCE) == -signal.SIGTERM
    assert pid_of(owner) is None


FIELDS = {"images": 2_000_000, "batch_size": 16, "widths": [8]}


@pytest.mark.slow
def test_a_training_is_begun_stopped_found_again_and_resumed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The real one: what comes after knows it by its folder alone."""
    monkeypatch.setattr(module, "NICE", 0)
    first, run = Trainings(tmp_path), tmp_path / "-a"

    def found() -> Found | None:
        return next((found for found in runs_under(tmp_path) if found.path == run), None)

    def row() -> bool:
        return (there := found()) is not None and there.rows > 0

    first.train(run, "stacked", "digits", ["digits"], FIELDS, 160)
    first.tend([])
    try:
        until(row)
        there = found()
        assert there is not None
        assert first.state(run, there)[0] == "running"
        second = Trainings(tmp_path)  # of a studio that begins when the first is gone
        assert second.state(run, there)[0] == "running"
        assert not second.waiting()
        second.stop(run, there.owner)
        until(lambda: (now := found()) is not None and now.state == "stopped")
        there = found()
        assert there is not None
        assert there.images > 0
        total = there.images + 160
        second.resume(run, total, 16)
        second.tend([there])
        until(lambda: not second.begun[run].running)
        assert second.state(run, found()) == ("finished", "")
        images = [json.loads(line)["images"] for line in (run / "metrics.jsonl").read_text().splitlines()]
        assert images == sorted(set(images))
        assert images[-1] == total
    finally:
        for training in (*first.left(), *(second.left() if "second" in locals() else ())):
            training.process.kill()  # pyright: ignore[reportOptionalMemberAccess]
    until(lambda: not first.begun[run].running)
