"""Restyling pictures of any size: tile by tile, with the statistics of the whole picture.

A tile is read with a margin as wide as the network can see, and only what lies inside the margin is kept; at the
picture's own border the network pads as it always does. So the tiles together are what the whole would be.
Pictures are uint8 (1, 3, h, w), RGB, on the CPU.
"""

from collections.abc import Callable, Iterator

import torch
from torch import Tensor

from ..data.pictures import to_bytes
from ..engine.runtime import Runtime
from ..nets.encoders import VGG
from ..ops.statistics import Moments, exchange, moments
from ..ops.tiles import Merged, Tile, padded, tiles
from .network import MULTIPLE, Restyler, Statistics


def margin(restyler: Restyler) -> int:
    """How many pixels away something may lie and still change a pixel, rounded up to whole cells of the code."""
    counts = VGG[restyler.encoder.name].counts[:3]
    strides = (1, 2, 4)
    convolutions = sum(count * stride for count, stride in zip(counts, strides, strict=True))
    encoder = convolutions + MULTIPLE + sum(strides)  # the first convolution of the fourth block, and the pooling
    decoder = convolutions + MULTIPLE + sum(strides) + 1  # nearest upsampling may look one cell further
    return -(-(encoder + decoder) // MULTIPLE) * MULTIPLE


class TiledRestyler:
    """A restyler at work on pictures of any size. `side`: of the largest tile without its margin, a multiple of 8."""

    def __init__(self, restyler: Restyler, runtime: Runtime, side: int) -> None:
        self.restyler = restyler.to(runtime.device, memory_format=runtime.memory_format).eval()  # pyright: ignore[reportCallIssue]
        self.runtime, self.side, self.border = runtime, side, margin(restyler)
        self._latest: tuple[Tensor, dict[str, Tensor]] | None = None

    def style(self, image: Tensor) -> Statistics:
        """The statistics of a style, of any size."""
        return self._measured(padded(image, MULTIPLE), self.restyler.style_eps)

    def count(self, image: Tensor) -> int:
        """How many tiles `image` takes."""
        return len(self._tiles(padded(image, MULTIPLE)))

    @torch.no_grad()
    def restyle(
        self, image: Tensor, style: Statistics, alpha: float = 1.0, advance: Callable[[], object] = lambda: None
    ) -> Tensor:
        """`image` with the statistics `style`, `alpha` of the way from its own. `advance` is called after each tile.
        Returns uint8 of the same shape."""
        height, width = image.shape[2:]
        image = padded(image, MULTIPLE)
        own = self._measured(image, self.restyler.eps)
        goal = {layer: own[layer].lerp(style[layer], alpha) for layer in self.restyler.layers}
        output = torch.empty_like(image)
        for tile, features in self._features(image):
            restyled = {layer: exchange(values, own[layer], goal[layer]) for layer, values in features.items()}
            with self.runtime.autocast():
                pixels = self.restyler.decoder(restyled, goal)
            down, across = tile.down, tile.across
            output[..., down.kept_start : down.kept_stop, across.kept_start : across.kept_stop] = to_bytes(
                tile.kept(pixels, 1)
            )
            advance()
        self._latest = None
        return output[..., :height, :width]

    def _tiles(self, image: Tensor) -> list[Tile]:
        return tiles(image.shape[2], image.shape[3], self.side, self.border)

    def _features(self, image: Tensor) -> Iterator[tuple[Tile, dict[str, Tensor]]]:
        everything = self._tiles(image)
        for tile in everything:
            if len(everything) == 1 and self._latest is not None and self._latest[0] is image:
                yield tile, self._latest[1]  # a picture of one tile is encoded once
                continue
            pixels = tile.read(image).to(self.runtime.device).float() / 255
            pixels = pixels.contiguous(memory_format=self.runtime.memory_format)
            with self.runtime.autocast():
                features = self.restyler.encoder(pixels, self.restyler.layers)
            self._latest = (image, features) if len(everything) == 1 else None
            yield tile, features

    @torch.no_grad()
    def _measured(self, image: Tensor, eps: float) -> Statistics:
        """Mean and deviation of every layer over the whole picture."""
        merged = {layer: Merged() for layer in self.restyler.layers}
        for tile, features in self._features(image):
            for layer, values in features.items():
                kept = tile.kept(values, tile.read(image).shape[2] // values.shape[2])
                merged[layer].add(moments(kept, 0.0), kept[0, 0].numel())
        found = {layer: part.moments(eps, self.restyler.unbiased) for layer, part in merged.items()}
        return {layer: Moments(*(part.to(self.runtime.device) for part in parts)) for layer, parts in found.items()}
