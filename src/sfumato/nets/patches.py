"""A discriminator that judges every patch of an image on its own.

Isola et al. 2017, https://arxiv.org/abs/1611.07004, section 3.2 and appendix 6.1.2. Images are (b, c, h, w); logits are
(b, 1, h', w'), one for each patch.
"""

from collections.abc import Callable
from itertools import pairwise
from typing import Literal

from torch import Tensor, nn

from .players import SLOPE, WIDEST, initialise

Patch = Literal[16, 34, 70, 142, 286]
PATCHES: tuple[Patch, ...] = (16, 34, 70, 142, 286)  # sides of a patch by the number of strided layers, from 1
SEEN = 4  # pixels of the side of a kernel


class PatchDiscriminator(nn.Sequential):
    """4×4 convolutions, all but the last two of stride 2, LeakyReLU 0.2; `norm` makes what follows each but the first
    and the last, from the number of its maps, and takes the place of their bias. `width`: maps after the first, doubled
    from layer to layer, eightfold at most."""

    def __init__(self, channels: int, width: int, patch: Patch, norm: Callable[[int], nn.Module]) -> None:
        strided = PATCHES.index(patch) + 1
        widths = [channels, *(width * min(2**layer, WIDEST) for layer in range(strided + 1))]
        layers: list[nn.Module] = []
        for number, (inputs, outputs) in enumerate(pairwise(widths)):
            stride = 2 if number < strided else 1
            layers.append(nn.Conv2d(inputs, outputs, SEEN, stride, padding=1, bias=not number))
            layers += [*([norm(outputs)] if number else []), nn.LeakyReLU(SLOPE, inplace=True)]
        super().__init__(*layers, nn.Conv2d(widths[-1], 1, SEEN, padding=1))
        self.apply(initialise)


def smallest(patch: Patch) -> int:
    """The least side of an image that a discriminator of such patches has a verdict on."""
    halvings = PATCHES.index(patch) + 1
    return 3 << halvings  # two layers of stride 1 take a pixel each from what the halvings leave, and one must stay


def averaged(logits: Tensor) -> Tensor:
    """One verdict for each image: the mean over its patches, (b,)."""
    return logits.mean((1, 2, 3))
