"""Anchors of ssd: chosen, fitted to the data, kept, and judged by what they can reach at best."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

import sfumato
from sfumato.data.dataset import ImageData, InMemory, Split
from sfumato.data.sources import open_data
from sfumato.engine.fields import to_json
from sfumato.engine.runtime import Runtime
from sfumato.errors import SfumatoError
from sfumato.ops.anchors import Detections, best_overlaps, laid
from sfumato.recognition import fcn, measures, ssd
from sfumato.recognition.family import FAMILY
from sfumato.recognition.measures import measure
from sfumato.recognition.reach import known_boxes, reach
from sfumato.runs.manifest import ADDED, migrated, read_manifest

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


def pictured(objects: Tensor) -> ImageData:
    """An object of one class in each of as many images, for training and for testing."""
    rows = torch.cat([torch.zeros(len(objects), 1, 1), objects[:, None]], 2)
    half = Split(InMemory(torch.zeros(len(objects), 3, 64, 64, dtype=torch.uint8)), boxes=rows)
    return ImageData("pictured", half, half, ("thing",), "0")


def test_the_reach_of_anchors_is_told_and_small_objects_are_warned_of() -> None:
    small, large = boxes(30, 0.02, 0.05), laid(8, 8, torch.tensor([[0.2, 0.2]]))
    system = ssd.SSD(replace(SMALL, classes=1)).train()
    before = {name: value.clone() for name, value in system.state_dict().items()}
    recalled, warning = FAMILY.advise(system, pictured(torch.cat([small, large])))
    assert "68.1% of 94 training objects" in recalled
    assert "30 of 94 training objects are smaller than half of the smallest anchor (0.2 of the side)" in warning
    assert "--anchors fitted" in warning
    assert system.training
    assert all(torch.equal(value, before[name]) for name, value in system.state_dict().items())
    (alone,) = FAMILY.advise(system, pictured(large))
    assert "100.0% of 64 training objects" in alone
    assert "mean best overlap 1.000" in alone
    assert not FAMILY.advise(fcn.FCN(fcn.Config(classes=2, pretrained=False)), pictured(large))


def test_anchors_equal_to_the_boxes_have_a_recall_of_1() -> None:
    system = ssd.SSD(replace(SMALL, classes=1))
    maps = list(zip(system.map_shapes(), SMALL.sides(), strict=True))
    objects = torch.cat([laid(*shape, sides) for shape, sides in maps])
    found = reach(system, objects)
    assert found.recall == 1
    assert found.overlap == pytest.approx(1, abs=1e-5)
    assert found.too_small == 0


def test_a_new_run_says_what_its_anchors_reach(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    options: dict[str, Any] = {"resolution": 64, "images": 32, "sizes": (0.6,) * 5, "evaluate": False}
    sfumato.train("ssd:scenes", run=tmp_path / "run", **options)
    said = capsys.readouterr().err.splitlines()
    told = [line for line in said if line.startswith("sfumato: ") and "training objects" in line]
    assert ["best possible recall" in line for line in told] == [True, False]
    sfumato.resume(tmp_path / "run", images=64, evaluate=False)
    assert "training objects" not in capsys.readouterr().err


def test_the_mean_box_sees_mirrored_images_where_the_network_does(runtime: Runtime) -> None:
    data = pictured(torch.tensor([[0.5, 0.2, 0.9, 0.6]]).repeat(4, 1))
    for flip, value in ((False, 1.0), (True, 0.0)):
        torch.manual_seed(0)
        evaluation = measure(ssd.SSD(replace(SMALL, classes=1, flip=flip)), data, runtime)
        assert evaluation.value("map_50", "mean-box") == pytest.approx(value)
        found = evaluation.more["found"]["thing"]
        assert found["objects"] == 4
        assert found["ap_50"] == pytest.approx(evaluation.value("map_50"))
        assert sum(found["curve"]) / 101 == pytest.approx(found["ap_50"], abs=1e-4)
        assert evaluation.more["anchors"]["objects"] == 4


def test_the_worst_images_are_false_alarms_and_misses(runtime: Runtime, monkeypatch: pytest.MonkeyPatch) -> None:
    data = pictured(torch.tensor([[0.1, 0.1, 0.5, 0.5]]).repeat(4, 1))
    right, wrong = data.test.boxes[0, 0, 1:], torch.tensor([0.6, 0.6, 0.9, 0.9])  # pyright: ignore[reportOptionalSubscript]
    rows = [[(right, 0.9)], [(right, 0.9), (wrong, 0.4)], [(wrong, 0.8)], []]
    said = [
        Detections(
            torch.stack([box for box, _ in row]) if row else torch.zeros(0, 4),
            torch.zeros(len(row), dtype=torch.int64),
            torch.tensor([score for _, score in row]),
        )
        for row in rows
    ]
    monkeypatch.setattr(measures, "find_objects", lambda *_: said)
    images, words = measures.worst_images(ssd.SSD(replace(SMALL, classes=1)), data, runtime)
    assert words == ["thing 80%: not there", "thing 40%: not there", "missed: 1 of 1"]
    assert all(image.shape == (3, 64, 64) and image.any() for image in images)


def test_too_few_boxes_to_fit_are_refused() -> None:
    with pytest.raises(SfumatoError, match="to 19 boxes 20 anchors cannot be: --anchors usual"):
        ssd.fit_anchors(FITTED, boxes(19, 0.1, 0.2))


def test_a_run_from_before_anchors_were_fields_has_the_usual_ones() -> None:
    old = {"format": 2, "system": "ssd", "config": {"resolution": 64}}
    added = ADDED["ssd"]
    assert migrated(old, "here")["config"] == {**added, "resolution": 64}
    assert migrated({**old, "system": "gan"}, "here")["config"] == {"resolution": 64}
    usual = to_json(ssd.Config())
    assert added == {name: usual[name] for name in added}


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


def test_predictors_have_the_shapes_of_the_text() -> None:
    """ "Dive into Deep Learning", section 14.7: 5,444 anchors, two classes and four offsets each."""
    found = ssd.SSD(replace(ssd.PRESETS["bananas"], classes=1)).predictors()
    assert [one.classes for one in found] == [(8, side, side) for side in (32, 16, 8, 4, 1)]
    assert [one.offsets for one in found] == [(16, side, side) for side in (32, 16, 8, 4, 1)]
    assert sum(one.anchors for one in found) == 5444
    assert sum(torch.Size(one.offsets).numel() for one in found) == 21_776
