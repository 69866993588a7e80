"""Restyling pictures of any size: tile by tile, with the statistics of the whole picture.

A tile is read with a margin as wide as the network can see, and only what lies inside the margin is kept; at the
picture's own border the network pads as it always does. So the tiles together are what the whole would be.
Pictures are uint8 (1, 3, h, w), RGB, on the CPU; masks are (n, 1, h, w) in [0, 1]: each region's share of each pixel.
"""

from collections.abc import Callable, Iterator, Sequence

import torch
from torch import Tensor
from torch.nn import functional as F

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
        (found,) = self._measured(padded(image, MULTIPLE), None)
        return self._finished(found, self.restyler.style_eps)

    def count(self, image: Tensor) -> int:
        """How many tiles `image` takes."""
        return len(self._tiles(padded(image, MULTIPLE)))

    @torch.no_grad()
    def restyle(
        self, image: Tensor, styles: Sequence[Statistics | None], masks: Tensor | None = None, alpha: float = 1.0,
        advance: Callable[[], object] = lambda: None,
    ) -> Tensor:  # fmt: skip
        """`image` with the statistics `styles`, one for each region in `masks` (one for all without), `alpha` of the
        way from its own; None leaves a region its own. `advance` is called after each tile. Returns uint8 of the same
        shape."""
        height, width = image.shape[2:]
        image = padded(image, MULTIPLE)
        masks = None if masks is None else padded(masks, MULTIPLE)
        own = [self._finished(region, self.restyler.eps) for region in self._measured(image, masks)]
        goals = [
            mine if style is None else {layer: mine[layer].lerp(style[layer], alpha) for layer in self.restyler.layers}
            for mine, style in zip(own, styles, strict=True)
        ]
        output = torch.empty_like(image)
        for tile, features in self._features(image):
            shares = None if masks is None else self._shares(tile.read(masks), features)
            restyled = {}
            for layer, values in features.items():
                each = [exchange(values, mine[layer], goal[layer]) for mine, goal in zip(own, goals, strict=True)]
                restyled[layer] = (
                    each[0] if shares is None
                    else sum(part * share for part, share in zip(each, shares[layer], strict=True))
                )  # fmt: skip
            with self.runtime.autocast():
                pixels = self.restyler.decoder(restyled)
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

    def _shares(self, masks: Tensor, features: dict[str, Tensor]) -> dict[str, Tensor]:
        """The part that each region has in each cell, (n, 1, h, w) by layer."""
        found = {}
        for layer, values in features.items():
            stride = masks.shape[2] // values.shape[2]
            found[layer] = F.avg_pool2d(masks.to(self.runtime.device), stride)
        return found

    def _finished(self, region: "dict[str, Merged]", eps: float) -> Statistics:
        found = {layer: merged.moments(eps, self.restyler.unbiased) for layer, merged in region.items()}
        return {layer: Moments(*(part.to(self.runtime.device) for part in parts)) for layer, parts in found.items()}

    @torch.no_grad()
    def _measured(self, image: Tensor, masks: Tensor | None) -> "list[dict[str, Merged]]":
        """Mean and variance of every layer over the whole picture, by region."""
        regions: list[dict[str, Merged]] = [
            {layer: Merged() for layer in self.restyler.layers} for _ in range(1 if masks is None else len(masks))
        ]
        for tile, features in self._features(image):
            shares = None if masks is None else self._shares(tile.read(masks), features)
            for layer, values in features.items():
                stride = tile.read(image).shape[2] // values.shape[2]
                kept = tile.kept(values, stride)
                for index, region in enumerate(regions):
                    weights = None if shares is None else tile.kept(shares[layer][index : index + 1], stride)
                    total = kept[0, 0].numel() if weights is None else float(weights.sum())
                    region[layer].add(moments(kept, 0.0, weights=weights), total)
        return regions
