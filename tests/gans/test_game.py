"""What each adversarial paper adds, against oracles; «bug elsewhere» is one found in a published repository."""

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from sfumato.data.batches import Batch
from sfumato.engine.clock import Clock
from sfumato.engine.loop import Feed
from sfumato.engine.system import Wishes
from sfumato.errors import SfumatoError
from sfumato.gans import cgan, dcgan, gan, sngan, wgan, wgan_gp
from sfumato.gans.game import Adversarial
from sfumato.nets.players import DCDiscriminator, DCGenerator
from sfumato.ops.objectives import discriminator_loss


def feed(system: Adversarial, clock: Clock, classes: int = 10) -> Iterator[Batch]:
    def draw(_: int) -> tuple[Batch, int]:
        labels = torch.arange(8) % classes
        return Batch(torch.rand(8, *system.config.shape) * 2 - 1, labels, ends_epoch=False), 8

    return Feed(draw, clock)


def one_step(system: Adversarial) -> dict[str, Tensor]:
    torch.manual_seed(0)
    clock = Clock()
    return system.step(feed(system, clock), clock)


def snapshot(network: nn.Module) -> list[Tensor]:
    """Its weights, not its biases: the last bias has no gradient where the objective is a difference."""
    return [parameter.detach().clone() for parameter in network.parameters() if parameter.dim() > 1]


def test_the_critic_is_trained_n_times_on_new_images_each() -> None:
    system, clock = wgan.WGAN(wgan.Config(discriminator_steps=5)), Clock()
    counts = {"generator": 0, "discriminator": 0}
    for name, optimizer in system.optimizers.items():
        optimizer.register_step_post_hook(lambda *_, name=name: counts.__setitem__(name, counts[name] + 1))
    system.step(feed(system, clock), clock)
    assert counts == {"generator": 1, "discriminator": 5}
    assert clock.images == 40


def test_each_update_gets_new_noise(monkeypatch: pytest.MonkeyPatch) -> None:
    """Bug elsewhere: the generator is trained on the noise that the discriminator has just seen."""
    system, drawn = gan.GAN(gan.Config(discriminator_steps=2)), []
    noise = system.noise

    def remembered(count: int) -> Tensor:
        drawn.append(noise(count))
        return drawn[-1]

    monkeypatch.setattr(system, "noise", remembered)
    one_step(system)
    assert len(drawn) == 3
    assert not torch.equal(drawn[0], drawn[1])
    assert not torch.equal(drawn[1], drawn[2])


def test_weights_stay_within_the_clip() -> None:
    system = wgan.WGAN(wgan.Config())
    one_step(system)
    for parameter in system.discriminator.parameters():
        assert float(parameter.detach().abs().max()) <= 0.01 + 1e-9
    assert max(float(parameter.detach().abs().max()) for parameter in system.generator.parameters()) > 0.01
    assert {group["lr"] for group in system.optimizers["discriminator"].param_groups} == {5e-5}
    assert isinstance(system.optimizers["generator"], torch.optim.RMSprop)


@pytest.mark.parametrize("network", ["mlp", "dcgan"])
def test_a_critic_under_a_gradient_penalty_has_no_batch_norm(network: Any) -> None:
    """Bug elsewhere: batch norm in the critic, where one image's gradient depends on the others."""
    system = wgan_gp.WGANGP(wgan_gp.Config(network=network, width=4))
    assert not any(isinstance(layer, nn.BatchNorm2d) for layer in system.discriminator.modules())
    scalars = one_step(system)
    assert scalars["penalty"] > 0


def test_batch_norm_is_the_usual_one_and_sees_real_and_made_apart() -> None:
    """Bug elsewhere: BatchNorm(channels, 0.8), which sets its epsilon."""
    system = dcgan.DCGAN(dcgan.Config(resolution=16, width=4))
    norms = [layer for layer in system.modules() if isinstance(layer, nn.BatchNorm2d)]
    assert norms
    assert all(norm.eps == 1e-5 and norm.momentum == 0.1 for norm in norms)
    assert system.apart
    real, fake = torch.randn(6, 3, 16, 16), 3 * torch.randn(6, 3, 16, 16)
    alone = system.discriminator(real)
    torch.testing.assert_close(system.judge(real, fake)[0], alone)


