"""What a run is on disk.

    config.json      system, preset, every field, data and its fingerprint, seed, device, precision, versions
    state.json       the clock, optimisers and schedules; names the weights it belongs to
    checkpoints/     the weights, *.safetensors
    snapshots/       weights kept by name, in per cent of the run, where the system asks for it
    metrics.jsonl    one line per interval: images, epoch, losses, learning rate, seconds
    measures.jsonl   what was measured on the way, of systems that are measured then
    events.*         the same for TensorBoard
    samples/         pictures over time, named by images drawn
    figures/         of adversarial runs: curves, and the pictures over time as an animation, samples.webp
    evaluation.json, report.html

One process at a time owns a run that is being trained.
"""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from ..engine.fields import from_json
from ..engine.system import System
from ..errors import SfumatoError
from ..strict import shown
from .catalog import CATALOG, Entry
from .lock import owned
from .manifest import manifest_json, read_manifest


class RunFolder:
    """The files of one run. Reading needs no lock; training happens inside `owned()`."""

    def __init__(self, path: str | Path) -> None:
        self.path = Path(path)

    @property
    def is_run(self) -> bool:
        return (self.path / "config.json").is_file()

    @property
    def has_checkpoint(self) -> bool:
        return (self.path / "state.json").is_file()

    def read_config(self) -> dict[str, Any]:
        """config.json, its outer entries checked. Raises SfumatoError naming what is wrong."""
        values = manifest_json(read_manifest(self.path))
        if values["system"] not in CATALOG:
            path, system = self.path / "config.json", shown(values["system"])
            raise SfumatoError(f"{path}: system {system}: unknown; there are {', '.join(CATALOG)}")
        return values

    def build_system(self, values: dict[str, Any] | None = None) -> tuple[Entry, System]:
        """The untrained system that config.json describes, or `values` of the same form."""
        entry, config = self.build_config(values or self.read_config())
        return entry, entry.system_class(config)

    def build_config(self, values: dict[str, Any]) -> tuple[Entry, Any]:
        """The catalog's entry and the Config in `values`, which `read_config` gave."""
        entry = CATALOG[values["system"]]
        return entry, from_json(entry.config_class, values["config"], f"{self.path / 'config.json'}: config")

    def metrics(self, name: str = "metrics.jsonl") -> list[dict[str, Any]]:
        """The lines of metrics.jsonl, or of measures.jsonl; one cut short by a kill is passed over."""
        rows = []
        path = self.path / name
        for line in path.read_text("utf-8").splitlines() if path.exists() else []:
            try:
                rows.append(json.loads(line))
            except ValueError:
                continue
        return rows

    @contextmanager
    def owned(self) -> Iterator[None]:
        """Holds the folder for this process; the system lets go of it even after a kill.

        Raises SfumatoError naming the owner if another process holds it.
        """
        self.path.mkdir(parents=True, exist_ok=True)
        with owned(self.path):
            for left_by_a_kill in self.path.glob(".*.part"):
                left_by_a_kill.unlink()
            yield
