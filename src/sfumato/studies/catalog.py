"""The studies by name."""

from pathlib import Path
from typing import Any

from ..errors import SfumatoError
from ..reports.language import Language

STUDIES = ("handwriting",)


def study(
    name: str,
    *,
    out: str | Path,
    scale: str = "quick",
    data: str = "digits",
    language: Language = "en",
    seed: int = 0,
    device: str = "auto",
    precision: str = "auto",
) -> dict[str, Any]:
    """Runs the study `name` into the folder `out` and returns what results.json holds.

    A study that was stopped goes on where it stopped when it is called again with the same arguments.
    Raises SfumatoError for unknown names and bad data.
    """
    if name not in STUDIES:
        raise SfumatoError(f"study {name!r}: unknown; there is {', '.join(STUDIES)}")
    if scale not in ("quick", "full"):
        raise SfumatoError(f"scale {scale!r}: must be quick or full")
    if language not in ("en", "zh"):
        raise SfumatoError(f"language {language!r}: must be en or zh")
    from .handwriting import Handwriting

    return Handwriting(Path(out), data, scale == "full", language, seed, device, precision).run()