@pytest.mark.parametrize("batch_norm", [True, False])
@pytest.mark.parametrize(("resolution", "start"), [(16, 4), (32, 4), (64, 4), (128, 4), (28, 7), (56, 7)])
def test_dcgan_nets_of_any_side(resolution: int, start: int, batch_norm: bool) -> None:
    generator = DCGenerator(10, 4, 1, resolution, deep=batch_norm)
    discriminator = DCDiscriminator(4, 1, resolution, batch_norm)
    images = generator(torch.randn(2, 10))
    assert images.shape == (2, 1, resolution, resolution)
    assert discriminator(images).shape == (2,)
    kernels = [layer.kernel_size for layer in generator if isinstance(layer, nn.ConvTranspose2d)]
    assert kernels[: kernels.index((start, start))] == [(1, 1)] * (start == 7 and batch_norm)


def test_a_discriminator_of_digits_does_not_add_up_places() -> None:
    """Two strides leave each place of the 7×7 map blind to the others: only the hidden layer puts strokes together."""
    torch.manual_seed(0)
    discriminator = DCDiscriminator(4, 1, 28, batch_norm=False).double()
    stroke = torch.zeros(4, 1, 28, 28, dtype=torch.float64)
    stroke[[0, 1], :, :4, :4] = 1  # both, one, the other, none
    stroke[[0, 2], :, -4:, -4:] = 1
    both, one, other, none = discriminator(stroke).detach()
    assert abs(float(both + none - one - other)) > 0.01 * float(abs(one - none))


def test_the_dcgan_is_the_printed_one() -> None:
    system = dcgan.DCGAN(dcgan.Config())
    count = {
        name: sum(p.numel() for p in getattr(system, name).parameters()) for name in ("generator", "discriminator")
    }
    assert count == {"generator": 3_576_704, "discriminator": 2_765_568}
    weights = torch.cat([p.detach().flatten() for p in system.generator.parameters() if p.dim() == 4])
    assert float(weights.std()) == pytest.approx(0.02, rel=0.01)
    scales = torch.cat([layer.weight.detach() for layer in system.generator if isinstance(layer, nn.BatchNorm2d)])
    assert float(scales.mean()) == pytest.approx(1.0, abs=0.01)
    assert system.optimizers["generator"].param_groups[0]["betas"] == (0.5, 0.999)


@pytest.mark.parametrize("resolution", [8, 30, 48, 100])
def test_other_sides_are_refused(resolution: int) -> None:
    with pytest.raises(SfumatoError, match=f"resolution {resolution}: must be 16, 32, 64"):
        dcgan.Config(resolution=resolution)
    gan.Config(resolution=resolution)


@pytest.mark.parametrize("shape", [(40, 30), (16, 8, 4, 4)])
def test_sigma_is_the_largest_singular_value(shape: tuple[int, ...]) -> None:
    torch.manual_seed(0)
    weight = torch.randn(shape)
    norm = sngan.SpectralNorm(weight)
    for _ in range(300):
        value = norm.value(weight)
    expected = torch.linalg.svdvals(weight.flatten(1))[0]
    assert float(value) == pytest.approx(float(expected), rel=1e-4)
    assert float(torch.linalg.svdvals(norm(weight).flatten(1))[0]) == pytest.approx(1.0, rel=1e-4)
    bounded = sngan.SpectralNorm(weight, bound=3.0)
    for _ in range(300):
        bounded.value(weight)
    assert float(torch.linalg.svdvals(bounded(weight).flatten(1))[0]) == pytest.approx(3.0, rel=1e-4)


def test_power_iteration_moves_in_training_only() -> None:
    norm = sngan.SpectralNorm(torch.randn(8, 6))
    other = torch.randn(8, 6)
    before = norm.left.clone()
    norm.eval()(other)
    assert torch.equal(norm.left, before)
    norm.train()(other)
    assert not torch.equal(norm.left, before)


def test_the_gradient_of_sigma_is_the_outer_product() -> None:
    weight = torch.randn(5, 4, requires_grad=True)
    norm = sngan.SpectralNorm(weight).eval()
    (gradient,) = torch.autograd.grad(norm.value(weight), weight)
    torch.testing.assert_close(gradient, torch.outer(norm.left, norm.right))


