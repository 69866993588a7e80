"""What translators owe a run."""

from collections.abc import Mapping, Sequence
from typing import Any, cast

from torch import Tensor

from ..data.dataset import ImageData
from ..data.sources import View
from ..engine.runtime import Runtime
from ..engine.system import System
from ..errors import SfumatoError
from ..family import USUAL, Family, History, Judges, OpenRun
from ..metrics.table import Evaluation, Words
from ..reports.document import Report, opened
from ..reports.figures import curve, labelled_rows
from ..reports.grids import COLUMNS, sheet, shrunk
from .drawing import count_for, cycle, held_out, translated
from .measures import glance, measure
from .probe import faint
from .translate import Translation
from .translator import OTHER, SIDES, Both, Translator

SHOWN = 6
CAPTION = Words(
    "Test pictures of side A, translated to B, back again, and as the network that makes A leaves them; below, the "
    "same of side B.",
    "A 域测试图像、译为 B、再译回，以及生成 A 的网络对其本身的输出；下面是 B 域的同样四行。",
)


class Translators(Family):
    judges_drawings = True

    def view(self, config: Any) -> View:
        return View(config.channels, config.read_at, config.fit, paired=config.paired)

    def settle(self, config: Any, data: ImageData, system: str) -> Any:
        if config.paired and not data.paired:
            raise SfumatoError(
                f"data {data.name}: are not pairs; --paired wants one source of two folders with the same names, or of "
                "pictures that hold both sides"
            )
        return config

    def evaluate(
        self, system: System, data: ImageData, runtime: Runtime, history: History | None = None,
        judges: Judges = USUAL,
    ) -> Evaluation:  # fmt: skip
        if judges.inception or judges.thorough:
            raise SfumatoError(
                f"{judges.asked}: is for what adversarial systems draw; translations can be judged by features"
            )
        return measure(cast(Translator, system), data, runtime, judges.features)

    def glance(self, system: System, data: ImageData, runtime: Runtime) -> dict[str, float | str]:
        return glance(cast(Translator, system), data, runtime)

    def look(self, system: System, data: ImageData, runtime: Runtime) -> Tensor:
        return sheet([shrunk(row) for row in rows_of_both(cast(Translator, system), data, runtime, COLUMNS)])

    def caption(self, system: System) -> Words:
        return CAPTION

    def tell(
        self, report: Report, system: System, data: ImageData, runtime: Runtime, history: History,
        evaluation: Evaluation,
    ) -> None:  # fmt: skip
        system = cast(Translator, system)
        if any("frechet_to_a" in row for row in history.measures):
            report.picture("judged", judged_curve(history.measures), "Fréchet distance of both directions on the way.")
        if history.looks:
            labels = [f"{int(path.stem):,} images" for path in history.looks]
            report.film("samples", [opened(path) for path in history.looks], labels, CAPTION.en)
        report.heading("What the cycle hides")
        images = held_out(system, data, "a", SHOWN)
        made = translated(system, images, "b", runtime)
        rows = {"input": images, "translated": made, "faint": faint(made), "faint, input": faint(images)}
        report.picture(
            "faint", labelled_rows(rows),
            "What is finer than a blur of 3 pixels, enlarged 32 times: in the translations, and in their inputs.",
        )  # fmt: skip
        if probe := evaluation.more.get("probe"):
            report.table(*probe_table(probe))

    def translator(self, run: OpenRun, to: str, size: int | None = None) -> Translation:
        return Translation(run, to, size)


def judged_curve(measures: Sequence[Mapping[str, Any]]) -> bytes:
    """The distances of both directions over a run."""
    rows = [row for row in measures if "frechet_to_a" in row]
    images = [row["images"] for row in rows]
    series = {f"to {side.upper()}": (images, [row[f"frechet_to_{side}"] for row in rows]) for side in SIDES}
    return curve(series, "images", "Fréchet")


def probe_table(found: Mapping[str, Mapping[str, Sequence[float]]]) -> tuple[list[str], list[list[str]], str]:
    """Head, rows and caption: what each disturbance of the translation leaves of the cycle."""
    head = ["disturbance", *(f"{side.upper()} → {OTHER[side].upper()} → {side.upper()}, dB" for side in SIDES)]
    head += [f"alone, on {OTHER[side].upper()}" for side in SIDES]
    rows = [
        [name, *(f"{found[side][name][place]:.2f}" for place in (0, 1) for side in SIDES)] for name in found[SIDES[0]]
    ]
    caption = (
        "PSNR of pictures that went there and back, their translation disturbed on the way. A cycle that goes by what "
        "is visible loses little until the disturbance alone (at the right) is as coarse as the cycle."
    )
    return head, rows, caption


def rows_of_both(system: Translator, data: ImageData, runtime: Runtime, count: int) -> list[Tensor]:
    """Four rows of a side, as in CAPTION: as many pictures of both sides."""
    few = min(count, *(count_for(system, data, side) for side in SIDES))
    images: Both = {side: held_out(system, data, side, few) for side in SIDES}
    ways = cycle(system, images, runtime)
    return [images[side] if way is None else way[side].clamp(0, 1) for side in SIDES for way in (None, *ways)]


FAMILY = Translators()
