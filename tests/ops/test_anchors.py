"""Anchors against the figures printed in "Dive into Deep Learning", torchvision's boxes, and brute force."""

import pytest
import torch
from torchvision.models.detection._utils import BoxCoder
from torchvision.models.detection.anchor_utils import DefaultBoxGenerator
from torchvision.models.detection.image_list import ImageList
from torchvision.ops import box_convert, box_iou

from sfumato.ops.anchors import (
    assign,
    best_overlaps,
    centred,
    cornered,
    detect,
    fitted_sides,
    laid,
    offsets,
    overlaps_of,
    prior_boxes,
    prior_sides,
    shifted,
    side_overlaps,
    targets,
)
from sfumato.recognition.ssd import RATIOS, SIZES
from sfumato.studies.recognition.anchors import PRINTED_ASSIGNED, PRINTED_OFFSETS, PRINTED_OVERLAPS
from sfumato.studies.recognition.experiments import FIVE, FOUR, OBJECTS

SIDES = (32, 16, 8, 4, 1)


def test_priors_of_a_photograph_are_the_printed_ones() -> None:
    boxes = prior_boxes(561, 728, (0.75, 0.5, 0.25), (1, 2, 0.5))
    assert boxes.shape == (2_042_040, 4)
    assert torch.allclose(
        boxes.view(561, 728, 5, 4)[250, 250, 0], torch.tensor([0.0551, 0.0715, 0.6331, 0.8215]), atol=1e-4
    )


def test_tiny_ssd_has_5444_anchors_in_the_order_of_torchvision() -> None:
    ours = torch.cat([prior_boxes(side, side, sizes, RATIOS) for side, sizes in zip(SIDES, SIZES, strict=True)])
    generator = DefaultBoxGenerator([[2]] * 5, scales=[0.2, 0.37, 0.54, 0.71, 0.88, 1.05], clip=False)
    maps = [torch.zeros(1, 1, side, side) for side in SIDES]
    theirs = generator(ImageList(torch.zeros(1, 3, 256, 256), [(256, 256)]), maps)[0] / 256
    assert ours.shape == (5444, 4)
    # Theirs has each map's box of ratio 1 and the two sizes first, as ours does; the rounded sizes of the text differ.
    assert (ours - theirs).abs().max() < 2.5e-4


def test_a_pixel_of_a_wide_map_has_boxes_of_the_wanted_ratio() -> None:
    height, width = 10, 20
    box = prior_boxes(height, width, (0.4,), (2.0,))[0]
    assert (box[2] - box[0]) * width / ((box[3] - box[1]) * height) == pytest.approx(2.0)


def test_five_anchors_are_assigned_as_printed() -> None:
    overlaps = box_iou(FIVE, OBJECTS)
    assert torch.allclose(overlaps, PRINTED_OVERLAPS, atol=1e-4)
    assert assign(OBJECTS[None], torch.tensor([[0, 1]]), FIVE).tolist() == [PRINTED_ASSIGNED]


def test_targets_of_five_anchors_are_the_printed_ones() -> None:
    found = targets(OBJECTS[None], torch.tensor([[0, 1]]), FIVE)
    assert found.classes.tolist() == [[0, 1, 2, 0, 2]]
    assert torch.allclose(found.offsets[0, [1, 2, 4]], PRINTED_OFFSETS, atol=1e-4)
    assert not found.offsets[0, [0, 3]].any()


def test_corner_and_centre_form_are_torchvisions_and_lead_back() -> None:
    boxes = random_boxes(50, 3)
    assert torch.allclose(centred(boxes), box_convert(boxes, "xyxy", "cxcywh"))
    assert torch.allclose(cornered(centred(boxes)), boxes, atol=1e-6)
    assert torch.allclose(centred(torch.tensor([60.0, 45, 378, 516])), torch.tensor([219.0, 280.5, 318, 471]))


def test_padding_is_never_assigned() -> None:
    padded = torch.cat([OBJECTS, torch.zeros(3, 4)])[None]
    classes = torch.tensor([[0, 1, -1, -1, -1]])
    plain = targets(OBJECTS[None], torch.tensor([[0, 1]]), FIVE)
    with_padding = targets(padded, classes, FIVE)
    assert torch.equal(plain.classes, with_padding.classes)
    assert torch.equal(plain.offsets, with_padding.offsets)


@pytest.mark.parametrize("rows", [0, 2])
def test_an_image_without_objects_is_all_background(rows: int) -> None:
    found = targets(torch.zeros(1, rows, 4), torch.full((1, rows), -1), FIVE)
    assert not found.positive.any()
    assert not found.offsets.any()
    assert found.offsets.shape == (1, 5, 4)


