"""Seconds, side by side, and what they were spent on."""

import math
import multiprocessing
import statistics
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any, Literal

import torch
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils.flop_counter import flop_registry

from sfumato.engine import memory
from sfumato.engine.runtime import Runtime

SIDE = 3072
Row = dict[str, float | str]
Ints = Sequence[int]
Who = Literal["ours", "textbook"]
Sides = Callable[[Runtime], tuple[Callable[[], object], Callable[[], object]]]  # a step of ours, and the textbook's
aten = torch.ops.aten


@dataclass(frozen=True)
class Bench:
    """What rows are measured on: `rounds` of each side, and epochs of `images` where a row is of an epoch."""

    runtime: Runtime
    rounds: int = 5
    images: int | None = None

    def row(self, name: str, ours: Callable[[], object], textbook: Callable[[], object], steps: int = 1) -> Row:
        """Seconds of each, how many times as fast ours is, its share of the peak, and what a step of it calls, if
        `ours` is so many steps."""
        mine, theirs = interleaved(ours, textbook, self.rounds, self.runtime)
        with Counter() as counter:  # behind them: the first step also lays out what optimisers keep
            ours()
        return {
            "name": name,
            "ours_s": round(mine, 4),
            "textbook_s": round(theirs, 4),
            "ratio": round(theirs / mine, 2),
            "peak_share": round(counter.operations / mine / matmul_peak(self.runtime), 4),
            "kernels": round(counter.calls / steps),
        }


class Counter(TorchDispatchMode):
    """Counts what torch is asked for, forward and backward, whoever asks.

    `operations`: two per multiply-add of matrix products and convolutions; of these, those with the padding are not
    made, and do not count. A gradient counts where it is computed. Products of a matrix with a vector do not count, nor
    whatever is done to one number at a time. `calls`: of operators; views are among them.
    """

    # torch's own FlopCounterMode counts the padding and, of grouped convolutions, too much backward; it refuses
    # gradients of gradients.

    operations = 0
    calls = 0

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        found = func(*args, **(kwargs or {}))
        self.calls += 1
        kind = func.overloadpacket
        if kind is aten.convolution:
            values, weights, _, *shape = args
            self.operations += convolving(values, weights, found, *shape[:4])
        elif kind is aten.convolution_backward:
            gradient, values, weights, _, *shape, wanted = args
            forward = convolving(values, weights, gradient, *shape[:4])
            self.operations += forward * sum(wanted[:2])  # as many for the input, and for the weights
        elif kind in flop_registry:
            self.operations += flop_registry[kind](*args, **(kwargs or {}), out_val=found)
        return found


def convolving(
    values: Tensor, weights: Tensor, found: Tensor, stride: Ints, padding: Ints, dilation: Ints, transposed: bool
) -> int:
    """Operations of a convolution, in groups or not, from `values` to `found`."""
    fine, coarse = (found, values) if transposed else (values, found)
    sides = zip(fine.shape[2:], coarse.shape[2:], weights.shape[2:], stride, padding, dilation, strict=True)
    return 2 * len(values) * weights.shape[0] * weights.shape[1] * math.prod(meetings(*side) for side in sides)


@cache
def meetings(fine: int, coarse: int, taps: int, stride: int, padding: int, dilation: int) -> int:
    """How often, along one side, a tap of the filter meets a pixel and not the padding."""
    places = (place * stride - padding + tap * dilation for place in range(coarse) for tap in range(taps))
    return sum(0 <= place < fine for place in places)


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


def peak_of(sides: Sides, who: Who, runtime: Runtime) -> int:
    """MB of a process that does nothing else, above what torch alone takes. `sides`: a function of a module."""
    context = multiprocessing.get_context("spawn")
    results = context.Queue()
    process = context.Process(target=_watched, args=(sides, who, runtime.precision, results))
    process.start()
    found = results.get()
    process.join()
    return found


def _watched(sides: Sides, who: Who, precision: str, results: "multiprocessing.Queue[int]") -> None:
    before = most_memory()
    runtime = Runtime(torch.device("cpu"), "bf16" if precision == "bf16" else "fp32")
    ours, theirs = sides(runtime)
    if who == "ours":
        memory.keep_freed_memory()
    (ours if who == "ours" else theirs)()
    results.put(most_memory() - before)


def most_memory() -> int:
    """MB that this process has held at most; what its parent held does not count, as it would for `getrusage`."""
    text = Path("/proc/self/status").read_text("utf-8") if Path("/proc/self/status").exists() else ""
    return next((int(line.split()[1]) // 1024 for line in text.splitlines() if line.startswith("VmHWM")), 0)
