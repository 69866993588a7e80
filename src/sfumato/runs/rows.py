"""The lines of a run's log: metrics.jsonl and measures.jsonl. Reading them needs no torch."""

from functools import cache
from pathlib import Path
from typing import Any

from ..errors import SfumatoError
from ..strict import decode
from ..terminal import warn

Line = dict[str, int | float | str]
TEXTS = ("network", "data")  # what was measured with, and against; all else are numbers
OWED = {"metrics.jsonl": {"images", "epoch", "seconds"}}  # names that its every line has
LARGEST = 2.0**127  # of a number: what training computes with has none beyond


def read_rows(path: Path) -> list[dict[str, Any]]:
    """The lines of a log in order. Those that a kill has cut short, or that are damaged, are passed over: a line on
    standard error says how many."""
    lines = path.read_bytes().splitlines() if path.is_file() else []
    rows = [row for line in lines if (row := _row(line, path.name)) is not None]
    if len(rows) < len(lines):
        _say(path, len(lines) - len(rows))
    return rows


def _row(line: bytes, name: str) -> dict[str, Any] | None:
    try:
        row = decode(line, Line, name)
    except SfumatoError:
        return None
    whole = row.keys() >= OWED.get(name, {"images"}) and type(row["images"]) is int and row["images"] >= 0
    return row if whole and all(_fits(key, value) for key, value in row.items()) else None


def _fits(name: str, value: int | float | str) -> bool:
    return name in TEXTS if isinstance(value, str) else name not in TEXTS and abs(value) <= LARGEST


@cache
def _say(path: Path, count: int) -> None:
    warn(f"{path}: {count:,} damaged line{'s' * (count > 1)} passed over")
