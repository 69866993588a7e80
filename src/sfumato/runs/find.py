"""The runs under a folder: what each is and how far it is. Reading them needs no torch and disturbs no training."""

import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from ..engine.state import BEFORE, LAST, has_state, last_state
from ..errors import SfumatoError
from ..files import opened
from .folder import RunFolder
from .lock import owner_of
from .manifest import NAME, Manifest, read_manifest

# Files that must lie in the folder themselves.
OWN = (
    NAME,
    LAST,
    BEFORE,
    "model.safetensors",
    "plane.json",
    "evaluation.json",
    "metrics.jsonl",
    "measures.jsonl",
    "lock",
)


@dataclass(frozen=True)
class Found:
    """A run, or a folder that cannot be read. `manifest`: None if it cannot be read. `fault`: in one line, of what is
    broken. `images`: training images drawn up to its last checkpoint. `rows`: of metrics.jsonl. `samples`: pictures
    made on the way, in order. `owner`: who trains it, of a running one."""

    path: Path
    state: Literal["running", "finished", "stopped", "broken"]
    manifest: Manifest | None = None
    fault: str = ""
    images: int = 0
    rows: int = 0
    samples: tuple[Path, ...] = ()
    owner: str = ""


def runs_under(root: Path) -> list[Found]:
    """The runs in `root` and below, by path, and the folders that cannot be read, as broken ones. A run's own folders
    are not looked into, and links to folders not followed. Raises SfumatoError if `root` is no folder."""
    if not root.is_dir():
        raise SfumatoError(f"{root}: not a folder")
    return sorted(_found(root), key=lambda found: found.path)


def _found(root: Path) -> Iterator[Found]:
    waiting = [root]
    while waiting:
        folder = waiting.pop()
        try:
            entries = list(os.scandir(folder))
        except OSError as error:
            yield Found(folder, "broken", fault=f"{folder}: cannot be read ({error.strerror})")
            continue
        if any(entry.name == NAME for entry in entries):
            yield look_at(folder)
        else:
            waiting += [folder / entry.name for entry in entries if entry.is_dir(follow_symlinks=False)]


def look_at(folder: Path) -> Found:
    """The run in `folder`."""
    manifest = None
    try:
        check_files(folder)
        manifest = read_manifest(folder)
        images = last_state(folder, whole=False).images if has_state(folder) else 0
        total = manifest.config.get("images")
        rows = _rows(folder / "metrics.jsonl")
        owner = owner_of(folder) or ""
    except SfumatoError as error:
        return Found(folder, "broken", manifest, str(error))
    run = RunFolder(folder)
    samples = () if (folder / "samples").is_symlink() else tuple(run.looks())
    ended = run.is_finished or (type(total) is int and 0 < total <= images)
    state = "running" if owner else "finished" if ended else "stopped"
    return Found(folder, state, manifest, images=images, rows=rows, samples=samples, owner=owner)


def check_files(folder: Path) -> None:
    """Raises SfumatoError if what a run is read from is a link, which leads anywhere."""
    for name in OWN:
        if (folder / name).is_symlink():
            raise SfumatoError(f"{folder / name}: a link: a run's files lie in its folder")


def _rows(path: Path) -> int:
    try:
        with opened(path) as file:
            return sum(block.count(b"\n") for block in iter(lambda: file.read(2**20), b""))
    except FileNotFoundError:
        return 0
    except OSError as error:
        raise SfumatoError(f"{path}: cannot be read ({error.strerror})") from None
