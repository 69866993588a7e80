"""Adversarial training against the textbook: eager fp32 NCHW, Adam as it comes, each loss read out.

Both sides play the same game on the same images, with networks of the same widths. The textbook's `gan` draws from a
DataLoader of PIL images; in the others the images lie in memory on both sides.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from itertools import cycle, islice, pairwise

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.nn.utils.parametrizations import spectral_norm
from torch.utils.data import DataLoader

from sfumato.gans import cgan as cgan_system
from sfumato.gans import dcgan as dcgan_system
from sfumato.gans import gan as gan_system
from sfumato.gans import sngan as sngan_system
from sfumato.gans import wgan as wgan_system
from sfumato.gans import wgan_gp as wgan_gp_system

from .measure import Bench, Row
from .textbook import Images
from .training import epochs_of, steps_in, steps_of

FOREVER = 10**12  # images, of a run that is not to end
KEPT = 1_000  # images that steps are fed from
LATENT = 64
Players = tuple[nn.Module, nn.Module]
Loss = Callable[[Tensor], Tensor]


def gan(bench: Bench) -> list[Row]:
    """An epoch of the MLP GAN on 28×28, against the textbook with no loader processes and with four."""
    images = digits(bench.images or 60_000)
    system = gan_system.GAN(gan_system.Config(images=FOREVER))
    ours, steps = epochs_of(system, images, bench.runtime), steps_in(system, images)
    rows = []
    for workers in (0, 4):
        generator, discriminator = connected(LATENT, (256, 256))
        data = Images(images[:, 0], torch.zeros(len(images)))
        loader = DataLoader(data, system.config.batch_size, True, num_workers=workers)
        theirs = minimax(generator, nn.Sequential(discriminator, nn.Sigmoid()), LATENT, (0.9, 0.999))

        def epoch(loader: DataLoader[tuple[Tensor, int]] = loader, theirs: Callable[[Tensor], None] = theirs) -> None:
            for batch, _ in loader:
                theirs(batch * 2 - 1)

        rows.append(bench.row(f"gan epoch, {len(images)} images, textbook num_workers={workers}", ours, epoch, steps))
    return rows


def dcgan(bench: Bench) -> list[Row]:
    """A step of the DCGAN, batch 64 of 64×64 RGB."""
    images = torch.randint(256, (256, 3, 64, 64), dtype=torch.uint8)
    config = replace(dcgan_system.PRESETS["photographs"], images=FOREVER)
    ours = steps_of(dcgan_system.DCGAN(config), images, 1, bench.runtime)
    generator, discriminator = convolutional((100, 512), (256, 128, 64), 3, 4)
    theirs = minimax(generator, nn.Sequential(discriminator, nn.Sigmoid()), 100, (0.5, 0.999))
    batches = batches_of(images, config.batch_size)
    return [bench.row("dcgan step, 64 images of 64×64", ours, lambda: theirs(next(batches)))]


def wgan(bench: Bench) -> list[Row]:
    """An iteration of the WGAN, five batches of 64 digits, with either kind of network."""
    images = digits(KEPT)
    rows = []
    for name, preset in wgan_system.PRESETS.items():
        config = replace(preset, images=FOREVER)
        ours = steps_of(wgan_system.WGAN(config), images, 1, bench.runtime)
        generator, critic = (
            connected(LATENT, (256, 256)) if name == "mlp" else convolutional((LATENT, 256, 64), (32,), 1, 7)
        )
        optimizers = [torch.optim.RMSprop(player.parameters(), lr=5e-5) for player in (critic, generator)]

        def clip(critic: nn.Module = critic) -> None:
            for parameter in critic.parameters():
                parameter.data.clamp_(-0.01, 0.01)

        theirs = critical((generator, critic), optimizers, WASSERSTEIN, images, config.batch_size, 5, clip)
        rows.append(bench.row(f"wgan step, {name}, 5 × {config.batch_size} images of 28×28", ours, theirs))
    return rows


def wgan_gp(bench: Bench) -> list[Row]:
    """An iteration of the WGAN-GP, five batches of 50 digits, with either kind of network."""
    images = digits(KEPT)
    rows = []
    for name, preset in wgan_gp_system.PRESETS.items():
        config = replace(preset, images=FOREVER)
        ours = steps_of(wgan_gp_system.WGANGP(config), images, 1, bench.runtime)
        players = connected(LATENT, (256, 256)) if name == "mlp" else smooth(LATENT, (64, 32))
        optimizers = adams(players, 1e-4, (0.5, 0.9))
        theirs = critical(players, optimizers, WASSERSTEIN, images, config.batch_size, 5, penalty=gradient_penalty)
        rows.append(bench.row(f"wgan_gp step, {name}, 5 × {config.batch_size} images of 28×28", ours, theirs))
    return rows


def sngan(bench: Bench) -> list[Row]:
    """A step of the SNGAN, 100 digits, with either kind of network; the textbook's norms are torch's."""
    images = digits(KEPT)
    rows = []
    for name, preset in sngan_system.PRESETS.items():
        config = replace(preset, images=FOREVER)
        ours = steps_of(sngan_system.SNGAN(config), images, 1, bench.runtime)
        generator, critic = connected(LATENT, (256, 256)) if name == "mlp" else smooth(LATENT, (64, 32))
        for layer in list(critic.modules()):
            if isinstance(layer, nn.Linear | nn.Conv2d):
                spectral_norm(layer)
        optimizers = adams((generator, critic), 2e-4, (0.5, 0.999))
        theirs = critical((generator, critic), optimizers, HINGE, images, config.batch_size)
        rows.append(bench.row(f"sngan step, {name}, {config.batch_size} images of 28×28", ours, theirs))
    return rows


def cgan(bench: Bench) -> list[Row]:
    """A step of the conditional GAN, 100 digits, with wrong labels as a third term."""
    images, labels = digits(KEPT), torch.randint(10, (KEPT,))
    config = replace(cgan_system.PRESETS["three_terms"], images=FOREVER)
    ours = steps_of(cgan_system.CGAN(config), images, 1, bench.runtime, labels)
    generator, discriminator = connected(110, (256, 512, 1024), labels=10, dropout=0.4)
    discriminator = nn.Sequential(discriminator, nn.Sigmoid())
    loss = nn.BCELoss()
    of_discriminator, of_generator = adams((generator, discriminator), 2e-4, (0.5, 0.999))
    batches = zip(batches_of(images, config.batch_size), cycle(labels.split(config.batch_size)), strict=False)

    def judged(images: Tensor, hot: Tensor) -> Tensor:
        return discriminator(torch.cat([images.flatten(1), hot], 1))

    def step() -> None:
        real, named = next(batches)
        count = len(real)
        ones, zeros = torch.ones(count, 1), torch.zeros(count, 1)
        hot = F.one_hot(named, 10).float()
        wrong = F.one_hot((named + torch.randint(1, 10, (count,))) % 10, 10).float()
        fake = generator(torch.cat([torch.randn(count, 100), hot], 1))
        of_discriminator.zero_grad()
        on_real = loss(judged(real, hot), ones)
        on_fake = (loss(judged(fake.detach(), hot), zeros) + loss(judged(real, wrong), zeros)) / 2
        (on_real + on_fake).backward()
        of_discriminator.step()
        of_generator.zero_grad()
        fooling = loss(judged(fake, hot), ones)
        fooling.backward()
        of_generator.step()
        _ = on_real.item() + on_fake.item(), fooling.item()

    return [bench.row(f"cgan step, {config.batch_size} images of 28×28", ours, step)]


def digits(count: int) -> Tensor:
    """(count, 1, 28, 28) random bytes."""
    return torch.randint(256, (count, 1, 28, 28), dtype=torch.uint8)


def batches_of(images: Tensor, size: int) -> Iterator[Tensor]:
    """Floats in [-1, 1], for ever."""
    return cycle((images.float() / 127.5 - 1).split(size)[: len(images) // size])


def minimax(
    generator: nn.Module, discriminator: nn.Module, latent: int, betas: tuple[float, float]
) -> Callable[[Tensor], None]:
    """One update of each by binary cross-entropy, of a discriminator that answers with probabilities."""
    loss = nn.BCELoss()
    of_discriminator, of_generator = adams((generator, discriminator), 2e-4, betas)

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


def wasserstein_on_real(scores: Tensor) -> Tensor:
    return -scores.mean()


def hinge_on_real(scores: Tensor) -> Tensor:
    return F.relu(1 - scores).mean()


def hinge_on_fake(scores: Tensor) -> Tensor:
    return F.relu(1 + scores).mean()


WASSERSTEIN: tuple[Loss, Loss] = wasserstein_on_real, torch.mean  # on real images, on made ones
HINGE: tuple[Loss, Loss] = hinge_on_real, hinge_on_fake


def critical(
    players: Players,
    optimizers: Sequence[torch.optim.Optimizer],
    losses: tuple[Loss, Loss],
    images: Tensor,
    count: int,
    critic_steps: int = 1,
    constrain: Callable[[], None] | None = None,
    penalty: Callable[[nn.Module, Tensor, Tensor], Tensor] | None = None,
) -> Callable[[], None]:
    """So many updates of a critic, each on `count` new images, and one of the generator. `optimizers`: the critic's
    first."""
    batches = batches_of(images, count)
    (generator, critic), (of_critic, of_generator), (on_real, on_fake) = players, optimizers, losses

    def step() -> None:
        for real in islice(batches, critic_steps):
            fake = generator(torch.randn(count, LATENT)).detach()
            of_critic.zero_grad()
            loss = on_real(critic(real)) + on_fake(critic(fake))
            if penalty is not None:
                loss = loss + 10 * penalty(critic, real, fake)
            loss.backward()
            of_critic.step()
            if constrain is not None:
                constrain()
            _ = loss.item()
        of_generator.zero_grad()
        fooling = -critic(generator(torch.randn(count, LATENT))).mean()
        fooling.backward()
        of_generator.step()
        _ = fooling.item()

    return step


def gradient_penalty(critic: nn.Module, real: Tensor, fake: Tensor) -> Tensor:
    share = torch.rand(len(real), 1, 1, 1)
    between = (share * real + (1 - share) * fake).requires_grad_(True)
    scores = critic(between)
    (gradient,) = torch.autograd.grad(
        scores, between, torch.ones_like(scores), create_graph=True, retain_graph=True, only_inputs=True
    )
    return ((gradient.view(len(real), -1).norm(2, dim=1) - 1) ** 2).mean()


def adams(players: Players, rate: float, betas: tuple[float, float]) -> list[torch.optim.Optimizer]:
    """The discriminator's and the generator's."""
    generator, discriminator = players
    return [torch.optim.Adam(player.parameters(), lr=rate, betas=betas) for player in (discriminator, generator)]


def connected(latent: int, widths: Sequence[int], labels: int = 0, dropout: float = 0.0) -> Players:
    """Linear layers for 28×28: the discriminator, told `labels` numbers more, mirrors the generator's `widths`."""
    generator: list[nn.Module] = []
    for few, many in pairwise((latent, *widths)):
        generator += [nn.Linear(few, many), nn.LeakyReLU(0.2)]
    generator += [nn.Linear(widths[-1], 784), nn.Tanh(), nn.Unflatten(1, (1, 28, 28))]
    discriminator: list[nn.Module] = [nn.Flatten()]
    for many, few in pairwise((784 + labels, *widths[::-1])):
        discriminator += [nn.Linear(many, few), nn.LeakyReLU(0.2), *([nn.Dropout(dropout)] if dropout else [])]
    return nn.Sequential(*generator), nn.Sequential(*discriminator, nn.Linear(widths[0], 1))


