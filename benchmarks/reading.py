"""`python -m benchmarks reading [--images N] [--json]`: a folder of pictures, from the command to the last batch.

Ours, the first time and once more, beside torchvision's ImageFolder and torch's DataLoader with a worker for each core.
The pictures are synthetic JPEGs (growth.py) of `--source` pixels, in ten folders, made into squares of `--side` pixels,
in shuffled batches of floats, half of them mirrored. Each way has a process of its own. `opened_s`: until the data are
there, ours with every file read; `first_s`: until the first batch; `epoch_s`: one epoch after that; `next_s`: another.
`peak_mb`: the largest resident memory, of all its processes together (workers as many times the largest of them).
"""

import argparse
import json
import multiprocessing
import os
import resource
import sys
import tempfile
import time
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from typing import Any

from .growth import DIFFERENT, jpegs

BATCH = 64
CLASSES = 10
KB = 1024
Row = dict[str, Any]


def ours(folder: Path, side: int, cores: int) -> Row:
    from sfumato.data.batches import Batches
    from sfumato.data.sources import View, open_data

    began = time.perf_counter()
    data = open_data(str(folder), View(3, side))
    opened = time.perf_counter() - began
    batches = Batches(data.train, BATCH, 0, flip=True)

    def epoch(number: int) -> Iterable[object]:
        drawn = number * len(data.train)
        while drawn < (number + 1) * len(data.train):
            batch, count = batches.at(drawn)
            drawn += count
            yield batch

    return measured(began, opened, epoch, 0)


def theirs(folder: Path, side: int, cores: int) -> Row:
    from torch.utils.data import DataLoader
    from torchvision.datasets import ImageFolder
    from torchvision.transforms import v2 as transforms
    from torchvision.transforms.functional import to_tensor

    began = time.perf_counter()
    steps = [transforms.Resize(side, antialias=True), transforms.CenterCrop(side), transforms.RandomHorizontalFlip()]
    data = ImageFolder(folder, transforms.Compose([*steps, to_tensor]))
    opened = time.perf_counter() - began
    loader = DataLoader(data, BATCH, shuffle=True, num_workers=cores, persistent_workers=True)
    return measured(began, opened, lambda _: loader, cores)


def measured(began: float, opened: float, epoch: Callable[[int], Iterable[object]], workers: int) -> Row:
    """Two epochs, from `began` on."""
    ends = []
    first = 0.0
    for number in range(2):
        for place, _ in enumerate(epoch(number)):
            if not number and not place:
                first = time.perf_counter() - began
        ends.append(time.perf_counter() - began)
    own = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    others = workers * resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss
    return {
        "opened_s": opened, "first_s": first, "epoch_s": ends[0] - first, "next_s": ends[1] - ends[0],
        "peak_mb": (own + others) / KB,
    }  # fmt: skip


def alone(way: Callable[[Path, int, int], Row], folder: Path, side: int, cores: int) -> Row:
    """`way` in a process of its own."""
    with ProcessPoolExecutor(1, multiprocessing.get_context("spawn")) as pool:
        return pool.submit(way, folder, side, cores).result()


def main(arguments: Sequence[str]) -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks reading", description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--images", type=int, default=20_000)
    parser.add_argument("--source", type=int, default=256, help="pixels on a side of the files")
    parser.add_argument("--side", type=int, default=64, help="pixels on a side of the batches")
    parser.add_argument("--json", action="store_true", help="print JSON for programs")
    asked = parser.parse_args(arguments)
    cores = len(os.sched_getaffinity(0))
    with tempfile.TemporaryDirectory() as place:
        os.environ["SFUMATO_CACHE"] = str(Path(place) / "cache")
        folder = Path(place) / "pictures"
        files = jpegs(asked.source)
        for number in range(CLASSES):
            (folder / f"class {number}").mkdir(parents=True)
        for number in range(asked.images):
            (folder / f"class {number % CLASSES}/{number:06}.jpg").write_bytes(files[number % DIFFERENT])
        rows = {
            "ours": alone(ours, folder, asked.side, cores),
            "ours, again": alone(ours, folder, asked.side, cores),
            "ImageFolder": alone(theirs, folder, asked.side, cores),
        }
    if asked.json:
        print(json.dumps({"images": asked.images, "source": asked.source, "side": asked.side, "rows": rows}, indent=1))
        return
    for name, row in rows.items():
        print(f"{name:<14}" + "  ".join(f"{key} {value:,.2f}" for key, value in row.items()))
    sys.stdout.flush()
