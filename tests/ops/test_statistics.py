import pytest
import torch
from torch import Tensor

from sfumato.ops.statistics import covariance, exchange, gram, moments, square_root


@pytest.fixture
def features() -> Tensor:
    return torch.randn(2, 5, 7, 9, generator=torch.Generator().manual_seed(0)) * 3 + 1


@pytest.mark.parametrize("unbiased", [False, True])
def test_moments_are_torchs(features: Tensor, unbiased: bool) -> None:
    variance, mean = torch.var_mean(features, (2, 3), correction=int(unbiased), keepdim=True)
    found = moments(features, 1e-3, unbiased)
    torch.testing.assert_close(found.mean, mean)
    torch.testing.assert_close(found.std, (variance + 1e-3).sqrt())


def test_the_gradient_of_moments_is_the_numerical_one(features: Tensor) -> None:
    values = features[:, :2, :3, :3].double().requires_grad_()
    assert torch.autograd.gradcheck(lambda x: tuple(moments(x)), (values,))


def test_moments_of_bf16_channels_last_features_are_taken_in_fp32(features: Tensor) -> None:
    rounded = features.bfloat16().contiguous(memory_format=torch.channels_last)
    found = moments(rounded)
    assert found.mean.dtype == torch.float32
    torch.testing.assert_close(found.std, moments(rounded.float()).std)


def test_moments_under_a_mask_are_those_of_what_it_shows(features: Tensor) -> None:
    mask = torch.zeros(1, 1, 7, 9)
    mask[..., :4] = 1
    for found, expected in zip(moments(features, weights=mask), moments(features[..., :4]), strict=True):
        torch.testing.assert_close(found, expected)


def test_exchange_gives_the_mean_and_the_deviation_of_the_style(features: Tensor) -> None:
    """One of the reference texts forgets to add μ(y)."""
    style = torch.randn(2, 5, 4, 4) * torch.arange(1, 6).view(1, 5, 1, 1) + 10
    changed = exchange(features, moments(features, 0.0), moments(style, 0.0))
    for found, expected in zip(moments(changed, 0.0), moments(style, 0.0), strict=True):
        torch.testing.assert_close(found, expected, rtol=1e-4, atol=1e-4)


def test_gram_is_the_sum_of_products(features: Tensor) -> None:
    expected = torch.einsum("bihw,bjhw->bij", features, features)
    torch.testing.assert_close(gram(features), expected)


def test_the_gradient_of_gram_is_autograds(features: Tensor) -> None:
    weights = torch.randn(*gram(features).shape)
    ours, plain = (features.clone().requires_grad_() for _ in range(2))
    (gram(ours) * weights).sum().backward()
    (torch.einsum("bihw,bjhw->bij", plain, plain) * weights).sum().backward()
    torch.testing.assert_close(ours.grad, plain.grad)


def test_covariance_is_numpys(features: Tensor) -> None:
    _, found = covariance(features)
    expected = torch.stack([torch.cov(item.flatten(1), correction=0) for item in features])
    torch.testing.assert_close(found, expected, rtol=1e-4, atol=1e-4)


def test_a_square_root_squared_is_the_matrix(features: Tensor) -> None:
    _, matrices = covariance(features)
    root = square_root(matrices, steps=20)
    torch.testing.assert_close(root @ root, matrices, rtol=1e-3, atol=1e-3)


def test_products_are_exact_whatever_surrounds_them(features: Tensor) -> None:
    alone = gram(features), square_root(covariance(features)[1])
    with torch.autocast("cpu", torch.bfloat16):
        inside = gram(features), square_root(covariance(features)[1])
    for found, expected in zip(inside, alone, strict=True):
        assert found.dtype == torch.float32
        torch.testing.assert_close(found, expected)
