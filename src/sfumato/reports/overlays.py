"""What was recognised, drawn on the picture: coloured pixels with a legend, boxes with names."""

import colorsys
from collections.abc import Sequence

import torch
from torch import Tensor
from torchvision.utils import draw_bounding_boxes, draw_segmentation_masks

SHADE = 0.6  # of a class's colour on the picture
GOLDEN = 0.618034  # of the colour circle between two classes: any few neighbours are far apart
FRAME = 24  # frames in a side
RIGHT, WRONG = (0.1, 0.7, 0.2), (0.85, 0.1, 0.1)
GROUNDS = ("background", "_background_")


def colours(names: Sequence[str]) -> list[tuple[int, int, int]]:
    """One for each class, 8-bit RGB, always the same; a background is black."""
    found = []
    for number, name in enumerate(names):
        shade = colorsys.hsv_to_rgb(GOLDEN * number % 1, 0.85, 1 - 0.25 * (number % 2))
        red, green, blue = (0, 0, 0) if name in GROUNDS else (round(255 * part) for part in shade)
        found.append((red, green, blue))
    return found


def coloured(picture: Tensor, mask: Tensor, names: Sequence[str], shade: float = SHADE) -> Tensor:
    """(3, h, w) in [0, 1]: `picture`, the same, under the colours of `mask` (h, w); a background stays clear."""
    shown = [number for number, name in enumerate(names) if name not in GROUNDS]
    palette = colours(names)
    layers = torch.stack([mask == number for number in shown])
    bytes_ = (picture.clamp(0, 1) * 255).round().to(torch.uint8)
    drawn = draw_segmentation_masks(bytes_, layers, shade, [palette[number] for number in shown])
    return drawn.float() / 255


def framed(picture: Tensor, right: bool) -> Tensor:
    """`picture` (3, h, w) in a green frame, or a red one."""
    drawn, wide = picture.clone(), max(1, min(picture.shape[-2:]) // FRAME)
    inside = drawn[:, wide:-wide, wide:-wide].clone()
    drawn[:] = torch.tensor(RIGHT if right else WRONG).view(3, 1, 1)
    drawn[:, wide:-wide, wide:-wide] = inside
    return drawn


def boxed(
    picture: Tensor, boxes: Tensor, classes: Tensor, names: Sequence[str], scores: Tensor | None = None
) -> Tensor:
    """(3, h, w) in [0, 1]: `picture` with a frame around each of `boxes` (n, 4), shares of the sides, and its name."""
    bytes_ = (picture.clamp(0, 1) * 255).round().to(torch.uint8)
    if not len(boxes):
        return bytes_.float() / 255
    height, width = picture.shape[-2:]
    palette, which = colours(names), classes.tolist()
    said = [str(names[number]) for number in which]
    if scores is not None:
        said = [f"{name} {score:.2f}" for name, score in zip(said, scores.tolist(), strict=True)]
    frames = boxes.float().cpu() * torch.tensor([width, height, width, height])
    drawn = draw_bounding_boxes(
        bytes_, frames, said, [palette[number] for number in which], width=max(1, min(height, width) // 150)
    )
    return drawn.float() / 255
