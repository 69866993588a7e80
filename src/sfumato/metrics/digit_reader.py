"""A small classifier that reads digits, so that «is this legible?» has a number.

A LeNet (`nets/lenet.py`). One comes with the package and judges whatever it can read; for other 28×28 images with
classes one is trained on the training images of the system that it judges, and kept. Its test accuracy and a hash of
its weights belong beside every number that it gives.

    python -m sfumato.metrics.digit_reader --data mnist digits --out FOLDER

makes the one that comes with the package.
"""

import argparse
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

import torch
from safetensors.torch import save
from torch import Tensor
from torch.nn import functional as F

from ..cache import cache_folder
from ..data.batches import Batches
from ..data.dataset import ImageData, InMemory, Split, fingerprint
from ..data.sources import View, open_data
from ..engine.runtime import Runtime, choose
from ..errors import SfumatoError
from ..files import write_bytes
from ..nets.lenet import FEATURES, LENET, SIDE, LeNet, as_read
from ..seeds import derive
from ..terminal import tell
from ..weights.known import FILES
from ..weights.load import load_network
from .kept import kept
from .reconstruction import in_chunks

READ = (1, SIDE, SIDE)  # what it reads
LARGEST = 64  # side of what it is given: larger images would lose what makes them so
CONFIDENT = 0.9
LEARNING_RATE = 2e-3
BATCH = 128
FILE = FILES[LENET]
DIGITS = tuple("0123456789")
ENOUGH = 0.95  # of the test images that the one of the package must read right to judge a data set
SHIPPED_IMAGES = 1_200_000  # it was trained on
SHIFT = 2  # pixels that its training images are moved by, at most
UNSURE = 0.5  # weight of being unsure of what is no digit
SHARE = 8  # one in so many of them is of the smaller sets


class DigitReader(LeNet):
    def probabilities(self, images: Tensor) -> Tensor:
        """(n, classes) on the CPU."""
        device = next(self.parameters()).device
        self.eval()
        return in_chunks(lambda chunk: self(chunk.to(device)).float().softmax(1), images)

    def legible(self, images: Tensor) -> Tensor:
        """(n,) booleans: which images it reads with a confidence of 0.9 or more."""
        return self.probabilities(images).max(1).values >= CONFIDENT

    def right(self, split: Split) -> float:
        """The share of labelled images that it reads right."""
        assert split.labels is not None
        return float((self.probabilities(split.images()).argmax(1) == split.labels).float().mean())

    def hash(self) -> str:
        return fingerprint(*(value.cpu() for value in self.state_dict().values()))


def can_be_read(data: ImageData) -> bool:
    """Whether a digit reader can judge images of `data`: it must be told which is which, and lose little by size."""
    labelled = bool(data.classes) and data.test.labels is not None and data.train.labels is not None
    channels, height, width = data.shape
    return labelled and channels == 1 and height == width and READ[1] <= height <= LARGEST


def reader_for(data: ImageData, runtime: Runtime, seed: int) -> tuple[DigitReader, float]:
    """The reader that judges images of `data`, and the share of its test images that it reads right: the one of the
    package where it reads them, else one that was trained on the training images, here or before."""

    def right(reader: DigitReader) -> float:
        of_data = (reader.hash(), data.fingerprint, data.shape, len(data.test))
        return kept(lambda: {"reader": {"right": reader.right(data.test)}}, "read", *of_data)["reader"]["right"]

    if tuple(data.classes) == DIGITS:
        reader = shipped_reader().to(runtime.device)
        if (share := right(reader)) >= ENOUGH:
            return reader, share
    reader = DigitReader(len(data.classes))
    known = fingerprint(data.fingerprint, str((data.shape, data.classes, seed, FEATURES)))
    path = cache_folder("readers") / f"{known}.safetensors"
    try:
        load_network(reader, "digit reader", path)
        reader = reader.to(runtime.device).eval()
    except SfumatoError:
        reader = train_reader(data, runtime, seed)
        with suppress(OSError):
            tensors = {name: value.cpu().contiguous() for name, value in reader.state_dict().items()}
            write_bytes(path, save(tensors))
    return reader, right(reader)


def shipped_reader() -> DigitReader:
    """The one that comes with the package: see its model card."""
    reader = DigitReader(len(DIGITS))
    load_network(reader, LENET)
    return reader.eval()