def test_every_layer_of_the_discriminator_is_normalised_and_none_of_the_generator() -> None:
    system = sngan.SNGAN(sngan.Config(network="dcgan", width=4))
    for _ in range(200):
        system.discriminator(torch.randn(1, 1, 28, 28))
    for layer in sngan.weighted(system.discriminator.eval()):
        assert float(torch.linalg.svdvals(layer.weight.detach().flatten(1))[0]) == pytest.approx(1.0, rel=1e-3)
    assert not any("parametrizations" in name for name, _ in system.generator.named_parameters())


def test_spectral_regularisation_is_half_lambda_sigma_squared() -> None:
    system = sngan.SNGAN(sngan.Config(method="regularisation", spectral_weight=0.5))
    for _ in range(300):
        (penalty,) = system.penalties(torch.zeros(1), torch.zeros(1))
    values = [float(torch.linalg.svdvals(layer.weight.detach())[0]) for layer in sngan.weighted(system.discriminator)]
    assert penalty is not None
    assert float(penalty.detach()) == pytest.approx(0.25 * sum(value**2 for value in values), rel=1e-3)
    assert "penalty" in one_step(system)


def test_a_wrong_label_is_never_the_right_one_and_each_other_one_as_likely() -> None:
    """Bug elsewhere: conditions shifted by one place, which may be of the same class."""
    torch.manual_seed(0)
    labels = torch.arange(4).repeat(6000)
    wrong = cgan.wrong_labels(labels, 4)
    assert not (wrong == labels).any()
    counts = torch.stack([wrong[labels == label].bincount(minlength=4) for label in range(4)])
    assert counts.diagonal().sum() == 0
    assert counts[~torch.eye(4, dtype=torch.bool)].min() > 1800
    assert (cgan.wrong_labels(torch.tensor([0, 1, 0]), 2) == torch.tensor([1, 0, 1])).all()


class Fixed(nn.Module):
    """Gives back what it was shown, so that a test can see the pairs."""

    def __init__(self) -> None:
        super().__init__()
        self.shown: list[tuple[Tensor, Tensor]] = []

    def forward(self, images: Tensor, labels: Tensor) -> Tensor:
        self.shown.append((images, labels))
        return images.flatten(1)[:, 0] + 10 * labels


def test_three_terms_pair_real_images_with_wrong_labels(monkeypatch: pytest.MonkeyPatch) -> None:
    """Bug elsewhere: made images under wrong labels as the third term."""
    system = cgan.CGAN(cgan.Config())
    system.discriminator = Fixed()
    real, fake = torch.rand(4, 1, 28, 28), -torch.rand(4, 1, 28, 28)
    labels, wrong = torch.tensor([0, 1, 2, 3]), torch.tensor([1, 2, 3, 0])
    monkeypatch.setattr(cgan, "wrong_labels", lambda *_: wrong)
    loss, verdict, of_fake = system.discriminate(real, fake, labels)
    ((images, asked),) = system.discriminator.shown
    torch.testing.assert_close(images, torch.cat([real, fake, real]))
    assert asked.tolist() == [0, 1, 2, 3, 0, 1, 2, 3, 1, 2, 3, 0]
    mismatch = real.flatten(1)[:, 0] + 10 * wrong
    softplus = nn.functional.softplus
    expected = softplus(-verdict).mean() + (softplus(of_fake).mean() + softplus(mismatch).mean()) / 2
    torch.testing.assert_close(loss, expected)


def test_two_terms_are_mirzas() -> None:
    system = cgan.CGAN(cgan.Config(form="two_terms"))
    system.discriminator = Fixed()
    real, fake, labels = torch.rand(4, 1, 28, 28), torch.rand(4, 1, 28, 28), torch.arange(4)
    loss, verdict, of_fake = system.discriminate(real, fake, labels)
    torch.testing.assert_close(loss, discriminator_loss("non_saturating", verdict, of_fake))
    assert len(system.discriminator.shown[0][0]) == 8


def test_the_match_head_reads_the_label_that_was_asked() -> None:
    system = cgan.CGAN(cgan.Config(form="two_headed")).eval()
    images = torch.randn(3, 1, 28, 28)
    real, match = system.discriminator(images, torch.tensor([0, 4, 9]))
    other_real, other_match = system.discriminator(images, torch.tensor([1, 5, 0]))
    torch.testing.assert_close(real, other_real)
    assert not torch.isclose(match, other_match).any()


