"""Encoders against torchvision's networks, with random weights in torchvision's format."""

from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file
from torch import Tensor, nn
from torchvision import models

from sfumato.errors import SfumatoError
from sfumato.nets.decoder import Decoder
from sfumato.nets.encoders import IMAGENET_MEAN, IMAGENET_STD, Encoder, build_encoder

IMAGES = torch.rand(2, 3, 64, 64, generator=torch.Generator().manual_seed(0))


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("SFUMATO_CACHE", str(tmp_path / "cache"))
    return tmp_path


def features_of(network: nn.Module, depth: int) -> Tensor:
    """What torchvision's own layers make of `IMAGES`."""
    mean, std = (torch.tensor(values).view(3, 1, 1) for values in (IMAGENET_MEAN, IMAGENET_STD))
    with torch.no_grad():
        return network.features[: depth + 1]((IMAGES - mean) / std)  # pyright: ignore[reportIndexIssue]


@pytest.mark.parametrize("ending", [".pth", ".safetensors"])
@pytest.mark.parametrize(
    ("name", "layer", "depth"),
    [("vgg19", "relu3_1", 11), ("vgg19", "conv2_2", 7), ("squeezenet1_0", "fire4", 5), ("squeezenet1_1", "fire5", 7)],
)
def test_layers_are_torchvisions(name: str, layer: str, depth: int, ending: str, cache: Path) -> None:
    torch.manual_seed(0)
    # vgg19's classifier is 0.5 GB: its features are what is read, and a file may hold more than them.
    network = models.get_model(name) if name != "vgg19" else nn.Module()
    if name == "vgg19":
        network.features = models.vgg.make_layers(models.vgg.cfgs["E"])
    path = cache / f"weights{ending}"
    values = {**network.state_dict(), "classifier.extra.weight": torch.zeros(1)}
    torch.save(values, path) if ending == ".pth" else save_file(values, path)
    encoder = build_encoder(name).load(path).eval()  # pyright: ignore[reportArgumentType]
    network.eval()
    with torch.no_grad():
        found = encoder(IMAGES, (layer,))[layer]
    torch.testing.assert_close(found, features_of(network, depth))
    assert encoder.channels(layer) == found.shape[1]


def test_asking_for_more_layers_changes_none_of_them() -> None:
    """ReLUs work in place: not on a convolution that somebody asked for."""
    torch.manual_seed(0)
    encoder = build_encoder("sfumato")
    with torch.no_grad():
        together = encoder(IMAGES, ("conv2_1", "relu2_1", "relu4_1"))
        for layer, values in together.items():
            torch.testing.assert_close(encoder(IMAGES, (layer,))[layer], values)
    assert together["conv2_1"].min() < 0


def test_nothing_behind_the_last_layer_is_computed() -> None:
    encoder = build_encoder("vgg19")
    encoder.features[10] = nn.Identity()  # conv3_1 would refuse what comes out
    assert encoder(IMAGES, ("relu2_2",))["relu2_2"].shape == (2, 128, 32, 32)


def test_wrong_layers_and_wrong_files_are_named(cache: Path) -> None:
    encoder = build_encoder("sfumato")
    with pytest.raises(SfumatoError, match="layer 'relu5_1': encoder sfumato has conv1_1"):
        encoder(IMAGES, ("relu5_1",))
    path = cache / "other.safetensors"
    save_file(build_encoder("sfumato").state_dict(), path)
    with pytest.raises(SfumatoError, match="not those of vgg16"):
        build_encoder("vgg16").load(path)
    with pytest.raises(SfumatoError, match="there is no such file"):
        encoder.load(cache / "nowhere.pth")
    (cache / "words.pth").write_text("words")
    with pytest.raises(SfumatoError, match="not a file of weights"):
        encoder.load(cache / "words.pth")


def test_the_decoder_of_vgg19_is_the_papers() -> None:
    """Nine convolutions, three upsamplings, no norm."""
    decoder = Decoder("vgg19")
    kinds = [type(module).__name__ for module in decoder.modules()]
    assert kinds.count("Conv2d") + kinds.count("UpsampleConv") == 9
    assert kinds.count("UpsampleConv") == 3
    assert not any("Norm" in kind for kind in kinds)
    assert [module.out_channels for module in decoder.modules() if isinstance(module, nn.Conv2d)] == [
        256, 256, 256, 256, 128, 128, 64, 64, 3,
    ]  # fmt: skip


def test_a_decoder_gives_a_picture_of_the_size_that_was_encoded() -> None:
    encoder: Encoder = build_encoder("sfumato", "reflect")
    decoder = Decoder("sfumato", ("relu4_1", "relu3_1", "relu2_1"))
    images = torch.rand(1, 3, 40, 56)
    assert decoder(encoder(images, decoder.layers)).shape == images.shape
