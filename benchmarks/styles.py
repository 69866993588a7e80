"""Steps of ProGAN, StyleGAN and StyleGAN2 against the textbook's: the same widths, batch and side, the networks grown.

Of StyleGAN2 the textbook writes the paper as its figures have it: an image has filters of its own, by a grouped
convolution; blurs are convolutions of single channels; both regularisers stand in the loss of every step; fp32, NCHW,
Adam as it comes. Ours regularises now and then: its row is the mean over 16 of our steps, which hold one of R1 and four
of path lengths. Beside that row, `ours_mb`, `textbook_mb`: peak memory of a process that does nothing else, above what
torch alone takes.
"""

import math
import time
from collections.abc import Callable
from dataclasses import replace
from itertools import pairwise
from statistics import median

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from sfumato.engine import memory
from sfumato.engine.runtime import Runtime
from sfumato.gans import progan as progan_system
from sfumato.gans import stylegan as stylegan_system
from sfumato.gans import stylegan2 as system
from sfumato.gans.growing import PyramidConfig
from sfumato.nets.growing import sides

from .gans import FOREVER, adams, batches_of, gradient_penalty
from .measure import Bench, Counter, Row, forget_freed_memory, matmul_peak, peak_of
from .training import steps_of

CYCLE = 16  # our steps that hold each regulariser as often as it is due
KEPT = 256  # images that steps are fed from
TAPS = torch.tensor([1.0, 3.0, 3.0, 1.0])
CONFIG = replace(system.PRESETS["photographs"], images=FOREVER, half_life=0)


def stylegan2(bench: Bench) -> list[Row]:
    """A step of the StyleGAN2 preset for photographs: 32 images of 64×64."""
    ours, theirs = sides_of(bench.runtime)
    mine, other = list[float](), list[float]()
    for _ in range(bench.rounds):
        memory.keep_freed_memory()
        mine.append(seconds(ours, bench.runtime) / CYCLE)
        forget_freed_memory()
        other.append(seconds(theirs, bench.runtime))
    with Counter() as counter:
        ours()
    own, textbook = median(mine), median(other)
    return [
        {
            "name": f"stylegan2 step, {CONFIG.batch_size} images of {CONFIG.resolution}×{CONFIG.resolution}",
            "ours_s": round(own, 4),
            "textbook_s": round(textbook, 4),
            "ratio": round(textbook / own, 2),
            "peak_share": round(counter.operations / CYCLE / own / matmul_peak(bench.runtime), 4),
            "kernels": round(counter.calls / CYCLE),
            "ours_mb": peak_of(sides_of, "ours", bench.runtime),
            "textbook_mb": peak_of(sides_of, "textbook", bench.runtime),
        }
    ]


def progan(bench: Bench) -> list[Row]:
    """A step of ProGAN's preset for photographs at its last side: WGAN-GP, 32 images of 64×64."""
    config = replace(progan_system.PRESETS["photographs"], images=FOREVER, grown=False, half_life=0)
    images = pictures(config)
    ours = steps_of(progan_system.ProGAN(config), images, 1, bench.runtime)
    widths = [config.widths(side) for side in sides(config.resolution)]
    players = Painter(widths, config.latent, config.channels), Critic(widths[::-1], config.channels)
    optimizers = adams(players, config.learning_rate, (0.0, 0.99))
    batches = batches_of(images, config.batch_size)

    def step() -> None:
        real, noise = next(batches), torch.randn(2, config.batch_size, config.latent)
        fake = players[0](noise[0]).detach()
        on_real = players[1](real)
        loss = players[1](fake).mean() - on_real.mean() + 1e-3 * on_real.pow(2).mean()
        loss = loss + 10 * gradient_penalty(players[1], real, fake)
        taken(optimizers[0], loss)
        taken(optimizers[1], -players[1](players[0](noise[1])).mean())

    name = f"progan step, {config.batch_size} images of {config.resolution}×{config.resolution}"
    return [bench.row(name, ours, step)]


