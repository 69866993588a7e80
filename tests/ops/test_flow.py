import pytest
import torch
from torch.nn import functional as F

from sfumato.ops.flow import optical_flow, trusted, warp


@pytest.fixture
def scene() -> torch.Tensor:
    noise = torch.rand(1, 3, 12, 16, generator=torch.Generator().manual_seed(0))
    return F.interpolate(noise, size=(96, 128), mode="bicubic").clamp(0, 1)[0]


def test_flow_finds_where_things_went(scene: torch.Tensor) -> None:
    first, second = scene[:, 5:85, 5:115], scene[:, 3:83, 8:118]  # things move 3 to the left and 2 down
    flow = optical_flow(first, second)[:, 10:-10, 10:-10]
    assert float(flow[0].median()) == pytest.approx(-3, abs=0.3)
    assert float(flow[1].median()) == pytest.approx(2, abs=0.3)
    carried = warp(second, optical_flow(first, second))[:, 10:-10, 10:-10]
    expected = first[:, 10:-10, 10:-10]
    assert (carried - expected).abs().mean() < 0.25 * (second[:, 10:-10, 10:-10] - expected).abs().mean()


def test_warping_by_whole_pixels_is_shifting(scene: torch.Tensor) -> None:
    flow = torch.zeros(2, 96, 128)
    assert torch.allclose(warp(scene, flow), scene, atol=1e-5)
    flow[0], flow[1] = 4, -3
    assert torch.allclose(warp(scene, flow)[:, 3:, :-4], scene[:, :-3, 4:], atol=1e-4)


def test_flows_that_agree_are_trusted_and_others_are_not() -> None:
    flow = torch.zeros(2, 20, 30)
    flow[0] = 2.0
    assert trusted(flow, -flow).all()
    assert not trusted(flow, flow).any()


def test_the_edges_of_motion_are_not_trusted() -> None:
    flow = torch.zeros(2, 20, 30)
    flow[0, :, 15:] = 1.0
    assert not trusted(flow, -flow)[:, 14].any()
    assert trusted(flow, -flow)[:, :12].all()
