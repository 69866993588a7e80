"""Measures of recognition against torchmetrics, closed forms and cases that can be counted by hand."""

import math
from typing import Any

import pytest
import torch
from torchmetrics.classification import MulticlassJaccardIndex

from sfumato.data.dataset import VOID
from sfumato.metrics.recognition import (
    accuracy,
    average_precision,
    confusion,
    intersection_over_union,
    judge,
    matches,
    pixel_confusion,
    pixel_scores,
    precision_and_recall,
)
from sfumato.ops.anchors import Detections


def test_iou_is_torchmetrics_over_all_images_together() -> None:
    generator = torch.Generator().manual_seed(0)
    true = torch.randint(0, 5, (4, 20, 20), generator=generator)
    said = torch.where(torch.rand(true.shape, generator=generator) < 0.6, true, 4 - true)
    true[:, :3] = VOID
    expected = MulticlassJaccardIndex(5, ignore_index=VOID, average="none")
    for pair in zip(said, true, strict=True):
        expected.update(pair[0][None], pair[1][None])
    matrix = sum(
        (pixel_confusion(*pair, 5) for pair in zip(said, true, strict=True)), torch.zeros(5, 5, dtype=torch.int64)
    )
    assert torch.allclose(intersection_over_union(matrix).float(), expected.compute(), atol=1e-6)
    assert pixel_scores(matrix)["miou"] == pytest.approx(float(expected.compute().mean()), abs=1e-6)


def test_void_is_not_counted_and_absent_classes_are_not_averaged() -> None:
    true, said = torch.tensor([0, 0, 1, VOID]), torch.tensor([0, 1, 1, 2])
    matrix = pixel_confusion(said, true, 4)
    assert matrix.sum() == 3
    shares = intersection_over_union(matrix).tolist()
    assert shares[:2] == [0.5, 0.5]
    assert all(map(math.isnan, shares[2:]))
    scores = pixel_scores(matrix)
    assert scores == pytest.approx({"miou": 0.5, "pixel_accuracy": 2 / 3, "class_accuracy": 0.75})


def test_class_255_of_pictures_is_counted() -> None:
    assert confusion(torch.tensor([255, 0]), torch.tensor([255, 255]), 300)[255].sum() == 2


def test_the_interval_is_wilsons() -> None:
    right, count, z = 45, 50, 1.959964
    share = accuracy(torch.tensor([[20, 2], [3, 25]]))
    centre = (right + z**2 / 2) / (count + z**2)
    half = z / (count + z**2) * math.sqrt(right * (count - right) / count + z**2 / 4)
    assert share.value == 0.9
    assert (share.low, share.high) == pytest.approx((centre - half, centre + half), abs=1e-6)


def found(*rows: tuple[float, ...]) -> Detections:
    """Class, score, left, top, right, bottom each."""
    values = torch.tensor(rows).view(-1, 6)
    return Detections(values[:, 2:], values[:, 0].long(), values[:, 1])


def test_average_precision_of_what_can_be_counted() -> None:
    true = [torch.tensor([[0, 0.1, 0.1, 0.5, 0.5], [1, 0.6, 0.6, 0.9, 0.9]]), torch.zeros(0, 5)]
    right = found((0, 0.9, 0.1, 0.1, 0.5, 0.5), (1, 0.8, 0.6, 0.6, 0.9, 0.9))
    nothing = found()
    assert average_precision([right, nothing], true) == pytest.approx({"map": 1, "map_50": 1})
    assert average_precision([nothing, nothing], true) == pytest.approx({"map": 0, "map_50": 0})
    half = found((0, 0.9, 0.1, 0.1, 0.5, 0.5))
    assert average_precision([half, nothing], true)["map_50"] == pytest.approx(0.5)
    loose = found((0, 0.9, 0.1, 0.1, 0.5, 0.4), (1, 0.8, 0.6, 0.6, 0.9, 0.9))  # overlaps by 0.75
    scores = average_precision([loose, nothing], true)
    assert scores["map_50"] == pytest.approx(1)
    assert scores["map"] == pytest.approx((6 / 10 + 1) / 2)


