"""Several processes and machines: one that dies, and all that are started again. The recipes are docs/machines.md's."""

import os
import re
import signal
import socket
import subprocess
import sys
from pathlib import Path

import pytest
import torch

import sfumato
from sfumato.engine.watch import LOST
from sfumato.errors import SfumatoError
from sfumato.runs import training

from .test_survival import ENVIRONMENT, final_weights, start, wait_for

SLOW = 240  # seconds that a busy machine may take until the first checkpoint
FIELDS = ("--batch-size", "64", "--widths", "64", "10", "--save-every", "0", "--device", "cpu")
PAGE = (Path(__file__).parents[2] / "docs" / "machines.md").read_text("utf-8")
ONE_MACHINE, TWO_MACHINES = re.findall(r"^```\ntorchrun (.*)\n```$", PAGE, re.MULTILINE)


def free_port() -> int:
    with socket.socket() as opened:
        opened.bind(("127.0.0.1", 0))
        return opened.getsockname()[1]


def launch(recipe: str, agents: int, shared: Path, out: Path) -> "list[subprocess.Popen[bytes]]":
    """`agents` torchruns as `recipe` has them, on this machine; what they and their processes say goes below `out`."""
    words = recipe.replace("first-machine:29400", f"127.0.0.1:{free_port()}").replace("/shared", str(shared)).split()
    out.mkdir()
    launched = []
    for number in range(agents):
        command = [sys.executable, "-m", "torch.distributed.run", "--log-dir", str(out), "--redirects", "3"]
        with (out / f"agent-{number}").open("w") as said:
            launched.append(
                subprocess.Popen(
                    [*command, *words, *FIELDS, "--images", "1280"],
                    stdout=said,
                    stderr=subprocess.STDOUT,
                    env=ENVIRONMENT,
                )
            )
    return launched


def all_end_well(agents: "list[subprocess.Popen[bytes]]", out: Path) -> None:
    codes = [agent.wait(timeout=SLOW) for agent in agents]
    assert not any(codes), [path.read_text() for path in out.rglob("*") if path.is_file()]


@pytest.mark.slow
def test_a_killed_process_is_started_again_and_the_run_is_bitwise_the_same(tmp_path: Path) -> None:
    """On one machine and on two, process 0 is killed once it has saved; held against two processes never stopped."""
    run = Path("runs") / "first"
    all_end_well(launch(ONE_MACHINE, 1, tmp_path / "whole", tmp_path / "whole-log"), tmp_path / "whole-log")
    expected = final_weights(tmp_path / "whole" / run)
    for agents, recipe in ((1, ONE_MACHINE), (2, TWO_MACHINES)):
        shared, log = tmp_path / f"{agents}", tmp_path / f"{agents}-log"
        launched = launch(recipe, agents, shared, log)
        wait_for(shared / run / "state.json", launched[0], SLOW)
        owner = re.match(r"process (\d+) on ", (shared / run / "lock").read_text())
        assert owner
        os.kill(int(owner[1]), signal.SIGKILL)
        all_end_well(launched, log)
        found = final_weights(shared / run)
        assert expected.keys() == found.keys()
        for key, value in expected.items():
            assert torch.equal(value, found[key]), key
        images = [row["images"] for row in sfumato.open(shared / run).metrics()]
        assert images == sorted(set(images)), "two processes wrote"
        assert "Traceback" not in "".join(path.read_text() for path in log.rglob("stderr.log"))
        said = "".join(path.read_text() for path in log.rglob("stdout.log"))
        assert said.count("report.html") == 1


@pytest.mark.slow
def test_a_process_that_is_left_alone_ends_with_one_line(tmp_path: Path) -> None:
    """Without torchrun, which would end it."""
    run, place = tmp_path / "run", {"MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(free_port()), "WORLD_SIZE": "2"}
    command = ("train", "stacked", "--run", run, *FIELDS, "--images", "100000000")
    first, second = (start(*command, **place, RANK=rank) for rank in "01")
    wait_for(run / "state.json", first, SLOW)
    first.kill()
    first.communicate()
    _, errors = second.communicate(timeout=60)
    assert second.returncode == LOST
    assert errors.startswith("sfumato: process 0 at 127.0.0.1:")
    assert "--max-restarts" in errors
    assert errors.count("\n") == 1, errors


def test_train_goes_on_with_its_own_run_where_torchrun_restarts(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run, fields = tmp_path / "run", {"images": 128, "batch_size": 64, "widths": (8, 2), "device": "cpu"}

    def train(seed: int = 0, **others: object) -> None:
        sfumato.train("stacked", run=run, seed=seed, evaluate=False, **{**fields, **others})  # pyright: ignore[reportArgumentType]

    train()
    before = final_weights(run)
    with pytest.raises(SfumatoError, match="holds a run already: go on with `sfumato resume"):
        train()
    monkeypatch.setenv("TORCHELASTIC_MAX_RESTARTS", "1")
    train()
    assert all(torch.equal(value, before[key]) for key, value in final_weights(run).items())
    with pytest.raises(SfumatoError, match="one of another config, seed: "):
        train(seed=1, images=192)
    with pytest.raises(SfumatoError, match="one of another data: "):
        train(data="patches", channels=1, resolution=28)


def test_machines_that_do_not_share_the_folder_are_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    run = tmp_path / "run"
    sfumato.train("stacked", run=run, images=128, batch_size=64, widths=(8, 2), device="cpu", evaluate=False)
    monkeypatch.setattr(training, "largest_over_processes", lambda value, device: value + 64)
    with pytest.raises(SfumatoError, match=r"finds a checkpoint after 128 images, .* must share the run folder"):
        sfumato.resume(run)
