"""Where and how to compute: device, precision, processes.

Precision `auto` means bf16 autocast with fp32 weights where the hardware multiplies bf16 faster than fp32: CUDA,
and CPUs with AMX or AVX512-BF16. Everywhere else, and on MPS, fp32.
"""

import hashlib
import os
import platform
import time
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from datetime import timedelta
from typing import Literal
from uuid import uuid4

import torch
import torch.distributed as dist
from torch import Tensor

from ..errors import SfumatoError
from ..strict import shown
from ..threads import usable_cores
from .watch import MEND, Watch

# For the others. Process 0 measures on the way, draws and saves alone: the longest that this may take, and how long it
# takes until a process is missed that lives and does not go on.
PATIENCE = timedelta(minutes=30)
POLL = 0.05  # seconds
MAX_THREADS = 1024
EVALUATION = timedelta(days=7)  # the longest that process 0 may measure at the end
GONE = (  # what gloo and NCCL say of a process that has ended
    "Connection closed by peer",
    "Connection reset by peer",
    "Broken pipe",
    "Timed out waiting",
    "remote process exited",
    "connectFullMesh failed",
)
_watch: Watch | None = None  # over the processes that this one has met


@dataclass(frozen=True)
class Runtime:
    """The choice that one process computes by. `process` counts from 0 to `processes` - 1."""

    device: torch.device
    precision: Literal["bf16", "fp32"]
    process: int = 0
    processes: int = 1

    def autocast(self) -> AbstractContextManager[object]:
        return torch.autocast(self.device.type, torch.bfloat16, enabled=self.precision == "bf16")

    @property
    def memory_format(self) -> torch.memory_format:
        """Channels-last convolutions are faster on CPUs, in fp32 too, and on CUDA; NCHW on MPS."""
        return torch.contiguous_format if self.device.type == "mps" else torch.channels_last

    def reseed(self, seed: int) -> None:
        """Seeds the global generators of the CPU and of this device.

        `torch.manual_seed` also seeds devices that are not in use, which costs a tenth of a small step.
        """
        torch.default_generator.manual_seed(seed)
        if self.device.type == "cuda":
            torch.cuda.manual_seed(seed)
        elif self.device.type == "mps":
            torch.mps.manual_seed(seed)

    def wait(self) -> None:
        """Until everything that was asked of the device is done: before a look at the time."""
        if self.device.type == "cuda":
            torch.cuda.synchronize(self.device)
        elif self.device.type == "mps":
            torch.mps.synchronize()

    def describe(self) -> str:
        """One line for people: `cpu (2 threads), bf16`."""
        if self.device.type == "cuda":
            place = f"cuda ({torch.cuda.get_device_name(self.device)})"
        elif self.device.type == "cpu":
            place = f"cpu ({torch.get_num_threads()} threads)"
        else:
            place = self.device.type
        many = f", {self.processes} processes" if self.processes > 1 else ""
        return f"{place}, {self.precision}{many}"


def cpu_multiplies_bf16() -> str | None:
    """The instruction set that makes bf16 the fast choice on this CPU, or None."""
    if torch.cpu._is_amx_tile_supported():
        return "AMX"
    if torch.cpu._is_avx512_bf16_supported():
        return "AVX512-BF16"
    return None


