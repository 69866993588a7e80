"""The digit reader that comes with the package, and those that are trained for other data."""

from dataclasses import replace
from pathlib import Path

import pytest
import torch

from sfumato.data.dataset import ImageData
from sfumato.data.sources import View, open_data
from sfumato.engine.runtime import Runtime
from sfumato.metrics import digit_reader
from sfumato.metrics.digit_reader import FILE, make, reader_for, shipped_reader
from sfumato.weights.known import SHIPPED


def test_the_shipped_one_is_small_and_reads_the_embedded_digits(runtime: Runtime) -> None:
    assert (SHIPPED / FILE).stat().st_size <= 150_000
    card = (SHIPPED / "README.md").read_text("utf-8")
    assert shipped_reader().hash() in card
    data = open_data("digits", View(channels=1, resolution=28))
    reader, right = reader_for(data, runtime, 0)
    assert reader.hash() == shipped_reader().hash()
    assert right > 0.98
    noise = torch.rand(200, 1, 28, 28, generator=torch.Generator().manual_seed(0))
    assert reader.legible(data.test.images()).float().mean() > 0.9
    assert reader.legible(noise).float().mean() < 0.2


def test_another_is_trained_for_what_it_cannot_read_and_kept(
    toy: ImageData, runtime: Runtime, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("SFUMATO_CACHE", str(tmp_path))
    train, calls = digit_reader.train_reader, []
    monkeypatch.setattr(
        digit_reader, "train_reader", lambda *arguments: calls.append(1) or train(*arguments, images=640)
    )
    digits = tuple("0123456789")
    named_so = replace(toy, classes=digits, fingerprint="not digits")  # two kinds of noise under digits' names
    hashes = [reader_for(data, runtime, 0)[0].hash() for data in (toy, toy, named_so)]
    assert len(calls) == 2
    assert hashes[0] == hashes[1]
    assert shipped_reader().hash() not in hashes
    (first, _) = sorted((tmp_path / "readers").iterdir())
    first.write_bytes(b"damaged")
    assert reader_for(toy, runtime, 0)[1] == reader_for(toy, runtime, 0)[1] > 0.9


def test_it_is_made_by_a_command(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(digit_reader, "SHIPPED_IMAGES", 2_560)
    told = make(["digits", "digits"], tmp_path)
    assert (tmp_path / FILE).stat().st_size <= 150_000
    assert [line.partition(":")[0] for line in told[1:]] == ["digits", "digits"]
