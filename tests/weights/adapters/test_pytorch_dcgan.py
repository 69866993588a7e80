"""netG of pytorch/examples, computed layer by layer, and ours."""

from pathlib import Path

import torch
from torch import Tensor
from torch.nn import functional as F

import sfumato

LATENT, WIDTH, CHANNELS = 7, 4, 3


def checkpoint() -> dict[str, Tensor]:
    """By the peer's names, of random numbers."""
    widths = [LATENT, 8 * WIDTH, 4 * WIDTH, 2 * WIDTH, WIDTH, CHANNELS]
    values = {
        f"main.{3 * index}.weight": torch.randn(widths[index], widths[index + 1], 4, 4) / (4 * widths[index]) ** 0.5
        for index in range(5)
    }
    for index, width in enumerate(widths[1:-1]):
        norm = f"main.{3 * index + 1}"
        values |= {f"{norm}.weight": torch.rand(width) + 0.5, f"{norm}.bias": torch.randn(width)}
        values |= {f"{norm}.running_mean": torch.randn(width), f"{norm}.running_var": torch.rand(width) + 0.5}
        values[f"{norm}.num_batches_tracked"] = torch.tensor(3)
    return values


def made(values: dict[str, Tensor], noise: Tensor) -> Tensor:
    """Tanh of transposed convolutions with batch norm and ReLU between them."""
    maps = noise[:, :, None, None]
    for index in range(5):
        stride, padding = (2, 1) if index else (1, 0)
        maps = F.conv_transpose2d(maps, values[f"main.{3 * index}.weight"], stride=stride, padding=padding)
        if index < 4:
            kinds = ("running_mean", "running_var", "weight", "bias")
            mean, variance, scale, shift = (values[f"main.{3 * index + 1}.{kind}"][:, None, None] for kind in kinds)
            maps = ((maps - mean) / (variance + 1e-5).sqrt() * scale + shift).relu()
    return maps.tanh()


def test_ours_draws_what_the_peer_draws(tmp_path: Path) -> None:
    torch.manual_seed(0)
    values, noise = checkpoint(), torch.randn(3, LATENT)
    torch.save(values, tmp_path / "netG_epoch_24.pth")
    run = sfumato.open(sfumato.bring_in(tmp_path / "netG_epoch_24.pth", run=tmp_path / "run"), "cpu")
    wanted = made(values, noise)
    assert wanted.shape == (3, CHANNELS, 64, 64)
    torch.testing.assert_close(run.draw(noise), (wanted + 1) / 2, rtol=0, atol=1e-5)
    assert run.sample(2).shape == (2, CHANNELS, 64, 64)
