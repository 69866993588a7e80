"""Seconds, side by side."""

import statistics
import time
from collections.abc import Callable

import torch

from sfumato.engine import memory
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


def forget_freed_memory() -> None:
    """Undoes `keep_freed_memory`: gives freed blocks back, and takes the bounds that glibc soon adapts to by itself."""
    if library := memory.glibc():
        library.mallopt(memory.MMAP_MAX, 65536)
        library.mallopt(memory.MMAP_THRESHOLD, 32 << 20)
        library.mallopt(memory.TRIM_THRESHOLD, 64 << 20)
        library.mallopt(memory.TOP_PAD, 128 << 10)
        library.malloc_trim(0)


def interleaved(
    ours: Callable[[], object], textbook: Callable[[], object], rounds: int, runtime: Runtime
) -> tuple[float, float]:
    """Median seconds of each, alternating, each after an unmeasured call; the textbook's with the memory settings that
    a process comes to by itself."""
    mine, theirs = list[float](), list[float]()
    for _ in range(rounds):
        memory.keep_freed_memory()
        ours()
        mine.append(_seconds(ours, runtime))
        forget_freed_memory()
        textbook()
        theirs.append(_seconds(textbook, runtime))
    return statistics.median(mine), statistics.median(theirs)


def row(
    name: str, ours: Callable[[], object], textbook: Callable[[], object], rounds: int, runtime: Runtime,
    operations: float | None = None,
) -> Row:  # fmt: skip
    """Seconds of each, how many times as fast ours is, and, of so many `operations`, the share of the peak."""
    mine, theirs = interleaved(ours, textbook, rounds, runtime)
    found: Row = {
        "name": name,
        "ours_s": round(mine, 4),
        "textbook_s": round(theirs, 4),
        "ratio": round(theirs / mine, 2),
    }
    if operations:
        found["peak_share"] = round(operations / mine / matmul_peak(runtime), 4)
    return found
