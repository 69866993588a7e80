"""What paint is judged by: closed forms, and views from anywhere."""

import numpy as np
import pytest
import torch

from sfumato.ops.statistics import covariance
from sfumato.ops.style_losses import checker_share, patch_distance
from sfumato.style.texture import BORDER, MULTIPLE, Eye, Texture, colours, paint_errors, seen, sums, textures


@pytest.fixture(scope="module")
def eye() -> Eye:
    made = Eye()
    made.encoder.load()
    return made


def test_textures_are_moments_and_covariances() -> None:
    values = torch.randn(2, 5, 6, 7) * 2 + 3
    moments, found = textures({"": sums(values)})[""]
    np.testing.assert_allclose(found[1], np.cov(values[1].flatten(1), bias=True), rtol=1e-4, atol=1e-4)
    torch.testing.assert_close(found, covariance(values)[1], rtol=1e-4, atol=1e-4)
    torch.testing.assert_close(moments.std, values.flatten(2).var(2, correction=0).add(1e-5).sqrt(), rtol=1e-4, atol=0)


def test_sums_of_parts_add_up_to_those_of_the_whole() -> None:
    values = torch.randn(1, 3, 8, 9)
    whole, parts = sums(values), [sums(part) for part in values.split((5, 4), 3)]
    assert whole.places == sum(part.places for part in parts)
    torch.testing.assert_close(whole.second, parts[0].second + parts[1].second)


def test_errors_are_0_for_the_same_and_1_for_nothing(eye: Eye) -> None:
    found = eye.textures(torch.rand(2, 3, 64, 64))
    assert all(float(errors.abs().max()) == 0 for errors in paint_errors(found, found))
    nothing = {name: Texture(*_zeros(texture)) for name, texture in found.items()}
    for errors in paint_errors(nothing, found):
        torch.testing.assert_close(errors, torch.ones_like(errors))


def _zeros(texture: Texture):
    return type(texture.moments)(*(torch.zeros_like(part) for part in texture.moments)), 0 * texture.covariance


@pytest.mark.parametrize("size", [(32, 40), (61, 43), (128, 96)])
def test_views_are_of_whole_strides_and_show_all(size: tuple[int, int]) -> None:
    picture = torch.rand(1, 3, *size)
    for offset in ((0, 0), (3, 7), (7, 0)):
        view = seen(picture, offset)
        assert all(side % MULTIPLE == 0 for side in view.shape[2:])
        down, across = (BORDER - shift for shift in offset)
        assert torch.equal(view[..., down : down + size[0], across : across + size[1]], picture)


def test_colours_are_the_pixels_and_patches_of_four_by_four(eye: Eye) -> None:
    view = torch.rand(1, 3, 32, 48)
    found = colours(view)
    assert found["patches"].shape == (1, 27, 8, 12)
    middle = view[0, 1, 8:12, 20:24].mean()
    torch.testing.assert_close(found["patches"][0, 9 + 4, 2, 5], middle)


def test_a_network_that_looks_is_never_trained(eye: Eye) -> None:
    eye.train()
    assert not any(module.training for module in eye.modules())
    assert not any(part.requires_grad for part in eye.parameters())


def test_checks_are_found() -> None:
    checks = torch.tensor([[1.0, 0.0], [0.0, 1.0]]).repeat(16, 16).expand(1, 3, 32, 32)
    stripes = torch.tensor([[1.0, 0.0]]).repeat(32, 16).expand(1, 3, 32, 32)
    noise = torch.randn(1, 3, 512, 512, generator=torch.Generator().manual_seed(0))
    shares = [float(checker_share(picture)) for picture in (checks, stripes, noise)]
    assert shares[0] == pytest.approx(0.5, abs=0.01)
    assert shares[1] == 0
    assert shares[2] == pytest.approx(0.25, abs=0.01)


def test_patch_distances_are_those_of_shifted_colours() -> None:
    """A picture and the same a bit brighter: along any direction, its patches move by the sum of its numbers times that
    bit. Less their means, they are the same."""
    picture = torch.rand(1, 3, 40, 48)
    directions = torch.nn.functional.normalize(torch.randn(16, 75), dim=1)
    found = patch_distance(picture, picture + 0.1, directions, 2)
    torch.testing.assert_close(found, 0.1 * directions.sum(1).square().mean().sqrt(), rtol=1e-3, atol=0)
    assert float(patch_distance(picture, picture + 0.1, directions, 2, centred=True)) < 1e-3
    other = torch.rand(1, 3, 64, 30)  # of another size
    assert float(patch_distance(picture, other, directions, 2)) < 0.05
