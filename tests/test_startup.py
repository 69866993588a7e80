"""What a command loads before it does its work: nothing heavy that it does not use."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from PIL import Image

import sfumato

HEAVY = (
    "docx", "matplotlib", "scipy.signal", "skimage", "sklearn", "tensorboard", "torch._dynamo", "torchmetrics",
    "torchvision",
)  # fmt: skip
# Runs a command in this process, up to its first training step if it has one, and prints what is loaded then.
SCRIPT = """
import json, os, sys
def told():
    print(json.dumps(sorted(name for name in json.loads(sys.argv[1]) if name in sys.modules)))
    print(json.dumps("torch" in sys.modules), os.environ.get("OMP_WAIT_POLICY"), flush=True)
    os._exit(0)
from sfumato.cli import main
if sys.argv[2] == "train":
    from sfumato.runs import training
    steps = training.ticks
    def first(*arguments):
        next(steps(*arguments))
        told()
        yield
    training.ticks = first
try:
    main(sys.argv[2:])
except SystemExit:
    pass
told()
"""


def loaded(folder: Path, *arguments: str | Path, **environment: str) -> tuple[list[str], bool, str]:
    """Which of HEAVY a command loads, whether it loads torch, and how OpenMP was told to wait."""
    words = [sys.executable, "-c", SCRIPT, json.dumps(HEAVY), *map(str, arguments)]
    clean = {name: value for name, value in os.environ.items() if name != "OMP_WAIT_POLICY"} | environment
    done = subprocess.run(words, capture_output=True, text=True, cwd=folder, env=clean, timeout=120, check=False)
    assert done.returncode == 0, done.stderr
    heavy, last = done.stdout.splitlines()[-2:]
    torch, _, policy = last.partition(" ")
    return json.loads(heavy), json.loads(torch), policy


@pytest.fixture
def pictures(tmp_path: Path) -> Path:
    for name in ("photo", "painting"):
        Image.linear_gradient("L").convert("RGB").resize((80, 64)).save(tmp_path / f"{name}.png")
    return tmp_path


@pytest.mark.parametrize(
    "command",
    [
        ["--help"],
        ["systems"],
        ["train", "stacked", "--run", "run"],
        ["train", "gan", "--run", "run"],
        ["train", "convolutional", "--data", "patches", "--run", "run"],
        ["stylize", "photo.png", "painting.png", "--out", "out.png"],
    ],
    ids=" ".join,
)
def test_nothing_heavy_is_loaded(pictures: Path, command: list[str]) -> None:
    heavy, torch, policy = loaded(pictures, *command)
    assert heavy == []
    assert torch == (command[0] != "--help")
    assert policy == "PASSIVE"
    assert command[0] != "stylize" or (pictures / "out.png").is_file()


def test_reading_pictures_loads_nothing_heavy(pictures: Path) -> None:
    fields = {"images": 8, "batch_size": 4, "resolution": 32, "evaluate": False, "recoloured": False, "smallest": 1.0}
    sfumato.train("finetune", data="faces", run=pictures / "run", precision="fp32", **fields)
    assert loaded(pictures, "predict", "run", "photo.png", "--out", "read.png")[0] == []
    assert (pictures / "read.png").is_file()


def test_what_the_environment_says_of_waiting_stays(pictures: Path) -> None:
    assert loaded(pictures, "--help", OMP_WAIT_POLICY="active")[2] == "active"
