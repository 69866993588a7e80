"""Rescaled encoders: as loud everywhere, and the same function."""

from pathlib import Path

import pytest
import torch

from sfumato.nets import activations
from sfumato.nets.encoders import build_encoder


@pytest.mark.parametrize("name", ["sfumato", "squeezenet1_1"])
def test_rescaled_filters_fire_1_on_average_and_compute_the_same(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    squares = torch.rand(6, 3, 64, 64)
    monkeypatch.setenv("SFUMATO_CACHE", str(tmp_path))
    monkeypatch.setattr(activations, "_pictures", lambda: squares)
    torch.manual_seed(0)
    encoder = build_encoder(name).requires_grad_(False)  # pyright: ignore[reportArgumentType]
    layers = [layer for layer in encoder.places if not layer.startswith("conv")]
    before = encoder(squares, layers)
    factors = activations.unit_mean_activation(encoder)
    after = encoder(squares, layers)
    for layer in layers:
        torch.testing.assert_close(after[layer] * factors[layer].view(-1, 1, 1), before[layer], rtol=1e-3, atol=1e-4)
        means = after[layer].mean((0, 2, 3))
        assert means.max() < 1.001
        assert means.median() == pytest.approx(1, abs=1e-3)
    assert len(list((tmp_path / "weights").iterdir())) == 1
