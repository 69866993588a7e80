"""How long the runs of a study take on this machine, and how much of them there is time for."""

from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path

from .. import strict
from ..engine.runtime import Runtime
from ..errors import SfumatoError
from ..files import write_json
from ..runs.trial import images_per_second
from .plan import Plan, Settings, Setup, folder_of

FILE = "budget.json"
LEAST = 0.2  # share of the images of every run that is never gone below
SIDE_BY_SIDE = 0.85  # speed of a run beside others, as a share of alone


@dataclass(frozen=True)
class Fitted:
    """budget.json: the `share` of its images that every run of a quick study was given on the machine that began it, the
    images a second that it drew in a trial, and the seconds that all were to take."""

    share: float
    images_per_second: dict[str, float]
    seconds: float

    def __post_init__(self) -> None:
        if not 0 < self.share <= 1:
            raise SfumatoError(f"share {self.share}: must lie above 0, and at most at 1")


@dataclass(frozen=True)
class Budget:
    """By run: the `images` that it draws, the `seconds` that it should take alone; and those whose images were `cut`."""

    images: Mapping[str, int]
    seconds: Mapping[str, float]
    cut: Mapping[str, int]
    fitted: Fitted


def budget_for(settings: Settings, setup: Setup, runtime: Runtime, wanted: float, side_by_side: int) -> Budget:
    """What each run is given: of a quick study as much as should take `wanted` seconds here, `side_by_side` at once; of a
    full one everything. A study that was begun goes on with what it was given then."""
    known = _known(settings.out)
    begun = any(folder_of(plan, settings).is_run for plan in setup.plans)
    waiting = [plan for plan in setup.plans if not folder_of(plan, settings).is_finished]
    speeds, totals = dict[str, float](), dict[str, int]()
    for plan in waiting:
        data = plan.on[1] if plan.on else setup.data
        totals[plan.name], speeds[plan.name] = images_per_second(plan.system, data, plan.fields, runtime)
    alone = sum(totals[name] / speed for name, speed in speeds.items())
    many = min(side_by_side, len(waiting)) or 1
    expected = alone / many / (SIDE_BY_SIDE if many > 1 else 1)
    share = known.share if known else 1.0
    if not known and not begun and not settings.full and expected > wanted:
        share = round(max(LEAST, wanted / expected), 2)
    fitted = known or Fitted(
        share, {name: round(speed, 1) for name, speed in speeds.items()}, round(expected * share, 1)
    )
    given = given_images(setup.plans, share, len(setup.data.train))
    images = {name: given.get(name, total) for name, total in totals.items()}
    if not known and not begun:
        write_json(settings.out / FILE, asdict(fitted))
    return Budget(images, {name: images[name] / speed for name, speed in speeds.items()}, given, fitted)


def given_images(plans: Sequence[Plan], share: float, epoch: int) -> dict[str, int]:
    """The images of each plan that names them, cut to `share`: whole epochs of the study's data where there are some."""
    if share == 1:
        return {}
    found = {}
    for plan in plans:
        if whole := plan.fields.get("images"):
            epochs = whole * share / epoch
            found[plan.name] = (
                round(epochs) * epoch if epochs >= 1 and whole % epoch == 0 else max(1, round(whole * share))
            )
    return found


def _known(out: Path) -> Fitted | None:
    if (out / FILE).is_file():
        with suppress(SfumatoError):
            return strict.read(out / FILE, Fitted)
    return None
