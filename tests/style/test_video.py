import torch
from torch.nn import functional as F

from sfumato.style.video import Shown, carry, follow, sharpened


def scene(shift: int) -> torch.Tensor:
    noise = torch.rand(1, 3, 12, 16, generator=torch.Generator().manual_seed(0))
    return F.interpolate(noise, size=(96, 128), mode="bicubic").clamp(0, 1)[0, :, 8:72, 8 + shift : 104 + shift]


def flickering(frames: list[torch.Tensor], coherence: float) -> list[float]:
    """The warp errors of frames that are restyled with noise of their own."""
    before: Shown | None = None
    found = []
    for index, frame in enumerate(frames):
        noise = 0.1 * torch.randn(frame.shape, generator=torch.Generator().manual_seed(index))
        carried = carry(frame, before) if before else None
        before, errors = follow(frame, (1 - frame + noise).clamp(0, 1), before, carried, coherence)
        if errors.shown is not None:
            found.append(errors.shown)
            assert errors.alone is not None
    return found


def test_coherence_lowers_the_warp_error() -> None:
    frames = [scene(shift) for shift in (0, 2, 4, 6)]
    alone, coherent = flickering(frames, 0.0), flickering(frames, 0.7)
    assert len(alone) == len(coherent) == 3
    assert sum(coherent) < 0.4 * sum(alone)


def test_what_cannot_be_trusted_is_left_as_it_was_painted() -> None:
    first, second = torch.rand(2, 3, 40, 48)
    before, _ = follow(first, first, None, None, 1.0)
    shown, _ = follow(second, second, before, carry(second, before), 1.0)
    assert ((shown.output - second).abs() < 0.003).float().mean() > 0.2


def test_paint_stays_as_crisp_as_that_of_a_single_frame_while_things_move() -> None:
    grain = 0.2 * torch.randn(3, 64, 96, generator=torch.Generator().manual_seed(1))  # stays where the screen is
    before: Shown | None = None
    for step in range(6):
        frame = scene(step % 3 * 2)
        before, _ = follow(frame, (frame + grain).clamp(0, 1), before, carry(frame, before) if before else None, 0.8)
    assert before is not None
    shown, alone = (part.diff(dim=2).square().mean().sqrt() for part in (before.output, before.alone))
    assert 0.8 * alone < shown < 1.2 * alone
    assert torch.equal(sharpened(before.alone, before.alone), before.alone)
