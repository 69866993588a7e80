"""Steps of CycleGAN, DiscoGAN and DualGAN against the textbook's: the same networks, batch, side and losses.

The textbook's are in fp32 and NCHW, with torch's instance norm and reflection padding as layers of their own; networks
that are not trained at the moment are switched off and on; made images of before are kept in a list. Beside CycleGAN's
row `ours_mb`, `textbook_mb`: peak memory of a process that does nothing else, above what torch alone takes.
"""

import random
from collections.abc import Callable, Iterable
from dataclasses import replace
from itertools import chain, cycle, pairwise
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from sfumato.data.batches import Batch
from sfumato.engine.runtime import Runtime
from sfumato.translation import cyclegan as cyclegan_system
from sfumato.translation import discogan as discogan_system
from sfumato.translation import dualgan as dualgan_system
from sfumato.translation.translator import TranslationConfig

from .measure import Bench, Row, peak_of
from .training import step_on

FOREVER = 10**12
STEPS = 2  # of each that are measured at once
CONFIG = replace(cyclegan_system.PRESETS["paper_128"], images=FOREVER)
DISCO = replace(discogan_system.PRESETS["paper"], batch_size=32, images=FOREVER)
DUAL = replace(dualgan_system.PRESETS["photographs"], half_life=0, images=FOREVER)


def cyclegan(bench: Bench) -> list[Row]:
    """A step at the paper's width: one image of 128×128 on each side, six residual blocks."""
    found = bench.row(f"cyclegan step, {named(CONFIG)}", *sides_of(bench.runtime), STEPS)
    memory = {f"{who}_mb": peak_of(sides_of, who, bench.runtime) for who in ("ours", "textbook")}
    return [found | memory]


def discogan(bench: Bench) -> list[Row]:
    """A step of the paper's networks on 32 images of 64×64."""
    ours = repeated(step_on(discogan_system.DiscoGAN(DISCO), pair(DISCO), bench.runtime))
    generators = [discogan_system.Generator(3, DISCO.width, DISCO.resolution, 0) for _ in range(2)]
    critics = [discogan_system.DiscoGAN(DISCO).critic() for _ in range(2)]
    entropy = nn.BCEWithLogitsLoss()

    def judged(logits: Tensor, real: bool) -> Tensor:
        return entropy(logits, torch.full_like(logits, float(real)))

    optimizers = [torch.optim.Adam(chain(*(net.parameters() for net in nets)), 2e-4, (0.5, 0.999), weight_decay=1e-4)
                  for nets in (generators, critics)]  # fmt: skip
    a, b = (batch.images for batch in pair(DISCO))

    def step() -> None:
        made_b, made_a = generators[0](a), generators[1](b)
        loss = F.mse_loss(generators[1](made_b), a) + F.mse_loss(generators[0](made_a), b)
        loss = loss + judged(critics[0](made_b), True) + judged(critics[1](made_a), True)
        taken(optimizers[0], loss)
        loss = sum(
            judged(critic(real), True) + judged(critic(made.detach()), False)
            for critic, real, made in ((critics[0], b, made_b), (critics[1], a, made_a))
        )
        taken(optimizers[1], loss)

    return [bench.row(f"discogan step, {named(DISCO)}", ours, repeated(step), STEPS)]


def dualgan(bench: Bench) -> list[Row]:
    """An iteration of the small preset: three updates of the critics, one of the generators, eight images of 64×64."""
    ours = repeated(step_on(dualgan_system.DualGAN(DUAL), pair(DUAL), bench.runtime))
    system = dualgan_system.DualGAN(DUAL)
    generators, critics = (system.to_b, system.to_a), (system.critic_b, system.critic_a)
    optimizers = [torch.optim.RMSprop(chain(*(net.parameters() for net in nets)), DUAL.learning_rate)
                  for nets in (generators, critics)]  # fmt: skip
    a, b = (batch.images for batch in pair(DUAL))

    def step() -> None:
        for _ in range(DUAL.critic_steps):
            made = generators[0](a).detach(), generators[1](b).detach()
            loss = sum(
                critic(fake).mean() - critic(real).mean()
                for critic, real, fake in zip(critics, (b, a), made, strict=True)
            )
            taken(optimizers[1], loss)
            for parameter in chain(*(critic.parameters() for critic in critics)):
                parameter.data.clamp_(-DUAL.clip, DUAL.clip)
        made_b, made_a = generators[0](a), generators[1](b)
        loss = DUAL.cycle * (F.l1_loss(generators[1](made_b), a) + F.l1_loss(generators[0](made_a), b))
        taken(optimizers[0], loss - critics[0](made_b).mean() - critics[1](made_a).mean())

    return [bench.row(f"dualgan step, {named(DUAL)}", ours, repeated(step), STEPS)]


def sides_of(runtime: Runtime) -> tuple[Callable[[], None], Callable[[], None]]:
    """STEPS of ours, and of the textbook's, on the same images."""
    batches = pair(CONFIG)
    return repeated(step_on(cyclegan_system.CycleGAN(CONFIG), batches, runtime)), repeated(textbook(batches))


