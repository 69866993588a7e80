"""`python -m benchmarks [NAME] [--json]`: rows of {name, ours_s, textbook_s, ratio, peak_share}.

Ours and the textbook's epochs alternate in one process; each row gives the median over the rounds after a warm-up.
`peak_share`: multiply-adds of our training steps, times two, per second, over what this machine reaches on a large
square matrix product in the precision that we train in. Images are random bytes of MNIST's size: their content does
not change the time.
"""

import argparse
import json
import statistics
import time
from collections.abc import Callable

import torch

from sfumato.autoencoders.stacked import Config, StackedAutoencoder
from sfumato.data.batches import Batches
from sfumato.data.dataset import InMemory, Split
from sfumato.engine.clock import Clock
from sfumato.engine.loop import ticks
from sfumato.engine.runtime import Runtime, choose, hardware

from .textbook import StackedLoop

SIDE = 3072


def matmul_peak(runtime: Runtime) -> float:
    """Operations per second (two per multiply-add) of a square product: the best of several."""
    dtype = torch.bfloat16 if runtime.precision == "bf16" else torch.float32
    a, b = (torch.randn(SIDE, SIDE, device=runtime.device, dtype=dtype) for _ in range(2))
    return 2 * SIDE**3 / min(_seconds(lambda: a @ b, runtime) for _ in range(8))


def _seconds(work: Callable[[], object], runtime: Runtime) -> float:
    began = time.perf_counter()
    work()
    if runtime.device.type == "cuda":
        torch.cuda.synchronize()
    return time.perf_counter() - began


def interleaved(
    ours: Callable[[], object], textbook: Callable[[], object], rounds: int, runtime: Runtime
) -> tuple[float, float]:
    """Median seconds of each, alternating, after one unmeasured call of both."""
    pairs = [(_seconds(ours, runtime), _seconds(textbook, runtime)) for _ in range(rounds + 1)][1:]
    mine, theirs = zip(*pairs, strict=True)
    return statistics.median(mine), statistics.median(theirs)


def stacked(count: int, rounds: int, runtime: Runtime) -> list[dict[str, float | str]]:
    """An epoch of the deep autoencoder, against the textbook loop with four loader processes and with none."""
    images, labels = torch.randint(256, (count, 1, 28, 28), dtype=torch.uint8), torch.randint(10, (count,))
    system = StackedAutoencoder(Config(images=10**12)).to(runtime.device)
    batches = Batches(Split(InMemory(images), labels), 256, 0, device=runtime.device)
    clock = Clock()
    steps = ticks(system, lambda stage: batches.at, clock, 0, runtime)

    def epoch() -> None:
        goal = clock.images + count
        while clock.images < goal:
            next(steps)

    weights = [parameter.numel() for parameter in system.parameters() if parameter.dim() == 2]
    # Two operations per multiply-add; forward, and backward to weights and inputs: but not to the images.
    operations = (6 * sum(weights) - 2 * weights[0]) * count
    peak = matmul_peak(runtime)
    rows: list[dict[str, float | str]] = []
    for workers in (4, 0):
        ours, textbook = interleaved(epoch, StackedLoop(images[:, 0], labels, workers).epoch, rounds, runtime)
        rows.append(
            {
                "name": f"stacked epoch, {count} images, textbook num_workers={workers}",
                "ours_s": round(ours, 4),
                "textbook_s": round(textbook, 4),
                "ratio": round(textbook / ours, 2),
                "peak_share": round(operations / ours / peak, 4),
            }
        )
    return rows


BENCHMARKS = {"stacked": stacked}


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=(__doc__ or "").splitlines()[0])
    parser.add_argument("name", nargs="?", choices=sorted(BENCHMARKS), help="all by default")
    parser.add_argument("--json", action="store_true", help="print JSON for programs")
    parser.add_argument("--images", type=int, default=60_000, help="images in an epoch")
    parser.add_argument("--rounds", type=int, default=5, help="measured epochs of each")
    parser.add_argument("--precision", choices=("auto", "bf16", "fp32"), default="auto", help="of our side")
    arguments = parser.parse_args()
    runtime = choose("auto", arguments.precision)
    rows = [
        row
        for name in ([arguments.name] if arguments.name else BENCHMARKS)
        for row in BENCHMARKS[name](arguments.images, arguments.rounds, runtime)
    ]
    if arguments.json:
        print(json.dumps({"hardware": hardware(), "runtime": runtime.describe(), "rows": rows}, indent=1))
        return
    print(runtime.describe())
    for row in rows:
        print(", ".join(f"{key} {value}" for key, value in row.items()))


if __name__ == "__main__":
    main()
