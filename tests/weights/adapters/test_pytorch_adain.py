"""pytorch-AdaIN, computed layer by layer, and ours."""

from pathlib import Path

import torch
from safetensors.torch import save_file
from torch import Tensor
from torch.nn import functional as F

import sfumato
from sfumato.runs.stylize import network_of

# The places of convolutions in both sequences, and their maps; between them stand borders, ReLUs, pools, doublings.
ENCODER = {0: 3, 2: 64, 5: 64, 9: 128, 12: 128, 16: 256, 19: 256, 22: 256, 25: 256, 29: 512, 32: 512, 35: 512, 38: 512,
           42: 512, 45: 512, 48: 512, 51: 512}  # fmt: skip
POOLED = (9, 16, 29)  # behind a pool
DECODER = {1: 256, 5: 256, 8: 256, 11: 256, 14: 128, 18: 128, 21: 64, 25: 64, 28: 3}
DOUBLED = (5, 18, 25)


def checkpoint(widths: dict[int, int], inputs: int) -> dict[str, Tensor]:
    values = {}
    for place, width in widths.items():
        side = 1 if place == 0 else 3
        values[f"{place}.weight"] = torch.randn(width, inputs, side, side) * (2 / (inputs * side * side)) ** 0.5
        values[f"{place}.bias"] = torch.randn(width) / 10
        inputs = width
    return values


def bordered(values: dict[str, Tensor], place: int, maps: Tensor) -> Tensor:
    return F.conv2d(F.pad(maps, (1, 1, 1, 1), mode="reflect"), values[f"{place}.weight"], values[f"{place}.bias"])


def encoded(values: dict[str, Tensor], images: Tensor) -> Tensor:
    """relu4_1."""
    maps = F.conv2d(images, values["0.weight"], values["0.bias"])
    for place in list(ENCODER)[1:10]:
        maps = F.max_pool2d(maps, 2, ceil_mode=True) if place in POOLED else maps
        maps = bordered(values, place, maps).relu()
    return maps


def restyled(encoder: dict[str, Tensor], decoder: dict[str, Tensor], content: Tensor, style: Tensor) -> Tensor:
    features = [encoded(encoder, images).flatten(2) for images in (content, style)]
    (mean, std), (other, wide) = (
        (maps.mean(2, keepdim=True), (maps.var(2, keepdim=True) + 1e-5).sqrt()) for maps in features
    )
    maps = ((features[0] - mean) / std * wide + other).unflatten(2, encoded(encoder, content).shape[2:])
    for place in DECODER:
        maps = F.interpolate(maps, scale_factor=2, mode="nearest") if place in DOUBLED else maps
        maps = bordered(decoder, place, maps)
        maps = maps if place == 28 else maps.relu()
    return maps


def test_ours_restyles_as_the_peer_does(tmp_path: Path) -> None:
    torch.manual_seed(0)
    encoder, decoder = checkpoint(ENCODER, 3), checkpoint(DECODER, 512)
    encoder["0.weight"] = torch.tensor([[0.0, 0, 255], [0, 255, 0], [255, 0, 0]])[..., None, None]  # to BGR of Caffe
    encoder["0.bias"] = -torch.tensor([103.939, 116.779, 123.68])
    encoder["2.weight"] /= 100
    torch.save(encoder, tmp_path / "vgg_normalised.pth")
    save_file(decoder, tmp_path / "decoder.safetensors")
    content, style = torch.rand(1, 3, 36, 44), torch.rand(1, 3, 40, 32)
    wanted = restyled(encoder, decoder, content, style)
    files = [tmp_path / "decoder.safetensors", tmp_path / "vgg_normalised.pth"]
    run = sfumato.bring_in(files, run=tmp_path / "run")
    with torch.no_grad():
        found = network_of(run, "cpu")()(content, style)
    scale = float(wanted.abs().max())
    assert float((found - wanted).abs().max()) < 1e-5 * scale
