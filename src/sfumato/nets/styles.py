"""From noise to styles, and the noise of pixels: what the StyleGANs share (Karras et al. 2019,
https://arxiv.org/abs/1812.04948, figure 1b).

w, a style, is (b, latent); styles of all layers are (b, layers, latent), two layers for each side from 4 pixels on. All
of it is computed in fp32: a path through w is measured in steps of 1e-4.
"""

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from .equalised import LOUD, EqualLinear, LabelledNoise, leaky

RATE = 0.01  # of the layers of the mapping network, as a share of the others'
KEPT = 0.995  # of the mean of w from update to update
PER_SIDE = 2  # layers


class Mapping(nn.Module):
    """Noise (b, latent), and labels (b,) if there are `classes`, to w (b, latent). `mean`: the running mean of w."""

    mean: Tensor

    def __init__(self, latent: int, classes: int, layers: int) -> None:
        super().__init__()
        self.noise = LabelledNoise(latent, classes)
        widths = (self.noise.outputs, *(latent,) * (layers - 1))
        self.layers = nn.ModuleList(EqualLinear(width, latent, LOUD, RATE) for width in widths)
        self.register_buffer("mean", torch.zeros(latent))

    def forward(self, latents: Tensor, labels: Tensor | None = None) -> Tensor:
        with torch.autocast(latents.device.type, enabled=False):
            values = self.noise(latents, labels)
            for layer in self.layers:
                values = leaky(layer(values))
        return values

    @torch.no_grad()
    def follow(self, styles: Tensor) -> None:
        """Moves the mean towards these styles."""
        self.mean.lerp_(styles.detach().mean(0), 1 - KEPT)


class Style(EqualLinear):
    """w (b, latent) to one number, or more, for each of some maps, in fp32: A of the paper."""

    def forward(self, values: Tensor) -> Tensor:
        with torch.autocast(values.device.type, enabled=False):
            return super().forward(values.float())


def mixed(first: Tensor, second: Tensor, crossovers: Tensor, layers: int) -> Tensor:
    """Styles (b, layers, latent): of each image the first w (b, latent) before its crossover (b,), then the second."""
    before = torch.arange(layers, device=first.device) < crossovers[:, None]
    return torch.where(before[..., None], first[:, None], second[:, None])


def truncated(styles: Tensor, mean: Tensor, psi: Sequence[float]) -> Tensor:
    """Styles (b, layers, latent) drawn towards the mean w: w̄ + ψ (w - w̄), with a ψ for each layer (section B)."""
    shares = torch.tensor(psi, dtype=styles.dtype, device=styles.device)[:, None]
    return torch.lerp(mean.to(styles), styles, shares)


def new_noise(
    sides: Sequence[int], count: int, device: torch.device, generator: torch.Generator | None = None
) -> list[Tensor]:
    """Noise for the pixels of `count` images, (count, 1, side, side) for each layer, of the global generator or, if one
    is given, a CPU one."""
    return [
        torch.randn(count, 1, side, side, generator=generator, device="cpu" if generator else device).to(device)
        for side in sides
    ]
