"""Where pixels go from one frame to the next. Frames are (c, h, w) in [0, 1]; a flow is (2, h, w): across and down, in
pixels of the frame. The flow from a to b says where each pixel of a is found in b.

Which pixels cannot be trusted is judged as Ruder et al. 2016 do, https://arxiv.org/abs/1604.08610, section 4.2.
Departs from the paper: frames are blurred before motion is found, and its 0.002 is 0.02; else the noise of a filmed
still scene looks like edges of motion, nine pixels in ten.
"""

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from .strokes import blurred

NOISE = 1.0  # deviation of what frames are blurred by, in pixels
NARROWEST = 2  # pixels: narrower frames have no gradient
SIDE = 384  # pixels on the longer side of the frames that motion is found in


def optical_flow(first: Tensor, second: Tensor) -> Tensor:
    """From `first` to `second` by TV-L1 (Zach et al. 2007), as scikit-image has it, on frames of 384 pixels at most."""
    from skimage.registration import optical_flow_tvl1

    height, width = first.shape[1:]
    scale = min(1.0, SIDE / max(height, width))
    size = (max(1, round(height * scale)), max(1, round(width * scale)))
    if min(size) < NARROWEST:
        return torch.zeros(2, height, width)
    small = (
        F.interpolate(frame.mean(0, keepdim=True)[None].float().cpu(), size=size, mode="area")
        for frame in (first, second)
    )
    grey = [blurred(frame, NOISE)[0, 0].numpy() for frame in small]
    down, across = optical_flow_tvl1(*grey, dtype=np.float32)
    found = F.interpolate(
        torch.from_numpy(np.stack([across, down]))[None], size=(height, width), mode="bilinear", align_corners=False
    )[0]
    return found * torch.tensor([width / size[1], height / size[0]]).view(2, 1, 1)


def warp(image: Tensor, flow: Tensor, mode: str = "bilinear") -> Tensor:
    """What `image` (c, h, w) shows where `flow` leads, its border repeated. `mode`: as `grid_sample` takes it."""
    height, width = flow.shape[1:]
    down, across = torch.meshgrid(torch.arange(height), torch.arange(width), indexing="ij")
    places = torch.stack([(across + flow[0] + 0.5) * 2 / width - 1, (down + flow[1] + 0.5) * 2 / height - 1], -1)
    return F.grid_sample(image[None].float(), places[None], mode, padding_mode="border", align_corners=False)[0]


def trusted(flow: Tensor, back: Tensor) -> Tensor:
    """(h, w) booleans: where `flow` from a to b and the flow `back` from b to a agree, and it has no edge.

    Not where |w + ŵ|² ≥ 0.01 (|w|² + |ŵ|²) + 0.5 (eq. 5), nor where |∇w|² > 0.01 |w|² + 0.02 (eq. 6).
    """
    returned = warp(back, flow)
    apart = (flow + returned).square().sum(0)
    agree = apart < 0.01 * (flow.square().sum(0) + returned.square().sum(0)) + 0.5
    across = F.pad(flow, (0, 1, 0, 0), mode="replicate").diff(dim=2)
    down = F.pad(flow, (0, 0, 0, 1), mode="replicate").diff(dim=1)
    edges = across.square().sum(0) + down.square().sum(0) > 0.01 * flow.square().sum(0) + 0.02
    return agree & ~edges
