"""A run that is there: its numbers, its network, what it draws."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from ..data.dataset import ImageData
from ..data.sources import SOURCES, HeldOut
from ..engine.checkpoint import check_shapes, load_best, load_checkpoint, load_snapshot
from ..engine.runtime import Runtime, choose
from ..engine.system import System, Wishes
from ..errors import SfumatoError
from ..family import USUAL, History, Judges
from ..metrics.table import Evaluation
from ..seeds import derive
from .catalog import CATALOG, configured, open_for
from .folder import RunFolder
from .hub import here
from .model import is_model, load_model
from .page import write_page

if TYPE_CHECKING:
    from ..data.given import Given, GivenT

COLUMNS = 8
SAID = 12  # classes in a message
SCORE = 0.5  # how sure a detection must be


def open(path: str | Path, device: str = "auto") -> "Run":
    """The run in `path`, or the model at `hf://OWNER/NAME`. Raises SfumatoError if it is none, or has no checkpoint."""
    run = Run(path, device)
    _ = run.system
    return run


@contextmanager
def opening(path: Path, source: Sequence[str]) -> Iterator[None]:
    """Of the data `source` of the run in `path`: whoever cannot open them is told how a run learns of another place."""
    try:
        yield
    except SfumatoError as error:
        if SOURCES.keys() >= set(source):  # these lie nowhere else
            raise
        places = " ".join(["PATH"] * len(source))
        raise SfumatoError(f"{error}; if they lie elsewhere now: `sfumato resume {path} --data {places}`") from None


def history_of(folder: RunFolder) -> History:
    """What the log of a run says."""
    return History(folder.manifest().config, folder.metrics(), folder.metrics("measures.jsonl"), folder.looks())


class Run:
    """A run folder, opened for use. The network is loaded on first use, and so is its data unless it is `opened`.

    `manifest` is what config.json says, `config` the system's own part of it, `entry` its line in the catalog."""

    def __init__(self, path: str | Path, device: str = "auto", opened: ImageData | None = None) -> None:
        self.folder = RunFolder(here(path))
        self.path = self.folder.path
        self.manifest = self.folder.manifest()
        self.folder.check_links()
        self.entry, self.config = configured(self.manifest, str(self.path / "config.json"))
        self._device = device
        self._system: System | None = None
        self._data = opened

    def __repr__(self) -> str:
        return f"Run({str(self.path)!r}: {self.system_name} on {self.manifest.data.name})"

    @property
    def system_name(self) -> str:
        """Its name in the catalog."""
        return self.manifest.system

    @property
    def classes(self) -> Sequence[str]:
        """The names of the classes of its data."""
        return self.manifest.data.classes

    @property
    def palette(self) -> Sequence[tuple[int, int, int]]:
        """The 8-bit RGB of each class in the masks of its data; empty if those have no colours."""
        parts = [bytes.fromhex(colour[1:]) for colour in self.manifest.data.palette]
        return [(red, green, blue) for red, green, blue in parts]

    @property
    def runtime(self) -> Runtime:
        """Where and in what precision it computes."""
        as_trained = self._device in ("auto", self.manifest.device)
        return choose(self._device, self.manifest.precision if as_trained else "auto")

    @property
    def system(self) -> System:
        """The trained system, in evaluation mode: with its best weights, where some were chosen, else the last."""
        if self._system is None:
            if is_model(self.path):
                system = load_model(self.path, lambda: self.entry.build(self.config))
            else:
                system = self._untrained()
                load_checkpoint(self.path, system, weights_only=True)
                load_best(self.path, system)
            runtime = self.runtime
            self._system = system.to(runtime.device).eval()
        return self._system

    def snapshot(self, percent: int) -> System:
        """The system as it was after `percent` of its training, in evaluation mode."""
        system = self._untrained()
        load_snapshot(self.path, system, percent)
        return system.to(self.runtime.device).eval()

    def _untrained(self) -> System:
        """The system that config.json asks for, once it is known to be the one whose weights are here."""
        check_shapes(self.path, lambda: self.entry.build(self.config))
        return self.entry.build(self.config)

    @property
    def data(self) -> ImageData:
        """The data that the run was trained on, opened again."""
        if self._data is None:
            if not self.manifest.data.source:
                raise SfumatoError(f"{self.path}: was brought in, and knows no data: give some with --data")
            with opening(self.path, self.manifest.data.source):
                known = self.manifest.data
                held = HeldOut(known.split, known.holdout, self.manifest.seed)
                self._data = self._suited(open_for(self.entry, self.config, known.source, held=held))
        return self._data

    def open_data(self, source: Sequence[str]) -> ImageData:
        """Other data, read as this run reads its own; of a recognition run, all of it to test on."""
        opened = self._suited(open_for(self.entry, self.config, source))
        return opened.whole() if self.entry.system_class.names_classes else opened

    def _suited(self, opened: ImageData) -> ImageData:
        """`opened`, if the run can read it. Raises SfumatoError if not."""
        if self.entry.system_class.names_classes and tuple(opened.classes) != tuple(self.classes):
            there, known = (", ".join(names[:SAID]) for names in (opened.classes, self.classes))
            raise SfumatoError(
                f"data {opened.name}: has the classes {there or 'none'}, and {self.path} tells apart {known}"
            )
        self.entry.family.settle(self.config, opened, self.system_name)
        return opened

    @property
    def columns(self) -> int:
        """Images in a row of a sheet: a class in each column, where one can be asked for."""
        return self.config.classes if self.system.conditional else COLUMNS

    def sample(self, count: int, seed: int = 0, label: int | None = None) -> Tensor:
        """`count` images drawn from the model: float32 (count, c, h, w) in [0, 1], the same for the same seed.

        `label`: the class that they shall be of, counted from 0; for conditional systems. Raises SfumatoError for a
        system that draws nothing, or knows no such class.
        """
        generator = torch.Generator().manual_seed(derive(seed, "sample"))
        if label is not None and not self.system.conditional:
            able = ", ".join(name for name, entry in CATALOG.items() if entry.system_class.conditional)
            raise SfumatoError(f"label {label}: {self.system_name} cannot be asked for a class; {able} can")
        with self.runtime.autocast():
            return self._unit(self.system.sample(count, Wishes(label), generator))

    def draw(self, latents: Tensor, labels: Tensor | None = None) -> Tensor:
        """The images (n, c, h, w) in [0, 1] of `latents` (n, ...), codes or noise; of a conditional system under
        `labels` (n,), by default each class in turn. Raises SfumatoError for a system that draws nothing."""
        with self.runtime.autocast():
            return self._unit(self.system.make(latents, labels))

    def _unit(self, images: Tensor) -> Tensor:
        low, high = self.system.image_range
        return (images.float().cpu() - low) / (high - low)

    def predict(self, picture: "Given | Sequence[Given]", score: float = SCORE) -> Any:
        """What a recognition run sees in `picture`, a file, a PIL image, an array (h, w, 3) or (h, w), uint8 or floats
        in [0, 1], or a tensor (3, h, w) in [0, 1]: names, boxes as sure as `score`, or pixels; of a list of pictures, a
        list of answers. Raises SfumatoError for a picture that cannot be read, and for a run of another kind."""
        reader = self.entry.family.reader(self, score)
        return reader.read_all(picture) if isinstance(picture, list | tuple) else reader.read(picture)

    def translate(self, picture: "GivenT | str | Path", to: str = "b", size: int | None = None) -> "GivenT":
        """`picture`, one that `predict` takes, by a translation run as one of side `to`, "a" or "b": of its kind and
        size, a PIL image if it is a path. `size`: pixels on the shorter side at which it is translated, its own by
        default. Raises SfumatoError for what is no picture, and for a run of another kind."""
        return self.entry.family.translator(self, to, size).translate(picture)

    def metrics(self) -> list[dict[str, Any]]:
        """The rows of metrics.jsonl."""
        return self.folder.metrics()

    def measures(self) -> list[dict[str, Any]]:
        """The rows of measures.jsonl: what was measured on the way."""
        return self.folder.metrics("measures.jsonl")

    @property
    def history(self) -> History:
        """What its log says."""
        return history_of(self.folder)

    @property
    def evaluation(self) -> Evaluation:
        """What was measured when training ended: the content of evaluation.json."""
        return self.folder.evaluation()

    def report(self) -> Path:
        """Writes report.html anew, of a run that was stopped too, and returns its path."""
        measured = self.evaluation if self.folder.is_finished else self.evaluate()
        write_page(self.folder, self.entry, self.system, self.data, self.runtime, self.history, measured)
        return self.path / "report.html"

    def evidence(self, data: ImageData | None = None) -> dict[str, bytes]:
        """Pictures (PNG) by name that belong to a thorough evaluation."""
        return self.entry.family.evidence(self.system, data or self.data, self.runtime)

    def evaluate(self, data: ImageData | None = None, judges: Judges = USUAL) -> Evaluation:
        """Measures the run on the test images of its data (or of `data`), beside trivial baselines. `judges`: the
        networks that drawn pictures are measured with (of systems that make some; FID with the extra `metrics`)."""
        family = self.entry.family
        if judges != USUAL and not family.judges_drawings:
            raise SfumatoError(
                f"{judges.asked}: is for pictures that a system makes, and {self.system_name} makes none"
            )
        measured = data or self.data
        return family.evaluate(self.system, measured, self.runtime, None if data else self.history, judges)
