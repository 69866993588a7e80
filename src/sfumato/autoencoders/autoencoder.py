"""What all autoencoders here share: encode, decode, one step of training, and drawing codes.

Images are (b, c, h, w) in [0, 1]; codes are (b, *code_shape), any real numbers. The decoder's last layer gives logits;
a sigmoid makes them images, so the binary cross-entropy can be taken in its stable form.
"""

import math
from abc import abstractmethod
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Annotated, ClassVar, Literal

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from ..data.batches import Batch
from ..data.pictures import Fit
from ..engine.annealing import anneal
from ..engine.clock import Clock
from ..engine.descend import descend
from ..engine.fields import MAX_UNITS, Amount, Bounds, Count, Natural, Positive, ShareInside, Units, check
from ..engine.plateau import Plateau
from ..engine.portable import Portable
from ..engine.system import Scalars, Stage, System, Wishes
from ..errors import SfumatoError
from ..ops.codes import draw_like
from ..ops.losses import binary_cross_entropy, edge_error, log_cosh
from ..ops.noise import with_noise
from ..ops.penalties import sum_of_norms

MAX_RESOLUTION = 2048
Widths = Annotated[tuple[int, ...], Bounds(1, MAX_UNITS, empty=True)]  # none: a single layer, linear
CODES_KEPT = 512  # the last training codes, all that `sample` knows of where codes lie


@dataclass(frozen=True, kw_only=True)
class AutoencoderConfig:
    """The fields that every autoencoder has; a system's own Config adds its network."""

    fit: ClassVar[Fit] = "square"
    resolution: Annotated[int, Bounds(1, MAX_RESOLUTION)] = 28  # side of the square images, in pixels
    channels: Literal[1, 3] = 1  # 1 for grey, 3 for RGB
    bottleneck: Units = 2  # numbers in a code
    loss: Literal["bce", "mse", "log_cosh"] = "bce"  # minimised, per pixel: cross-entropy, squared or log cosh error
    edge_weight: Amount = 0.0  # of the squared error of differences between neighbouring pixels, added to the loss
    noise: Amount = 0.0  # standard deviation of the noise added to the input
    learning_rate: Positive = 1e-3  # of Adam
    schedule: Literal["plateau", "cosine"] = "plateau"  # of the learning rate: cosine falls to 0 over the whole run
    warmup: Natural = 6_400  # images over which the rate climbs (cosine only)
    plateau_factor: ShareInside = 0.1  # the learning rate is multiplied by this when an epoch's loss stops falling ...
    plateau_patience: Natural = 5  # ... for more than this many epochs
    clip: Amount = 0.0  # largest 2-norm of the gradient; 0: no limit
    weight_decay: Amount = 0.0  # L2 inside the optimiser: adds weight_decay · θ to the gradient
    norm_penalty: Amount = 0.0  # L2 as the reference writes it: adds norm_penalty · Σ‖θ‖₂ to the loss
    batch_size: Count = 256  # images per step, over all processes
    flip: bool = False  # mirror half of the training images: for photographs, not for writing
    images: Count = 6_000_000  # training images drawn in the whole run (100 epochs of MNIST)

    def __post_init__(self) -> None:
        check(self)


class CodeMemory(nn.Module):
    """The last training codes, flat, newest at the end; `seen` counts all that came by."""

    codes: Tensor
    seen: Tensor

    def __init__(self, numbers: int) -> None:
        super().__init__()
        self.register_buffer("codes", torch.zeros(CODES_KEPT, numbers))
        self.register_buffer("seen", torch.zeros((), dtype=torch.int64))

    @torch.no_grad()
    def follow(self, codes: Tensor) -> None:
        new = codes.detach().flatten(1).float()
        self.codes.copy_(torch.cat([self.codes[len(new) :], new[-CODES_KEPT:]]))
        self.seen += len(new)

    def known(self) -> Tensor:
        """(n, numbers) codes, at most `CODES_KEPT`."""
        return self.codes[CODES_KEPT - min(int(self.seen), CODES_KEPT) :]


