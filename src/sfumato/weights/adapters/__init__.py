"""Weights as others name them, under the names of our networks: a file for each of these others."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from torch import Tensor

from ...errors import SfumatoError
from ...strict import shown

COUNTED = "num_batches_tracked"  # how many batches a norm has seen: missing from older files, and matters to nobody


class Checkpoint:
    """The tensors of a file by the peer's names, which begin with `module.` where a copy on several GPUs was saved.
    Each is taken once; what is left in the end is of another network."""

    def __init__(self, values: Mapping[str, Tensor]) -> None:
        start = "module." if all(name.startswith("module.") for name in values) else ""
        self._left = {name.removeprefix(start): value for name, value in values.items() if not name.endswith(COUNTED)}

    def __contains__(self, name: str) -> bool:
        return name in self._left

    @property
    def shapes(self) -> dict[str, tuple[int, ...]]:
        """Of what is left, by name."""
        return {name: tuple(value.shape) for name, value in self._left.items()}

    def shape(self, name: str) -> tuple[int, ...]:
        """Raises SfumatoError for a tensor that is not there."""
        return tuple(self._of(name).shape)

    def take(self, name: str) -> Tensor:
        """A tensor, in fp32. Raises SfumatoError if it is not there."""
        value = self._of(name).float()
        del self._left[name]
        return value

    def drop(self, names: Iterable[str]) -> None:
        """What the result does not depend on."""
        for name in names:
            self._left.pop(name, None)

    def end(self) -> None:
        """Raises SfumatoError if anything is left."""
        if self._left:
            raise SfumatoError(f"holds {shown(next(iter(self._left)))}, which that network does not have")

    def _of(self, name: str) -> Tensor:
        if name not in self._left:
            raise SfumatoError(f"holds no {name}")
        return self._left[name]


@dataclass(frozen=True)
class Brought:
    """What a peer's weights become: a system, `NAME:PRESET`, with these fields, and weights by the names that its
    `state_dict` has. `classes`: the names of what it tells apart."""

    system: str
    fields: Mapping[str, Any]
    weights: Mapping[str, Tensor]
    classes: Sequence[str] = field(default=())
