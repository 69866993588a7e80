"""A generator at work on a picture of any size, tile by tile, as it would be on the whole.

Instance norm goes by statistics of the whole picture. So the tiles are read once for each norm at the larger sides, up
to there, and what they have at it is put together; what lies before is computed anew each time, which is little beside
the blocks at the smallest side. Those see the whole picture at once: at a quarter of the side it is small.
"""

from collections.abc import Callable, Sequence

import torch
from torch import Tensor, nn

from ..engine.runtime import Runtime
from ..nets.norms import EPS, InstanceNorm
from ..ops.statistics import Moments, moments, standardised
from ..ops.tiles import Merged, Tile, padded, tiles
from .translator import Parts

TILE = 512
Advance = Callable[[int, int], object]


class TiledGenerator:
    """`side`: of the largest tile without its margin, in pixels. `advance` is told how many tiles were read, of all."""

    def __init__(self, parts: Parts, runtime: Runtime, side: int = TILE, advance: Advance = lambda *_: None) -> None:
        self.parts, self.runtime, self.advance = parts, runtime, advance
        self.side = -(-side // parts.stride) * parts.stride
        self.tiles: list[Tile] = []
        self.done = self.total = 0

    @torch.no_grad()
    def __call__(self, image: Tensor) -> Tensor:
        """`image` (1, c, h, w) in [-1, 1] on the CPU; returns one like it."""
        parts, runtime, (height, width) = self.parts, self.runtime, image.shape[2:]
        image = padded(image, parts.stride)
        self.tiles = tiles(image.shape[2], image.shape[3], self.side, parts.margin)
        self.done, self.total = 0, len(self.tiles) * sum(_norms(part) + 1 for part in (parts.down, parts.up))

        def pixels(tile: Tile) -> Tensor:
            return tile.read(image).to(runtime.device).contiguous(memory_format=runtime.memory_format)

        with runtime.autocast():
            maps = parts.middle(self._whole(parts.down, pixels, parts.stride))
            result = self._whole(parts.up, lambda tile: _cells(tile, maps, parts.stride), 1)
        return result.cpu()[..., :height, :width]

    def _whole(self, layers: nn.Sequential, read: Callable[[Tile], Tensor], stride: int) -> Tensor:
        """What `layers` make of all tiles, put together: values that stand every `stride` pixels."""
        known: list[Moments] = []
        for _ in range(_norms(layers)):
            merged = Merged()
            for tile in self.tiles:
                values = _run(layers, read(tile), known)
                kept = tile.kept(values, (tile.down.stop - tile.down.start) // values.shape[2])
                merged.add(moments(kept, 0.0), kept.shape[2] * kept.shape[3])
                self._count()
            known.append(Moments(*(part.to(self.runtime.device) for part in merged.moments(EPS, unbiased=False))))
        whole: Tensor | None = None
        for tile in self.tiles:
            kept = tile.kept(_run(layers, read(tile), known), stride)
            if whole is None:
                sides = (self.tiles[-1].down.kept_stop // stride, self.tiles[-1].across.kept_stop // stride)
                whole = kept.new_empty((1, kept.shape[1], *sides)).contiguous(memory_format=self.runtime.memory_format)
            top, left = tile.down.kept_start // stride, tile.across.kept_start // stride
            whole[..., top : top + kept.shape[2], left : left + kept.shape[3]] = kept
            self._count()
        assert whole is not None
        return whole

    def _count(self) -> None:
        self.done += 1
        self.advance(self.done, self.total)


def _norms(layers: nn.Sequential) -> int:
    return sum(isinstance(layer, InstanceNorm) for layer in layers)


def _run(layers: nn.Sequential, maps: Tensor, known: Sequence[Moments]) -> Tensor:
    """Through all layers, with the statistics `known` of the first norms; only up to the first norm without."""
    given = iter(known)
    for layer in layers:
        if isinstance(layer, InstanceNorm):
            own = next(given, None)
            if own is None:
                return maps
            maps = standardised(maps, own)
        else:
            maps = layer(maps)
    return maps


def _cells(tile: Tile, maps: Tensor, stride: int) -> Tensor:
    """The part of `maps`, which stand every `stride` pixels, that a tile reads."""
    down, across = tile.down, tile.across
    return maps[..., down.start // stride : down.stop // stride, across.start // stride : across.stop // stride]
