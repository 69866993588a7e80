"""The theory of the adversarial game as experiments that take seconds: on lines and planes, against closed forms."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from math import log
from typing import Any

import torch
from torch import Tensor, nn

from ...data.dataset import ImageData
from ...data.points import Modes, covered, lattice, ring
from ...engine.clock import Clock
from ...engine.descend import descend
from ...engine.loop import ticks
from ...engine.runtime import Runtime
from ...nets.players import MLPDiscriminator
from ...ops.divergences import gaussian, jensen_shannon, kullback_leibler, wasserstein
from ...ops.objectives import discriminator_loss, generator_loss
from ...runs.catalog import CATALOG
from ...seeds import derive

GRID = torch.linspace(-14, 14, 5601, dtype=torch.float64)
STEP = float(GRID[1] - GRID[0])
HERE = -5.0
SHIFTS = torch.linspace(0, 10, 41, dtype=torch.float64)
PEAKS, PEAK_STD = (-2.0, 2.0), 0.6  # of the mixture that one Gaussian is fitted to
START = (1.0, -1.0)  # mean and logarithm of the deviation that the fits begin with
LEARNT = {True: 3_000, False: 1_000}  # updates of a discriminator on a line
POINTS = 512
TOY_STEPS = {True: 3_000, False: 500}  # updates of each generator on the plane
TOY_FRAMES = 15
TOY_SHOWN = 2_000
TOY = {"channels": 2, "resolution": 1, "latent": 16, "hidden": (128, 128), "batch_size": 256, "learning_rate": 1e-3,
       "discriminator_steps": 5, "images": 10**9}  # fmt: skip
TURNS = {True: 300, False: 60}  # iterations of a game that is followed turn by turn
FLAT = torch.linspace(-8, 8, 161, dtype=torch.float64)
BEATEN = {True: (0, 5, 10, 20, 50, 100, 200, 500), False: (0, 5, 10, 20, 50, 100)}  # discriminator updates


def toy(system: str, **fields: Any) -> Any:
    """A system of the catalog for points of the plane."""
    entry = CATALOG[system]
    return entry.build(entry.config_class(**{**TOY, **fields}))


# The systems that play on the plane.
TOYS: Mapping[str, Callable[[], Any]] = {
    "minimax": partial(toy, "gan", objective="minimax", beta1=0.5),
    "non-saturating": partial(toy, "gan", beta1=0.5),
    "least squares": partial(toy, "gan", objective="least_squares", beta1=0.5),
    "WGAN": partial(toy, "wgan", learning_rate=5e-4, clip=0.1),
    "WGAN-GP": partial(toy, "wgan_gp", penalty_weight=0.1),
    "SNGAN": partial(toy, "sngan", bound=4.0),
}


@dataclass(frozen=True)
class Played:
    """A game on the plane: the points (n, 2) at each look, how many modes they covered, and the share of points that lie
    near one at the end."""

    points: list[Tensor]
    covered: list[int]
    near: float


@dataclass(frozen=True)
class Learnt:
    """A discriminator of a line after some `updates`: what it says on `GRID`, what the optimal one would, the values of
    the game against it where data lie apart and where they are equal, and the former's closed form."""

    updates: int
    says: Tensor
    wanted: Tensor
    apart: float
    equal: float
    closed: float


@dataclass(frozen=True)
class Flat:
    """A mixture on the plane, its density (n, n) on `FLAT` by `FLAT`, and those of the Gaussians that fit it."""

    mixture: Tensor
    fits: Mapping[str, Tensor]
    means: Mapping[str, tuple[float, float]]


@dataclass(frozen=True)
class Theory:
    """All experiments. `distances`, `gradients`: of Gaussians moving apart, at each of `SHIFTS`; `mixture`: a density on
    `GRID`, and the Gaussians (mean, deviation) that `fits` it; games on the plane by modes and system, with `looks` after
    so many updates; `saturation`: norms of the generator's gradient after `beaten` updates of its opponent; `start`:
    D(G(z)) at initialisation and after the last of them, each with the slope of log(1 - D) there; `turns`: D(G(z)) on the
    same noise in each of the first iterations, before and after the discriminator's update, and after the generator's.
    """

    distances: Mapping[str, list[float]]
    gradients: Mapping[str, list[float]]
    mixture: Tensor
    fits: Mapping[str, tuple[float, float]]
    learnt: Learnt
    games: Mapping[str, Mapping[str, Played]]
    looks: Sequence[int]
    saturation: Mapping[str, list[float]]
    beaten: Sequence[int]
    flat: Flat
    start: Mapping[str, tuple[float, float]]
    turns: Mapping[str, list[float]]


MODES = {"ring": ring(), "lattice": lattice()}


