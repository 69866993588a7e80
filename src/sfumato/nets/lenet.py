"""LeNet-5's plan (LeCun et al. 1998, section II): two convolutions, each halved, and two linear layers, for digits.

With twice the maps or more, the largest of four in place of a mean, and rectifiers. Images of any size and colour are
read as grey ones of 28×28. `lenet`, its weights, come with the package: it reads handwritten digits, white on black.
"""

from typing import Literal

import torch
from torch import Tensor, nn
from torch.nn import functional as F

LENET: Literal["lenet"] = "lenet"
SIDE = 28  # of what it reads, in pixels
FEATURES = 96


class LeNet(nn.Module):
    """(b, 1 or 3, h, w) in [0, 1] to class logits. `features` are the numbers before the last layer."""

    def __init__(self, classes: int = 10) -> None:
        super().__init__()
        self.features = nn.Sequential(
            nn.Conv2d(1, 16, 5), nn.MaxPool2d(2), nn.ReLU(),
            nn.Conv2d(16, 32, 5), nn.MaxPool2d(2), nn.ReLU(),
            nn.Flatten(), nn.Linear(512, FEATURES), nn.ReLU(), nn.Dropout(0.25),
        )  # fmt: skip
        self.classify = nn.Linear(FEATURES, classes)
        self.to(memory_format=torch.channels_last)  # pyright: ignore[reportCallIssue] - for the pooling, which is half

    def forward(self, images: Tensor) -> Tensor:
        return self.classify(self.features(as_read(images)))


def as_read(images: Tensor) -> Tensor:
    """Images (b, 1 or 3, h, w) as (b, 1, 28, 28)."""
    grey = images if images.shape[1] == 1 else images.mean(1, keepdim=True)
    if grey.shape[-2:] == (SIDE, SIDE):
        return grey
    return F.interpolate(grey, (SIDE, SIDE), mode="bilinear", antialias=True)
