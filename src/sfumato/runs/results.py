"""evaluation.json: what was measured when a training ended. Reading it needs no torch."""

from pathlib import Path
from typing import Any

from ..errors import SfumatoError
from ..metrics.table import OURS, Evaluation
from ..strict import content_of, convert, decode

NAME = "evaluation.json"
# How runs called what they had measured when their rows were found by these words.
OLD = (
    ("reconstruction from noisy codes", "noisy-codes"), ("reconstruction", OURS), ("denoised", "denoised"),
    ("noisy input", "noisy-input"), ("PCA-", "pca"), ("patch PCA", "patch-pca"), ("mean ", "mean"), ("drawn", OURS),
    ("real training images", "floor"), ("test images under noise", "noise"), ("restyled", OURS),
    ("content, untouched", "content"), ("style, untouched", "style"), ("network", OURS), ("everything ", "commonest"),
    ("no object", "nothing"), ("the mean box", "mean-box"),
)  # fmt: skip
MOVED = ("per_class", "confusion", "over_the_run", "findings", "bce_floor")


def read_evaluation(folder: Path) -> Evaluation:
    """Raises SfumatoError, in one line, if there is none or it cannot be one."""
    path = folder / NAME
    if not path.is_file():
        raise SfumatoError(f"{folder}: has no {NAME}: its training has not ended")
    values = decode(content_of(path), dict[str, Any], str(path))
    if "names" not in values:
        values = _migrated(values, path)
    return convert(values, Evaluation, str(path))


def _migrated(values: dict[str, Any], path: Path) -> dict[str, Any]:
    """The first format, whose rows had a name in English and their numbers side by side."""
    rows, names = [], {}
    try:
        for line in values["rows"]:
            name = line["name"]
            of = next((key for start, key in OLD if name.startswith(start)), name)
            names[of] = {"en": name, "zh": name}
            role = "ours" if of in (OURS, "noisy-codes", "denoised") else "baseline"
            for key, value in line.items():
                if key in ("name", "low", "high"):
                    continue
                bounds = {end: line[end] for end in ("low", "high") if end in line}
                rows.append({"key": key, "value": value, "n": values["images"], "of": of, "role": role, **bounds})
        return {
            **{key: values[key] for key in ("data", "fingerprint", "images", "resolution", "split", "left_out")},
            "rows": rows,
            "names": names,
            "note": {"en": values["note"], "zh": values["note"]},
            "notice": {"en": values["notice"], "zh": values["notice"]},
            "network": values.get("network", ""),
            "seed": values.get("seed", values.get("noise_seed")),
            "more": {key: values[key] for key in MOVED if key in values},
        }
    except (KeyError, TypeError, AttributeError) as error:
        raise SfumatoError(f"{path}: neither of today's format nor of an older one ({error})") from None
