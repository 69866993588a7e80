"""Recognition against the textbook: eager, fp32, NCHW; anchors laid again at each step, objects assigned in loops.

Both sides see the same batch, in memory, and make the same targets and the same losses of it. Where images are cut and
recoloured at random (`finetune`) ours does it within the step, the textbook in its DataLoader, by torchvision's
transforms of PIL images, one at a time and in the same process; both begin with bytes in memory.
"""

from collections.abc import Callable, Sequence
from dataclasses import replace
from itertools import pairwise

import torch
from PIL import Image
from torch import Tensor, nn
from torch.nn import functional as F
from torch.utils.data import DataLoader, Dataset
from torchvision import models, transforms
from torchvision.ops import box_convert, box_iou

from sfumato.data.batches import Batch
from sfumato.nets.encoders import IMAGENET_MEAN, IMAGENET_STD
from sfumato.ops.anchors import prior_boxes, targets
from sfumato.recognition import deeplab as deeplab_system
from sfumato.recognition import fcn as fcn_system
from sfumato.recognition import finetune as finetune_system
from sfumato.recognition import ssd as ssd_system
from sfumato.recognition import unet as unet_system
from sfumato.recognition.segmentation import Segmenter

from .measure import Bench, Row
from .training import step_on, steps_of

BANANAS, SIDE = 32, 256
STREETS, HEIGHT, WIDTH, CLASSES = 8, 320, 480, 21
SCENES, SQUARE = 8, 128
PHOTOGRAPHS = 32
KINDS = 2


def finetune(bench: Bench) -> list[Row]:
    """A step of fine-tuning, 32 images: the package's encoder at 64², and the course's ResNet-18 at 224²."""
    networks = {"faces": textbook_encoder, "hotdog": textbook_resnet}
    rows = []
    for name, network in networks.items():
        preset = finetune_system.PRESETS[name]
        config = replace(preset, pretrained=False, classes=KINDS, batch_size=PHOTOGRAPHS, images=10**12)
        shape = (4 * PHOTOGRAPHS, 3, config.resolution, config.resolution)
        images, labels = torch.randint(256, shape, dtype=torch.uint8), torch.randint(KINDS, shape[:1])
        ours = steps_of(finetune_system.FineTuned(config), images, 1, bench.runtime, labels)
        theirs = textbook_finetuning(network(), images, labels, config)
        where = f"{config.network}, {PHOTOGRAPHS} images of {config.resolution}×{config.resolution}"
        rows.append(bench.row(f"finetune step, {where}", ours, theirs))
    return rows


def ssd(bench: Bench) -> list[Row]:
    """A step of TinySSD, batch 32 of 256², an object in each, with the losses of the course."""
    torch.manual_seed(0)
    images = torch.rand(BANANAS, 3, SIDE, SIDE)
    corner, sides = torch.rand(BANANAS, 1, 2) * 0.6, 0.15 + torch.rand(BANANAS, 1, 2) * 0.2
    boxes = torch.cat([torch.zeros(BANANAS, 1, 1), corner, corner + sides], -1)
    system = ssd_system.SSD(replace(ssd_system.PRESETS["bananas"], classes=1))
    ours = step_on(system, Batch(images, None, ends_epoch=False, boxes=boxes), bench.runtime)
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

    return [bench.row(f"ssd step, {BANANAS} images of {SIDE}×{SIDE}", ours, step)]


def fcn(bench: Bench) -> list[Row]:
    """A step of FCN-32s on ResNet-18, batch 8 of 320×480, 21 classes."""
    config = fcn_system.Config(backbone="resnet18", pretrained=False, classes=CLASSES, smallest=1, recoloured=False)
    theirs = nn.Sequential(
        *list(models.resnet18().children())[:-2], nn.Conv2d(512, CLASSES, 1),
        nn.ConvTranspose2d(CLASSES, CLASSES, 64, 32, 16),
    )  # fmt: skip
    optimizer = torch.optim.SGD(theirs.parameters(), lr=1e-3, weight_decay=1e-3)
    return [segmenting("fcn", fcn_system.FCN(config), theirs, optimizer, (STREETS, HEIGHT, WIDTH), bench)]


