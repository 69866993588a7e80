"""Anchors of ssd: chosen, fitted to the data, kept, and judged by what they can reach at best."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

import sfumato
from sfumato.data.sources import open_data
from sfumato.errors import SfumatoError
from sfumato.ops.anchors import best_overlaps
from sfumato.recognition import ssd
from sfumato.recognition.family import FAMILY
from sfumato.recognition.measures import known_boxes
from sfumato.runs.manifest import ANCHORS, migrated, read_manifest

SMALL = ssd.Config(resolution=64, batch_size=8, images=16)
FITTED = replace(SMALL, anchors="fitted")


def boxes(count: int, least: float, most: float, seed: int = 0) -> Tensor:
    generator = torch.Generator().manual_seed(seed)
    sides = least + (most - least) * torch.rand(count, 2, generator=generator)
    low = torch.rand(count, 2, generator=generator) * (1 - sides)
    return torch.cat([low, low + sides], 1)


def overlap(config: ssd.Config, objects: Tensor) -> float:
    system = ssd.SSD(replace(config, classes=1))
    maps = [(*shape, sides) for shape, sides in zip(system.map_shapes(), config.sides(), strict=True)]
    return float(best_overlaps(objects, maps).mean())


@pytest.mark.parametrize(("least", "most"), [(0.02, 0.1), (0.1, 0.3), (0.05, 0.9), (0.5, 0.95), (0.3, 0.3)])
def test_fitted_anchors_overlap_no_less_than_the_usual_ones(least: float, most: float) -> None:
    objects = boxes(100, least, most)
    for config in (FITTED, replace(FITTED, resolution=256)):
        found = ssd.fit_anchors(config, objects)
        assert overlap(found, objects) >= overlap(config, objects) - 1e-4
        assert found == ssd.fit_anchors(config, objects)
        shapes = [system.state_dict() for system in (ssd.SSD(replace(it, classes=1)) for it in (config, found))]
        assert {name: value.shape for name, value in shapes[0].items()} == {
            name: value.shape for name, value in shapes[1].items()
        }


def test_small_boxes_are_the_finest_maps() -> None:
    found = ssd.fit_anchors(FITTED, boxes(50, 0.03, 0.06)).sides()
    assert (found[0] < 0.07).all()
    for fitted, usual in zip(found[1:], SMALL.sides()[1:], strict=True):
        assert torch.allclose(fitted, usual, atol=1e-4)


def test_sizes_and_ratios_make_the_anchors() -> None:
    config = replace(SMALL, classes=2, sizes=(0.1, 0.2, 0.3, 0.4, 0.5), ratios=(1.0, 3.0))
    with torch.no_grad():
        logits, _, anchors = ssd.SSD(config).eval()(torch.rand(1, 3, 64, 64))
    assert logits.shape[1] == len(anchors) == 2 * (64 + 16 + 4 + 1 + 1)
    assert torch.allclose(anchors[0, 2:] - anchors[0, :2], torch.tensor([0.1, 0.1]), atol=1e-6)
    assert torch.allclose(anchors[-1, 2:] - anchors[-1, :2], 0.5 * torch.tensor([3**0.5, 3**-0.5]), atol=1e-6)


def test_fitted_anchors_are_kept_and_need_no_data(tmp_path: Path) -> None:
    run = sfumato.train("ssd:scenes", run=tmp_path / "run", resolution=64, images=32, anchors="fitted", evaluate=False)
    kept = read_manifest(tmp_path / "run").config
    data = open_data("scenes", FAMILY.view(SMALL))
    found = ssd.fit_anchors(replace(FITTED, images=32), known_boxes(data.train))
    assert (tuple(kept["widths"]), tuple(kept["heights"])) == (found.widths, found.heights)
    opened = sfumato.open(run.path, "cpu").system.config
    assert FAMILY.settle(opened, data, "ssd") == opened
    assert [part.tolist() for part in opened.sides()] == [part.tolist() for part in found.sides()]
    longer = sfumato.resume(run.path, images=48, evaluate=False)
    assert longer.system.config.widths == found.widths


def test_too_few_boxes_to_fit_are_refused() -> None:
    with pytest.raises(SfumatoError, match="to 19 boxes 20 anchors cannot be: --anchors usual"):
        ssd.fit_anchors(FITTED, boxes(19, 0.1, 0.2))


def test_a_run_from_before_anchors_were_fields_has_the_usual_ones() -> None:
    old = {"format": 2, "system": "ssd", "config": {"resolution": 64}}
    assert migrated(old, "here")["config"] == {**ANCHORS, "resolution": 64}
    assert migrated({**old, "system": "fcn"}, "here")["config"] == {"resolution": 64}
    usual = ssd.Config()
    assert {name: value if name == "anchors" else tuple(value) for name, value in ANCHORS.items()} == {
        name: getattr(usual, name) for name in ANCHORS
    }


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({"sizes": (0.0,) * 5}, "sizes .*: each must lie between 0 and 1, above 0"),
        ({"sizes": (1.1,) * 5}, "sizes"),
        ({"sizes": ()}, "sizes .*: must not be empty"),
        ({"sizes": (0.1,) * 6}, "sizes: 6 of them, but each of 5 maps must have as many"),
        ({"ratios": (1.0, 0.0)}, "ratios .*: each must be more than 0"),
        ({"ratios": (1.0, float("inf"))}, "ratios"),
        ({"ratios": (1.0,) * 12}, "sizes and ratios: make 13 anchors at a pixel: 12 at most"),
        ({"widths": (0.1,) * 20, "heights": (0.1,) * 20}, "--anchors fitted"),
        ({"anchors": "fitted", "widths": (0.1,) * 20}, "20 and 0 of them, but sizes and ratios make 20 anchors"),
        ({"anchors": "fitted", "widths": (0.1,) * 19, "heights": (0.1,) * 19}, "19 and 19 of them"),
        ({"anchors": "best"}, "anchors 'best': must be usual or fitted"),
    ],
)
def test_anchors_that_cannot_be_are_refused(fields: dict[str, Any], words: str) -> None:
    with pytest.raises(SfumatoError, match=words):
        ssd.Config(**fields)
