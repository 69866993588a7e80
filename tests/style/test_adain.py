"""The three known implementations' losses, each against its own formula."""

from dataclasses import replace

import pytest
import torch
from torch import Tensor

from sfumato.data.batches import Batch
from sfumato.data.sources import View, open_data
from sfumato.engine.clock import Clock
from sfumato.engine.runtime import Runtime
from sfumato.errors import SfumatoError
from sfumato.style import measures
from sfumato.style.adain import PRESETS, STYLE, AdaIN, Config


def system(preset: str) -> AdaIN:
    """A preset's losses and rates on the small encoder."""
    torch.manual_seed(0)
    return AdaIN(replace(PRESETS[preset], encoder="sfumato", resolution=64, crop=64, batch_size=2))


def losses(name: str) -> tuple[Tensor, Tensor, dict[str, Tensor], dict[str, Tensor], Tensor, AdaIN]:
    built = system(name)
    content, style, output = torch.rand(3, 2, 3, 64, 64)
    found, styles = (built.network.encoder(images, STYLE) for images in (output, style))
    target = built.network.restyled(
        built.network.encoder(content, built.network.layers), built.network.style_statistics(styles)
    )["relu4_1"]
    return *built.judge(output, content, style), found, styles, target, built


def stats(values: Tensor, eps: float, correction: int) -> tuple[Tensor, Tensor]:
    flat = values.flatten(2)
    return flat.mean(2), (flat.var(2, correction=correction) + eps).sqrt()


def test_port_takes_means_of_squares_and_unbiased_variances() -> None:
    content, style, found, styles, target, built = losses("port")
    torch.testing.assert_close(content, (found["relu4_1"] - target).square().mean())
    expected = sum(
        (a - b).square().mean()
        for layer in STYLE
        for a, b in zip(stats(found[layer], 1e-5, 1), stats(styles[layer], 1e-5, 1), strict=True)
    )
    torch.testing.assert_close(style, expected)
    assert built.config.style_weight == 10


def test_lua_sums_over_channels() -> None:
    """Its λ of 0.1 is then the port's, with weights of 6.4, 12.8, 25.6 and 51.2 at VGG's widths."""
    content, style, found, styles, target, built = losses("lua")
    torch.testing.assert_close(content, (found["relu4_1"] - target).square().mean())
    expected = sum(
        (a - b).square().sum() / 2
        for layer in STYLE
        for a, b in zip(stats(found[layer], 1e-6, 0), stats(styles[layer], 1e-6, 0), strict=True)
    )
    torch.testing.assert_close(style, expected)
    assert [built.config.style_weight * width for width in (64, 128, 256, 512)] == pytest.approx(
        [6.4, 12.8, 25.6, 51.2]
    )


def test_the_paper_takes_distances() -> None:
    content, style, found, styles, target, _ = losses("paper")
    torch.testing.assert_close(content, (found["relu4_1"] - target).flatten(1).norm(dim=1).mean())
    expected = sum(
        (a - b).norm(dim=1).mean()
        for layer in STYLE
        for a, b in zip(stats(found[layer], 1e-5, 0), stats(styles[layer], 1e-5, 0), strict=True)
    )
    torch.testing.assert_close(style, expected)


def test_presets_differ_in_how_pictures_are_fitted() -> None:
    assert (PRESETS["paper"].fit, PRESETS["lua"].fit, PRESETS["port"].fit) == ("short", "short", "squash")
    assert (PRESETS["paper"].resolution, PRESETS["paper"].crop) == (512, 256)


def test_the_rate_slows_down() -> None:
    """1e-4 / (1 + 5e-5 · i)."""
    built = system("port")
    batch = Batch(torch.rand(2, 3, 64, 64), None, ends_epoch=False)
    clock = Clock(images=2 * 20_000, before=2 * 20_000)
    built.step(iter([(batch, batch)]), clock)
    assert built.optimizers["decoder"].param_groups[0]["lr"] == pytest.approx(1e-4 / 2)


def test_only_the_decoder_learns() -> None:
    built = system("port")
    before = {name: value.clone() for name, value in built.network.encoder.state_dict().items()}
    batch = Batch(torch.rand(2, 3, 64, 64), None, ends_epoch=False)
    built.step(iter([(batch, batch)]), Clock())
    assert all(torch.equal(before[name], value) for name, value in built.network.encoder.state_dict().items())


def test_wrong_fields_are_named() -> None:
    with pytest.raises(SfumatoError, match="crop 100: must be a multiple of 8"):
        Config(crop=100)
    with pytest.raises(SfumatoError, match="resolution 250: must be a multiple of 8"):
        Config(resolution=250)
    with pytest.raises(SfumatoError, match="warmup -1: must not be negative"):
        Config(warmup=-1)
    with pytest.raises(SfumatoError, match="encoder 'squeezenet1_0': must be one of sfumato, vgg19, vgg16"):
        Config(encoder="squeezenet1_0")
    with pytest.raises(SfumatoError, match="relu4_1 first"):
        Config(layers=("relu3_1",))


def test_pictures_as_they_are_are_judged_once_for_a_data_set(monkeypatch: pytest.MonkeyPatch) -> None:
    """By the frozen encoder: a second run on the same data finds what the first one found."""
    seen = []
    whole = measures.judged
    monkeypatch.setattr(measures, "judged", lambda *arguments: seen.append(1) or whole(*arguments))
    monkeypatch.setattr(measures, "PAIRED", 2)
    runtime = Runtime(torch.device("cpu"), "fp32")
    data = open_data(("photographs", "paintings"), View(channels=3, resolution=32, fit="short"))
    built = system("sfumato").eval()
    first, second = (measures.measure(built, data, runtime) for _ in range(2))
    assert len(seen) == 4, "ours twice, the baselines once each"
    assert first == second
    assert first.value("content", "content") != first.value("content", "style")