def stylegan(bench: Bench) -> list[Row]:
    """A step of StyleGAN's preset for photographs at its last side, with R1 in every step: 32 images of 64×64."""
    config = replace(stylegan_system.PRESETS["photographs"], images=FOREVER, grown=False, half_life=0, r1_every=1)
    images = pictures(config)
    ours = steps_of(stylegan_system.StyleGAN(config), images, 1, bench.runtime)
    widths = [config.widths(side) for side in sides(config.resolution)]
    players = (
        Restyler(widths, config.latent, config.channels, config.mapping_layers),
        Critic(widths[::-1], config.channels, blurred=True),
    )
    optimizers = adams(players, config.learning_rate, (0.0, 0.99))
    batches = batches_of(images, config.batch_size)

    def step() -> None:
        real, noise = next(batches).requires_grad_(), torch.randn(2, 2, config.batch_size, config.latent)
        on_real = players[1](real)
        (slope,) = torch.autograd.grad(on_real.sum(), real, create_graph=True)
        penalty = slope.pow(2).reshape(len(real), -1).sum(1).mean()
        loss = F.softplus(-on_real).mean() + F.softplus(players[1](players[0](*noise[0]).detach())).mean()
        taken(optimizers[0], loss + config.r1 / 2 * penalty)
        taken(optimizers[1], F.softplus(-players[1](players[0](*noise[1]))).mean())

    name = f"stylegan step, {config.batch_size} images of {config.resolution}×{config.resolution}"
    return [bench.row(name, ours, step)]


def taken(optimizer: torch.optim.Optimizer, loss: Tensor) -> None:
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
    _ = loss.item()


def pictures(config: PyramidConfig) -> Tensor:
    """Random bytes."""
    return torch.randint(256, (KEPT, config.channels, config.resolution, config.resolution), dtype=torch.uint8)


def sides_of(runtime: Runtime) -> tuple[Callable[[], None], Callable[[], None]]:
    """CYCLE steps of ours, and one of the textbook's."""
    images = pictures(CONFIG)
    return steps_of(system.StyleGAN2(CONFIG), images, CYCLE, runtime), textbook(images)


def seconds(work: Callable[[], None], runtime: Runtime) -> float:
    began = time.perf_counter()
    work()
    runtime.wait()
    return time.perf_counter() - began


class Dense(nn.Module):
    def __init__(self, inputs: int, outputs: int, bias: float = 0.0, rate: float = 1.0) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.randn(outputs, inputs) / rate)
        self.bias = nn.Parameter(torch.full((outputs,), bias / rate))
        self.scale, self.rate = rate / math.sqrt(inputs), rate

    def forward(self, values: Tensor) -> Tensor:
        return F.linear(values, self.weight * self.scale, self.bias * self.rate)


class Plain(nn.Module):
    def __init__(self, inputs: int, outputs: int, side: int, stride: int = 1, bias: bool = True) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.randn(outputs, inputs, side, side))
        self.bias = nn.Parameter(torch.zeros(outputs)) if bias else None
        self.scale, self.stride = 1 / math.sqrt(inputs * side * side), stride

    def forward(self, maps: Tensor) -> Tensor:
        padding = 0 if self.stride > 1 else self.weight.shape[-1] // 2
        return F.conv2d(maps, self.weight * self.scale, self.bias, self.stride, padding)


def act(maps: Tensor) -> Tensor:
    return F.leaky_relu(maps, 0.2) * math.sqrt(2)


def smoothed(maps: Tensor, gain: float, before: int, behind: int) -> Tensor:
    """Every channel of every image on its own."""
    count, channels, _, _ = maps.shape
    kernel = torch.outer(TAPS, TAPS) / 64 * gain
    padded = F.pad(maps, (before, behind, before, behind))
    single = F.conv2d(padded.reshape(count * channels, 1, *padded.shape[2:]), kernel[None, None])
    return single.reshape(count, channels, *single.shape[2:])


def doubled(images: Tensor) -> Tensor:
    count, channels, height, width = images.shape
    spaced = torch.zeros(count, channels, 2 * height, 2 * width)
    spaced[..., ::2, ::2] = images
    return smoothed(spaced, 4, 2, 1)