def theory(data: ImageData, full: bool, seed: int) -> Theory:
    distances, slopes = moving_apart()
    mixture, fits = fitted_gaussians()
    steps, beaten = TOY_STEPS[full], BEATEN[full]
    apart, says, wanted = learnt_discriminator(1.0, LEARNT[full], seed)
    equal, *_ = learnt_discriminator(0.0, LEARNT[full], seed)
    first, second = (gaussian(GRID, mean, 1.0) for mean in (-1.0, 1.0))
    closed = 2 * float(jensen_shannon(first, second, STEP)) - 2 * log(2)
    images = data.train.images(range(min(2_000, len(data.train))))
    norms, start = saturating(images, beaten, seed)
    return Theory(
        distances=distances,
        gradients=slopes,
        mixture=mixture,
        fits=fits,
        learnt=Learnt(LEARNT[full], says, wanted, apart, equal, closed),
        games={
            key: {name: play(build, modes, steps, derive(seed, "plane", key)) for name, build in TOYS.items()}
            for key, modes in MODES.items()
        },
        looks=_looks(steps),
        saturation=norms,
        beaten=beaten,
        flat=fitted_on_a_plane(),
        start=start,
        turns=taking_turns(images, TURNS[full], seed),
    )


def _looks(steps: int) -> list[int]:
    return [steps * (index + 1) // TOY_FRAMES for index in range(TOY_FRAMES)]


def moving_apart() -> tuple[dict[str, list[float]], dict[str, list[float]]]:
    """Both distances of two normal densities whose means are θ apart, and their gradients with respect to θ, at each of
    `SHIFTS`."""
    here = gaussian(GRID, HERE, 1.0)
    values: dict[str, list[float]] = {"js": [], "w": []}
    slopes: dict[str, list[float]] = {"js": [], "w": []}
    for shift in SHIFTS:
        at = shift.clone().requires_grad_()
        there = gaussian(GRID, HERE + at, 1.0)
        for key, distance in (("js", jensen_shannon), ("w", wasserstein)):
            value = distance(here, there, STEP)
            (slope,) = torch.autograd.grad(value, at, retain_graph=True)
            values[key].append(float(value.detach()))
            slopes[key].append(float(slope))
    return values, slopes


def fitted_gaussians() -> tuple[Tensor, dict[str, tuple[float, float]]]:
    """The mixture's density, and mean and deviation of the Gaussian that is nearest by each divergence."""
    mixture = sum((gaussian(GRID, peak, PEAK_STD) for peak in PEAKS), torch.zeros_like(GRID)) / len(PEAKS)
    fits = {}
    for key in ("forward", "reverse"):
        mean, scale = (torch.tensor(start, dtype=torch.float64, requires_grad=True) for start in START)
        newton = torch.optim.LBFGS([mean, scale], max_iter=200, line_search_fn="strong_wolfe")

        def closure(key: str = key, mean: Tensor = mean, scale: Tensor = scale) -> Tensor:
            model = gaussian(GRID, mean, scale.exp())
            first, second = (mixture, model) if key == "forward" else (model, mixture)
            loss = kullback_leibler(first, second, STEP)
            mean.grad, scale.grad = torch.autograd.grad(loss, (mean, scale))
            return loss

        newton.step(closure)
        fits[key] = (float(mean.detach()), float(scale.detach().exp()))
    return mixture, fits


def learnt_discriminator(offset: float, updates: int, seed: int) -> tuple[float, Tensor, Tensor]:
    """The value of the game, E log D(x) + E log(1 - D(x')), of a small network trained to tell N(-offset, 1) from
    N(offset, 1), measured on new points; what it says on `GRID`, and what the optimal one would."""
    torch.manual_seed(derive(seed, "discriminator"))
    network = MLPDiscriminator(1, (64, 64))
    adam = torch.optim.Adam(network.parameters(), lr=3e-3)
    for update in range(updates):
        adam.param_groups[0]["lr"] = 3e-3 * (1 - update / updates)
        real, made = torch.randn(POINTS, 1) - offset, torch.randn(POINTS, 1) + offset
        descend(discriminator_loss("minimax", network(real), network(made)), adam)
    with torch.no_grad():
        fresh = torch.randn(2, 100_000, 1)
        value = -discriminator_loss("minimax", network(fresh[0] - offset), network(fresh[1] + offset))
        says = network(GRID.float()[:, None]).sigmoid().double()
    real_density, made_density = gaussian(GRID, -offset, 1.0), gaussian(GRID, offset, 1.0)
    return float(value), says, real_density / (real_density + made_density).clamp(min=1e-300)


def play(build: Callable[[], Any], modes: Modes, steps: int, seed: int) -> Played:
    """Trains a system on the points of `modes` for `steps` updates of its generator."""
    torch.manual_seed(seed)
    system = build()
    batches = modes.batches(system.config.batch_size, seed)
    points: list[Tensor] = []
    found: list[tuple[int, float]] = []
    runtime = Runtime(torch.device("cpu"), "fp32")  # on networks this small bf16 saves nothing
    marks = set(_looks(steps))
    for done, _ in enumerate(ticks(system, lambda _: batches.at, Clock(), seed, runtime), 1):
        if done in marks:
            drawn = system.eval().sample(TOY_SHOWN, generator=torch.Generator().manual_seed(seed)).flatten(1)
            points.append(drawn)
            found.append(covered(drawn, modes))
        if done == steps:
            break
    return Played(points, [count for count, _ in found], found[-1][1])


def fitted_on_a_plane() -> Flat:
    """One Gaussian for two round peaks on the plane, by either divergence."""
    places = torch.stack(torch.meshgrid(FLAT, FLAT, indexing="xy"), -1)
    cell = float(FLAT[1] - FLAT[0]) ** 2

    def density(mean: Tensor, lower: Tensor) -> Tensor:
        """Of a normal vector with this mean (2,) and the Cholesky factor (2, 2) of its covariance."""
        scaled = torch.linalg.solve_triangular(lower, (places - mean).flatten(0, 1).T, upper=False)
        values = torch.exp(-scaled.square().sum(0) / 2) / (2 * torch.pi * lower.diagonal().prod())
        return values.view(places.shape[:2])

    peak = PEAK_STD * torch.eye(2, dtype=torch.float64)
    centres = (torch.tensor([sign * PEAKS[1], sign * 1.0], dtype=torch.float64) for sign in (1, -1))
    mixture = sum((density(centre, peak) for centre in centres), torch.zeros_like(places[..., 0])) / 2
    fits, means = {}, {}
    for key in ("forward", "reverse"):
        mean = torch.tensor([1.0, 0.2], dtype=torch.float64, requires_grad=True)
        scales = torch.tensor(
            [0.0, 0.0, 0.0], dtype=torch.float64, requires_grad=True
        )  # two logarithms, and what tilts
        newton = torch.optim.LBFGS([mean, scales], max_iter=300, line_search_fn="strong_wolfe")

        def model(mean: Tensor = mean, scales: Tensor = scales) -> Tensor:
            zero = torch.zeros_like(scales[0])
            rows = [torch.stack([scales[0].exp(), zero]), torch.stack([scales[2], scales[1].exp()])]
            return density(mean, torch.stack(rows))

        def closure(key: str = key, mean: Tensor = mean, scales: Tensor = scales, model: Any = model) -> Tensor:
            first, second = (mixture, model()) if key == "forward" else (model(), mixture)
            loss = kullback_leibler(first, second, cell)
            mean.grad, scales.grad = torch.autograd.grad(loss, (mean, scales))
            return loss

        newton.step(closure)
        fits[key] = model().detach()
        means[key] = float(mean[0].detach()), float(mean[1].detach())
    return Flat(mixture, fits, means)


def taking_turns(images: Tensor, iterations: int, seed: int) -> dict[str, list[float]]:
    """D(G(z)) on the same noise in each iteration of a new GAN: on the images before the discriminator's update, on the
    same images after it, and on what the generator makes of that noise after its own."""
    torch.manual_seed(derive(seed, "turns"))
    system: Any = CATALOG["gan"].build(CATALOG["gan"].config_class())
    real = 2 * images - 1
    found: dict[str, list[float]] = {"before": [], "after": [], "answered": []}
    for _ in range(iterations):
        chosen, noise = (
            real[torch.randint(len(real), (system.config.batch_size,))],
            system.noise(system.config.batch_size),
        )

        def believed(noise: Tensor = noise) -> float:
            with torch.no_grad():
                return float(system.judge(system.generator(noise))[0].sigmoid().mean())

        found["before"].append(believed())
        with torch.no_grad():
            made = system.generator(noise)
        descend(discriminator_loss("non_saturating", *system.judge(chosen, made)), system.optimizers["discriminator"])
        found["after"].append(believed())
        (verdict,) = system.judge(system.generator(noise))
        descend(generator_loss("non_saturating", verdict), system.optimizers["generator"])
        found["answered"].append(believed())
    return found


def saturating(
    images: Tensor, marks: Sequence[int], seed: int
) -> tuple[dict[str, list[float]], dict[str, tuple[float, float]]]:
    """The norm of an untrained generator's gradient by either objective, after each of `marks` updates of the
    discriminator alone on `images` (n, 1, 28, 28) in [0, 1]; and D(G(z)) at the first and the last of them, each with
    the slope of log(1 - D) with respect to the logit, -D."""
    torch.manual_seed(derive(seed, "saturation"))
    system: Any = CATALOG["gan"].build(CATALOG["gan"].config_class())
    norms: dict[str, list[float]] = {"minimax": [], "non_saturating": []}
    start: dict[str, tuple[float, float]] = {}
    real = 2 * images - 1
    for update in range(marks[-1] + 1):
        if update in marks:
            (verdict,) = system.judge(system.generator(system.noise(POINTS)))
            belief = float(verdict.detach().sigmoid().mean())
            start["beaten" if start else "start"] = belief, -belief
            for objective in ("minimax", "non_saturating"):
                loss = generator_loss(objective, verdict)
                gradients = torch.autograd.grad(loss, list(system.generator.parameters()), retain_graph=True)
                norms[objective].append(float(nn.utils.get_total_norm(gradients)))
        chosen = real[torch.randint(len(real), (system.config.batch_size,))]
        with torch.no_grad():
            made = system.generator(system.noise(len(chosen)))
        descend(discriminator_loss("non_saturating", *system.judge(chosen, made)), system.optimizers["discriminator"])
    return norms, start
