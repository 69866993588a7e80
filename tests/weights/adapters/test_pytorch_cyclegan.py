"""The residual generators of pytorch-CycleGAN-and-pix2pix, computed layer by layer, and ours."""

from collections.abc import Mapping
from pathlib import Path

import pytest
import torch
from torch import Tensor
from torch.nn import functional as F

import sfumato
from sfumato.errors import SfumatoError
from sfumato.translation.translator import Translator
from sfumato.weights.load import read_weights

WIDTH, CHANNELS = 4, 3
Values = dict[str, Tensor]


def checkpoint(blocks: int, dropout: bool = False, old: bool = False) -> Values:
    """By the peer's names, of random numbers. `old`: with the statistics that norms once kept and never used."""
    second = 6 if dropout else 5
    shapes = {"model.1": (WIDTH, CHANNELS, 7, 7), "model.4": (2 * WIDTH, WIDTH, 3, 3)}
    shapes["model.7"] = (4 * WIDTH, 2 * WIDTH, 3, 3)
    for block in range(10, 10 + blocks):
        shapes |= {f"model.{block}.conv_block.{place}": (4 * WIDTH, 4 * WIDTH, 3, 3) for place in (1, second)}
    end = 10 + blocks
    shapes |= {f"model.{end}": (4 * WIDTH, 2 * WIDTH, 3, 3), f"model.{end + 3}": (2 * WIDTH, WIDTH, 3, 3)}
    shapes[f"model.{end + 7}"] = (CHANNELS, WIDTH, 7, 7)
    values = {}
    for name, shape in shapes.items():
        width = shape[1] if name in (f"model.{end}", f"model.{end + 3}") else shape[0]
        values[f"{name}.weight"] = torch.randn(shape) / 10
        values[f"{name}.bias"] = torch.randn(width)
        before, _, place = name.rpartition(".")
        if old and name != f"model.{end + 7}":
            values |= {
                f"{before}.{int(place) + 1}.{kind}": torch.rand(width) for kind in ("running_mean", "running_var")
            }
    return values


def made(values: Mapping[str, Tensor], blocks: int, images: Tensor, second: int = 5) -> Tensor:
    def convolved(maps: Tensor, name: str, border: int, **how: int) -> Tensor:
        padded = F.pad(maps, [border] * 4, mode="reflect")
        return F.conv2d(padded, values[f"{name}.weight"], values[f"{name}.bias"], **how)

    def normed(maps: Tensor) -> Tensor:
        variance, mean = torch.var_mean(maps, (2, 3), correction=0, keepdim=True)
        return (maps - mean) / (variance + 1e-5).sqrt()

    maps = normed(convolved(images, "model.1", 3)).relu()
    for place in (4, 7):
        maps = normed(convolved(maps, f"model.{place}", 0, stride=2, padding=1)).relu()
    for block in range(10, 10 + blocks):
        inner = normed(convolved(maps, f"model.{block}.conv_block.1", 1)).relu()
        maps = maps + normed(convolved(inner, f"model.{block}.conv_block.{second}", 1))
    for name in (f"model.{10 + blocks}", f"model.{13 + blocks}"):
        weight, bias = values[f"{name}.weight"], values[f"{name}.bias"]
        maps = normed(F.conv_transpose2d(maps, weight, bias, stride=2, padding=1, output_padding=1)).relu()
    return convolved(maps, f"model.{17 + blocks}", 3).tanh()


@pytest.mark.parametrize(("blocks", "dropout", "old"), [(9, False, False), (6, False, True), (6, True, False)])
def test_ours_translates_as_the_peer_does(tmp_path: Path, blocks: int, dropout: bool, old: bool) -> None:
    torch.manual_seed(0)
    files = [tmp_path / f"latest_net_G_{name}.pth" for name in "AB"]
    both = [checkpoint(blocks, dropout, old) for _ in files]
    for values, path in zip(both, files, strict=True):
        torch.save({f"module.{name}": value for name, value in values.items()} if old else values, path)
    run = sfumato.open(sfumato.bring_in(files, run=tmp_path / "run"), "cpu")
    assert isinstance(run.system, Translator)
    assert not [name for name in read_weights(run.path / "model.safetensors") if name.startswith(("critic", "pool"))]
    images = torch.rand(2, CHANNELS, 32, 40) * 2 - 1
    for values, to in zip(both, ("b", "a"), strict=True):
        wanted = made(values, blocks, images, 6 if dropout else 5)
        torch.testing.assert_close(run.system.translate(images, to), wanted, rtol=0, atol=1e-5)
        assert run.translate((images[0] + 1) / 2, to=to).shape == images[0].shape


def test_other_generators_are_refused(tmp_path: Path) -> None:
    torch.manual_seed(0)
    values = checkpoint(6)
    normed = values | {"model.2.weight": torch.ones(WIDTH), "model.2.bias": torch.ones(WIDTH)}
    unet = {"model.model.0.weight": torch.ones(4, 3, 4, 4)}
    wide = values | {"model.1.weight": torch.ones(WIDTH, 1, 7, 7)}
    for number, (first, second, reason) in enumerate(
        [(normed, normed, r"holds \'model\.2\."), (unet, values, "no residual"), (wide, values, "that differ")]
    ):
        files = [tmp_path / f"{number}{name}.pth" for name in "AB"]
        for path, part in zip(files, (first, second), strict=True):
            torch.save(part, path)
        with pytest.raises(SfumatoError, match=reason):
            sfumato.bring_in(files, run=tmp_path / "run")
    with pytest.raises(SfumatoError, match="give the generator that makes B of A"):
        sfumato.bring_in(files[1], run=tmp_path / "run")
