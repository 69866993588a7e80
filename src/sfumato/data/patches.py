"""The embedded photographs: 64×64 patches of seven colour pictures that scikit-image and scikit-learn ship.

Patches are cut from each photograph at full and at half size. The right quarter of a photograph (128 pixels at least)
is held out: no test patch shares a pixel with a training patch. Seven photographs are not a data set of anything;
they stand in where there is no other, and every report on them says so.
"""

import torch
from torch import Tensor

from .dataset import ImageData, InMemory, Split, fingerprint, resized
from .photographs import photographs

SIDE = 64
STRIDES = {1: 32, 2: 16}  # pixels between training patches, by how often the photograph is smaller
NOTICE = (
    "These are 64×64 patches of seven photographs that scikit-image and scikit-learn ship, not pictures of dogs or of "
    "anything else: numbers measured on them cannot be compared with published ones."
)
NOTICE_ZH = (
    "这里用的是 scikit-image 和 scikit-learn 自带的七张照片切成的 64×64 小块，不是狗的照片，也不是别的什么数据集："
    "其数值不能与发表值相比较。"
)


def read_patches() -> ImageData:
    """Training and test patches, uint8 (n, 3, 64, 64), labelled by their photograph; always the same."""
    names, train, test = [], [], []
    train_labels, test_labels = [], []
    for label, (name, picture) in enumerate(photographs().items()):
        names.append(name)
        left, right = halves(picture)
        for shrink, stride in STRIDES.items():
            train.append(cut_patches(smaller(left, shrink), stride))
            test.append(cut_patches(smaller(right, shrink), SIDE))
            train_labels.append(torch.full((len(train[-1]),), label))
            test_labels.append(torch.full((len(test[-1]),), label))
    images, labels = torch.cat(train), torch.cat(train_labels)
    held_out = Split(InMemory(torch.cat(test)), torch.cat(test_labels))
    digest = fingerprint(images, labels, held_out.pictures.take(torch.arange(len(held_out))))
    train_split = Split(InMemory(images), labels)
    return ImageData("patches", train_split, held_out, tuple(names), digest, NOTICE, notice_zh=NOTICE_ZH)


def halves(picture: Tensor) -> tuple[Tensor, Tensor]:
    """The training part and the held-out part of a (c, h, w) photograph; cut before anything is resized."""
    border = picture.shape[2] - max(max(STRIDES) * SIDE, picture.shape[2] // 4)
    return picture[..., :border], picture[..., border:]


def smaller(picture: Tensor, shrink: int) -> Tensor:
    height, width = (side // shrink for side in picture.shape[1:])
    return resized(picture, (height, width))


def cut_patches(picture: Tensor, stride: int) -> Tensor:
    """All (n, c, 64, 64) squares of a (c, h, w) picture whose corners lie `stride` apart."""
    squares = picture.unfold(1, SIDE, stride).unfold(2, SIDE, stride)
    return squares.permute(1, 2, 0, 3, 4).flatten(0, 1).contiguous()
