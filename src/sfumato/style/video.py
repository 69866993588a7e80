"""Frames that hold together: what moved carries its paint along.

Each restyled frame is blended with the one before it, warped along the optical flow, wherever that flow can be trusted
(Ruder et al. 2016, https://arxiv.org/abs/1604.08610, who optimise every frame from there; here AdaIN paints it).
Means of pictures that differ are soft, and so is what was warped often: a blend gets back the contrast of fine detail
that the frame has by itself, lest paint go soft where things move and hard where they rest. Heitz and Neyret 2018
(https://doi.org/10.1145/3233304) keep the variance of blended textures in closed form; here it is measured.
Frames are (3, h, w) in [0, 1], RGB.
Departs from the paper: one pass from first to last; flow by TV-L1 on small frames; trust is blurred by averaging over
5×5 pixels, so that no seam shows.
"""

from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional as F

from ..ops.flow import optical_flow, trusted, warp
from ..ops.strokes import blurred

BLUR = 5  # pixels
FINE = 4.0  # deviation of what detail is finer than, in pixels
AROUND = 12.0  # deviation of the window that its contrast is measured in, in pixels
STRONGEST = 2.0  # how often contrast is multiplied, at most


@dataclass(frozen=True)
class Shown:
    """A frame as it was filmed, as it was restyled alone, and as it is shown."""

    content: Tensor
    alone: Tensor
    output: Tensor


@dataclass(frozen=True)
class WarpErrors:
    """Mean squared difference to the frame before, warped, where the flow is trusted: of what is shown, and of frames
    restyled each for itself; None for a first frame, or where nothing is trusted."""

    shown: float | None
    alone: float | None


@dataclass(frozen=True)
class Carried:
    """The frame before, moved along: its `picture`, (h, w) where it can be `trust`ed, and the `flow` that moved it."""

    picture: Tensor
    trust: Tensor
    flow: Tensor


def carry(content: Tensor, before: Shown) -> Carried:
    flow = optical_flow(content, before.content)
    picture = warp(before.output, flow, "bicubic").clamp(0, 1)
    return Carried(picture, trusted(flow, optical_flow(before.content, content)).float(), flow)


def follow(
    content: Tensor, alone: Tensor, before: Shown | None, carried: Carried | None, coherence: float
) -> tuple[Shown, WarpErrors]:
    """The next frame. `alone`: `content` restyled; `coherence`: how much of what is carried is taken where it is
    trusted, 0 for none."""
    if before is None or carried is None:
        return Shown(content, alone, alone), WarpErrors(None, None)
    trust = carried.trust
    soft = F.avg_pool2d(trust[None], BLUR, 1, BLUR // 2, count_include_pad=False)[0]
    output = alone + coherence * soft * (carried.picture - alone)
    output = torch.lerp(output, sharpened(output, alone), soft)
    output = output.mul(255).round() / 255  # what is kept of it, so that a resumed clip goes on from the same
    if not trust.any():
        return Shown(content, alone, output), WarpErrors(None, None)
    errors = WarpErrors(
        float(((output - carried.picture).square().mean(0) * trust).sum() / trust.sum()),
        float(((alone - warp(before.alone, carried.flow)).square().mean(0) * trust).sum() / trust.sum()),
    )
    return Shown(content, alone, output), errors


def sharpened(blend: Tensor, like: Tensor) -> Tensor:
    """`blend` with the local contrast of fine detail that `like` has, where it has less of it."""
    detail, wanted = (frame - blurred(frame[None], FINE)[0] for frame in (blend, like))
    has, owed = (blurred(part.square().mean(0)[None, None], AROUND)[0] for part in (detail, wanted))
    gain = (owed / has.clamp_min(1e-6)).sqrt().clamp(1, STRONGEST)
    return (blend + (gain - 1) * detail).clamp(0, 1)
