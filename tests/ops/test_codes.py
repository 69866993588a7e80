"""Operations on codes against scikit-learn and closed forms."""

import math

import numpy as np
import pytest
import torch
from sklearn.covariance import LedoitWolf, ledoit_wolf_shrinkage
from sklearn.decomposition import PCA

from sfumato.errors import SfumatoError
from sfumato.ops.codes import (
    DENSITIES,
    between,
    blend,
    draw_like,
    main_directions,
    nearest,
    plane_of,
    shrinkage,
    singular_values,
)


def codes(count: int, numbers: int) -> torch.Tensor:
    generator = torch.Generator().manual_seed(0)
    scales = torch.linspace(0.2, 3, numbers)
    return 5 + torch.randn(count, numbers, generator=generator) * scales


@pytest.mark.parametrize(("count", "numbers"), [(300, 6), (5, 8)])
def test_draws_have_the_mean_and_the_covariance_of_ledoit_and_wolf(count: int, numbers: int) -> None:
    known = codes(count, numbers)
    model = LedoitWolf().fit(known.double().numpy())
    assert shrinkage(known) == pytest.approx(model.shrinkage_, abs=1e-6)
    drawn = draw_like(known, 200_000, torch.Generator().manual_seed(1)).double()
    scale = float(np.abs(model.covariance_).max())
    assert torch.cov(drawn.T).numpy() == pytest.approx(model.covariance_, abs=0.02 * scale)
    assert drawn.mean(0).numpy() == pytest.approx(model.location_, abs=0.02 * scale**0.5)


def test_fewer_codes_than_numbers_still_reach_every_direction() -> None:
    drawn = draw_like(codes(5, 8), 50, torch.Generator().manual_seed(0))
    assert torch.linalg.matrix_rank(drawn - drawn.mean(0)) == 8


def test_from_nothing_known_draws_are_standard_normal() -> None:
    drawn = draw_like(torch.zeros(0, 3), 20_000, torch.Generator().manual_seed(0))
    assert drawn.mean().item() == pytest.approx(0, abs=0.02)
    assert drawn.std().item() == pytest.approx(1, abs=0.02)


def test_codes_that_are_not_finite_give_draws_that_are_not() -> None:
    known = codes(5, 3)
    known[0, 0] = float("nan")
    assert draw_like(known, 2).isnan().all()


def test_blend_is_the_weighted_mean() -> None:
    drawn, real = torch.full((2, 3), 4.0), torch.zeros(2, 3)
    assert torch.equal(blend(drawn, real, 0.25), torch.ones(2, 3))
    with pytest.raises(SfumatoError, match=r"share 1\.5"):
        blend(drawn, real, 1.5)


def test_nearest_finds_the_code_itself_when_it_is_there() -> None:
    known = codes(30, 4)
    order = torch.randperm(30, generator=torch.Generator().manual_seed(0))
    assert torch.equal(nearest(known[order], known), order)


def test_between_holds_both_ends_and_the_middle() -> None:
    way = between(torch.zeros(2), torch.tensor([2.0, 4.0]), 5)
    assert way.shape == (5, 2)
    assert torch.equal(way[[0, 2, 4]], torch.tensor([[0.0, 0.0], [1.0, 2.0], [2.0, 4.0]]))


@pytest.mark.parametrize(("count", "numbers"), [(300, 6), (5, 8)])
def test_main_directions_are_scikit_learns_components(count: int, numbers: int) -> None:
    known = codes(count, numbers)
    model = PCA(3, svd_solver="full").fit(known.double().numpy())
    directions, spreads = main_directions(known, 3)
    assert np.abs((directions.double().numpy() * model.components_).sum(1)) == pytest.approx(np.ones(3), abs=1e-5)
    # scikit-learn divides by n - 1.
    assert spreads.numpy() == pytest.approx(np.sqrt(model.explained_variance_ * (count - 1) / count), rel=1e-4)
    assert (directions.gather(1, directions.abs().argmax(1, keepdim=True)) > 0).all()


def test_a_plane_is_scikit_learns_whitened_components() -> None:
    known = codes(300, 6)
    plane = plane_of(known)
    theirs = PCA(2, whiten=True, svd_solver="full").fit_transform(known.double().numpy()) * math.sqrt(300 / 299)
    ours = plane.flat(known).double().numpy()
    assert ours * np.sign((ours * theirs).sum(0)) == pytest.approx(theirs, abs=1e-3)
    points = torch.randn(7, 2)
    torch.testing.assert_close(plane.flat(plane.raised(points)), points, atol=1e-5, rtol=1e-4)
    assert torch.equal(plane_of(known[:, :2]).flat(known[:, :2]), known[:, :2])
    assert torch.equal(plane_of(known[:, :2]).raised(points), points)
    with pytest.raises(SfumatoError, match="codes: 300 of 1 numbers have no plane"):
        plane_of(known[:, :1])


@pytest.mark.parametrize(("count", "numbers"), [(512, 2), (20, 100), (100, 20), (3, 50), (2, 4), (50, 1), (5, 5)])
def test_shrinkage_is_scikit_learns(count: int, numbers: int) -> None:
    generator = torch.Generator().manual_seed(count)
    codes = torch.randn(count, numbers, generator=generator) * torch.rand(numbers, generator=generator) + 1
    assert shrinkage(codes) == pytest.approx(ledoit_wolf_shrinkage(codes.double().numpy()), abs=1e-12)
    assert shrinkage(torch.ones(count, numbers)) == 0


@pytest.mark.parametrize("name", [name for name in DENSITIES if name != "shrunk"])  # which has others by intent
def test_every_density_has_the_mean_and_the_variances_of_the_codes(name: str) -> None:
    known = codes(2_000, 4)
    drawn = DENSITIES[name](known, 40_000, torch.Generator().manual_seed(1))
    assert drawn.mean(0).numpy() == pytest.approx(known.mean(0).numpy(), abs=0.1)
    assert drawn.std(0).numpy() == pytest.approx(known.std(0).numpy(), rel=0.06)


def test_a_mixture_finds_heaps_between_which_a_gaussian_draws() -> None:
    heaps = torch.tensor([[-10.0, 0.0], [10.0, 0.0]])
    known = heaps.repeat(500, 1) + 0.1 * torch.randn(1000, 2, generator=torch.Generator().manual_seed(0))
    between_them = {
        name: float((DENSITIES[name](known, 2_000, torch.Generator().manual_seed(0))[:, 0].abs() < 5).float().mean())
        for name in ("gaussian", "mixture")
    }
    assert between_them["gaussian"] > 0.3
    assert between_them["mixture"] == 0


def test_histograms_keep_each_numbers_range_and_forget_what_they_have_in_common() -> None:
    first = torch.randn(3_000, generator=torch.Generator().manual_seed(0)).exp()
    known = torch.stack([first, first], 1)
    drawn = DENSITIES["histogram"](known, 20_000, torch.Generator().manual_seed(1))
    assert float(drawn.min()) >= float(known.min())
    assert float(drawn.max()) <= float(known.max())
    assert float(torch.corrcoef(drawn.T)[0, 1]) == pytest.approx(0, abs=0.03)


def test_singular_values_are_numpys() -> None:
    known = codes(50, 6)
    centred = known.double().numpy() - known.double().numpy().mean(0)
    expected = np.linalg.svd(centred, compute_uv=False) / np.sqrt(50)
    assert singular_values(known).numpy() == pytest.approx(expected, rel=1e-5)
