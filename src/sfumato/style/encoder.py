"""An encoder small enough to ship: it learns from a teacher what makes pictures alike, and a decoder learns along.

The decoder's half is AdaIN's (Huang and Belongie 2017, https://arxiv.org/abs/1703.06868) with a SqueezeNet as loss
network; the encoder's half is distillation (Romero et al. 2015, https://arxiv.org/abs/1412.6550): from each of two
layers, a 1×1 convolution that is thrown away afterwards must predict a layer of the teacher.
Images are (b, 3, h, w) in [0, 1]; features are (b, c, h, w). A step takes as many styles as contents.
Departs from the papers: encoder and decoder are trained together, and statistics are exchanged at two layers, so that
what is fine needs not pass through the coarsest one; with a third, relu2_1, results were recoloured photographs. Beside
means and deviations, Gram matrices are compared: they see texture. Losses are relative squared errors: 0 is equal, 1 as
good as nothing. A share of the pairs are the same picture twice, which must come back as it was. The teacher looks at
its picture from a random offset: patterns that fit its grid would please it and nobody else. Its first layer has a
stride of 2 and does not see the finest patterns: they are kept to where the content has some, or skies are woven. What
is kept are averages. With `start`, the decoder of an earlier training goes on alone, on the encoder as it was.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, cast

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
from ..errors import SfumatoError
from ..nets.decoder import Decoder
from ..nets.encoders import build_encoder
from ..ops.statistics import gram, moments
from ..ops.style_losses import added_grain, relative_error, relative_moments, total_variation
from .network import DETAILED, Restyler, StyleSystem, TransferConfig, load_exported

CONTENT = "fire3"
STYLE = ("relu1", "fire2", "fire3", "fire4", "fire5", "fire6")
LESSONS = {"relu4_1": "fire6", "relu3_1": "fire4"}  # layers of ours, and those of the teacher that they predict
OFFSET = 8  # pixels that the teacher's view may be shifted by, in each direction


@dataclass(frozen=True, kw_only=True)
class Config(TransferConfig):
    """The shipped encoder and decoder."""

    teacher: Literal["squeezenet1_0", "squeezenet1_1"] = "squeezenet1_0"  # the network that it learns from
    teacher_file: str = ""  # its weights; fetched if none are given
    start: str = ""  # a folder that `sfumato export` wrote: begin with its weights, and train the decoder alone
    style_weight: Amount = 2.5  # of the errors in means and deviations, beside the content loss
    texture_weight: Amount = 2.5  # of the errors in Gram matrices
    lesson_weight: Amount = 0.3  # of the errors in predicting the teacher
    identity_weight: Amount = 20.0  # of the squared error of pictures restyled by themselves
    range_weight: Amount = 10.0  # of squared excess over [0, 1]
    smoothness: Amount = 1.0  # of the total variation
    grain_weight: Amount = 100.0  # of fine detail where the content has none
    same: Natural = 1  # pairs in a batch, or in each process's part of it, that are one picture twice
    warmup: Natural = 4_000  # images over which the learning rate climbs; it falls along a cosine after that
    clip: Amount = 1.0  # largest 2-norm of the gradient
    half_life: Count = 4_000  # images after which half of an average is forgotten

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.same >= self.batch_size:
            raise SfumatoError(f"same {self.same}: must lie between 0 and batch_size {self.batch_size}, below it")


PRESETS = {"sfumato": Config()}


class DistilledEncoder(StyleSystem):
    config: Config

    def __init__(self, config: Config) -> None:
        super().__init__()
        self.config = config
        self.network = Restyler(build_encoder("sfumato"), Decoder("sfumato", DETAILED))
        self.teacher = build_encoder(config.teacher).requires_grad_(False)
        self.predictors = nn.ModuleDict(
            {
                layer: nn.Conv2d(self.network.encoder.channels(layer), self.teacher.channels(taught), 1)
                for layer, taught in LESSONS.items()
            }
        )
        self.average = Average(self.network, config.half_life)
        learners = [*self.network.decoder.parameters()]
        if config.start:
            self.network.encoder.requires_grad_(False)
        else:
            learners += [*self.network.encoder.parameters(), *self.predictors.parameters()]
        self.optimizers["network"] = torch.optim.Adam(learners, lr=config.learning_rate, fused=True)

    @property
    def restyler(self) -> Restyler:
        """What is kept of the training: the averaged network."""
        return cast(Restyler, self.average.network)

    def begin(self) -> None:
        self.teacher.load(self.config.teacher_file)
        if self.config.start:
            load_exported(self.network, Path(self.config.start).expanduser())

    def step(self, batches: Iterator[tuple[Batch, Batch]], clock: Clock) -> Scalars:
        """One batch of contents in the styles of another; one step of Adam for encoder, decoder and predictors."""
        config = self.config
        anneal(self.optimizers["network"], config.learning_rate, clock.before, config.warmup, config.images)
        content, style = (batch.images for batch in next(batches))
        same = min(config.same, len(content) - 1)
        style = torch.cat([content[:same], style[same:]])
        both = torch.cat([content, style])
        features = self.network.encoder(both, tuple(LESSONS))
        with torch.no_grad():
            taught = self.teacher(style if config.start else both, STYLE)
        lesson = content.new_zeros(()) if config.start else self._lesson(features, taught)
        contents, styles = _halves(features)
        output = self.network.decoder(self.network.restyled(contents, self.network.style_statistics(styles))).float()
        seen, shown = _from_an_offset(output.clamp(0, 1), content)
        content_loss, style_loss, texture = self._losses(seen, shown, taught if config.start else _halves(taught)[1])
        identity = F.mse_loss(output[:same], content[:same]) if same else output.new_zeros(())
        excess = (output - output.clamp(0, 1)).square().mean()
        grain = added_grain(output, content)
        loss = (
            content_loss
            + config.style_weight * style_loss
            + config.texture_weight * texture
            + config.lesson_weight * lesson
            + config.identity_weight * identity
            + config.range_weight * excess
            + config.smoothness * total_variation(output)
            + config.grain_weight * grain
        )
        descend(loss, self.optimizers["network"], config.clip or None)
        self.average.follow(self.network, clock.images - clock.before, clock.images)
        return {
            "loss": loss.detach(),
            "content": content_loss.detach(),
            "style": style_loss.detach(),
            "texture": texture.detach(),
            "lesson": lesson.detach(),
            "identity": identity.detach(),
            "grain": grain.detach(),
        }

    def _lesson(self, features: dict[str, Tensor], taught: dict[str, Tensor]) -> Tensor:
        """How much of the teacher's features the predictions miss, averaged over the layers."""
        missed = []
        for layer, name in LESSONS.items():
            sized = F.interpolate(features[layer], size=taught[name].shape[2:], mode="bilinear", align_corners=False)
            power = torch.linalg.vector_norm(taught[name], dtype=torch.float32).square() / taught[name].numel()
            target = taught[name] * power.rsqrt()
            missed.append(relative_error(self.predictors[layer](sized), target))
        return torch.stack(missed).mean()

    @property
    def judging(self) -> nn.Module:
        return self.teacher

    def judge(self, output: Tensor, content: Tensor, style: Tensor) -> tuple[Tensor, Tensor]:
        content_loss, style_loss, _ = self._losses(output, content, self.teacher(style, STYLE))
        return content_loss, style_loss

    def _losses(self, output: Tensor, content: Tensor, styles: dict[str, Tensor]) -> tuple[Tensor, Tensor, Tensor]:
        """Of the content, of means and deviations, of Gram matrices. `styles`: the teacher's features of the styles."""
        seen = self.teacher(output, STYLE)
        with torch.no_grad():
            target = self.teacher(content, (CONTENT,))
        style = [relative_moments(moments(seen[layer]), moments(styles[layer])) for layer in STYLE]
        texture = [relative_error(_mean_gram(seen[layer]), _mean_gram(styles[layer])) for layer in STYLE]
        return relative_error(seen[CONTENT], target[CONTENT]), torch.stack(style).sum(), torch.stack(texture).sum()


def _mean_gram(features: Tensor) -> Tensor:
    return gram(features) / features[0, 0].numel()


def _from_an_offset(*images: Tensor) -> tuple[Tensor, ...]:
    """All of them without the same few rows at the top and columns at the left."""
    down, across = torch.randint(OFFSET, (2,)).tolist()
    return tuple(image[..., down:, across:] for image in images)


def _halves(features: dict[str, Tensor]) -> tuple[dict[str, Tensor], dict[str, Tensor]]:
    """The contents' features and the styles', of a batch that holds one after the other."""
    first, second = ({layer: values.chunk(2)[half] for layer, values in features.items()} for half in (0, 1))
    return first, second
