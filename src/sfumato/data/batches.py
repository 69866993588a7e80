"""Deterministic batches: which pictures, how they are cut and flipped, is a function of (seed, process, images drawn).

There is no sampler state: a resumed run asks for the batch at its clock and gets the one that it would have got.
"""

from collections.abc import Iterable
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Protocol

import torch
from torch import Tensor

from ..errors import SfumatoError
from ..seeds import derive
from .dataset import ImageData, Size, Split


@dataclass(frozen=True)
class Batch:
    """images: float32 (b, c, h, w) in the range asked for. What the data have of them, else None: labels int64 (b,),
    boxes float32 (b, m, 5), masks int64 (b, h, w), as in `Split`."""

    images: Tensor
    labels: Tensor | None
    ends_epoch: bool
    boxes: Tensor | None = None
    masks: Tensor | None = None

    def __len__(self) -> int:
        return len(self.images)


CPU = torch.device("cpu")


@lru_cache(maxsize=4)
def _order(seed: int, epoch: int, count: int) -> Tensor:
    generator = torch.Generator().manual_seed(derive(seed, "order", epoch))
    return torch.randperm(count, generator=generator)


@dataclass(frozen=True)
class Batches:
    """Draws from `split` without replacement, epoch after epoch; an epoch's last batch is what is left.

    `batch_size` counts the images of all processes together; each takes every `processes`-th of them. When an
    epoch's last batch does not divide by `processes`, its last images (fewer than `processes`) are left out, so that
    averaged gradients weigh every image alike. With `across`, a batch goes on into the next epoch instead, and all have
    `batch_size` images. `crop` cuts a random part of that size, `flip` mirrors half of them.
    """

    split: Split
    batch_size: int
    seed: int
    image_range: tuple[float, float] = (0.0, 1.0)
    crop: Size | None = None
    flip: bool = False
    across: bool = False
    process: int = 0
    processes: int = 1
    device: torch.device = CPU
    memory_format: torch.memory_format = torch.contiguous_format

    def __post_init__(self) -> None:
        check_size(self.batch_size, len(self.split), self.processes)

    def indices(self, images: int) -> tuple[Tensor, int]:
        """This process's part of the batch that begins after `images` drawn, and the size of the whole batch."""
        epoch, offset = divmod(images, len(self.split))
        whole = _order(self.seed, epoch, len(self.split))[offset : offset + self.batch_size]
        while self.across and len(whole) < self.batch_size:
            epoch += 1
            more = _order(self.seed, epoch, len(self.split))[: self.batch_size - len(whole)]
            whole = torch.cat([whole, more])
        kept = len(whole) - len(whole) % self.processes
        return whole[self.process : kept : self.processes], len(whole)

    def at(self, images: int) -> tuple[Batch, int]:
        """The batch that begins after `images` drawn, and how many images of the split it uses up."""
        indices, count = self.indices(images)
        if not len(indices):  # fewer images left than processes: go on with the next epoch
            batch, more = self.at(images + count)
            return replace(batch, ends_epoch=True), count + more
        generator = torch.Generator().manual_seed(derive(self.seed, "augment", self.process, images))
        if self.crop is None:
            pictures = self.split.pictures.take(indices)
        else:
            pictures = self.split.pictures.crops(indices, self.crop, generator)
        self.split.pictures.prepare(self.indices(images + count)[0])
        ends_epoch = images // len(self.split) != (images + count) // len(self.split)
        labels, boxes = (None if known is None else known[indices] for known in (self.split.labels, self.split.boxes))
        if self.flip:
            mirrored = torch.rand(len(pictures), generator=generator) < 0.5
            pictures = torch.where(mirrored[:, None, None, None], pictures.flip(-1), pictures)
            boxes = None if boxes is None else torch.where(mirrored[:, None, None], mirror(boxes), boxes)
        pictures, masks = self.split.parted(pictures)
        if boxes is not None:  # only as wide as this batch needs
            boxes = boxes[:, : int((boxes[..., 0] >= 0).sum(1).max())]
        labels, boxes, masks = (None if part is None else part.to(self.device) for part in (labels, boxes, masks))
        masks = None if masks is None else masks.long()
        return Batch(self._finish(pictures), labels, ends_epoch, boxes, masks), count

    def _finish(self, pictures: Tensor) -> Tensor:
        low, high = self.image_range
        # Bytes travel to the device; floats are made there.
        images_float = pictures.to(self.device, non_blocking=True).float()
        images_float = images_float.mul_((high - low) / 255)
        if low:
            images_float = images_float.add_(low)
        return images_float.contiguous(memory_format=self.memory_format)