def test_the_conditional_nets_are_the_course_ones() -> None:
    system = cgan.CGAN(cgan.Config())
    widths = {
        name: [layer.in_features for layer in getattr(system, name).modules() if isinstance(layer, nn.Linear)]
        for name in ("generator", "discriminator")
    }
    assert widths == {"generator": [110, 256, 512, 1024], "discriminator": [794, 1024, 512, 256]}
    dropouts = [layer.p for layer in system.discriminator.modules() if isinstance(layer, nn.Dropout)]
    assert dropouts == [0.4] * 3


def test_a_class_can_be_asked_for() -> None:
    system = cgan.CGAN(cgan.Config()).eval()
    generator = torch.Generator().manual_seed(0)
    eights = system.sample(3, Wishes(label=8), generator)
    latent = torch.randn(3, 100, generator=torch.Generator().manual_seed(0))
    assert torch.equal(eights, system.make(latent, torch.tensor([8, 8, 8])))
    with pytest.raises(SfumatoError, match="label 10: must lie between 0 and 9"):
        system.sample(1, Wishes(label=10))
    with pytest.raises(SfumatoError, match="label 1: GAN cannot be asked for a class"):
        gan.GAN(gan.Config()).sample(1, Wishes(label=1))


@pytest.mark.parametrize("form", ["two_terms", "three_terms", "two_headed"])
def test_the_conditional_critic_is_asked_under_labels_when_its_slope_is_taken(form: Any) -> None:
    """R1 of the conditional discriminator, by hand, on images that it has not been trained on."""
    system = cgan.CGAN(cgan.Config(form=form, r1=0.3, dropout=0.0))
    real, labels = torch.rand(4, 1, 28, 28, requires_grad=True), torch.tensor([1, 0, 9, 4])
    (penalty,) = system.penalties(real, real, labels)
    verdicts = system.discriminator(real, labels)
    (slope,) = torch.autograd.grad((verdicts[0] if form == "two_headed" else verdicts).sum(), real)
    assert float(penalty.detach()) == pytest.approx(0.15 * float(slope.square().sum()) / 4, rel=1e-4)
    augmented = cgan.CGAN(cgan.Config(form=form, r1=0.3, augmented=True))
    assert one_step(augmented)["penalty"] > 0


def test_the_last_layer_of_a_critic_computes_in_fp32() -> None:
    critics = [
        dcgan.DCGAN(dcgan.Config(resolution=16, width=4)),
        wgan_gp.WGANGP(wgan_gp.Config(network="dcgan", width=4)),
        sngan.SNGAN(sngan.Config(network="dcgan", width=4)),
        gan.GAN(gan.Config()),
        cgan.CGAN(cgan.Config(form="two_headed", classes=40)),
    ]
    for system in critics:
        images, labels = torch.randn(2, *system.config.shape), torch.tensor([3, 39]) if system.conditional else None
        with torch.autocast("cpu", torch.bfloat16):
            verdicts = system.tell(system.discriminator, images, labels)
        for verdict in verdicts if isinstance(verdicts, tuple) else (verdicts,):
            assert verdict.dtype == torch.float32, type(system).__name__


@pytest.mark.parametrize(
    ("system", "least"),
    [
        (dcgan.DCGAN(dcgan.Config(resolution=28, width=4)), 2),
        (dcgan.DCGAN(dcgan.Config(resolution=16, width=4)), 1),
        (wgan.WGAN(wgan.Config(network="dcgan", width=4)), 2),
        (wgan_gp.WGANGP(wgan_gp.Config(network="dcgan", width=4)), 1),
        (gan.GAN(gan.Config()), 1),
    ],
    ids=lambda value: type(value).__name__,
)
def test_the_least_batch_is_what_training_takes(system: Adversarial, least: int) -> None:
    def draw(_: int) -> tuple[Batch, int]:
        return Batch(torch.rand(count, *system.config.shape) * 2 - 1, None, ends_epoch=False), count

    assert system.least_batch == least
    count, clock = least, Clock()
    system.step(Feed(draw, clock), clock)
    count = 1
    if least == 2:
        with pytest.raises(ValueError, match="more than 1 value per channel"):
            system.step(Feed(draw, clock), clock)


