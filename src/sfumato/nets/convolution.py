"""Convolutions that do the printed thing in a cheaper way."""

from typing import Literal

from torch import Tensor, nn
from torch.nn import functional as F


class WholeConv(nn.Conv2d):
    """A convolution whose kernel covers the whole map, (b, c, k, k) to (b, outputs, 1, 1), computed as the matrix
    product that it is; with channels last both sides of it lie in memory as it wants them."""

    def forward(self, input: Tensor) -> Tensor:
        return F.linear(_flat(input), _flat(self.weight), self.bias)[..., None, None]


class WholeTransposedConv(nn.ConvTranspose2d):
    """A transposed convolution from one pixel, (b, c, 1, 1) to (b, outputs, k, k), computed in the same way. Without
    bias."""

    def __init__(self, inputs: int, outputs: int, side: int) -> None:
        super().__init__(inputs, outputs, side, bias=False)

    def forward(self, input: Tensor, output_size: list[int] | None = None) -> Tensor:
        flat = input.flatten(1) @ _flat(self.weight)
        return flat.unflatten(1, (*self.kernel_size, self.out_channels)).permute(0, 3, 1, 2)


def _flat(maps: Tensor) -> Tensor:
    """(n, c, k, k) as (n, k · k · c)."""
    return maps.permute(0, 2, 3, 1).flatten(1)


class UpsampleConv(nn.Conv2d):
    """Nearest upsampling by 2, then a 3×3 convolution: (b, c, h, w) to (b, outputs, 2h, 2w).

    Computed as one transposed convolution of stride 2 whose 4×4 kernel is the 3×3 kernel spread by a 2×2 box: the same
    function (to rounding) with 4/9 of the multiply-adds, and the enlarged maps are never made. Reflecting the enlarged
    map by one pixel repeats its border, so that is what happens to the small one.

    `smooth`: bilinear upsampling in place of nearest, whose stairs a single convolution cannot undo.
    """

    def __init__(
        self, inputs: int, outputs: int, padding_mode: Literal["zeros", "reflect"] = "zeros", smooth: bool = False
    ) -> None:
        super().__init__(inputs, outputs, 3, padding=1, padding_mode=padding_mode)
        self.smooth = smooth

    def forward(self, input: Tensor) -> Tensor:
        if self.smooth:
            return super().forward(F.interpolate(input, scale_factor=2, mode="bilinear", align_corners=False))
        kernel = spread(self.weight.flip(2, 3)).transpose(0, 1)
        if self.padding_mode == "zeros":
            return F.conv_transpose2d(input, kernel, self.bias, stride=2, padding=1)
        return F.conv_transpose2d(F.pad(input, (1, 1, 1, 1), mode="replicate"), kernel, self.bias, stride=2, padding=3)


def spread(kernels: Tensor) -> Tensor:
    """3×3 kernels (o, i, 3, 3) under a 2×2 box: (o, i, 4, 4)."""
    wider = F.pad(kernels, (0, 1)) + F.pad(kernels, (1, 0))
    return F.pad(wider, (0, 0, 0, 1)) + F.pad(wider, (0, 0, 1, 0))
