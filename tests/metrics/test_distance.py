"""Distances between sets: against closed forms and by how they must order."""

import re
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file
from torchvision.models import squeezenet1_1

from sfumato.errors import SfumatoError
from sfumato.metrics.distance import Features, Inception, frechet, kernel, kernel_value, nearest_distance, similarities
from sfumato.nets.efficientnet import EfficientNetLite0
from sfumato.weights.load import load_network

NUMBERS = 512


def normal(count: int, seed: int, mean: float = 0.0, scale: float = 1.0) -> torch.Tensor:
    return mean + scale * torch.randn(count, NUMBERS, generator=torch.Generator().manual_seed(seed))


def test_frechet_of_two_gaussians_is_its_closed_form() -> None:
    # |m1 - m2|² + d·(s1 - s2)² for means m and covariances s²·1; 20,000 draws are biased by two per cent.
    found = frechet(normal(20_000, 0), normal(20_000, 1, mean=0.5, scale=2.0))
    assert found == pytest.approx(NUMBERS * (0.25 + 1), rel=0.03)


def test_frechet_is_torchmetrics() -> None:
    from torchmetrics.image.fid import _compute_fid

    first, second = normal(900, 0).double()[:, :40], (normal(700, 1, 0.2, 1.5) * normal(700, 2)).double()[:, :40]
    expected = _compute_fid(first.mean(0), first.T.cov(), second.mean(0), second.T.cov())
    assert frechet(first, second) == pytest.approx(float(expected), rel=1e-9)


def test_kernel_is_torchmetrics_of_all_images_at_once() -> None:
    from torchmetrics.image.kid import poly_mmd

    first, second = normal(1_200, 0)[:, :30], normal(1_200, 1, mean=0.1)[:, :30]
    value, error = kernel(first, second)
    assert value == pytest.approx(float(poly_mmd(first.double(), second.double(), gamma=1 / 30)), rel=1e-4)
    assert kernel(first, second, similarities(first)) == (value, error)
    assert kernel_value(first, second, float(similarities(first).mean())) == pytest.approx(value, rel=1e-6)


def test_kernels_error_is_its_scatter_over_draws() -> None:
    draws = [kernel(normal(200, seed)[:, :8], normal(150, seed + 50, mean=0.4)[:, :8]) for seed in range(40)]
    values, errors = torch.tensor(draws).T
    assert float(errors.mean()) == pytest.approx(float(values.std()), rel=0.35)


def test_kernel_is_about_zero_for_equal_sets_and_grows_with_their_distance() -> None:
    same, near, far = (kernel(normal(300, 0), normal(300, 1, mean=mean))[0] for mean in (0.0, 0.2, 0.6))
    assert abs(same) < 0.01
    assert same < near < far


def test_features_are_named_and_see_a_difference() -> None:
    first, second = Features(), Features()
    assert first.name == second.name
    images = torch.rand(6, 1, 32, 32, generator=torch.Generator().manual_seed(0))
    found = first.of(images)
    assert found.shape == (6, NUMBERS)
    assert torch.equal(found, second.of(images))
    assert not torch.allclose(found, first.of(images.flip(0)))


def test_features_by_name_are_those_of_the_network() -> None:
    features, network = Features("efficientnet_lite0"), EfficientNetLite0().eval()
    load_network(network, "efficientnet_lite0")
    assert re.fullmatch(r"EfficientNet-Lite0 \([0-9a-f]+\), 224×224", features.name)
    assert features.name == Features(Path("efficientnet_lite0")).name
    images = torch.rand(2, 3, 224, 224)
    with torch.no_grad():
        expected = network.features[:-1]((images * 255 - 127) / 128).mean((2, 3))
    torch.testing.assert_close(features.of(images), expected, rtol=1e-4, atol=1e-4)
    assert features.of(images[:1, :1, :64, :64]).shape == (1, features.numbers)


