"""What can be asked of the generator of a run: seeds, truncation, noise, mixed styles, walks, edits.

A seed is an image: the first that `sample` draws with it. Systems with styles are asked by styles (n, layers, latent),
the others by noise. Images are (n, c, h, w) in [0, 1], on the CPU.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

import torch
from torch import Tensor

from ..engine.runtime import Runtime
from ..engine.system import Wishes
from ..errors import SfumatoError
from ..family import OpenRun
from ..nets.growing import sides
from ..nets.styles import PER_SIDE
from ..reports.figures import labelled_rows
from ..seeds import derive
from ..weights.load import read_weights
from .directions import FILE, amounts
from .drawing import great_circle, make, painted
from .game import Adversarial
from .styled import Styled

MAX_SEEDS = 1000
MOST_NOISES = 100  # of which a deviation is taken
SHOWN_NOISES = 6
BANDS = {"coarse": (4, 8), "middle": (16, 32), "fine": (64, 2048)}  # sides of the layers, as in the paper's figure 3
PSI = (-1.0, -0.7, -0.3, 0.0, 0.3, 0.7, 1.0)
STRIP, SPAN = 7, 3.0  # images along a direction, from so many deviations on one side to as many on the other
FRAMES = 30  # from one image of a walk to the next
Pixels = Literal["fixed", "random", "none"]


@dataclass(frozen=True)
class Asked:
    """What holds for all images that are drawn: `label`, a class; ψ for all layers or for each side; noise of pixels;
    `edits`, amounts by the names of directions; `start`, a file of styles that `project` wrote, in place of seeds."""

    label: int | None = None
    truncation: Sequence[float] = ()
    noise: Pixels = "fixed"
    edits: Mapping[str, float] = field(default_factory=dict)
    start: Path | None = None

    @property
    def by_style(self) -> bool:
        """Whether only systems with styles can answer."""
        return bool(self.truncation or self.noise != "fixed" or self.edits or self.start)


def seeds_of(text: str) -> list[int]:
    """`1-4,9` as [1, 2, 3, 4, 9]. Raises SfumatoError for anything else."""
    found: list[int] = []
    for part in text.split(","):
        first, dash, last = part.strip().partition("-")
        if not first.isdecimal() or (dash and not last.isdecimal()):
            raise SfumatoError(f"seeds {text!r}: must be whole numbers and ranges, as in 1-64 or 3,5,9-12")
        low, high = int(first), int(last or first)
        if high < low or high - low >= MAX_SEEDS or high >= 2**63:
            raise SfumatoError(f"seeds {text!r}: {part.strip()} must go up, to {MAX_SEEDS:,} seeds at most")
        found += range(low, high + 1)
    if len(found) > MAX_SEEDS:
        raise SfumatoError(f"seeds {text!r}: must be {MAX_SEEDS:,} at most")
    return found


def sampler(
    run: OpenRun, label: int | None = None, truncation: Sequence[float] = (), noise: Pixels = "fixed",
    edits: Mapping[str, float] | None = None, start: Path | None = None,
) -> "Sampler":  # fmt: skip
    """What draws from a run as it is asked: see `Asked`. Raises SfumatoError for one that cannot be asked so."""
    if not isinstance(run.system, Adversarial):
        raise SfumatoError(f"{run.path}: a {run.system_name} run draws from no noise: adversarial ones do")
    return Sampler(run.system, run.runtime, Asked(label, truncation, noise, edits or {}, start), run.path)


class Sampler:
    """Draws what is `asked` from a system; `path`: of its run. Raises SfumatoError for one that cannot be asked so."""

    def __init__(self, system: Adversarial, runtime: Runtime, asked: Asked, path: Path = Path()) -> None:
        self.system, self.runtime, self.asked, self.path = system, runtime, asked, path
        if asked.by_style:
            _ = self.styled
        system.label_of(Wishes(asked.label))
        self.generator = torch.Generator().manual_seed(derive(0, "noise of pixels"))
        self.found = None if asked.start is None else read_projection(asked.start, self.styled)

    def noise(self, seeds: Sequence[int]) -> Tensor:
        """(n, latent)."""
        return torch.cat([
            torch.randn(1, self.system.config.latent, generator=torch.Generator().manual_seed(derive(seed, "sample")))
            for seed in seeds
        ])  # fmt: skip

    def labels(self, count: int) -> Tensor | None:
        label = self.asked.label
        return self.system.in_turn(count) if label is None else torch.full((count,), label)

    def images(self, seeds: Sequence[int]) -> Tensor:
        """An image of each seed."""
        if isinstance(self.system, Styled):
            return self.paint(self.styles(seeds))
        return make(self.system, self.noise(seeds), self.runtime, self.labels(len(seeds)))

    @property
    def styled(self) -> Styled:
        if not isinstance(self.system, Styled):
            raise SfumatoError(f"{self.path}: {type(self.system).__name__} has no styles: stylegan and stylegan2 have")
        return self.system

    @torch.no_grad()
    def styles(self, seeds: Sequence[int]) -> Tensor:
        """(n, layers, latent): those of the seeds, or of the file that is asked for; truncated and edited."""
        system = self.styled
        if self.found is not None:
            styles = self.found[0].to(system.mean_style)
        else:
            styles = system.everywhere(system.styles_of(self.noise(seeds), self.labels(len(seeds))))
        if self.asked.truncation:
            styles = system.truncate(styles, self.asked.truncation)
        if self.asked.edits:
            styles = styles + amounts(self.path / FILE, self.asked.edits, system).to(styles)
        return styles

    def paint(self, styles: Tensor) -> Tensor:
        """The images of styles (n, layers, latent)."""
        return painted(self.styled, styles, self.runtime, self._pixels)

    def _pixels(self, count: int) -> Sequence[Tensor] | None:
        if self.asked.noise == "none":
            return None
        if self.asked.noise == "fixed" and self.found is not None:
            return [values.to(self.styled.mean_style) for values in self.found[1]]
        return self.styled.fixed_noise if self.asked.noise == "fixed" else self.styled.new_noise(count, self.generator)

    def mixed(self, rows: Sequence[int], columns: Sequence[int]) -> bytes:
        """The paper's table: images of the seeds `rows` at the left, of `columns` at the top; inside, those of the rows
        with the styles of the column in the layers of each band. A PNG."""
        if len(rows) * len(columns) > MAX_SEEDS:
            raise SfumatoError(f"mix: {len(rows):,} by {len(columns):,} seeds: {MAX_SEEDS:,} mixtures are the most")
        styles = [self.styles(seeds) for seeds in (rows, columns)]
        own, others = (self.paint(part) for part in styles)
        table = {"": torch.cat([torch.ones_like(own[:1]), others])}
        for band, layers in bands(self.styled).items():
            for place, seed in enumerate(rows):
                crossed = styles[0][place].repeat(len(columns), 1, 1)
                crossed[:, layers] = styles[1][:, layers]
                table[f"{band}\nseed {seed}"] = torch.cat([own[place : place + 1], self.paint(crossed)])
        return labelled_rows(table, ["", *(f"seed {seed}" for seed in columns)])

    def truncated(self, seeds: Sequence[int]) -> dict[str, Tensor]:
        """Images of each seed under each of PSI, for all layers; and of the first for the layers of one band alone."""
        system, found = self.styled, {}
        styles = self.styles(seeds)
        for seed, style in zip(seeds, styles, strict=True):
            found[f"seed {seed}"] = self.paint(torch.cat([system.truncate(style[None], [psi]) for psi in PSI]))
        for band, layers in bands(system).items():
            rows = styles[:1].repeat(len(PSI), 1, 1)
            for row, psi in zip(rows, PSI, strict=True):
                row[layers] = system.truncate(styles[:1], [psi])[0, layers]
            found[f"seed {seeds[0]}, {band}"] = self.paint(rows)
        return found

    def walk(self, seeds: Sequence[int], frames: int = FRAMES) -> Tensor:
        """From the image of each seed to that of the next, and from the last to the first, `frames` each: straight in
        w, or along great circles of the noise."""
        if len(seeds) < 2:
            raise SfumatoError("a walk goes from seed to seed: give two or more, as in --seeds 1-4")
        shares = torch.arange(frames) / frames
        if isinstance(self.system, Styled):
            ends = self.styles(seeds)
            return self.paint(
                torch.lerp(ends[:, None], ends.roll(-1, 0)[:, None], shares[:, None, None].to(ends)).flatten(0, 1)
            )
        ends, labels = self.noise(seeds), self.labels(1)
        steps = great_circle(ends[:, None], ends.roll(-1, 0)[:, None], shares[:, None]).flatten(0, 1)
        return make(self.system, steps, self.runtime, None if labels is None else labels.expand(len(steps)))

    def strips(self, seed: int, directions: Mapping[str, Tensor]) -> bytes:
        """The image of a seed, moved to either side along each direction. A PNG."""
        styles = self.styles([seed])
        shifts = torch.linspace(-SPAN, SPAN, STRIP)
        rows = {
            name: self.paint(styles + shifts[:, None, None].to(styles) * vector.to(styles))
            for name, vector in directions.items()
        }
        return labelled_rows(rows, [f"{shift:+.1f}σ" for shift in shifts.tolist()])

    def stochastic(self, seed: int) -> bytes:
        """One style under several noises of the pixels, and how much each pixel deviates over many: the paper's figure
        4. A PNG."""
        styles = self.styles([seed]).expand(MOST_NOISES, -1, -1)
        images = painted(self.styled, styles, self.runtime, lambda count: self.styled.new_noise(count, self.generator))
        deviation = images.std(0).mean(0, keepdim=True).expand(images.shape[1], -1, -1)
        most = float(deviation.max())
        rest = torch.ones_like(images[: SHOWN_NOISES - 1])
        map_ = torch.cat([deviation[None] / max(most, 1e-9), rest])
        return labelled_rows({f"seed {seed}": images[:SHOWN_NOISES], f"deviation\n(white: {most:.3f})": map_})


def bands(system: Styled) -> dict[str, slice]:
    """The layers of each of BANDS that there are."""
    there = sides(system.config.resolution)
    found = {}
    for name, (low, high) in BANDS.items():
        inside = [level for level, side in enumerate(there) if low <= side <= high]
        if inside:
            found[name] = slice(PER_SIDE * inside[0], PER_SIDE * (inside[-1] + 1))
    return found


def read_projection(path: Path, system: Styled) -> tuple[Tensor, list[Tensor]]:
    """Styles (1, layers, latent) and the noise of pixels from a file of `project`. Raises SfumatoError for one that is
    none of this system's."""
    tensors = read_weights(path)
    owed = {"styles": (1, system.layers, system.config.latent)}
    owed |= {f"noise.{place}": tuple(values.shape) for place, values in enumerate(system.fixed_noise)}
    if {name: tuple(values.shape) for name, values in tensors.items()} != owed:
        raise SfumatoError(f"{path}: is no projection into a run like this: `sfumato project` makes them")
    return tensors["styles"].float(), [tensors[name].float() for name in owed if name != "styles"]
