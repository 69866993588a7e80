"""Weights that were trained elsewhere, or by us, read without running code and put into a network."""

import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file
from torch import Tensor, nn

from ..errors import SfumatoError
from .adapters import efficientnet_lite0
from .known import find

ADAPTERS = {"efficientnet_lite0": efficientnet_lite0.renamed}


def read_weights(path: Path, within: Sequence[str] = (), beside: Sequence[str] = ()) -> dict[str, Tensor]:
    """The tensors in a safetensors or torch file. `within`: where a torch file may hold them by their names;
    `beside`: the ones that then lie around these. Raises SfumatoError if it holds none, or what no network holds."""
    if not path.is_file():
        raise SfumatoError(f"weights {str(path)!r}: there is no such file")
    try:
        with warnings.catch_warnings(action="ignore"):  # torch's, of old pickles and of odd kinds of tensors
            values = _read(path)
        inner = next((name for name in within if isinstance(values.get(name), dict)), None)
        if inner is not None:
            values = {**values[inner], **{name: values[name] for name in beside if name in values}}
        fine = all(isinstance(name, str) and _is_weight(name, value) for name, value in values.items())
    except Exception as error:  # both readers, and odd kinds of tensors, answer with whatever they stumble over
        if "Unsupported global" in str(error):
            raise SfumatoError(
                f"weights {str(path)!r}: a pickle that runs code, which is not done here; where you trust it, take "
                "x = torch.load(FILE, weights_only=False), then torch.save(x.state_dict(), NEW), or of a dictionary "
                "the entry that holds the weights"
            ) from None
        raise SfumatoError(f"weights {str(path)!r}: not a file of weights") from None
    if not fine:
        raise SfumatoError(f"weights {str(path)!r}: not a file of finite weights")
    return {name: value.detach() for name, value in values.items()}


def _read(path: Path) -> dict[str, Any]:
    if path.suffix.lower() == ".safetensors":
        return load_file(path)
    return dict(torch.load(path, map_location="cpu", weights_only=True))


def _is_weight(name: str, value: object) -> bool:
    """Whether it is a tensor of finite numbers, and has no more of them than it has memory: a file of a few bytes may
    say that one number is repeated billions of times. A variance is not negative."""
    return (
        isinstance(value, Tensor)
        and value.dtype != torch.bool
        and not value.is_complex()
        and value.numel() * value.element_size() <= value.untyped_storage().nbytes()
        and bool(value.float().isfinite().all())
        and not (name.endswith("running_var") and bool((value < 0).any()))
    )


def load_network(network: nn.Module, name: str, file: str | Path = "", new: str | None = None) -> None:
    """Fills `network`, known as `name` and perhaps without its last layers, from `file`, or else with the weights that
    are known by that name: of this package, of one beside it, or torchvision's, fetched once.

    `new`: a layer of it that stays as it is. Raises SfumatoError if they cannot be had or are another network's.
    """
    path = Path(file).expanduser() if file else find(name)
    values, wanted = read_weights(path), network.state_dict()
    if name in ADAPTERS:
        values = ADAPTERS[name](values)
    # How many batches a norm has seen is missing from older files, and matters to nobody.
    left = [key for key in wanted if key.endswith("num_batches_tracked") and key not in values]
    wanted = {
        key: value
        for key, value in wanted.items()
        if key not in left and (new is None or not key.startswith(f"{new}."))
    }
    fine = all(key in values and values[key].shape == value.shape for key, value in wanted.items())
    if not fine:
        raise SfumatoError(f"weights {str(path)!r}: not those of {name}")
    network.load_state_dict({key: values[key].to(value.dtype) for key, value in wanted.items()}, strict=False)
