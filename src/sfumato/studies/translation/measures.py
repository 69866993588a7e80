"""What the translation study measures of its runs, beside what each run has measured of itself."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from ...data.dataset import ImageData
from ...metrics.digit_reader import shipped_reader
from ...translation.drawing import held_out, translated
from ...translation.measures import as_digits
from ...translation.probe import faint, fineness
from ...translation.translator import OTHER, SIDES
from ..study import Lab, Measured

SHOWN = WORST = 10
MEASURED = 200  # pictures of a side whose colours are looked at, and failures
CHECKED = ("cyclegan", "game", "pictures", "pairs")
Probed = Mapping[str, Sequence[float]]  # by disturbance: of the cycle, of the disturbance alone


@dataclass(frozen=True)
class Ways:
    """Test pictures of side A, translated, and back again; then the same of side B: (n, c, h, w) each. `shift`: how far
    the mean colour of a picture moves, in levels of 255, averaged, to B and to A."""

    a: tuple[Tensor, Tensor, Tensor]
    b: tuple[Tensor, Tensor, Tensor]
    shift: tuple[float, float]


@dataclass(frozen=True)
class Failures:
    """The translations that went worst: inputs, translations, and by what they were found."""

    inputs: Tensor
    made: Tensor
    real: Tensor | None
    words: tuple[str, ...]


@dataclass(frozen=True, kw_only=True)
class Translations(Measured):
    """By run: `ways`, and `probes` of the cycle from side B. `faint`: of runs on papers, translations to black and
    white and what is finer than a blur in them; `fine`: how much there is of it, in levels. `failures` by run."""

    ways: Mapping[str, Ways]
    probes: Mapping[str, Probed]
    faint: Mapping[str, tuple[Tensor, Tensor]]
    fine: Mapping[str, float]
    failures: Mapping[str, Failures]


def measure(lab: Lab) -> Translations:
    runs = lab.finished()
    of = {plan.name: plan.on[1] if plan.on else lab.data for plan in lab.setup.plans}
    ways = {name: both_ways(lab, name, data) for name, data in of.items()}
    looked = [name for name in ("hidden", "noisy") if name in runs]
    return Translations(
        data=lab.data,
        full=lab.settings.full,
        runs=runs,
        notes={"network": runs["cyclegan"].evaluation.network},
        ways=ways,
        probes={name: runs[name].evaluation.more["probe"]["b"] for name in runs},
        faint={name: (ways[name].b[1], faint(ways[name].b[1])) for name in looked},
        fine={name: fineness(ways[name].b[1]) for name in runs} | {"real": fineness(ways["hidden"].a[0])},
        failures={name: failures(lab, name, data) for name, data in of.items() if name in CHECKED},
    )


def both_ways(lab: Lab, name: str, data: ImageData) -> Ways:
    system, runtime = lab.system(name), lab.runtime
    rows, shifts = [], []
    for side in SIDES:
        other = OTHER[side]
        images = held_out(system, data, side, MEASURED)
        made = translated(system, images, other, runtime)
        shifts.append(255 * float((made.mean((2, 3)) - images.mean((2, 3))).norm(dim=1).mean()))
        few = images[:SHOWN], made[:SHOWN]
        rows.append((*few, translated(system, few[1], side, runtime)))
    return Ways(rows[0], rows[1], (shifts[0], shifts[1]))


def failures(lab: Lab, name: str, data: ImageData) -> Failures:
    """Of digits, translations to B that are read as another digit; of others, those that lie farthest from the truth, or,
    where nobody knows it, whose way back does."""
    system = lab.system(name)
    images, real = (held_out(system, data, side, MEASURED) for side in SIDES)
    made = translated(system, images, "b", lab.runtime)
    if data.test.labels is not None:
        chances = shipped_reader().probabilities(as_digits(made))
        sure, said = chances.max(1)
        labels = data.test.labels[data.test.spread(len(images))]
        worst = torch.where(said == labels, -1.0, sure).argsort(descending=True)[:WORST]
        worst = worst[said[worst] != labels[worst]]
        return Failures(images[worst], made[worst], real[worst], tuple(map(str, said[worst].tolist())))
    aim = real if data.paired else images
    found = made if data.paired else translated(system, made, "a", lab.runtime)
    errors = (found - aim).abs().mean((1, 2, 3))
    worst = errors.argsort(descending=True)[:WORST]
    words = tuple(f"{255 * error:.0f}" for error in errors[worst].tolist())
    return Failures(images[worst], made[worst], real[worst] if data.paired else None, words)
