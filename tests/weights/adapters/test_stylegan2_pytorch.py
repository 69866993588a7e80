"""The generator of stylegan2-pytorch, computed from the formulas, and ours."""

import math
from pathlib import Path

import pytest
import torch
from torch import Tensor
from torch.nn import functional as F

import sfumato
from sfumato.errors import SfumatoError
from sfumato.gans.styled import Styled

LATENT, DEPTH, SIDE = 6, 3, 32
WIDTHS = {4: 8, 8: 8, 16: 8, 32: 4}
Values = dict[str, Tensor]
KERNEL = torch.outer(*[torch.tensor([1.0, 3.0, 3.0, 1.0])] * 2) / 16  # 4 times one that sums to 1


def checkpoint() -> Values:
    values = {"input.input": torch.randn(1, WIDTHS[4], 4, 4)}
    for number in range(1, DEPTH + 1):
        values |= {
            f"style.{number}.weight": torch.randn(LATENT, LATENT) * 100,
            f"style.{number}.bias": torch.randn(LATENT),
        }

    def modulated(name: str, inputs: int, outputs: int, side: int) -> Values:
        return {
            f"{name}.conv.weight": torch.randn(1, outputs, inputs, side, side),
            f"{name}.conv.modulation.weight": torch.randn(inputs, LATENT),
            f"{name}.conv.modulation.bias": torch.randn(inputs) + 1,
        }

    def styled(name: str, number: int, side: int, inputs: int, outputs: int) -> Values:
        return modulated(name, inputs, outputs, 3) | {
            f"{name}.noise.weight": torch.randn(1),
            f"{name}.activate.bias": torch.randn(outputs),
            f"noises.noise_{number}": torch.randn(1, 1, side, side),
        }

    values |= styled("conv1", 0, 4, WIDTHS[4], WIDTHS[4])
    values |= modulated("to_rgb1", WIDTHS[4], 3, 1) | {"to_rgb1.bias": torch.randn(1, 3, 1, 1)}
    for block, side in enumerate((8, 16, 32)):
        values |= styled(f"convs.{2 * block}", 2 * block + 1, side, WIDTHS[side // 2], WIDTHS[side])
        values |= styled(f"convs.{2 * block + 1}", 2 * block + 2, side, WIDTHS[side], WIDTHS[side])
        values |= modulated(f"to_rgbs.{block}", WIDTHS[side], 3, 1)
        values |= {f"convs.{2 * block}.conv.blur.kernel": KERNEL, f"to_rgbs.{block}.upsample.kernel": KERNEL}
        values[f"to_rgbs.{block}.bias"] = torch.randn(1, 3, 1, 1)
    return values


def filtered(maps: Tensor, before: int, after: int) -> Tensor:
    count = maps.shape[1]
    padded = F.pad(maps, (before, after, before, after))
    return F.conv2d(padded, KERNEL.expand(count, 1, 4, 4), groups=count)


def style_of(values: Values, noise: Tensor) -> Tensor:
    w = noise / (noise.square().mean(1, keepdim=True) + 1e-8).sqrt()
    for number in range(1, DEPTH + 1):
        weight, bias = values[f"style.{number}.weight"], values[f"style.{number}.bias"]
        w = math.sqrt(2) * F.leaky_relu(w @ weight.T * 0.01 / math.sqrt(LATENT) + 0.01 * bias, 0.2)
    return w


def convolved(values: Values, name: str, maps: Tensor, w: Tensor, up: bool = False, colours: bool = False) -> Tensor:
    """Each image with filters of its own."""
    weight = values[f"{name}.conv.weight"][0]
    style = w @ values[f"{name}.conv.modulation.weight"].T / math.sqrt(LATENT) + values[f"{name}.conv.modulation.bias"]
    found = []
    for image, scale in zip(maps, style, strict=True):
        own = weight / math.sqrt(weight[0].numel()) * scale[:, None, None]
        if not colours:
            own = own / (own.square().sum((1, 2, 3), keepdim=True) + 1e-8).sqrt()
        if up:
            found.append(filtered(F.conv_transpose2d(image[None], own.transpose(0, 1), stride=2), 1, 1))
        else:
            found.append(F.conv2d(image[None], own, padding=own.shape[-1] // 2))
    return torch.cat(found)


def drawn(values: Values, w: Tensor) -> Tensor:
    def layer(name: str, number: int, maps: Tensor, up: bool = False) -> Tensor:
        noisy = convolved(values, name, maps, w, up) + values[f"{name}.noise.weight"] * values[f"noises.noise_{number}"]
        return math.sqrt(2) * F.leaky_relu(noisy + values[f"{name}.activate.bias"][:, None, None], 0.2)

    def doubled(images: Tensor) -> Tensor:
        wide = torch.zeros(*images.shape[:2], 2 * images.shape[2], 2 * images.shape[3])
        wide[..., ::2, ::2] = images
        return filtered(wide, 2, 1)

    maps = layer("conv1", 0, values["input.input"].expand(len(w), -1, -1, -1))
    images = convolved(values, "to_rgb1", maps, w, colours=True) + values["to_rgb1.bias"]
    for block in range(3):
        maps = layer(f"convs.{2 * block}", 2 * block + 1, maps, up=True)
        maps = layer(f"convs.{2 * block + 1}", 2 * block + 2, maps)
        colours = convolved(values, f"to_rgbs.{block}", maps, w, colours=True) + values[f"to_rgbs.{block}.bias"]
        images = doubled(images) + colours
    return images


@pytest.mark.parametrize("kind", ["training", "converted"])
def test_ours_draws_what_the_peer_draws(tmp_path: Path, kind: str) -> None:
    torch.manual_seed(0)
    values, noise, mean = checkpoint(), torch.randn(3, LATENT), torch.randn(LATENT)
    more = {"d": {"x": torch.ones(1)}, "g_optim": {"state": {}}} if kind == "training" else {"latent_avg": mean}
    torch.save({"g_ema": values, **more}, tmp_path / "550000.pt")
    run = sfumato.open(sfumato.bring_in(tmp_path / "550000.pt", run=tmp_path / "run"), "cpu")
    system = run.system
    assert isinstance(system, Styled)
    w = style_of(values, noise)
    torch.testing.assert_close(system.styles_of(noise), w, rtol=1e-5, atol=1e-6)
    wanted = drawn(values, w)
    with torch.no_grad():
        found = system.drawn(noise, None)
    scale = float(wanted.abs().max())
    torch.testing.assert_close(found / scale, wanted / scale, rtol=0, atol=1e-5)
    torch.testing.assert_close(run.draw(noise), (wanted.clamp(-1, 1) + 1) / 2, rtol=0, atol=1e-5 * scale)
    many = style_of(values, torch.randn(20_000, LATENT))
    wanted_mean = mean if kind == "converted" else many.mean(0)
    apart = (system.mean_style - wanted_mean).abs().max() / many.std()
    assert apart < (1e-6 if kind == "converted" else 0.06)


def test_another_filter_is_refused(tmp_path: Path) -> None:
    values = checkpoint()
    values["convs.2.conv.blur.kernel"] = torch.ones(4, 4) / 4
    torch.save({"g_ema": values}, tmp_path / "g.pt")
    with pytest.raises(SfumatoError, match="another filter"):
        sfumato.bring_in(tmp_path / "g.pt", run=tmp_path / "run")
