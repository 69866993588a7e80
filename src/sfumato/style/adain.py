"""AdaIN: any picture in any style at once, by giving its features the mean and deviation of the style's.

Huang and Belongie 2017, https://arxiv.org/abs/1703.06868; section and equation numbers are the paper's.
Images are (b, 3, h, w) in [0, 1]; features are (b, c, h/8, w/8). A step takes as many styles as contents.
Four presets, which differ where the known implementations do:
- `paper`: as printed; the losses are Euclidean distances (eq. 12 and 13), not their squares. Its λ is the default of
  the Lua code.
- `lua`: the authors' code. Squared errors, the style's summed over channels; biased variance with another eps for the
  content's statistics, for the style's and in the loss; λ 0.1, as its released decoder had.
- `port`: the PyTorch port in common use. Pictures squashed to squares, unbiased variance, means of squares, λ 10.
- `sfumato`: ours, on the shipped encoder, short enough for a laptop.
Departs from the paper: `vgg19` is torchvision's, rescaled to unit mean activation on bundled photographs where the
authors used their own; in `sfumato`, losses are relative squared errors, statistics are exchanged at two layers, the
learning rate falls along a cosine, and the decoder that is kept is an average.
"""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Literal, cast

import torch
from torch import Tensor, nn

from ..data.batches import Batch
from ..engine.annealing import anneal
from ..engine.clock import Clock
from ..engine.descend import descend
from ..engine.ema import Average
from ..engine.fields import Amount, Natural
from ..engine.system import Scalars
from ..errors import SfumatoError
from ..nets.activations import unit_mean_activation
from ..nets.decoder import LAYERS, Decoder
from ..nets.encoders import Padding, build_encoder
from ..ops.statistics import moments
from ..ops.style_losses import relative_error, relative_moments
from ..strict import shown
from .network import DETAILED, Restyler, StyleSystem, TransferConfig

STYLE = ("relu1_1", "relu2_1", "relu3_1", "relu4_1")  # of the style loss
Reduction = Literal["norm", "sum", "mean", "relative"]


@dataclass(frozen=True, kw_only=True)
class Config(TransferConfig):
    """A decoder for a frozen encoder."""

    encoder: Literal["sfumato", "vgg19", "vgg16"] = "sfumato"  # a VGG network, not trained; the decoder mirrors it
    weights_file: str = ""  # its weights; the package's, or fetched, if none are given
    layers: tuple[str, ...] = LAYERS  # where statistics are exchanged, relu4_1 first
    padding: Padding = "reflect"  # of encoder and decoder
    reduction: Reduction = (
        "relative"  # of both losses: distances, squares summed over channels, their means, or relative
    )
    style_weight: Amount = 1.0  # λ in (11)
    eps: Amount = 1e-5  # beside the variance of the content
    style_eps: Amount = 1e-5  # beside the variance of the style
    loss_eps: Amount = 1e-5  # beside the variances in the style loss
    unbiased: bool = False  # variances divided by n - 1
    schedule: Literal["slowing", "cosine"] = "slowing"  # of the learning rate: rate / (1 + slowdown · step), or to 0
    slowdown: Amount = 5e-5  # per step (slowing only)
    warmup: Natural = 4_000  # images over which the rate climbs (cosine only)
    half_life: Natural = 0  # images after which half of the averaged decoder is forgotten; 0: no average

    def __post_init__(self) -> None:
        super().__post_init__()
        known = len(set(self.layers)) == len(self.layers) and set(self.layers) <= set(STYLE)
        if not known or self.layers[:1] != STYLE[-1:]:
            raise SfumatoError(f"layers {shown(self.layers)}: must be relu4_1 first, then any of {', '.join(STYLE)}")


PAPER = Config(
    encoder="vgg19", reduction="norm", style_weight=0.01, resolution=512, crop=256, flip=False, learning_rate=1e-4,
    images=1_280_000,
)  # fmt: skip
PRESETS = {
    "sfumato": Config(layers=DETAILED, schedule="cosine", half_life=4_000),
    "paper": PAPER,
    "lua": replace(PAPER, reduction="sum", style_weight=0.1, style_eps=0.0, loss_eps=1e-6),
    "port": replace(PAPER, reduction="mean", style_weight=10.0, unbiased=True, fit="squash"),
}


