"""What autoencoders owe a run."""

from typing import cast

import torch
from torch import Tensor

from ..data.dataset import ImageData
from ..engine.runtime import Runtime
from ..engine.system import System
from ..errors import SfumatoError
from ..family import USUAL, Family, History, Judges
from ..metrics.table import Evaluation, Words
from ..reports.grids import COLUMNS, sheet
from .autoencoder import Autoencoder
from .measures import measure, noisy_images, reconstruct

CAPTION = Words(
    "Test images, what the encoder sees if that differs, reconstructions, and samples.",
    "测试图像、编码器所见（若不同）、重建与样本。",
)


class Autoencoders(Family):
    judges_drawings = True

    def evaluate(
        self, system: System, data: ImageData, runtime: Runtime, history: History | None = None,
        judges: Judges = USUAL,
    ) -> Evaluation:  # fmt: skip
        if judges.inception:
            raise SfumatoError(
                f"{judges.asked}: is for what adversarial systems draw; autoencoders are judged by features"
            )
        return measure(cast(Autoencoder, system), data, runtime, judges)

    def look(self, system: System, data: ImageData, runtime: Runtime) -> Tensor:
        system = cast(Autoencoder, system)
        with torch.no_grad(), runtime.autocast():
            samples = system.sample(COLUMNS, generator=torch.Generator().manual_seed(0)).float().cpu()
        images = data.test.images(range(min(COLUMNS, len(data.test))))
        seen = noisy_images(system, images)
        rows: list[Tensor] = [images, reconstruct(system, seen, runtime), samples]
        if seen is not images:
            rows.insert(1, seen.clamp(0, 1))
        return sheet(rows)

    def caption(self, system: System) -> Words:
        return CAPTION


FAMILY = Autoencoders()
