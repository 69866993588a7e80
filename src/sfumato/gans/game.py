"""What all adversarial systems here share: two players, one iteration of their game, and drawing images.

Images are (b, c, h, w) in [-1, 1]; latent vectors are (b, latent), each number N(0, 1); logits are (b,). One iteration
is algorithm 1 of Goodfellow et al. 2014, https://arxiv.org/abs/1406.2661: `discriminator_steps` updates of the
discriminator, each on new real images and new noise, then one of the generator, on new noise again.
"""

import math
from abc import abstractmethod
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Annotated, ClassVar, Literal, cast

import torch
from torch import Tensor, nn

from ..data.batches import Batch
from ..data.pictures import Fit
from ..engine.annealing import set_rate
from ..engine.clock import Clock
from ..engine.descend import descend
from ..engine.ema import Average
from ..engine.fields import MAX_UNITS, Amount, Bounds, Count, Layers, Natural, Positive, ShareBelow1, Units, check
from ..engine.portable import Portable
from ..engine.system import Scalars, Stage, System, Wishes
from ..errors import SfumatoError
from ..nets.equalised import MinibatchDeviation
from ..nets.players import (
    WIDEST,
    DCDiscriminator,
    DCGenerator,
    MLPDiscriminator,
    MLPGenerator,
    check_resolution,
)
from ..ops.augment import augment
from ..ops.objectives import Objective, discriminator_loss, generator_loss, gradient_at_real, realness

