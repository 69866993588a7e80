"""What was recognised, drawn on the picture: coloured pixels, boxes with names, and below it what the colours mean."""

import colorsys
import math
from collections.abc import Iterable, Sequence

import numpy as np
import torch
from PIL import Image, ImageDraw, ImageFont
from torch import Tensor

from .language import CJK, cjk_font

SHADE = 0.6  # of a class's colour on the picture
STEP = 0.38  # of the colour circle, about, from one class to the next
FRAME = 24  # frames in a side
RIGHT, WRONG = (0.1, 0.7, 0.2), (0.85, 0.1, 0.1)
GROUNDS = ("background", "_background_")
LETTER = 40  # letters' heights in the shorter side
SMALL, LARGE = 11, 40  # pixels that a letter is high, at least and at most
Colour = tuple[int, int, int]
WIDE = 18  # letters' heights that a name in a legend may take


def colours(names: Sequence[str]) -> list[Colour]:
    """One for each class, 8-bit RGB, always the same; a background is black."""
    found = []
    count = len(names)
    step = next(step for step in range(round(STEP * count), 2 * count + 2) if math.gcd(step, count) == 1)
    for number, name in enumerate(names):
        shade = colorsys.hsv_to_rgb(number * step % count / count, 0.85, 1 - 0.25 * (number % 2))
        red, green, blue = (0, 0, 0) if name in GROUNDS else (round(255 * part) for part in shade)
        found.append((red, green, blue))
    return found


def coloured(picture: Tensor, mask: Tensor, names: Sequence[str], palette: Sequence[Colour] = ()) -> Tensor:
    """(3, h, w) in [0, 1]: `picture`, the same, under the colours of `mask` (h, w); background and void stay clear.
    `palette`: 8-bit RGB of each class; by default `colours`."""
    shades = torch.tensor(palette or colours(names)) / 255
    known = mask.long().clamp(max=len(names) - 1)
    paint = shades[known].permute(2, 0, 1)
    clear = torch.tensor([name in GROUNDS for name in names])[known] | (mask >= len(names))
    return torch.where(clear, picture, torch.lerp(picture, paint, SHADE))


def framed(picture: Tensor, right: bool) -> Tensor:
    """`picture` (3, h, w) in a green frame, or a red one."""
    wide = max(1, min(picture.shape[-2:]) // FRAME)
    drawn = torch.tensor(RIGHT if right else WRONG).view(3, 1, 1).expand_as(picture).clone()
    drawn[:, wide:-wide, wide:-wide] = picture[:, wide:-wide, wide:-wide]
    return drawn


def boxed(picture: Tensor, boxes: Tensor, classes: Tensor, names: Sequence[str]) -> Tensor:
    """(3, h, w) in [0, 1]: `picture` with a frame around each of `boxes` (n, 4), shares of the sides, and its name."""
    drawn = Image.fromarray((picture.clamp(0, 1) * 255).round().to(torch.uint8).permute(1, 2, 0).numpy())
    draw_boxes(drawn, boxes, classes.tolist(), names, [str(names[number]) for number in classes.tolist()])
    return torch.from_numpy(np.array(drawn)).permute(2, 0, 1).float() / 255


def draw_boxes(
    picture: Image.Image, boxes: Tensor, classes: Sequence[int], names: Sequence[str], words: Sequence[str]
) -> None:
    """Draws a frame around each of `boxes` (n, 4), shares of the sides, in the colour of its class, with its words."""
    draw, font, palette = ImageDraw.Draw(picture), _font(picture, words), colours(names)
    edge = max(1, round(font.size / 8))
    for box, number, word in zip(boxes.tolist(), classes, words, strict=True):
        left, top, right, bottom = (part * side for part, side in zip(box, 2 * picture.size, strict=True))
        draw.rectangle((left, top, right, bottom), outline=palette[number], width=edge)
        _label(draw, (left, top), word, palette[number], font)


def below(picture: Image.Image, lines: Sequence[tuple[str, Colour]]) -> Image.Image:
    """`picture` with a white strip below it: a square of its colour and a word for each of `lines`."""
    if not lines:
        return picture
    font = _font(picture, [word for word, _ in lines])
    step = round(1.5 * font.size)
    columns = max(1, min(len(lines), int(picture.width // (WIDE * font.size))))
    rows = -(-len(lines) // columns)
    whole = Image.new("RGB", (picture.width, picture.height + rows * step + step // 3), "white")
    whole.paste(picture)
    draw = ImageDraw.Draw(whole)
    for index, (word, colour) in enumerate(lines):
        left = index % columns * picture.width // columns + step // 3
        top = picture.height + step // 4 + index // columns * step
        draw.rectangle((left, top, left + font.size, top + font.size), fill=colour)
        draw.text((left + step, top), word, fill="black", font=font)
    return whole


def _label(
    draw: ImageDraw.ImageDraw,
    place: tuple[float, float],
    word: str,
    colour: Colour,
    font: ImageFont.FreeTypeFont,
) -> None:
    """Words on a patch of `colour`, above `place` or, at the upper edge, below it."""
    left, top = place
    height = round(1.3 * font.size)
    top = top - height if top >= height else top
    draw.rectangle((left, top, left + draw.textlength(word, font) + font.size // 2, top + height), fill=colour)
    bright = sum(colour) > 380
    draw.text((left + font.size // 4, top), word, fill="black" if bright else "white", font=font)


def _font(picture: Image.Image, words: Iterable[str]) -> ImageFont.FreeTypeFont:
    """One that is large enough, and has Chinese letters if `words` do and one is installed."""
    size = min(LARGE, max(SMALL, min(picture.size) // LETTER))
    if max("".join(words), default="") >= CJK and (name := cjk_font()):
        from matplotlib.font_manager import findfont

        return ImageFont.truetype(findfont(name), size)
    font = ImageFont.load_default(size)
    assert isinstance(font, ImageFont.FreeTypeFont)
    return font
