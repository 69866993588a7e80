"""What the adversarial study measures of its runs: what they draw, and how steep their critics are."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import torch
from torch import Tensor

from ...data.dataset import ImageData
from ...gans.diagnosis import diagnose
from ...gans.drawing import draw, walk
from ...gans.measures import count_for
from ...metrics.judges import judge_of
from ...metrics.table import Words, comparable
from ...nets.players import lipschitz_bound
from ...ops.objectives import gradients
from ...reports.language import Speaker
from ...seeds import derive
from ..study import Finished, Lab, Measured, about
from .experiments import Theory, theory

SHOWN = 10
CONDITIONAL = ("cgan", "cgan-two-terms", "cgan-two-headed")
SLOPES = 1_000  # points at which the slope of a critic is taken


@dataclass(frozen=True, kw_only=True)
class AdversarialNetworks(Measured):
    """Of runs on `digits`, by name: drawn images, and mean and largest slope of the critic. `real`: test images beside
    drawn ones, of digits and of pictures; `best` of the runs that are told no classes; `confident`, `right`: the shares
    of real test digits that are read with confidence, and read right; `conditional`: drawn digits of each class in turn;
    `bounds`: what the norms of its layers hold the slope of a critic below, where it is fully connected;
    `walks`: of the best, and on pictures; `findings`: of the run doctor. `network` measures digits, `count` of each set."""

    pictures: ImageData
    theory: Theory
    digits: Sequence[str]
    best: str
    drawn: Mapping[str, Tensor]
    real: tuple[Tensor, Tensor]
    slopes: Mapping[str, tuple[float, float]]
    conditional: Mapping[str, Tensor]
    bounds: Mapping[str, float | None]
    walks: Mapping[str, Tensor]
    findings: Mapping[str, Sequence[Words]]
    network: str
    count: int
    confident: float
    right: float | None


def measure(lab: Lab) -> AdversarialNetworks:
    data, runtime, runs = lab.data, lab.runtime, lab.finished()
    (pictures,) = lab.setup.others
    count = count_for(data)
    judge: Any = judge_of(data, runtime, count)
    digits = [name for name in runs if name != "dcgan"]
    comparable({runs[name].plan.en: runs[name].evaluation for name in digits})
    best = min((name for name in digits if name not in CONDITIONAL), key=lambda name: distance(runs[name]))
    held_out = judge.see(data.test.images(range(count)))
    assert data.test.labels is not None
    asked = runs["cgan"].evaluation.has("accuracy")
    shown = {name: 2 * SHOWN if name == "dcgan" else SHOWN for name in runs}
    return AdversarialNetworks(
        data=data,
        full=lab.settings.full,
        runs=runs,
        notes={"network": judge.name, "images in each measured set": count, "pictures": about(pictures)},
        pictures=pictures,
        theory=theory(data, lab.settings.full, lab.settings.seed),
        digits=digits,
        best=best,
        drawn={name: draw(lab.system(name), number, runtime) for name, number in shown.items()},
        real=(_first(data, SHOWN), _first(pictures, 2 * SHOWN)),
        slopes={name: slopes(lab.system(name), _first(data, SLOPES), lab) for name in digits},
        conditional={name: draw(lab.system(name), SHOWN * len(data.classes), runtime) for name in CONDITIONAL},
        bounds={name: lipschitz_bound(lab.system(name).discriminator) for name in digits},
        walks={name: walk(lab.system(name), runtime) for name in (best, "dcgan")},
        findings={name: findings(lab.system(name), run) for name, run in runs.items()},
        network=judge.name,
        count=count,
        confident=judge.measure(held_out, quick=True)["confident"],
        right=judge.accuracy(held_out, data.test.labels[:count]) if asked else None,
    )


def distance(run: Finished) -> float:
    """The Fréchet classifier distance of what a run draws."""
    return run.evaluation.value("fcd")


def findings(system: Any, run: Finished) -> list[Words]:
    """What the run doctor says, in both languages."""
    en, zh = (diagnose(system, run.history, run.evaluation, Speaker(language)) for language in ("en", "zh"))
    return [
        Words(f"{one.finding} {one.change}", f"{other.finding}{other.change}")
        for one, other in zip(en, zh, strict=True)
    ]


def _first(data: ImageData, count: int) -> Tensor:
    return data.test.images(range(min(count, len(data.test))))


def slopes(system: Any, real: Tensor, lab: Lab) -> tuple[float, float]:
    """The mean and the largest norm of the logit's gradient at random points between real and drawn images."""
    made = draw(system, len(real), lab.runtime)
    share = torch.rand(len(real), 1, 1, 1, generator=torch.Generator().manual_seed(derive(lab.settings.seed, "slopes")))
    between = 2 * torch.lerp(made, real, share) - 1
    labels = torch.arange(len(real), device=lab.runtime.device) % max(1, system.config.classes)
    critic = partial(system.critic, labels=labels if system.conditional else None)
    norms = gradients(critic, between.to(lab.runtime.device)).detach().norm(2, dim=1)
    return float(norms.mean()), float(norms.max())
