"""Handing a trained encoder on: the two files that `sfumato stylize` and the measures use, small and without a run."""

import copy
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path

import torch
from safetensors.torch import save
from torch import Tensor, nn

from ..engine.system import System
from ..errors import SfumatoError
from ..files import json_of, write_bytes
from ..nets.activations import unit_mean_activation
from ..nets.decoder import Decoder
from .brush import BrushSystem
from .encoder import DistilledEncoder


def exports(system: System) -> bool:
    """Whether it has the two files."""
    return isinstance(system, DistilledEncoder | BrushSystem)


def export(system: System, folder: Path, origin: Mapping[str, str], where: str) -> list[Path]:
    """Writes `sfumato-encoder.safetensors` and `sfumato-decoder.safetensors` of an `encoder` or `brush` system into
    `folder`.

    Filters are brought to a mean activation of 1, which the decoder is told, and numbers to 16 bits; after a training
    that began with exported files, as a brush's does, the encoder is what it was. The files hold the Config and
    `origin`: the system's name under `system`, and whatever else is worth knowing. Raises SfumatoError, naming the run
    in `where`, for another system.
    """
    if not isinstance(system, DistilledEncoder | BrushSystem):
        raise SfumatoError(f"{where}: is a run of {origin['system']}; encoder and brush runs can be exported")
    restyler = copy.deepcopy(system.restyler)
    if isinstance(system, DistilledEncoder) and not system.config.start:  # else it has been done
        rescale_inputs(restyler.decoder, unit_mean_activation(restyler.encoder))
    fields = asdict(system.config)
    files = [name for name in ("teacher_file", "start") if name in fields]
    names = {name: Path(fields[name]).name for name in files}  # no folders of ours
    said = {**origin, "config": json_of(fields | names)}
    paths = []
    for part, module in (("encoder", restyler.encoder), ("decoder", restyler.decoder)):
        halves = {name: _half(name, value) for name, value in module.state_dict().items()}
        paths.append(folder / f"sfumato-{part}.safetensors")
        write_bytes(paths[-1], save(halves, said))
    return paths


@torch.no_grad()
def rescale_inputs(decoder: Decoder, factors: dict[str, Tensor]) -> None:
    """Makes `decoder` read features that were divided by `factors` (c,) as it read them before."""
    first = decoder.blocks[0]
    assert isinstance(first, nn.ModuleList)
    readers = {decoder.layers[0]: first[0], **dict(decoder.entries.items())}
    for layer, reader in readers.items():
        assert isinstance(reader, nn.Conv2d)
        reader.weight.mul_(factors[layer].view(1, -1, 1, 1))


def _half(name: str, value: Tensor) -> Tensor:
    half = value.detach().half().contiguous()
    if not half.isfinite().all():
        raise SfumatoError(f"{name}: does not fit into 16 bits")
    return half
