"""Autoencoders against the textbook: a DataLoader of PIL images, eager fp32 NCHW, default Adam.

Images are random bytes: their content does not change the time.
"""

from collections.abc import Callable
from dataclasses import replace

import torch
from torch import Tensor, nn

from sfumato.autoencoders import denoising as denoising_system
from sfumato.autoencoders import stacked as stacked_system
from sfumato.autoencoders import vae as vae_system
from sfumato.autoencoders.autoencoder import Autoencoder
from sfumato.autoencoders.convolutional import PRESETS, ConvolutionalAutoencoder

from .measure import Bench, Row
from .textbook import AutoencoderLoop, ItsOwnLoss, VAENetwork, convolutional_network, stacked_network
from .training import epochs_of, steps_in

FOREVER = 10**12  # images, of a run that is not to end
WORKERS = (4, 0)


def stacked(bench: Bench) -> list[Row]:
    """An epoch of the deep autoencoder, against the textbook loop with four loader processes and with none."""
    images = torch.randint(256, (bench.images or 60_000, 1, 28, 28), dtype=torch.uint8)
    system = stacked_system.StackedAutoencoder(stacked_system.Config(images=FOREVER))

    def textbook(workers: int) -> AutoencoderLoop:
        return AutoencoderLoop(stacked_network(), nn.BCELoss(), flat, images[:, 0], 256, workers)

    return beside("stacked", system, images, textbook, bench)


def denoising(bench: Bench) -> list[Row]:
    """The same with noise on what goes in."""
    images = torch.randint(256, (bench.images or 60_000, 1, 28, 28), dtype=torch.uint8)
    config = denoising_system.Config(images=FOREVER)

    def corrupt(clean: Tensor) -> Tensor:
        return clean + config.noise * torch.randn_like(clean)

    def textbook(workers: int) -> AutoencoderLoop:
        return AutoencoderLoop(stacked_network(), nn.BCELoss(), flat, images[:, 0], 256, workers, corrupt)

    return beside("denoising", denoising_system.DenoisingAutoencoder(config), images, textbook, bench)


def vae(bench: Bench) -> list[Row]:
    """An epoch of the variational autoencoder, its pixels drawn black or white, against the textbook loop."""
    images = torch.randint(256, (bench.images or 60_000, 1, 28, 28), dtype=torch.uint8)
    system = vae_system.VariationalAutoencoder(vae_system.Config(images=FOREVER))

    def textbook(workers: int) -> AutoencoderLoop:
        return AutoencoderLoop(VAENetwork(), ItsOwnLoss(), flat, images[:, 0], 128, workers, torch.bernoulli)

    return beside("vae", system, images, textbook, bench)


def convolutional(bench: Bench) -> list[Row]:
    """An epoch of the convolutional autoencoder on 64×64 RGB, batch 64, against the textbook loop."""
    images = torch.randint(256, (bench.images or 1_280, 3, 64, 64), dtype=torch.uint8)
    system = ConvolutionalAutoencoder(replace(PRESETS["reference"], images=FOREVER))

    def textbook(workers: int) -> AutoencoderLoop:
        network, pixels = convolutional_network(), images.permute(0, 2, 3, 1).contiguous()
        return AutoencoderLoop(network, nn.MSELoss(), lambda batch: batch * 2 - 1, pixels, 64, workers)

    return beside("convolutional", system, images, textbook, bench)


def flat(images: Tensor) -> Tensor:
    return images.flatten(1)


def beside(
    name: str, system: Autoencoder, images: Tensor, textbook: Callable[[int], AutoencoderLoop], bench: Bench
) -> list[Row]:
    """A row for each number of loader processes that the textbook loop is given."""
    ours, steps = epochs_of(system, images, bench.runtime), steps_in(system, images)
    return [
        bench.row(
            f"{name} epoch, {len(images)} images, textbook num_workers={workers}", ours, textbook(workers).epoch, steps
        )
        for workers in WORKERS
    ]