def detected() -> tuple[list[torch.Tensor], list[Detections]]:
    """Objects of twelve images, and detections, some of them of a class of which there are none."""
    generator = torch.Generator().manual_seed(0)
    true, said = [], []
    for _ in range(12):
        corners = torch.rand(5, 2, generator=generator) * 0.6
        boxes = torch.cat([corners, corners + 0.1 + 0.3 * torch.rand(5, 2, generator=generator)], 1)
        labels = torch.randint(3, (5,), generator=generator)
        true.append(torch.cat([labels[:, None], boxes], 1))
        moved = boxes + 0.03 * torch.randn(5, 4, generator=generator)
        said.append(Detections(moved, torch.where(torch.rand(5, generator=generator) < 0.8, labels, 0),
                               torch.rand(5, generator=generator)))  # fmt: skip
    return true, said


def torchmetrics(true: list[torch.Tensor], said: list[Detections], **options: Any) -> dict[str, torch.Tensor]:
    from torchmetrics.detection import MeanAveragePrecision

    metric = MeanAveragePrecision(backend="faster_coco_eval", **options)
    metric.update(
        [{"boxes": 1000 * item.boxes, "scores": item.scores, "labels": item.classes} for item in said],
        [{"boxes": 1000 * item[:, 1:], "labels": item[:, 0].long()} for item in true],
    )
    return metric.compute()


def test_average_precision_is_torchmetrics() -> None:
    true, said = detected()
    found = torchmetrics(true, said)
    expected = {name: float(found[name]) for name in ("map", "map_50")}
    assert 0 < expected["map"] < expected["map_50"] < 1
    assert average_precision(said, true) == pytest.approx(expected, abs=1e-6)


def test_a_surer_wrong_detection_costs_precision() -> None:
    true = [torch.tensor([[0, 0.1, 0.1, 0.5, 0.5]])]
    said = found((0, 0.9, 0.6, 0.6, 0.9, 0.9), (0, 0.8, 0.1, 0.1, 0.5, 0.5))
    assert average_precision([said], true)["map_50"] == pytest.approx(0.5)


def test_the_curve_of_each_class_has_torchmetrics_average_precision() -> None:
    true, said = detected()
    expected = torchmetrics(true, said, iou_thresholds=[0.5], class_metrics=True)
    curves = judge(said, true).curves
    assert [float(curve.mean()) for curve in curves.values()] == pytest.approx(expected["map_per_class"].tolist())
    assert list(curves) == expected["classes"].tolist()
    for curve in curves.values():
        assert curve.shape == (101,)
        assert (curve.diff() <= 0).all()


def test_a_class_without_objects_has_no_curve_and_the_others_average_to_map_50() -> None:
    true, said = detected()
    true = [rows[rows[:, 0] > 0] for rows in true]
    judged = judge(said, true)
    assert list(judged.curves) == [1, 2]
    mean = sum(float(curve.mean()) for curve in judged.curves.values()) / 2
    assert judged.scores["map_50"] == pytest.approx(mean)
    assert not judge(said, [rows[:0] for rows in true]).curves


def test_each_object_is_found_once_and_by_its_own_name() -> None:
    rows = torch.tensor([[0, 0.1, 0.1, 0.5, 0.5], [1, 0.6, 0.6, 0.9, 0.9], [1, 0.0, 0.6, 0.2, 0.9]])
    said = found(
        (0, 0.7, 0.1, 0.1, 0.5, 0.5),
        (0, 0.9, 0.1, 0.1, 0.5, 0.45),
        (0, 0.8, 0.6, 0.6, 0.9, 0.9),
        (1, 0.5, 0.6, 0.6, 0.9, 0.8),
    )
    right, met = matches(said, rows)
    assert right.tolist() == [False, True, False, True]
    assert met.tolist() == [True, True, False]
    assert [part.tolist() for part in matches(found(), rows)] == [[], [False] * 3]
    assert [part.tolist() for part in matches(said, rows[:0])] == [[False] * 4, []]


def test_precision_and_recall_of_what_can_be_counted() -> None:
    precision, recall = precision_and_recall(torch.tensor([[3, 1, 0], [2, 4, 0], [0, 0, 0]]))
    assert precision[:2].tolist() == pytest.approx([3 / 5, 4 / 5])
    assert recall[:2].tolist() == pytest.approx([3 / 4, 4 / 6])
    assert precision[2].isnan()
    assert recall[2].isnan()
