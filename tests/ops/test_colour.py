import pytest
import torch

from sfumato.ops.colour import keep_chroma, match_covariance, match_histogram, transport, transported


def picture(seed: int, height: int = 20, width: int = 24) -> torch.Tensor:
    return 0.2 + 0.6 * torch.rand(3, height, width, generator=torch.Generator().manual_seed(seed))


def test_chroma_is_the_contents_and_luma_the_results() -> None:
    weights = torch.tensor([0.299, 0.587, 0.114]).view(3, 1, 1)
    image, colours = 0.4 + 0.1 * picture(0), 0.4 + 0.1 * picture(1)
    kept = keep_chroma(image, colours)
    torch.testing.assert_close((weights * kept).sum(0), (weights * image).sum(0), rtol=1e-4, atol=1e-4)
    blue = kept[2] - (weights * kept).sum(0), colours[2] - (weights * colours).sum(0)
    torch.testing.assert_close(*blue, rtol=1e-4, atol=1e-4)


def test_coral_gives_mean_and_covariance_of_the_other_picture() -> None:
    image, colours = picture(0), 0.5 + 0.2 * (picture(1, 30, 10) - 0.5)
    matched = match_covariance(image, colours)
    torch.testing.assert_close(matched.flatten(1).mean(1), colours.flatten(1).mean(1), rtol=1e-3, atol=1e-3)
    torch.testing.assert_close(
        torch.cov(matched.flatten(1), correction=0), torch.cov(colours.flatten(1), correction=0), rtol=0.05, atol=1e-4
    )


@pytest.mark.parametrize("level", [0.0, 0.5, 1.0])
def test_coral_survives_flat_colour(level: float) -> None:
    flat = torch.full((3, 8, 8), level)
    for matched in (match_covariance(flat, picture(0)), match_covariance(picture(0), flat)):
        assert matched.isfinite().all()
    assert (match_covariance(picture(0), flat) - level).abs().max() < 0.05


def test_histogram_matching_keeps_the_order_and_takes_the_levels() -> None:
    image, colours = picture(0), picture(1) ** 2
    matched = match_histogram(image, colours)
    torch.testing.assert_close(
        matched[0].flatten().sort().values, colours[0].flatten().sort().values, rtol=0.02, atol=0.02
    )
    assert matched[0].flatten()[image[0].argmax()] == matched[0].max()


def test_transport_gives_mean_and_covariance_and_moves_least() -> None:
    """Of all maps to those moments the optimal one is symmetric and positive definite (Gelbrich 1990)."""
    images, colours = (torch.stack([picture(seed), picture(seed + 1) ** 2]) for seed in (0, 4))
    matrix, _ = transport(images, colours, 1e-7)
    torch.testing.assert_close(matrix, matrix.transpose(1, 2), rtol=1e-3, atol=1e-3)
    assert (torch.linalg.eigvalsh(matrix) > 0).all()
    moved = transported(images, colours, 1e-7)
    for one, other in zip(moved, colours, strict=True):
        torch.testing.assert_close(one.mean((1, 2)), other.mean((1, 2)), rtol=1e-3, atol=1e-3)
        found, expected = (torch.cov(part.flatten(1)) for part in (one, other))
        torch.testing.assert_close(found, expected, rtol=1e-2, atol=1e-4)


def test_transport_to_grey_does_not_blow_up() -> None:
    flat = torch.full((1, 3, 8, 8), 0.3)
    for one, other in ((flat, picture(0)[None]), (picture(0)[None], flat), (flat, flat)):
        assert transport(one, other, 3e-3)[0].abs().max() < 6
