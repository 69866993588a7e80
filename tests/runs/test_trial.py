"""How fast a run would be: of one in stages, on average over them."""

from typing import Any

import pytest
import torch

from sfumato.data.dataset import ImageData, InMemory, Split
from sfumato.engine.runtime import Runtime
from sfumato.runs import trial

RUNTIME = Runtime(torch.device("cpu"), "fp32")
FIELDS: dict[str, Any] = {"resolution": 16, "base": 64, "widest": 8, "latent": 8, "batch_size": 4, "growth": 40,
                          "images": 240}  # fmt: skip


def pictures() -> ImageData:
    split = Split(InMemory(torch.randint(256, (16, 1, 16, 16), dtype=torch.uint8)))
    return ImageData("noise", split, split, (), "noise")


def test_stages_are_timed_apart_and_each_kind_once(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[tuple[int, int]] = []

    def speed(system: Any, data: Any, start: int, images: int, watched: float, runtime: Any) -> float:
        asked.append((start, images))
        return {0: 40.0, 40: 20.0, 120: 10.0}[start]

    monkeypatch.setattr(trial, "_speed", speed)
    total, found = trial.images_per_second("progan:digits", pictures(), FIELDS, RUNTIME)
    assert asked == [(0, 40), (40, 40), (120, 40)], "fading and settled stages of one side are alike"
    assert total == 240
    assert 240 / found == pytest.approx(40 / 40 + 80 / 20 + 120 / 10)


def test_a_trial_of_every_stage_leaves_nothing_behind(tmp_path: Any) -> None:
    total, found = trial.images_per_second("stylegan:digits", pictures(), {**FIELDS, "mapping_layers": 2}, RUNTIME)
    assert total == 240
    assert found > 0
    assert not list(tmp_path.iterdir())
