"""What a run survives: kills, signals, a full disk, a second owner, a second process."""

import fcntl
import json
import os
import random
import signal
import subprocess
import sys
import termios
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

from ..conftest import Command, one_line

FIELDS = ("--images", "40000", "--batch-size", "64", "--save-every", "0.05", "--log-every", "640")
ENVIRONMENT = {**os.environ, "OMP_NUM_THREADS": "1"}
KILLS = 20


@pytest.fixture(autouse=True)
def _hears_a_hangup() -> Iterator[None]:
    """Processes started here do, even where the tests run under nohup."""
    before = signal.signal(signal.SIGHUP, signal.SIG_DFL)
    yield
    signal.signal(signal.SIGHUP, before)


def start(*arguments: str | Path, **environment: str) -> "subprocess.Popen[str]":
    return subprocess.Popen(
        [sys.executable, "-m", "sfumato", *map(str, arguments)],
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env={**ENVIRONMENT, **environment},
    )  # fmt: skip


def wait_for(path: Path, process: "subprocess.Popen[str] | subprocess.Popen[bytes]", seconds: float = 60) -> None:
    deadline = time.monotonic() + seconds
    while not path.exists():
        assert process.poll() is None, process.communicate()
        assert time.monotonic() < deadline
        time.sleep(0.02)


def final_weights(run: Path) -> dict[str, torch.Tensor]:
    return load_file(max((run / "checkpoints").glob("0*.safetensors")))


@pytest.mark.slow
def test_killed_at_random_instants_is_bitwise_the_same(tmp_path: Path, sfumato: Command) -> None:
    """In the precision that `auto` chooses here: in bf16 the weights are channels-last, the harder case. Kills of
    every system, many more at length: tests/faults/kills.py."""
    whole, killed = tmp_path / "whole", tmp_path / "killed"
    assert sfumato("train", "convolutional", "--run", whole, *FIELDS).returncode == 0
    instants, kills = random.Random(0), 0
    process = start("train", "convolutional", "--run", killed, *FIELDS)
    for _ in range(KILLS):
        wait_for(killed / "config.json", process)
        before = (killed / "state.json").read_bytes() if (killed / "state.json").exists() else b""
        # From the middle of starting up to some checkpoints later.
        if instants.random() < 0.7:
            deadline = time.monotonic() + 30
            while time.monotonic() < deadline and process.poll() is None:
                if (killed / "state.json").exists() and (killed / "state.json").read_bytes() != before:
                    break
                time.sleep(0.005)
        time.sleep(instants.uniform(0, 0.15))
        process.send_signal(signal.SIGKILL)
        process.communicate()
        kills += process.returncode == -signal.SIGKILL
        process = start("resume", killed, "--save-every", "0.05", "--log-every", "640")
    assert kills == KILLS
    _, errors = process.communicate(timeout=200)
    assert process.returncode == 0, errors
    expected, found = final_weights(whole), final_weights(killed)
    assert expected.keys() == found.keys()
    for key, value in expected.items():
        assert torch.equal(value, found[key]), key
    rows = [[json.loads(line) for line in (run / "metrics.jsonl").read_text().splitlines()] for run in (whole, killed)]
    for one, two in zip(*rows, strict=True):
        assert {**one, "seconds": 0} == {**two, "seconds": 0}


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143), (signal.SIGHUP, 129)])
def test_a_signal_saves_and_exits_with_its_code(tmp_path: Path, number: int, code: int) -> None:
    run = tmp_path / "run"
    process = start("train", "stacked", "--run", run, "--images", "100000000", "--save-every", "0.2")
    wait_for(run / "state.json", process)
    process.send_signal(number)
    process.send_signal(signal.SIGTERM)  # somebody is impatient
    _, errors = process.communicate(timeout=60)
    assert process.returncode == code
    assert "Traceback" not in errors
    assert "sfumato resume" in errors
    state = json.loads((run / "state.json").read_text())
    assert f"stopped after {state['images']:,} images" in errors


