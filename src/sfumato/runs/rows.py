"""The lines of a run's log: metrics.jsonl and measures.jsonl. Reading them needs no torch."""

from contextlib import suppress
from pathlib import Path
from typing import Any

from ..errors import SfumatoError
from ..strict import decode

Line = dict[str, int | float | str]
TEXTS = ("network", "data")  # what was measured with, and against; all else are numbers


def read_rows(path: Path) -> list[dict[str, Any]]:
    """The lines of a log in order; one that a kill has cut short, or that is damaged, is passed over."""
    rows = []
    for line in path.read_bytes().splitlines() if path.is_file() else []:
        with suppress(SfumatoError):
            row = decode(line, Line, path.name)
            if type(row.get("images")) is int and all(isinstance(row[name], str) == (name in TEXTS) for name in row):
                rows.append(row)
    return rows
