"""The spectrally normalised GAN: each layer of the discriminator is divided by its largest singular value.

Miyato et al. 2018, https://arxiv.org/abs/1802.05957, algorithm 1: one power iteration per pass, from a kept vector.
`method="regularisation"` came before, Yoshida and Miyato 2017, https://arxiv.org/abs/1705.10941: ½λ Σσ(W)² in the loss.
Images are (b, c, h, w) in [-1, 1]; latent vectors are (b, latent), normal.
Departs from the paper: small players, fully connected with LeakyReLU(0.2) or those of the DCGAN; the hinge objective by
default, as in the authors' code; the kernel of a convolution is normalised as a matrix of outputs × (inputs · height ·
width), as the paper does.
"""

from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor, nn
from torch.nn.functional import normalize
from torch.nn.utils import parametrize

from ..engine.fields import Amount, Positive
from .game import Adversarial, EitherConfig, players

EPSILON = 1e-12
START = 15  # power iterations on the first weights


@dataclass(frozen=True, kw_only=True)
class Config(EitherConfig):
    """Spectral normalisation, hinge objective, one discriminator step."""

    method: Literal["normalisation", "regularisation"] = "normalisation"  # divide by σ, or add ½λσ² to the loss
    bound: Positive = 1.0  # the largest singular value that a layer keeps (normalisation only)
    spectral_weight: Amount = 0.01  # λ (regularisation only)
    objective: Literal["hinge", "non_saturating", "least_squares", "wasserstein"] = "hinge"  # what is played for


PRESETS = {"mlp": Config(), "dcgan": Config(network="dcgan", width=32)}


class SpectralNorm(nn.Module):
    """σ of a weight (outputs, ...) by power iteration; as a parametrization, the weight brought to σ = `bound`.

    The kept vectors move in training only. σ = uᵀWv with both held fixed, so that its gradient is u vᵀ.
    """

    left: Tensor
    right: Tensor

    def __init__(self, weight: Tensor, bound: float = 1.0) -> None:
        super().__init__()
        self.bound = bound
        matrix = weight.detach().flatten(1)
        self.register_buffer("left", normalize(torch.randn(len(matrix)), dim=0, eps=EPSILON))
        self.register_buffer("right", normalize(torch.randn(matrix.shape[1]), dim=0, eps=EPSILON))
        self._iterate(matrix, START)

    @torch.no_grad()
    def _iterate(self, matrix: Tensor, times: int = 1) -> None:
        for _ in range(times):
            self.right.copy_(normalize(matrix.mT @ self.left, dim=0, eps=EPSILON))
            self.left.copy_(normalize(matrix @ self.right, dim=0, eps=EPSILON))

    def value(self, weight: Tensor) -> Tensor:
        """σ, in fp32: bf16 would get its second digit wrong."""
        with torch.autocast("cpu" if weight.is_meta else weight.device.type, enabled=False):  # meta: shapes alone
            matrix = weight.float().flatten(1)
            if self.training:
                self._iterate(matrix.detach())
            # Clones: the next pass moves the vectors in place, and this one's gradient still needs them.
            return self.left.clone() @ (matrix @ self.right.clone())

    def forward(self, weight: Tensor) -> Tensor:
        return weight * (self.bound / self.value(weight))


class SNGAN(Adversarial):
    steady = True
    config: Config

    def build(self) -> tuple[nn.Module, nn.Module]:
        generator, discriminator = players(self.config, batch_norm=False)
        norms = [SpectralNorm(layer.weight, self.config.bound) for layer in weighted(discriminator)]
        self.measured = nn.ModuleList()  # regularisation: what knows the σ of each layer
        if self.config.method == "regularisation":
            self.measured.extend(norms)
        else:
            for layer, norm in zip(weighted(discriminator), norms, strict=True):
                parametrize.register_parametrization(layer, "weight", norm)
        return generator, discriminator

    def penalties(self, real: Tensor, fake: Tensor, labels: Tensor | None = None) -> list[Tensor]:
        given = super().penalties(real, fake, labels)
        if not self.measured:
            return given
        values = [
            norm.value(layer.weight).square()
            for layer, norm in zip(weighted(self.discriminator), self.measured, strict=True)
            if isinstance(norm, SpectralNorm)
        ]
        return [*given, self.config.spectral_weight / 2 * torch.stack(values).sum()]


def weighted(network: nn.Module) -> list[nn.Linear | nn.Conv2d]:
    """Its layers that have a weight matrix, in order."""
    return [layer for layer in network.modules() if isinstance(layer, nn.Linear | nn.Conv2d)]
