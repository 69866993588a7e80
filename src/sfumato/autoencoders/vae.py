"""The variational autoencoder: a code is a cloud, kept close to the one that new codes are drawn from.

Kingma and Welling 2014, https://arxiv.org/abs/1312.6114; network and training of Burda et al. 2016,
https://arxiv.org/abs/1509.00519, section 5, with one sample.
Images are (b, c, h, w) in [0, 1]; with `binarise` each pixel is drawn black or white with its grey as the chance of
white, afresh at each step. Codes are (b, bottleneck), normal where they are drawn; `encode` gives the clouds' means.
Departs from the papers: a cosine in place of steps of the learning rate; larger batches and far fewer of them; layers
of 16 units or fewer stay in fp32.
"""

import math
from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from ..engine.fields import Amount, Units
from ..engine.system import Scalars
from ..nets.mlp import Activation, linear, mlp_autoencoder
from ..ops.losses import binary_cross_entropy
from .autoencoder import Autoencoder, AutoencoderConfig, Widths

TOGETHER = 500  # images whose bounds are computed at a time


@dataclass(frozen=True, kw_only=True)
class Config(AutoencoderConfig):
    """784-200-200-50 and its mirror, on 28×28 pixels that are black or white."""

    loss: Literal["bce"] = "bce"  # of the pixels, as coins: what makes the bound one on a likelihood
    widths: Widths = (200, 200)  # hidden units between image and code; the decoder mirrors them
    activation: Activation = "tanh"  # between the layers; the output is a sigmoid always
    bottleneck: Units = 50  # numbers in a code
    beta: Amount = 1.0  # weight of the divergence from the prior; 1: the evidence lower bound
    binarise: bool = True  # draw each pixel black or white at each step; without, greys are what coins must match
    schedule: Literal["plateau", "cosine"] = "cosine"  # of the learning rate: cosine falls to 0 over the whole run
    batch_size: int = 64  # images per step, over all processes
    images: int = 24_000_000  # training images drawn in the whole run (400 epochs of MNIST)


PRESETS = {
    "mnist": Config(),  # 400 epochs of MNIST
    "digits": Config(bottleneck=16, binarise=False, images=720_000),  # 500 epochs of embedded digits
    "plane": Config(bottleneck=2, binarise=False, images=6_000_000),  # two numbers, to be looked at
}  # fmt: skip


class VariationalAutoencoder(Autoencoder):
    """The encoder gives (b, 2 · bottleneck): mean and log variance of each code's cloud."""

    prior = True
    config: Config

    def build(self) -> tuple[nn.Sequential, nn.Sequential]:
        widths = (math.prod(self.image_shape), *self.config.widths, self.config.bottleneck)
        encoder, decoder = mlp_autoencoder(widths, self.config.activation)
        encoder[-1] = linear(widths[-2], 2 * self.config.bottleneck)
        return encoder, decoder

    def posterior(self, images: Tensor) -> tuple[Tensor, Tensor]:
        """Mean and log variance (b, bottleneck) of the clouds of codes, q(z|x)."""
        mean, log_variance = self.encoder(images).float().chunk(2, 1)
        return mean, log_variance

    def encode(self, images: Tensor) -> Tensor:
        return self.posterior(images)[0]

    def seen(self, images: Tensor, generator: torch.Generator | None = None) -> Tensor:
        """What is modelled of `images`: coins with their greys as chances, or the greys."""
        if not self.config.binarise:
            return images
        chances = torch.rand(images.shape, generator=generator, device=None if generator else images.device)
        return (chances.to(images.device) < images).float()

    def objective(self, images: Tensor) -> tuple[Tensor, Scalars, Tensor]:
        """-ELBO of equation 10 with one sample, in nats per image, the divergence weighted by `beta`."""
        images = self.seen(images)
        mean, log_variance = self.posterior(self.corrupt(images))
        codes = mean + (log_variance / 2).exp() * torch.randn_like(mean)
        misfit = images[0].numel() * binary_cross_entropy(self._logits(codes), images)
        divergence = from_prior(mean, log_variance).mean()
        scalars = {"elbo": -(misfit + divergence).detach(), "kl": divergence.detach()}
        return misfit + self.config.beta * divergence, scalars, mean

    def latents(self, count: int, generator: torch.Generator | None = None) -> Tensor:
        """Codes of the prior."""
        return torch.randn(count, self.config.bottleneck, generator=generator)

    @torch.no_grad()
    def bounds(self, images: Tensor, draws: int, generator: torch.Generator) -> dict[str, Tensor]:
        """`elbo`, the mean over `draws` codes; `kl`, its divergence; `nll`, minus the bound of Burda et al., equation
        8, with as many. In fp32, of images drawn black or white where that is what is modelled."""
        device = next(self.parameters()).device
        with torch.autocast(device.type, enabled=False):
            parts = [self._bounds(chunk.to(device), draws, generator) for chunk in images.split(TOGETHER)]
        return {name: torch.cat([part[name] for part in parts]) for name in parts[0]}

    def _bounds(self, images: Tensor, draws: int, generator: torch.Generator) -> dict[str, Tensor]:
        images = self.seen(images, generator)
        mean, log_variance = self.posterior(images)
        misfits, weights = torch.zeros(len(images)).to(mean), torch.full((len(images),), -math.inf).to(mean)
        for _ in range(draws):  # added up as they come: kept apart, thousands of them hold gigabytes
            noise = torch.randn(mean.shape, generator=generator).to(mean.device)
            codes = mean + (log_variance / 2).exp() * noise
            misfit = F.binary_cross_entropy_with_logits(self._logits(codes), images, reduction="none").flatten(1).sum(1)
            misfits += misfit / draws
            weight = -misfit + (noise.square() + log_variance - codes.square()).sum(1) / 2  # log of p(x, z) / q(z|x)
            weights = torch.logaddexp(weights, weight)
        divergence = from_prior(mean, log_variance)
        found = {
            "elbo": -misfits - divergence,
            "kl": divergence,
            "nll": math.log(draws) - weights,
        }
        return {name: values.cpu() for name, values in found.items()}


def from_prior(mean: Tensor, log_variance: Tensor) -> Tensor:
    """(b,) the divergence of each cloud from the standard normal, in nats (appendix B)."""
    return (mean.square() + log_variance.exp() - log_variance - 1).sum(1) / 2
