"""Discriminators of patches: how much they see, and how large an image must be."""

import pytest
import torch
from torch import nn

from sfumato.nets.norms import InstanceNorm
from sfumato.nets.patches import PATCHES, Patch, PatchDiscriminator, averaged, smallest
from sfumato.nets.receptive import receptive_field


@pytest.mark.parametrize("patch", PATCHES)
def test_a_verdict_is_on_a_patch_of_its_side(patch: Patch) -> None:
    network = PatchDiscriminator(3, 2, patch, lambda _: InstanceNorm())
    assert receptive_field(network, 384) == patch


@pytest.mark.parametrize("patch", PATCHES)
def test_the_smallest_image_has_one_verdict(patch: Patch) -> None:
    network, side = PatchDiscriminator(3, 2, patch, lambda _: InstanceNorm()), smallest(patch)
    assert network(torch.rand(1, 3, side, side)).shape == (1, 1, 1, 1)


def test_the_published_network_has_the_published_number_of_weights() -> None:
    """2,764,737 at 70×70 and width 64, with biases that norms cancel in three layers: 128, 256, 512."""
    network = PatchDiscriminator(3, 64, 70, lambda _: InstanceNorm())
    assert sum(parameter.numel() for parameter in network.parameters()) == 2_764_737 - (128 + 256 + 512)


def test_an_averaged_verdict_is_one_number_an_image() -> None:
    logits = torch.arange(18.0).view(2, 1, 3, 3)
    assert averaged(logits).tolist() == [4.0, 13.0]


def test_instance_norm_is_that_of_torch() -> None:
    maps = torch.randn(3, 5, 7, 6, generator=torch.Generator().manual_seed(0)) * 3 + 2
    torch.testing.assert_close(InstanceNorm()(maps), nn.InstanceNorm2d(5)(maps), atol=1e-5, rtol=1e-5)