MAX_RESOLUTION = 1024
GLANCES = 10  # measurements on the way, where the config does not say otherwise
Width = Annotated[int, Bounds(1, MAX_UNITS // WIDEST)]  # of DCGAN nets
Player = Literal["discriminator", "generator"]


@dataclass(frozen=True, kw_only=True)
class AdversarialConfig:
    """The fields that every adversarial system has; a system's own Config adds its networks and its objective."""

    fit: ClassVar[Fit] = "square"
    objective: ClassVar[Objective] = "wasserstein"  # by which both play; a field where there is a choice
    ada: ClassVar[bool] = False  # whether the images that the discriminator is shown are augmented adaptively
    classes: ClassVar[int] = 0  # that the images must have labels of; none where the system reads no labels
    resolution: Annotated[int, Bounds(1, MAX_RESOLUTION)] = 28  # side of the square images, in pixels
    channels: Literal[1, 2, 3] = 1  # 1 for grey, 3 for RGB, 2 for points of a plane
    latent: Units = 64  # random numbers that an image is made from
    learning_rate: Positive = 2e-4  # of both players
    annealed: bool = False  # let it fall to 0 over the run, in a straight line
    beta1: ShareBelow1 = 0.5  # of Adam: how much of the mean of the gradients is kept from step to step
    beta2: ShareBelow1 = 0.999  # of Adam: the same for their squares
    discriminator_steps: Count = 1  # updates of the discriminator for one of the generator
    half_life: Natural = 0  # real images after which half of the averaged generator is forgotten; 0: no average
    r1: Amount = 0.0  # weight of R1, the squared gradient of the discriminator at real images
    augmented: bool = False  # show the discriminator augmented images only (DiffAugment): for few training images
    batch_size: Annotated[int, Bounds(2)] = 100  # images per update, over all processes
    flip: bool = False  # mirror half of the training images: for photographs, not for writing
    images: Count = 3_000_000  # real images drawn in the whole run (50 epochs of MNIST)
    measure_every: Natural = 0  # real images between two measurements on the way; 0: a tenth of the run

    def __post_init__(self) -> None:
        check(self)

    @property
    def shape(self) -> tuple[int, int, int]:
        return self.channels, self.resolution, self.resolution


@dataclass(frozen=True, kw_only=True)
class EitherConfig(AdversarialConfig):
    """For systems whose paper is about the game and not about the networks."""

    network: Literal["mlp", "dcgan"] = "mlp"  # fully connected players, or those of the DCGAN
    hidden: Layers = (256, 256)  # mlp: hidden units of the generator; the discriminator mirrors them
    width: Width = 64  # dcgan: maps next to the image, doubled with every halving of its side, eightfold at most

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.network == "dcgan":
            check_resolution(self.resolution)


def check_r1(r1: float, mend: str) -> None:
    """Raises SfumatoError if a critic with batch norm shall be under R1. `mend`: what to do instead."""
    if r1:
        raise SfumatoError(f"r1 {r1}: this critic has batch norm, which ties the gradients of images together: {mend}")


class Adversarial(System):
    """Subclasses build two players; they may add `penalties`, or `constrain` the discriminator after its updates.

    Labels (b,) are of real and of made images alike; None in a system that is not `conditional`, whose players are not
    told any.
    """

    draws = True
    steady: ClassVar[bool] = False  # its critic is kept smooth
    shares: ClassVar[bool] = False  # both players are updated on the same made images, as its authors' code does
    image_range = (-1.0, 1.0)
    looks = 40
    config: AdversarialConfig

    def __init__(self, config: AdversarialConfig) -> None:
        super().__init__()
        self.config, self.conditional = config, config.classes > 0
        self.since = 0  # images after which both players were what they are
        self.generator, self.discriminator = self.build()
        self.average = Average(self.generator, config.half_life) if config.half_life else None
        self.spare = ("discriminator.*", "generator.*") if self.average else ("discriminator.*",)
        # What looks at a whole batch must see real and made images apart; without it one pass over both is cheaper.
        self.apart = any(
            isinstance(layer, nn.BatchNorm2d | MinibatchDeviation) for layer in self.discriminator.modules()
        )
        for name, player in (("discriminator", self.discriminator), ("generator", self.generator)):
            self.optimizers[name] = self.optimizer(player)

    @property
    def glance_every(self) -> int:
        return self.config.measure_every or max(1, self.config.images // GLANCES)

    @property
    def glances_asked(self) -> bool:
        return bool(self.config.measure_every)

    @abstractmethod
    def build(self) -> tuple[nn.Module, nn.Module]:
        """The generator and the discriminator for `config`."""

    def optimizer(self, player: nn.Module) -> torch.optim.Optimizer:
        config = self.config
        return torch.optim.Adam(
            player.parameters(), lr=config.learning_rate, betas=(config.beta1, config.beta2), fused=True
        )

    @property
    def least_batch(self) -> int:
        players = [self.generator, self.discriminator]
        return max(
            (player.least_batch for player in players if isinstance(player, DCGenerator | DCDiscriminator)), default=1
        )

    def penalties(self, real: Tensor, fake: Tensor, labels: Tensor | None = None) -> list[Tensor]:
        """What is added to the discriminator's loss: R1, if the config has a weight for it."""
        if not self.config.r1:
            return []
        return [self.config.r1 * gradient_at_real(partial(self.critic, labels=labels), real)]

    def shown(self, images: Tensor) -> Tensor:
        """What the discriminator sees of images: augmented ones if the config says so."""
        return augment(images) if self.config.augmented else images

    def critic(self, images: Tensor, labels: Tensor | None = None) -> Tensor:
        """The discriminator's logits for what it sees of images."""
        return self.tell(self.discriminator, self.shown(images), labels)

    def tell(self, network: nn.Module, values: Tensor, labels: Tensor | None) -> Tensor:
        """What a player makes of values, and of labels if there are any."""
        return network(values) if labels is None else network(values, labels)

    def play(self, latents: Tensor, labels: Tensor | None) -> Tensor:
        """The generator's images, in training."""
        return self.tell(self.generator, latents, labels)

    def real(self, images: Tensor) -> Tensor:
        """What made images are held against."""
        return images

    def regularise(self, player: Player, batch: Batch, clock: Clock) -> Scalars:
        """What is done after the last update of a player in an iteration, and what is said of it: nothing."""
        return {}

    def constrain(self) -> None:
        """What is done to the discriminator's weights after each of its updates; by default nothing."""

    def stages(self) -> Sequence[Stage]:
        return [Stage(self.config.images, self.config.batch_size, flip=self.config.flip, across=True)]

    def step(self, batches: Iterator[Batch], clock: Clock) -> Scalars:
        if self.config.annealed:
            rate = self.config.learning_rate * (1 - clock.before / self.config.images)
            for optimizer in self.optimizers.values():
                set_rate(optimizer, rate)
        for _ in range(self.config.discriminator_steps - 1):
            self._discriminate(next(batches))
        batch = next(batches)
        labels = self.labels_of(batch)
        scalars, made = self._discriminate(batch, last=True)
        scalars |= self.regularise("discriminator", batch, clock)
        loss, verdict = self.fool(made if self.shares else self.play(self.noise(len(batch)), labels), labels)
        descend(loss, self.optimizers["generator"])
        scalars |= self.regularise("generator", batch, clock)
        if self.average is not None:
            self.average.follow(self.generator, clock.images - clock.before, clock.images - self.since)
        fooled = realness(self.config.objective, verdict.detach())
        return {**scalars, "generator": loss.detach(), "fake_after": fooled}

    def _discriminate(self, batch: Batch, last: bool = False) -> tuple[Scalars, Tensor]:
        """One turn of the discriminator: of the `last` one what is said of it, and the made images. `real`,
        `fake_before`: what it believed before its update."""
        real, labels = self.real(batch.images), self.labels_of(batch)
        with torch.set_grad_enabled(last and self.shares):
            made = self.play(self.noise(len(real)), labels)
        fake = made.detach().float()
        loss, verdict, of_fake = self.discriminate(real, fake, labels)
        penalties = self.penalties(real, fake, labels)
        descend(loss + sum(penalties), self.optimizers["discriminator"])
        self.constrain()
        if not last:
            return {}, made
        said = {
            "discriminator": loss.detach(),
            **({"penalty": torch.stack([penalty.detach() for penalty in penalties]).sum()} if penalties else {}),
            "real": realness(self.config.objective, verdict.detach()),
            "fake_before": realness(self.config.objective, of_fake.detach()),
            "diversity": diversity(fake, real, labels),
        }
        return said, made

    def labels_of(self, batch: Batch) -> Tensor | None:
        if not self.conditional:
            return None
        assert batch.labels is not None
        return batch.labels

    def discriminate(self, real: Tensor, fake: Tensor, labels: Tensor | None) -> tuple[Tensor, Tensor, Tensor]:
        """The discriminator's loss, and its logits for real and for made images."""
        verdict, of_fake = self.judge(real, fake, labels=labels)
        return discriminator_loss(self.config.objective, verdict, of_fake), verdict, of_fake

    def fool(self, fake: Tensor, labels: Tensor | None) -> tuple[Tensor, Tensor]:
        """The generator's loss, and the discriminator's logits for its images."""
        (verdict,) = self.judge(fake, labels=labels)
        return generator_loss(self.config.objective, verdict), verdict

    def noise(self, count: int) -> Tensor:
        return torch.randn(count, self.config.latent, device=next(self.generator.parameters()).device)

    def judge(self, *images: Tensor, labels: Tensor | None = None) -> tuple[Tensor, ...]:
        """The discriminator's logits for what it sees of each set of images, all under the same labels."""
        shown = [self.shown(part) for part in images]
        if self.apart:
            return tuple(self.tell(self.discriminator, part, labels).float() for part in shown)
        asked = None if labels is None else labels.repeat(len(shown))
        return self.tell(self.discriminator, torch.cat(shown), asked).float().split([len(part) for part in shown])

    @property
    def maker(self) -> nn.Module:
        """The network that images are drawn with: the averaged generator if there is one."""
        return self.generator if self.average is None else cast(nn.Module, self.average.network)

    def drawn(self, latents: Tensor, labels: Tensor | None) -> Tensor:
        """The maker's images, of any range."""
        return self.tell(self.maker, latents, labels)

    @torch.no_grad()
    def make(self, latents: Tensor, labels: Tensor | None = None) -> Tensor:
        """The images (n, c, h, w) in [-1, 1] of noise vectors (n, latent); of a conditional system under labels (n,),
        by default each class in turn."""
        device = next(self.generator.parameters()).device
        if labels is not None and not self.conditional:
            raise SfumatoError(f"labels: {type(self).__name__} is told no classes")
        labels = self.in_turn(len(latents)) if labels is None else labels
        return self.drawn(latents.to(device), None if labels is None else labels.to(device)).float().clamp(-1, 1)

    def in_turn(self, count: int) -> Tensor | None:
        """Each class in turn, (count,); None of a system that is told none."""
        return torch.arange(count) % self.config.classes if self.conditional else None

    def portable(self) -> Sequence[Portable]:
        def images(latents: Tensor, labels: Tensor | None = None) -> Tensor:
            return (self.drawn(latents, labels).clamp(-1, 1) + 1) / 2

        given = {"latents": torch.randn(2, self.config.latent)}
        about = {"latents": f"(n, {self.config.latent}), normal", "images": f"(n, *{self.config.shape}) in [0, 1]"}
        if self.conditional:
            given["labels"] = torch.tensor([0, self.config.classes - 1])
            about["labels"] = f"(n,), classes from 0 to {self.config.classes - 1}"
        return [Portable("", images, (self.maker,), given, ("images",), about)]

    def label_of(self, wishes: Wishes | None) -> int | None:
        label = super().label_of(wishes)
        if label is not None and not 0 <= label < self.config.classes:
            raise SfumatoError(f"label {label}: must lie between 0 and {self.config.classes - 1}")
        return label

    def sample(self, count: int, wishes: Wishes | None = None, generator: torch.Generator | None = None) -> Tensor:
        label = self.label_of(wishes)
        return self.make(self.latents(count, generator), None if label is None else torch.full((count,), label))

    def latents(self, count: int, generator: torch.Generator | None = None) -> Tensor:
        return torch.randn(count, self.config.latent, generator=generator)


def players(config: EitherConfig, batch_norm: bool) -> tuple[nn.Module, nn.Module]:
    """The generator and the discriminator that `config.network` names."""
    if config.network == "mlp":
        return mlp_players(config, config.hidden)
    return dcgan_players(config, config.width, batch_norm)


def mlp_players(
    config: AdversarialConfig, hidden: Sequence[int], dropout: float = 0.0
) -> tuple[MLPGenerator, MLPDiscriminator]:
    """Fully connected ones; the discriminator mirrors the generator's `hidden` units."""
    return (
        MLPGenerator(config.latent, hidden, config.shape),
        MLPDiscriminator(math.prod(config.shape), hidden[::-1], dropout),
    )


def dcgan_players(config: AdversarialConfig, width: int, batch_norm: bool) -> tuple[DCGenerator, DCDiscriminator]:
    """Those of the DCGAN, with `width` maps next to the image. Where the discriminator has no batch norm the generator
    stays shallow: under SNGAN a deep one drew nearly the same digit from every vector (WGAN-GP was not tried)."""
    return (
        DCGenerator(config.latent, width, config.channels, config.resolution, deep=batch_norm),
        DCDiscriminator(width, config.channels, config.resolution, batch_norm),
    )


def diversity(fake: Tensor, real: Tensor, labels: Tensor | None = None) -> Tensor:
    """How much made images of a batch differ from one another, as a share of how much real ones do: a scalar. With
    `labels` (b,), how much those of one label do: a generator that is told them may draw one image for each."""
    # torch's std over the first dimension takes an eighth of a small step; this does not.
    spreads = [(images - _means(images, labels)).square().mean(0).sqrt().mean() for images in (fake, real)]
    return spreads[0] / spreads[1].clamp(min=1e-6)


def _means(images: Tensor, labels: Tensor | None) -> Tensor:
    """The mean image, or for each image that of its label."""
    if labels is None:
        return images.mean(0)
    same = (labels[:, None] == labels).float()
    with torch.autocast(images.device.type, enabled=False):
        means = (same / same.sum(1, keepdim=True)) @ images.flatten(1).float()
    return means.view_as(images)
