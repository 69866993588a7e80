"""A painting by optimisation, from coarse to fine: strokes are laid while the picture is small, and worked out later.

After Gatys et al. 2016, https://doi.org/10.1109/CVPR.2016.265, with the losses of `texture.py`. Pictures are
(1, 3, h, w) in [0, 1].
Departs from the paper: pixels move by Adam, at a rate that falls along a cosine at each size; the photograph comes in
the painting's colours, with noise that flows along its edges; pictures above TILE pixels are looked at in tiles, twice
a step: once for the statistics of the whole, of which the loss is made, once for the gradients of each tile's share.
"""

import math
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional as F

from ..engine.annealing import set_rate
from ..engine.runtime import Runtime
from ..engine.system import Scalars
from ..ops.colour import transported
from ..ops.strokes import flow_noise
from ..ops.style_losses import total_variation
from ..ops.tiles import Tile, tiles
from ..seeds import derive
from .gatys import PictureTick
from .network import FLOOR
from .texture import OFFSET, Eye, Offset, Sums, Textures, paint_errors, seen, summed, textures

TILE, MARGIN = 512, 64  # pixels, multiples of 16: what is kept of a tile, and what is read around it
SMALLEST = 32  # pixels on the shorter side of the coarsest size
OFFSETS = 8  # views that steps take in turn; the photograph is looked at from each of them once
LAST = 0.1  # of the rate, at the end of a size
BEGUN = 0.4  # of the usual rates, where there is a picture to begin with: strokes are there, and are worked out
WATCHED = 3  # steps after which it is known how long they take
LEAST, MOST = 0.1, 20.0  # times the usual number of steps


@dataclass(frozen=True, kw_only=True)
class Size:
    """So many steps at the first rate `rate` while the longer side is `side` pixels."""

    side: int
    steps: int
    rate: float


USUAL = (Size(side=128, steps=60, rate=0.05), Size(side=256, steps=36, rate=0.03), Size(side=512, steps=16, rate=0.02),
         Size(side=1024, steps=10, rate=0.015), Size(side=2048, steps=6, rate=0.012))  # fmt: skip


@dataclass(frozen=True, kw_only=True)
class Hand:
    """How it is painted."""

    content_weight: float = 8.0  # of the forms
    style_weight: float = 2.5  # of the errors in moments and in covariances, summed over the layers
    smoothness: float = 60.0  # of the total variation
    noise: float = 0.08  # deviation of what flows along the edges at the start
    matched: bool = True  # the photograph in the painting's colours
    scale: float = 1.0  # of the painting, and so of its strokes
    sizes: tuple[Size, ...] = USUAL
    effort: float = 1.0  # times the usual steps
    seconds: float | None = None  # which the steps are fitted to, once it is known how long they take


def paint_finely(
    content: Tensor, styles: Sequence[Tensor], shares: Sequence[float], eye: Eye, hand: Hand, runtime: Runtime,
    seed: int = 0, start: Tensor | None = None,
) -> Iterator[PictureTick]:  # fmt: skip
    """Yields after each step; the last tick holds the result. `start`: a picture to begin with, at half size, in place
    of the photograph at the smallest."""
    began = time.monotonic()
    eye = eye.to(runtime.device, memory_format=runtime.memory_format)  # pyright: ignore[reportCallIssue]
    content, *styles = (picture.to(runtime.device) for picture in (content, *styles))
    matched = in_colours(content, styles, shares) if hand.matched else content
    plan = planned(content.shape[2:], hand, start is not None)
    done, effort, pace = 0, hand.effort, 1.0 if start is None else BEGUN
    total = sum(counted(size, effort) for _, size in plan)
    picture = matched if start is None else start.to(runtime.device)
    drawn = torch.tensor([derive(seed, "strokes") % 2**31])
    for index, (shape, size) in enumerate(plan):
        there = resized(matched, shape)
        picture = resized(picture, shape)
        if index == 0:
            picture = (picture + hand.noise * flow_noise(there, drawn)).clamp(0, 1)
        goals = [eye_of(eye, style, shape, hand.scale, runtime) for style in styles]
        canvas = Canvas(picture, there, goals, shares, eye, hand, runtime, derive(seed, "views", index))
        steps, since = counted(size, effort), time.monotonic()
        step = 0
        while step < steps:
            scalars = canvas.step(pace * size.rate * falling(step / steps))
            step, done = step + 1, done + 1
            if hand.seconds is not None and index == 0 and step == WATCHED:
                effort = affordable(plan, (time.monotonic() - since) / step, hand.seconds - (since - began))
                steps = max(step, counted(size, effort))
                total = steps + sum(counted(later, effort) for _, later in plan[1:])
            yield PictureTick(scalars, done, 1, total, canvas)
        picture = canvas.image


