"""Directions in w along which pictures change in one way: found, named, kept, applied.

- `pca`: the principal directions of many w (GANSpace: Härkönen et al. 2020, https://arxiv.org/abs/2004.02546).
- `sefa`: those that change the scales of the layers' maps most, in closed form: the eigenvectors of AᵀA, A all layers'
  style matrices (SeFa: Shen and Zhou 2021, https://arxiv.org/abs/2007.06600, eq. 7).
A direction is (latent,), as long as w deviates along it: an amount of 1 is one standard deviation.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Literal

import torch
from safetensors.torch import save
from torch import Tensor

from ..errors import SfumatoError
from ..files import write_bytes
from ..nets.styles import Style
from ..seeds import derive
from ..weights.load import read_weights
from .styled import Styled

Method = Literal["pca", "sefa"]
FILE = "directions.safetensors"
DRAWN = 10_000  # w


def many_styles(system: Styled, count: int = DRAWN, seed: int = 0) -> Tensor:
    """w (count, latent) on the CPU; of a conditional system of each class in turn."""
    generator = torch.Generator().manual_seed(derive(seed, "many styles"))
    latents = torch.randn(count, system.config.latent, generator=generator)
    return system.styles_of(latents, system.in_turn(count)).cpu()


def find(system: Styled, method: Method, count: int) -> dict[str, Tensor]:
    """The first `count` directions (latent,), by name. Raises SfumatoError for more than w has numbers."""
    if not 1 <= count <= system.config.latent:
        raise SfumatoError(f"count {count}: must lie between 1 and {system.config.latent}, the numbers of w")
    styles = many_styles(system)
    spread = styles - styles.mean(0)
    vectors = torch.linalg.eigh(spread.T @ spread if method == "pca" else _strongest(system)).eigenvectors
    best = vectors.flip(1).T[:count]
    # An eigenvector's sign is anybody's: the largest number is positive.
    best = best * best.gather(1, best.abs().argmax(1, keepdim=True)).sign()
    deviations = (spread @ best.T).std(0)
    return {f"{method}-{place}": vector for place, vector in enumerate(best * deviations[:, None], 1)}


def _strongest(system: Styled) -> Tensor:
    """AᵀA (latent, latent)."""
    matrices = [layer.weights() for layer in system.maker.modules() if isinstance(layer, Style)]
    every = torch.cat(matrices).detach().cpu()
    return every.T @ every


def known(path: Path) -> dict[str, Tensor]:
    """The directions that are kept in `path`, if there are any."""
    return read_weights(path) if path.is_file() else {}


def keep(path: Path, directions: Mapping[str, Tensor]) -> None:
    """Writes directions by name, whole or not at all."""
    write_bytes(path, save({name: value.contiguous() for name, value in directions.items()}))


def renamed(directions: Mapping[str, Tensor], names: Sequence[str]) -> dict[str, Tensor]:
    """With other names: each of `names` is OLD=NEW. Raises SfumatoError for one that is none, or is not there."""
    found = dict(directions)
    for text in names:
        old, equal, new = text.partition("=")
        if not equal or not new.strip() or old not in found:
            raise SfumatoError(f"name {text!r}: must be OLD=NEW; there are {', '.join(found) or 'none'}")
        found = {new.strip() if name == old else name: value for name, value in found.items()}
    return found


def amounts(path: Path, edits: Mapping[str, float], system: Styled) -> Tensor:
    """(latent,): the sum of the named directions, each so many deviations far. Raises SfumatoError for unknown ones."""
    there = known(path)
    total = torch.zeros(system.config.latent)
    for name, amount in edits.items():
        if name not in there:
            known_ones = ", ".join(there) or f"none: call `sfumato directions {path.parent}` first"
            raise SfumatoError(f"edit {name!r}: no direction of that name in {path}; there are {known_ones}")
        if there[name].shape != total.shape:
            raise SfumatoError(f"{path}: {name} has shape {tuple(there[name].shape)}, must be {tuple(total.shape)}")
        total += amount * there[name].float()
    return total
