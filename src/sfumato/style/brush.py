"""A decoder that paints: it is told the style, and judged by how paint looks to an EfficientNet-Lite0.

The network is AdaIN's on the shipped encoder (Huang and Belongie 2017, https://arxiv.org/abs/1703.06868), whose decoder
has a scale and a shift for each map, from the moments of the style (FiLM: Perez et al. 2018,
https://arxiv.org/abs/1709.07871). Images are (b, 3, h, w) in [0, 1].
Departs from the paper: photographs come in the painting's colours, with noise that flows along their edges, which flat
places have something to become strokes from; half of a batch are second passes, over what the network painted at half
the size, mixed with the photograph. Losses are those of `texture.py`, as distances and not their squares, sliced
Wasserstein distances of 5×5 patches at three scales, and total variation. A set of styles may be a single painting.
"""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import cast

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from ..data.batches import Batch
from ..engine.annealing import anneal
from ..engine.clock import Clock
from ..engine.descend import descend
from ..engine.ema import Average
from ..engine.fields import Amount, Count, Natural
from ..engine.system import Scalars
from ..nets.decoder import Decoder
from ..nets.encoders import build_encoder
from ..ops.style_losses import patch_distance, relative_errors, total_variation
from ..weights.known import SHIPPED
from .network import DETAILED, Brush, Restyler, StyleSystem, TransferConfig, load_exported, mixed, prepared
from .texture import OFFSET, Eye, Offset, paint_errors, seen, summed, textures

PATCH, SCALES, DIRECTIONS = 5, 3, 16  # of the sliced distance: pixels, scales; directions are drawn at each step
FACTOR = 2.0  # times the others' rate, for what tells the style
TINY = 1e-6


@dataclass(frozen=True, kw_only=True)
class Config(TransferConfig):
    """Any painting."""

    start: str = ""  # a folder that `sfumato export` wrote: begin with its weights instead of the package's
    content_weight: Amount = 6.0  # of the distance in forms
    moments_weight: Amount = 1.5  # of the distances in means and deviations, summed over the layers
    texture_weight: Amount = 3.0  # of the distances in covariances, summed over the layers
    patch_weight: Amount = 10.0  # of the distances between sets of patches
    smoothness: Amount = 20.0  # of the total variation
    range_weight: Amount = 10.0  # of squared excess over [0, 1]
    warmup: Natural = 1_000  # images over which the learning rate climbs; it falls along a cosine after that
    clip: Amount = 1.0  # largest 2-norm of the gradient
    half_life: Count = 2_000  # images after which half of an average is forgotten


PRESETS = {
    "any": Config(crop=160, batch_size=4, learning_rate=5e-4, images=40_000),
}
PRESETS["painting"] = replace(PRESETS["any"], images=1_600, warmup=100, half_life=400)


class BrushSystem(StyleSystem):
    config: Config

    def __init__(self, config: Config) -> None:
        super().__init__()
        self.config = config
        encoder = build_encoder("sfumato").requires_grad_(False)
        decoder = Decoder("sfumato", DETAILED, told=True)
        self.network = Brush(encoder, decoder)
        self.eye = Eye()
        self.average = Average(decoder, config.half_life)
        assert decoder.telling is not None
        teller = {id(part) for part in decoder.telling.parameters()}
        others = [part for part in decoder.parameters() if id(part) not in teller]
        groups = [{"params": others}, {"params": [*decoder.telling.parameters()], "factor": FACTOR}]
        self.optimizers["decoder"] = torch.optim.Adam(groups, lr=config.learning_rate, fused=True)

    @property
    def restyler(self) -> Restyler:
        """The network, with the averaged decoder."""
        return Brush(self.network.encoder, cast(Decoder, self.average.network))

    def begin(self) -> None:
        self.eye.encoder.load()
        load_exported(self.network, Path(self.config.start).expanduser() if self.config.start else SHIPPED)
        self.average.network.load_state_dict(self.network.decoder.state_dict())

    def step(self, batches: Iterator[tuple[Batch, Batch]], clock: Clock) -> Scalars:
        """One batch of photographs in the styles of another; one step of Adam for the decoder."""
        config = self.config
        anneal(self.optimizers["decoder"], config.learning_rate, clock.before, config.warmup, config.images)
        content, style = (batch.images for batch in next(batches))
        offset = cast(Offset, tuple(torch.randint(OFFSET, (2,)).tolist()))
        with torch.no_grad():
            matched, given = prepared(content, style, torch.randint(2**31, (len(content),)))
            again = len(content) // 2
            if again:
                drafts = self.network.once(*(_halved(part[:again]) for part in (given, style)))
                given = torch.cat([mixed(given[:again], drafts), given[again:]])
            forms, target = self.eye.forms(seen(matched, offset)), self.eye.textures(style)
        output = self.network.once(given, style)
        shown = output.clamp(0, 1)
        found, maps = self.eye.see(seen(shown, offset))
        painted = textures(summed(maps))
        content_loss = _root(relative_errors(found, forms)).mean()
        of_moments, of_textures = (_root(errors).mean(1).sum() for errors in paint_errors(painted, target))
        directions = F.normalize(torch.randn(DIRECTIONS, 3 * PATCH**2, device=content.device), dim=1)
        patches = patch_distance(shown, style, directions, SCALES, eps=TINY)
        excess = (output - shown).square().mean()
        loss = (
            config.content_weight * content_loss
            + config.moments_weight * of_moments
            + config.texture_weight * of_textures
            + config.patch_weight * patches
            + config.smoothness * total_variation(output)
            + config.range_weight * excess
        )
        descend(loss, self.optimizers["decoder"], config.clip or None)
        self.average.follow(self.network.decoder, clock.images - clock.before, clock.images)
        return {
            "loss": loss.detach(),
            "content": content_loss.detach(),
            "moments": of_moments.detach(),
            "texture": of_textures.detach(),
            "patches": patches.detach(),
        }

    @property
    def judging(self) -> nn.Module:
        return self.eye

    def judge(self, output: Tensor, content: Tensor, style: Tensor) -> tuple[Tensor, Tensor]:
        """Relative squared errors: of forms against the photograph in the painting's colours; of moments and
        covariances, summed over the layers."""
        matched, _ = prepared(content, style, torch.zeros(len(content), dtype=torch.int64))
        moments, covariances = paint_errors(self.eye.textures(output), self.eye.textures(style))
        found, forms = (self.eye.forms(seen(pictures, (0, 0))) for pictures in (output, matched))
        return relative_errors(found, forms).mean(), (moments + covariances).mean(1).sum()


def _root(errors: Tensor) -> Tensor:
    return (errors + TINY).sqrt()


def _halved(pictures: Tensor) -> Tensor:
    return F.avg_pool2d(pictures, 2)
