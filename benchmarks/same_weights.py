"""`python -m benchmarks.same_weights COMMIT`: does a seed still give the same weights, bit for bit?

Installs this working tree and an earlier commit side by side in a temporary folder, trains every system of the
catalog for a few steps on the embedded data, in fp32 and in bf16, and compares what their checkpoints hold: weights,
buffers and the state of optimisers. Prints JSON; the exit code is 1 if anything differs. `--teacher FILE`: weights of
SqueezeNet 1.0, for systems that learn from it; without them those are left out. `--only SYSTEM ...`: these alone.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

import torch
from safetensors.torch import load_file

from sfumato.runs.catalog import CATALOG

ROOT = Path(__file__).parent.parent
COMMON = ("--seed", "3", "--device", "cpu")
SHORT = {  # what makes a run of a system short
    "stacked": ("--images", "2000"),
    "denoising": ("--images", "2000"),
    "convolutional": ("--images", "512"),
    "gan": ("--images", "1000"),
    "wgan": ("--images", "960"),
    "wgan_gp": ("--images", "500"),
    "sngan": ("--images", "1000"),
    "cgan": ("--images", "1000"),
    "dcgan": ("--data", "patches", "--images", "256", "--resolution", "32", "--width", "16"),
    "encoder": ("--images", "16", "--resolution", "64", "--crop", "64", "--batch-size", "4"),
    "adain": ("--images", "16", "--resolution", "64", "--crop", "64", "--batch-size", "4"),
    "finetune": ("--images", "64", "--resolution", "64"),
    "ssd": ("--images", "64",),
    "fcn": ("--images", "16", "--resolution", "64", "--crop", "64"),
    "unet": ("--images", "16", "--resolution", "64", "--crop", "64"),
    "deeplab": ("--images", "16", "--resolution", "64", "--crop", "64"),
}  # fmt: skip
TAUGHT = ("encoder",)
MORE = {  # a second look at systems with two kinds of networks
    "sngan": ("--network", "dcgan", "--width", "16", "--images", "500"),
    "wgan_gp": ("--network", "dcgan", "--width", "16", "--images", "500"),
}


def install(source: Path, place: Path) -> Path:
    """The package in `source`, without its dependencies, in a folder of its own."""
    subprocess.run(
        [sys.executable, "-m", "pip", "install", "--quiet", "--no-deps", "--target", str(place), str(source)],
        check=True,
    )
    return place


def train(home: Path, name: str, fields: tuple[str, ...], run: Path) -> dict[str, torch.Tensor]:
    """What the checkpoint of a run holds that the package in `home` has trained."""
    environment = {**os.environ, "PYTHONPATH": str(home), "OMP_NUM_THREADS": "1"}
    subprocess.run(
        [sys.executable, "-m", "sfumato", "train", name, "--run", str(run), *COMMON, *fields],
        env=environment, cwd=home, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip
    return load_file(max((run / "checkpoints").glob("0*.safetensors")))


def differences(old: dict[str, torch.Tensor], new: dict[str, torch.Tensor]) -> list[str]:
    """The names of tensors that only one has, or that are not equal bit for bit."""
    names = old.keys() ^ new.keys()
    names |= {name for name in old.keys() & new.keys() if not torch.equal(old[name], new[name])}
    return sorted(names)


def compare(homes: tuple[Path, Path], teacher: str, folder: Path, only: Sequence[str]) -> list[dict[str, object]]:
    rows = []
    usual = {name: SHORT.get(name, ()) for name in CATALOG}
    kinds = [item for item in (*usual.items(), *MORE.items()) if not only or item[0] in only]
    for number, (name, fields) in enumerate(kinds):
        taught = ("--teacher-file", teacher) if name in TAUGHT else ()
        for precision in ("fp32", "bf16"):
            row: dict[str, object] = {"system": name, "fields": " ".join(fields), "precision": precision}
            rows.append(row)
            if name in TAUGHT and not teacher:
                row["left out"] = "needs --teacher"
                continue
            try:
                old, new = (
                    train(
                        home,
                        name,
                        (*fields, *taught, "--precision", precision),
                        folder / f"{number}-{precision}-{side}",
                    )
                    for side, home in zip(("old", "new"), homes, strict=True)
                )
            except subprocess.CalledProcessError as error:
                row["failed"] = (error.stderr.strip().splitlines() or ["nothing was said"])[-1]
            else:
                row["tensors"], row["different"] = len(new), differences(old, new)
            print(json.dumps(row), file=sys.stderr, flush=True)
    return rows


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("commit")
    parser.add_argument("--teacher", default="")
    parser.add_argument("--only", nargs="*", default=())
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place)
        tree = folder / "tree"
        subprocess.run(
            ["git", "worktree", "add", "--detach", str(tree), arguments.commit],
            cwd=ROOT,
            check=True,
            capture_output=True,
        )
        try:
            homes = install(tree, folder / "old"), install(ROOT, folder / "new")
        finally:
            subprocess.run(["git", "worktree", "remove", "--force", str(tree)], cwd=ROOT, check=True)
        rows = compare(homes, arguments.teacher, folder, arguments.only)
    print(json.dumps(rows, indent=1))
    sys.exit(any(row.get("different") or row.get("failed") for row in rows))


if __name__ == "__main__":
    main()
