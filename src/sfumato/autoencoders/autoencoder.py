"""What all autoencoders here share: encode, decode, one step of training, and drawing codes.

Images are (b, c, h, w) in [0, 1]; codes are (b, bottleneck), any real numbers. The decoder's last layer gives logits;
a sigmoid makes them images, so the binary cross-entropy can be taken in its stable form.
"""

import math
from abc import abstractmethod
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, fields
from typing import Literal

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from ..data.batches import Batch
from ..engine.clock import Clock
from ..engine.descend import descend
from ..engine.plateau import Plateau
from ..engine.system import Scalars, Stage, System
from ..errors import SfumatoError
from ..ops.losses import binary_cross_entropy
from ..ops.penalties import sum_of_norms

CODES_EVERY = 2048  # images between two looks at where the codes lie: each look costs a twentieth of a step


@dataclass(frozen=True, kw_only=True)
class AutoencoderConfig:
    """The fields that every autoencoder has; a system's own Config adds its network."""

    resolution: int = 28  # side of the square images, in pixels
    channels: int = 1  # 1 for grey, 3 for RGB
    bottleneck: int = 2  # numbers in a code
    loss: Literal["bce", "mse"] = "bce"  # what is minimised, per pixel: binary cross-entropy or squared error
    learning_rate: float = 1e-3  # of Adam
    plateau_factor: float = 0.1  # the learning rate is multiplied by this when an epoch's loss stops falling ...
    plateau_patience: int = 5  # ... for more than this many epochs
    weight_decay: float = 0.0  # L2 inside the optimiser: adds weight_decay · θ to the gradient
    norm_penalty: float = 0.0  # L2 as the reference writes it: adds norm_penalty · Σ‖θ‖₂ to the loss
    batch_size: int = 256  # images per step, over all processes
    flip: bool = False  # mirror half of the training images: for photographs, not for writing
    images: int = 6_000_000  # training images drawn in the whole run (100 epochs of MNIST)

    def __post_init__(self) -> None:
        if self.channels not in (1, 3):
            raise SfumatoError(f"channels {self.channels}: must be 1 or 3")
        for field in fields(self):
            value = getattr(self, field.name)
            if isinstance(value, float) and not math.isfinite(value):
                raise SfumatoError(f"{field.name} {value}: must be a finite number")
            if isinstance(value, tuple) and any(item < 1 for item in value):
                raise SfumatoError(f"{field.name} {value}: each must be at least 1")
        for name in ("resolution", "bottleneck", "batch_size", "images", "learning_rate"):
            if getattr(self, name) <= 0:
                raise SfumatoError(f"{name} {getattr(self, name)}: must be more than 0")
        for name in ("weight_decay", "norm_penalty", "plateau_patience"):
            if getattr(self, name) < 0:
                raise SfumatoError(f"{name} {getattr(self, name)}: must not be negative")
        if not 0 < self.plateau_factor < 1:
            raise SfumatoError(f"plateau_factor {self.plateau_factor}: must lie between 0 and 1")


class CodeMoments(nn.Module):
    """Running mean and covariance of the training codes: all that `sample` knows of where codes lie.

    Exponential averages over about the last twenty batches looked at; `batches` counts those.
    """

    mean: Tensor
    covariance: Tensor
    batches: Tensor

    def __init__(self, bottleneck: int) -> None:
        super().__init__()
        self.register_buffer("mean", torch.zeros(bottleneck))
        self.register_buffer("covariance", torch.zeros(bottleneck, bottleneck))
        self.register_buffer("batches", torch.zeros(()))

    @torch.no_grad()
    def follow(self, codes: Tensor) -> None:
        codes = codes.detach().float()
        self.batches += 1
        share = (1 / self.batches).clamp(min=0.05)
        centred = codes - self.mean
        self.mean += share * centred.mean(0)
        with torch.autocast(codes.device.type, enabled=False):
            self.covariance.lerp_(centred.T @ centred / len(codes), share)

    def draw(self, count: int, generator: torch.Generator | None) -> Tensor:
        """(count, bottleneck) codes from the Gaussian with these moments."""
        values, vectors = torch.linalg.eigh(self.covariance.cpu().double())
        root = vectors * values.clamp(min=0).sqrt()
        noise = torch.randn(count, len(self.mean), generator=generator)
        return self.mean + (noise.double() @ root.T).float().to(self.mean.device)


class Autoencoder(System):
    """Subclasses build `encoder` (images to codes) and `decoder` (codes to flat or shaped logits)."""

    config: AutoencoderConfig
    encoder: nn.Sequential
    decoder: nn.Sequential

    def __init__(self, config: AutoencoderConfig) -> None:
        super().__init__()
        self.config = config
        self.encoder, self.decoder = self.build()
        self.output = nn.Sigmoid()
        self.codes = CodeMoments(config.bottleneck)
        adam = torch.optim.Adam(
            self.parameters(), lr=config.learning_rate, weight_decay=config.weight_decay, fused=True
        )
        self.optimizers["network"] = adam
        self.schedules["network"] = Plateau(adam, config.plateau_factor, config.plateau_patience)

    @abstractmethod
    def build(self) -> tuple[nn.Sequential, nn.Sequential]:
        """The encoder and the decoder for `config`."""

    @property
    def image_shape(self) -> tuple[int, int, int]:
        return self.config.channels, self.config.resolution, self.config.resolution

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
        """What the encoder sees of `images` in training; here, the images themselves."""
        return images

    def step(self, batches: Iterator[Batch], clock: Clock) -> Scalars:
        """One batch through encoder and decoder, one step of Adam."""
        batch = next(batches)
        codes = self.encode(self.corrupt(batch.images))
        logits = self._logits(codes)
        if self.config.loss == "bce":
            loss = binary_cross_entropy(logits, batch.images)
        else:
            loss = F.mse_loss(logits.sigmoid(), batch.images)
        scalars = {self.config.loss: loss.detach()}
        if self.config.norm_penalty:
            loss = loss + self.config.norm_penalty * sum_of_norms(self.parameters())
            scalars["objective"] = loss.detach()
        descend(loss, self.optimizers["network"])
        self.schedules["network"].follow(loss, len(batch), batch.ends_epoch)
        if clock.before == 0 or clock.crossed(CODES_EVERY):
            self.codes.follow(codes)
        return scalars

    @torch.no_grad()
    def sample(self, count: int, generator: torch.Generator | None = None) -> Tensor:
        """Images decoded from codes of a Gaussian fitted to the training codes. An autoencoder promises nothing
        about the space between its codes: this shows what is there."""
        return self.decode(self.codes.draw(count, generator)).float()

    def _logits(self, codes: Tensor) -> Tensor:
        return self.decoder(codes).float().view(-1, *self.image_shape)