def unet(bench: Bench) -> list[Row]:
    """A step of the U-Net with its own contracting path, 32 maps at the finest, batch 8 of 128², 21 classes."""
    config = replace(unet_system.PRESETS["plain"], classes=CLASSES, smallest=1, recoloured=False)
    theirs = TextbookUNet(config.width)
    optimizer = torch.optim.Adam(theirs.parameters())
    return [segmenting("unet", unet_system.UNet(config), theirs, optimizer, (SCENES, SQUARE, SQUARE), bench)]


def deeplab(bench: Bench) -> list[Row]:
    """A step of DeepLab on the package's encoder, with the finer map, batch 8 of 128², 21 classes."""
    config = replace(deeplab_system.PRESETS["scenes"], pretrained=False, classes=CLASSES, smallest=1, recoloured=False)
    theirs = TextbookDeepLab(config.rates, config.width)
    optimizer = torch.optim.Adam(theirs.parameters())
    return [segmenting("deeplab", deeplab_system.DeepLab(config), theirs, optimizer, (SCENES, SQUARE, SQUARE), bench)]


def segmenting(
    name: str, system: Segmenter, network: nn.Module, optimizer: torch.optim.Optimizer, shape: Sequence[int],
    bench: Bench,
) -> Row:  # fmt: skip
    """A step of `system` beside one of the textbook's `network`, on the same images and masks of `shape` (b, h, w)."""
    torch.manual_seed(0)
    count, height, width = shape
    images, masks = torch.rand(count, 3, height, width), torch.randint(CLASSES, (count, height, width))
    ours = step_on(system, Batch(images, None, ends_epoch=False, masks=masks), bench.runtime)

    def step() -> None:
        logits = network(images)
        loss = F.cross_entropy(logits, masks)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        _ = loss.item(), (logits.argmax(1) == masks).float().mean().item()

    return bench.row(f"{name} step, {count} images of {height}×{width}", ours, step)


class Photographs(Dataset[tuple[Tensor, int]]):
    """PIL images in memory, each cut, mirrored, recoloured and scaled when it is asked for."""

    def __init__(self, images: Tensor, labels: Tensor, config: finetune_system.Config) -> None:
        self.images = [Image.fromarray(image.permute(1, 2, 0).numpy()) for image in images]
        self.labels = labels.tolist()
        change = finetune_system.CHANGE
        self.transform = transforms.Compose(
            [
                transforms.RandomResizedCrop(config.resolution, (config.smallest, 1.0)),
                transforms.RandomHorizontalFlip(),
                *([transforms.ColorJitter(change, change, change)] if config.recoloured else []),
                transforms.ToTensor(),
                transforms.Normalize(IMAGENET_MEAN, IMAGENET_STD),
            ]
        )

    def __len__(self) -> int:
        return len(self.images)

    def __getitem__(self, index: int) -> tuple[Tensor, int]:
        pixels: Tensor = self.transform(self.images[index])  # pyright: ignore[reportAssignmentType]
        return pixels, self.labels[index]


def textbook_finetuning(
    network: nn.Module, images: Tensor, labels: Tensor, config: finetune_system.Config
) -> Callable[[], None]:
    """A step of all layers, the last of them at ten times the rate."""
    last = list(network.children())[-1]
    new = set(last.parameters())
    old = [parameter for parameter in network.parameters() if parameter not in new]
    groups = [{"params": old, "lr": config.learning_rate / 10}, {"params": list(new)}]
    kind = torch.optim.SGD if config.optimizer == "sgd" else torch.optim.Adam
    optimizer = kind(groups, lr=config.learning_rate, weight_decay=config.weight_decay)
    loader = DataLoader(Photographs(images, labels, config), config.batch_size, shuffle=True, drop_last=True)
    drawn = iter(loader)

    def step() -> None:
        nonlocal drawn
        batch = next(drawn, None)
        if batch is None:
            drawn = iter(loader)
            batch = next(drawn)
        pictures, names = batch
        logits = network(pictures)
        loss = F.cross_entropy(logits, names)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        _ = loss.item(), (logits.argmax(1) == names).float().mean().item()

    return step


