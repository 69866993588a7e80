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
    """A study in the folder of its name. `title`: of its report, and what it is about; `data`: the embedded sources that
    it takes where nobody says, as many as it must be given, and `more` of them that it may be; `features`: what it does
    with a network that one chooses, if it takes one; `seconds`: that the runs of its quick scale may train, on any
    machine."""

    name: str
    title: Words
    data: tuple[str, ...]
    features: str = ""
    seconds: float = 210.0
    more: int = 0

    def part(self, name: str) -> ModuleType:
        """Its `plans`, `measures` or `sections`: see `study.py`."""
        return import_module(f"sfumato.studies.{self.name.replace('-', '_')}.{name}")


STUDIES: Mapping[str, StudyEntry] = {
    entry.name: entry
    for entry in (
        StudyEntry("handwriting", Words("Handwriting: what a deep autoencoder learns", "手写数字：深度自编码器学到了什么"), ("digits",), seconds=105.0),
        StudyEntry("dogs", Words("Dogs: what a code of a photograph is", "狗的照片：编码是什么"), ("patches",), "measures with it"),
        StudyEntry("restyle", Words("Restyle: the look of one picture on another", "风格迁移：用一张图的风格画另一张"),
                   ("photographs", "paintings")),
        StudyEntry("adversarial", Words("Adversarial networks: the game, its failures, and what it draws", "生成对抗网络：博弈、失败与所画"),
                   ("digits", "patches")),
        StudyEntry("recognition", Words("Recognition: names, boxes, pixels", "识别：名称、方框、像素"), ("faces", "scenes", "scenes"),
                   "begins with it"),
        StudyEntry("style-gan", Words("StyleGAN: grown, styled, demodulated", "StyleGAN：增长、样式、解调"), ("digits",)),
        StudyEntry("translation", Words("Translation: what a cycle is for, and what it hides", "图像翻译：循环的用处，以及它藏了什么"),
                   ("inks", "papers"), seconds=190.0, more=2),
    )
}  # fmt: skip


def in_words() -> str:
    """The names of all studies with what they are about, for the help."""
    told = [f"{name} ({entry.title.en.partition(': ')[2]})" for name, entry in STUDIES.items()]
    return f"{', '.join(told[:-1])} or {told[-1]}"


def features_in_words() -> str:
    """What may be chosen, and what the studies that take it do with it, for the help."""
    return "efficientnet_lite0, or a file of SqueezeNet weights: " + ", ".join(
        f"{name} {entry.features}" for name, entry in STUDIES.items() if entry.features
    )


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
    pictures, recognition three: pictures with names, with boxes, with masks; translation two, digits in two inks, and after
    them, if you like, two kinds of pictures, and pairs. `features`:
    `efficientnet_lite0` or a file of SqueezeNet weights, for the distances between sets of photographs (dogs), or to begin
    with (recognition).
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
    if not 0 <= len(source) - len(entry.data) <= entry.more:
        takes = f"{len(entry.data)} to {len(entry.data) + entry.more}" if entry.more else str(len(entry.data))
        raise SfumatoError(f"data {' '.join(source)}: study {name} takes {takes}, not {len(source)}")
    if features is not None and not entry.features:
        takers = " and ".join(other.name for other in STUDIES.values() if other.features)
        raise SfumatoError(f"study {name}: takes no features; {takers} do")
    from .study import Settings, run

    weights = None if features is None else Path(features)
    settings = Settings(name, Path(out), source, scale == "full", language, seed, device, precision, weights)
    return run(entry.title, entry.part, settings, entry.seconds)
