"""The cheap way gives what the printed way gives."""

from typing import Literal

import pytest
import torch
from torch.nn import functional as F

from sfumato.nets.convolution import UpsampleConv, WholeConv, WholeTransposedConv


@pytest.mark.parametrize("padding", ["zeros", "reflect"])
def test_upsample_conv_is_an_upsampling_and_a_convolution(padding: Literal["zeros", "reflect"]) -> None:
    torch.manual_seed(0)
    layer = UpsampleConv(5, 7, padding).double()
    images = torch.randn(2, 5, 6, 4, dtype=torch.double, requires_grad=True)
    twin = images.detach().clone().requires_grad_()
    weight, bias = (value.detach().clone().requires_grad_() for value in (layer.weight, layer.bias))
    mine = layer(images)
    mode = "constant" if padding == "zeros" else "reflect"
    oracle = F.conv2d(F.pad(F.interpolate(twin, scale_factor=2), (1, 1, 1, 1), mode), weight, bias)
    assert mine.shape == (2, 7, 12, 8)
    assert torch.allclose(mine, oracle, atol=1e-12)
    mine.square().sum().backward()
    oracle.square().sum().backward()
    for found, expected in ((images, twin), (layer.weight, weight), (layer.bias, bias)):
        assert found.grad is not None
        assert expected.grad is not None
        assert torch.allclose(found.grad, expected.grad, atol=1e-9)


@pytest.mark.parametrize("layout", [torch.contiguous_format, torch.channels_last])
@pytest.mark.parametrize("transposed", [False, True])
def test_a_kernel_over_the_whole_map_is_a_convolution(transposed: bool, layout: torch.memory_format) -> None:
    torch.manual_seed(0)
    layer = (WholeTransposedConv(6, 5, 7) if transposed else WholeConv(6, 5, 7)).double().to(memory_format=layout)  # pyright: ignore[reportCallIssue]
    side = 1 if transposed else 7
    images = torch.randn(3, 6, side, side, dtype=torch.double).contiguous(memory_format=layout).requires_grad_()
    twin, weight = (value.detach().clone().requires_grad_() for value in (images, layer.weight))
    oracle = F.conv_transpose2d(twin, weight) if transposed else F.conv2d(twin, weight, layer.bias)
    mine = layer(images)
    assert mine.shape == oracle.shape
    assert torch.allclose(mine, oracle, atol=1e-12)
    mine.square().sum().backward()
    oracle.square().sum().backward()
    for found, expected in ((images, twin), (layer.weight, weight)):
        assert found.grad is not None
        assert expected.grad is not None
        assert torch.allclose(found.grad, expected.grad, atol=1e-9)