def convolutional(start: Sequence[int], widths: Sequence[int], channels: int, side: int) -> Players:
    """The DCGAN, layer by layer. `start`: the latent numbers, hidden units if there are any, the smallest maps, of
    `side`; `widths`: the maps from there to the image."""
    latent, *hidden, first = start
    maps = (first, *widths)
    generator: list[nn.Module] = [nn.Unflatten(1, (latent, 1, 1))]
    for units in hidden:
        generator += [nn.ConvTranspose2d(latent, units, 1, bias=False), nn.BatchNorm2d(units), nn.ReLU()]
    generator.append(nn.ConvTranspose2d(hidden[-1] if hidden else latent, first, side, bias=False))
    for wide, narrow in pairwise(maps):
        generator += [nn.BatchNorm2d(wide), nn.ReLU(), nn.ConvTranspose2d(wide, narrow, 4, 2, 1, bias=False)]
    generator += [nn.BatchNorm2d(maps[-1]), nn.ReLU(), nn.ConvTranspose2d(maps[-1], channels, 4, 2, 1, bias=False)]
    discriminator: list[nn.Module] = [nn.Conv2d(channels, maps[-1], 4, 2, 1, bias=False), nn.LeakyReLU(0.2)]
    for narrow, wide in pairwise(maps[::-1]):
        discriminator += [nn.Conv2d(narrow, wide, 4, 2, 1, bias=False), nn.BatchNorm2d(wide), nn.LeakyReLU(0.2)]
    for units in hidden:
        discriminator += [nn.Conv2d(first, units, side, bias=False), nn.BatchNorm2d(units), nn.LeakyReLU(0.2)]
    last = nn.Conv2d(hidden[0], 1, 1, bias=False) if hidden else nn.Conv2d(first, 1, side, bias=False)
    return nn.Sequential(*generator, nn.Tanh()), nn.Sequential(*discriminator, last, nn.Flatten())


def smooth(latent: int, widths: Sequence[int]) -> Players:
    """The same for 28×28 digits, from 7×7 maps, with a critic without batch norm: a hidden layer, and biases."""
    generator, _ = convolutional((latent, widths[0]), widths[1:], 1, 7)
    critic: list[nn.Module] = []
    for narrow, wide in pairwise((1, *widths[::-1])):
        critic += [nn.Conv2d(narrow, wide, 4, 2, 1), nn.LeakyReLU(0.2)]
    hidden = 8 * widths[-1]
    critic += [nn.Conv2d(widths[0], hidden, 7), nn.LeakyReLU(0.2), nn.Conv2d(hidden, 1, 1), nn.Flatten()]
    return generator, nn.Sequential(*critic)