def test_what_a_system_can_do_is_said_on_its_class() -> None:
    assert cgan.CGAN.conditional
    assert not gan.GAN.conditional
    assert gan.GAN.draws
    assert gan.GAN(gan.Config(images=500)).glance_every == 50
    assert gan.GAN(gan.Config(images=5)).glance_every == 1
    assert gan.GAN(gan.Config(measure_every=7)).glance_every == 7


@pytest.mark.parametrize(
    "config",
    [
        gan.Config(objective="hinge", r1=1.0, half_life=100, augmented=True),
        dcgan.Config(resolution=16, width=4, objective="hinge", half_life=100, augmented=True),
        sngan.Config(objective="wasserstein", r1=0.5, augmented=True),
        wgan_gp.Config(r1=0.5, one_sided=True, half_life=50),
        cgan.Config(objective="hinge", half_life=100, augmented=True, form="two_headed", r1=1.0),
    ],
    ids=lambda config: type(config).__module__.rsplit(".", 1)[1],
)
def test_options_go_together_under_bf16(config: Any) -> None:
    kinds = {gan.Config: gan.GAN, dcgan.Config: dcgan.DCGAN, sngan.Config: sngan.SNGAN, wgan_gp.Config: wgan_gp.WGANGP,
             cgan.Config: cgan.CGAN}  # fmt: skip
    system = kinds[type(config)](config)
    before = snapshot(system.generator), snapshot(system.discriminator)
    with torch.autocast("cpu", torch.bfloat16):
        scalars = one_step(system)
    assert all(value.isfinite() for value in scalars.values())
    for network, weights in zip((system.generator, system.discriminator), before, strict=True):
        changed = [not torch.equal(a, b) for a, b in zip(snapshot(network), weights, strict=True)]
        assert all(changed), "autocast must not keep weights of a pass without gradients"


def test_an_annealed_rate_falls_in_a_straight_line() -> None:
    system = gan.GAN(gan.Config(annealed=True, images=32))
    rates = []
    for clock in (Clock(images=start, before=start) for start in (0, 8, 24)):
        system.step(feed(system, clock), clock)
        rates.append([optimizer.param_groups[0]["lr"] for optimizer in system.optimizers.values()])
    assert rates == [[pytest.approx(2e-4 * share)] * 2 for share in (1, 0.75, 0.25)]


def test_samples_come_from_the_average() -> None:
    system = gan.GAN(gan.Config(half_life=10))
    one_step(system)
    assert system.average is not None
    assert system.maker is system.average.network
    plain = gan.GAN(replace(system.config, half_life=0))
    assert plain.maker is plain.generator


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: gan.Config(batch_size=1), "batch_size 1: must be at least 2"),
        (lambda: gan.Config(channels=4), "channels 4: must be one of 1, 2, 3"),
        (lambda: gan.Config(beta1=1.0), "beta1 1.0: must lie between 0 and 1"),
        (lambda: gan.Config(learning_rate=float("nan")), "learning_rate nan: must be a finite number"),
        (lambda: gan.Config(hidden=(0,)), r"hidden \(0,\): each must lie between 1 and 8,192"),
        (lambda: sngan.Config(hidden=()), r"hidden \(\): must not be empty"),
        (lambda: gan.Config(dropout=-0.1), "dropout -0.1: must lie between 0 and 1"),
        (lambda: wgan.Config(clip=0.0), "clip 0.0: must be more than 0"),
        (lambda: wgan.Config(width=0), "width 0: must lie between 1"),
        (
            lambda: dcgan.DCGAN.refuse(dcgan.Config(r1=0.1)),
            "r1 0.1: this critic has batch norm.* sngan or wgan_gp with --network dcgan",
        ),
        (
            lambda: wgan.WGAN.refuse(wgan.Config(network="dcgan", r1=1.0)),
            "r1 1.0: this critic has batch norm.* or wgan_gp",
        ),
        (lambda: wgan_gp.Config(penalty_weight=-1.0), "penalty_weight -1.0: must not be negative"),
        (lambda: sngan.Config(bound=0.0), "bound 0.0: must be more than 0"),
        (lambda: cgan.Config(classes=1), "classes 1: must lie between 2"),
        (lambda: cgan.Config(dropout=1.0), "dropout 1.0"),
    ],
)
def test_bad_values_are_named(make: Any, message: str) -> None:
    with pytest.raises(SfumatoError, match=message):
        make()
