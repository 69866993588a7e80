"""Points around centres."""

import torch

from sfumato.data.points import covered, lattice, ring


def test_centres_and_spread() -> None:
    modes = ring(8, 0.5, 0.01)
    torch.testing.assert_close(modes.centres.norm(dim=1), torch.full((8,), 0.5))
    points = modes.draw(4000, torch.Generator().manual_seed(0)).flatten(1)
    distances, nearest = torch.cdist(points, modes.centres).min(1)
    assert abs(float(distances.square().mean().sqrt()) / 0.01 - 2**0.5) < 0.05
    assert nearest.bincount().min() > 400
    assert len(lattice(5).centres) == 25


def test_batches_are_a_function_of_what_was_drawn() -> None:
    batches = ring().batches(16, 7)
    first, count = batches.at(32)
    assert count == 16
    assert torch.equal(first.images, batches.at(32)[0].images)
    assert not torch.equal(first.images, batches.at(48)[0].images)


def test_modes_covered() -> None:
    modes = ring(8)
    real = modes.draw(4000, torch.Generator().manual_seed(0)).flatten(1)
    count, near = covered(real, modes)
    assert count == 8
    assert near > 0.97
    assert covered(modes.centres[:3].repeat(100, 1), modes) == (3, 1.0)
    assert covered(torch.zeros(100, 2), modes) == (0, 0.0)