def train_reader(
    data: ImageData, runtime: Runtime, seed: int, images: int | None = None, careful: bool = False
) -> DigitReader:
    """A reader trained on `data.train` with a falling rate; wants 28×28 grey images with labels.

    `images`: how many are drawn; by default 100,000, but 3 epochs at least and 300 at most. `careful`: they are moved
    by up to SHIFT pixels, and it learns to be unsure of what is no digit (Hendrycks et al. 2019,
    https://arxiv.org/abs/1812.04606).
    """
    torch.manual_seed(derive(seed, "digit reader"))
    reader = DigitReader(len(data.classes)).to(runtime.device)
    total = images or max(3 * len(data.train), min(100_000, 300 * len(data.train)))
    few = len(data.train) < BATCH  # then a batch goes on into the next epoch
    batches = Batches(data.train, BATCH, seed, across=few, device=runtime.device, memory_format=runtime.memory_format)
    optimizer = torch.optim.Adam(reader.parameters(), lr=LEARNING_RATE, fused=True)
    reader.train()
    drawn = 0
    while drawn < total:
        batch, count = batches.at(drawn)
        assert batch.labels is not None
        seen = as_read(batch.images)
        if careful:
            down, across = torch.randint(2 * SHIFT + 1, (2,)).tolist()
            seen = F.pad(seen, (SHIFT,) * 4)[..., down : down + READ[1], across : across + READ[2]]
        with runtime.autocast():
            loss = F.cross_entropy(reader(seen).float(), batch.labels)
            if careful:
                loss = loss - UNSURE * reader(no_digits(seen)).float().log_softmax(1).mean()
        optimizer.zero_grad()
        loss.backward()  # not `descend`: this process trains it alone
        optimizer.step()
        drawn += count
        optimizer.param_groups[0]["lr"] = LEARNING_RATE * max(0.01, 1 - drawn / total)
    return reader.eval()


def no_digits(images: Tensor) -> Tensor:
    """As many images that nobody can read as there are (n, 1, 28, 28) that one can: two of these on one another and
    half as bright, their pixels in disorder, noise, and smooth blotches of any contrast."""
    parts = images.tensor_split(4)
    blends = (parts[0] + parts[0].roll(1, 0).flip(2)) / 2
    disorder = parts[1].flatten(1)[:, torch.randperm(parts[1][0].numel())].view_as(parts[1])
    noise = torch.rand_like(parts[2])
    coarse = F.interpolate(torch.rand(len(parts[3]), 1, 7, 7).to(images.device), READ[1:], mode="bicubic")
    sharp = (coarse - 0.5).mul(1 + 9 * torch.rand(len(coarse), 1, 1, 1).to(images.device)).add(0.5).clamp(0, 1)
    return torch.cat([blends, disorder, noise, sharp])


def _together(sets: Sequence[ImageData]) -> ImageData:
    """One set to train on: the first, and the others repeated until they are one in SHARE of its images."""
    images, labels = [], []
    for number, data in enumerate(sets):
        times = max(1, len(sets[0].train) // SHARE // len(data.train)) if number else 1
        assert data.train.labels is not None
        images += [data.train.pictures.take(torch.arange(len(data.train)))] * times
        labels += [data.train.labels] * times
    train = Split(InMemory(torch.cat(images)), torch.cat(labels))
    return ImageData("digits", train, sets[0].test, DIGITS, "")


def make(sources: Sequence[str], out: Path, seed: int = 0) -> list[str]:
    """Trains the reader that comes with the package, writes it as 16-bit numbers, and says what it reads right."""
    sets = [open_data(source, View(channels=1, resolution=READ[1])) for source in sources]
    reader = train_reader(_together(sets), choose("cpu", "fp32"), seed, SHIPPED_IMAGES, careful=True)
    about = {"data": " ".join(f"{data.name} {data.fingerprint}" for data in sets), "seed": str(seed)}
    tensors = {name: value.half().contiguous() for name, value in reader.state_dict().items()}
    write_bytes(out / FILE, save(tensors, about))
    load_network(reader, "digit reader", out / FILE)
    said = [f"{data.name}: {reader.right(data.test):.2%}" for data in sets]
    return [f"{out / FILE} ({reader.hash()})", *said]


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description="Trains the digit reader that comes with the package.")
    parser.add_argument("--data", nargs="+", required=True, help="handwritten digits in ten classes, the largest first")
    parser.add_argument("--out", type=Path, required=True, help="the folder to write it into")
    arguments = parser.parse_args()
    tell(*make(arguments.data, arguments.out))
