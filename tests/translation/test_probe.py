"""The probe on pairs of made-up networks: one that hides a picture in the last bits, and an honest one."""

from collections.abc import Callable

import pytest
import torch
from torch import Tensor

from sfumato.translation.probe import DISTURBANCES, blurred, faint, fineness, probe

FAINT = 1 / 64  # of a level of 255, that the hidden picture is made of


def pictures(seed: int) -> Tensor:
    coarse = torch.rand(6, 3, 8, 8, generator=torch.Generator().manual_seed(seed))
    return torch.nn.functional.interpolate(coarse, size=(32, 32), mode="bicubic").clamp(0, 1)


def hidden(images: Tensor) -> Tensor:
    """Other pictures altogether, with `images` below the last of 8 bits."""
    levels = pictures(9).mul(255).round()
    return (levels + FAINT * images) / 255


def found(images: Tensor) -> Tensor:
    levels = images * 255
    return ((levels - levels.round()) / FAINT).clamp(0, 1)


def inverted(images: Tensor) -> Tensor:
    return 1 - images


def probed(there: Callable[[Tensor], Tensor], back: Callable[[Tensor], Tensor]) -> dict[str, tuple[float, float]]:
    images = pictures(0)
    return probe(images, there(images), back)


def test_what_lives_below_the_last_bit_is_found() -> None:
    cheat = probed(hidden, found)
    assert cheat["nothing"][0] > 40
    for name, (cycle, alone) in cheat.items():
        if name not in ("nothing", "blur"):
            assert cycle < 12, name  # nothing of the picture is left
            assert alone > 25, name  # though nobody would see what was done to the translation


def test_an_honest_cycle_loses_what_the_disturbance_takes() -> None:
    for cycle, alone in probed(inverted, inverted).values():
        assert cycle == pytest.approx(alone, abs=0.01)


def test_disturbances_are_of_the_size_that_they_are_called_by() -> None:
    images = torch.full((4, 3, 64, 64), 0.5)
    for levels in (1, 2, 4, 8):
        assert float((DISTURBANCES[f"noise {levels}"](images) - images).std() * 255) == pytest.approx(levels, rel=0.05)
    assert float((DISTURBANCES["8 bits"](pictures(0)) * 255).frac().minimum(torch.tensor(0.5)).max()) < 1e-3


def test_a_blur_leaves_flat_pictures_and_their_borders_alone() -> None:
    flat = torch.full((1, 3, 9, 7), 0.3)
    torch.testing.assert_close(blurred(flat), flat)
    torch.testing.assert_close(faint(flat), torch.full_like(flat, 0.5), atol=1e-4, rtol=0)
    assert fineness(flat) == pytest.approx(0, abs=1e-3)
    board = (torch.arange(9)[:, None] + torch.arange(7)) % 2 / 255 * torch.ones(1, 3, 1, 1)
    assert fineness(board) == pytest.approx(0.5, abs=0.1)  # half a level on either side of their mean
