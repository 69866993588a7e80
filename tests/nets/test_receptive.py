"""Receptive fields by differentiation against the formula: 1 + Σ (kernel - 1) · strides before it."""

import pytest
from torch import nn

from sfumato.nets.backbones import build_backbone
from sfumato.nets.receptive import receptive_field

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
