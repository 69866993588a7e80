"""Receptive fields by differentiation against the formula: 1 + Σ (kernel - 1) · strides before it."""

import pytest
import torch
from torch import nn

from sfumato.nets.backbones import build_backbone
from sfumato.nets.receptive import extent, influence, positive, receptive_field
from sfumato.recognition.ssd import SSD, Config, halving

# EfficientNet-Lite0 after its stem: kernel, stride and number of blocks (Tan and Le 2019, table 1).
BLOCKS = ((3, 1, 1), (3, 2, 2), (5, 2, 2), (3, 2, 3), (5, 1, 3), (5, 2, 4), (3, 1, 1))


@pytest.mark.parametrize(
    ("layers", "field"),
    [
        ([nn.Conv2d(3, 4, 3)], 3),
        ([nn.Conv2d(3, 4, 3), nn.Conv2d(4, 4, 3)], 5),
        ([nn.Conv2d(3, 4, 3, dilation=4)], 9),
        ([nn.Conv2d(3, 4, 3), nn.MaxPool2d(2), nn.ReLU(), nn.Conv2d(4, 4, 3)], 8),
        ([nn.Conv2d(3, 4, 7, stride=2), nn.BatchNorm2d(4), nn.Conv2d(4, 4, 3)], 11),
        ([nn.Conv2d(3, 4, 1), nn.AdaptiveAvgPool2d(1)], 64),
    ],
)
def test_receptive_fields_are_those_of_the_formula(layers: list[nn.Module], field: int) -> None:
    assert receptive_field(nn.Sequential(*layers), 64) == field


def test_a_network_with_norms_has_the_field_of_its_kernels() -> None:
    """Weights that were learnt, or norms as they begin, must not hide a part of it."""
    backbone = build_backbone("efficientnet_lite0")
    backbone.load()
    field, jump, fields = 3, 2, []
    for kernel, stride, count in BLOCKS:
        for number in range(count):
            if number == 0 and stride == 2:
                fields.append(field)
            field += (kernel - 1) * jump
            jump *= stride if number == 0 else 1
    for count, owed in enumerate([*fields, field][:4], 1):
        assert receptive_field(nn.Sequential(*backbone.stages[:count])) == owed


def test_the_gradient_of_a_halving_block_fills_six_by_six() -> None:
    torch.manual_seed(0)
    block, noise = halving(3, 8).eval(), torch.rand(64, 3, 20, 20)
    found = influence(block, noise)
    assert extent(found) == extent(influence(positive(block), noise)) == (8, 8, 14, 14)
    assert (found[8:14, 8:14] > 0).all()


def test_influence_is_the_sum_of_absolute_weights() -> None:
    layer = nn.Conv2d(3, 4, 3, padding=1)
    expected = layer.weight.detach().sum(0).abs().sum(0)
    assert torch.allclose(influence(layer, torch.rand(2, 3, 6, 6))[2:5, 2:5], expected)


@pytest.mark.parametrize("backbone", ["tiny", "sfumato", "squeezenet1_0"])
def test_parts_of_an_ssd_lead_to_its_maps(backbone: str) -> None:
    maps = SSD(Config(classes=1, resolution=128, backbone=backbone)).eval().maps  # pyright: ignore[reportArgumentType]
    image = torch.rand(1, 3, 128, 128)
    found = [values.shape for values in maps(image)]
    for part, shape in zip(maps.parts(), found, strict=True):
        image = part(image)
        assert image.shape == shape
