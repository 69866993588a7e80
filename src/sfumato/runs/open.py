"""A run that is there: its numbers, its network, what it draws."""

import json
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from ..data.dataset import ImageData
from ..engine.checkpoint import load_checkpoint, load_snapshot
from ..engine.runtime import Runtime, choose
from ..engine.system import System, Wishes
from ..errors import SfumatoError
from ..gans.diagnosis import history
from ..recognition.measures import inspect_anchors
from ..recognition.predict import SCORE, Prediction, Reader
from ..recognition.recognizer import RecognitionConfig
from ..recognition.ssd import SSD
from ..seeds import derive
from .catalog import open_for
from .evaluate import evaluate_run
from .folder import RunFolder

COLUMNS = 8
SAID = 12  # classes in a message


def open(path: str | Path, device: str = "auto") -> "Run":
    """The run in `path`. Raises SfumatoError if it is none, or holds no checkpoint yet."""
    run = Run(path, device)
    _ = run.system
    return run


class Run:
    """A run folder, opened for use. The network is loaded on first use, and so is its data unless it is `opened`."""

    def __init__(self, path: str | Path, device: str = "auto", opened: ImageData | None = None) -> None:
        self.folder = RunFolder(path)
        self.path = self.folder.path
        self.config: dict[str, Any] = self.folder.read_config()
        self._device = device
        self._system: System | None = None
        self._data = opened

    def __repr__(self) -> str:
        return f"Run({str(self.path)!r}: {self.config['system']} on {self.config['data']['name']})"

    @property
    def runtime(self) -> Runtime:
        as_trained = self._device in ("auto", self.config["device"])
        return choose(self._device, self.config["precision"] if as_trained else "auto")

    @property
    def system(self) -> System:
        """The trained system, in evaluation mode."""
        if self._system is None:
            _, system = self.folder.build_system()
            load_checkpoint(self.path, system, weights_only=True)
            runtime = self.runtime
            self._system = system.to(runtime.device).eval()
        return self._system

    def snapshot(self, percent: int) -> System:
        """The system as it was after `percent` of its training, in evaluation mode."""
        _, system = self.folder.build_system()
        load_snapshot(self.path, system, percent)
        return system.to(self.runtime.device).eval()

    @property
    def data(self) -> ImageData:
        """The data that the run was trained on, opened again."""
        if self._data is None:
            self._data = self.open_data(self.config["data"]["source"])
        return self._data

    def open_data(self, source: Sequence[str]) -> ImageData:
        """Other data, read as this run reads its own."""
        entry, config = self.folder.build_config(self.config)
        opened = open_for(entry, config, source)
        if isinstance(config, RecognitionConfig) and list(opened.classes) != self.config["data"]["classes"]:
            there, known = (", ".join(names[:SAID]) for names in (opened.classes, self.config["data"]["classes"]))
            raise SfumatoError(
                f"data {opened.name}: has the classes {there or 'none'}, and {self.path} tells apart {known}"
            )
        return opened

    @property
    def columns(self) -> int:
        """Images in a row of a sheet: a class in each column, where one can be asked for."""
        return self.system.config.classes if self.system.conditional else COLUMNS

    def sample(self, count: int, seed: int = 0, label: int | None = None) -> Tensor:
        """`count` images drawn from the model: float32 (count, c, h, w) in [0, 1], the same for the same seed.

        `label`: the class that they shall be of, counted from 0; for conditional systems. Raises SfumatoError for a
        system that draws nothing, or knows no such class.
        """
        system, generator = self.system, torch.Generator().manual_seed(derive(seed, "sample"))
        if label is not None and not system.conditional:
            raise SfumatoError(f"label {label}: {self.config['system']} cannot be asked for a class; cgan can")
        with self.runtime.autocast():
            images = system.sample(count, Wishes(label), generator)
        low, high = system.image_range
        return (images.float().cpu() - low) / (high - low)

    def predict(self, picture: str | Path, score: float = SCORE) -> Prediction:
        """What a recognition run sees in the file `picture`: names, boxes as sure as `score`, or pixels.

        Raises SfumatoError for a picture that cannot be read, and for a run of another kind."""
        return Reader(self, score).read(Path(picture))

    def anchors(self, count: int) -> Iterator[tuple[str, bytes]]:
        """Of `count` training images of an ssd run, a name and a PNG of which anchors are trained for which object.

        Raises SfumatoError for a run of another kind."""
        if not isinstance(self.system, SSD):
            raise SfumatoError(f"{self.path}: a {self.config['system']} run has no anchors; ssd has")
        if count < 1:
            raise SfumatoError(f"--count {count}: must be at least 1")
        for place in range(min(count, len(self.data.train))):
            yield f"train-{place}", inspect_anchors(self.system, self.data, place)

    def metrics(self) -> list[dict[str, Any]]:
        """The rows of metrics.jsonl."""
        return self.folder.metrics()

    def measures(self) -> list[dict[str, Any]]:
        """The rows of measures.jsonl: what was measured on the way."""
        return self.folder.metrics("measures.jsonl")

    @property
    def evaluation(self) -> dict[str, Any]:
        """What was measured when training ended: the content of evaluation.json."""
        path = self.path / "evaluation.json"
        if not path.is_file():
            raise SfumatoError(f"{self.path}: has no evaluation.json: its training has not ended")
        return json.loads(path.read_text("utf-8"))

    def evaluate(self, data: ImageData | None = None, inception: Path | None = None) -> dict[str, Any]:
        """Measures the run on the test images of its data (or of `data`), beside trivial baselines. `inception`: the
        weights of the network that FID is defined by (adversarial runs, with the extra `metrics`)."""
        entry, _ = self.folder.build_system()
        evaluation = evaluate_run(entry, self.system, data or self.data, self.runtime, inception)
        return evaluation | history(self.folder, evaluation) if data is None else evaluation
