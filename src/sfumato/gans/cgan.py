"""The conditional GAN: both players are told the class, so that one can ask for an image of it.

Mirza and Osindero 2014, https://arxiv.org/abs/1411.1784. Its discriminator's loss has two terms, real images and made
ones, each under their labels. The form with a third, real images under wrong labels, is GAN-CLS of Reed et al. 2016,
https://arxiv.org/abs/1605.05396; the two are often taken for each other, so `form` names them.
Images are (b, c, h, w) in [-1, 1]; latent vectors are (b, 100), normal; labels are (b,), from 0 to classes - 1.
Departs from the paper: the widths of the course experiment, 110-256-512-1024-784 and 794-1024-512-256-1 with
LeakyReLU(0.2) and dropout, labels as one-hot numbers beside the input; Adam in place of momentum.
"""

from dataclasses import dataclass
from math import prod
from typing import Annotated, Literal

import torch
from torch import Tensor, nn
from torch.nn.functional import one_hot

from ..engine.fields import Bounds, Layers, ShareBelow1
from ..nets.mlp import NarrowLinear, linear
from ..nets.players import MLPDiscriminator, MLPGenerator
from ..ops.objectives import GanObjective, discriminator_loss, generator_loss
from .game import Adversarial, AdversarialConfig

MAX_CLASSES = 1000
Form = Literal["two_terms", "three_terms", "two_headed"]


@dataclass(frozen=True, kw_only=True)
class Config(AdversarialConfig):
    """110-256-512-1024-784 and 794-1024-512-256-1, on 28×28 grey images of ten classes."""

    classes: Annotated[int, Bounds(2, MAX_CLASSES)] = 10  # of the images; the data must have as many
    form: Form = "three_terms"  # of the discriminator's loss; two_headed: one verdict on realness, one on the match
    latent: int = 100  # random numbers that an image is made from
    hidden: Layers = (256, 512, 1024)  # units of the generator's hidden layers; the discriminator mirrors them
    dropout: ShareBelow1 = 0.4  # share of the discriminator's hidden units that are silenced in training
    objective: GanObjective = "non_saturating"  # what is played for


PRESETS = {
    "three_terms": Config(),
    "two_terms": Config(form="two_terms"),
    "two_headed": Config(form="two_headed"),
}


class LabelledGenerator(nn.Module):
    """(b, latent) noise and (b,) labels to images."""

    def __init__(self, config: Config) -> None:
        super().__init__()
        self.classes = config.classes
        self.layers = MLPGenerator(config.latent + config.classes, config.hidden, config.shape)

    def forward(self, latent: Tensor, labels: Tensor) -> Tensor:
        return self.layers(torch.cat([latent, one_hot(labels, self.classes).to(latent)], 1))


class JointDiscriminator(nn.Module):
    """Images and labels to one logit: is this a real image of that class?"""

    def __init__(self, config: Config) -> None:
        super().__init__()
        self.classes = config.classes
        self.layers = MLPDiscriminator(prod(config.shape) + config.classes, config.hidden[::-1], config.dropout)

    def forward(self, images: Tensor, labels: Tensor) -> Tensor:
        return self.layers(torch.cat([images.flatten(1), one_hot(labels, self.classes).to(images)], 1))


class TwoHeadedDiscriminator(nn.Module):
    """Images and labels to two logits: is it real? does it match the label?"""

    def __init__(self, config: Config) -> None:
        super().__init__()
        body = MLPDiscriminator(prod(config.shape), config.hidden[::-1], config.dropout)
        self.body = nn.Sequential(*list(body)[:-2])  # without its own last layer
        self.real = linear(config.hidden[0], 1)
        self.match = NarrowLinear(config.hidden[0], config.classes)

    def forward(self, images: Tensor, labels: Tensor) -> tuple[Tensor, Tensor]:
        seen = self.body(images)
        return self.real(seen)[:, 0], self.match(seen).gather(1, labels[:, None])[:, 0]


class CGAN(Adversarial):
    conditional = True
    config: Config

    def build(self) -> tuple[nn.Module, nn.Module]:
        two_headed = self.config.form == "two_headed"
        return (
            LabelledGenerator(self.config),
            TwoHeadedDiscriminator(self.config) if two_headed else JointDiscriminator(self.config),
        )

    def critic(self, images: Tensor, labels: Tensor | None = None) -> Tensor:
        """The logits for being real."""
        verdicts = super().critic(images, labels)
        return verdicts[0] if isinstance(verdicts, tuple) else verdicts

    def fool(self, fake: Tensor, labels: Tensor | None) -> tuple[Tensor, Tensor]:
        if self.config.form != "two_headed":
            return super().fool(fake, labels)
        heads = [head.float() for head in self.discriminator(self.shown(fake), labels)]
        return torch.stack([generator_loss(self.config.objective, head) for head in heads]).sum(), heads[0]

    def discriminate(self, real: Tensor, fake: Tensor, labels: Tensor | None) -> tuple[Tensor, Tensor, Tensor]:
        """The loss of `form`, and the logits for real and for made images under their own labels."""
        assert labels is not None
        objective, form, count = self.config.objective, self.config.form, len(real)
        wrong = wrong_labels(labels, self.config.classes)  # in every form, so that all are trained on the same noise
        if form == "two_terms":
            return super().discriminate(real, fake, labels)
        real, fake = self.shown(real), self.shown(fake)
        if form == "two_headed":
            realness_, match = self.discriminator(torch.cat([real, real, fake]), torch.cat([labels, wrong, labels]))
            verdict, of_fake = realness_[:count].float(), realness_[2 * count :].float()
            right, mismatch = match[:count].float(), match[count : 2 * count].float()
            loss = discriminator_loss(objective, verdict, of_fake) + discriminator_loss(objective, right, mismatch)
            return loss, verdict, of_fake
        of_all = self.discriminator(torch.cat([real, fake, real]), torch.cat([labels, labels, wrong])).float()
        verdict, of_fake, mismatch = of_all.chunk(3)
        # L(real, right) + ½ (L(made) + L(real, wrong)): the mean over both kinds of what must be refused.
        return discriminator_loss(objective, verdict, torch.cat([of_fake, mismatch])), verdict, of_fake


def wrong_labels(labels: Tensor, classes: int) -> Tensor:
    """For each label another one, each of the others as likely, never itself."""
    return (labels + torch.randint(1, classes, labels.shape, device=labels.device)) % classes
