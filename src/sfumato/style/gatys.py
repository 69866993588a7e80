"""Style transfer by optimisation: start from a picture and change its pixels until features say what they should.

Gatys, Ecker and Bethge 2016, https://doi.org/10.1109/CVPR.2016.265; equation numbers are the paper's.
Images are (1, 3, h, w) in [0, 1]. The total loss is content_weight · content + style_weight · style + smoothness · TV
(7). Known recipes, each with its own layers, weights, optimiser and start:
- `gatys2016`: the authors' code. Where the paper sums squares, it takes their means, and divides a layer's style by N²
  once more; L-BFGS from the content. (1) and (4) as printed are `content="half_sum"` and `style="gram"`.
- `d2l`: the textbook's. Means of squares on convolutions before their ReLU, Gram matrices over their size, absolute
  variation, Adam whose rate falls by a fifth every 50 steps.
- `keras`: the example of the Keras documentation: its layers, and gradient descent at a rate of 100 on pixels of 0 to
  255. Its weights belong to Caffe's VGG-19, which torchvision does not have: those here are ours. Its total variation
  has a power of 1.25, ours of 2; its rate falls smoothly, ours in steps of a hundred.
- `multiscale`: ours, after what users of style-transfer-pytorch get their best pictures with: coarse to fine, Gaussian
  2-Wasserstein distances between features, Adam whose moments are carried from size to size, averaged iterates.
Departs from the papers: the networks are torchvision's or ours. All but `d2l` want filters of mean activation 1 and get
them; `d2l` takes VGG-19's as they come. On an encoder without a recipe's layers, the encoder's own stand in (see
`LAYERS`).
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal, Protocol

import torch
from torch import Tensor
from torch.nn import functional as F

from ..engine.annealing import set_rate
from ..engine.loop import Tick
from ..engine.runtime import Runtime
from ..engine.system import Scalars
from ..errors import SfumatoError
from ..nets.encoders import IMAGENET_MEAN, IMAGENET_STD, Encoder, Pooling
from ..ops.statistics import Moments, covariance, gram, moments, square_root
from ..ops.style_losses import (
    absolute_variation,
    gaussian_distance,
    gram_error,
    relative_error,
    relative_moments,
    sliced_distance,
    total_variation,
)  # fmt: skip
from ..seeds import derive
from .options import Start

VGG_LAYERS = ("relu1_1", "relu2_1", "relu3_1", "relu4_1", "relu5_1")
SQUEEZENET_LAYERS = (("fire3",), ("relu1", "fire2", "fire3", "fire4", "fire5", "fire6"))  # content, style
HISTORY = 10  # updates that L-BFGS remembers
DESCENT_PIXELS = 400 * 600  # of the picture that `keras` has its rate for
NOISE = 0.1  # standard deviation of a start from noise
EPS = 1e-4  # beside the variances of a covariance
SMALLEST = 32  # pixels on the shorter side of the coarsest scale
DIRECTIONS = 64  # of the sliced distance, drawn anew at each step


@dataclass(frozen=True, kw_only=True)
class Recipe:
    """What is minimised, and how."""

    content_layers: tuple[str, ...] = ("relu4_2",)  # compared as they are
    style_layers: tuple[str, ...] = VGG_LAYERS  # compared as statistics
    layer_weights: tuple[float, ...] = ()  # of the style layers; equal shares of 1 if none are given
    content: Literal["half_sum", "mean", "relative"] = "mean"  # half_sum: (1); relative to the target's squares
    style: Literal["gram", "mean_gram", "moments", "gaussian", "sliced"] = "gram"  # gram: (4)
    variation: Literal["absolute", "squared"] = "squared"  # which differences of neighbours the smoothness is of
    content_weight: float = 1.0  # α
    style_weight: float = 1.0  # β
    smoothness: float = 0.0  # weight of the total variation
    optimizer: Literal["adam", "lbfgs", "sgd"] = "adam"  # how pixels are moved
    learning_rate: float = 0.02  # in the units of `pixels`
    decay: float = 1.0  # the rate is multiplied by this ...
    decay_every: int = 50  # ... after so many steps
    betas: tuple[float, float] = (0.9, 0.999)  # of Adam
    steps: int = 500  # at the finest scale
    coarse_steps: int = 500  # at each scale before it
    scale_factor: float = 1.0  # from each scale to the next finer one; 1: one scale only
    coarsest: int = 128  # longer side of the first scale, in pixels
    start: Start = "content"  # what is changed: the content, noise, or noise with the style's colours
    pixels: Literal["unit", "normalised", "byte"] = "unit"  # what is optimised: [0, 1], ImageNet's units, or 0 to 255
    averaging: float = 0.0  # weight of the past in the average of iterates that is kept; 0: the last one is
    pooling: Pooling = "max"  # of the VGG networks
    rescaled: bool = True  # VGG filters brought to a mean activation of 1


RECIPES = {
    "gatys2016": Recipe(
        layer_weights=(1,) * 5, style="mean_gram", style_weight=1e3, optimizer="lbfgs", learning_rate=1.0,
        pixels="byte", pooling="average",
    ),
    "d2l": Recipe(
        content_layers=("conv4_4",), style_layers=("conv1_1", "conv2_1", "conv3_1", "conv4_1", "conv5_1"),
        layer_weights=(1,) * 5, style="mean_gram", variation="absolute", style_weight=1e4, smoothness=10.0,
        learning_rate=0.3, decay=0.8, pixels="normalised", rescaled=False,
    ),
    "keras": Recipe(
        content_layers=("relu5_2",), content="relative", style="gram", content_weight=100.0, style_weight=300.0,
        smoothness=5e-5, optimizer="sgd", learning_rate=100.0, decay=0.96, decay_every=100, steps=4000, pixels="byte",
    ),
    "multiscale": Recipe(
        layer_weights=tuple(share / 341 for share in (256, 64, 16, 4, 1)), content_weight=0.015, style="gaussian",
        smoothness=2.0, betas=(0.9, 0.99), scale_factor=2**0.5, averaging=0.99, pooling="average",
    ),
}  # fmt: skip
# Content and style layers for encoders that do not have those of a recipe.
LAYERS = {
    "vgg16": (("relu4_2",), VGG_LAYERS),
    "sfumato": (("relu3_2",), ("relu1_1", "relu2_1", "relu3_1", "relu4_1")),
    "squeezenet1_0": SQUEEZENET_LAYERS,
    "squeezenet1_1": SQUEEZENET_LAYERS,
}


@dataclass(frozen=True)
class PictureTick(Tick):
    """One step: `images` counts the steps so far, of `total`; `canvas.image` is the picture as it stands."""

    total: int
    canvas: "Easel"


class Easel(Protocol):
    """What a picture stands on while it is changed."""

    @property
    def image(self) -> Tensor:
        """(1, 3, h, w) in [0, 1]."""
        ...


def recipe_for(name: str, encoder: Encoder, **changes: Any) -> Recipe:
    """The recipe `name` with `changes`, its layers replaced by the encoder's own if it lacks them.

    Raises SfumatoError for a recipe that is not there.
    """
    if name not in RECIPES:
        raise SfumatoError(f"recipe {name!r}: must be one of {', '.join(RECIPES)}")
    recipe = replace(RECIPES[name], **changes)
    if not {*recipe.content_layers, *recipe.style_layers} <= encoder.places.keys():
        content, style = LAYERS[encoder.name]
        total = sum(recipe.layer_weights) or 1.0
        shares = recipe.layer_weights[: len(style)] if len(style) <= len(recipe.layer_weights) else (1.0,) * len(style)
        shares = tuple(total * share / sum(shares or (1.0,)) for share in shares)
        recipe = replace(recipe, content_layers=content, style_layers=style, layer_weights=shares)
    return recipe


class Objective:
    """The total loss (7) of a picture at one scale: `content` and `styles` are (1, 3, h, w), with weights of sum 1."""

    def __init__(
        self, encoder: Encoder, recipe: Recipe, content: Tensor, styles: Sequence[Tensor], weights: Sequence[float]
    ) -> None:
        self.encoder, self.recipe = encoder, recipe
        self.layers = tuple(dict.fromkeys((*recipe.content_layers, *recipe.style_layers)))
        self.shares = recipe.layer_weights or (1 / len(recipe.style_layers),) * len(recipe.style_layers)
        with torch.no_grad():
            self.content = {layer: value.float() for layer, value in encoder(content, recipe.content_layers).items()}
            self.styles = [
                (weight, {layer: self._summary(value) for layer, value in encoder(style, recipe.style_layers).items()})
                for style, weight in zip(styles, weights, strict=True)
                if weight
            ]

    def __call__(self, image: Tensor) -> Scalars:
        """The three terms, unweighted, and their weighted sum `loss`, of a picture in [0, 1]."""
        recipe = self.recipe
        found = self.encoder(image, self.layers)
        content = torch.stack([self._content(found[layer], target) for layer, target in self.content.items()]).mean()
        style = torch.stack(
            [
                weight * share * self._style(found[layer], summaries[layer])
                for weight, summaries in self.styles
                for layer, share in zip(recipe.style_layers, self.shares, strict=True)
            ]
        ).sum()
        painted = image / units(recipe, image.device)[1]  # smoothness is of what is optimised
        rough = absolute_variation(painted) if recipe.variation == "absolute" else total_variation(painted)
        loss = recipe.content_weight * content + recipe.style_weight * style + recipe.smoothness * rough
        return {"loss": loss, "content": content, "style": style, "variation": rough}

    def _content(self, found: Tensor, target: Tensor) -> Tensor:
        if self.recipe.content == "relative":
            return relative_error(found, target)
        squares = (found.float() - target).square()
        return 0.5 * squares.sum() if self.recipe.content == "half_sum" else squares.mean()

    def _summary(self, features: Tensor) -> tuple[Tensor, ...]:
        """What is kept of a style's features: what `_style` compares with."""
        kind = self.recipe.style
        if kind == "moments":
            return moments(features)
        if kind == "gaussian":
            mean, covariances = covariance(features)
            return mean, square_root(covariances + EPS * torch.eye(covariances.shape[-1], device=mean.device))
        if kind == "sliced":
            return (features.float(),)
        return (gram(features) / features[0, 0].numel(),)

    def _style(self, features: Tensor, summary: tuple[Tensor, ...]) -> Tensor:
        kind, channels = self.recipe.style, features.shape[1]
        if kind == "moments":
            return relative_moments(moments(features), Moments(*summary))
        if kind == "gaussian":
            return gaussian_distance(features, *summary, eps=EPS)
        if kind == "sliced":
            directions = F.normalize(torch.randn(DIRECTIONS, channels, device=features.device), dim=1)
            return sliced_distance(features, summary[0], directions)
        grams = gram(features) / features[0, 0].numel()
        return gram_error(grams, summary[0]) if kind == "gram" else F.mse_loss(grams / channels, summary[0] / channels)