def textbook_resnet() -> nn.Module:
    network = models.resnet18()
    network.fc = nn.Linear(network.fc.in_features, KINDS)
    return network


def textbook_encoder() -> nn.Module:
    """The package's encoder as a classifier, layer by layer."""
    return nn.Sequential(*_encoder(), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(256, KINDS))


def _encoder() -> list[nn.Sequential]:
    """The package's encoder in four parts, each of half the side of the one before."""
    blocks = ((3, 32), (32, 64), (64, 128, 128), (128, 256))
    parts = []
    for number, widths in enumerate(blocks):
        layers: list[nn.Module] = [nn.MaxPool2d(2)] if number else []
        for few, many in pairwise(widths):
            layers += [nn.Conv2d(few, many, 3, padding=1, padding_mode="reflect"), nn.ReLU()]
        parts.append(nn.Sequential(*layers))
    return parts


class TextbookUNet(nn.Module):
    """Four halvings and four doublings, each with two convolutions."""

    def __init__(self, width: int) -> None:
        super().__init__()
        widths = [width * 2**level for level in range(5)]
        self.enter = _twice(3, width)
        self.down = nn.ModuleList(nn.Sequential(nn.MaxPool2d(2), _twice(few, many)) for few, many in pairwise(widths))
        self.up = nn.ModuleList(_twice(many + few, few) for many, few in pairwise(widths[::-1]))
        self.enlarge = nn.Upsample(scale_factor=2, mode="bilinear", align_corners=False)
        self.last = nn.Conv2d(width, CLASSES, 1)

    def forward(self, images: Tensor) -> Tensor:
        values = self.enter(images)
        kept = []
        for block in self.down:
            kept.append(values)
            values = block(values)
        for block in self.up:
            values = block(torch.cat([kept.pop(), self.enlarge(values)], 1))
        return self.last(values)


class TextbookDeepLab(nn.Module):
    """The package's encoder, its last part atrous; the pyramid; a finer map beside it, two convolutions."""

    def __init__(self, rates: Sequence[int], width: int) -> None:
        super().__init__()
        first, second, third, _ = _encoder()
        self.fine, self.middle = nn.Sequential(first, second), third
        self.coarse = nn.Sequential(nn.Conv2d(128, 256, 3, padding=2, dilation=2, padding_mode="reflect"), nn.ReLU())
        self.branches = nn.ModuleList(
            [_layer(256, width, 1), *(_layer(256, width, 3, padding=rate, dilation=rate) for rate in rates)]
        )
        self.whole = nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.Conv2d(256, width, 1), nn.ReLU())
        self.project = _layer((len(rates) + 2) * width, width, 1)
        self.narrow = _layer(64, deeplab_system.FINE, 1)
        self.last = nn.Sequential(_twice(width + deeplab_system.FINE, width), nn.Conv2d(width, CLASSES, 1))

    def forward(self, images: Tensor) -> Tensor:
        fine = self.fine(images)
        coarse = self.coarse(self.middle(fine))
        mean = _sized(self.whole(coarse), coarse)
        values = self.project(torch.cat([*(branch(coarse) for branch in self.branches), mean], 1))
        return _sized(self.last(torch.cat([self.narrow(fine), _sized(values, fine)], 1)), images)


def _sized(values: Tensor, like: Tensor) -> Tensor:
    return F.interpolate(values, size=like.shape[-2:], mode="bilinear", align_corners=False)


def _layer(inputs: int, outputs: int, side: int, padding: int = 0, dilation: int = 1) -> nn.Sequential:
    convolution = nn.Conv2d(inputs, outputs, side, padding=padding, dilation=dilation, bias=False)
    return nn.Sequential(convolution, nn.BatchNorm2d(outputs), nn.ReLU())


def _twice(inputs: int, outputs: int) -> nn.Sequential:
    return nn.Sequential(_layer(inputs, outputs, 3, 1), _layer(outputs, outputs, 3, 1))


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
