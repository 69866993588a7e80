"""EfficientNet-Lite0 against its paper, TensorFlow's padding, and what photographs show."""

import pytest
import torch
from torch.nn import functional as F
from torch.utils.flop_counter import FlopCounterMode
from torchvision.models._meta import _IMAGENET_CATEGORIES
from torchvision.transforms.v2.functional import resize

from sfumato.data.dataset import central_square
from sfumato.data.photographs import photographs
from sfumato.nets.backbones import build_backbone
from sfumato.nets.efficientnet import EfficientNetLite0, SameConv2d
from sfumato.nets.encoders import EFFICIENTNET, InputUnits, build_encoder
from sfumato.weights.load import load_network

# The seventh, an astronaut, is none of ImageNet's classes.
SHOWN = {"cat": "Egyptian cat", "coffee": "espresso", "rocket": "missile", "motorcycle": "moped", "china": "palace",
         "flower": "daisy"}  # fmt: skip


@pytest.fixture(scope="module")
def network() -> EfficientNetLite0:
    made = EfficientNetLite0()
    load_network(made, EFFICIENTNET)
    return made.eval()


def test_bundled_photographs_are_what_they_show(network: EfficientNetLite0) -> None:
    pictures = photographs()
    squares = torch.stack([resize(central_square(pictures[name]), [224, 224], antialias=True) for name in SHOWN])
    with torch.no_grad():
        sure, found = network(InputUnits(EFFICIENTNET)(squares / 255)).softmax(1).max(1)
    assert [_IMAGENET_CATEGORIES[number] for number in found.tolist()] == list(SHOWN.values())
    assert sure[:2].tolist() == pytest.approx([0.396, 0.944], abs=0.01)


def test_it_is_as_large_as_published(network: EfficientNetLite0) -> None:
    """4.652 million parameters, 407 million multiplications and additions at 224×224."""
    assert sum(part.numel() for part in network.parameters()) == 4_652_008
    with torch.no_grad(), FlopCounterMode(display=False) as counter:
        network(torch.zeros(1, 3, 224, 224))
    assert round(counter.get_total_flops() / 2e6) in range(380, 410)


@pytest.mark.parametrize("side", [3, 5])
@pytest.mark.parametrize("stride", [1, 2])
@pytest.mark.parametrize("size", [(8, 8), (7, 9), (6, 11), (1, 2)])
def test_padding_is_tensorflows(side: int, stride: int, size: tuple[int, int]) -> None:
    """https://www.tensorflow.org/api_docs/python/tf/nn: at each output pixel, the sum over the filter's taps that lie
    inside the image, the first of them (padding before) to the left of pixel stride · i."""
    torch.manual_seed(0)
    layer = SameConv2d(2, 3, side, stride, side // 2, bias=False).double()
    images = torch.rand(1, 2, *size, dtype=torch.double)
    sides = []
    for pixels in size:
        total = max(side - stride, 0) if pixels % stride == 0 else max(side - pixels % stride, 0)
        sides.append((total // 2, total - total // 2))
    expected = torch.zeros(1, 3, *(-(-pixels // stride) for pixels in size), dtype=torch.double)
    for row in range(expected.shape[2]):
        for column in range(expected.shape[3]):
            for down in range(side):
                for right in range(side):
                    y, x = row * stride + down - sides[0][0], column * stride + right - sides[1][0]
                    if 0 <= y < size[0] and 0 <= x < size[1]:
                        expected[0, :, row, column] += layer.weight[:, :, down, right] @ images[0, :, y, x]
    found = layer(images)
    assert found.shape == expected.shape
    torch.testing.assert_close(found, expected.detach())
    if stride == 2 and size == (8, 8):
        torch.testing.assert_close(found, F.conv2d(F.pad(images, (*sides[1], *sides[0])), layer.weight, stride=2))


@pytest.mark.parametrize("size", [64, 96])
def test_the_atrous_form_computes_the_same_at_every_other_pixel(size: int) -> None:
    """`same` padding of an even side centres a strided filter on the odd pixels."""
    torch.manual_seed(0)
    usual, atrous = (build_backbone("efficientnet_lite0", atrous=atrous).eval() for atrous in (False, True))
    usual.load()
    atrous.load()
    images = torch.rand(1, 3, size, size)
    with torch.no_grad():
        coarse, fine = usual(images), atrous(images)
    assert usual.strides == [2, 4, 8, 16, 32]
    assert atrous.strides == [2, 4, 8, 16, 16]
    for values, same in zip(coarse[:-1], fine[:-1], strict=True):
        torch.testing.assert_close(values, same)
    torch.testing.assert_close(fine[-1][..., 1::2, 1::2], coarse[-1], rtol=1e-4, atol=1e-4)


def test_layers_by_name_are_the_networks(network: EfficientNetLite0) -> None:
    encoder = build_encoder(EFFICIENTNET).load().eval()
    images = torch.rand(2, 3, 64, 96)
    units = InputUnits(EFFICIENTNET)
    torch.testing.assert_close(units(images), (images * 255 - 127) / 128)
    with torch.no_grad():
        found = encoder(images, ("stem", "block3", "block16", "head"))
        torch.testing.assert_close(found["head"], network.features(units(images)))
        torch.testing.assert_close(found["block3"], network.features[:4](units(images)))
    assert {name: values.shape[1] for name, values in found.items()} == {
        "stem": 32, "block3": 24, "block16": 320, "head": 1280,
    }  # fmt: skip
    assert all(encoder.channels(name) == values.shape[1] for name, values in found.items())


def test_norms_that_are_folded_compute_the_same(network: EfficientNetLite0) -> None:
    images = torch.rand(1, 3, 96, 64)
    plain, folded = network(images), network(images.clone().requires_grad_())
    torch.testing.assert_close(folded, plain, rtol=1e-4, atol=1e-4)


def test_depthwise_layers_are_those_within_the_blocks() -> None:
    encoder = build_encoder("efficientnet_lite0").load().eval()
    caught: list[torch.Tensor] = []
    hook = encoder.features[5].depthwise.register_forward_hook(lambda *given: caught.append(given[2]))
    found = encoder(torch.rand(1, 3, 64, 64), ("depthwise5", "block5", "block6"))
    hook.remove()
    assert torch.equal(found["depthwise5"], caught[0])
    assert {name: values.shape[1] for name, values in found.items()} == {name: encoder.channels(name) for name in found}
