"""state.json: where training stands, and the one before it.

Each has a digest of itself, and names the weights that it belongs to, with theirs. Where the last is damaged, or its
weights are, the save before is there to go on from.
"""

import hashlib
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from .. import strict
from ..errors import SfumatoError
from ..files import json_of, opened, write_bytes, write_json
from ..terminal import warn
from .clock import Tally

FORMAT = 3
LAST, BEFORE = "state.json", "state.before.json"
WEIGHTS = "checkpoints"
Group = dict[str, bool | int | float | str | list[float] | None]


@dataclass(frozen=True)
class PlateauState:
    """Everything that a resumed run needs of a `Plateau`, as JSON values. `best`: None before the first epoch's end."""

    best: float | None
    num_bad_epochs: Tally
    last_epoch: Tally
    total: float
    count: Tally


@dataclass(frozen=True)
class State:
    """The clock, the name and the digest of the weights, the groups of each optimiser without their parameters, the
    schedules, and `log`, what the run's log needs to go on."""

    format: int
    images: Tally
    stage: Tally | None  # that was entered last, from 0; None before the first step
    weights: str
    blake2b: str
    optimizers: dict[str, list[Group]]
    schedules: dict[str, PlateauState]
    log: dict[str, Any]

    def __post_init__(self) -> None:
        if self.weights != weights_name(self.images):
            raise ValueError(f"weights {self.weights[:100]!r}: must be {weights_name(self.images)}")


class Damaged(SfumatoError):
    """A file is not what was written, or is not there."""


def weights_name(images: int) -> str:
    return f"{images:012d}.safetensors"


def has_state(folder: Path) -> bool:
    return any((folder / name).is_file() for name in (LAST, BEFORE))


def write_state(folder: Path, state: State) -> set[str] | None:
    """Writes state.json after keeping the one before it, if that is of another instant and sound. Returns the names of
    the weights that both speak of; None if those of the one before cannot be told."""
    try:
        before = read_state(folder / LAST)
    except SfumatoError:
        before = None
    if before is not None and before.images != state.images:
        write_bytes(folder / BEFORE, (folder / LAST).read_bytes())
    else:
        before = None
    write_json(folder / LAST, sealed(asdict(state)))
    if before is None and (folder / BEFORE).is_file():
        try:
            before = read_state(folder / BEFORE)
        except SfumatoError:
            return None
    return {state.weights} | ({before.weights} if before else set())


def last_state(folder: Path, whole: bool = True, told: bool = False) -> State:
    """The last state that can be read and, if `whole`, whose weights are those that it was written for. Where that is
    the one before, a line says so if `told`. Raises SfumatoError if there is none."""
    faults = list[Damaged]()
    for name in (LAST, BEFORE):
        try:
            state = read_state(folder / name)
            if whole:
                _compare(folder / WEIGHTS / state.weights, state.blake2b)
        except Damaged as fault:
            faults.append(fault)
            continue
        if faults and told:
            warn(f"{faults[0]}; the save before is taken, of {state.images:,} images")
        return state
    raise faults[0]


def read_state(path: Path) -> State:
    """What a state file says, of this format or an older one. Raises Damaged if it is not what was written, and
    SfumatoError if it is of a newer Sfumato."""
    if not path.is_file():
        raise Damaged(f"{path}: not there: this run has no checkpoint yet")
    try:
        values = strict.read(path, dict[str, Any])
    except SfumatoError as error:
        raise Damaged(str(error)) from None
    form, digest = values.get("format"), values.pop("digest", None)
    if digest != (_digest(values) if digest is not None or form == FORMAT else None):
        raise Damaged(f"{path}: damaged: its digest is that of another content")
    if not isinstance(form, int) or isinstance(form, bool) or form < 1:
        raise Damaged(f"{path}: format: must be a whole number from 1 to {FORMAT}")
    if form > FORMAT:
        raise SfumatoError(
            f"{path}: format {str(form)[:20]}, but this Sfumato reads formats up to {FORMAT}: take a newer one"
        )
    try:
        return strict.convert(_migrated(values), State, str(path))
    except SfumatoError as error:
        raise Damaged(str(error)) from None


def sealed(values: dict[str, Any]) -> dict[str, Any]:
    """`values` with a digest of them."""
    return {**values, "digest": _digest(values)}


def _digest(values: Mapping[str, Any]) -> str:
    return hashlib.blake2b(json_of(values, ascii_only=True).encode()).hexdigest()


def _migrated(values: dict[str, Any]) -> dict[str, Any]:
    """Formats 1 and 2 as 3. 1 counts no stages: no system had more than one. Both have no digest."""
    stage = {"stage": 0 if values.get("images") else None} if values["format"] == 1 else {}
    return {**values, **stage, "format": FORMAT}


def _compare(path: Path, digest: str) -> None:
    try:
        with opened(path) as file:
            found = hashlib.file_digest(file, "blake2b").hexdigest()
    except OSError as error:
        raise Damaged(f"{path}: cannot be read ({error.strerror})") from None
    if found != digest:
        raise Damaged(f"{path}: damaged: its content is not what the state was written for")
