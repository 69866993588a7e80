"""A decoder that is told the style: what it is told, what it learns, and one painting as data."""

from dataclasses import replace
from pathlib import Path

import pytest
import torch
from PIL import Image
from torch import nn

import sfumato
from sfumato.data.batches import Batch
from sfumato.data.paintings import painting
from sfumato.data.sources import View, open_data
from sfumato.engine.clock import Clock
from sfumato.errors import SfumatoError
from sfumato.nets.decoder import Decoder
from sfumato.ops.statistics import moments
from sfumato.style.brush import PRESETS, BrushSystem
from sfumato.style.network import DETAILED, MIXED, mixed, prepared


def test_a_decoder_that_has_been_told_nothing_is_as_without() -> None:
    torch.manual_seed(0)
    decoder = Decoder("sfumato", DETAILED, told=True)
    features = {"relu4_1": torch.rand(2, 256, 4, 4), "relu3_1": torch.rand(2, 128, 8, 8)}
    style = {layer: moments(torch.rand(2, values.shape[1], 5, 5)) for layer, values in features.items()}
    assert torch.equal(decoder(features, style), decoder(features))
    assert decoder.telling is not None
    nn.init.normal_(decoder.telling[2].weight)
    first = decoder(features, style)
    assert not torch.equal(first, decoder(features))
    style["relu3_1"] = moments(torch.rand(2, 128, 5, 5))
    assert not torch.equal(first, decoder(features, style))


def test_photographs_come_in_the_paintings_colours() -> None:
    content, style = torch.rand(3, 3, 40, 40), 0.3 + 0.2 * torch.rand(3, 3, 32, 48)
    matched, given = prepared(content, style, torch.tensor([0, 1, 2]))
    torch.testing.assert_close(matched.mean((2, 3)), style.mean((2, 3)), rtol=0, atol=0.01)
    assert 0.01 < float((given - matched).std()) < 0.12
    draft = torch.rand(3, 3, 20, 20)
    expected = nn.functional.interpolate(draft, scale_factor=2, mode="bilinear")
    torch.testing.assert_close(mixed(given, draft), (1 - MIXED) * given + MIXED * expected)


def test_steps_bring_it_nearer_to_one_painting() -> None:
    torch.manual_seed(0)
    system = BrushSystem(replace(PRESETS["painting"], crop=64, resolution=64, warmup=0))
    system.begin()
    style = open_data(("photographs", "paintings"), View(3, 64)).second
    assert style is not None
    batch = Batch(style.train.images([0]).expand(4, -1, -1, -1), None, ends_epoch=False)
    content = Batch(open_data("photographs", View(3, 64)).train.images([0, 4, 9, 14]), None, ends_epoch=False)
    clock, losses = Clock(), []
    for _ in range(12):
        clock.before = clock.images
        clock.advance(4)
        losses.append(float(system.step(iter([(content, batch)]), clock)["loss"]))
    assert sum(losses[-3:]) < 0.9 * sum(losses[:3])
    encoder = dict(system.network.encoder.named_parameters())
    assert all(part.grad is None for part in encoder.values())


def test_a_painting_is_a_set_of_styles(tmp_path: Path) -> None:
    painting("strokes", 0, 200).crop((0, 0, 200, 150)).save(tmp_path / "mine.png")
    data = open_data(("photographs", str(tmp_path / "mine.png")), View(3, 64, fit="short"))
    assert data.second is not None
    assert len(data.second.train) >= 16
    assert data.second.train.images([0, 3]).shape == (2, 3, 64, 64)
    assert data.second.shape == (3, 64, 64)
    sources = ("photographs", str(tmp_path / "mine.png"))
    run = sfumato.train("brush", run=tmp_path / "run", data=sources, images=8, resolution=64, crop=64)
    assert run.manifest.preset == "painting"
    picture = sfumato.stylize(Image.new("RGB", (40, 30), "red"), painting("glass", 0, 64), run=run.path)
    assert picture.size == (40, 30)


def test_a_painting_that_cannot_be_read_is_named(tmp_path: Path) -> None:
    (tmp_path / "bad.png").write_bytes(b"no picture")
    with pytest.raises(SfumatoError, match=r"bad.png: "):
        open_data(("photographs", str(tmp_path / "bad.png")), View(3, 64))
    with pytest.raises(SfumatoError, match="a single file"):
        open_data(str(tmp_path / "bad.png"))
