"""A network as a table, and what one image costs in it."""

import torch
from torch import Tensor, nn

from ..nets.convolution import UpsampleConv
from ..nets.mlp import NarrowLinear
from .autoencoder import Autoencoder
from .convolutional import Affine


def layer_rows(system: Autoencoder) -> tuple[list[list[str]], int]:
    """A row per layer that an image passes: part, layer, output shape, parameters; and the sum of the parameters."""
    system.eval()
    device = next(system.parameters()).device
    value = torch.zeros(1, *system.image_shape, device=device)
    rows = []
    with torch.no_grad():
        for part, layers in (("encoder", system.encoder), ("decoder", system.decoder), ("output", [system.output])):
            for layer in layers:
                value = layer(value)
                count = sum(parameter.numel() for parameter in layer.parameters())
                shape = " × ".join(str(side) for side in value.shape[1:])
                rows.append([part, layer_name(layer), shape, f"{count:,}" if count else ""])
    return rows, sum(parameter.numel() for parameter in system.parameters())


def layer_name(layer: nn.Module) -> str:
    """`Linear 784 → 512`, `Conv 3×3, 48 → 96`: what a reader wants of torch's own description."""
    if isinstance(layer, nn.Linear):
        narrow = " (fp32)" if isinstance(layer, NarrowLinear) else ""
        return f"Linear {layer.in_features} → {layer.out_features}{narrow}"
    if isinstance(layer, nn.Conv2d):
        height, width = layer.kernel_size
        enlarged = "Upsample ×2, " if isinstance(layer, UpsampleConv) else ""
        return f"{enlarged}Conv {height}×{width}, {layer.in_channels} → {layer.out_channels}"
    if isinstance(layer, nn.BatchNorm2d):
        return "BatchNorm"
    if isinstance(layer, nn.MaxPool2d):
        return f"MaxPool {layer.kernel_size}"
    if isinstance(layer, nn.Flatten):
        return "Flatten"
    if isinstance(layer, Affine):
        return f"× {layer.scale:g}" + (f", {layer.shift:+g}" if layer.shift else "")
    return str(layer).replace("negative_slope=", "").removesuffix("()")


def multiply_adds(system: Autoencoder, as_printed: bool = True) -> int:
    """Multiply-adds of all convolutions and linear layers for one image.

    `as_printed`: an upsampling and its convolution count as the convolution of the enlarged maps; else as
    `UpsampleConv` computes them, with four products for nine.
    """
    total = 0

    def count(layer: nn.Module, _: object, output: Tensor) -> None:
        nonlocal total
        assert isinstance(layer, nn.Conv2d | nn.Linear)
        products = output[0].numel() * layer.weight[0].numel()
        total += products * 4 // 9 if isinstance(layer, UpsampleConv) and not as_printed else products

    hooks = [
        layer.register_forward_hook(count) for layer in system.modules() if isinstance(layer, nn.Conv2d | nn.Linear)
    ]
    system.eval()
    with torch.no_grad():
        system.reconstruct(torch.zeros(1, *system.image_shape, device=next(system.parameters()).device))
    for hook in hooks:
        hook.remove()
    return total
