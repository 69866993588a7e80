"""The embedded default: scikit-learn's 1,797 real handwritten digits.

The Optical Recognition of Handwritten Digits test set (UCI, E. Alpaydin and C. Kaynak, 1998) as scikit-learn ships
it: 8×8 pixels, 17 grey levels. Like MNIST, each digit is enlarged to a 20×20 box (bicubic) and centred on 28×28.
It stands in for MNIST where there is no network; it is not MNIST, and every report on it says so.
"""

import gzip

import numpy as np
import torch
from torch import Tensor
from torch.nn.functional import interpolate, pad

from .bundled import bundled
from .dataset import ImageData, InMemory, Split, fingerprint

SIDE, BOX = 28, 20
TEST = 360  # the last images, in the file's order
NOTICE = (
    "These are scikit-learn's 1,797 digits of 8×8 pixels enlarged to 28×28, not MNIST: "
    "numbers measured on them cannot be compared with published MNIST numbers."
)
NOTICE_ZH = "这里用的是 scikit-learn 自带的 1,797 个 8×8 手写数字，放大到 28×28，不是 MNIST：其数值不能与发表的 MNIST 数值相比较。"  # noqa: E501


def read_digits(side: int = SIDE) -> ImageData:
    """1,437 training and 360 test images, uint8 (n, 1, side, side), 28 pixels a side at least, white on black; always
    the same split."""
    side = max(side, SIDE)
    with gzip.open(bundled("sklearn", "datasets/data/digits.csv.gz"), "rt") as file:
        rows = torch.from_numpy(np.loadtxt(file, delimiter=",", dtype=np.int64))  # 64 levels, then the digit
    images, labels = enlarge(rows[:, :-1].view(-1, 8, 8), side), rows[:, -1].contiguous()
    train, test = (Split(InMemory(images[part]), labels[part]) for part in (slice(-TEST), slice(-TEST, None)))
    classes = tuple(str(digit) for digit in range(10))
    return ImageData("digits", train, test, classes, fingerprint(images, labels), NOTICE, notice_zh=NOTICE_ZH)


def enlarge(images: Tensor, side: int = SIDE) -> Tensor:
    """uint8 (n, 1, side, side) from (n, 8, 8) with levels 0 to 16; MNIST's box and border."""
    box = round(side * BOX / SIDE)
    boxed = interpolate(images[:, None].float() / 16, size=(box, box), mode="bicubic", align_corners=False)
    before, behind = (side - box) // 2, (side - box + 1) // 2
    return pad(boxed, (before, behind, before, behind)).clamp(0, 1).mul(255).round().to(torch.uint8)
