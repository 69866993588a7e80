"""What recognition is built from, as experiments that take seconds: anchors and transposed convolutions."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional as F

from ...data.photographs import photographs
from ...ops.anchors import assign, detect, offsets, overlaps_of, prior_boxes
from ...recognition.fcn import bilinear
from ...recognition.ssd import RATIOS, SIZES

# The five-anchor demonstration of "Dive into Deep Learning", section 14.4, and what is printed there.
OBJECTS = torch.tensor([[0.1, 0.08, 0.52, 0.92], [0.55, 0.2, 0.9, 0.88]])
FIVE = torch.tensor(
    [
        [0, 0.1, 0.2, 0.3],
        [0.15, 0.2, 0.4, 0.4],
        [0.63, 0.05, 0.88, 0.98],
        [0.66, 0.45, 0.8, 0.8],
        [0.57, 0.3, 0.92, 0.9],
    ]
)
FOUR = torch.tensor([[0.1, 0.08, 0.52, 0.92], [0.08, 0.2, 0.56, 0.95], [0.15, 0.3, 0.62, 0.91], [0.55, 0.2, 0.9, 0.88]])
CHANCES = torch.tensor([[0.1, 0.9, 0.0], [0.2, 0.8, 0.0], [0.3, 0.7, 0.0], [0.1, 0.0, 0.9]])
PHOTOGRAPH, PLACE = "cat", (0.5, 0.45)  # whose pixel has its anchors drawn: shares of height and width
SHOWN_SIZES, SHOWN_RATIOS = (0.75, 0.5, 0.25), (1.0, 2.0, 0.5)
SIDES = (32, 16, 8, 4, 1)  # of TinySSD's maps
ENLARGED = 4  # times, by a transposed convolution
PATCH = 48  # pixels of a photograph that is enlarged


@dataclass(frozen=True)
class Anchors:
    """A photograph, the anchors of one of its pixels, how many all its pixels have, and how many each of TinySSD's maps."""

    picture: Tensor
    here: Tensor
    total: int
    maps: Sequence[int]


@dataclass(frozen=True)
class Five:
    """Overlaps (5, 2) of five anchors with two objects, the object that each is assigned to or -1, the offsets (n, 4) of
    those that have one, and how many of four boxes a suppression keeps."""

    overlaps: Tensor
    assigned: list[int]
    offsets: Tensor
    kept: int


@dataclass(frozen=True)
class Transposed:
    """A transposed convolution in numbers, how far one is from the transpose, and a patch enlarged three ways: nearest,
    bilinear, transposed; `error`: of the last two, away from the border."""

    numbers: Mapping[str, Tensor]
    adjointness: float
    enlarged: Tensor
    error: float


def place_anchors() -> Anchors:
    picture = photographs()[PHOTOGRAPH].float() / 255
    height, width = picture.shape[-2:]
    boxes = prior_boxes(height, width, SHOWN_SIZES, SHOWN_RATIOS).view(height, width, -1, 4)
    each = [len(prior_boxes(side, side, sizes, RATIOS)) for side, sizes in zip(SIDES, SIZES, strict=True)]
    return Anchors(picture, boxes[round(PLACE[0] * height), round(PLACE[1] * width)], boxes.numel() // 4, each)


def assign_five() -> Five:
    """The demonstration with a dog, a cat and five anchors."""
    (assigned,) = assign(OBJECTS[None], torch.tensor([[0, 1]]), FIVE).tolist()
    positive = [place for place, owner in enumerate(assigned) if owner >= 0]
    found = offsets(FIVE[positive], OBJECTS[[assigned[place] for place in positive]])
    (kept,) = detect((CHANCES + 1e-9).log()[None], torch.zeros(1, 4, 4), FOUR, score=0.5, overlap=0.5)
    return Five(overlaps_of(FIVE, OBJECTS), assigned, found, len(kept.boxes))


def transpose() -> Transposed:
    kernel = values = torch.tensor([[0.0, 1.0], [2.0, 3.0]])
    numbers = {"input and kernel": values}
    for name, options in {"": {}, ", stride 2": {"stride": 2}, ", padding 1": {"padding": 1}}.items():
        drawn = F.conv_transpose2d(values[None, None], kernel[None, None], **options)[0, 0]
        numbers[f"transposed convolution{name}"] = drawn
    patch = photographs()[PHOTOGRAPH][None, :, 100 : 100 + PATCH, 150 : 150 + PATCH].float() / 255
    with torch.no_grad():
        drawn = bilinear(3, ENLARGED)(patch)
    straight = F.interpolate(patch, scale_factor=ENLARGED, mode="bilinear", align_corners=False)
    near = F.interpolate(patch, scale_factor=ENLARGED)
    inner = slice(ENLARGED // 2, -(ENLARGED // 2))
    return Transposed(
        numbers,
        max(adjointness(stride, padding) for stride in (1, 2, 3) for padding in (0, 1)),
        torch.cat([near, straight, drawn]),
        float((drawn - straight)[..., inner, inner].abs().max()),
    )


def adjointness(stride: int, padding: int) -> float:
    """How far ⟨Ax, y⟩ and ⟨x, Aᵀy⟩ differ, relatively, for a convolution A of 3×3 in double precision."""
    generator = torch.Generator().manual_seed(stride + 10 * padding)
    kernel, x = (
        torch.randn(*shape, generator=generator, dtype=torch.float64) for shape in ((4, 3, 3, 3), (1, 3, 13, 13))
    )
    forward = F.conv2d(x, kernel, stride=stride, padding=padding)
    y = torch.randn(forward.shape, generator=generator, dtype=torch.float64)
    back = F.conv_transpose2d(y, kernel, stride=stride, padding=padding)
    back = F.pad(back, (0, 13 - back.shape[-1], 0, 13 - back.shape[-2]))  # rows that a stride skips take no part
    one, other = (forward * y).sum(), (x * back).sum()
    return float((one - other).abs() / one.abs())
