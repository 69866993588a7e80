"""config.json: what a run is."""

from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from ..engine.fields import from_json
from ..errors import SfumatoError
from ..strict import read
from .catalog import CATALOG, Entry


@dataclass(frozen=True, kw_only=True)
class DataRecord:
    """The data of a run: where it came from, and what it was."""

    source: tuple[str, ...]
    name: str
    fingerprint: str
    classes: tuple[str, ...]
    train: int
    test: int


@dataclass(frozen=True, kw_only=True)
class Manifest:
    """The content of config.json. `config`: the fields of the system's Config, as JSON values."""

    sfumato: str
    torch: str
    system: str
    preset: str
    config: dict[str, Any]
    data: DataRecord
    seed: int
    device: str
    precision: str
    processes: int


def read_manifest(folder: Path) -> Manifest:
    """Raises SfumatoError naming what is wrong."""
    path = folder / "config.json"
    if not path.is_file():
        raise SfumatoError(f"{folder}: not a run folder: it holds no config.json")
    manifest = read(path, Manifest)
    if manifest.system not in CATALOG:
        raise SfumatoError(f"{path}: system {manifest.system!r}: unknown; there are {', '.join(CATALOG)}")
    return manifest


def manifest_json(manifest: Manifest) -> dict[str, Any]:
    return asdict(manifest)


def build_config(manifest: Manifest, entry: Entry, where: str) -> Any:
    return from_json(entry.config_class, manifest.config, where)