def choose(device: str = "auto", precision: str = "auto", threads: int | None = None) -> Runtime:
    """The runtime for this process; inside `torchrun` it also joins the other processes. `threads`: that compute on the
    CPU, in this process from now on; None leaves them as many as the environment and the cores say.

    Raises SfumatoError if the device asked for is not there, or for a number of threads that cannot be.
    """
    kind = _device_kind(device)
    processes = int(os.environ.get("WORLD_SIZE", "1"))
    process = int(os.environ.get("RANK", "0"))
    index = int(os.environ.get("LOCAL_RANK", "0")) if kind == "cuda" else None
    place = torch.device(kind, index) if index is not None else torch.device(kind)
    if threads is not None:
        if type(threads) is not int or not 1 <= threads <= MAX_THREADS:
            raise SfumatoError(f"threads {shown(threads)}: must be a whole number from 1 to {MAX_THREADS:,}")
        torch.set_num_threads(threads)
    elif kind == "cpu" and "OMP_NUM_THREADS" not in os.environ and torch.get_num_threads() > usable_cores():
        torch.set_num_threads(usable_cores())  # torch knows of no quota
    if kind == "cuda":
        torch.cuda.set_device(place)
        torch.set_float32_matmul_precision("high")  # TF32 for what stays in fp32
    if processes > 1 and not dist.is_initialized():
        global _watch
        store = _met(next(iter(dist.rendezvous("env://", timeout=PATIENCE)))[0], process, processes)
        backend = "nccl" if kind == "cuda" else "gloo"
        dist.init_process_group(backend, store=store, rank=process, world_size=processes, timeout=PATIENCE)
        _watch = Watch(store, process, processes)
    if precision not in ("auto", "bf16", "fp32"):
        raise SfumatoError(f"precision {precision!r}: must be auto, bf16 or fp32")
    fast = kind == "cuda" or (kind == "cpu" and cpu_multiplies_bf16() is not None)
    chosen = "bf16" if precision == "bf16" or (precision == "auto" and fast) else "fp32"
    return Runtime(place, chosen, process, processes)


def _met(store: dist.Store, process: int, processes: int) -> dist.Store:
    """A part of `store` that only the processes of this start know. torchrun keeps one store over its restarts, and in
    it the addresses of processes that are dead: who reads one waits for it in vain.

    Each process says a word that it never said before, and goes on where as many as there are have read the same words:
    a dead one cannot have read those of the others.
    """
    store.set(f"sfumato/{process}", uuid4().hex)
    read: set[str] = set()
    until = time.monotonic() + PATIENCE.total_seconds()
    while time.monotonic() < until:
        words = b"/".join(store.multi_get([f"sfumato/{number}" for number in range(processes)]))
        name = hashlib.blake2b(words, digest_size=16).hexdigest()
        if store.add(name, name not in read) == processes:
            return dist.PrefixStore(name, store)
        read.add(name)
        time.sleep(POLL)
    raise dist.DistStoreError("not all processes have come")


def _device_kind(device: str) -> str:
    there = {"cpu": True, "cuda": torch.cuda.is_available(), "mps": torch.backends.mps.is_available()}
    if device == "auto":
        return "cuda" if there["cuda"] else "mps" if there["mps"] else "cpu"
    if device not in there:
        raise SfumatoError(f"device {device!r}: must be auto, cpu, cuda or mps")
    if not there[device]:
        raise SfumatoError(f"device {device!r} is not available here: use --device auto (`sfumato doctor` tells why)")
    return device


class _AloneError(Exception):
    """Another process has ended before all had met."""


@contextmanager
def together(name: str) -> Iterator[None]:
    """What the processes do as one, from `choose` on; leaves them at the end.

    Where another process has fallen, this one says which in a line and ends with the exit code `LOST` of `watch.py`.
    Raises SfumatoError, which begins with `name`, if one is lost before all have met.
    """
    global _watch
    word = ""
    try:
        with _with_others():
            yield
    except SfumatoError as error:
        word = str(error)
        raise
    except _AloneError:
        raise SfumatoError(f"{name}: another process has ended: {MEND}") from None
    finally:
        if _watch:
            _watch.leave(word)
            _watch = None
        if dist.is_initialized():
            dist.destroy_process_group()


@contextmanager
def _with_others() -> Iterator[None]:
    """What needs the other processes. Where one is lost it does not return, so that no signal that torchrun sends comes
    between; it raises _AloneError before all have met."""
    try:
        yield
    except RuntimeError as error:
        lost = isinstance(error, dist.DistNetworkError | dist.DistStoreError)
        if not lost and not any(words in str(error) for words in GONE):
            raise
        if _watch:
            _watch.lose()
        raise _AloneError from None


