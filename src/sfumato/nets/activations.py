"""How loud the layers of an encoder are, and how to make them all alike."""

from contextlib import suppress
from pathlib import Path
from typing import cast

import torch
from safetensors.torch import save
from torch import Tensor, nn

from ..cache import cache_folder
from ..data.dataset import fingerprint
from ..errors import SfumatoError
from ..files import write_bytes
from ..weights.load import read_weights
from .encoders import Encoder

SIDE = 224  # of the photographs that mean activations are taken on
QUIET = 0.01


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
        write_bytes(kept, save(factors))
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
