"""The variational autoencoder against closed forms."""

import pytest
import torch
from torch.distributions import Normal, kl_divergence
from torch.nn import functional as F

from sfumato.autoencoders.vae import Config, VariationalAutoencoder, from_prior

SMALL = Config(resolution=4, widths=(8,), bottleneck=3, binarise=False)


def seeded(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def network(config: Config = SMALL) -> VariationalAutoencoder:
    torch.manual_seed(0)
    return VariationalAutoencoder(config)


def coins(system: VariationalAutoencoder, count: int = 6) -> torch.Tensor:
    return torch.rand(count, *system.image_shape, generator=seeded()).round()


def test_the_divergence_is_that_of_torchs_distributions() -> None:
    mean, log_variance = torch.randn(5, 3), torch.randn(5, 3)
    cloud, prior = Normal(mean, (log_variance / 2).exp()), Normal(torch.zeros(3), torch.ones(3))
    assert from_prior(mean, log_variance) == pytest.approx(kl_divergence(cloud, prior).sum(1), rel=1e-5)


def test_where_the_decoder_does_not_look_at_the_code_both_bounds_are_the_likelihood() -> None:
    """Clouds that are the prior, and a decoder that is its biases: log p(x) is a sum over coins."""
    system = network()
    with torch.no_grad():
        for layer in (system.encoder[-1], system.decoder[-1]):
            layer.weight.zero_()  # pyright: ignore[reportCallIssue]
        system.encoder[-1].bias.zero_()  # pyright: ignore[reportCallIssue]
    images = coins(system)
    logits = system.decoder[-1].bias.view(1, *system.image_shape).expand_as(images)  # pyright: ignore
    exact = -F.binary_cross_entropy_with_logits(logits, images, reduction="none").flatten(1).sum(1)
    found = system.bounds(images, 3, seeded())
    assert found["elbo"] == pytest.approx(exact.detach(), abs=1e-4)
    assert found["nll"] == pytest.approx(-exact.detach(), abs=1e-4)
    assert found["kl"] == pytest.approx(torch.zeros(len(images)), abs=1e-6)


def test_more_codes_make_the_bound_tighter_and_it_comes_to_the_integral() -> None:
    """With one number as code, the integral over it is a sum over a fine grid."""
    system = network(Config(resolution=4, widths=(8,), bottleneck=1, binarise=False))
    images = coins(system)
    grid = torch.linspace(-8, 8, 4001)
    logits = system._logits(grid[:, None])[:, None]
    whole = images.expand(len(grid), *images.shape)
    given = -F.binary_cross_entropy_with_logits(
        logits.expand_as(whole), whole, reduction="none"
    ).flatten(2).sum(2)  # fmt: skip
    prior = Normal(0.0, 1.0).log_prob(grid)[:, None]
    exact = (given + prior).logsumexp(0) + torch.log(grid[1] - grid[0])
    many, one = system.bounds(images, 4000, seeded()), system.bounds(images, 1, seeded())
    assert -many["nll"] == pytest.approx(exact.detach(), abs=0.05)
    assert many["elbo"].mean() < -many["nll"].mean() + 1e-3
    assert float(one["nll"].mean()) >= float(many["nll"].mean()) - 0.05


def test_the_objective_is_minus_the_bound_and_beta_weighs_its_divergence() -> None:
    images = torch.rand(64, 1, 4, 4, generator=seeded())
    losses = {}
    for beta in (0.0, 1.0, 4.0):
        system = network(Config(resolution=4, widths=(8,), bottleneck=3, binarise=False, beta=beta))
        torch.manual_seed(1)
        loss, scalars, _ = system.objective(images)
        losses[beta] = float(loss.detach())
        kl = float(scalars["kl"])
    assert losses[1.0] == pytest.approx(-float(scalars["elbo"]), rel=1e-5)
    assert losses[4.0] - losses[1.0] == pytest.approx(3 * kl, rel=1e-4)
    assert losses[1.0] - losses[0.0] == pytest.approx(kl, rel=1e-3)


def test_pixels_are_drawn_with_their_greys_as_chances() -> None:
    system = network(Config(resolution=4, widths=(8,), bottleneck=3))
    images = torch.tensor([0.0, 0.25, 1.0]).view(1, 1, 1, 3).expand(20_000, 1, 1, 3)
    seen = system.seen(images, seeded())
    assert set(seen.unique().tolist()) == {0.0, 1.0}
    assert seen.mean(0).flatten() == pytest.approx(torch.tensor([0.0, 0.25, 1.0]), abs=0.01)


def test_codes_are_drawn_from_the_prior() -> None:
    drawn = network().latents(50_000, seeded())
    assert drawn.mean(0) == pytest.approx(torch.zeros(3), abs=0.02)
    assert torch.cov(drawn.T) == pytest.approx(torch.eye(3), abs=0.02)
