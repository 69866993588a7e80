"""Files of weights into networks."""

from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file
from torch import nn

from sfumato.errors import SfumatoError
from sfumato.nets.efficientnet import EfficientNetLite0
from sfumato.weights.load import load_network, read_weights


@pytest.mark.parametrize("ending", [".pth", ".safetensors"])
def test_a_layer_may_stay_as_it_is(tmp_path: Path, ending: str) -> None:
    torch.manual_seed(0)
    theirs, ours = (nn.Sequential(nn.Linear(2, 3), nn.BatchNorm1d(3), nn.Linear(3, last)) for last in (5, 4))
    kept = {key: value for key, value in theirs.state_dict().items() if "num_batches" not in key}  # as older files
    path = tmp_path / f"weights{ending}"
    torch.save(kept, path) if ending == ".pth" else save_file(kept, path)
    before = {key: value.clone() for key, value in ours.state_dict().items()}
    load_network(ours, "theirs", path, new="2")
    for key, value in ours.state_dict().items():
        assert torch.equal(value, before[key] if key.startswith("2.") or "num_batches" in key else kept[key]), key
    with pytest.raises(SfumatoError, match="not those of theirs"):
        load_network(ours, "theirs", path)


def test_what_is_no_file_of_weights_is_one_line(tmp_path: Path) -> None:
    with pytest.raises(SfumatoError, match="there is no such file"):
        read_weights(tmp_path / "nowhere.pth")
    for name in ("words.pth", "words.safetensors"):
        (tmp_path / name).write_text("words")
        with pytest.raises(SfumatoError, match="not a file of weights"):
            read_weights(tmp_path / name)
    save_file({"a": torch.tensor([torch.nan])}, tmp_path / "nan.safetensors")
    with pytest.raises(SfumatoError, match="finite"):
        read_weights(tmp_path / "nan.safetensors")


def test_a_file_of_ours_is_read_as_well_as_the_peers(tmp_path: Path) -> None:
    network, twin = EfficientNetLite0(), EfficientNetLite0()
    save_file(network.state_dict(), tmp_path / "ours.safetensors")
    load_network(twin, "efficientnet_lite0", tmp_path / "ours.safetensors")
    for key, value in network.state_dict().items():
        assert torch.equal(value, twin.state_dict()[key])
