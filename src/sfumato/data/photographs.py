"""The embedded photographs: seven colour pictures that scikit-image and scikit-learn ship.

As a data set they are squares cut from each of them at two scales; two photographs are held out whole.
"""

import torch
from torch import Tensor
from torchvision.transforms.v2.functional import resize

from .dataset import ImageData, InMemory, Split, central_square, fingerprint

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
    from skimage import data
    from sklearn.datasets import load_sample_images

    china, flower = load_sample_images().images
    pictures = {
        "astronaut": data.astronaut(), "cat": data.chelsea(), "coffee": data.coffee(), "rocket": data.rocket(),
        "motorcycle": data.stereo_motorcycle()[0], "china": china, "flower": flower,
    }  # fmt: skip
    return {name: torch.tensor(picture).permute(2, 0, 1) for name, picture in pictures.items()}


def read_photographs(resolution: int = SIDE) -> ImageData:
    """Squares as uint8 (n, 3, resolution, resolution), labelled by their photograph; always the same."""
    pictures = photographs()
    halves: list[tuple[list[Tensor], list[int]]] = [([], []), ([], [])]
    for label, (name, picture) in enumerate(pictures.items()):
        squares, labels = halves[name in TEST]
        for scale in SCALES if name not in TEST else SCALES[:1]:
            sized = resize(picture, [round(scale * resolution)], antialias=True)
            cut = _squares(sized, resolution) if name not in TEST else central_square(sized)[None]
            squares.append(cut)
            labels += [label] * len(cut)
    train, test = (Split(InMemory(torch.cat(squares)), torch.tensor(labels)) for squares, labels in halves)
    digest = fingerprint(*(torch.cat(squares) for squares, _ in halves))
    return ImageData("photographs", train, test, tuple(pictures), digest, NOTICE, notice_zh=NOTICE_ZH)


def _squares(picture: Tensor, side: int) -> Tensor:
    """All (n, c, side, side) squares of a (c, h, w) picture whose corners lie half a side apart."""
    squares = picture.unfold(1, side, side // 2).unfold(2, side, side // 2)
    return squares.permute(1, 2, 0, 3, 4).flatten(0, 1).contiguous()
