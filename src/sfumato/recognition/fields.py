"""How far one number of each map of a run's network looks: what its kernels allow, and what its gradient says."""

import torch
from torch import Tensor, nn

from ..errors import SfumatoError
from ..family import OpenRun
from ..nets.receptive import extent, influence, positive
from ..reports.matrices import Panel, matrices
from .segmentation import Segmenter
from .ssd import SSD

READ = 8  # test images whose gradients are averaged
MARGIN = 0.2  # of a field, around it


def field_panel(name: str, network: nn.Module, gradient: Tensor) -> Panel:
    """The `gradient` (h, w) of the middle number of a map in the image, in the frame of what `network`, which leads to
    that map, can depend on."""
    side = gradient.shape[0]
    frame = extent(influence(positive(network), torch.ones(1, 3, side, side)))
    margin = max(2, round(MARGIN * (frame[2] - frame[0])))
    left, top = (max(0, edge - margin) for edge in frame[:2])
    shown = gradient[top : frame[3] + margin, left : frame[2] + margin]
    size = f"{frame[2] - frame[0]}×{frame[3] - frame[1]}"
    moved = (frame[0] - left, frame[1] - top, frame[2] - left, frame[3] - top)
    return Panel(f"{name}: {size}", shown, moved)


def fields_of(run: OpenRun) -> bytes:
    """A PNG: for each map of an ssd run or of one that names pixels, how much its middle number changes with each pixel
    of the image, in the mean of some test images. Raises SfumatoError for a run of another kind."""
    system = run.system
    if isinstance(system, SSD):
        parts, maps = system.maps.parts(), system.maps
    elif isinstance(system, Segmenter):
        parts, maps = list(system.backbone.stages), system.backbone
    else:
        raise SfumatoError(
            f"{run.path}: a {run.system_name} run has no maps to look at; ssd has, and what names pixels"
        )
    return matrices(field_panels(parts, maps, run.data.test.images(run.data.test.spread(READ))))


def field_panels(parts: list[nn.Module], maps: nn.Module, images: Tensor) -> list[Panel]:
    """Of the maps that `maps` finds in `images`; `parts` lead from the image to the first and from each to the next."""
    images = images.to(next(maps.parameters()).device)
    maps.eval()
    panels = []
    for level in range(len(parts)):
        shape = "×".join(map(str, maps(images[:1])[level].shape[-2:]))
        gradient = influence(lambda read, level=level: maps(read)[level], images)
        panels.append(field_panel(shape, nn.Sequential(*parts[: level + 1]), gradient))
    return panels
