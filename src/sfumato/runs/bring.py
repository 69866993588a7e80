"""Models of others, brought in: the weights of a peer's checkpoint, by names and shapes, as a model of one of ours."""

from collections.abc import Sequence
from pathlib import Path

import torch

from ..data.dataset import fingerprint
from ..data.names import decoded
from ..engine.fields import build, to_json
from ..errors import SfumatoError
from ..strict import content_of
from ..version import __version__
from ..weights.adapters import (
    COUNTED,
    Brought,
    Checkpoint,
    pytorch_adain,
    pytorch_cyclegan,
    pytorch_dcgan,
    stylegan2_pytorch,
    torchvision_classifier,
)
from ..weights.load import read_weights
from .catalog import find
from .folder import RunFolder
from .manifest import DataRecord, Manifest
from .model import is_spare, misfits, write_model

PEERS = {
    "pytorch-adain": pytorch_adain,
    "pytorch-dcgan": pytorch_dcgan,
    "pytorch-cyclegan": pytorch_cyclegan,
    "stylegan2-pytorch": stylegan2_pytorch,
    "torchvision": torchvision_classifier,
}
WITHIN = ("g_ema", "state_dict", "model")  # where checkpoints keep the network that one wants
BESIDE = ("latent_avg",)  # what lies around it that the network needs: a StyleGAN's mean style
MAX_NAMES = 2**20  # bytes of a file of names


def bring_in(
    files: str | Path | Sequence[str | Path], *, run: str | Path, peer: str | None = None, classes: Sequence[str] = ()
) -> Path:
    """Writes what `files`, checkpoints of `peer` (one of PEERS; by default it is told by their names and shapes), hold
    as a model into the folder `run`, and returns that. `classes`: the names of what a classifier tells apart.

    Raises SfumatoError for other networks, and for what none of our systems computes.
    """
    paths = [Path(path).expanduser() for path in ([files] if isinstance(files, str | Path) else files)]
    folder, where = RunFolder(run), " ".join(map(str, paths))
    if folder.path.exists():
        raise SfumatoError(f"{folder.path}: is there already: take another folder")
    parts = [Checkpoint(read_weights(path, WITHIN, BESIDE)) for path in paths]
    peer = peer or next((name for name, adapter in PEERS.items() if adapter.fits(parts)), None)
    if peer not in PEERS:
        raise SfumatoError(f"{where}: of none of the peers that are known: {', '.join(PEERS)}")
    adapter = PEERS[peer]
    try:
        if len(parts) != len(adapter.FILES):
            raise SfumatoError(f"give {', then '.join(adapter.FILES)}")
        brought = adapter.brought(parts)
        for part in parts:
            part.end()
        _write(brought, peer, folder, [path.name for path in paths], classes)
    except SfumatoError as error:
        raise SfumatoError(f"{where}: as {peer}: {error}") from None
    except (ArithmeticError, IndexError, RuntimeError, ValueError):  # of tensors with other sides than they should have
        raise SfumatoError(f"{where}: as {peer}: holds tensors of other shapes") from None
    return folder.path


def names_in(path: Path) -> list[str]:
    """The lines of a file but empty ones. Raises SfumatoError if it cannot be read, or holds none."""
    content = content_of(path, MAX_NAMES)
    try:
        names = [name for line in decoded(content).split("\n") if (name := line.strip())]
    except SfumatoError as error:
        raise SfumatoError(f"{path}: {error}") from None
    if not names:
        raise SfumatoError(f"{path}: holds no names")
    return names


def _write(brought: Brought, peer: str, folder: RunFolder, files: Sequence[str], classes: Sequence[str]) -> None:
    entry, preset = find(brought.system)
    config = build(entry.config_class, brought.fields, entry.name, base=entry.presets[preset])
    with torch.device("meta"):
        system = entry.build(config)
    counts = {
        name: torch.zeros_like(value, device="cpu")
        for name, value in system.state_dict().items()
        if name.endswith(COUNTED) and not is_spare(system, name)
    }
    weights = {**counts, **brought.weights}
    if wrong := misfits(system, weights):
        raise SfumatoError(f"does not become a {entry.name}: {len(wrong)} weights differ, {wrong[0]}")
    system.load_state_dict(weights, strict=False, assign=True)
    named = tuple(classes or brought.classes)
    if entry.system_class.names_classes:
        named = named or tuple(map(str, range(config.classes)))
        if len(named) != config.classes:
            raise SfumatoError(f"classes: {len(named)} names, and it tells apart {config.classes}")
    elif classes:
        raise SfumatoError(f"classes: are for classifiers, and {entry.name} tells nothing apart")
    record = DataRecord(
        source=(),
        name=", ".join(files),
        fingerprint=fingerprint(*(brought.weights[name] for name in sorted(brought.weights))),
        classes=named,
        train=0,
        test=0,
    )
    manifest = Manifest(
        sfumato=__version__,
        torch=torch.__version__,
        system=entry.name,
        preset=peer,
        config=to_json(config),
        data=record,
        seed=0,
        device="cpu",
        precision="fp32",
        processes=1,
    )
    write_model(manifest, system, folder.path, halved=False)