def paint(
    content: Tensor, styles: Sequence[Tensor], encoder: Encoder, recipe: Recipe, runtime: Runtime,
    weights: Sequence[float] = (), seed: int = 0, begin_with: Tensor | None = None,
) -> Iterator[PictureTick]:  # fmt: skip
    """Optimises a picture and yields after each step; the last tick holds the result, in the size of `content`.

    `content` and `styles`: (1, 3, h, w) in [0, 1]. `weights`: of the styles, equal if none are given. `begin_with`: a
    picture to start from, instead of what the recipe says.
    """
    encoder = encoder.to(runtime.device, memory_format=runtime.memory_format).requires_grad_(False)  # pyright: ignore[reportCallIssue]
    content, *styles = (image.to(runtime.device) for image in (content, *styles))
    shares = [weight / sum(weights) for weight in weights] if weights else [1 / len(styles)] * len(styles)
    sizes = scales(content, recipe)
    total = recipe.steps + recipe.coarse_steps * (len(sizes) - 1)
    precision = runtime if recipe.optimizer != "lbfgs" else replace(runtime, precision="fp32")
    runtime.reseed(derive(seed, "paint"))
    start = _start(content, styles[0], recipe) if begin_with is None else begin_with.to(runtime.device)
    canvas, step = None, 0
    for size in sizes:
        canvas = Canvas(_sized(start, size), recipe, canvas)
        at_size = [_sized(style, _beside(style, size)) for style in styles]
        with precision.autocast(), torch.no_grad():
            objective = Objective(encoder, recipe, _sized(content, size), at_size, shares)
        for _ in range(recipe.steps if size == sizes[-1] else recipe.coarse_steps):
            runtime.reseed(derive(seed, "paint", step))
            scalars = canvas.step(objective, precision)
            step += 1
            yield PictureTick(scalars, step, 1, total, canvas)
        start = canvas.image


