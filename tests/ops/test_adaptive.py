"""Adaptive augmentation: nothing at p = 0, what it says at p = 1, differentiable twice."""

import torch

from sfumato.ops.adaptive import _Fetched, adaptively


def test_nothing_changes_at_zero() -> None:
    images = torch.rand(6, 3, 16, 16) * 2 - 1
    torch.testing.assert_close(adaptively(images, torch.tensor(0.0)), images, atol=1e-5, rtol=0)


def test_all_change_at_one_each_on_its_own() -> None:
    torch.manual_seed(0)
    images = (torch.rand(1, 3, 16, 16) * 2 - 1).expand(8, -1, -1, -1)
    changed = adaptively(images, torch.tensor(1.0))
    assert changed.isfinite().all()
    assert float(torch.pdist(changed.flatten(1)).min()) > 1


def test_about_as_many_change_as_are_asked_for() -> None:
    """Eleven operations, the two turns together one more: an image stays as it is with probability (1 - p)¹², and three
    of them have a change that changes nothing: half of the flips, a quarter of the turns, half of the inversions."""
    torch.manual_seed(0)
    images = torch.rand(1, 3, 8, 8).expand(4000, -1, -1, -1)
    changed = adaptively(images, torch.tensor(0.05))
    kept = float((changed - images).abs().flatten(1).amax(1).lt(1e-4).float().mean())
    expected = 0.95**8 * (1 - 0.05 / 2) ** 2 * (1 - 0.05 * 3 / 4) * 0.95
    assert abs(kept - expected) < 0.05


def test_grey_images_stay_grey_and_colours_turn() -> None:
    torch.manual_seed(0)
    grey = torch.rand(8, 1, 8, 8)
    changed = adaptively(grey.expand(-1, 3, -1, -1), torch.tensor(1.0))
    torch.testing.assert_close(changed[:, 0], changed[:, 2], atol=1e-4, rtol=1e-4)
    assert adaptively(grey, torch.tensor(1.0)).shape == grey.shape


def test_fetching_can_be_differentiated_twice() -> None:
    images = torch.randn(2, 2, 5, 5, dtype=torch.float64, requires_grad=True)
    places = torch.rand(2, 5, 5, 2, dtype=torch.float64) * 2.4 - 1.2

    def fetch(values: torch.Tensor) -> torch.Tensor:
        found = _Fetched.apply(values, places)
        assert isinstance(found, torch.Tensor)
        return found

    assert torch.autograd.gradcheck(fetch, (images,))
    assert torch.autograd.gradgradcheck(fetch, (images,))
