"""The studies by name."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from ..errors import SfumatoError
from ..reports.language import Language

# And the embedded data that each takes by default: contents and styles for restyle, digits and pictures for adversarial,
# pictures with names, with boxes and with masks for recognition.
STUDIES = {
    "handwriting": ("digits",),
    "dogs": ("patches",),
    "restyle": ("photographs", "paintings"),
    "adversarial": ("digits", "patches"),
    "recognition": ("faces", "scenes", "scenes"),
}


def study(
    name: str,
    *,
    out: str | Path,
    scale: str = "quick",
    data: str | Sequence[str] = (),
    language: Language = "en",
    seed: int = 0,
    device: str = "auto",
    precision: str = "auto",
    features: str | Path | None = None,
) -> dict[str, Any]:
    """Runs the study `name` into the folder `out` and returns what results.json holds.

    `data`: the study's embedded default if none is given; restyle takes two, contents and styles, adversarial digits and
    pictures, recognition three: pictures with names, with boxes, with masks. `features`: a file of SqueezeNet weights, for
    the distances between sets of photographs (dogs), or to begin with (recognition).
    A study that was stopped goes on where it stopped when it is called again with the same arguments.
    Raises SfumatoError for unknown names and bad data.
    """
    if name not in STUDIES:
        raise SfumatoError(f"study {name!r}: unknown; there is {', '.join(STUDIES)}")
    if scale not in ("quick", "full"):
        raise SfumatoError(f"scale {scale!r}: must be quick or full")
    if language not in ("en", "zh"):
        raise SfumatoError(f"language {language!r}: must be en or zh")
    source = ((data,) if isinstance(data, str) else tuple(data)) or STUDIES[name]
    if len(source) != len(STUDIES[name]):
        raise SfumatoError(f"data {' '.join(source)}: study {name} takes {len(STUDIES[name])}, not {len(source)}")
    if name not in ("dogs", "recognition") and features is not None:
        raise SfumatoError(f"study {name}: takes no features; dogs and recognition do")
    weights = None if features is None else Path(features)
    if name == "restyle":
        from .restyle.study import Restyle

        return Restyle(Path(out), source, scale == "full", language, seed, device, precision).run()
    if name == "adversarial":
        from .adversarial.study import AdversarialStudy

        return AdversarialStudy(Path(out), source, scale == "full", language, seed, device, precision).run()
    if name == "handwriting":
        from .handwriting.study import Handwriting

        return Handwriting(Path(out), source[0], scale == "full", language, seed, device, precision).run()
    if name == "recognition":
        from .recognition.study import RecognitionStudy

        return RecognitionStudy(Path(out), source, scale == "full", language, seed, device, precision, weights).run()
    from .dogs.study import Dogs

    return Dogs(Path(out), source[0], scale == "full", language, seed, device, precision, weights).run()
