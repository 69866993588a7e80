"""Weights that were trained elsewhere, or by us: read without running code, fetched with their checksum.

torchvision is imported where it is needed: `sfumato stylize` starts in half the time without it.
"""

from contextlib import suppress
from pathlib import Path
from typing import cast
from urllib.error import URLError

import torch
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

from ..cache import cache_folder
from ..data.dataset import fingerprint
from ..errors import SfumatoError
from ..files import write_atomically
from ..nets.encoders import Encoder

SIDE = 224  # of the photographs that mean activations are taken on
QUIET = 0.01
SHIPPED = Path(__file__).parent / "shipped"


def read_weights(path: Path) -> dict[str, Tensor]:
    """The tensors in a safetensors or torch file. Raises SfumatoError if it holds none."""
    if not path.is_file():
        raise SfumatoError(f"weights {str(path)!r}: there is no such file")
    try:
        safe = path.suffix == ".safetensors"
        values = load_file(path) if safe else torch.load(path, map_location="cpu", weights_only=True)
        fine = isinstance(values, dict) and all(
            isinstance(name, str) and isinstance(value, Tensor) and bool(value.isfinite().all())
            for name, value in values.items()
        )
    except Exception:  # both readers, and odd kinds of tensors, answer with whatever they stumble over
        raise SfumatoError(f"weights {str(path)!r}: not a file of weights") from None
    if not fine:
        raise SfumatoError(f"weights {str(path)!r}: not a file of finite weights")
    return values


def load_pretrained(encoder: Encoder, file: str | Path = "") -> Encoder:
    """Fills `encoder` from `file`, or by its name: the weights of this package, or torchvision's, fetched once.

    Raises SfumatoError if they cannot be had or are another network's.
    """
    load_network(encoder, encoder.name, file)
    return encoder


def load_network(network: nn.Module, name: str, file: str | Path = "", new: str | None = None) -> None:
    """Fills `network`, torchvision's `name` perhaps without its last layers, as `load_pretrained` does an encoder.
    `new`: a layer of it that stays as it is."""
    path = Path(file).expanduser() if file else _known(name)
    values, wanted = read_weights(path), network.state_dict()
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


def _known(name: str) -> Path:
    return _shipped(name) if _shipped(name).is_file() else fetch_weights(name)


def _shipped(name: str) -> Path:
    return SHIPPED / f"{name}-encoder.safetensors"


def is_here(name: str) -> bool:
    """Whether the weights of encoder `name` can be had without a network."""
    return _shipped(name).is_file() or _cached(name)[1].is_file()


def _cached(name: str) -> tuple[str, Path]:
    """The address of torchvision's ImageNet weights of `name`, and their place in the cache."""
    from torchvision.models import get_model_weights

    known = get_model_weights(name)
    if "IMAGENET1K_V1" not in known.__members__:
        raise SfumatoError(
            f"{name}: torchvision has no plain ImageNet weights of it: give a file, or take another network"
        )
    url = known["IMAGENET1K_V1"].url
    return url, cache_folder("weights") / url.rsplit("/", 1)[1]


def fetch_weights(name: str) -> Path:
    """torchvision's ImageNet weights of `name`, in the cache. Their names end in the first digits of their sha256."""
    url, path = _cached(name)
    if not path.is_file():
        path.parent.mkdir(parents=True, exist_ok=True)
        try:
            torch.hub.download_url_to_file(url, str(path), hash_prefix=path.stem.rsplit("-", 1)[1])
        except (URLError, OSError, RuntimeError) as error:
            raise SfumatoError(
                f"{name}: its weights are not here and cannot be fetched ({error}): give them with --weights-file FILE "
                f"(--teacher-file to train an encoder, --weights to train on them), or use the network sfumato"
            ) from None
    return path


@torch.no_grad()
def unit_mean_activation(encoder: Encoder) -> dict[str, Tensor]:
    """Rescales the filters of `encoder` so that each is 1 on average over positions and the embedded photographs.

    What a ReLU network computes stays the same up to one factor per channel; losses on it no longer depend on how loud
    a layer happens to be. Filters that hardly ever fire stay quiet: what fires less than a hundredth of its layer's
    mean counts as that. Returns the factors that the channels behind each ReLU were divided by, (c,) by layer. The
    photographs take seconds: the result is kept in the cache.
    """
    before = fingerprint(repr(encoder.features), *encoder.features.state_dict().values())
    kept = cache_folder("weights") / f"{encoder.name}-{before}-mean-activations.safetensors"
    factors = _known_activations(encoder, kept)
    if factors is None:
        factors = _mean_activations(encoder)
        kept.parent.mkdir(parents=True, exist_ok=True)
        write_atomically(kept, lambda path: save_file(factors, path))
    from torchvision.models.squeezenet import Fire

    incoming = torch.ones(3)
    for place, layer in enumerate(encoder.features):
        if isinstance(layer, nn.Conv2d | Fire):
            outgoing = factors[_active(encoder, place)]
            first, last = (
                (layer.squeeze, (layer.expand1x1, layer.expand3x3)) if isinstance(layer, Fire) else (layer, (layer,))
            )
            first.weight.mul_(incoming.view(1, -1, 1, 1))
            for convolution, own in zip(last, outgoing.chunk(len(last)), strict=True):
                convolution.weight.div_(own.view(-1, 1, 1, 1))
                cast(Tensor, convolution.bias).div_(own)
            incoming = outgoing
    return factors


def _known_activations(encoder: Encoder, path: Path) -> dict[str, Tensor] | None:
    """What was kept of an earlier call, if it is whole."""
    if not path.is_file():
        return None
    with suppress(SfumatoError):
        values = read_weights(path)
        if values.keys() == set(_firing(encoder)):
            return values
    return None


def _firing(encoder: Encoder) -> list[str]:
    """The layers behind a ReLU."""
    return [name for name in encoder.places if not name.startswith("conv")]


def _pictures() -> Tensor:
    from ..data.photographs import read_photographs

    return read_photographs(SIDE).train.images()


def _active(encoder: Encoder, place: int) -> str:
    """The name of what stands behind the convolution, or the fire module, at `place`, and behind its ReLU."""
    names = {index: name for name, index in encoder.places.items()}
    return names[place + isinstance(encoder.features[place], nn.Conv2d)]


def _mean_activations(encoder: Encoder) -> dict[str, Tensor]:
    layers = _firing(encoder)
    images = _pictures()
    totals: dict[str, Tensor] = {}
    for chunk in images.split(4):
        for layer, values in encoder(chunk, layers).items():
            totals[layer] = totals.get(layer, torch.zeros(())) + values.mean((2, 3)).sum(0)
    means = {layer: total / len(images) for layer, total in totals.items()}
    return {layer: mean.clamp_min(QUIET * float(mean.mean())).contiguous() for layer, mean in means.items()}
