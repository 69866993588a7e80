"""Augmentation: each image for itself, and gradients pass."""

import torch

from sfumato.ops.augment import augment


def test_shape_gradient_and_randomness() -> None:
    torch.manual_seed(0)
    images = torch.zeros(8, 3, 16, 24).add_(0.7).requires_grad_()
    found = augment(images)
    assert found.shape == images.shape
    found.sum().backward()
    assert images.grad is not None
    assert (images.grad != 0).any((1, 2, 3)).all()
    assert len({round(float(image.detach().max()), 4) for image in found}) == 8, "each image has colours of its own"


def test_a_square_of_half_the_side_is_cut_out() -> None:
    torch.manual_seed(0)
    found = augment(torch.ones(200, 1, 16, 16))
    share = (found == 0).float().mean((1, 2, 3))
    assert share.max() <= 0.25 + 2 * 0.125 + 0.02, "the hole, and what moving brought in from outside"
    assert share.min() >= 0.05


def test_the_seed_decides() -> None:
    images = torch.rand(4, 3, 16, 16)
    torch.manual_seed(3)
    first = augment(images)
    torch.manual_seed(3)
    assert torch.equal(first, augment(images))