def greedy(boxes: torch.Tensor, anchors: torch.Tensor, threshold: float) -> list[int]:
    """The same rule by the book: one image, plain loops."""
    overlaps = box_iou(anchors, boxes)
    assigned = [int(row.argmax()) if float(row.max()) >= threshold else -1 for row in overlaps]
    pairs = sorted(
        ((float(overlaps[i, j]), i, j) for i in range(len(anchors)) for j in range(len(boxes))), reverse=True
    )
    used_anchors: set[int] = set()
    used_boxes: set[int] = set()
    for _, anchor, box in pairs:
        if anchor not in used_anchors and box not in used_boxes:
            assigned[anchor] = box
            used_anchors.add(anchor)
            used_boxes.add(box)
    return assigned


def test_a_batch_is_assigned_like_each_image_by_plain_loops() -> None:
    generator = torch.Generator().manual_seed(1)
    anchors = torch.cat([prior_boxes(6, 6, (0.3, 0.4), RATIOS), prior_boxes(3, 3, (0.6, 0.7), RATIOS)])
    corners = torch.rand(8, 7, 2, 2, generator=generator).sort(2).values
    boxes = corners.flatten(2)
    counts = torch.tensor([0, 1, 2, 3, 5, 7, 7, 4])
    classes = torch.where(torch.arange(7) < counts[:, None], 0, -1)
    found = assign(boxes, classes, anchors)
    for image, count in enumerate(counts.tolist()):
        expected = greedy(boxes[image, :count], anchors, 0.5) if count else [-1] * len(anchors)
        assert found[image].tolist() == expected
        assert set(range(count)) <= set(found[image].tolist())


def test_offsets_are_torchvisions_and_lead_back() -> None:
    generator = torch.Generator().manual_seed(0)
    anchors, boxes = (torch.cat([low := torch.rand(50, 2, generator=generator), low + 0.05 + torch.rand(50, 2, generator=generator)], 1) for _ in range(2))  # fmt: skip # noqa: E501
    theirs = BoxCoder((10.0, 10.0, 5.0, 5.0)).encode_single(boxes, anchors)
    assert torch.allclose(offsets(anchors, boxes), theirs, atol=1e-4)
    assert torch.allclose(shifted(anchors, offsets(anchors, boxes)), boxes, atol=1e-5)


def test_suppression_keeps_the_surest_of_each_class_as_printed() -> None:
    chances = torch.tensor([[0.05, 0.9, 0.05], [0.1, 0.8, 0.1], [0.2, 0.7, 0.1], [0.05, 0.05, 0.9]])
    (found,) = detect(chances.log()[None], torch.zeros(1, 4, 4), FOUR, score=0.5, overlap=0.5)
    order = found.classes.argsort()
    assert found.classes[order].tolist() == [0, 1]
    assert torch.allclose(found.scores, torch.tensor([0.9, 0.9]))
    assert torch.allclose(found.boxes[order], FOUR[[0, 3]])


def random_boxes(count: int, seed: int) -> torch.Tensor:
    generator = torch.Generator().manual_seed(seed)
    sides = torch.rand(count, 2, generator=generator) ** 2 * 0.9 + 0.01
    low = torch.rand(count, 2, generator=generator) * (1 - sides)
    return torch.cat([low, low + sides], 1)


@pytest.mark.parametrize("shape", [(7, 7), (5, 9)])
def test_the_nearest_pixel_has_the_best_anchor(shape: tuple[int, int]) -> None:
    boxes, sides = random_boxes(200, 0), prior_sides((0.2, 0.5), RATIOS)
    maps = [(*shape, sides), (1, 1, 2 * sides)]
    all_of_them = torch.cat([laid(*each) for each in maps])
    assert torch.allclose(best_overlaps(boxes, maps), overlaps_of(boxes, all_of_them).amax(1), atol=1e-5)


def test_anchors_that_are_the_boxes_overlap_them_wholly() -> None:
    sides = prior_sides((0.2, 0.3), RATIOS)
    assert torch.allclose(best_overlaps(laid(4, 4, sides), [(4, 4, sides)]), torch.ones(64), atol=1e-5)


def test_k_means_finds_the_sides_that_there_are() -> None:
    known = torch.tensor([[0.05, 0.08], [0.1, 0.1], [0.4, 0.2], [0.2, 0.45], [0.9, 0.8]])
    order = torch.randperm(200, generator=torch.Generator().manual_seed(0))
    for usual in (torch.full((5, 2), 0.5), known.flip(0)):
        assert torch.allclose(fitted_sides(known.repeat(40, 1)[order], usual), known)


@pytest.mark.parametrize("seed", range(5))
def test_fitted_sides_are_no_worse_than_usual_ones_and_always_the_same(seed: int) -> None:
    boxes = random_boxes(60, seed)
    sides, usual = boxes[:, 2:] - boxes[:, :2], prior_sides((0.2, 0.5), RATIOS)
    state = torch.get_rng_state()
    found = fitted_sides(sides, usual)
    assert torch.equal(torch.get_rng_state(), state)
    assert torch.equal(found, fitted_sides(sides, usual))
    assert side_overlaps(sides, found).amax(1).mean() >= side_overlaps(sides, usual).amax(1).mean()
    fit = side_overlaps(sides, found).amax(1).mean()
    assert side_overlaps(sides, fitted_sides(sides, found)).amax(1).mean() >= fit - 1e-6
