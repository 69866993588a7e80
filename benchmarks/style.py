"""Style transfer against the textbook: eager, fp32, NCHW, reflection-padded, upsampling before convolution.

Both sides have the same random weights and see the same pictures.
"""

from collections.abc import Callable
from dataclasses import replace

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from sfumato.data.batches import Batch
from sfumato.engine.clock import Clock
from sfumato.engine.runtime import Runtime
from sfumato.nets.encoders import IMAGENET_MEAN, IMAGENET_STD, Encoder, build_encoder
from sfumato.style.adain import PRESETS, AdaIN
from sfumato.style.gatys import RECIPES, Canvas, Objective
from sfumato.style.network import Restyler

from .measure import Row, row

BATCH, SIDE = 4, 256
STYLISED = 512
PAINTED = (300, 450)


def adain(rounds: int, runtime: Runtime) -> list[Row]:
    """A training step of AdaIN at VGG-19's widths, batch 4 of 256²; and restyling a picture of 512²."""
    torch.manual_seed(0)
    system = AdaIN(replace(PRESETS["port"], batch_size=BATCH, crop=SIDE))
    tame(system.network.encoder)
    theirs = TextbookAdaIN(system.network)
    system.to(memory_format=runtime.memory_format)  # pyright: ignore[reportCallIssue]
    content, style = torch.rand(2, BATCH, 3, SIDE, SIDE)
    first, second = (
        Batch(images.contiguous(memory_format=runtime.memory_format), None, ends_epoch=False)
        for images in (content, style)
    )

    def step() -> None:
        with runtime.autocast():
            system.step(iter([(first, second)]), Clock())

    picture, painting = torch.rand(2, 1, 3, STYLISED, STYLISED)

    @torch.no_grad()
    def restyle(chosen: Runtime) -> Tensor:
        with chosen.autocast():
            pictures = (image.contiguous(memory_format=chosen.memory_format) for image in (picture, painting))
            return system.network(*pictures).float()

    @torch.no_grad()
    def restyle_theirs() -> Tensor:
        return theirs(picture, painting)

    exact = restyle(replace(runtime, precision="fp32"))
    # Before the training steps that are timed below: they change both sides' weights, each in its own way.
    likeness = {
        "psnr_to_fp32": round(psnr(restyle(runtime), exact), 1),
        "psnr_of_fp32_to_textbook": round(psnr(restyle_theirs(), exact), 1),
    }
    # The encoder: forward for content, style and output, and backward to the output. The decoder: there and back.
    encoder, decoder = products(system.network, SIDE)
    training = 2 * BATCH * (4 * encoder + 3 * decoder)
    encoder, decoder = products(system.network, STYLISED)
    using = 2 * (2 * encoder + decoder)
    return [
        row(f"AdaIN step, VGG-19, {BATCH}×{SIDE}²", step, theirs.step(content, style), rounds, runtime, training),
        {
            **row(f"AdaIN restyling {STYLISED}²", lambda: restyle(runtime), restyle_theirs, rounds, runtime, using),
            **likeness,
        },
    ]


def gatys(rounds: int, runtime: Runtime) -> list[Row]:
    """A step of optimisation at 300×450, by the textbook's recipe on VGG-19."""
    torch.manual_seed(0)
    encoder = build_encoder("vgg19").requires_grad_(False)
    tame(encoder)
    content, style = torch.rand(2, 1, 3, *PAINTED)
    theirs = textbook_gatys(encoder, content, style)
    encoder.to(memory_format=runtime.memory_format)  # pyright: ignore[reportCallIssue]
    recipe = RECIPES["d2l"]
    with runtime.autocast():
        objective = Objective(encoder, recipe, content, [style], [1.0])
    canvas = Canvas(content, recipe)
    return [
        row(f"Gatys step, {PAINTED[0]}×{PAINTED[1]}", lambda: canvas.step(objective, runtime), theirs, rounds, runtime)
    ]


def tame(encoder: Encoder) -> None:
    """Weights that keep activations near 1 through sixteen layers: torch's own let them die out."""
    for module in encoder.modules():
        if isinstance(module, nn.Conv2d):
            nn.init.kaiming_normal_(module.weight, nonlinearity="relu")
            nn.init.zeros_(module.bias)  # pyright: ignore[reportArgumentType]


def products(restyler: Restyler, side: int) -> tuple[int, int]:
    """Multiply-adds that encoder (to relu4_1) and decoder spend on a picture, transposed convolutions as executed."""
    totals = [0, 0]

    def count(part: int) -> Callable[[nn.Module, tuple[Tensor, ...], Tensor], None]:
        def hook(module: nn.Module, _: tuple[Tensor, ...], output: Tensor) -> None:
            assert isinstance(module, nn.Conv2d)
            share = 4 / 9 if type(module) is not nn.Conv2d else 1
            totals[part] += int(output.numel() * module.weight[0].numel() * share)

        return hook

    hooks = [
        module.register_forward_hook(count(part))
        for part, network in enumerate((restyler.encoder, restyler.decoder))
        for module in network.modules()
        if isinstance(module, nn.Conv2d)
    ]
    with torch.no_grad():
        image = torch.zeros(1, 3, side, side)
        features = restyler.encoder(image, restyler.layers)
        restyler.decoder(features)
    for hook in hooks:
        hook.remove()
    return totals[0], totals[1]


def psnr(found: Tensor, target: Tensor) -> float:
    """In dB, of the range of `target`: with random weights that is not [0, 1]."""
    return float(20 * (target.max() - target.min()).log10() - 10 * (found - target).square().mean().log10())


