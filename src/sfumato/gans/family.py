"""What adversarial networks owe a run."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, replace
from typing import Any, cast

from torch import Tensor

from ..data.dataset import ImageData
from ..engine.runtime import Runtime
from ..engine.system import System
from ..errors import SfumatoError
from ..family import USUAL, Family, History, Judges
from ..metrics.table import Evaluation, Words
from ..reports.document import Report, opened
from ..reports.figures import curve, labelled_rows
from ..reports.grids import COLUMNS, grid, shrunk
from ..reports.language import Speaker
from .diagnosis import diagnose, distance_of, followed
from .drawing import draw, walk
from .game import Adversarial
from .measures import closest, glance, measure
from .sampling import PSI, Asked, Sampler

MIN_TEST = 4
ROWS = 6  # of drawn images in a look
SHOWN = 10
SEEDS = (1, 2), (3, 4, 5, 6)  # of images that lend styles to one another
CAPTION = Words("Made from the same noise each time.", "每次由同样的噪声生成。")
CLASS_CAPTION = Words("Made from the same noise each time, each class in turn.", "每次由同样的噪声生成，各类别依次。")
BELIEFS = ("real", "fake_before", "fake_after", "diversity")


class Adversaries(Family):
    not_losses = BELIEFS
    judges_drawings = True

    def settle(self, config: Any, data: ImageData, system: str) -> Any:
        if config.channels == 2:
            raise SfumatoError(
                f"channels 2: for points of a plane, which images of {data.name} are not; it must be 1 or 3"
            )
        if config.classes and len(data.classes) != config.classes:
            there = len(data.classes) or "no"
            raise SfumatoError(
                f"data {data.name}: has {there} classes, and {system} is set to --classes {config.classes}"
            )
        if len(data.test) < MIN_TEST:
            raise SfumatoError(
                f"data {data.name}: has {len(data.test)} test images; made images are measured against {MIN_TEST} at "
                "least"
            )
        return config

    def evaluate(
        self, system: System, data: ImageData, runtime: Runtime, history: History | None = None,
        judges: Judges = USUAL,
    ) -> Evaluation:  # fmt: skip
        system = cast(Adversarial, system)
        if history is None:
            return measure(system, data, runtime, judges)
        end = system.config.images
        open_end = bool(history.measures) and history.measures[-1]["images"] < end and not judges.features
        found = measure(system, data, runtime, judges, followed=open_end)
        if open_end:
            history = replace(history, measures=[*history.measures, {"images": end, **found.more["glance"]}])
        return found.with_more(**_in_hindsight(system, history, found))

    def evidence(self, system: System, data: ImageData, runtime: Runtime) -> dict[str, bytes]:
        return {"nearest": closest(cast(Adversarial, system), data, runtime)}

    def glance(self, system: System, data: ImageData, runtime: Runtime) -> dict[str, float | str]:
        return glance(cast(Adversarial, system), data, runtime)

    def look(self, system: System, data: ImageData, runtime: Runtime) -> Tensor:
        made = draw(cast(Adversarial, system), COLUMNS * ROWS, runtime).nan_to_num()
        return grid(shrunk(made), COLUMNS)

    def caption(self, system: System) -> Words:
        return CLASS_CAPTION if system.conditional else CAPTION

    def findings(self, system: System, history: History) -> Sequence[Words]:
        assert isinstance(system, Adversarial)
        last = history.measures[-1] if history.measures else {}
        so_far = Evaluation(
            data="", fingerprint=str(last.get("data", "")), images=0, resolution=system.config.resolution, rows=(),
            names={}, note=Words("", ""), network=str(last.get("network", "")),
        )  # fmt: skip
        said = [diagnose(system, history, so_far, Speaker(language)) for language in ("en", "zh")]
        return [Words(f"{en.finding} {en.change}", f"{zh.finding}{zh.change}") for en, zh in zip(*said, strict=True)]

    def tell(
        self, report: Report, system: System, data: ImageData, runtime: Runtime, history: History,
        evaluation: Evaluation,
    ) -> None:  # fmt: skip
        system = cast(Adversarial, system)
        if history.rows:
            report.picture(
                "beliefs",
                beliefs_curve(history.rows),
                "What the discriminator says: of real images, of made ones before its update, of made ones after "
                "it. Probabilities for minimax and non_saturating, plain logits otherwise.",
            )
        report.heading("Run doctor")
        findings = evaluation.more.get("findings", [])
        for found in findings:
            report.say(f"{found['finding']} {found['change']}", loud=True)
        if not findings:
            report.say("Nothing looks wrong: no collapse, no saturation, no divergence, and the best was not lost.")
        if over := evaluation.more.get("over_the_run"):
            report.say(
                f"Measured on the way ({over['measure']}): best {over['best']:.4g} after {over['best_at']:,} images, "
                f"final {over['final']:.4g}."
            )
        report.heading("Pictures")
        if history.looks:
            labels = [f"{int(path.stem):,} images" for path in history.looks]
            report.film("samples", [opened(path) for path in history.looks], labels, self.caption(system).en)
        real, made = data.test.images(range(min(SHOWN, len(data.test)))), draw(system, SHOWN, runtime)
        caption = "Real test images above, drawn ones below."
        report.picture("beside", labelled_rows({"real": real, "drawn": made}), caption)
        rows = {" " * row: images for row, images in enumerate(walk(system, runtime))}
        report.picture("walks", labelled_rows(rows), "From one drawn image to another.")
        if system.styled:
            asked = Sampler(system, runtime, Asked())
            report.picture(
                "truncation", labelled_rows(asked.truncated(SEEDS[0]), [f"ψ {psi:g}" for psi in PSI]),
                "From the opposite of a style over the mean style (ψ 0) to itself (1); below, in some layers alone.",
            )  # fmt: skip
            caption = "Images at the left with the styles of those above in coarse, middle or fine layers."
            report.picture("mixing", asked.mixed(*SEEDS), caption)


def _in_hindsight(system: Adversarial, history: History, evaluation: Evaluation) -> dict[str, Any]:
    """The best and the final distance over the run, and what the run doctor finds."""
    over: dict[str, Any] = {}
    if measures := followed(history.measures, evaluation):
        key = distance_of(measures)
        best = min(measures, key=lambda row: row[key])
        over = {"measure": key, "best": best[key], "best_at": best["images"], "final": measures[-1][key]}
    return {"over_the_run": over, "findings": [asdict(finding) for finding in diagnose(system, history, evaluation)]}


def beliefs_curve(rows: Sequence[Mapping[str, Any]]) -> bytes:
    """What the discriminator said of real and of made images, before and after its own update."""
    rows = [row for row in rows if row.keys() >= {"epoch", *BELIEFS}]
    epochs = [row["epoch"] for row in rows]
    names = {"real": "D(x)", "fake_before": "D(G(z)) before", "fake_after": "D(G(z)) after"}
    return curve({name: (epochs, [row[key] for row in rows]) for key, name in names.items()}, "epoch", "D")


FAMILY = Adversaries()
