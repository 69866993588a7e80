"""The one seam between a subject and its runs: what autoencoders, gans, style or recognition owe a run.

Each subject's folder has a `family.py` with one object, `FAMILY`, of a class derived from `Family`. `runs/`, `studies/`
and the command line ask it, and never which class a system, a config or data is of. A new subject is a new folder.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from torch import Tensor

from .data.dataset import ImageData
from .data.sources import View
from .engine.runtime import Runtime
from .engine.system import System
from .errors import SfumatoError
from .metrics.table import Evaluation, Words
from .reports.document import Report


@dataclass(frozen=True)
class History:
    """What the folder of a run says of its training: its config as JSON values, the rows of metrics.jsonl and of
    measures.jsonl, and its pictures on the way."""

    config: Mapping[str, Any]
    rows: Sequence[Mapping[str, Any]]
    measures: Sequence[Mapping[str, Any]] = ()
    looks: Sequence[Path] = ()


@dataclass(frozen=True)
class Judges:
    """How drawn pictures are measured. `features`: a network's name or file in place of the usual one; `inception`: the
    weights of the network that FID is defined by, to measure that as well; `thorough`: what takes minutes too."""

    features: str = ""
    inception: Path | None = None
    thorough: bool = False

    @property
    def asked(self) -> str:
        """What is asked for, in words."""
        known = {"thorough": self.thorough, f"inception {self.inception}": self.inception}
        return next((words for words, given in known.items() if given), f"features {self.features}")


USUAL = Judges()


class OpenRun(Protocol):
    """A run, opened for use, as subjects see it."""

    @property
    def path(self) -> Path: ...
    @property
    def system(self) -> System: ...
    @property
    def data(self) -> ImageData: ...
    @property
    def runtime(self) -> Runtime: ...
    @property
    def system_name(self) -> str: ...
    @property
    def classes(self) -> Sequence[str]: ...
    @property
    def palette(self) -> Sequence[tuple[int, int, int]]: ...


class Family:
    """What a subject owes a run. `not_losses`: scalars of its steps that are drawn in figures of their own."""

    not_losses: Sequence[str] = ()
    judges_drawings: bool = False  # whether it measures what its systems make by a network that one can choose

    def view(self, config: Any) -> View:
        """How pictures are read for a system with this Config."""
        return View(config.channels, config.resolution, config.fit)

    def settle(self, config: Any, data: ImageData, system: str) -> Any:
        """`config` with what only the data can tell. Raises SfumatoError for data that `system` cannot use."""
        return config

    def advise(self, system: System, data: ImageData) -> Sequence[str]:
        """Lines for whoever looks on, said before a new run draws its first image: what can be known by then."""
        return ()

    def evaluate(
        self, system: System, data: ImageData, runtime: Runtime, history: History | None = None,
        judges: Judges = USUAL,
    ) -> Evaluation:  # fmt: skip
        """Measures on held-out images, beside trivial baselines. `history`: of the run, if it is its own data.
        `judges`: only of a subject that `judges_drawings`."""
        raise SfumatoError(f"{type(system).__name__}: its subject has no measures")

    def evidence(self, system: System, data: ImageData, runtime: Runtime) -> dict[str, bytes]:
        """Pictures (PNG) by name that belong to a thorough evaluation."""
        return {}

    def glance(self, system: System, data: ImageData, runtime: Runtime) -> dict[str, float | str]:
        """The cheap measures on the way, and what they were taken with; of a system whose `glance_every` is 0, none."""
        return {}

    def calibrate(self, system: System, data: ImageData, runtime: Runtime) -> bool:
        """Fits, on validation images, what is fitted when the weights are chosen; whether there was anything."""
        return False

    def findings(self, system: System, history: History) -> Sequence[Words]:
        """What goes wrong in a run, as far as its log says, and what may mend it; a line each."""
        return ()

    def look(self, system: System, data: ImageData, runtime: Runtime) -> Tensor:
        """A picture (c, h, w) in [0, 1] of what the system can."""
        raise SfumatoError(f"{type(system).__name__}: its subject draws no pictures")

    def caption(self, system: System) -> Words:
        """What stands in the rows of such a picture."""
        raise SfumatoError(f"{type(system).__name__}: its subject draws no pictures")

    def tell(
        self, report: Report, system: System, data: ImageData, runtime: Runtime, history: History,
        evaluation: Evaluation,
    ) -> None:  # fmt: skip
        """What the page of a run says between its curves and its measures: by default its last picture."""
        if history.looks:
            from .reports.document import enlarged, opened

            caption = f"At the end. {self.caption(system).en}"
            report.picture("samples", enlarged(opened(history.looks[-1])), caption)

    def reader(self, run: OpenRun, score: float) -> Any:
        """What reads pictures with a run. Raises SfumatoError for a run that recognises nothing."""
        raise SfumatoError(f"{run.path}: a {run.system_name} run recognises nothing")

    def translator(self, run: OpenRun, to: str, size: int | None = None) -> Any:
        """What turns pictures into ones of side `to` with a run, at `size` pixels on the shorter side. Raises
        SfumatoError for a run that translates nothing."""
        raise SfumatoError(f"{run.path}: a {run.system_name} run translates nothing")
