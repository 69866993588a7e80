"""Where and how to compute: device, precision, processes.

Precision `auto` means bf16 autocast with fp32 weights where the hardware multiplies bf16 faster than fp32: CUDA,
and CPUs with AMX or AVX512-BF16. Everywhere else, and on MPS, fp32.
"""

import os
import platform
from collections.abc import Iterable
from contextlib import AbstractContextManager
from dataclasses import dataclass
from datetime import timedelta
from typing import Literal

import torch
import torch.distributed as dist
from torch import Tensor

from ..errors import SfumatoError


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


def choose(device: str = "auto", precision: str = "auto") -> Runtime:
    """The runtime for this process; inside `torchrun` it also joins the other processes.

    Raises SfumatoError if the device asked for is not there.
    """
    kind = _device_kind(device)
    processes = int(os.environ.get("WORLD_SIZE", "1"))
    process = int(os.environ.get("RANK", "0"))
    index = int(os.environ.get("LOCAL_RANK", "0")) if kind == "cuda" else None
    place = torch.device(kind, index) if index is not None else torch.device(kind)
    if kind == "cuda":
        torch.cuda.set_device(place)
        torch.set_float32_matmul_precision("high")  # TF32 for what stays in fp32
    if processes > 1 and not dist.is_initialized():
        dist.init_process_group("nccl" if kind == "cuda" else "gloo", timeout=timedelta(minutes=10))
    if precision not in ("auto", "bf16", "fp32"):
        raise SfumatoError(f"precision {precision!r}: must be auto, bf16 or fp32")
    fast = kind == "cuda" or (kind == "cpu" and cpu_multiplies_bf16() is not None)
    chosen = "bf16" if precision == "bf16" or (precision == "auto" and fast) else "fp32"
    return Runtime(place, chosen, process, processes)


def _device_kind(device: str) -> str:
    there = {"cpu": True, "cuda": torch.cuda.is_available(), "mps": torch.backends.mps.is_available()}
    if device == "auto":
        return "cuda" if there["cuda"] else "mps" if there["mps"] else "cpu"
    if device not in there:
        raise SfumatoError(f"device {device!r}: must be auto, cpu, cuda or mps")
    if not there[device]:
        raise SfumatoError(f"device {device!r} is not available here: use --device auto (`sfumato doctor` tells why)")
    return device


def leave() -> None:
    """Leaves the process group, if this process is in one."""
    if dist.is_initialized():
        dist.destroy_process_group()


def average_over_processes(value: Tensor) -> Tensor:
    """The mean of `value` over all processes, a tensor of its own; `value` itself when there is only one."""
    if not dist.is_initialized():
        return value
    mean = value.detach().clone()
    dist.all_reduce(mean)
    return mean / dist.get_world_size()


def average_gradients(parameters: Iterable[Tensor]) -> None:
    """Replaces each gradient by its mean over the processes, in one message."""
    if not dist.is_initialized():
        return
    gradients = [parameter.grad for parameter in parameters if parameter.grad is not None]
    flat = average_over_processes(torch.cat([gradient.flatten() for gradient in gradients]))
    for gradient, mean in zip(gradients, flat.split([gradient.numel() for gradient in gradients]), strict=True):
        gradient.copy_(mean.view_as(gradient))


def hardware() -> dict[str, str | int | None]:
    """What a measured number has to name: processor, cores, accelerator, system, versions."""
    return {
        "processor": _processor_name(),
        "cores": os.cpu_count(),
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
