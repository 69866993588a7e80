"""What style transfer owes a run."""

from typing import cast

from torch import Tensor

from ..data.dataset import ImageData
from ..engine.runtime import Runtime
from ..engine.system import System
from ..family import USUAL, Family, History, Judges
from ..metrics.table import Evaluation, Words
from ..reports.grids import COLUMNS, sheet
from .measures import measure, restyle
from .network import StyleSystem

CAPTION = Words(
    "Test contents, test styles, and the first in the style of the second.",
    "测试内容图、测试风格图，以及前者取后者风格的结果。",
)


class Style(Family):
    def evaluate(
        self, system: System, data: ImageData, runtime: Runtime, history: History | None = None,
        judges: Judges = USUAL,
    ) -> Evaluation:  # fmt: skip
        return measure(cast(StyleSystem, system), data, runtime)

    def look(self, system: System, data: ImageData, runtime: Runtime) -> Tensor:
        assert data.second is not None
        count = min(COLUMNS, len(data.test), len(data.second.test))
        content, style = (split.images(range(count)) for split in (data.test, data.second.test))
        restyler = cast(StyleSystem, system).restyler
        return sheet([content, style, restyle(restyler, content, style, runtime)])

    def caption(self, system: System) -> Words:
        return CAPTION


FAMILY = Style()
