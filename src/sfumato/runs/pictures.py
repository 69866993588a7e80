"""Pictures of a run while it trains."""

from pathlib import Path

import torch
from torch import Tensor
from torch.nn import functional as F

from ..autoencoders.autoencoder import Autoencoder
from ..data.dataset import ImageData
from ..data.pictures import to_picture
from ..engine.runtime import Runtime
from ..engine.system import System
from ..files import write_atomically
from ..gans.cgan import CGAN
from ..gans.drawing import draw
from ..gans.game import Adversarial
from ..recognition.finetune import FineTuned
from ..recognition.measures import shown_rows
from ..recognition.recognizer import Recognizer
from ..recognition.ssd import SSD
from ..reports.grids import grid
from ..style.network import StyleSystem
from .evaluate import noisy_images, reconstruct, restyle

COLUMNS = 10
ROWS = 6
LARGEST = 128  # side of a made image on a sheet of them


def progress_picture(system: System, data: ImageData, runtime: Runtime) -> Tensor:
    """(c, h, w) in [0, 1]: what `progress_caption` says, of the first test images."""
    system.eval()
    if isinstance(system, Adversarial):
        made = draw(system, COLUMNS * ROWS, runtime).nan_to_num()
        return grid(_small(made), COLUMNS)
    if isinstance(system, StyleSystem):
        rows = _restyled(system, data, runtime)
    elif isinstance(system, Recognizer):
        rows = [_small(row) for row in shown_rows(system, data, runtime, COLUMNS)]
    else:
        rows = _drawn(system, data, runtime)
    # NaN, of a run that is about to be stopped for diverging, becomes black.
    return grid(torch.cat([row[:COLUMNS] for row in rows]).nan_to_num(), columns=min(COLUMNS, len(rows[0])))


def _small(images: Tensor) -> Tensor:
    """Images (n, c, h, w) for a sheet, LARGEST pixels high at most."""
    height, width = images.shape[-2:]
    if height <= LARGEST:
        return images
    return F.interpolate(images, size=(LARGEST, round(width * LARGEST / height)), mode="area")


def progress_caption(system: System) -> str:
    """What the rows of `progress_picture` are."""
    if isinstance(system, StyleSystem):
        return "Test contents, test styles, and the first in the style of the second."
    if isinstance(system, FineTuned):
        return "Test images, in green where the network names them right, in red where it does not."
    if isinstance(system, SSD):
        return "Test images: what is true of them, and what the network is surer of than 0.3."
    if isinstance(system, Recognizer):
        return "Test images, what is true of them, and what the network says."
    if isinstance(system, CGAN):
        return "Made from the same noise each time, each class in turn."
    if isinstance(system, Adversarial):
        return "Made from the same noise each time."
    return "Test images, what the encoder sees if that differs, reconstructions, and samples."


def _restyled(system: StyleSystem, data: ImageData, runtime: Runtime) -> list[Tensor]:
    assert data.second is not None
    count = min(COLUMNS, len(data.test), len(data.second.test))
    content, style = (split.images(range(count)) for split in (data.test, data.second.test))
    return [content, style, restyle(system.restyler, content, style, runtime)]


def _drawn(system: System, data: ImageData, runtime: Runtime) -> list[Tensor]:
    with torch.no_grad(), runtime.autocast():
        samples = system.sample(COLUMNS, generator=torch.Generator().manual_seed(0)).float().cpu()
    rows = [samples]
    if isinstance(system, Autoencoder):
        images = data.test.images(range(min(COLUMNS, len(data.test))))
        seen = noisy_images(system, images)
        rows = [images, reconstruct(system, seen, runtime), samples]
        if seen is not images:
            rows.insert(1, seen.clamp(0, 1))
    return rows


def save_picture(image: Tensor, path: Path) -> None:
    """Writes (c, h, w) in [0, 1] as PNG, whole or not at all."""
    path.parent.mkdir(parents=True, exist_ok=True)
    picture = to_picture(image)
    write_atomically(path, lambda beside: picture.save(beside, "PNG"))
