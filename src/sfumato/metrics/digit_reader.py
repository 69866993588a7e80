"""A small seeded classifier that reads digits, so that «is this legible?» has a number.

Two convolutions and two linear layers (LeNet-5's plan, LeCun et al. 1998), trained in seconds on the same training
images as the system it judges; its test accuracy and a hash of its weights belong beside every number it gives.
"""

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from ..data.batches import Batches
from ..data.dataset import ImageData, fingerprint
from ..engine.runtime import Runtime
from ..seeds import derive
from .reconstruction import in_chunks

CONFIDENT = 0.9
LEARNING_RATE = 2e-3
BATCH = 128


class DigitReader(nn.Module):
    """(b, 1, 28, 28) in [0, 1] to class logits. `features` are the 128 numbers before the last layer."""

    def __init__(self, classes: int) -> None:
        super().__init__()
        self.features = nn.Sequential(
            nn.Conv2d(1, 16, 5), nn.ReLU(), nn.MaxPool2d(2),
            nn.Conv2d(16, 32, 5), nn.ReLU(), nn.MaxPool2d(2),
            nn.Flatten(), nn.Linear(512, 128), nn.ReLU(), nn.Dropout(0.25),
        )  # fmt: skip
        self.classify = nn.Linear(128, classes)

    def forward(self, images: Tensor) -> Tensor:
        return self.classify(self.features(images))

    def probabilities(self, images: Tensor) -> Tensor:
        """(n, classes) on the CPU."""
        device = next(self.parameters()).device
        self.eval()
        return in_chunks(lambda chunk: self(chunk.to(device)).float().softmax(1), images)

    def legible(self, images: Tensor) -> Tensor:
        """(n,) booleans: which images it reads with a confidence of 0.9 or more."""
        return self.probabilities(images).max(1).values >= CONFIDENT

    def hash(self) -> str:
        return fingerprint(*(value.cpu() for value in self.state_dict().values()))


def train_reader(data: ImageData, runtime: Runtime, seed: int, images: int | None = None) -> DigitReader:
    """A reader trained on `data.train` with a falling rate; wants 28×28 grey images with labels.

    `images`: how many are drawn; by default 100,000 or 3 epochs, whichever is more.
    """
    torch.manual_seed(derive(seed, "digit reader"))
    reader = DigitReader(len(data.classes)).to(runtime.device)
    total = images or max(100_000, 3 * len(data.train))
    few = len(data.train) < BATCH  # then a batch goes on into the next epoch
    batches = Batches(data.train, BATCH, seed, across=few, device=runtime.device, memory_format=runtime.memory_format)
    optimizer = torch.optim.Adam(reader.parameters(), lr=LEARNING_RATE, fused=True)
    reader.train()
    drawn = 0
    while drawn < total:
        batch, count = batches.at(drawn)
        assert batch.labels is not None
        with runtime.autocast():
            loss = F.cross_entropy(reader(batch.images).float(), batch.labels)
        optimizer.zero_grad()
        loss.backward()  # not `descend`: this process trains it alone
        optimizer.step()
        drawn += count
        optimizer.param_groups[0]["lr"] = LEARNING_RATE * max(0.01, 1 - drawn / total)
    return reader.eval()
