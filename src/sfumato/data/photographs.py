"""The embedded photographs: seven colour pictures that scikit-image and scikit-learn ship.

As a data set they are squares cut from each of them at two scales; two photographs are held out whole.
"""

import torch
from torch import Tensor

from .bundled import photograph
from .dataset import ImageData, InMemory, Split, central_square, cut_squares, fingerprint, resized

SIDE = 256
TEST = ("coffee", "flower")
SCALES = (1.0, 1.5)  # the photograph's shorter side over that of its squares
NOTICE = (
    "These are squares of seven photographs that scikit-image and scikit-learn ship: "
    "numbers measured on them cannot be compared with published ones."
)
NOTICE_ZH = "这里用的是 scikit-image 和 scikit-learn 自带的七张照片切成的方块：其数值不能与发表值相比较。"


def photographs() -> dict[str, Tensor]:
    """uint8 (3, h, w) by name."""
    files = {
        "astronaut": "astronaut.png", "cat": "chelsea.png", "coffee": "coffee.png", "rocket": "rocket.jpg",
        "motorcycle": "motorcycle_left.png",
    }  # fmt: skip
    return {
        **{name: photograph("skimage", f"data/{file}") for name, file in files.items()},
        **{name: photograph("sklearn", f"datasets/images/{name}.jpg") for name in ("china", "flower")},
    }


def read_photographs(resolution: int = SIDE) -> ImageData:
    """Squares as uint8 (n, 3, resolution, resolution), labelled by their photograph; always the same."""
    pictures = photographs()
    halves: list[tuple[list[Tensor], list[int]]] = [([], []), ([], [])]
    for label, (name, picture) in enumerate(pictures.items()):
        squares, labels = halves[name in TEST]
        for scale in SCALES if name not in TEST else SCALES[:1]:
            shorter, side = min(picture.shape[1:]), round(scale * resolution)
            sized = resized(picture, [int(side * length / shorter) for length in picture.shape[1:]])
            cut = cut_squares(sized, resolution) if name not in TEST else central_square(sized)[None]
            squares.append(cut)
            labels += [label] * len(cut)
    train, test = (Split(InMemory(torch.cat(squares)), torch.tensor(labels)) for squares, labels in halves)
    digest = fingerprint(*(torch.cat(squares) for squares, _ in halves))
    return ImageData("photographs", train, test, tuple(pictures), digest, NOTICE, notice_zh=NOTICE_ZH)