class Modulated(nn.Module):
    """Filters of their own for each image, in one grouped convolution."""

    def __init__(
        self, inputs: int, outputs: int, latent: int, side: int = 3, up: bool = False, demod: bool = True
    ) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.randn(1, outputs, inputs, side, side))
        self.style = Dense(latent, inputs, bias=1.0)
        self.scale, self.up, self.demod = 1 / math.sqrt(inputs * side * side), up, demod

    def forward(self, maps: Tensor, style: Tensor) -> Tensor:
        count, inputs, height, width = maps.shape
        weight = self.scale * self.weight * self.style(style).view(count, 1, inputs, 1, 1)
        if self.demod:
            weight = weight * torch.rsqrt(weight.pow(2).sum([2, 3, 4]) + 1e-8).view(count, -1, 1, 1, 1)
        outputs, side = weight.shape[1], weight.shape[-1]
        maps = maps.reshape(1, count * inputs, height, width)
        if self.up:
            turned = weight.transpose(1, 2).reshape(count * inputs, outputs, side, side)
            found = F.conv_transpose2d(maps, turned, stride=2, groups=count)
            return smoothed(found.view(count, outputs, *found.shape[2:]), 4, 1, 1)
        found = F.conv2d(maps, weight.view(count * outputs, inputs, side, side), padding=side // 2, groups=count)
        return found.view(count, outputs, height, width)


class Styled(nn.Module):
    def __init__(self, inputs: int, outputs: int, latent: int, up: bool = False) -> None:
        super().__init__()
        self.convolution = Modulated(inputs, outputs, latent, up=up)
        self.strength = nn.Parameter(torch.zeros(1))
        self.bias = nn.Parameter(torch.zeros(1, outputs, 1, 1))

    def forward(self, maps: Tensor, style: Tensor) -> Tensor:
        maps = self.convolution(maps, style)
        noise = torch.randn(len(maps), 1, *maps.shape[2:])
        return act(maps + self.strength * noise + self.bias)


class Generator(nn.Module):
    def __init__(self, widths: list[int], latent: int, channels: int, depth: int) -> None:
        super().__init__()
        self.mapping = nn.ModuleList(Dense(latent, latent, rate=0.01) for _ in range(depth))
        self.constant = nn.Parameter(torch.randn(1, widths[0], 4, 4))
        self.first = Styled(widths[0], widths[0], latent)
        self.layers = nn.ModuleList()
        self.colours = nn.ModuleList([Modulated(widths[0], channels, latent, 1, demod=False)])
        for inputs, outputs in pairwise(widths):
            self.layers.extend([Styled(inputs, outputs, latent, up=True), Styled(outputs, outputs, latent)])
            self.colours.append(Modulated(outputs, channels, latent, 1, demod=False))

    def mapped(self, noise: Tensor) -> Tensor:
        style = noise * torch.rsqrt(noise.pow(2).mean(1, keepdim=True) + 1e-8)
        for layer in self.mapping:
            style = act(layer(style))
        return style

    def forward(self, styles: Tensor) -> Tensor:
        """Styles (b, layers, latent)."""
        maps = self.first(self.constant.repeat(len(styles), 1, 1, 1), styles[:, 0])
        images = self.colours[0](maps, styles[:, 1])
        for place, colour in enumerate(self.colours[1:]):
            for layer in range(2):
                maps = self.layers[2 * place + layer](maps, styles[:, 2 * place + 1 + layer])
            images = doubled(images) + colour(maps, styles[:, 2 * place + 3])
        return images


class Block(nn.Module):
    def __init__(self, inputs: int, outputs: int) -> None:
        super().__init__()
        self.first, self.second = Plain(inputs, inputs, 3), Plain(inputs, outputs, 3, stride=2)
        self.past = Plain(inputs, outputs, 1, stride=2, bias=False)

    def forward(self, maps: Tensor) -> Tensor:
        found = act(self.second(smoothed(act(self.first(maps)), 1, 2, 2)))
        return (found + self.past(smoothed(maps, 1, 1, 1))) / math.sqrt(2)


class Discriminator(nn.Module):
    def __init__(self, widths: list[int], channels: int) -> None:
        super().__init__()
        self.seen = Plain(channels, widths[0], 1)
        self.blocks = nn.Sequential(*(Block(*pair) for pair in pairwise(widths)))
        self.last = Plain(widths[-1] + 1, widths[-1], 3)
        self.hidden, self.real = Dense(16 * widths[-1], widths[-1]), Dense(widths[-1], 1)

    def forward(self, images: Tensor) -> Tensor:
        maps = self.blocks(act(self.seen(images)))
        apart = maps.view(4, -1, *maps.shape[1:])
        deviation = (apart.var(0, unbiased=False) + 1e-8).sqrt().mean([1, 2, 3], keepdim=True)
        maps = torch.cat([maps, deviation.repeat(4, 1, *maps.shape[2:])], 1)
        return self.real(act(self.hidden(act(self.last(maps)).flatten(1))))


def norm(maps: Tensor) -> Tensor:
    return maps / torch.sqrt(maps.pow(2).mean(1, keepdim=True) + 1e-8)


class Painter(nn.Module):
    """ProGAN's generator, grown."""

    def __init__(self, widths: list[int], latent: int, channels: int) -> None:
        super().__init__()
        self.first, self.second = Dense(latent, 16 * widths[0]), Plain(widths[0], widths[0], 3)
        self.layers = nn.ModuleList()
        for inputs, outputs in pairwise(widths):
            self.layers.extend([Plain(inputs, outputs, 3), Plain(outputs, outputs, 3)])
        self.colours = Plain(widths[-1], channels, 1)

    def forward(self, noise: Tensor) -> Tensor:
        maps = norm(act(self.second(norm(act(self.first(norm(noise)).view(len(noise), -1, 4, 4))))))
        for place, layer in enumerate(self.layers):
            if place % 2 == 0:
                maps = F.interpolate(maps, scale_factor=2, mode="nearest")
            maps = norm(act(layer(maps)))
        return self.colours(maps)


def binomial(maps: Tensor) -> Tensor:
    """Every channel of every image on its own."""
    count, channels, height, width = maps.shape
    row = torch.tensor([1.0, 2.0, 1.0])
    kernel = torch.outer(row, row) / 16
    return F.conv2d(maps.reshape(-1, 1, height, width), kernel[None, None], padding=1).view(
        count, channels, height, width
    )


class Critic(nn.Module):
    """ProGAN's discriminator, grown; StyleGAN's, if it is blurred."""

    def __init__(self, widths: list[int], channels: int, blurred: bool = False) -> None:
        super().__init__()
        self.blurred = blurred
        self.seen = Plain(channels, widths[0], 1)
        self.layers = nn.ModuleList()
        for inputs, outputs in pairwise(widths):
            self.layers.extend([Plain(inputs, inputs, 3), Plain(inputs, outputs, 3)])
        self.last = Plain(widths[-1] + 1, widths[-1], 3)
        self.hidden, self.real = Dense(16 * widths[-1], widths[-1]), Dense(widths[-1], 1)

    def forward(self, images: Tensor) -> Tensor:
        maps = act(self.seen(images))
        for place, layer in enumerate(self.layers):
            if place % 2 and self.blurred:
                maps = binomial(maps)
            maps = act(layer(maps))
            if place % 2:
                maps = F.avg_pool2d(maps, 2)
        apart = maps.view(4, -1, *maps.shape[1:])
        deviation = (apart.var(0, unbiased=False) + 1e-8).sqrt().mean([1, 2, 3], keepdim=True)
        maps = torch.cat([maps, deviation.repeat(4, 1, *maps.shape[2:])], 1)
        return self.real(act(self.hidden(act(self.last(maps)).flatten(1))))


class Restyled(nn.Module):
    """Noise, bias, and each map's mean and deviation by the style."""

    def __init__(self, maps: int, latent: int) -> None:
        super().__init__()
        self.strength, self.bias = (nn.Parameter(torch.zeros(1, maps, 1, 1)) for _ in range(2))
        self.style = Dense(latent, 2 * maps)

    def forward(self, maps: Tensor, style: Tensor) -> Tensor:
        maps = act(maps + self.strength * torch.randn(len(maps), 1, *maps.shape[2:]) + self.bias)
        scale, shift = self.style(style)[..., None, None].chunk(2, 1)
        return F.instance_norm(maps, eps=1e-8) * (scale + 1) + shift


class Restyler(nn.Module):
    """StyleGAN's generator, grown."""

    def __init__(self, widths: list[int], latent: int, channels: int, depth: int) -> None:
        super().__init__()
        self.mapping = nn.ModuleList(Dense(latent, latent, rate=0.01) for _ in range(depth))
        self.constant = nn.Parameter(torch.ones(1, widths[0], 4, 4))
        self.layers, self.styles = nn.ModuleList([Plain(widths[0], widths[0], 3)]), nn.ModuleList()
        self.styles.extend([Restyled(widths[0], latent), Restyled(widths[0], latent)])
        for inputs, outputs in pairwise(widths):
            self.layers.extend([Plain(inputs, outputs, 3), Plain(outputs, outputs, 3)])
            self.styles.extend([Restyled(outputs, latent), Restyled(outputs, latent)])
        self.colours = Plain(widths[-1], channels, 1)

    def forward(self, first: Tensor, second: Tensor) -> Tensor:
        styles = [norm(noise) for noise in (first, second)]
        for layer in self.mapping:
            styles = [act(layer(style)) for style in styles]
        crossover = int(torch.randint(1, len(self.styles), ()))
        maps = self.styles[0](self.constant.repeat(len(first), 1, 1, 1), styles[0])
        for place, layer in enumerate(self.layers, 1):
            if place > 1 and place % 2 == 0:
                maps = binomial(layer(F.interpolate(maps, scale_factor=2, mode="nearest")))
            else:
                maps = layer(maps)
            maps = self.styles[place](maps, styles[place >= crossover])
        return self.colours(maps)


def textbook(images: Tensor) -> Callable[[], None]:
    """A step with both regularisers in the losses."""
    latent, count = CONFIG.latent, CONFIG.batch_size
    widths = [CONFIG.widths(side) for side in sides(CONFIG.resolution)]
    layers = 2 * len(widths)
    generator = Generator(widths, latent, CONFIG.channels, CONFIG.mapping_layers)
    discriminator = Discriminator(widths[::-1], CONFIG.channels)
    of_generator = torch.optim.Adam(generator.parameters(), lr=CONFIG.learning_rate, betas=(0.0, 0.99))
    of_discriminator = torch.optim.Adam(discriminator.parameters(), lr=CONFIG.learning_rate, betas=(0.0, 0.99))
    batches, length = batches_of(images, count), torch.zeros(())

    def styles(many: int) -> Tensor:
        first, second = (generator.mapped(torch.randn(many, latent))[:, None].repeat(1, layers, 1) for _ in range(2))
        crossover = int(torch.randint(1, layers, ()))
        return torch.cat([first[:, :crossover], second[:, crossover:]], 1)

    def step() -> None:
        nonlocal length
        real = next(batches).requires_grad_()
        made = generator(styles(count)).detach()
        on_real = discriminator(real)
        (slope,) = torch.autograd.grad(on_real.sum(), real, create_graph=True)
        penalty = slope.pow(2).reshape(count, -1).sum(1).mean()
        loss = F.softplus(-on_real).mean() + F.softplus(discriminator(made)).mean() + CONFIG.r1 / 2 * penalty
        of_discriminator.zero_grad()
        loss.backward()
        of_discriminator.step()
        fooling = F.softplus(-discriminator(generator(styles(count)))).mean()
        chosen = styles(count // 2)
        drawn = generator(chosen)
        noise = torch.randn_like(drawn) / math.sqrt(drawn.shape[2] * drawn.shape[3])
        (gradient,) = torch.autograd.grad((drawn * noise).sum(), chosen, create_graph=True)
        paths = gradient.pow(2).sum(2).mean(1).sqrt()
        length = (length + 0.01 * (paths.mean() - length)).detach()
        of_generator.zero_grad()
        (fooling + CONFIG.path_weight * (paths - length).pow(2).mean()).backward()
        of_generator.step()
        _ = loss.item(), fooling.item()

    return step