class Autoencoder(System):
    """Subclasses build `encoder` (images to codes) and `decoder` (codes to flat or shaped logits)."""

    draws = encodes = True
    prior = False  # codes are drawn from a distribution that was settled before, not from one fitted to codes
    config: AutoencoderConfig
    encoder: nn.Sequential
    decoder: nn.Sequential

    def __init__(self, config: AutoencoderConfig) -> None:
        super().__init__()
        self.config = config
        self.encoder, self.decoder = self.build()
        self.output = nn.Sigmoid()
        self.codes = CodeMemory(math.prod(self.code_shape))
        adam = torch.optim.Adam(
            self.parameters(), lr=config.learning_rate, weight_decay=config.weight_decay, fused=True
        )
        self.optimizers["network"] = adam
        if config.schedule == "plateau":
            self.schedules["network"] = Plateau(adam, config.plateau_factor, config.plateau_patience)

    @abstractmethod
    def build(self) -> tuple[nn.Sequential, nn.Sequential]:
        """The encoder and the decoder for `config`."""

    @property
    def image_shape(self) -> tuple[int, int, int]:
        return self.config.channels, self.config.resolution, self.config.resolution

    @property
    def code_shape(self) -> tuple[int, ...]:
        """The shape of the code of one image."""
        return (self.config.bottleneck,)

    def stages(self) -> Sequence[Stage]:
        return [Stage(self.config.images, self.config.batch_size, flip=self.config.flip)]

    def encode(self, images: Tensor) -> Tensor:
        return self.encoder(images)

    def decode(self, codes: Tensor) -> Tensor:
        return self.output(self._logits(codes))

    def reconstruct(self, images: Tensor) -> Tensor:
        """What the network makes of `images`: same shape, in [0, 1]."""
        return self.decode(self.encode(images))

    def corrupt(self, images: Tensor, generator: torch.Generator | None = None) -> Tensor:
        """What the encoder sees of `images` in training: with noise, `images` + noise · N(0, 1), not clipped."""
        if not self.config.noise:
            return images
        return with_noise(images, self.config.noise, generator)

    def transmit(self, codes: Tensor, generator: torch.Generator | None = None) -> Tensor:
        """What the decoder sees of `codes` in training; here, the codes themselves."""
        return codes

    def step(self, batches: Iterator[Batch], clock: Clock) -> Scalars:
        """One batch through encoder and decoder, one step of Adam."""
        if self.config.schedule == "cosine":
            config = self.config
            anneal(self.optimizers["network"], config.learning_rate, clock.before, config.warmup, config.images)
        batch = next(batches)
        loss, scalars, codes = self.objective(batch.images)
        if self.config.norm_penalty:
            loss = loss + self.config.norm_penalty * sum_of_norms(self.parameters())
            scalars = {**scalars, "objective": loss.detach()}
        descend(loss, self.optimizers["network"], self.config.clip or None)
        if self.config.schedule == "plateau":
            self.schedules["network"].follow(loss, len(batch), batch.ends_epoch)
        self.codes.follow(codes)
        return scalars

    def objective(self, images: Tensor) -> tuple[Tensor, Scalars, Tensor]:
        """What is minimised of a batch, what is logged of it, and its codes."""
        codes = self.encode(self.corrupt(images))
        logits = self._logits(self.transmit(codes))
        if self.config.loss == "bce":
            loss = binary_cross_entropy(logits, images)
        elif self.config.loss == "mse":
            loss = F.mse_loss(logits.sigmoid(), images)
        else:
            loss = log_cosh(logits.sigmoid() - images).mean()
        scalars = {self.config.loss: loss.detach()}
        if self.config.edge_weight:
            edges = edge_error(logits.sigmoid(), images)
            loss = loss + self.config.edge_weight * edges
            scalars = {**scalars, "edges": edges.detach(), "objective": loss.detach()}
        return loss, scalars, codes

    def bounds(self, images: Tensor, draws: int, generator: torch.Generator) -> dict[str, Tensor]:
        """What a system with a likelihood knows of (n, c, h, w) `images`, in nats, by measure: here, nothing."""
        return {}

    @torch.no_grad()
    def sample(self, count: int, wishes: Wishes | None = None, generator: torch.Generator | None = None) -> Tensor:
        """Images decoded from codes of a Gaussian fitted to the last training codes. An autoencoder promises nothing
        about the space between its codes: this shows what is there."""
        self.label_of(wishes)
        return self.make(self.latents(count, generator))

    def latents(self, count: int, generator: torch.Generator | None = None) -> Tensor:
        return draw_like(self.codes.known(), count, generator)

    @torch.no_grad()
    def make(self, latents: Tensor, labels: Tensor | None = None) -> Tensor:
        """The images of codes, flat or shaped."""
        if labels is not None:
            raise SfumatoError(f"labels: {type(self).__name__} is told no classes")
        device = next(self.parameters()).device
        return self.decode(latents.to(device).view(-1, *self.code_shape)).float()

    def portable(self) -> Sequence[Portable]:
        images, codes = torch.rand(2, *self.image_shape), torch.randn(2, *self.code_shape)
        shapes = {"images": f"(n, *{self.image_shape}) in [0, 1]", "codes": f"(n, *{self.code_shape})"}
        return [
            Portable("encoder", self.encode, (self.encoder,), {"images": images}, ("codes",), shapes),
            Portable("decoder", self.decode, (self.decoder,), {"codes": codes}, ("images",), shapes),
        ]

    def _logits(self, codes: Tensor) -> Tensor:
        return self.decoder(codes).float().view(-1, *self.image_shape)