def planned(shape: Sequence[int], hand: Hand, begun: bool) -> list[tuple[tuple[int, int], Size]]:
    """Heights and widths, coarse to fine, each with what is done there. `begun`: from half the size on."""
    longer, sizes = max(shape), []
    factor = 1.0
    while True:
        here = (max(1, round(shape[0] / factor)), max(1, round(shape[1] / factor)))
        size = min(hand.sizes, key=lambda size: abs(math.log(size.side / max(here))))
        sizes.insert(0, (here, size))
        factor *= 2
        smaller = longer / factor
        if smaller < hand.sizes[0].side / math.sqrt(2) or min(shape) / factor < SMALLEST or (begun and factor > 2):
            return sizes


def counted(size: Size, effort: float) -> int:
    return max(1, round(size.steps * effort))


def affordable(plan: Sequence[tuple[tuple[int, int], Size]], step: float, seconds: float) -> float:
    """Times the usual steps, if one at the first size takes so long: they grow with the pixels."""
    (height, width), _ = plan[0]
    usual = sum(size.steps * step * max(1.0, h * w / (height * width)) for (h, w), size in plan)
    return min(MOST, max(LEAST, seconds / usual))


def falling(share: float) -> float:
    return LAST + (1 - LAST) * 0.5 * (1 + math.cos(math.pi * share))


def in_colours(content: Tensor, styles: Sequence[Tensor], shares: Sequence[float]) -> Tensor:
    """`content` in the colours of the styles, as much of each as its share."""
    parts = [share * transported(content, style, FLOOR) for style, share in zip(styles, shares, strict=True)]
    return torch.stack(parts).sum(0).clamp(0, 1)


@torch.no_grad()
def eye_of(eye: Eye, style: Tensor, shape: Sequence[int], scale: float, runtime: Runtime) -> Textures:
    """The textures of a style whose longer side is that of `shape`, times `scale`; never enlarged."""
    factor = min(1.0, scale * max(shape) / max(style.shape[2:]))
    sized = resized(style, [max(SMALLEST, round(side * factor)) for side in style.shape[2:]])
    with runtime.autocast():
        return eye.textures(sized)


