"""Painting stroke by stroke: tiles are the whole, seeds are kept, time is kept to."""

from collections.abc import Sequence

import pytest
import torch
from torch import Tensor
from torch.nn import functional as F

from sfumato.engine.runtime import Runtime
from sfumato.style import fine
from sfumato.style.fine import USUAL, Canvas, Hand, affordable, counted, eye_of, in_colours, paint_finely, planned
from sfumato.style.texture import Eye, paint_errors

RUNTIME = Runtime(torch.device("cpu"), "fp32")
QUICK = Hand(effort=0.1)


@pytest.fixture(scope="module")
def eye() -> Eye:
    made = Eye()
    made.encoder.load()
    return made


def smooth(height: int, width: int, seed: int) -> Tensor:
    coarse = torch.rand(1, 3, 9, 12, generator=torch.Generator().manual_seed(seed))
    return F.interpolate(coarse, size=(height, width), mode="bicubic").clamp(0, 1)


def painted(content: Tensor, styles: Sequence[Tensor], eye: Eye, hand: Hand = QUICK, seed: int = 0) -> Tensor:
    *_, last = paint_finely(content, styles, [1 / len(styles)] * len(styles), eye, hand, RUNTIME, seed)
    assert last.images == last.total
    return last.canvas.image


def test_gradients_in_tiles_are_those_of_the_whole(eye: Eye, monkeypatch: pytest.MonkeyPatch) -> None:
    content, style = smooth(200, 330, 0), smooth(100, 100, 1)
    noise = 0.1 * torch.rand(content.shape, generator=torch.Generator().manual_seed(2))
    goals = [eye_of(eye, style, (200, 330), 1.0, RUNTIME)]
    found = []
    for side, margin in ((4096, 64), (64, 64), (128, 96)):
        monkeypatch.setattr(fine, "TILE", side)
        monkeypatch.setattr(fine, "MARGIN", margin)
        canvas = Canvas((content + noise).clamp(0, 1), content, goals, [1.0], eye, Hand(), RUNTIME, 0)
        scalars = canvas.step(0.0)
        found.append((canvas.change.grad, scalars["loss"]))
    for gradient, loss in found[1:]:
        assert float((gradient - found[0][0]).norm() / found[0][0].norm()) < 1e-4
        torch.testing.assert_close(loss, found[0][1])


def test_it_comes_nearer_to_the_paint_and_keeps_to_its_seed(eye: Eye) -> None:
    content, style = smooth(96, 120, 0), smooth(96, 96, 1).round()
    first, again, other = (painted(content, [style], eye, Hand(effort=0.3), seed) for seed in (0, 0, 1))
    assert torch.equal(first, again)
    assert not torch.equal(first, other)
    goal = eye.textures(style)
    errors = [sum(float(part.sum()) for part in paint_errors(eye.textures(each), goal)) for each in (content, first)]
    assert errors[1] < 0.6 * errors[0]


@pytest.mark.parametrize("size", [(8, 8), (33, 400), (40, 31)])
def test_any_size_is_painted(eye: Eye, size: tuple[int, int]) -> None:
    result = painted(smooth(*size, 0), [smooth(40, 60, 1), smooth(8, 8, 2)], eye)
    assert result.shape[2:] == size
    assert 0 <= float(result.min()) <= float(result.max()) <= 1


def test_sizes_go_from_coarse_to_fine() -> None:
    plan = planned((384, 512), Hand(), False)
    assert [shape for shape, _ in plan] == [(96, 128), (192, 256), (384, 512)]
    assert [size for _, size in plan] == list(USUAL[:3])
    assert [shape for shape, _ in planned((384, 512), Hand(), True)] == [(192, 256), (384, 512)]
    assert planned((40, 2000), Hand(), False)[0][0] == (40, 2000)  # too narrow to be made smaller


def test_the_effort_is_what_the_time_allows() -> None:
    """A step takes as long as its pixels are many."""
    plan = planned((512, 512), Hand(), False)
    usual = sum(size.steps * 0.01 * 4**index for index, (_, size) in enumerate(plan))
    assert affordable(plan, 0.01, 3 * usual) == pytest.approx(3)
    assert affordable(plan, 0.01, 0.0) == fine.LEAST
    assert counted(USUAL[0], 0.5) == USUAL[0].steps / 2


def test_a_short_time_is_kept_to(eye: Eye) -> None:
    content, style = smooth(128, 128, 0), smooth(96, 96, 1)
    hands = (Hand(seconds=0.01), Hand(seconds=60))
    steps = [len(list(paint_finely(content, [style], [1.0], eye, hand, RUNTIME))) for hand in hands]
    assert steps[0] < counted(USUAL[0], 1.0) < steps[1]


def test_contents_take_the_colours_of_all_styles() -> None:
    content, red, blue = smooth(60, 60, 0), smooth(40, 40, 1), smooth(40, 40, 2)
    red[:, 1:] *= 0.1
    blue[:, :2] *= 0.1
    mixed = in_colours(content, [red, blue], [0.5, 0.5])
    expected = 0.5 * (red.mean((2, 3)) + blue.mean((2, 3)))
    assert float((mixed.mean((2, 3)) - expected).abs().max()) < 0.05
