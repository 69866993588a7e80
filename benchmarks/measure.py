"""Seconds, side by side."""

import statistics
import time
from collections.abc import Callable

import torch

from sfumato.engine.runtime import Runtime

SIDE = 3072
Row = dict[str, float | str]


def matmul_peak(runtime: Runtime) -> float:
    """Operations per second (two per multiply-add) of a square product: the best of several."""
    dtype = torch.bfloat16 if runtime.precision == "bf16" else torch.float32
    a, b = (torch.randn(SIDE, SIDE, device=runtime.device, dtype=dtype) for _ in range(2))
    return 2 * SIDE**3 / min(_seconds(lambda: a @ b, runtime) for _ in range(8))


def _seconds(work: Callable[[], object], runtime: Runtime) -> float:
    began = time.perf_counter()
    work()
    runtime.wait()
    return time.perf_counter() - began


def interleaved(
    ours: Callable[[], object], textbook: Callable[[], object], rounds: int, runtime: Runtime
) -> tuple[float, float]:
    """Median seconds of each, alternating, after one unmeasured call of both."""
    pairs = [(_seconds(ours, runtime), _seconds(textbook, runtime)) for _ in range(rounds + 1)][1:]
    mine, theirs = zip(*pairs, strict=True)
    return statistics.median(mine), statistics.median(theirs)
