"""Pictures of a run while it trains."""

from pathlib import Path

import torch
from torch import Tensor

from ..autoencoders.autoencoder import Autoencoder
from ..data.dataset import ImageData
from ..data.pictures import to_picture
from ..engine.checkpoint import write_atomically
from ..engine.runtime import Runtime
from ..engine.system import System
from ..reports.grids import grid
from .evaluate import noisy_images, reconstruct

COLUMNS = 10


def progress_picture(system: System, data: ImageData, runtime: Runtime) -> Tensor:
    """(c, h, w) in [0, 1]: test images, what the encoder sees of them (if that differs), what comes back, samples."""
    system.eval()
    with torch.no_grad(), runtime.autocast():
        samples = system.sample(COLUMNS, torch.Generator().manual_seed(0)).float().cpu()
    rows = [samples]
    if isinstance(system, Autoencoder):
        images = data.test.images(range(min(COLUMNS, len(data.test))))
        seen = noisy_images(system, images)
        rows = [images, reconstruct(system, seen, runtime), samples]
        if seen is not images:
            rows.insert(1, seen.clamp(0, 1))
    # NaN, of a run that is about to be stopped for diverging, becomes black.
    return grid(torch.cat([row[:COLUMNS] for row in rows]).nan_to_num(), columns=min(COLUMNS, len(rows[0])))


def save_picture(image: Tensor, path: Path) -> None:
    """Writes (c, h, w) in [0, 1] as PNG, whole or not at all."""
    path.parent.mkdir(parents=True, exist_ok=True)
    picture = to_picture(image)
    write_atomically(path, lambda beside: picture.save(beside, "PNG"))
