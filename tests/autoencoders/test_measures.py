"""What stands beside an autoencoder."""

import pytest

from sfumato.autoencoders.measures import measure
from sfumato.autoencoders.stacked import Config, StackedAutoencoder
from sfumato.data.dataset import ImageData
from sfumato.engine.runtime import Runtime
from sfumato.metrics.reconstruction import fidelity, mean_image, pca


@pytest.mark.parametrize("flip", [False, True])
def test_baselines_see_the_flips_that_the_network_sees(flip: bool, toy: ImageData, runtime: Runtime) -> None:
    system = StackedAutoencoder(Config(widths=(4,), flip=flip)).eval()
    found = measure(system, toy, runtime)
    images, (numbers,) = toy.test.images(), system.code_shape
    linear = pca(toy.train, min(numbers, len(toy.train) * (1 + flip)), flip)
    assert found.values("pca") == pytest.approx(fidelity(images, linear(images)), rel=1e-5)
    assert found.values("mean") == pytest.approx(fidelity(images, mean_image(toy.train, images, flip)), rel=1e-5)
    assert ("mirrors" in found.note.en) == flip