class Canvas:
    """The pixels that are changed at one scale, their optimiser, and their average.

    `before`: the canvas of the next coarser scale, whose Adam moments go on, enlarged.
    """

    def __init__(self, start: Tensor, recipe: Recipe, before: "Canvas | None" = None) -> None:
        self.recipe = recipe
        self.shift, self.scale = units(recipe, start.device)
        self.pixels = ((start - self.shift) / self.scale).contiguous().requires_grad_()
        self.optimizer = self._optimizer()
        self.averaged, self.steps = torch.zeros_like(start), 0
        if before is not None and recipe.optimizer == "adam":
            self._carry(before)

    @property
    def image(self) -> Tensor:
        """The picture as it stands, (1, 3, h, w) in [0, 1]."""
        keep = self.recipe.averaging
        current = self.averaged / (1 - keep**self.steps) if keep and self.steps else self._shown()
        return current.detach().clamp(0, 1)

    def step(self, objective: Objective, runtime: Runtime) -> Scalars:
        """One update of the pixels; returns the losses before it."""
        recipe = self.recipe
        scalars: Scalars = {}

        def closure() -> Tensor:
            self.pixels.grad = None
            with runtime.autocast():
                scalars.update(objective(self._shown()))
            scalars["loss"].backward()
            return scalars["loss"]

        rate = recipe.learning_rate * recipe.decay ** (self.steps // recipe.decay_every)
        if recipe.optimizer == "sgd":  # means of squares share one gradient among all pixels: the rate makes up for it
            rate *= self.pixels[0, 0].numel() / DESCENT_PIXELS
        set_rate(self.optimizer, rate)
        self.optimizer.step(closure)  # pyright: ignore[reportCallIssue, reportArgumentType]
        self.steps += 1
        with torch.no_grad():
            if recipe.pixels == "unit":
                self.pixels.clamp_(0, 1)
            if recipe.averaging:
                self.averaged.lerp_(self._shown(), 1 - recipe.averaging)
        return {name: value.detach() for name, value in scalars.items()}

    def _shown(self) -> Tensor:
        return self.pixels * self.scale + self.shift

    def _optimizer(self) -> torch.optim.Optimizer:
        recipe = self.recipe
        if recipe.optimizer == "adam":
            return torch.optim.Adam([self.pixels], lr=recipe.learning_rate, betas=recipe.betas)
        if recipe.optimizer == "sgd":
            return torch.optim.SGD([self.pixels], lr=recipe.learning_rate)
        return torch.optim.LBFGS(  # one update per step; it stops when we do
            [self.pixels], lr=recipe.learning_rate, max_iter=1, history_size=HISTORY,
            tolerance_grad=0, tolerance_change=0,
        )  # fmt: skip

    def _carry(self, before: "Canvas") -> None:
        old = before.optimizer.state[before.pixels]
        size = self.pixels.shape[2:]
        self.optimizer.state[self.pixels] = {
            "step": old["step"].clone(),
            "exp_avg": F.interpolate(old["exp_avg"], size=size, mode="bicubic", align_corners=False),
            "exp_avg_sq": F.interpolate(old["exp_avg_sq"], size=size, mode="bilinear", align_corners=False).relu(),
        }


def units(recipe: Recipe, device: torch.device) -> tuple[Tensor, Tensor]:
    """Shift and scale, (3, 1, 1): [0, 1] is what is optimised times the scale, plus the shift."""
    values = {
        "unit": ((0.0,) * 3, (1.0,) * 3),
        "normalised": (IMAGENET_MEAN, IMAGENET_STD),
        "byte": ((0.0,) * 3, (1 / 255,) * 3),
    }[recipe.pixels]
    shift, scale = (torch.tensor(part, device=device).view(3, 1, 1) for part in values)
    return shift, scale


def scales(content: Tensor, recipe: Recipe) -> list[tuple[int, int]]:
    """Heights and widths from the coarsest scale to that of `content`."""
    height, width = content.shape[2:]
    sizes = [(height, width)]
    while recipe.scale_factor > 1 and round(max(height, width) / recipe.scale_factor) >= recipe.coarsest:
        height, width = height / recipe.scale_factor, width / recipe.scale_factor
        if min(height, width) < SMALLEST:
            break
        sizes.insert(0, (round(height), round(width)))
    return sizes


def _start(content: Tensor, style: Tensor, recipe: Recipe) -> Tensor:
    if recipe.start == "content":
        return content
    noise = torch.randn_like(content)
    if recipe.start == "noise":
        return (0.5 + NOISE * noise).clamp(0, 1)
    colours = style.flatten(2)
    return (colours.mean(2)[..., None, None] + colours.std(2)[..., None, None] * noise).clamp(0, 1)


def _sized(image: Tensor, size: tuple[int, int]) -> Tensor:
    if image.shape[2:] == size:
        return image
    return F.interpolate(image, size=size, mode="bicubic", align_corners=False, antialias=True).clamp(0, 1)


def _beside(style: Tensor, size: tuple[int, int]) -> tuple[int, int]:
    """The size of `style` whose longer side is that of `size`, if it is larger."""
    height, width = style.shape[2:]
    scale = min(1.0, max(size) / max(height, width))
    return max(SMALLEST, round(height * scale)), max(SMALLEST, round(width * scale))