class AdaIN(StyleSystem):
    config: Config

    def __init__(self, config: Config) -> None:
        super().__init__()
        self.config = config
        encoder = build_encoder(config.encoder, config.padding).requires_grad_(False)
        decoder = Decoder(config.encoder, config.layers, config.padding)
        self.network = Restyler(encoder, decoder, config.eps, config.style_eps, config.unbiased)
        self.average = Average(decoder, config.half_life) if config.half_life else None
        self.optimizers["decoder"] = torch.optim.Adam(decoder.parameters(), lr=config.learning_rate, fused=True)

    @property
    def restyler(self) -> Restyler:
        """The network, with the averaged decoder if there is one."""
        if self.average is None:
            return self.network
        config, decoder = self.config, cast(Decoder, self.average.network)
        return Restyler(self.network.encoder, decoder, config.eps, config.style_eps, config.unbiased)

    def begin(self) -> None:
        encoder = self.network.encoder.load(self.config.weights_file)
        if encoder.name != "sfumato":  # ours comes rescaled
            unit_mean_activation(encoder)

    def step(self, batches: Iterator[tuple[Batch, Batch]], clock: Clock) -> Scalars:
        """Section 6: encode both, exchange statistics, decode, and compare what the encoder sees of the result."""
        self._set_rate(clock)
        content, style = (batch.images for batch in next(batches))
        encoder = self.network.encoder
        with torch.no_grad():
            styles = encoder(style, STYLE)
            contents = encoder(content, self.network.layers)
            target = self.network.restyled(contents, self.network.style_statistics(styles))
        output = self.network.decoder(target).float()
        content_loss, style_loss = self._losses(output, target[STYLE[-1]], styles)
        loss = content_loss + self.config.style_weight * style_loss
        descend(loss, self.optimizers["decoder"])
        if self.average is not None:
            self.average.follow(self.network.decoder, clock.images - clock.before, clock.images)
        return {"loss": loss.detach(), "content": content_loss.detach(), "style": style_loss.detach()}

    @property
    def judging(self) -> nn.Module:
        return self.network.encoder

    def judge(self, output: Tensor, content: Tensor, style: Tensor) -> tuple[Tensor, Tensor]:
        styles = self.network.encoder(style, STYLE)
        target = self.network.restyled(
            self.network.encoder(content, self.network.layers), self.network.style_statistics(styles)
        )
        return self._losses(output, target[STYLE[-1]], styles)

    def _losses(self, output: Tensor, target: Tensor, styles: dict[str, Tensor]) -> tuple[Tensor, Tensor]:
        """(12) and (13). `target`: what relu4_1 of the output should be, the t of (8)."""
        config = self.config
        found = self.network.encoder(output, STYLE)
        content = _distance(found[STYLE[-1]], target, "mean" if config.reduction == "sum" else config.reduction)
        style = torch.zeros_like(content)
        for layer in STYLE:
            own, other = (moments(values[layer], config.loss_eps, config.unbiased) for values in (found, styles))
            if config.reduction == "relative":
                style = style + relative_moments(own, other)
            else:
                style = style + _distance(own.mean, other.mean, config.reduction)
                style = style + _distance(own.std, other.std, config.reduction)
        return content, style

    def _set_rate(self, clock: Clock) -> None:
        config, optimizer = self.config, self.optimizers["decoder"]
        if config.schedule == "cosine":
            anneal(optimizer, config.learning_rate, clock.before, config.warmup, config.images)
        else:
            for group in optimizer.param_groups:
                group["lr"] = config.learning_rate / (1 + config.slowdown * clock.before / config.batch_size)


def _distance(found: Tensor, target: Tensor, reduction: Reduction) -> Tensor:
    """How far (b, c, h, w) values are from others, averaged over the batch."""
    if reduction == "relative":
        return relative_error(found, target)
    difference = found.float() - target.float()
    if reduction == "norm":
        return torch.linalg.vector_norm(difference, dim=(1, 2, 3)).mean()
    if reduction == "sum":
        return difference.square().sum((1, 2, 3)).mean()
    return difference.square().mean()
