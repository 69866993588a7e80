"""A small content and a small style."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from sfumato.data.paintings import painting

SIZE = (61, 43)


@pytest.fixture
def photo() -> Image.Image:
    levels = np.random.default_rng(0).integers(0, 256, (6, 8, 3), dtype=np.uint8)
    return Image.fromarray(levels).resize(SIZE, Image.Resampling.BICUBIC)


@pytest.fixture
def style(tmp_path: Path) -> Path:
    path = tmp_path / "style.png"
    painting("glass", 0, 64).save(path)
    return path