def named(config: TranslationConfig) -> str:
    return f"{config.batch_size} of {config.resolution}×{config.resolution} a side, width {config.width}"


def pair(config: TranslationConfig) -> tuple[Batch, Batch]:
    generator = torch.Generator().manual_seed(0)
    shape = (config.batch_size, 3, config.resolution, config.resolution)
    first, second = (Batch(torch.rand(shape, generator=generator) * 2 - 1, None, ends_epoch=False) for _ in range(2))
    return first, second


def repeated(step: Callable[[], Any]) -> Callable[[], None]:
    def run() -> None:
        for _ in range(STEPS):
            step()

    return run


def taken(optimizer: torch.optim.Optimizer, loss: Any) -> None:
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
    _ = loss.item()


class Block(nn.Module):
    def __init__(self, maps: int) -> None:
        super().__init__()
        self.block = nn.Sequential(
            nn.ReflectionPad2d(1), nn.Conv2d(maps, maps, 3), nn.InstanceNorm2d(maps), nn.ReLU(True),
            nn.ReflectionPad2d(1), nn.Conv2d(maps, maps, 3), nn.InstanceNorm2d(maps),
        )  # fmt: skip

    def forward(self, maps: Tensor) -> Tensor:
        return maps + self.block(maps)


def generator(width: int, blocks: int) -> nn.Module:
    widths = [width, 2 * width, 4 * width]
    layers: list[nn.Module] = [nn.ReflectionPad2d(3), nn.Conv2d(3, width, 7), nn.InstanceNorm2d(width), nn.ReLU(True)]
    for inputs, outputs in pairwise(widths):
        layers += [nn.Conv2d(inputs, outputs, 3, 2, 1), nn.InstanceNorm2d(outputs), nn.ReLU(True)]
    layers += [Block(widths[-1]) for _ in range(blocks)]
    for inputs, outputs in pairwise(widths[::-1]):
        layers += [nn.ConvTranspose2d(inputs, outputs, 3, 2, 1, 1), nn.InstanceNorm2d(outputs), nn.ReLU(True)]
    return nn.Sequential(*layers, nn.ReflectionPad2d(3), nn.Conv2d(width, 3, 7), nn.Tanh())


def discriminator(width: int) -> nn.Module:
    layers: list[nn.Module] = [nn.Conv2d(3, width, 4, 2, 1), nn.LeakyReLU(0.2, True)]
    for inputs, outputs, stride in ((width, 2 * width, 2), (2 * width, 4 * width, 2), (4 * width, 8 * width, 1)):
        layers += [nn.Conv2d(inputs, outputs, 4, stride, 1), nn.InstanceNorm2d(outputs), nn.LeakyReLU(0.2, True)]
    return nn.Sequential(*layers, nn.Conv2d(8 * width, 1, 4, 1, 1))


class Pool:
    def __init__(self, size: int) -> None:
        self.size, self.images = size, list[Tensor]()

    def query(self, images: Tensor) -> Tensor:
        found = []
        for image in images:
            if len(self.images) < self.size:
                self.images.append(image)
                found.append(image)
            elif random.random() > 0.5:
                place = random.randrange(self.size)
                found.append(self.images[place].clone())
                self.images[place] = image
            else:
                found.append(image)
        return torch.stack(found)


def switch(networks: Iterable[nn.Module], on: bool) -> None:
    for network in networks:
        for parameter in network.parameters():
            parameter.requires_grad = on


def textbook(batches: tuple[Batch, Batch]) -> Callable[[], None]:
    to_b, to_a = (generator(CONFIG.width, cyclegan_system.FEW) for _ in range(2))
    critics = [discriminator(CONFIG.width) for _ in range(2)]  # of B, of A
    pools = [Pool(CONFIG.pool) for _ in range(2)]
    of_generators = torch.optim.Adam(chain(to_b.parameters(), to_a.parameters()), 2e-4, (0.5, 0.999))
    of_critics = [torch.optim.Adam(critic.parameters(), 2e-4, (0.5, 0.999)) for critic in critics]
    squares, absolute, fed = nn.MSELoss(), nn.L1Loss(), cycle([tuple(batch.images for batch in batches)])

    def aimed(logits: Tensor, real: bool) -> Tensor:
        return squares(logits, torch.full_like(logits, float(real)))

    def step() -> None:
        a, b = next(fed)
        made_b, made_a = to_b(a), to_a(b)
        back_a, back_b = to_a(made_b), to_b(made_a)
        switch(critics, False)
        loss = aimed(critics[0](made_b), True) + aimed(critics[1](made_a), True)
        taken(of_generators, loss + CONFIG.cycle * (absolute(back_a, a) + absolute(back_b, b)))
        switch(critics, True)
        for critic, optimizer, pool, real, made in zip(
            critics, of_critics, pools, (b, a), (made_b, made_a), strict=True
        ):
            shown = pool.query(made.detach())
            taken(optimizer, (aimed(critic(real), True) + aimed(critic(shown), False)) / 2)

    return step
