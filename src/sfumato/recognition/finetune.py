"""Fine-tuning: give a network that has learnt to name a million photographs a new last layer, and teach it your names.

Girshick et al. 2014, https://arxiv.org/abs/1311.2524, section 2.3; preset `hotdog` is the experiment of "Dive into Deep
Learning". Images are (b, 3, h, w) in [0, 1], logits (b, k).
The new layer begins as Xavier's and learns ten times as fast as the rest; for a first part of the run, `frozen`, alone.
What it reads is standardised: maps of SqueezeNet deviate by up to 230, and 98 % sure was right in nine cases of ten.
Departs from the paper: any classifier of torchvision, EfficientNet-Lite0, a LeNet that has read digits, or the encoder
that comes with the package with a mean over its last map; the rates are for means over a batch where the course's are
for sums (its 5e-5 over 128 images is 0.0064 here, and its weight decay of 1e-3, which is no sum, 1e-3/128). While the
new layer learns alone, batch norm keeps its statistics. Where there are validation images, the best weights by them are
kept, and a temperature is fitted on them (Guo et al. 2017, https://arxiv.org/abs/1706.04599).
"""

import math
from collections import OrderedDict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Annotated, Literal, cast

import torch
from torch import Tensor, nn

from ..data.batches import Batch
from ..engine.clock import Clock
from ..engine.fields import Bounds, Share, ShareAbove0, ShareBelow1
from ..engine.portable import Portable
from ..engine.system import Scalars, Stage
from ..errors import SfumatoError
from ..nets.efficientnet import EfficientNetLite0
from ..nets.encoders import EFFICIENTNET, InputUnits, build_encoder
from ..nets.lenet import LENET, LeNet
from ..strict import shown
from ..weights.load import load_network
from .losses import naming_loss
from .recognizer import MAX_RESOLUTION, RecognitionConfig, Recognizer

OURS: Literal["sfumato"] = "sfumato"
KNOWN = (OURS, EFFICIENTNET, LENET, "squeezenet1_0", "resnet18")  # without a look at torchvision's
UNFIT = ("googlenet", "inception_v3")  # they have more than one head
FIXED, SIDE = ("vit_", "maxvit_"), 224  # networks that read images of one size
LEAST = 32  # pixels of a side
RATIO = (3 / 4, 4 / 3)
CHANGE = 0.3  # of brightness, contrast and saturation


@dataclass(frozen=True, kw_only=True)
class Config(RecognitionConfig):
    """The package's encoder on the embedded faces."""

    resolution: Annotated[int, Bounds(LEAST, MAX_RESOLUTION)] = 128  # side of the images, in pixels
    network: str = OURS  # sfumato, efficientnet_lite0, lenet, or torchvision's: resnet18, ...
    frozen: Share = 0.0  # share of the run, at its beginning, in which the new layer learns alone
    smallest: ShareAbove0 = 0.4  # least share of an image's area that is cut out and enlarged in training; 1: none is
    recoloured: bool = True  # change brightness, contrast and saturation at random
    loss: Literal["cross_entropy", "focal"] = "cross_entropy"  # of each image; focal: hard ones weigh more
    balance: Share = 0.0  # how much more images of rare classes weigh: 0 nothing, 1 so that all classes weigh alike
    smoothing: ShareBelow1 = 0.0  # share of each label that is spread over all classes: answers become less sure
    rectified: bool = (
        False  # a ReLU behind the last layer of a SqueezeNet, as torchvision has it; logits cannot be negative
    )
    standardised: bool = True  # bring what the new layer reads to mean 0 and deviation 1: answers are less sure

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.network not in KNOWN:
            from torchvision import models

            if self.network not in models.list_models(module=models) or self.network in UNFIT:
                raise SfumatoError(
                    f"network {shown(self.network)}: neither {OURS}, {EFFICIENTNET}, {LENET} nor a plain classifier of "
                    f"torchvision"
                )
            fixed = self.network.startswith(FIXED)
            if fixed and self.resolution != SIDE:
                raise SfumatoError(f"resolution {self.resolution}: {self.network} reads images of {SIDE} only")
        if self.rectified and not self.network.startswith("squeezenet"):
            raise SfumatoError(f"rectified: is for SqueezeNets, not for {self.network}")


PRESETS = {
    "faces": Config(resolution=64, images=4_000),
    "photographs": Config(
        network="squeezenet1_0", resolution=160, frozen=0.3, transfer=0.02, weight_decay=0.01, images=8_000
    ),
    "hotdog": Config(
        network="resnet18", resolution=224, optimizer="sgd", momentum=0.0, learning_rate=0.064, weight_decay=1e-3 / 128,
        annealed=False, batch_size=128, smallest=0.08, recoloured=False, standardised=False, follow=True,
        images=10_000,
    ),
    "digits": Config(
        network=LENET, resolution=32, frozen=0.2, batch_size=64, flip=False, smallest=0.7, recoloured=False,
        images=60_000,
    ),
}  # fmt: skip


