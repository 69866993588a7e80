"""What recognition owes a run."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any, cast

import torch
from torch import Tensor

from ..data.dataset import ImageData
from ..data.sources import View
from ..engine.runtime import Runtime
from ..engine.system import System
from ..errors import SfumatoError
from ..family import USUAL, Family, History, Judges, OpenRun
from ..metrics.table import Evaluation, Words
from ..reports.document import Report
from ..reports.figures import captioned, confusion_table, curve, reliability_diagram
from ..reports.grids import COLUMNS, sheet, shrunk
from .finetune import FineTuned
from .measures import inspect_anchors, measure, mistakes, shown_rows, worst_images
from .predict import Reader
from .reach import Reach, known_boxes, reach, told, warned
from .recognizer import Recognizer
from .ssd import SSD, fit_anchors
from .ssd import Config as SSDConfig
from .validation import calibrate, validate

MOST_CURVES = 10  # in a figure
ANCHORED = 2  # training images whose anchors are shown
SCORES = ("accuracy", "pixel_accuracy", "class_error", "box_mae")
NAMED = Words(
    "Test images, in green where the network names them right, in red where it does not.",
    "测试图像：绿框为判对，红框为判错。",
)
BOXED = Words(
    "Test images: what is true of them, and what the network is surer of than 0.3.",
    "测试图像：真实物体，以及网络置信度高于 0.3 的检测。",
)
COLOURED = Words("Test images, what is true of them, and what the network says.", "测试图像、真实类别与网络的判断。")


CHOSEN = "On validation images, which are neither trained nor tested on: the weights of the highest measure are kept."
FOLLOWED = "By epoch: training images as they were shown; all test images as they are: nothing was chosen by these."
RELIABLE = "Test images by how sure the network is: where a bar is below the line, it is surer than it is right."


class Recognition(Family):
    not_losses = SCORES

    def view(self, config: Any) -> View:
        return View(config.channels, config.resolution, config.fit, config.target)

    def settle(self, config: Any, data: ImageData, system: str) -> Any:
        """How many classes there are to tell apart, and anchors that are fitted to the training boxes."""
        count = len(data.classes)
        if count < (1 if config.target == "boxes" else 2):
            raise SfumatoError(f"data {data.name}: has {count or 'no'} classes: there is nothing to tell apart")
        if config.classes not in (0, count):
            raise SfumatoError(f"classes {config.classes}: the data {data.name} has {count}")
        if config.patience and data.valid is None:
            raise SfumatoError(
                f"patience {config.patience}: the data {data.name} has no validation images to be patient by: it needs "
                "three parts, as in --split train=DIR valid=DIR test=DIR"
            )
        if isinstance(config, SSDConfig) and config.anchors == "fitted" and not config.widths:
            config = fit_anchors(config, known_boxes(data.train))
        return replace(config, classes=count)

    def advise(self, system: System, data: ImageData) -> Sequence[str]:
        """What the anchors of a detector can reach at best."""
        if not isinstance(system, SSD) or not len(boxes := known_boxes(data.train)):
            return ()
        found = reach(system, boxes)
        return [line for line in (told(found), warned(found, system.config.anchors == "fitted")) if line]

    def evaluate(
        self, system: System, data: ImageData, runtime: Runtime, history: History | None = None,
        judges: Judges = USUAL,
    ) -> Evaluation:  # fmt: skip
        return measure(cast(Recognizer, system), data, runtime)

    def glance(self, system: System, data: ImageData, runtime: Runtime) -> dict[str, float | str]:
        found: dict[str, float | str] = {}
        if data.valid is not None:
            found |= validate(cast(Recognizer, system), data, runtime)
        if system.follows:
            found |= validate(cast(Recognizer, system), data, runtime, "test")
        return found

    def calibrate(self, system: System, data: ImageData, runtime: Runtime) -> bool:
        return calibrate(cast(Recognizer, system), data, runtime)

    def look(self, system: System, data: ImageData, runtime: Runtime) -> Tensor:
        rows = shown_rows(cast(Recognizer, system), data, runtime, COLUMNS)
        return sheet([shrunk(row) for row in rows])

    def caption(self, system: System) -> Words:
        return {"labels": NAMED, "boxes": BOXED, "masks": COLOURED}[self.view(system.config).target]

    def tell(
        self, report: Report, system: System, data: ImageData, runtime: Runtime, history: History,
        evaluation: Evaluation,
    ) -> None:  # fmt: skip
        super().tell(report, system, data, runtime, history, evaluation)
        if history.rows:
            caption = "On training images, as they were shown: cut, scaled, recoloured."
            report.picture("scores", scores_curve(history.rows), caption)
        if history.measures and system.chosen_by in history.measures[-1]:
            report.picture("validation", validation_curve(history.measures, system.chosen_by), CHOSEN)
        if system.follows and history.measures:
            report.picture("epochs", curve(by_epoch(history, len(data.train)), "epoch", "share"), FOLLOWED)
        if found := evaluation.more.get("reliability"):
            report.picture(
                "reliability", reliability_diagram(found["confidence"], found["accuracy"], found["counts"]), RELIABLE
            )
        if shares := evaluation.more.get("per_class"):
            cells = [[name, _share(share)] for name, share in shares.items()]
            report.table(["class", "IoU"], cells, "Intersection over union on the test images, of each class.")
        if counts := evaluation.more.get("confusion"):
            table = confusion_table(torch.tensor(counts), data.classes, "true", "said")
            report.picture("confusion", table, "Test images by what they are and what the network says.")
        if named := evaluation.more.get("named"):
            cells = [
                [name, *map(_share, (its["precision"], its["recall"])), f"{its['images']:,}"]
                for name, its in named.items()
            ]
            report.table(["class", "precision", "recall", "images"], cells, "On the test images, of each class.")
        if found := evaluation.more.get("found"):
            tell_classes(report, found)
        if isinstance(system, FineTuned):
            images, words = mistakes(system, data, runtime)
            if len(images):
                report.picture("mistakes", captioned(images, words), "What it was most sure of, and wrong.")
        if isinstance(system, SSD):
            images, words = worst_images(system, data, runtime)
            if images:
                caption = (
                    "Test images: the false detections that it was surest of, then the objects that it missed, where "
                    "they are most."
                )
                report.picture("worst", captioned(torch.stack(images), words), caption)
            if anchors := evaluation.more.get("anchors"):
                best = Reach(**anchors)
                report.say(f"{told(best).capitalize()}.")
                if warning := warned(best, system.config.anchors == "fitted"):
                    report.say(f"{warning}.", loud=True)
            for place in range(min(ANCHORED, len(data.train))):
                report.picture(
                    f"anchors-{place}",
                    inspect_anchors(system, data, place),
                    "A training image: its objects, and on each map the anchors that are trained for them, with where "
                    "their offsets lead.",
                )

    def reader(self, run: OpenRun, score: float) -> Reader:
        return Reader(run, score)


def tell_classes(report: Report, found: Mapping[str, Mapping[str, Any]]) -> None:
    """The average precision of each class of a detector, and its curve."""
    cells = [[name, _share(its["ap_50"]), f"{its['objects']:,}"] for name, its in found.items()]
    report.table(
        ["class", "AP at 0.5", "objects"], cells, "Average precision on the test images at an overlap of 0.5, by class."
    )
    there = sorted((item for item in found.items() if item[1]["curve"]), key=lambda item: -item[1]["objects"])
    lines = {
        f"{name} ({its['ap_50']:.3f})": (torch.linspace(0, 1, len(its["curve"])).tolist(), its["curve"])
        for name, its in there[:MOST_CURVES]
    }
    if lines:
        which = f" of the {MOST_CURVES} classes with most objects" if len(there) > MOST_CURVES else " of each class"
        caption = f"Precision over recall{which} at an overlap of 0.5; in brackets the average precision."
        report.picture("precision", curve(lines, "recall", "precision", rising=True), caption)


def _share(value: float | None) -> str:
    return "–" if value is None else f"{value:.3f}"


def scores_curve(rows: Sequence[Mapping[str, Any]]) -> bytes:
    """The shares of right and wrong answers in a run's log."""
    rows = [row for row in rows if row.keys() >= {*SCORES} & rows[-1].keys()]
    epochs = [row["epoch"] for row in rows]
    there = {key: (epochs, [row[key] for row in rows]) for key in SCORES if key in rows[-1]}
    return curve(there, "epoch", "share")


def validation_curve(measures: Sequence[Mapping[str, Any]], key: str) -> bytes:
    """The loss and the measure on validation images, after every epoch."""
    rows = [row for row in measures if row.keys() >= {"valid_loss", key}]
    images = [row["images"] for row in rows]
    there = {name: (images, [row[name] for row in rows]) for name in ("valid_loss", key)}
    return curve(there, "images", "")


def by_epoch(history: History, count: int) -> dict[str, tuple[list[float], list[float]]]:
    """Epochs, each of `count` images, and the measures of training, validation and test images, by name."""
    rows = [*history.rows, *({**row, "epoch": row["images"] / count} for row in history.measures)]
    keys = ("accuracy", "pixel_accuracy", "miou", "map_50")
    names = [f"{half}{key}" for half in ("", "valid_", "test_") for key in keys]
    found = {name: [(row["epoch"], row[name]) for row in rows if name in row] for name in names}
    return {name: ([x for x, _ in points], [y for _, y in points]) for name, points in found.items() if points}


FAMILY = Recognition()
