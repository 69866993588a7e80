"""Classifiers of torchvision, by torchvision, and ours."""

from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn
from torchvision import models
from torchvision.transforms.v2 import functional as T

import sfumato
from sfumato.nets.encoders import IMAGENET_MEAN, IMAGENET_STD


@pytest.mark.parametrize(
    ("name", "classes"), [("squeezenet1_0", 5), ("squeezenet1_1", 1000), ("resnet18", 1000), ("mobilenet_v2", 4)]
)
def test_ours_names_as_torchvision_does(tmp_path: Path, name: str, classes: int) -> None:
    torch.manual_seed(0)
    theirs: Any = models.get_model(name, num_classes=classes).eval()
    for layer in theirs.modules():
        if isinstance(layer, nn.BatchNorm2d):
            assert layer.running_mean is not None
            assert layer.running_var is not None
            layer.running_mean.normal_()
            layer.running_var.uniform_(0.5, 1.5)
    torch.save({"model": theirs.state_dict(), "epoch": 3}, tmp_path / "weights.pth")
    run = sfumato.open(sfumato.bring_in(tmp_path / "weights.pth", run=tmp_path / "run", peer="torchvision"), "cpu")
    images = torch.rand(2, 3, 224, 224)
    with torch.no_grad():
        wanted, found = theirs(T.normalize(images, [*IMAGENET_MEAN], [*IMAGENET_STD])), run.system(images)
    torch.testing.assert_close(found, wanted, rtol=1e-5, atol=1e-5)
    assert run.config.network == name
    assert len(run.classes) == classes
    assert run.classes[1] == ("goldfish" if classes == 1000 else "1")
    assert run.predict(images[0]).values["classes"][0]["name"] == run.classes[int(wanted[0].argmax())]
