"""Each measure against a closed form or another library."""

import math

import numpy as np
import pytest
import torch
from skimage.metrics import peak_signal_noise_ratio, structural_similarity
from sklearn.decomposition import PCA
from torch.nn import functional as F

from sfumato.data.dataset import ImageData, InMemory, Split
from sfumato.engine.runtime import Runtime
from sfumato.metrics.digit_reader import train_reader
from sfumato.metrics.plane import describe_codes
from sfumato.metrics.reconstruction import entropy_floor, fidelity, mean_image, patch_pca, pca


def pictures(count: int = 5) -> torch.Tensor:
    noise = torch.rand(count, 1, 7, 7, generator=torch.Generator().manual_seed(1))
    return F.interpolate(noise, size=(28, 28), mode="bilinear")


@pytest.mark.parametrize("shape", [(3, 1, 28, 28), (2, 3, 11, 40)])
def test_psnr_and_ssim_are_torchmetrics(shape: tuple[int, ...]) -> None:
    from torchmetrics.functional.image import peak_signal_noise_ratio as theirs
    from torchmetrics.functional.image import structural_similarity_index_measure

    images, outputs = torch.rand(2, *shape, generator=torch.Generator().manual_seed(0)).unbind()
    outputs = torch.lerp(images, outputs, 0.2)
    found = fidelity(images, outputs)
    expected = structural_similarity_index_measure(outputs, images, data_range=1.0)
    assert found["ssim"] == pytest.approx(float(expected), abs=1e-5)  # pyright: ignore[reportArgumentType]
    each = theirs(outputs, images, data_range=1.0, dim=(1, 2, 3), reduction="elementwise_mean")
    assert found["psnr"] == pytest.approx(float(each), abs=1e-4)


def test_psnr_and_ssim_are_scikit_images() -> None:
    images = pictures()
    outputs = (images + 0.1 * torch.randn(images.shape, generator=torch.Generator().manual_seed(2))).clamp(0, 1)
    found = fidelity(images, outputs)
    pairs = [(a[0].numpy(), b[0].numpy()) for a, b in zip(images, outputs, strict=True)]
    psnr = np.mean([peak_signal_noise_ratio(a, b, data_range=1) for a, b in pairs])
    assert found["psnr"] == pytest.approx(psnr, abs=1e-4)
    assert found["psnr_pooled"] == pytest.approx(-10 * math.log10(found["mse"]), abs=1e-4)
    # Both average over the whole image; they differ in which pixel they mirror at the border.
    options = {"data_range": 1, "gaussian_weights": True, "sigma": 1.5, "use_sample_covariance": False, "full": True}
    ssim = np.mean([structural_similarity(a, b, **options)[1].mean() for a, b in pairs])
    assert found["ssim"] == pytest.approx(ssim, abs=2e-3)


def test_a_constant_error_has_a_known_mse_psnr_and_bce() -> None:
    found = fidelity(torch.full((2, 1, 28, 28), 0.5), torch.full((2, 1, 28, 28), 0.6))
    assert found["mse"] == pytest.approx(0.01, rel=1e-5)
    assert found["psnr"] == pytest.approx(20, abs=1e-3)
    assert found["bce"] == pytest.approx(-0.5 * math.log(0.6) - 0.5 * math.log(0.4), rel=1e-5)


def test_pooled_psnr_is_never_above_the_mean_of_images() -> None:
    images = pictures(2)
    outputs = images.clone()
    outputs[0] += 0.3
    outputs[1] += 0.01
    found = fidelity(images, outputs.clamp(0, 1))
    assert found["psnr_pooled"] < found["psnr"]


def test_no_output_has_a_bce_below_the_floor() -> None:
    images = pictures()
    assert fidelity(images, images)["bce"] == pytest.approx(entropy_floor(images), rel=1e-6)
    assert fidelity(images, (images + 0.02).clamp(0, 1))["bce"] > entropy_floor(images)


def test_measures_worsen_with_noise() -> None:
    images, rows = pictures(), []
    noise = torch.randn(images.shape, generator=torch.Generator().manual_seed(3))
    for sigma in (0.05, 0.1, 0.2, 0.4):
        rows.append(fidelity(images, (images + sigma * noise).clamp(0.001, 0.999)))
    for key, better in (("psnr", 1), ("ssim", 1), ("mse", -1), ("bce", -1)):
        values = [better * row[key] for row in rows]
        assert values == sorted(values, reverse=True), key


