"""The studies by name."""

from pathlib import Path
from typing import Any

from ..errors import SfumatoError
from ..reports.language import Language

STUDIES = {"handwriting": "digits", "dogs": "patches"}  # and the embedded data that each takes by default


def study(
    name: str,
    *,
    out: str | Path,
    scale: str = "quick",
    data: str | None = None,
    language: Language = "en",
    seed: int = 0,
    device: str = "auto",
    precision: str = "auto",
    features: str | Path | None = None,
) -> dict[str, Any]:
    """Runs the study `name` into the folder `out` and returns what results.json holds.

    `data`: the study's embedded default if None. `features`: a file of SqueezeNet weights for the distances between sets
    of photographs (dogs only).
    A study that was stopped goes on where it stopped when it is called again with the same arguments.
    Raises SfumatoError for unknown names and bad data.
    """
    if name not in STUDIES:
        raise SfumatoError(f"study {name!r}: unknown; there is {', '.join(STUDIES)}")
    if scale not in ("quick", "full"):
        raise SfumatoError(f"scale {scale!r}: must be quick or full")
    if language not in ("en", "zh"):
        raise SfumatoError(f"language {language!r}: must be en or zh")
    source = data or STUDIES[name]
    if name == "handwriting":
        from .handwriting import Handwriting

        if features is not None:
            raise SfumatoError("study handwriting: measures no distances between photographs and takes no features")
        return Handwriting(Path(out), source, scale == "full", language, seed, device, precision).run()
    from .dogs import Dogs

    weights = None if features is None else Path(features)
    return Dogs(Path(out), source, scale == "full", language, seed, device, precision, weights).run()
