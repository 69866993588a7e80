"""What a translator makes of sets of pictures, all (n, c, h, w) in [0, 1] on the CPU."""

from math import prod

import torch
from torch import Tensor

from ..data.dataset import ImageData, Split
from ..engine.runtime import Runtime
from .translator import OTHER, SIDES, Both, Side, Translator

MAX_AT_ONCE = 4_000_000  # numbers in all images that are translated at once
MAX_IMAGES = 1_000  # of a side that are measured
MAX_NUMBERS = 50_000_000  # in them


def translated(system: Translator, images: Tensor, to: Side, runtime: Runtime) -> Tensor:
    """Images of the other side as ones of side `to`."""
    system.eval()
    at_once = max(1, MAX_AT_ONCE // prod(images.shape[1:]))
    with torch.no_grad(), runtime.autocast():
        parts = [
            (system.translate(2 * part - 1, to).cpu() + 1) / 2
            for part in (part.contiguous(memory_format=runtime.memory_format) for part in images.split(at_once))
        ]
    return torch.cat(parts)


def split_of(data: ImageData, side: Side) -> tuple[Split, Split]:
    """The training and the test pictures of a side, of the size that they were read in."""
    assert data.second is not None
    chosen = data if side == "a" else data.second
    return chosen.train, chosen.test


def held_out(system: Translator, data: ImageData, side: Side, count: int = MAX_IMAGES) -> Tensor:
    """Test pictures of a side as the networks see them, spread over the set; of pairs, partners at the same places."""
    split = split_of(data, side)[1].at_resolution(system.config.resolution)
    return split.images(split.spread(count_for(system, data, side, count)))


def count_for(system: Translator, data: ImageData, side: Side, limit: int = MAX_IMAGES) -> int:
    """How many test pictures of a side are looked at."""
    config = system.config
    numbers = config.channels * config.resolution**2
    return max(1, min(len(split_of(data, side)[1]), limit, MAX_NUMBERS // numbers))


def cycle(system: Translator, images: Both, runtime: Runtime) -> tuple[Both, Both, Both]:
    """Of images of both sides, by the side that they come from: translated, back again, and what the network that makes
    their own side does to them."""
    made: Both = {side: translated(system, images[side], OTHER[side], runtime) for side in SIDES}
    back: Both = {side: translated(system, made[side], side, runtime) for side in SIDES}
    same: Both = {side: translated(system, images[side], side, runtime) for side in SIDES}
    return made, back, same
