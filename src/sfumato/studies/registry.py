"""The studies, a line each. The command line, the tests and the docs read this list; nothing heavy is imported for it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from types import ModuleType
from typing import Any

from ..errors import SfumatoError
from ..metrics.table import Words
from ..reports.language import Language


@dataclass(frozen=True)
class StudyEntry:
    """A study, which `sfumato.studies.<name>` defines as `STUDY`. `data`: the embedded sources that it takes where nobody
    says, as many as it must be given; `takes_features`: whether a file of SqueezeNet weights is of use to it."""

    name: str
    about: Words
    data: tuple[str, ...]
    takes_features: bool = False

    @property
    def module(self) -> ModuleType:
        return import_module(f"sfumato.studies.{self.name}")


STUDIES: Mapping[str, StudyEntry] = {
    entry.name: entry
    for entry in (
        StudyEntry("handwriting", Words("what a deep autoencoder learns of digits", "深度自编码器从数字中学到什么"), ("digits",)),
        StudyEntry("dogs", Words("what a code of a photograph is, and whether it generates", "照片的编码是什么，能否生成"),
                   ("patches",), takes_features=True),
        StudyEntry("restyle", Words("the look of one picture on another, by a network and by optimisation",
                                    "用一张图的风格画另一张：网络与优化"), ("photographs", "paintings")),
        StudyEntry("adversarial", Words("the game of two networks, nine ways to play it, its failures",
                                        "两个网络的博弈、九种玩法与失败"), ("digits", "patches")),
        StudyEntry("recognition", Words("naming pictures, boxing objects, colouring in pixels", "识别图像、框出物体、逐像素上色"),
                   ("faces", "scenes", "scenes"), takes_features=True),
    )
}  # fmt: skip


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
    entry = STUDIES[name]
    source = ((data,) if isinstance(data, str) else tuple(data)) or entry.data
    if len(source) != len(entry.data):
        raise SfumatoError(f"data {' '.join(source)}: study {name} takes {len(entry.data)}, not {len(source)}")
    if features is not None and not entry.takes_features:
        takers = " and ".join(other.name for other in STUDIES.values() if other.takes_features)
        raise SfumatoError(f"study {name}: takes no features; {takers} do")
    from .study import Settings, run

    weights = None if features is None else Path(features)
    settings = Settings(name, Path(out), source, scale == "full", language, seed, device, precision, weights)
    return run(entry.module.STUDY, settings)
