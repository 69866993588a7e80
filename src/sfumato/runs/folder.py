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
import os
import socket
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from ..engine.fields import from_json
from ..engine.system import System
from ..errors import SfumatoError
from .catalog import CATALOG, Entry

CONFIG = {"sfumato": str, "torch": str, "system": str, "preset": str, "config": dict, "data": dict, "seed": int,
          "device": str, "precision": str, "processes": int}  # fmt: skip
DATA = {"source": list, "name": str, "fingerprint": str, "classes": list, "train": int, "test": int}


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
        path = self.path / "config.json"
        if not self.is_run:
            raise SfumatoError(f"{self.path}: not a run folder: it holds no config.json")
        try:
            values = json.loads(path.read_text("utf-8"))
        except (ValueError, OSError) as error:
            raise SfumatoError(f"{path}: not readable as JSON ({error})") from None
        _check(values, CONFIG, str(path))
        _check(values["data"], DATA, f"{path}: data")
        if values["system"] not in CATALOG:
            raise SfumatoError(f"{path}: system {values['system']!r}: unknown; there are {', '.join(CATALOG)}")
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
        with (self.path / "lock").open("a+", encoding="utf-8") as file:
            if not _lock(file.fileno()):
                file.seek(0)
                raise SfumatoError(f"{self.path}: in use by {file.read().strip() or 'another process'}")
            file.truncate(0)
            file.write(f"process {os.getpid()} on {socket.gethostname()}\n")
            file.flush()
            for left_by_a_kill in self.path.glob(".*.part"):
                left_by_a_kill.unlink()
            yield


def _check(values: Any, owed: dict[str, type], where: str) -> None:
    if not isinstance(values, dict):
        raise SfumatoError(f"{where}: must be an object")
    if unknown := sorted(values.keys() - owed.keys()):
        raise SfumatoError(f"{where}: unknown entries: {', '.join(unknown)}")
    if wrong := [key for key, kind in owed.items() if not isinstance(values.get(key), kind)]:
        raise SfumatoError(f"{where}: missing or wrongly typed: {', '.join(wrong)}")


def _lock(descriptor: int) -> bool:
    """An exclusive lock that ends with the process; False if somebody else has it."""
    if sys.platform == "win32":
        import msvcrt

        os.lseek(descriptor, 1 << 20, os.SEEK_SET)  # beyond the text, which others must be able to read
        try:
            msvcrt.locking(descriptor, msvcrt.LK_NBLCK, 1)
        except OSError:
            return False
        return True
    import fcntl

    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True
