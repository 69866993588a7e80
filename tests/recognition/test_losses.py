"""Losses against closed forms and torch's own."""

import pytest
import torch
from torch.nn import functional as F
from torchvision.ops import sigmoid_focal_loss

from sfumato.recognition.losses import dice_loss, naming_loss

GENERATOR = torch.Generator().manual_seed(0)
LOGITS = torch.randn(40, 5, generator=GENERATOR)
LABELS = torch.randint(0, 5, (40,), generator=GENERATOR)


@pytest.mark.parametrize("smoothing", [0.0, 0.1, 0.5])
def test_by_default_it_is_the_mean_cross_entropy(smoothing: float) -> None:
    expected = F.cross_entropy(LOGITS, LABELS, label_smoothing=smoothing)
    assert torch.allclose(naming_loss(LOGITS, LABELS, smoothing=smoothing), expected)


def test_full_balance_is_the_mean_of_the_means_of_the_classes() -> None:
    each = F.cross_entropy(LOGITS, LABELS, reduction="none")
    means = torch.stack([each[label == LABELS].mean() for label in LABELS.unique()])
    assert torch.allclose(naming_loss(LOGITS, LABELS, balance=1.0), means.mean())


def test_what_is_ignored_counts_for_nothing() -> None:
    labels = LABELS.clone()
    labels[::2] = 255
    for balance in (0.0, 0.5):
        expected = naming_loss(LOGITS[1::2], LABELS[1::2], balance)
        assert torch.allclose(naming_loss(LOGITS, labels, balance, ignored=255), expected)
    assert naming_loss(LOGITS, torch.full_like(LABELS, 255), ignored=255) == 0


def test_label_255_is_a_class_among_more() -> None:
    logits = torch.randn(6, 300, generator=GENERATOR)
    labels = torch.tensor([255, 0, 255, 299, 1, 2])
    assert torch.allclose(naming_loss(logits, labels), F.cross_entropy(logits, labels))
    assert naming_loss(logits, labels, balance=0.5) > 0


def test_the_focal_loss_of_two_classes_is_torchvisions() -> None:
    logits = torch.randn(30, 2, generator=GENERATOR)
    labels = torch.randint(0, 2, (30,), generator=GENERATOR)
    expected = sigmoid_focal_loss(logits[:, 1] - logits[:, 0], labels.float(), alpha=-1, gamma=2, reduction="mean")
    assert torch.allclose(naming_loss(logits, labels, focal=True), expected, atol=1e-6)


def test_the_dice_loss_is_0_where_all_is_right_and_1_where_nothing_is() -> None:
    right = F.one_hot(LABELS, 5) * 60.0
    assert dice_loss(right, LABELS, 255) < 1e-4
    assert dice_loss(right.roll(1, 1), LABELS, 255) > 0.999
    assert dice_loss(right, torch.full_like(LABELS, 255), 255) == 0


def test_half_of_an_area_has_two_thirds_of_dice() -> None:
    logits = torch.tensor([[60.0, 0.0]] * 2 + [[0.0, 60.0]] * 2)
    labels = torch.tensor([0, 0, 0, 0])
    assert float(dice_loss(logits, labels, 255)) == pytest.approx(1 - 2 * 2 / 6, abs=1e-4)
