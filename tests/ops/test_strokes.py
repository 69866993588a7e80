"""Noise along edges: directions of known edges, and noise that is long along them."""

import pytest
import torch
from torch import Tensor

from sfumato.ops.strokes import blurred, directions, flow_noise


def stripes(angle: float, side: int = 96) -> Tensor:
    """Bands that run along `angle`, from across to down."""
    down, across = torch.meshgrid(torch.arange(side), torch.arange(side), indexing="ij")
    turned = torch.deg2rad(torch.tensor(angle))
    level = torch.sin(0.4 * (down * turned.cos() - across * turned.sin()))
    return (0.5 + 0.4 * level).expand(1, 3, side, side)


@pytest.mark.parametrize("angle", [0.0, 30.0, 90.0, 135.0])
def test_directions_run_along_edges(angle: float) -> None:
    found = directions(stripes(angle))[0, :, 20:-20, 20:-20]
    turned = torch.deg2rad(torch.tensor(angle))
    expected = torch.stack([turned.cos(), turned.sin()])
    assert float((found * expected[:, None, None]).sum(0).abs().min()) > 0.99  # a direction has no sign


def test_noise_is_standard_and_long_along_edges() -> None:
    noise = flow_noise(stripes(0.0), torch.tensor([0]))
    assert float(noise.mean().abs()) < 0.02
    assert float(noise.std()) == pytest.approx(1, abs=0.15)
    across, down = noise.diff(dim=3).square().mean(), noise.diff(dim=2).square().mean()
    assert float(down) > 3 * float(across)


def test_noise_keeps_to_its_seed_whatever_is_beside_it() -> None:
    pictures = torch.cat([stripes(30.0), stripes(90.0)])
    both = flow_noise(pictures, torch.tensor([5, 6]))
    torch.testing.assert_close(both[1:], flow_noise(pictures[1:], torch.tensor([6])))
    assert not torch.allclose(flow_noise(pictures[:1], torch.tensor([6])), both[:1])


@pytest.mark.parametrize("size", [(1, 1), (3, 50), (31, 17)])
def test_small_pictures_get_some_too(size: tuple[int, int]) -> None:
    noise = flow_noise(torch.rand(1, 3, *size), torch.tensor([0]))
    assert noise.shape == (1, 3, *size)
    assert noise.isfinite().all()


def test_blurring_keeps_the_sum_and_has_its_deviation() -> None:
    point = torch.zeros(1, 1, 41, 41)
    point[..., 20, 20] = 1
    spread = blurred(point, 2.5)[0, 0]
    assert float(spread.sum()) == pytest.approx(1, abs=1e-4)
    places = torch.arange(41) - 20
    assert float((spread.sum(0) * places.square()).sum()) == pytest.approx(2.5**2, rel=0.03)
