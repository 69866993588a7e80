"""What the systems share that name every pixel: how they are trained, and their reading of pictures of any size.

Images are (b, 3, h, w) in [0, 1], RGB; masks (b, h, w), class numbers, 255 where nobody knows; logits (b, k, h, w).
Pixels that nobody knows are neither trained nor measured on: calling them background would teach that.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Annotated, ClassVar, Literal

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from ..data.batches import Batch
from ..data.dataset import VOID
from ..data.pictures import Fit
from ..data.sources import Target
from ..engine.clock import Clock
from ..engine.fields import Bounds, Share, ShareAbove0
from ..engine.portable import Portable
from ..engine.system import Scalars, Stage
from ..errors import SfumatoError
from ..nets.backbones import Backbone, BackboneName
from .losses import dice_loss, naming_loss
from .recognizer import MAX_RESOLUTION, RecognitionConfig, Recognizer

RATIO = (3 / 4, 4 / 3)  # of the sides of what is cut out
LEAST = 32  # pixels: of smaller squares the coarsest maps would keep nothing
Loss = Literal["cross_entropy", "focal", "dice"]
BRIGHTNESS, HUE = 0.3, 0.05  # how far colours are changed


@dataclass(frozen=True, kw_only=True)
class SegmentationConfig(RecognitionConfig):
    """The fields that every segmentation system has."""

    fit: ClassVar[Fit] = "short"
    target: ClassVar[Target] = "masks"
    backbone: BackboneName = "sfumato"  # the network that reads the image
    resolution: Annotated[int, Bounds(0, MAX_RESOLUTION)] = 128  # pixels of the shorter side; 0: pictures as they are
    crop: Annotated[int, Bounds(LEAST, MAX_RESOLUTION)] = 128  # side of the squares that are trained on
    crop_width: Annotated[int, Bounds(0, MAX_RESOLUTION)] = 0  # their width, if they are no squares; 0: as their height
    smallest: ShareAbove0 = 0.25  # least share of an image's area that such a square is enlarged from; 1: as it is
    balance: Share = 0.0  # how much more the pixels of rare classes weigh: 0 nothing, 1 so that all classes weigh alike
    loss: Loss = "cross_entropy"  # of each pixel; focal: hard ones weigh more; dice: with how far areas overlap added
    recoloured: bool = True  # change brightness, contrast, saturation and hue at random
    batch_size: int = 8  # images per step, over all processes

    def __post_init__(self) -> None:
        super().__post_init__()
        if 0 < self.resolution < min(self.cut):
            raise SfumatoError(f"crop {min(self.cut)}: must be at most resolution {self.resolution}")
        if not self.resolution and self.smallest < 1:
            raise SfumatoError("resolution 0: pictures of their own size are cut as they are: --smallest 1")
        if 0 < self.crop_width < LEAST:
            raise SfumatoError(f"crop_width {self.crop_width}: must be 0 or at least {LEAST}")
        if self.backbone == "plain" and self.pretrained:
            raise SfumatoError("backbone plain: nobody has trained it before: --no-pretrained")

    @property
    def cut(self) -> tuple[int, int]:
        """Height and width of what is trained on."""
        return self.crop, self.crop_width or self.crop


class Segmenter(Recognizer):
    """Subclasses build `head`, which turns the backbone's maps into logits of some resolution."""

    chosen_by = "valid_miou"
    config: SegmentationConfig
    backbone: Backbone
    head: nn.Module

    def compose(self, head: nn.Module, backbone: Backbone) -> None:
        self.backbone, self.head = backbone, head
        self.learn(backbone.parameters(), head.parameters())

    @property
    def trained_side(self) -> int:
        return max(self.config.cut)

    def begin(self) -> None:
        if self.config.pretrained:
            self.backbone.load(self.config.weights)

    def stages(self) -> Sequence[Stage]:
        config = self.config
        whole = config.resolution if config.smallest < 1 else config.cut
        return [Stage(config.images, config.batch_size, crop=whole, flip=config.flip, across=True)]

    def forward(self, images: Tensor) -> Tensor:
        """Logits (b, k, h, w) of images of any size."""
        return enlarged(self.head(self.backbone(images)), images.shape[-2:])

    def portable(self) -> Sequence[Portable]:
        about = {
            "images": "(n, 3, h, w) in [0, 1]",
            "logits": f"(n, {self.config.classes}, h, w): the largest is the class",
        }
        images = {"images": torch.rand(2, 3, *self.config.cut)}
        return [Portable("", self.forward, (self.backbone, self.head), images, ("logits",), about, {"images": LEAST})]

    def step(self, batches: Iterator[Batch], clock: Clock) -> Scalars:
        """One batch, cut and recoloured; one step against the cross entropy of its pixels."""
        batch = next(batches)
        assert batch.masks is not None
        images, masks = varied(batch.images, batch.masks, self.config)
        logits = self(images).float()
        loss = pixel_loss(logits, masks, self.config.balance, self.config.loss)
        self.improve(loss, clock)
        known = masks != VOID
        right = (logits.detach().argmax(1) == masks) & known
        return {"cross_entropy": loss.detach(), "pixel_accuracy": right.sum() / known.sum().clamp(min=1)}


def pixel_loss(logits: Tensor, masks: Tensor, balance: float = 0.0, loss: Loss = "cross_entropy") -> Tensor:
    """What is lost on the pixels that somebody knows, of logits (b, k, h, w); 0 where there are none. `balance`: see
    `naming_loss`. `loss`: of the cross entropy, in its focal form, or with the dice loss added."""
    # Pixels by classes: with channels last that is no copy, and twice as fast.
    named, known = logits.permute(0, 2, 3, 1).reshape(-1, logits.shape[1]), masks.flatten()
    total = naming_loss(named, known, balance, focal=loss == "focal", ignored=VOID)
    return total + dice_loss(named, known, VOID) if loss == "dice" else total


def enlarged(maps: Tensor, size: torch.Size | tuple[int, int]) -> Tensor:
    """`maps` (b, c, ·, ·) at `size`, bilinear; themselves if they have it."""
    if maps.shape[-2:] == size:
        return maps
    return F.interpolate(maps, size=tuple(size), mode="bilinear", align_corners=False)


def varied(images: Tensor, masks: Tensor, config: SegmentationConfig) -> tuple[Tensor, Tensor]:
    """The batch with each image cut, scaled and recoloured on its own, and its mask along with it.

    Random numbers: the global generator's, which every step seeds."""
    from torchvision import tv_tensors
    from torchvision.transforms import v2

    steps: list[v2.Transform] = []
    if config.smallest < 1:
        high, wide = config.cut
        ratio = RATIO[0] * wide / high, RATIO[1] * wide / high
        steps.append(v2.RandomResizedCrop((high, wide), (config.smallest, 1.0), ratio, antialias=True))
    if config.recoloured:
        steps.append(v2.ColorJitter(BRIGHTNESS, BRIGHTNESS, BRIGHTNESS, HUE))
    if not steps:
        return images, masks
    change = v2.Compose(steps)
    pairs = [change(tv_tensors.Image(image), tv_tensors.Mask(mask)) for image, mask in zip(images, masks, strict=True)]
    together = torch.stack([image.as_subclass(Tensor) for image, _ in pairs])
    if images.is_contiguous(memory_format=torch.channels_last):
        together = together.contiguous(memory_format=torch.channels_last)
    return together, torch.stack([mask.as_subclass(Tensor) for _, mask in pairs])
