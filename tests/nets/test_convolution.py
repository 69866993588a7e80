"""The cheap way gives what the printed way gives."""

from typing import Literal

import pytest
import torch
from torch.nn import functional as F

from sfumato.nets.convolution import UpsampleConv


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
