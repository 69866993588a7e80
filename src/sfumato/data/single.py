"""One picture as a data set: a style to be learnt from squares of it."""

from pathlib import Path

import torch

from .dataset import ImageData, InMemory, Split, central_square, cut_squares, fingerprint, resized
from .index import is_picture
from .jobs import read_file
from .pictures import to_tensor

SCALES = (1, 2)  # the picture's shorter side over that of its squares: strokes from near by, and from further away
LEAST = 16  # squares, so that there is a batch of them


def is_single(path: Path) -> bool:
    """Whether `path` is a picture."""
    return path.is_file() and is_picture(path.name)


def read_single(path: Path, channels: int, resolution: int) -> ImageData:
    """Squares of the picture as uint8 (n, c, resolution, resolution), from corner to corner and at two scales if it is
    large enough; its central square to test on. Raises SfumatoError naming the file."""
    picture = to_tensor(read_file(path)[0].convert("L" if channels == 1 else "RGB"))
    shorter = min(picture.shape[1:])
    sides = [scale * resolution for scale in SCALES if scale == SCALES[0] or scale * resolution <= shorter]
    sized = [
        resized(picture, [max(side, round(side * length / shorter)) for length in picture.shape[1:]]) for side in sides
    ]
    train, test = torch.cat([cut_squares(each, resolution) for each in sized]), central_square(sized[0])[None]
    train = train.repeat(-(-LEAST // len(train)), 1, 1, 1)
    first, second = (Split(InMemory(part), torch.zeros(len(part), dtype=torch.int64)) for part in (train, test))
    reading = f"one picture, {len(train)} squares of it"
    return ImageData(path.name, first, second, (path.stem,), fingerprint(train), reading=reading)