@pytest.mark.parametrize("count", [40, 900])
def test_pca_is_the_truncated_singular_value_decomposition(count: int) -> None:
    """With fewer images than pixels and with more."""
    train = Split(InMemory((pictures(count) * 255).to(torch.uint8)))
    images = pictures(3)
    flat = train.images().flatten(1).numpy().astype(np.float64)
    centre = flat.mean(0)
    _, _, rows = np.linalg.svd(flat - centre, full_matrices=False)
    own = images.flatten(1).numpy() - centre
    oracle = own @ rows[:4].T @ rows[:4] + centre
    assert np.allclose(pca(train, 4)(images).flatten(1).numpy(), oracle.clip(0.5 / 255, 1 - 0.5 / 255), atol=1e-4)


def test_patch_pca_is_scikit_learns_on_each_patch() -> None:
    train, images = Split(InMemory((pictures(40) * 255).to(torch.uint8))), pictures(3)

    def patches(of: torch.Tensor) -> np.ndarray:
        return of.unfold(2, 7, 7).unfold(3, 7, 7).reshape(-1, 49).numpy().astype(np.float64)

    model = PCA(5, svd_solver="full").fit(patches(train.images()))
    oracle = model.inverse_transform(model.transform(patches(images))).clip(0.5 / 255, 1 - 0.5 / 255)
    assert np.allclose(patches(patch_pca(train, 5, 7)(images)), oracle, atol=1e-4)


def test_baselines_that_see_mirrors_are_fitted_on_images_and_their_mirrors() -> None:
    known, images = (pictures(40) * 255).to(torch.uint8), pictures(3)
    train, both = Split(InMemory(known)), Split(InMemory(torch.cat([known, known.flip(-1)])))
    assert torch.allclose(pca(train, 4, mirrored=True)(images), pca(both, 4)(images), atol=1e-5)
    assert torch.allclose(patch_pca(train, 5, 7, mirrored=True)(images), patch_pca(both, 5, 7)(images), atol=1e-4)
    assert torch.allclose(mean_image(train, images, mirrored=True), mean_image(both, images), atol=1e-6)


def test_a_linear_code_as_large_as_the_image_loses_nothing() -> None:
    train, images = Split(InMemory((pictures(900) * 255).to(torch.uint8))), pictures(3).clamp(0.01, 0.99)
    assert torch.allclose(pca(train, 784)(images), images, atol=1e-4)


def test_mean_image_is_the_mean() -> None:
    train = Split(InMemory(torch.tensor([0, 255], dtype=torch.uint8).view(2, 1, 1, 1).expand(2, 1, 4, 4)))
    assert torch.allclose(mean_image(train, torch.zeros(3, 1, 4, 4)), torch.full((3, 1, 4, 4), 0.5))


def test_two_tight_clusters_far_apart() -> None:
    generator = torch.Generator().manual_seed(0)
    labels = torch.arange(200) % 2
    codes = torch.randn(200, 2, generator=generator) * 0.1
    codes[labels == 1, 0] += 10
    plane = describe_codes(codes, labels)
    assert plane.neighbour_accuracy == 1
    assert plane.chance == pytest.approx(0.5)
    # The mean distance of a 2-D normal from its centre is σ·sqrt(π/2).
    assert plane.compactness == pytest.approx([0.1 * math.sqrt(math.pi / 2) / 10] * 2, rel=0.15)
    assert plane.overlaps[0][2] == 0
    assert plane.high[0] > 9


def test_shuffled_labels_have_chance_accuracy_and_overlap() -> None:
    generator = torch.Generator().manual_seed(0)
    codes = torch.randn(2000, 2, generator=generator)
    labels = torch.randint(4, (2000,), generator=generator)
    plane = describe_codes(codes, labels)
    assert plane.neighbour_accuracy == pytest.approx(plane.chance, abs=0.04)
    assert plane.overlaps[0][2] > 0.2


def test_the_reader_reads_and_its_hash_is_seeded(toy: ImageData, runtime: Runtime) -> None:
    small = ImageData("toy", toy.train, toy.test, toy.classes, "x")
    readers = [train_reader(small, runtime, seed, images=6_400) for seed in (0, 0, 1)]
    assert toy.test.labels is not None
    assert (readers[0].probabilities(toy.test.images()).argmax(1) == toy.test.labels).all()
    assert readers[0].hash() == readers[1].hash() != readers[2].hash()
    assert readers[0].legible(toy.test.images()).all()
