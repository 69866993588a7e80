"""Classifiers of torchvision, by its own names: AlexNet, VGG, SqueezeNet, ResNet, ResNeXt, MobileNetV2, that
it or anyone has trained, for any number of classes. Which of them it is, is told by names and shapes."""

from collections.abc import Iterator, Mapping, Sequence

import torch
from torch import nn

from ...errors import SfumatoError
from . import COUNTED, Brought, Checkpoint

FILES = ("weights of a classifier",)
FAMILIES = {
    "layer1.0.conv1.weight": ("resnet", "resnext", "wide_resnet"),
    "features.0.weight": ("alexnet", "vgg", "squeezenet"),
    "features.0.0.weight": ("mobilenet_v2",),
}  # by a tensor that they have
RECTIFIED = "squeezenet"
IMAGENET = 1000  # classes
SIDE = 224


def fits(parts: Sequence[Checkpoint]) -> bool:
    return any(mark in parts[0] for mark in FAMILIES)


def brought(parts: Sequence[Checkpoint]) -> Brought:
    """Raises SfumatoError for another network."""
    found = next(_found(parts[0]), None)
    if found is None:
        families = ", ".join(name for names in FAMILIES.values() for name in names)
        raise SfumatoError(f"not a classifier of torchvision's: {families}")
    network, head = found
    classes = parts[0].shape(head)[0]
    weights = {f"classifier.network.{name}": parts[0].take(name) for name in parts[0].shapes}
    fields = {"network": network, "classes": classes, "resolution": SIDE, "rectified": network.startswith(RECTIFIED)}
    return Brought("finetune:hotdog", fields, weights, _imagenet() if classes == IMAGENET else ())


def _found(part: Checkpoint) -> Iterator[tuple[str, str]]:
    """The network whose names and shapes these are, and the weight of its last layer, which may have any classes."""
    from torchvision import models

    able = tuple(start for mark, starts in FAMILIES.items() if mark in part for start in starts)
    for name in models.list_models(module=models):
        if not name.startswith(able):
            continue
        with torch.device("meta"):
            network = models.get_model(name)
        last = [place for place, layer in network.named_modules() if isinstance(layer, nn.Linear | nn.Conv2d)][-1]
        own = {name: tuple(value.shape) for name, value in network.state_dict().items() if not name.endswith(COUNTED)}
        if _beside(own, last) == _beside(part.shapes, last):
            yield name, f"{last}.weight"


def _beside(shapes: Mapping[str, tuple[int, ...]], last: str) -> dict[str, tuple[int, ...]]:
    """Of the layer `last` without the first side, the classes."""
    return {name: shape[name.startswith(f"{last}.") :] for name, shape in shapes.items()}


def _imagenet() -> Sequence[str]:
    from torchvision.models import ResNet18_Weights

    return ResNet18_Weights.IMAGENET1K_V1.meta["categories"]
