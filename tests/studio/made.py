"""Small runs of any system, trained for a few steps."""

from dataclasses import asdict
from pathlib import Path

import sfumato

from ..faults.kills import toy_of
from ..test_conformance import cases


def made(name: str, folder: Path) -> Path:
    """The run of a case of the conformance tests."""
    case = cases()[name]
    sfumato.train(
        case.entry.name, run=folder, opened=toy_of(case), evaluate=False, device="cpu", precision="fp32",
        **asdict(case.config),
    )  # fmt: skip
    return folder


def first(system: str) -> str:
    """The first case of a system."""
    return next(name for name, case in cases().items() if case.entry.name == system)