def mirror(boxes: Tensor) -> Tensor:
    """Boxes (…, 5) of images that are mirrored; padding stays what it is."""
    label, left, top, right, bottom = boxes.unbind(-1)
    return torch.where(label[..., None] < 0, boxes, torch.stack([label, 1 - right, top, 1 - left, bottom], -1))


@dataclass(frozen=True)
class PairedBatches:
    """Batches of two sets of images side by side, unpaired: as many of each. The clock counts those of the first."""

    first: Batches
    second: Batches

    def at(self, images: int) -> tuple[tuple[Batch, Batch], int]:
        batch, count = self.first.at(images)
        return (batch, self.second.at(images)[0]), count


class Cut(Protocol):
    """How the batches of a stage are made: see `Batches`. `resolution`: the side that pictures are brought to first,
    None as they are."""

    @property
    def batch_size(self) -> int: ...
    @property
    def resolution(self) -> int | None: ...
    @property
    def crop(self) -> Size | None: ...
    @property
    def flip(self) -> bool: ...
    @property
    def across(self) -> bool: ...


def batches_for(
    data: ImageData,
    cut: Cut,
    seed: int,
    image_range: tuple[float, float] = (0.0, 1.0),
    process: int = 0,
    processes: int = 1,
    device: torch.device = CPU,
    memory_format: torch.memory_format = torch.contiguous_format,
) -> Batches | PairedBatches:
    """The batches of training images that `cut` describes, of one set or of two side by side."""

    def of(split: Split, seed: int) -> Batches:
        return Batches(
            split if cut.resolution is None else split.at_resolution(cut.resolution),
            cut.batch_size,
            seed,
            image_range,
            crop=cut.crop,
            flip=cut.flip,
            across=cut.across,
            process=process,
            processes=processes,
            device=device,
            memory_format=memory_format,
        )

    first = of(data.train, seed)
    return first if data.second is None else PairedBatches(first, of(data.second.train, derive(seed, "second")))


def check_cuts(data: ImageData, cuts: Iterable[Cut], processes: int = 1, least: int = 1) -> None:
    """Raises SfumatoError unless all of `cuts` can be made of the training images of `data`, with `least` images for
    each process in every batch."""
    for cut in cuts:
        for split in (data.train, *([data.second.train] if data.second else [])):
            check_size(cut.batch_size, len(split), processes, least, cut.across)
            if cut.resolution is not None:
                split.check_resolution(cut.resolution)


def check_size(batch_size: int, count: int, processes: int, least: int = 1, across: bool = True) -> None:
    """Raises SfumatoError unless `count` training images can be cut into batches, with `least` for each process."""
    if not count:
        raise SfumatoError("the data has no training images")
    if batch_size < 1 or batch_size % processes:
        raise SfumatoError(f"batch_size {batch_size}: must be a positive multiple of the processes")
    if count < processes:
        raise SfumatoError(f"{count} training images cannot feed {processes} processes")
    why = f"this system's batch statistics need {least} images or more in each of {processes} processes"
    if batch_size < least * processes:
        raise SfumatoError(f"batch_size {batch_size}: {why}: it must be at least {least * processes}")
    if not across and 0 < count % batch_size // processes < least:
        raise SfumatoError(
            f"batch_size {batch_size}: leaves {count % batch_size} of {count} images for the last batch, and {why}"
        )
