"""What this machine offers, and what would make it better."""

import os
import re
import shutil
import sys
from contextlib import suppress
from importlib.metadata import PackageNotFoundError, requires, version
from pathlib import Path
from typing import Any

import torch

from ..data.sources import SOURCES, state_of
from ..engine.runtime import choose, hardware
from ..errors import SfumatoError
from ..reports.language import cjk_font
from ..threads import wait_actively
from ..version import __version__
from ..weights.known import WHEELS, find, is_here

FREE = 5 * 2**30


def _clips() -> str | None:
    with suppress(PackageNotFoundError):
        return f"av {version('av')}"
    return None


def examine() -> dict[str, Any]:
    """`facts`: name to value, for a bug report; `advice`: a line for each thing missing, with the mend."""
    machine = hardware()
    free = shutil.disk_usage(Path.cwd()).free
    wheels = {wheel.package for wheel in WHEELS.values()}
    required = [re.split(r"[^\w.-]", item)[0] for item in requires("sfumato") or [] if "extra ==" not in item]
    facts = {
        "sfumato": __version__,
        "python": sys.version.split()[0],
        **{name: version(name) for name in required if name not in wheels},
        "processor": machine["processor"],
        "cores": f"{machine['cores']} of {os.cpu_count()} usable, {machine['threads']} threads in use",
        "OpenMP waits": "actively" if wait_actively() else "passively",
        "bf16 on CPU": machine["bf16"] or "not fast here",
        "CUDA": machine["accelerator"] or f"no device (torch built for {torch.version.cuda or 'CPU'})",
        "MPS": "yes" if torch.backends.mps.is_available() else "no",
        "auto means": choose().describe(),
        "free disk": f"{free / 2**30:.0f} GiB",
        "Chinese font": cjk_font() or "none",
        "clips": _clips() or "not without the extra: pip install 'sfumato[video]'",
        **{f"weights {name}": wheel.about if is_here(name) else "not here" for name, wheel in WHEELS.items()},
        **{f"data {name}": state_of(name) for name in SOURCES},
    }
    advice = []
    if not torch.cuda.is_available() and shutil.which("nvidia-smi"):
        advice.append("an NVIDIA driver is here but torch sees no device: reinstall torch for your CUDA version")
    if machine["bf16"] is None and not torch.cuda.is_available():
        advice.append(
            "this CPU has neither AMX nor AVX512-BF16: training runs in fp32, 2 to 6 times slower than on one"
        )
    if wait_actively():
        advice.append(
            "OpenMP's threads spin while they wait: beside other work OMP_WAIT_POLICY=PASSIVE is up to twice as fast"
        )
    if cjk_font() is None:
        advice.append("no Chinese font: figures stay English with --language zh; install Noto Sans CJK or WenQuanYi")
    for name in WHEELS:
        try:
            find(name)
        except SfumatoError as error:
            advice.append(str(error))
    if free < FREE:
        advice.append(f"only {free / 2**30:.1f} GiB of disk free here: checkpoints and samples need room")
    return {"facts": facts, "advice": advice}
