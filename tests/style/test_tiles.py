"""Tiles are the whole: any size, any grid, with masks and without."""

from typing import cast

import pytest
import torch
from torch import Tensor, nn

from sfumato.engine.runtime import Runtime
from sfumato.nets.decoder import Decoder
from sfumato.nets.encoders import build_encoder
from sfumato.ops.statistics import moments
from sfumato.ops.tiles import Merged, spans
from sfumato.style.network import Brush, Restyler
from sfumato.style.painter import BrushPainter
from sfumato.style.tiles import TiledRestyler, margin

RUNTIME = Runtime(torch.device("cpu"), "fp32")
WHOLE = 4096


@pytest.fixture(scope="module")
def restyler() -> Restyler:
    """Random weights, loud enough that a pixel's far neighbours would be noticed."""
    torch.manual_seed(0)
    network = Restyler(build_encoder("sfumato", "reflect"), Decoder("sfumato", ("relu4_1", "relu3_1"))).requires_grad_(
        False
    )
    for parameter in network.parameters():
        parameter.mul_(1.7)
    return network


def picture(height: int, width: int, seed: int = 0) -> Tensor:
    generator = torch.Generator().manual_seed(seed)
    return torch.randint(256, (1, 3, height, width), dtype=torch.uint8, generator=generator)


@pytest.mark.parametrize(("height", "width", "side"), [(203, 310, 64), (128, 96, 48), (75, 400, 136), (9, 17, 8)])
def test_tiled_is_whole(restyler: Restyler, height: int, width: int, side: int) -> None:
    content, style = picture(height, width), picture(90, 120, 1)
    results = []
    for size in (side, WHOLE):
        tiled = TiledRestyler(restyler, RUNTIME, size)
        results.append(tiled.restyle(content, tiled.style(style)).int())
    assert results[0].shape == content.shape
    assert results[0].float().std() > 1
    assert (results[0] - results[1]).abs().max() <= 1


@pytest.mark.parametrize(("height", "width", "side"), [(203, 310, 64), (1, 1, 64), (12, 1200, 136), (640, 30, 48)])
def test_a_brush_paints_tile_by_tile_as_in_one(restyler: Restyler, height: int, width: int, side: int) -> None:
    torch.manual_seed(1)
    brush = Brush(restyler.encoder, Decoder("sfumato", ("relu4_1", "relu3_1"), told=True)).requires_grad_(False)
    assert brush.decoder.telling is not None
    nn.init.normal_(cast(nn.Linear, brush.decoder.telling[2]).weight, std=0.05)
    content, styles = picture(height, width), [picture(90, 120, 1), picture(64, 64, 2)]
    results = [
        BrushPainter(brush, RUNTIME, size).paint(content, styles, [0.3, 0.7], 0.8, 0, lambda: None).int()
        for size in (side, WHOLE)
    ]
    assert results[0].shape == content.shape
    assert (results[0] - results[1]).abs().max() <= 2  # levels are rounded between the two passes
    others = BrushPainter(brush, RUNTIME, WHOLE).paint(content, styles, [0.7, 0.3], 0.8, 0, lambda: None)
    assert (results[1] - others.int()).abs().max() > 0


def test_the_margin_is_as_wide_as_the_network_sees(restyler: Restyler) -> None:
    """A pixel changed further away than the margin changes nothing; statistics are held still."""
    border = margin(restyler)
    content = torch.rand(1, 3, 2 * border + 24, 24)
    other = content.clone()
    other[:, :, 0] = 1 - other[:, :, 0]
    outputs = []
    for image in (content, other):
        features = restyler.encoder(image, restyler.layers)
        outputs.append(restyler.decoder(features))
    difference = (outputs[0] - outputs[1]).abs().amax((0, 1, 3))
    assert difference[border:].max() == 0
    assert difference[: border // 2].max() > 0


def test_without_strength_the_style_does_not_matter(restyler: Restyler) -> None:
    tiled = TiledRestyler(restyler, RUNTIME, WHOLE)
    content = picture(64, 64)
    first, second = (tiled.restyle(content, tiled.style(picture(64, 64, s)), alpha=0.0) for s in (1, 2))
    assert torch.equal(first, second)


def test_whole_pictures_are_what_the_network_gives(restyler: Restyler) -> None:
    content, style = picture(64, 80), picture(72, 64, 1)
    tiled = TiledRestyler(restyler, RUNTIME, WHOLE)
    found = tiled.restyle(content, tiled.style(style))
    expected = restyler(content / 255, style / 255).clamp(0, 1) * 255
    assert (found - expected).abs().max() <= 0.51


def test_merged_moments_are_those_of_everything() -> None:
    values = torch.randn(1, 4, 30, 10) * 5 + 100
    merged = Merged()
    for part in values.split((7, 20, 3), dim=2):
        merged.add(moments(part, 0.0), part[0, 0].numel())
    for unbiased in (False, True):
        for found, expected in zip(merged.moments(1e-5, unbiased), moments(values, 1e-5, unbiased), strict=True):
            torch.testing.assert_close(found, expected, rtol=1e-4, atol=1e-4)


def test_spans_keep_every_pixel_once() -> None:
    for length, side in ((8, 8), (64, 24), (200, 64)):
        pieces = spans(length, side, 16)
        assert [piece.kept_start for piece in pieces[1:]] == [piece.kept_stop for piece in pieces[:-1]]
        assert (pieces[0].start, pieces[-1].stop) == (0, length)
        assert all(piece.start % 8 == 0 for piece in pieces)
