"""Optimisation: the objective against the papers' formulas, and what moves pixels."""

from dataclasses import replace

import pytest
import torch
from torch import Tensor

from sfumato.data.paintings import painting
from sfumato.data.pictures import to_tensor
from sfumato.engine.runtime import Runtime
from sfumato.errors import SfumatoError
from sfumato.nets.encoders import Encoder, build_encoder
from sfumato.style.gatys import RECIPES, Canvas, Objective, Recipe, paint, recipe_for, scales
from sfumato.style.network import shipped

RUNTIME = Runtime(torch.device("cpu"), "fp32")


@pytest.fixture(scope="module")
def encoder() -> Encoder:
    torch.manual_seed(0)
    return build_encoder("sfumato").requires_grad_(False)


@pytest.fixture
def pictures() -> tuple[Tensor, Tensor, Tensor]:
    content, style, image = torch.rand(3, 1, 3, 48, 64, generator=torch.Generator().manual_seed(0))
    return content, style, image


def test_the_total_is_alpha_content_plus_beta_style(encoder: Encoder, pictures: tuple[Tensor, ...]) -> None:
    """J_content = ½‖a - g‖², E_l = Σ(G - A)² / 4N²M², total = α · content + β · Σ w_l E_l."""
    content, style, image = pictures
    recipe = Recipe(
        content_layers=("relu3_1",), style_layers=("relu1_1", "relu2_1"), layer_weights=(0.25, 0.75),
        content="half_sum", style="gram", content_weight=3.0, style_weight=7.0,
    )  # fmt: skip
    found = Objective(encoder, recipe, content, [style], [1.0])(image)
    seen, goal = (encoder(x, ("relu1_1", "relu2_1", "relu3_1")) for x in (image, style))
    original = encoder(content, ("relu3_1",))["relu3_1"]
    expected_content = 0.5 * (original - seen["relu3_1"]).square().sum()
    expected_style = torch.zeros(())
    for layer, weight in (("relu1_1", 0.25), ("relu2_1", 0.75)):
        a, g = (x[layer][0].flatten(1) for x in (goal, seen))
        expected_style += weight * (g @ g.T - a @ a.T).square().sum() / (4 * len(a) ** 2 * a.shape[1] ** 2)
    torch.testing.assert_close(found["content"], expected_content)
    torch.testing.assert_close(found["style"], expected_style, rtol=1e-4, atol=1e-8)
    torch.testing.assert_close(found["loss"], 3 * expected_content + 7 * expected_style)


def test_the_textbooks_losses(encoder: Encoder, pictures: tuple[Tensor, ...]) -> None:
    """Means of squares; Gram matrices over their size; half of the mean absolute differences."""
    content, style, image = pictures
    recipe = replace(RECIPES["d2l"], content_layers=("conv3_1",), style_layers=("conv1_1",), layer_weights=())
    found = Objective(encoder, recipe, content, [style], [1.0])(image)
    a, g = (encoder(x, ("conv1_1",))["conv1_1"][0].flatten(1) for x in (style, image))
    torch.testing.assert_close(found["style"], ((g @ g.T - a @ a.T) / g.numel()).square().mean(), rtol=1e-4, atol=1e-9)
    normalised = image / torch.tensor([0.229, 0.224, 0.225]).view(3, 1, 1)
    across, down = normalised[..., 1:] - normalised[..., :-1], normalised[..., 1:, :] - normalised[..., :-1, :]
    torch.testing.assert_close(found["variation"], 0.5 * (across.abs().mean() + down.abs().mean()))


def test_styles_blend_by_their_weights(encoder: Encoder, pictures: tuple[Tensor, ...]) -> None:
    content, style, image = pictures
    other = style.flip(1) ** 2
    recipe = recipe_for("multiscale", encoder)
    each = [Objective(encoder, recipe, content, [one], [1.0])(image)["style"] for one in (style, other)]
    both = Objective(encoder, recipe, content, [style, other], [0.25, 0.75])(image)["style"]
    torch.testing.assert_close(both, 0.25 * each[0] + 0.75 * each[1])


@pytest.mark.parametrize("name", RECIPES)
def test_every_recipe_lowers_its_loss(name: str) -> None:
    content, style = (to_tensor(painting(manner, 0, 96))[None] / 255 for manner in ("strokes", "glass"))
    encoder = shipped().encoder
    recipe = recipe_for(name, encoder, steps=30, coarse_steps=4, coarsest=32)
    ticks = list(paint(content, [style], encoder, recipe, RUNTIME))
    last = ticks[-1]
    assert last.images == last.total == len(ticks)
    assert last.canvas.image.shape == content.shape
    first = ticks[0 if recipe.scale_factor == 1 else -30]
    assert float(last.scalars["loss"]) < float(first.scalars["loss"])


def test_the_same_seed_paints_the_same_picture(encoder: Encoder, pictures: tuple[Tensor, ...]) -> None:
    content, style, _ = pictures
    recipe = recipe_for("d2l", encoder, steps=3, start="noise")

    def painted(seed: int) -> Tensor:
        return list(paint(content, [style], encoder, recipe, RUNTIME, seed=seed))[-1].canvas.image

    assert torch.equal(painted(1), painted(1))
    assert not torch.equal(painted(1), painted(2))


def test_adams_moments_go_on_at_the_next_scale(encoder: Encoder, pictures: tuple[Tensor, ...]) -> None:
    content, style, image = pictures
    recipe = recipe_for("multiscale", encoder)
    coarse = Canvas(image[..., ::2, ::2], recipe)
    coarse.step(Objective(encoder, recipe, content[..., ::2, ::2], [style], [1.0]), RUNTIME)
    fine = Canvas(image, recipe, coarse)
    state = fine.optimizer.state[fine.pixels]
    assert state["exp_avg"].shape == state["exp_avg_sq"].shape == image.shape
    assert state["exp_avg_sq"].min() >= 0
    assert float(state["step"]) == 1


def test_the_average_of_iterates_is_unbiased(pictures: tuple[Tensor, ...]) -> None:
    """After one step it is that step's picture, not a hundredth of it."""
    canvas = Canvas(pictures[2], replace(RECIPES["multiscale"], learning_rate=0.0))
    canvas.step(lambda image: {"loss": image.sum()}, RUNTIME)  # pyright: ignore[reportArgumentType]
    torch.testing.assert_close(canvas.image, pictures[2])


def test_scales_grow_by_the_factor_and_end_at_the_content() -> None:
    recipe = replace(RECIPES["multiscale"], coarsest=128)
    sizes = scales(torch.zeros(1, 3, 384, 512), recipe)
    assert [max(size) for size in sizes] == [128, 181, 256, 362, 512]
    assert sizes[-1] == (384, 512)
    assert scales(torch.zeros(1, 3, 300, 450), RECIPES["d2l"]) == [(300, 450)]


def test_a_recipe_takes_an_encoders_own_layers_where_it_lacks_its_own(encoder: Encoder) -> None:
    assert recipe_for("d2l", encoder).content_layers == ("relu3_2",)
    assert recipe_for("d2l", build_encoder("vgg16")).content_layers != ("conv4_4",)
    assert recipe_for("gatys2016", build_encoder("vgg19")).content_layers == ("relu4_2",)
    with pytest.raises(SfumatoError, match="recipe 'nobody': must be one of gatys2016"):
        recipe_for("nobody", encoder)
