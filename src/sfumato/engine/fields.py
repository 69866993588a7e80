"""What a Config refuses: each value by its name."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import fields
from typing import Any

from ..errors import SfumatoError

MAX_UNITS = 8192


def check_numbers(
    config: Any, positive: Sequence[str], at_most: Mapping[str, int], not_negative: Sequence[str]
) -> None:
    """Raises SfumatoError unless every float of `config` is finite, every number in a tuple (units of layers) lies
    between 1 and `MAX_UNITS`, and the fields named here are what is said of them."""
    for field in fields(config):
        value = getattr(config, field.name)
        if isinstance(value, float) and not math.isfinite(value):
            raise SfumatoError(f"{field.name} {value}: must be a finite number")
        if isinstance(value, tuple) and not all(1 <= item <= MAX_UNITS for item in value):
            raise SfumatoError(f"{field.name} {value}: each must lie between 1 and {MAX_UNITS:,}")
    for name in positive:
        if getattr(config, name) <= 0:
            raise SfumatoError(f"{name} {getattr(config, name)}: must be more than 0")
    for name, limit in at_most.items():
        if getattr(config, name) > limit:
            raise SfumatoError(f"{name} {getattr(config, name)}: must be at most {limit:,}")
    for name in not_negative:
        if getattr(config, name) < 0:
            raise SfumatoError(f"{name} {getattr(config, name)}: must not be negative")
