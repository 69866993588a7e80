"""The peer's names, all of them, become ours, all of them."""

import torch

from sfumato.nets.efficientnet import EfficientNetLite0
from sfumato.weights.adapters.efficientnet_lite0 import renamed
from sfumato.weights.known import find
from sfumato.weights.load import read_weights


def test_every_tensor_of_the_file_has_a_place_of_its_shape() -> None:
    values = read_weights(find("efficientnet_lite0"))
    found, wanted = renamed(values), EfficientNetLite0().state_dict()
    assert found.keys() == wanted.keys()
    assert len(found) == len(values)
    assert all(found[name].shape == value.shape for name, value in wanted.items())


def test_names_of_others_stay() -> None:
    for name in ("features.0.0.weight", "_blocks.0._other.weight", "_other.weight", "weight", "_blocks.x._bn0.weight"):
        assert renamed({name: torch.zeros(1)}).keys() == {name}