def test_a_closed_terminal_loses_nothing(tmp_path: Path) -> None:
    run, (leader, terminal) = tmp_path / "run", os.openpty()
    arguments = [sys.executable, "-m", "sfumato", "train", "stacked", "--run", run, "--images", "100000000"]
    process = subprocess.Popen(
        [*map(str, arguments), "--save-every", "0.2"], stdin=terminal, stdout=terminal, stderr=terminal,
        env=ENVIRONMENT, start_new_session=True, preexec_fn=lambda: fcntl.ioctl(0, termios.TIOCSCTTY, 0),
    )  # fmt: skip
    os.close(terminal)
    os.set_blocking(leader, False)
    while not (run / "state.json").exists():
        assert process.poll() is None
        with suppress(BlockingIOError):
            os.read(leader, 4096)
        time.sleep(0.02)
    before = json.loads((run / "state.json").read_text())["images"]
    os.close(leader)
    assert process.wait(timeout=60) == 129
    assert json.loads((run / "state.json").read_text())["images"] >= before
    assert not list(run.rglob("*.part"))


def test_a_second_process_is_refused_and_told_the_first(tmp_path: Path, sfumato: Command) -> None:
    run = tmp_path / "run"
    process = start("train", "stacked", "--run", run, "--images", "100000000", "--save-every", "0.2")
    wait_for(run / "state.json", process)
    one_line(sfumato("resume", run), f"in use by process {process.pid} on ")
    process.kill()
    process.communicate()


def test_a_full_disk_keeps_the_previous_checkpoint(tmp_path: Path, sfumato: Command) -> None:
    disk = tmp_path / "disk"
    disk.mkdir()
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=20m", "tmpfs", str(disk)], capture_output=True, check=False
    )
    if mounted.returncode:
        pytest.skip("mounting a small tmpfs needs root")
    try:
        # A checkpoint takes 11.5 MB: the first fits, the second does not fit beside it.
        result = sfumato("train", "stacked", "--run", disk / "run", "--images", "1000000", "--save-every", "0.2")
        one_line(result, "No space left on device", "its last checkpoint is kept", "sfumato resume")
        assert not [path for path in (disk / "run" / "checkpoints").iterdir() if path.suffix == ".part"]
        (disk / "run" / "samples").mkdir(exist_ok=True)
        drawn = sfumato("sample", disk / "run", "-o", tmp_path / "sample.png")
        assert drawn.returncode == 0, drawn.stderr
    finally:
        subprocess.run(["umount", str(disk)], check=True)


def test_two_processes_have_the_losses_of_one(tmp_path: Path) -> None:
    fields = ("--images", "1280", "--batch-size", "64", "--log-every", "64", "--precision", "fp32", "--device", "cpu")
    one, two = tmp_path / "one", tmp_path / "two"
    alone = start("train", "stacked", "--run", one, *fields)
    alone.communicate(timeout=120)
    launched = subprocess.run(
        [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2", "-m", "sfumato",
         "train", "stacked", "--run-dir", str(two), *fields],
        capture_output=True, text=True, env=ENVIRONMENT, timeout=200, check=False,
    )  # fmt: skip
    assert launched.returncode == 0, launched.stderr
    losses = [
        [json.loads(line)["bce"] for line in (run / "metrics.jsonl").read_text().splitlines()] for run in (one, two)
    ]
    assert len(losses[0]) == 20
    assert losses[1] == pytest.approx(losses[0], abs=1e-5)


@pytest.mark.slow
def test_two_processes_play_one_game(tmp_path: Path) -> None:
    """One of them measures on the way, with a network that it trains alone: the other must not wait for it in vain."""
    launched = subprocess.run(
        [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2", "-m", "sfumato",
         "train", "gan", "--run-dir", str(tmp_path / "run"), "--images", "800", "--batch-size", "20", "--device", "cpu",
         "--precision", "fp32", "--measure-every", "80"],
        capture_output=True, text=True, env=ENVIRONMENT, timeout=280, check=False,
    )  # fmt: skip
    assert launched.returncode == 0, launched.stderr
    assert len((tmp_path / "run" / "measures.jsonl").read_text().splitlines()) == 10
    assert (tmp_path / "run" / "evaluation.json").is_file()
