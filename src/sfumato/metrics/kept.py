"""Measures of data sets alone, such as baselines: computed once, and kept between calls."""

from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from math import nan

from .. import strict
from ..cache import cache_folder
from ..data.dataset import fingerprint
from ..errors import SfumatoError
from ..files import json_of, write_json

VERSION = 3  # of how they are computed: a new one forgets what was kept
Numbers = dict[str, dict[str, float]]  # by what was measured, then by measure


@dataclass(frozen=True)
class Kept:
    """Such numbers as they are written, with None for what is not finite, and the digest of that."""

    digest: str
    numbers: dict[str, dict[str, float | None]]


def kept(compute: Callable[[], Numbers], *of: object) -> Numbers:
    """What `compute` gives, for the same values `of` computed once: they must tell all that it depends on. A file that
    is not what was written is computed anew, and so is everything where none can be written."""
    path = cache_folder("measures") / f"{fingerprint(repr((VERSION, *of)))}.json"
    with suppress(SfumatoError):
        known = strict.read(path, Kept)
        if known.digest == _digest(known.numbers):
            return {
                of: {key: nan if value is None else value for key, value in row.items()}
                for of, row in known.numbers.items()
            }
    found = compute()
    with suppress(OSError):
        write_json(path, {"digest": _digest(found), "numbers": found})
    return found


def _digest(numbers: Mapping[str, Mapping[str, float | None]]) -> str:
    return fingerprint(json_of(numbers))