class Canvas:
    """A picture that is changed at one size. `content`: of that size; `goals`: the styles' textures.

    What Adam moves is `change`, which is blurred and added to the start: a network with strides does not see checks of
    single pixels, and would leave them behind as grain.
    """

    def __init__(
        self, start: Tensor, content: Tensor, goals: Sequence[Textures], shares: Sequence[float], eye: Eye, hand: Hand,
        runtime: Runtime, seed: int,
    ) -> None:  # fmt: skip
        self.start = start.contiguous(memory_format=runtime.memory_format)
        self.change = torch.zeros_like(self.start).requires_grad_()
        self.content, self.goals, self.shares = content, goals, shares
        self.eye, self.hand, self.runtime = eye, hand, runtime
        self.optimizer = torch.optim.Adam([self.change], fused=True)
        generator = torch.Generator().manual_seed(seed)
        self.offsets: list[Offset] = [
            (int(down), int(across)) for down, across in torch.randint(OFFSET, (OFFSETS, 2), generator=generator)
        ]
        self.steps = 0
        self._forms: dict[tuple[int, int], Tensor] = {}

    @property
    def image(self) -> Tensor:
        with torch.no_grad():
            return self._shown()

    def _shown(self) -> Tensor:
        around = F.pad(self.change, (1, 1, 1, 1), mode="replicate")
        return (self.start + F.avg_pool2d(F.avg_pool2d(around, 2, 1), 2, 1)).clamp(0, 1)

    def step(self, rate: float) -> Scalars:
        """One update of the pixels; returns the losses before it."""
        set_rate(self.optimizer, rate)
        offset = self.steps % OFFSETS
        self.change.grad = None
        view = seen(self._shown(), self.offsets[offset])
        parts = tiles(view.shape[2], view.shape[3], TILE, MARGIN)
        scalars = self._whole(view, offset) if len(parts) == 1 else self._in_tiles(view, offset, parts)
        self.optimizer.step()
        self.steps += 1
        return {name: value.detach() for name, value in scalars.items()}

    def _whole(self, view: Tensor, offset: int) -> Scalars:
        found, missed = self._looked(view, offset, None)
        scalars = self._judged(found, *missed)
        scalars["loss"].backward()
        return scalars

    def _in_tiles(self, view: Tensor, offset: int, parts: Sequence[Tile]) -> Scalars:
        """The gradients of `_whole`, a tile at a time."""
        held = view.detach().requires_grad_()
        with torch.no_grad():
            known = [self._looked(tile.read(held), offset, tile, at) for at, tile in enumerate(parts)]
        first = known[0][0]
        totals = {
            name: Sums(
                sum(found[name].places for found, _ in known),
                _total([found[name].first for found, _ in known]),
                _total([found[name].second for found, _ in known]),
            )
            for name in first
        }
        missed, size = (_total([forms[part] for _, forms in known]) for part in (0, 1))
        scalars = self._judged(totals, missed, size)
        scalars["loss"].backward()  # to the sums, and by the total variation to the pixels
        for at, tile in enumerate(parts):
            found, (here, _) = self._looked(tile.read(held), offset, tile, at)
            given = [(here, missed.grad)]
            for name, total in totals.items():
                given += [(found[name].first, total.first.grad), (found[name].second, total.second.grad)]
            torch.autograd.backward([value for value, _ in given], [grad for _, grad in given])
        view.backward(held.grad)
        return scalars

    def _looked(
        self, view: Tensor, offset: int, tile: Tile | None, at: int = 0
    ) -> tuple[dict[str, Sums], tuple[Tensor, Tensor]]:  # fmt: skip
        """The sums over what is kept of a tile, and by how much, squared, its forms miss the photograph's and are
        long."""
        with self.runtime.autocast():
            forms, maps = self.eye.see(view)
            target = self._forms_of(offset, tile, at)
            if tile is not None:
                maps = {name: tile.kept(values, view.shape[2] // values.shape[2]) for name, values in maps.items()}
                forms = tile.kept(forms, view.shape[2] // forms.shape[2])
            missed = torch.linalg.vector_norm(forms - target, dtype=torch.float32).square()
            found = summed(maps)
        return found, (missed, torch.linalg.vector_norm(target, dtype=torch.float32).square())

    @torch.no_grad()
    def _forms_of(self, offset: int, tile: Tile | None, at: int) -> Tensor:
        """Of the photograph, what is kept of a tile; remembered unless it is cut into tiles."""
        if (known := self._forms.get((offset, at))) is not None:
            return known
        view = seen(self.content, self.offsets[offset])
        part = view if tile is None else tile.read(view)
        forms = self.eye.forms(part)
        if tile is None:
            self._forms[offset, at] = forms
            return forms
        return tile.kept(forms, part.shape[2] // forms.shape[2])

    def _judged(self, found: dict[str, Sums], missed: Tensor, size: Tensor) -> Scalars:
        hand, seen_textures = self.hand, textures(found)
        content = missed / size.clamp_min(1e-8)
        paint = torch.zeros_like(content)
        for goal, share in zip(self.goals, self.shares, strict=True):
            for errors in paint_errors(seen_textures, goal):
                paint = paint + share * errors.sum()
        rough = total_variation(self._shown())
        loss = hand.content_weight * content + hand.style_weight * paint + hand.smoothness * rough
        return {"loss": loss, "content": content, "style": paint, "variation": rough}


def _total(parts: Sequence[Tensor]) -> Tensor:
    """Their sum, of which gradients are asked."""
    return torch.stack(list(parts)).sum(0).requires_grad_()


def resized(picture: Tensor, shape: Sequence[int]) -> Tensor:
    if list(picture.shape[2:]) == list(shape):
        return picture
    return F.interpolate(picture, size=list(shape), mode="bicubic", align_corners=False, antialias=True).clamp(0, 1)
