"""What a run is on disk. Importing this file imports no torch.

    config.json      system, preset, every field, data and its fingerprint, seed, device, precision, threads, versions
    state.json       the clock, optimisers and schedules; names the weights it belongs to; state.before.json: the save
                     before
    checkpoints/     the weights, *.safetensors
    snapshots/       weights kept by name, in per cent of the run, where the system asks for it
    metrics.jsonl    one line per interval: images, epoch, losses, learning rate, seconds
    measures.jsonl   what was measured on the way, of systems that are measured then
    events.*         the same for TensorBoard
    samples/         pictures over time, named by images drawn
    figures/         of runs whose page has a film: curves, and the pictures over time as an animation, samples.webp
    evaluation.json, report.html

One process at a time owns a run that is being trained.
"""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from ..engine.state import BEFORE, LAST, WEIGHTS, has_state
from ..errors import SfumatoError
from ..files import check_place, make_folder, resolved, write_json
from ..metrics.table import Evaluation
from .lock import owned
from .manifest import Manifest, manifest_json, read_manifest
from .results import read_evaluation
from .rows import Line, read_rows


class RunFolder:
    """The files of one run. Reading needs no lock; training happens inside `owned()`."""

    def __init__(self, path: str | Path) -> None:
        self.path = Path(path)

    @property
    def is_run(self) -> bool:
        return (self.path / "config.json").is_file()

    @property
    def has_checkpoint(self) -> bool:
        return has_state(self.path)

    @property
    def is_finished(self) -> bool:
        return (self.path / "evaluation.json").is_file()

    def manifest(self) -> Manifest:
        """config.json. Raises SfumatoError naming what is wrong."""
        return read_manifest(self.path)

    def write_manifest(self, manifest: Manifest) -> None:
        write_json(self.path / "config.json", manifest_json(manifest))

    def forget_evaluation(self) -> None:
        """It is of weights that are about to be trained on."""
        (self.path / "evaluation.json").unlink(missing_ok=True)

    def forget_checkpoints(self) -> None:
        """They are of a run that lay here before."""
        for path in (self.path / LAST, self.path / BEFORE, *(self.path / WEIGHTS).glob("*.safetensors")):
            check_place(path)
            path.unlink(missing_ok=True)

    def forget_snapshots(self) -> None:
        """They are named by their share of a run, which is to have another length."""
        for path in (self.path / "snapshots").glob("*.safetensors"):
            path.unlink()

    def evaluation(self) -> Evaluation:
        """evaluation.json. Raises SfumatoError if there is none, or naming what is wrong."""
        return read_evaluation(self.path)

    def metrics(self, name: str = "metrics.jsonl") -> list[Line]:
        """The lines of metrics.jsonl, or of measures.jsonl."""
        return read_rows(self.path / name)

    def looks(self) -> list[Path]:
        """The pictures that were made on the way, in order."""
        return sorted((self.path / "samples").glob("[0-9]*.png"))

    def check_links(self) -> None:
        """Raises SfumatoError if a link leads out of the folder: what is written there would land elsewhere."""
        home = resolved(self.path)
        for folder, folders, files in os.walk(self.path):
            for entry in (Path(folder, name) for name in (*folders, *files)):
                if entry.is_symlink() and not Path(os.path.realpath(entry)).is_relative_to(home):
                    raise SfumatoError(f"{entry}: a link that leads out of the run folder: remove it")

    @contextmanager
    def owned(self) -> Iterator[None]:
        """Holds the folder for this process; the system lets go of it even after a kill.

        Raises SfumatoError naming the owner if another process holds it, or a link that leads out of it.
        """
        make_folder(self.path)
        self.check_links()
        with owned(self.path):
            for left_by_a_kill in self.path.rglob(".*.part"):
                left_by_a_kill.unlink()
            yield