@pytest.mark.parametrize("ending", ["safetensors", "pth"])
def test_weights_come_from_either_kind_of_file(tmp_path: Path, ending: str) -> None:
    torch.manual_seed(5)
    network = squeezenet1_1()
    path = tmp_path / f"squeezenet.{ending}"
    if ending == "pth":
        torch.save(network.state_dict(), path)
    else:
        save_file(network.state_dict(), path)
    features = Features(path)
    assert path.name in features.name
    images = torch.rand(2, 3, 128, 128)
    mean, std = torch.tensor([0.485, 0.456, 0.406]), torch.tensor([0.229, 0.224, 0.225])
    with torch.no_grad():
        expected = network.features((images - mean.view(3, 1, 1)) / std.view(3, 1, 1)).mean((2, 3))
    torch.testing.assert_close(features.of(images), expected)


@pytest.mark.parametrize("ending", ["safetensors", "pth"])
@pytest.mark.parametrize("content", [b"", b"nonsense", b"hello", b".", b"\x80\x04cos\nsystem\n."])
def test_a_file_without_weights_is_one_line(tmp_path: Path, ending: str, content: bytes) -> None:
    path = tmp_path / f"x.{ending}"
    path.write_bytes(content)
    with pytest.raises(SfumatoError, match="not a file of weights"):
        Features(path)


def test_other_weights_and_missing_files_are_named(tmp_path: Path) -> None:
    save_file({"a": torch.zeros(2)}, tmp_path / "a.safetensors")
    with pytest.raises(SfumatoError, match="not those of squeezenet1_0"):
        Features(tmp_path / "a.safetensors")
    save_file(
        {name: value + torch.nan for name, value in squeezenet1_1().state_dict().items()}, tmp_path / "b.safetensors"
    )
    with pytest.raises(SfumatoError, match="finite"):
        Features(tmp_path / "b.safetensors")
    torch.save({1: torch.zeros(2)}, tmp_path / "c.pth")
    with pytest.raises(SfumatoError, match="not a file of"):
        Features(tmp_path / "c.pth")
    with pytest.raises(SfumatoError, match="no such file"):
        Features(tmp_path / "none.pth")


def test_the_nearest_image_of_a_copy_is_its_original() -> None:
    among = torch.rand(20, 3, 8, 8, generator=torch.Generator().manual_seed(0))
    rows, distances = nearest_distance(among[[7, 3]] + 0.01, among)
    assert rows.tolist() == [7, 3]
    assert distances.tolist() == pytest.approx([0.01, 0.01], abs=1e-4)


@pytest.fixture(scope="module")
def inception(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Random weights in the format of the FID's Inception network: the real ones can only be had from the network."""
    from torch_fidelity import feature_extractor_inceptionv3 as library

    path = tmp_path_factory.mktemp("inception") / "random.pth"
    torch.manual_seed(0)
    network = torch.nn.Module.__new__(library.FeatureExtractorInceptionV3)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(library.FeatureExtractorInceptionV3, "load_state_dict", lambda *_: None)
        patch.setattr(library.torch, "load", lambda *_, **__: {})
        network.__init__("inception-v3-compat", ["2048"], feature_extractor_weights_path="none")
    torch.save(network.state_dict(), path)
    return path


def test_fid_is_what_the_reference_library_computes(inception: Path) -> None:
    from torch_fidelity.metric_fid import fid_features_to_statistics, fid_statistics_to_metric

    images = torch.rand(8, 3, 40, 40, generator=torch.Generator().manual_seed(0))
    ours = Inception(inception)
    features = ours.of(images).split(4)
    torch.testing.assert_close(features[0], ours.network((images[:4] * 255).round().byte())[0], rtol=1e-3, atol=1e-4)
    wanted = fid_statistics_to_metric(*map(fid_features_to_statistics, features), verbose=False)
    (value,) = wanted.values()
    assert frechet(*features) == pytest.approx(value, rel=1e-3)


def test_weights_of_another_network_are_refused(tmp_path: Path) -> None:
    torch.save({"a": torch.zeros(2)}, tmp_path / "other.pth")
    with pytest.raises(SfumatoError, match="not the weights of the FID's Inception network"):
        Inception(tmp_path / "other.pth")
    torch.save({"a": print}, tmp_path / "code.pth")
    with pytest.raises(SfumatoError, match="a pickle that runs code"):
        Inception(tmp_path / "code.pth")
