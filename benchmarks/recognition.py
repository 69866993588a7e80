"""Recognition against the textbook: eager, fp32, NCHW; anchors laid again at each step, objects assigned in loops.

Both sides see the same batch, in memory, and make the same targets and the same losses of it.
"""

from collections.abc import Callable
from dataclasses import replace
from itertools import pairwise, repeat

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torchvision import models
from torchvision.ops import box_convert, box_iou

from sfumato.data.batches import Batch
from sfumato.engine.clock import Clock
from sfumato.engine.runtime import Runtime
from sfumato.ops.anchors import prior_boxes, targets
from sfumato.recognition import fcn as fcn_system
from sfumato.recognition import ssd as ssd_system
from sfumato.recognition.recognizer import Recognizer

from .measure import Row, row

BANANAS, SIDE = 32, 256
STREETS, HEIGHT, WIDTH, CLASSES = 8, 320, 480, 21


def ssd(rounds: int, runtime: Runtime) -> list[Row]:
    """A step of TinySSD, batch 32 of 256², an object in each, with the losses of the course."""
    torch.manual_seed(0)
    images = torch.rand(BANANAS, 3, SIDE, SIDE)
    corner, sides = torch.rand(BANANAS, 1, 2) * 0.6, 0.15 + torch.rand(BANANAS, 1, 2) * 0.2
    boxes = torch.cat([torch.zeros(BANANAS, 1, 1), corner, corner + sides], -1)
    system = ssd_system.SSD(replace(ssd_system.PRESETS["bananas"], classes=1))
    ours = step_of(system, Batch(images, None, ends_epoch=False, boxes=boxes), runtime)
    theirs = TextbookSSD()
    optimizer = torch.optim.SGD(theirs.parameters(), lr=0.2, weight_decay=5e-4)
    anchors = theirs(images[:1])[2]
    wanted = targets(boxes[..., 1:], boxes[..., 0].long(), anchors)
    for here, there in zip((wanted.classes, wanted.offsets), theirs.targets(anchors, boxes), strict=True):
        torch.testing.assert_close(here, there, atol=1e-4, rtol=1e-4)

    def step() -> None:
        logits, offset, anchors = theirs(images)
        classes, offsets = theirs.targets(anchors, boxes)
        naming = F.cross_entropy(logits.flatten(0, 1), classes.flatten())
        moving = ((offset - offsets).abs() * (classes > 0)[..., None]).mean()
        optimizer.zero_grad()
        (naming + moving).backward()
        optimizer.step()
        _ = (logits.argmax(-1) != classes).float().mean().item(), moving.item()

    return [row(f"ssd step, {BANANAS} images of {SIDE}×{SIDE}", ours, step, rounds, runtime)]


def fcn(rounds: int, runtime: Runtime) -> list[Row]:
    """A step of FCN-32s on ResNet-18, batch 8 of 320×480, 21 classes."""
    torch.manual_seed(0)
    images = torch.rand(STREETS, 3, HEIGHT, WIDTH)
    masks = torch.randint(CLASSES, (STREETS, HEIGHT, WIDTH))
    config = fcn_system.Config(backbone="resnet18", pretrained=False, classes=CLASSES, smallest=1, recoloured=False)
    ours = step_of(fcn_system.FCN(config), Batch(images, None, ends_epoch=False, masks=masks), runtime)
    theirs = nn.Sequential(
        *list(models.resnet18().children())[:-2], nn.Conv2d(512, CLASSES, 1),
        nn.ConvTranspose2d(CLASSES, CLASSES, 64, 32, 16),
    )  # fmt: skip
    optimizer = torch.optim.SGD(theirs.parameters(), lr=1e-3, weight_decay=1e-3)

    def step() -> None:
        logits = theirs(images)
        loss = F.cross_entropy(logits, masks)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        _ = loss.item(), (logits.argmax(1) == masks).float().mean().item()

    return [row(f"fcn step, {STREETS} images of {HEIGHT}×{WIDTH}", ours, step, rounds, runtime)]


def step_of(system: Recognizer, batch: Batch, runtime: Runtime) -> Callable[[], None]:
    """A function that trains `system` for a step on `batch`."""
    system.to(memory_format=runtime.memory_format)  # pyright: ignore[reportCallIssue]
    same = replace(batch, images=batch.images.contiguous(memory_format=runtime.memory_format))
    clock = Clock()

    def step() -> None:
        with runtime.autocast():
            system.step(repeat(same), clock)

    return step


class TextbookSSD(nn.Module):
    """The network of the course, layer by layer, and its targets, image by image."""

    def __init__(self) -> None:
        super().__init__()
        tiny = nn.Sequential(*(_block(few, many) for few, many in pairwise((3, 16, 32, 64))))
        self.blocks = nn.ModuleList(
            [tiny, _block(64, 128), _block(128, 128), _block(128, 128), nn.AdaptiveMaxPool2d(1)]
        )
        channels = (64, 128, 128, 128, 128)
        self.naming = nn.ModuleList(nn.Conv2d(count, 4 * 2, 3, padding=1) for count in channels)
        self.moving = nn.ModuleList(nn.Conv2d(count, 4 * 4, 3, padding=1) for count in channels)

    def forward(self, values: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        logits, offset, anchors = [], [], []
        for block, naming, moving, sizes in zip(self.blocks, self.naming, self.moving, ssd_system.SIZES, strict=True):
            values = block(values)
            height, width = values.shape[-2:]
            anchors.append(prior_boxes(height, width, sizes, ssd_system.RATIOS))
            logits.append(naming(values).permute(0, 2, 3, 1).flatten(1))
            offset.append(moving(values).permute(0, 2, 3, 1).flatten(1))
        count = len(values)
        return torch.cat(logits, 1).view(count, -1, 2), torch.cat(offset, 1).view(count, -1, 4), torch.cat(anchors)

    @staticmethod
    def targets(anchors: Tensor, boxes: Tensor) -> tuple[Tensor, Tensor]:
        """Classes (b, a) and offsets (b, a, 4)."""
        classes, offsets = [], []
        for objects in boxes:
            overlaps = box_iou(anchors, objects[:, 1:])
            best, chosen = overlaps.max(1)
            assigned = torch.where(best >= 0.5, chosen, -1)
            for _ in range(len(objects)):
                place = int(overlaps.argmax())
                anchor, number = divmod(place, len(objects))
                assigned[anchor] = number
                overlaps[anchor], overlaps[:, number] = -1, -1
            own = torch.where((assigned >= 0)[:, None], objects[assigned.clamp(min=0), 1:], anchors)
            here, there = box_convert(anchors, "xyxy", "cxcywh"), box_convert(own, "xyxy", "cxcywh")
            shift = 10 * (there[:, :2] - here[:, :2]) / here[:, 2:]
            growth = 5 * torch.log(1e-6 + there[:, 2:] / here[:, 2:])
            offsets.append(torch.cat([shift, growth], 1) * (assigned >= 0)[:, None])
            classes.append(torch.where(assigned >= 0, objects[assigned.clamp(min=0), 0].long() + 1, 0))
        return torch.stack(classes), torch.stack(offsets)


def _block(inputs: int, outputs: int) -> nn.Sequential:
    layers: list[nn.Module] = []
    for few in (inputs, outputs):
        layers += [nn.Conv2d(few, outputs, 3, padding=1), nn.BatchNorm2d(outputs), nn.ReLU()]
    return nn.Sequential(*layers, nn.MaxPool2d(2))
