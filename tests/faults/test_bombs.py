"""Bombs are refused by name, in no time and little memory."""

import sys
from pathlib import Path

import pytest

from .bombs import BOMBS, measured

SLOW_TO_MAKE = ("TIFF of 177 megapixels, deflated", "progressive JPEG of 177 megapixels", "JSON of 21 million lists",
                "WebP of three frames of 177 megapixels")  # fmt: skip
GIANTS = ("zip of six bitmaps of 499 MB", "tar with a hole of 500 MB", "forty COCO masks of 177 megapixels",
          "MP4 of 66 megapixels")  # fmt: skip


@pytest.mark.skipif(sys.platform != "linux", reason="the peak is read from /proc")
@pytest.mark.parametrize(
    "name", [pytest.param(name, marks=[pytest.mark.slow] if name in SLOW_TO_MAKE else []) for name in BOMBS
             if name not in GIANTS]
)  # fmt: skip
def test_a_bomb_takes_neither_time_nor_memory(name: str, tmp_path: Path) -> None:
    found = measured(name, tmp_path)
    assert "seconds" in found, found
    assert found["seconds"] < 2
    assert found["peak_mb"] < 300
    assert "refused" in found["said"] or "left out" in found["said"] or "Safetensor" in found["said"]


@pytest.mark.slow
@pytest.mark.skipif(sys.platform != "linux", reason="the peak is read from /proc")
@pytest.mark.parametrize("name", GIANTS)
def test_giants_are_read_one_at_a_time(name: str, tmp_path: Path) -> None:
    assert measured(name, tmp_path)["peak_mb"] < 2500
