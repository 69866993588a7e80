"""The reference as the text prints it, the noise as it is named, the limits of the configuration."""

from dataclasses import replace
from typing import Any, Literal

import pytest
import torch
from torch.utils.flop_counter import FlopCounterMode

from benchmarks.textbook import convolutional_network
from sfumato.autoencoders.convolutional import PRESETS, Config, ConvolutionalAutoencoder
from sfumato.autoencoders.layers import multiply_adds
from sfumato.errors import SfumatoError
from sfumato.ops.noise import measured_snr, nominal_snr, power


def test_the_reference_is_the_printed_network() -> None:
    torch.manual_seed(0)
    ours = ConvolutionalAutoencoder(PRESETS["reference"])
    printed = convolutional_network()
    mine = [value for part in (ours.encoder, ours.decoder) for value in part.state_dict().values()]
    printed.load_state_dict(dict(zip(printed.state_dict(), mine, strict=True)))
    encoder, decoder = printed
    images = torch.rand(4, 3, 64, 64)
    codes = encoder(images * 2 - 1)
    assert torch.allclose(ours.encode(images), codes, atol=1e-5)
    assert torch.allclose(ours.decode(codes), (decoder(codes) + 1) / 2, atol=1e-5)


@pytest.mark.parametrize(
    ("preset", "resolution", "shape"),
    [("reference", 64, (16, 8, 8)), ("reference-16", 64, (16, 16, 16)), ("better", 64, (16, 8, 8)),
     ("reference", 40, (16, 5, 5)), ("better", 24, (16, 3, 3)), ("digits", 28, (2,))],
)  # fmt: skip
def test_codes_and_reconstructions_have_their_shapes(preset: str, resolution: int, shape: tuple[int, ...]) -> None:
    system = ConvolutionalAutoencoder(replace(PRESETS[preset], resolution=resolution)).eval()
    images = torch.rand(2, system.config.channels, resolution, resolution)
    codes = system.encode(images)
    assert codes.shape[1:] == shape == system.code_shape
    outputs = system.decode(codes)
    assert outputs.shape == images.shape
    assert 0 <= outputs.min() <= outputs.max() <= 1


def test_ours_costs_at_most_twice_the_reference_counted_by_torch() -> None:
    better = ConvolutionalAutoencoder(PRESETS["better"]).eval()
    costs = {}
    for name, network in (("printed", convolutional_network().eval()), ("better", better.reconstruct)):
        with FlopCounterMode(display=False) as counter, torch.no_grad():
            network(torch.zeros(1, 3, 64, 64))
        costs[name] = counter.get_total_flops() // 2
    assert multiply_adds(ConvolutionalAutoencoder(PRESETS["reference"])) == costs["printed"]
    assert multiply_adds(better) == costs["better"]
    assert costs["better"] <= 2 * costs["printed"]


@pytest.mark.parametrize("per", ["sample", "batch"])
@pytest.mark.parametrize("reading", ["std", "variance"])
def test_the_measured_snr_is_the_one_that_was_named(
    per: Literal["sample", "batch"], reading: Literal["std", "variance"]
) -> None:
    torch.manual_seed(0)
    config = Config(latent_noise=0.05, noise_is=reading, power_per=per)
    system = ConvolutionalAutoencoder(config)
    images = torch.rand(16, 3, 64, 64)
    codes = system.encode(images)
    assert torch.allclose(power(codes, per), torch.ones(()), atol=1e-4)
    assert measured_snr(codes, system.transmit(codes)) == pytest.approx(nominal_snr(0.05, reading), abs=0.15)
    for _ in range(200):  # batch norm's running means settle too
        system.encode(images)
    system.eval()
    codes = system.encode(images)
    assert measured_snr(codes, system.transmit(codes)) == pytest.approx(nominal_snr(0.05, reading), abs=0.3)


def test_outside_training_a_code_does_not_depend_on_its_neighbours() -> None:
    torch.manual_seed(0)
    system = ConvolutionalAutoencoder(Config(latent_noise=0.1))
    images = torch.rand(8, 3, 64, 64)
    for _ in range(60):  # until the running means of batch norm have settled
        system.encode(images)
    system.eval()
    together, alone = system.encode(images), torch.cat([system.encode(image[None]) for image in images])
    assert torch.allclose(together, alone, atol=1e-5)
    assert power(together, "batch").item() == pytest.approx(1, abs=0.3)


def test_without_noise_codes_come_as_they_are() -> None:
    system = ConvolutionalAutoencoder(Config()).eval()
    codes = system.encode(torch.rand(2, 3, 64, 64))
    assert system.transmit(codes) is codes
    assert codes.min() == 0


@pytest.mark.parametrize(
    ("fields", "word"),
    [
        ({"bottleneck": 64}, "only network vector"),
        ({"code_channels": 10**6}, "8,192"),
        ({"filters": (10**9,) * 3}, "8,192"),
        ({"resolution": 10**6}, "2,048"),
        ({"code_channels": 4096, "resolution": 512}, "1,000,000 numbers"),
        ({"resolution": 60}, "multiple of 8"),
        ({"resolution": 8}, "and more"),
        ({"latent_noise": -1.0}, "latent_noise"),
        ({"latent_noise": float("nan")}, "latent_noise"),
        ({"halvings": 4}, "halvings 4"),
        ({"code_channels": 0}, "code_"),
        ({"network": "better"}, "2 filters"),
        ({"network": "vector", "halvings": 2}, "halvings 2"),
        ({"clip": -1.0}, "clip"),
    ],
)
def test_what_cannot_be_is_named(fields: dict[str, Any], word: str) -> None:
    with pytest.raises(SfumatoError, match=word):
        Config(**fields)
