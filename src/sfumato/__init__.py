"""Sfumato: learn to make and read images.

    import sfumato

    run = sfumato.train("stacked", data="digits", run="runs/first")
    run.sample(64, seed=0)             # (64, 1, 28, 28) in [0, 1]
    sfumato.open("runs/first").evaluate()
    sfumato.stylize(photo, painting)               # PIL images or tensors
    sfumato.study("handwriting", out="handwriting", scale="quick")

Names are imported on first use: `import sfumato` alone does not import torch. It asks OpenMP to wait passively, if
torch is not loaded yet and the environment says nothing (see `threads`).
"""

from __future__ import annotations

import os
from importlib import import_module
from typing import TYPE_CHECKING, Any

from .threads import settle
from .version import __version__

settle()
if "WORLD_SIZE" in os.environ:  # torch writes twenty lines of addresses where a connection breaks; `engine.watch` one
    os.environ.setdefault("TORCH_CPP_LOG_LEVEL", "ERROR")

if TYPE_CHECKING:
    from sfumato.autoencoders.codes import Codes
    from sfumato.errors import SfumatoError
    from sfumato.runs.bring import bring_in
    from sfumato.runs.catalog import systems
    from sfumato.runs.open import Run, open
    from sfumato.runs.push import push
    from sfumato.runs.stylize import stylize
    from sfumato.runs.train import resume, train
    from sfumato.studies.registry import study

__all__ = [
    "Codes",
    "Run",
    "SfumatoError",
    "__version__",
    "bring_in",
    "open",
    "push",
    "resume",
    "study",
    "stylize",
    "systems",
    "train",
]

_HOMES = {
    "SfumatoError": "sfumato.errors",
    "Codes": "sfumato.autoencoders.codes",
    "Run": "sfumato.runs.open",
    "open": "sfumato.runs.open",
    "push": "sfumato.runs.push",
    "train": "sfumato.runs.train",
    "resume": "sfumato.runs.train",
    "bring_in": "sfumato.runs.bring",
    "stylize": "sfumato.runs.stylize",
    "systems": "sfumato.runs.catalog",
    "study": "sfumato.studies.registry",
}


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module 'sfumato' has no attribute {name!r}")
    return getattr(import_module(_HOMES[name]), name)
