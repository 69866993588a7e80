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
from ..reports.figures import captioned, confusion_table, curve
from ..reports.grids import COLUMNS, sheet, shrunk
from .finetune import FineTuned
from .measures import inspect_anchors, known_boxes, measure, mistakes, shown_rows
from .predict import Reader
from .recognizer import Recognizer
from .ssd import SSD, fit_anchors
from .ssd import Config as SSDConfig

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
        if isinstance(config, SSDConfig) and config.anchors == "fitted" and not config.widths:
            config = fit_anchors(config, known_boxes(data.train))
        return replace(config, classes=count)

    def evaluate(
        self, system: System, data: ImageData, runtime: Runtime, history: History | None = None,
        judges: Judges = USUAL,
    ) -> Evaluation:  # fmt: skip
        return measure(cast(Recognizer, system), data, runtime)

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
        if shares := evaluation.more.get("per_class"):
            cells = [[name, "–" if share is None else f"{share:.3f}"] for name, share in shares.items()]
            report.table(["class", "IoU"], cells, "Intersection over union on the test images, of each class.")
        if counts := evaluation.more.get("confusion"):
            table = confusion_table(torch.tensor(counts), data.classes, "true", "said")
            report.picture("confusion", table, "Test images by what they are and what the network says.")
        if isinstance(system, FineTuned):
            images, words = mistakes(system, data, runtime)
            if len(images):
                report.picture("mistakes", captioned(images, words), "What it was most sure of, and wrong.")
        if isinstance(system, SSD):
            for place in range(min(ANCHORED, len(data.train))):
                report.picture(
                    f"anchors-{place}",
                    inspect_anchors(system, data, place),
                    "A training image: its objects, and on each map the anchors that are trained for them, with where "
                    "their offsets lead.",
                )

    def reader(self, run: OpenRun, score: float) -> Reader:
        return Reader(run, score)


def scores_curve(rows: Sequence[Mapping[str, Any]]) -> bytes:
    """The shares of right and wrong answers in a run's log."""
    epochs = [row["epoch"] for row in rows]
    there = {key: (epochs, [row[key] for row in rows]) for key in SCORES if key in rows[-1]}
    return curve(there, "epoch", "share")


FAMILY = Recognition()
