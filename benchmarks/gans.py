"""Adversarial training against the textbook: a DataLoader of PIL images, eager fp32 NCHW, default Adam.

Both sides play the same game on the same images, with networks of the same widths.
"""

from collections.abc import Callable
from dataclasses import replace
from itertools import cycle

import torch
from torch import Tensor, nn
from torch.utils.data import DataLoader

from sfumato.data.batches import Batches
from sfumato.data.dataset import InMemory, Split
from sfumato.engine.clock import Clock
from sfumato.engine.loop import ticks
from sfumato.engine.runtime import Runtime
from sfumato.gans import dcgan as dcgan_system
from sfumato.gans import gan as gan_system
from sfumato.gans.game import Adversarial

from .measure import Row, row
from .textbook import Images


def gan(count: int, rounds: int, runtime: Runtime) -> list[Row]:
    """An epoch of the MLP GAN on 28×28, against the textbook with no loader processes and with four."""
    images = torch.randint(256, (count, 1, 28, 28), dtype=torch.uint8)
    config = gan_system.Config(images=10**12)
    rows = []
    ours = steps_of(gan_system.GAN(config), images, count // config.batch_size, runtime)
    for workers in (0, 4):
        generator = nn.Sequential(
            nn.Linear(64, 256), nn.LeakyReLU(0.2), nn.Linear(256, 256), nn.LeakyReLU(0.2), nn.Linear(256, 784),
            nn.Tanh(), nn.Unflatten(1, (1, 28, 28)),
        )  # fmt: skip
        discriminator = nn.Sequential(
            nn.Flatten(), nn.Linear(784, 256), nn.LeakyReLU(0.2), nn.Linear(256, 256), nn.LeakyReLU(0.2),
            nn.Linear(256, 1), nn.Sigmoid(),
        )  # fmt: skip
        loader = DataLoader(Images(images[:, 0], torch.zeros(count)), config.batch_size, True, num_workers=workers)
        theirs = textbook(generator, discriminator, 64, (0.9, 0.999))

        def epoch(loader: DataLoader[tuple[Tensor, int]] = loader, theirs: Callable[[Tensor], None] = theirs) -> None:
            for batch, _ in loader:
                theirs(batch * 2 - 1)

        name = f"gan epoch, {count} images, textbook num_workers={workers}"
        rows.append(row(name, ours, epoch, rounds, runtime))
    return rows


def dcgan(rounds: int, runtime: Runtime) -> list[Row]:
    """A step of the DCGAN, batch 64 of 64×64 RGB, images in memory on both sides."""
    images = torch.randint(256, (256, 3, 64, 64), dtype=torch.uint8)
    config = replace(dcgan_system.PRESETS["photographs"], images=10**12)
    ours = steps_of(dcgan_system.DCGAN(config), images, 1, runtime)
    theirs = textbook(*_printed(), 100, (0.5, 0.999))
    batches = cycle((images.float() / 127.5 - 1).split(config.batch_size))

    def step() -> None:
        theirs(next(batches))

    return [row("dcgan step, 64 images of 64×64", ours, step, rounds, runtime)]


def steps_of(system: Adversarial, images: Tensor, steps: int, runtime: Runtime) -> Callable[[], None]:
    """A function that trains `system` for so many steps on `images`, as `sfumato train` does."""
    system.to(runtime.device, memory_format=runtime.memory_format)  # pyright: ignore[reportCallIssue]
    (stage,) = system.stages()
    batches = Batches(Split(InMemory(images)), stage.batch_size, 0, system.image_range, flip=stage.flip, across=True,
                      device=runtime.device, memory_format=runtime.memory_format)  # fmt: skip
    running = ticks(system, lambda _: batches.at, Clock(), 0, runtime)

    def run() -> None:
        for _ in range(steps):
            next(running)

    return run


def textbook(
    generator: nn.Module, discriminator: nn.Module, latent: int, betas: tuple[float, float]
) -> Callable[[Tensor], None]:
    """One update of each, with the losses read out as the texts do."""
    loss = nn.BCELoss()
    of_generator, of_discriminator = (
        torch.optim.Adam(network.parameters(), lr=2e-4, betas=betas) for network in (generator, discriminator)
    )

    def step(real: Tensor) -> None:
        ones, zeros = torch.ones(len(real), 1), torch.zeros(len(real), 1)
        of_discriminator.zero_grad()
        on_real = loss(discriminator(real), ones)
        on_real.backward()
        fake = generator(torch.randn(len(real), latent))
        on_fake = loss(discriminator(fake.detach()), zeros)
        on_fake.backward()
        of_discriminator.step()
        of_generator.zero_grad()
        fooling = loss(discriminator(fake), ones)
        fooling.backward()
        of_generator.step()
        _ = on_real.item() + on_fake.item(), fooling.item()

    return step


def _printed() -> tuple[nn.Module, nn.Module]:
    """The DCGAN for 64×64 RGB, layer by layer."""
    generator: list[nn.Module] = [nn.Unflatten(1, (100, 1, 1)), nn.ConvTranspose2d(100, 512, 4, bias=False)]
    for wide, narrow in ((512, 256), (256, 128), (128, 64)):
        generator += [nn.BatchNorm2d(wide), nn.ReLU(), nn.ConvTranspose2d(wide, narrow, 4, 2, 1, bias=False)]
    generator += [nn.BatchNorm2d(64), nn.ReLU(), nn.ConvTranspose2d(64, 3, 4, 2, 1, bias=False), nn.Tanh()]
    discriminator: list[nn.Module] = [nn.Conv2d(3, 64, 4, 2, 1, bias=False), nn.LeakyReLU(0.2)]
    for narrow, wide in ((64, 128), (128, 256), (256, 512)):
        discriminator += [nn.Conv2d(narrow, wide, 4, 2, 1, bias=False), nn.BatchNorm2d(wide), nn.LeakyReLU(0.2)]
    discriminator += [nn.Conv2d(512, 1, 4, bias=False), nn.Flatten(), nn.Sigmoid()]
    return nn.Sequential(*generator), nn.Sequential(*discriminator)