@contextmanager
def awaited(device: torch.device) -> Iterator[None]:
    """Nobody passes the end of this block before all processes have come to it, however long one of them takes:
    torchrun can start all of them again only as long as none has ended well."""
    if not dist.is_initialized():
        yield
        return
    largest_over_processes(0, device)  # sees who has gone since; a new group would wait for them
    group = dist.new_group(backend="gloo", timeout=EVALUATION)
    assert isinstance(group, dist.ProcessGroup)  # all are members
    yield
    dist.barrier(group)


def average_over_processes(value: Tensor) -> Tensor:
    """The mean of `value` over all processes, a tensor of its own; `value` itself when there is only one."""
    if not dist.is_initialized():
        return value
    mean = value.detach().clone()
    with _with_others():
        dist.all_reduce(mean)
    return mean / dist.get_world_size()


def largest_over_processes(value: int, device: torch.device) -> int:
    """The largest `value` of any process: what all must do if one wants it."""
    if not dist.is_initialized():
        return value
    flag = torch.tensor(int(value), device=device)
    with _with_others():
        dist.all_reduce(flag, dist.ReduceOp.MAX)
    return int(flag)


@torch.no_grad()
def average_in_place(values: Sequence[Tensor]) -> None:
    """Replaces each of some floating-point tensors by its mean over the processes, in one message."""
    if not dist.is_initialized() or not values:
        return
    flat = average_over_processes(torch.cat([value.flatten() for value in values]))
    for value, mean in zip(values, flat.split([value.numel() for value in values]), strict=True):
        value.copy_(mean.view_as(value))


def average_gradients(parameters: Sequence[Tensor]) -> None:
    """Replaces each gradient by its mean over the processes. A parameter that took part in some process has a gradient
    in all of them afterwards, where it did not take part counting as 0; the others have none."""
    if not dist.is_initialized() or not parameters:
        return
    missing = [parameter.grad is None for parameter in parameters]
    part = torch.tensor(missing, device=parameters[0].device).logical_not().float()
    with _with_others():
        dist.all_reduce(part, dist.ReduceOp.MAX)
    if any(missing):  # those who lack nothing need not wait for what the others say
        for parameter, elsewhere in zip(parameters, part.tolist(), strict=True):
            if elsewhere and parameter.grad is None:
                parameter.grad = torch.zeros_like(parameter)
    average_in_place([parameter.grad for parameter in parameters if parameter.grad is not None])


def gather(values: Sequence[Tensor]) -> list[list[Tensor]]:
    """What each process has of some tensors that have the same shapes in all of them, in the order of the processes, on
    the CPU: known to process 0; elsewhere, and with one process, nothing."""
    if not dist.is_initialized() or dist.get_world_size() == 1 or not values:
        return []
    sizes = [value.numel() * value.element_size() for value in values]
    sent = torch.cat([value.detach().contiguous().view(-1).view(torch.uint8) for value in values])
    leads = dist.get_rank() == 0
    got = [torch.empty_like(sent) for _ in range(dist.get_world_size())] if leads else None
    with _with_others():
        dist.gather(sent, got)
    return [
        # A copy of each: bytes in the midst of others may lie where no float can.
        [
            part.clone().view(value.dtype).view(value.shape)
            for part, value in zip(parts.cpu().split(sizes), values, strict=True)
        ]
        for parts in got or []
    ]


def place() -> tuple[int, int]:
    """Which process this is, and of how many."""
    return (dist.get_rank(), dist.get_world_size()) if dist.is_initialized() else (0, 1)


def hardware() -> dict[str, str | int | None]:
    """What a measured number has to name: processor, cores, accelerator, system, versions."""
    return {
        "processor": _processor_name(),
        "cores": usable_cores(),
        "threads": torch.get_num_threads(),
        "bf16": cpu_multiplies_bf16(),
        "accelerator": torch.cuda.get_device_name() if torch.cuda.is_available() else None,
        "system": platform.system(),
        "python": platform.python_version(),
        "torch": torch.__version__,
    }


def _processor_name() -> str:
    try:
        with open("/proc/cpuinfo", encoding="utf-8") as lines:  # noqa: PTH123 - a device file, not a path of ours
            for line in lines:
                if line.startswith("model name"):
                    return line.split(":", 1)[1].strip()
    except OSError:
        pass
    return platform.processor() or platform.machine()