class TextbookAdaIN:
    """The port in common use, with the weights of `restyler`: nn.Sequential of pads, convolutions and ReLUs."""

    def __init__(self, restyler: Restyler) -> None:
        self.mean, self.std = (torch.tensor(values).view(3, 1, 1) for values in (IMAGENET_MEAN, IMAGENET_STD))
        depth = restyler.encoder.place("relu4_1") + 1
        self.encoder = padded(list(restyler.encoder.features[:depth]))
        convolutions = [module for module in restyler.decoder.modules() if isinstance(module, nn.Conv2d)]
        layers: list[nn.Module] = []
        for number, convolution in enumerate(convolutions):
            if type(convolution) is not nn.Conv2d:
                layers.append(nn.Upsample(scale_factor=2))
            layers += [convolution, *([nn.ReLU()] if number + 1 < len(convolutions) else [])]
        self.decoder = padded(layers)
        self.optimizer = torch.optim.Adam(self.decoder.parameters(), lr=1e-4)

    def encode(self, images: Tensor) -> list[Tensor]:
        """relu1_1, relu2_1, relu3_1, relu4_1."""
        values, found, channels = (images - self.mean) / self.std, [], 0
        for layer in self.encoder:
            values = layer(values)
            if isinstance(layer, nn.ReLU) and values.shape[1] != channels:
                found.append(values)
                channels = values.shape[1]
        return found

    def exchanged(self, content: Tensor, style: Tensor) -> Tensor:
        (mean, std), (other_mean, other_std) = statistics(content), statistics(style)
        return (content - mean) / std * other_std + other_mean

    def __call__(self, content: Tensor, style: Tensor) -> Tensor:
        return self.decoder(self.exchanged(self.encode(content)[-1], self.encode(style)[-1]))

    def step(self, content: Tensor, style: Tensor) -> Callable[[], None]:
        def step() -> None:
            styles, contents = self.encode(style), self.encode(content)
            target = self.exchanged(contents[-1], styles[-1])
            found = self.encode(self.decoder(target))
            loss = F.mse_loss(found[-1], target)
            for own, other in zip(found, styles, strict=True):
                (mean, std), (other_mean, other_std) = statistics(own), statistics(other)
                loss = loss + 10 * (F.mse_loss(mean, other_mean) + F.mse_loss(std, other_std))
            self.optimizer.zero_grad()
            loss.backward()
            self.optimizer.step()

        return step


def padded(layers: list[nn.Module]) -> nn.Sequential:
    """The same layers with copies of the weights, reflection padding as layers of its own."""
    found: list[nn.Module] = []
    for layer in layers:
        if isinstance(layer, nn.Conv2d):
            plain = nn.Conv2d(layer.in_channels, layer.out_channels, 3)
            plain.load_state_dict({name: value.clone() for name, value in layer.state_dict().items()})
            plain.requires_grad_(layer.weight.requires_grad)
            found += [nn.ReflectionPad2d(1), plain]
        else:
            found.append(layer)
    return nn.Sequential(*found)


def statistics(features: Tensor) -> tuple[Tensor, Tensor]:
    """Mean and unbiased deviation, as the port takes them."""
    count, channels = features.shape[:2]
    flat = features.view(count, channels, -1)
    std = (flat.var(dim=2) + 1e-5).sqrt().view(count, channels, 1, 1)
    return flat.mean(dim=2).view(count, channels, 1, 1), std


def textbook_gatys(encoder: Encoder, content: Tensor, style: Tensor) -> Callable[[], None]:
    """The textbook's step: features of every layer, Gram matrices, Adam on a normalised picture."""
    recipe = RECIPES["d2l"]
    mean, std = (torch.tensor(values).view(3, 1, 1) for values in (IMAGENET_MEAN, IMAGENET_STD))
    depth = encoder.place("conv5_1") + 1
    layers = nn.Sequential(
        *(nn.ReLU() if isinstance(layer, nn.ReLU) else layer for layer in build_copy(encoder, depth))
    )
    content_at = [encoder.place(layer) for layer in recipe.content_layers]
    style_at = [encoder.place(layer) for layer in recipe.style_layers]

    def features(image: Tensor) -> tuple[list[Tensor], list[Tensor]]:
        contents, styles = [], []
        for index, layer in enumerate(layers):
            image = layer(image)
            if index in content_at:
                contents.append(image)
            if index in style_at:
                styles.append(image)
        return contents, styles

    def gram_of(values: Tensor) -> Tensor:
        flat = values.reshape(values.shape[1], -1)
        return flat @ flat.T / flat.numel()

    with torch.no_grad():
        content_goal = features((content - mean) / std)[0]
        style_goal = [gram_of(values) for values in features((style - mean) / std)[1]]
    pixels = ((content - mean) / std).requires_grad_()
    optimizer = torch.optim.Adam([pixels], lr=recipe.learning_rate)

    def step() -> None:
        contents, styles = features(pixels)
        loss = sum((a - b).square().mean() for a, b in zip(contents, content_goal, strict=True))
        loss = loss + recipe.style_weight * sum(
            (gram_of(a) - b).square().mean() for a, b in zip(styles, style_goal, strict=True)
        )
        across = (pixels[..., 1:] - pixels[..., :-1]).abs().mean()
        down = (pixels[..., 1:, :] - pixels[..., :-1, :]).abs().mean()
        loss = loss + recipe.smoothness * 0.5 * (across + down)
        optimizer.zero_grad()
        loss.backward()  # pyright: ignore[reportAttributeAccessIssue]
        optimizer.step()

    return step


def build_copy(encoder: Encoder, depth: int) -> nn.Sequential:
    copy = build_encoder("vgg19").requires_grad_(False)
    copy.load_state_dict({name: value.clone().contiguous() for name, value in encoder.state_dict().items()})
    return copy.features[:depth]
