"""What the StyleGAN study measures of its runs: maps, paths, tables of styles, and what sticks to the screen."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from ...gans.drawing import draw
from ...gans.latents import lengths_of_paths, separability, trimmed
from ...gans.measures import count_for
from ...gans.sampling import sampler
from ...metrics.judges import judge_of
from ...seeds import derive
from ..study import Lab, Measured
from .experiments import Warped, warped

SHOWN = 10
MAPPED = 64  # images whose maps are looked at
PATHS = {True: 1_000, False: 300}  # ways that are measured
SORTED = {True: 4_000, False: 1_000}  # images that planes sort
ROWS, COLUMNS, ANOTHER = (1, 2, 3), (4, 5, 6, 7, 8), 11  # seeds
WALKED = (21, 22, 23, 24)
FRAMES = 24  # from seed to seed
STYLED = ("stylegan", "stylegan2")
NOISES = ("fixed", "random", "none")


@dataclass(frozen=True)
class Maps:
    """How loud a layer's maps are at each place: `norms` (n, side, side) over channels of a few images, and `peak`, the
    largest over the median, averaged over all."""

    side: int
    norms: Tensor
    peak: float


@dataclass(frozen=True)
class Walked:
    """`frames` (n, c, h, w) of a walk; shares of fine and of coarse detail that stay where they are."""

    frames: Tensor
    fine: float
    coarse: float


@dataclass(frozen=True, kw_only=True)
class StyleGenerators(Measured):
    """By run: `drawn` images, `maps` of the last layer of each side, `lengths` of paths, `sorted` by planes, `walks`.
    Of StyleGAN2: `mixing` and `stochastic` pictures (PNG), images under each ψ for all layers and band by band, and under
    each kind of noise with their distances. `measure`: the distance that all runs have."""

    real: Tensor
    drawn: Mapping[str, Tensor]
    maps: Mapping[str, Sequence[Maps]]
    lengths: Mapping[str, Mapping[str, Tensor]]
    sorted: Mapping[str, Mapping[str, float]]
    walks: Mapping[str, Walked]
    mixing: bytes
    stochastic: bytes
    truncated: Mapping[str, Tensor]
    noises: Mapping[str, tuple[Tensor, float]]
    square: Warped
    measure: str
    network: str
    count: int


def measure(lab: Lab) -> StyleGenerators:
    data, runtime, runs, full = lab.data, lab.runtime, lab.finished(), lab.settings.full
    count = count_for(data)
    judge: Any = judge_of(data, runtime, count)
    key = "fcd" if runs["stylegan2"].evaluation.has("fcd") else "frechet"
    asked = sampler(lab.runs["stylegan2"])
    return StyleGenerators(
        data=data,
        full=full,
        runs=runs,
        notes={"network": judge.name, "images in each measured set": count},
        real=data.test.images(range(min(SHOWN, len(data.test)))),
        drawn={name: draw(lab.system(name), SHOWN, runtime) for name in runs},
        maps={name: loudness(lab.system(name), lab) for name in STYLED},
        lengths={
            name: lengths_of_paths(lab.system(name), judge, runtime, PATHS[full]) for name in (*STYLED, "free", "eager")
        },
        sorted={name: separability(lab.system(name), judge, runtime, SORTED[full]) for name in STYLED if key == "fcd"},
        walks={name: walked(sampler(lab.runs[name]).walk(WALKED, FRAMES)) for name in STYLED},
        mixing=asked.mixed(ROWS, COLUMNS),
        stochastic=asked.stochastic(ANOTHER),
        truncated=asked.truncated(ROWS),
        noises={kind: noised(lab, kind, judge, key, count) for kind in NOISES},
        square=warped(full, lab.settings.seed),
        measure=key,
        network=judge.name,
        count=count,
    )


@torch.no_grad()
def loudness(system: Any, lab: Lab) -> list[Maps]:
    """Of the maps behind the last layer of each side."""
    heard: dict[int, Tensor] = {}

    def listen(_: nn.Module, __: Any, maps: Tensor) -> None:
        heard[maps.shape[-1]] = maps.float().norm(dim=1).cpu()

    hooks = [layer.register_forward_hook(listen) for layer in system.maker.synthesis.layers]
    draw(system, MAPPED, lab.runtime)
    for hook in hooks:
        hook.remove()
    return [
        Maps(side, norms[:SHOWN], float((norms.flatten(1).amax(1) / norms.flatten(1).median(1).values).mean()))
        for side, norms in sorted(heard.items())
    ]


def walked(frames: Tensor) -> Walked:
    """What stays of the detail of a walk: the energy of the mean frame over the mean energy of frames, finer and coarser
    than 4 pixels."""
    smooth = F.interpolate(F.avg_pool2d(frames, 4), frames.shape[-2:], mode="bilinear")
    shares = []
    for part in (frames - smooth, smooth - frames.mean((2, 3), keepdim=True)):
        shares.append(float(part.mean(0).square().sum() / part.square().sum((1, 2, 3)).mean()))
    return Walked(frames, *shares)


def noised(lab: Lab, kind: Any, judge: Any, key: str, count: int) -> tuple[Tensor, float]:
    """Images under one kind of noise, and the distance of as many as are measured."""
    asked = sampler(lab.runs["stylegan2"], noise=kind)
    latents = torch.randn(
        count, asked.styled.config.latent, generator=torch.Generator().manual_seed(derive(lab.settings.seed, "noises"))
    )
    images = asked.paint(asked.styled.everywhere(asked.styled.styles_of(latents)))
    return images[:SHOWN], judge.measure(judge.see(images), quick=True)[key]


def path_means(lengths: Mapping[str, Tensor]) -> dict[str, float]:
    return {name: trimmed(values) for name, values in lengths.items()}


def seconds_to(run: Any, key: str) -> tuple[list[float], list[float]]:
    """Seconds of training and the distance on the way."""
    rows = [row for row in run.history.measures if key in row and "seconds" in row]
    return [row["seconds"] for row in rows], [row[key] for row in rows]
