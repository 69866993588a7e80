"""What a study was asked for, the runs that it is made of, and how one of them is come by."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from ..data.dataset import ImageData
from ..engine.runtime import Runtime
from ..errors import SfumatoError
from ..reports.language import Language
from ..runs.folder import RunFolder
from ..runs.open import Run
from ..runs.train import Watch, fits, resume, train

SCALED = ("images", "half_life", "growth", "ada_images")  # fields that count images of the whole run


@dataclass(frozen=True)
class Settings:
    """What was asked for; see `registry.study`."""

    name: str
    out: Path
    source: tuple[str, ...]
    full: bool
    language: Language
    seed: int
    device: str
    precision: str
    features: Path | None = None


@dataclass(frozen=True)
class Plan:
    """One run of a study: its folder's name, what to train, its two names in the report, and what it is trained on if
    not on the study's data: the source and the same, opened."""

    name: str
    system: str
    fields: dict[str, Any]
    en: str
    zh: str
    on: tuple[str, ImageData] | None = None


@dataclass(frozen=True)
class Setup:
    """What a study is made on: `data`, which its report names, the `plans` of its runs in order, and what else it reads.
    `names`: of all its data, as its command line has them; `options`: what that has more than those of other studies."""

    data: ImageData
    plans: Sequence[Plan]
    names: str
    others: tuple[ImageData, ...] = ()
    options: str = ""


def folder_of(plan: Plan, settings: Settings) -> RunFolder:
    """Where the run of a plan lies, or will."""
    return RunFolder(settings.out / "runs" / plan.name)


def obtain(plan: Plan, settings: Settings, setup: Setup, runtime: Runtime, watch: Watch | None = None) -> Run:
    """The finished run of a plan: taken as it is, gone on with, or trained, whichever its folder calls for. `watch`: told
    of the images that it has drawn."""
    folder = folder_of(plan, settings)
    path = folder.path
    source, data = plan.on or (settings.source, setup.data)
    if not folder.is_run:
        return train(
            plan.system, data=source, run=path, seed=settings.seed, device=settings.device,
            precision=runtime.precision, opened=data, watch=watch, **plan.fields,
        )  # fmt: skip
    if not fits(folder, plan.system, data, settings.seed, runtime.precision, plan.fields):
        raise SfumatoError(f"{path}: holds a run with other settings: give another --out, or remove that folder")
    if folder.is_finished:
        return Run(path, runtime.device.type, data)
    return resume(path, opened=data, watch=watch)


def cut(setup: Setup, images: Mapping[str, int]) -> Setup:
    """`setup` with the `images` that some of its runs may draw, by name; what else counts images of a run along with it."""

    def shorter(plan: Plan) -> Plan:
        if plan.name not in images:
            return plan
        share = images[plan.name] / plan.fields["images"]
        scaled = {name: max(1, round(share * plan.fields[name])) for name in SCALED if plan.fields.get(name)}
        return replace(plan, fields={**plan.fields, **scaled, "images": images[plan.name]})

    return replace(setup, plans=[shorter(plan) for plan in setup.plans])


def whole_epochs(images: int, count: int) -> int:
    """`images`, rounded to whole epochs of `count`: a curve must not end on the mean of a few batches."""
    return max(1, round(images / count)) * count