class Classifier(nn.Module):
    """`network` has a new last layer, at `place`; the rest is as it was, and so are the names of its weights."""

    def __init__(self, name: str, classes: int, standardised: bool, rectified: bool = False) -> None:
        super().__init__()
        self.name = name
        self.units = InputUnits(name)
        self.network = _ours() if name == OURS else _theirs(name, rectified)
        layers = [item for item in self.network.named_modules() if isinstance(item[1], nn.Linear | nn.Conv2d)]
        self.place, last = layers[-1]
        head = (
            nn.Conv2d(last.in_channels, classes, 1)
            if isinstance(last, nn.Conv2d)
            else nn.Linear(cast(nn.Linear, last).in_features, classes)
        )
        nn.init.xavier_uniform_(head.weight)
        nn.init.zeros_(cast(Tensor, head.bias))
        if standardised:
            norm = nn.BatchNorm2d if isinstance(last, nn.Conv2d) else nn.BatchNorm1d
            head = nn.Sequential(norm(head.weight.shape[1], affine=False), head)
        self.network.set_submodule(self.place, head)

    @property
    def head(self) -> nn.Module:
        """The new layer, behind what standardises its input."""
        return self.network.get_submodule(self.place)

    def forward(self, images: Tensor) -> Tensor:
        return self.network(self.units(images))


def _ours() -> nn.Module:
    """The encoder of the package, a mean over its last map, and a layer to be replaced."""
    encoder = build_encoder(OURS)
    last = nn.Linear(encoder.channels("relu4_1"), 1)
    layers = {"features": encoder.features, "pool": nn.AdaptiveAvgPool2d(1), "flat": nn.Flatten(), "last": last}
    return nn.Sequential(OrderedDict(layers))


def _theirs(name: str, rectified: bool) -> nn.Module:
    if name == EFFICIENTNET:
        return EfficientNetLite0()
    if name == LENET:
        return LeNet()
    from torchvision import models

    network = models.get_model(name)
    if isinstance(network, models.SqueezeNet) and not rectified:
        network.classifier[2] = nn.Identity()  # a ReLU behind the last layer: logits must be able to be negative
    return network


class FineTuned(Recognizer):
    chosen_by = "valid_accuracy"
    config: Config

    def __init__(self, config: Config) -> None:
        super().__init__()
        self.config = config
        self.classifier = Classifier(config.network, config.classes, config.standardised, config.rectified)
        new = list(self.classifier.head.parameters())
        ids = {id(part) for part in new}
        self.learn([part for part in self.classifier.parameters() if id(part) not in ids], new)
        if config.frozen:
            self.optimizers["head"] = self.optimizer((new, 1.0))

    @property
    def least_batch(self) -> int:
        """One image alone has no deviation."""
        return max(2 if self.config.standardised else 1, super().least_batch)

    @property
    def _frozen(self) -> int:
        """Images after which the whole network learns."""
        return math.ceil(self.config.frozen * self.config.images)

    def stages(self) -> Sequence[Stage]:
        """One in which the new layer learns alone, if there is to be one, and the rest."""
        (whole,) = super().stages()
        lengths = self._frozen, whole.images - self._frozen
        return [replace(whole, images=length) for length in lengths if length]

    def begin(self) -> None:
        if self.config.pretrained:
            classifier = self.classifier
            load_network(classifier.network, classifier.name, self.config.weights, new=classifier.place)

    def forward(self, images: Tensor) -> Tensor:
        """Logits (b, k); of a network that is not in training by the temperature that was fitted."""
        logits = self.classifier(images)
        return logits if self.training else logits / self.fitted.get("temperature", 1.0)

    def portable(self) -> Sequence[Portable]:
        about = {"images": "(n, 3, h, w) in [0, 1]", "probabilities": f"(n, {self.config.classes})"}
        side = self.config.resolution
        images = {"images": torch.rand(2, 3, side, side)}

        def named(images: Tensor) -> Tensor:
            return self(images).softmax(1)

        return [Portable("", named, (self.classifier,), images, ("probabilities",), about)]

    def step(self, batches: Iterator[Batch], clock: Clock) -> Scalars:
        """One batch, cut and recoloured; one step against the cross entropy, of the last layer alone at first."""
        batch = next(batches)
        assert batch.labels is not None
        config, alone = self.config, clock.before < self._frozen
        if alone:  # running means of what does not learn would drift away from its weights
            for layer in self.classifier.modules():
                if isinstance(layer, nn.modules.batchnorm._BatchNorm):  # pyright: ignore[reportPrivateUsage]
                    layer.eval()
            self.classifier.head.train()
        logits = self(varied(batch.images, config)).float()
        loss = naming_loss(logits, batch.labels, config.balance, config.smoothing, config.loss == "focal")
        self.improve(loss, clock, "head" if alone else "network")
        return {"cross_entropy": loss.detach(), "accuracy": (logits.detach().argmax(1) == batch.labels).float().mean()}


def varied(images: Tensor, config: Config) -> Tensor:
    """The batch with each image cut, enlarged and recoloured on its own. Random numbers: the global generator's."""
    from torchvision.transforms import v2

    side = images.shape[-1]
    steps: list[v2.Transform] = []
    if config.smallest < 1:
        steps.append(v2.RandomResizedCrop(side, (config.smallest, 1.0), RATIO, antialias=True))
    if config.recoloured:
        steps.append(v2.ColorJitter(CHANGE, CHANGE, CHANGE))
    if not steps:
        return images
    change = v2.Compose(steps)
    changed = torch.empty_like(images)
    for number, image in enumerate(images):
        changed[number] = change(image)
    return changed
