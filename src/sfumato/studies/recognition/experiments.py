"""What recognition is built from, as experiments that take seconds: anchors and transposed convolutions."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import torch
from torch import Tensor
from torch.nn import functional as F

from ...data.photographs import photographs
from ...nets.receptive import influence
from ...ops.anchors import assign, detect, offsets, overlaps_of, prior_boxes
from ...recognition.fcn import bilinear
from ...recognition.ssd import PRESETS, WIDTH, Predictor, halving, predictors_of

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
NUMBERS = torch.tensor([[0.0, 1.0], [2.0, 3.0]])  # the text's input and kernel of a transposed convolution
ENLARGED = 4  # times, by a transposed convolution
PATCH = 48  # pixels of a photograph that is enlarged


@dataclass(frozen=True)
class Anchors:
    """A photograph, the anchors of one of its pixels, how many all its pixels have, and what is said at each of the maps
    of the course's TinySSD."""

    picture: Tensor
    here: Tensor
    total: int
    maps: Sequence[Predictor]


@dataclass(frozen=True)
class Five:
    """Overlaps (5, 2) of five anchors with two objects, the object that each is assigned to or -1, the offsets (n, 4) of
    those that have one, and how many of four boxes a suppression keeps."""

    overlaps: Tensor
    assigned: list[int]
    offsets: Tensor
    kept: int


@dataclass(frozen=True)
class Matrix:
    """A convolution as the matrix (o, i) that it is, `values` (o,) and what the transpose makes of them, `drawn` (i,);
    `error`: the largest difference of that from torch's transposed convolution."""

    stride: int
    weights: Tensor
    values: Tensor
    drawn: Tensor
    error: float


@dataclass(frozen=True)
class Transposed:
    """A transposed convolution in numbers and as matrices, how far one is from the transpose, bilinear kernels, and a
    patch enlarged three ways: nearest, bilinear, transposed; `error`: of the last two, away from the border."""

    numbers: Mapping[str, Tensor]
    matrices: Sequence[Matrix]
    kernels: Mapping[str, Tensor]
    adjointness: float
    enlarged: Tensor
    error: float


def place_anchors() -> Anchors:
    picture = photographs()[PHOTOGRAPH].float() / 255
    height, width = picture.shape[-2:]
    boxes = prior_boxes(height, width, SHOWN_SIZES, SHOWN_RATIOS).view(height, width, -1, 4)
    maps = predictors_of(replace(PRESETS["bananas"], classes=1))
    return Anchors(picture, boxes[round(PLACE[0] * height), round(PLACE[1] * width)], boxes.numel() // 4, maps)


def look_back() -> Tensor:
    """(h, w): the gradient of one number behind a halving block of TinySSD in its input, noise of 20×20, in the mean of
    many: of one alone, poolings pass over most pixels."""
    noise = torch.rand(64, 3, 20, 20, generator=torch.Generator().manual_seed(0))
    return influence(halving(3, WIDTH).eval(), noise)


def assign_five() -> Five:
    """The demonstration with a dog, a cat and five anchors."""
    (assigned,) = assign(OBJECTS[None], torch.tensor([[0, 1]]), FIVE).tolist()
    positive = [place for place, owner in enumerate(assigned) if owner >= 0]
    found = offsets(FIVE[positive], OBJECTS[[assigned[place] for place in positive]])
    (kept,) = detect((CHANCES + 1e-9).log()[None], torch.zeros(1, 4, 4), FOUR, score=0.5, overlap=0.5)
    return Five(overlaps_of(FIVE, OBJECTS), assigned, found, len(kept.boxes))


def transpose() -> Transposed:
    kernel = values = NUMBERS
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
        [transposed_matrix(stride) for stride in (1, 2)],
        {f"{factor}×": bilinear(1, factor).weight[0, 0].detach() for factor in (2, ENLARGED)},
        max(adjointness(stride, padding) for stride in (1, 2, 3) for padding in (0, 1)),
        torch.cat([near, straight, drawn]),
        float((drawn - straight)[..., inner, inner].abs().max()),
    )


def convolution_matrix(kernel: Tensor, height: int, width: int, stride: int) -> Tensor:
    """(o, height · width): what a convolution by `kernel`, without padding, does to pictures of that size, row by row of
    its result."""
    high, wide = kernel.shape
    rows = []
    for top in range(0, height - high + 1, stride):
        for left in range(0, width - wide + 1, stride):
            row = torch.zeros(height, width)
            row[top : top + high, left : left + wide] = kernel
            rows.append(row.flatten())
    return torch.stack(rows)


def transposed_matrix(stride: int) -> Matrix:
    """Of the text's numbers, input and kernel."""
    drawn = F.conv_transpose2d(NUMBERS[None, None], NUMBERS[None, None], stride=stride)[0, 0]
    height, width = drawn.shape
    weights = convolution_matrix(NUMBERS, height, width, stride)
    found = weights.T @ NUMBERS.flatten()
    return Matrix(stride, weights, NUMBERS.flatten(), found, float((found - drawn.flatten()).abs().max()))


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
