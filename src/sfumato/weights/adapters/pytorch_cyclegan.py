"""The generators of pytorch-CycleGAN-and-pix2pix (junyanz), `resnet_6blocks` and `resnet_9blocks` with instance norm:
`latest_net_G_A.pth`, which makes B of A, then `latest_net_G_B.pth`.

Biases in front of a norm, and the statistics that its oldest files keep of norms which never used them, change nothing
and are left out. Dropout is off, as in evaluation mode.
"""

import re
from collections.abc import Sequence

from torch import Tensor

from ...errors import SfumatoError
from . import Brought, Checkpoint

FILES = ("the generator that makes B of A (latest_net_G_A.pth)", "the other (latest_net_G_B.pth)")
BLOCK = re.compile(r"model\.\d+\.conv_block\.")
START = 10  # layers before the first residual block
DOWN = {1: "0.0", 4: "0.3", 7: "0.6"}
UP = ("2.0", "2.3")
LAST = "2.6"
STATISTICS = ("running_mean", "running_var")


def fits(parts: Sequence[Checkpoint]) -> bool:
    return any(BLOCK.match(name) for part in parts for name in part.shapes)


def brought(parts: Sequence[Checkpoint]) -> Brought:
    """Raises SfumatoError for other networks."""
    kinds, weights = [], {}
    for to, part in zip("ba", parts, strict=True):
        found = _generator(part)
        outputs, channels = found["0.0.weight"].shape[:2]
        kinds.append({"channels": channels, "width": outputs, "blocks": sum(".first." in name for name in found)})
        weights |= {f"to_{to}.{name}": value for name, value in found.items()}
    if kinds[0] != kinds[1]:
        raise SfumatoError(f"two generators that differ: {kinds[0]} and {kinds[1]}")
    return Brought("cyclegan:paper", {**kinds[0], "pool": 0, "half_life": 0}, weights)


def _generator(part: Checkpoint) -> dict[str, Tensor]:
    """By the names of ours."""
    blocks = len({match.group() for name in part.shapes if (match := BLOCK.match(name))})
    if not blocks:
        raise SfumatoError("holds no residual blocks: of its generators, resnet_6blocks and resnet_9blocks are known")
    dropped = 1 if f"model.{START}.conv_block.6.weight" in part else 0  # a layer of dropout before the second
    places = {f"model.{place}": ours for place, ours in DOWN.items()}
    for block in range(blocks):
        places[f"model.{START + block}.conv_block.1"] = f"1.{block}.first"
        places[f"model.{START + block}.conv_block.{5 + dropped}"] = f"1.{block}.second"
    end = START + blocks
    places |= {f"model.{end + 3 * index}": ours for index, ours in enumerate(UP)}
    weights = {f"{ours}.weight": part.take(f"{theirs}.weight") for theirs, ours in places.items()}
    last = f"model.{end + 7}"
    weights |= {f"{LAST}.{kind}": part.take(f"{last}.{kind}") for kind in ("weight", "bias")}
    for place in places:
        before, _, number = place.rpartition(".")
        part.drop([f"{place}.bias", *(f"{before}.{int(number) + 1}.{kind}" for kind in STATISTICS)])
    return weights
