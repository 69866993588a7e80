"""Style transfer against the textbook: eager, fp32, NCHW, reflection-padded, upsampling before convolution.

Both sides have the same random weights and see the same pictures.
"""

import copy
from collections.abc import Callable
from dataclasses import replace

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from sfumato.data.batches import Batch
from sfumato.engine.runtime import Runtime
from sfumato.nets.efficientnet import Layer
from sfumato.nets.encoders import IMAGENET_MEAN, IMAGENET_STD, Encoder, build_encoder
from sfumato.ops.style_losses import added_grain, patch_distance, relative_error, total_variation
from sfumato.style import encoder as distillation
from sfumato.style.adain import PRESETS, AdaIN
from sfumato.style.brush import PRESETS as PAINTING
from sfumato.style.brush import BrushSystem
from sfumato.style.gatys import RECIPES, Canvas, Objective
from sfumato.style.network import Restyler, mixed, prepared
from sfumato.style.texture import seen

from .measure import Bench, Row
from .training import step_on

BATCH, SIDE = 4, 256
STYLISED = 512
PAINTED = (300, 450)


def adain(bench: Bench) -> list[Row]:
    """A training step of AdaIN at VGG-19's widths, batch 4 of 256²; and restyling a picture of 512²."""
    torch.manual_seed(0)
    system = AdaIN(replace(PRESETS["port"], batch_size=BATCH, crop=SIDE))
    tame(system.network.encoder)
    theirs = TextbookAdaIN(system.network)
    content, style = torch.rand(2, BATCH, 3, SIDE, SIDE)
    step = step_on(system, pair(content, style), bench.runtime)
    picture, painting = torch.rand(2, 1, 3, STYLISED, STYLISED)

    @torch.no_grad()
    def restyle(chosen: Runtime) -> Tensor:
        with chosen.autocast():
            pictures = (image.contiguous(memory_format=chosen.memory_format) for image in (picture, painting))
            return system.network(*pictures).float()

    @torch.no_grad()
    def restyle_theirs() -> Tensor:
        return theirs(picture, painting)

    exact = restyle(replace(bench.runtime, precision="fp32"))
    # Before the training steps that are timed below: they change both sides' weights, each in its own way.
    likeness: Row = {
        "psnr_to_fp32": round(psnr(restyle(bench.runtime), exact), 1),
        "psnr_of_fp32_to_textbook": round(psnr(restyle_theirs(), exact), 1),
    }
    return [
        bench.row(f"AdaIN step, VGG-19, {BATCH}×{SIDE}²", step, theirs.step(content, style)),
        {**bench.row(f"AdaIN restyling {STYLISED}²", lambda: restyle(bench.runtime), restyle_theirs), **likeness},
    ]


def encoder(bench: Bench) -> list[Row]:
    """A training step of the shipped encoder and decoder, 8 pairs of 128², under the losses of a SqueezeNet."""
    torch.manual_seed(0)
    config = distillation.PRESETS["sfumato"]
    system = distillation.DistilledEncoder(config)
    tame(system.teacher)
    theirs = TextbookDistillation(system)
    content, style = torch.rand(2, config.batch_size, 3, config.crop, config.crop)
    ours = step_on(system, pair(content, style), bench.runtime)

    def step() -> None:
        theirs.step(content, style)

    return [bench.row(f"encoder step, {config.batch_size}×{config.crop}²", ours, step)]


def brush(bench: Bench) -> list[Row]:
    """A training step of the brush, 4 pairs of 160², half of them second passes, under EfficientNet-Lite0."""
    torch.manual_seed(0)
    config = PAINTING["any"]
    system = BrushSystem(config)
    theirs = copy.deepcopy(system)
    plain(theirs.eye.encoder)
    content, style = torch.rand(2, config.batch_size, 3, config.crop, config.crop)
    adam = torch.optim.Adam(theirs.network.decoder.parameters(), lr=config.learning_rate)
    half, seeds = config.batch_size // 2, torch.arange(config.batch_size)

    def looked(pictures: Tensor) -> list[Tensor]:
        """Forms, and means and covariances of maps less their mean."""
        forms, every = theirs.eye.see(seen(pictures, (0, 0)))
        found = [forms]
        for maps in every.values():
            flat = maps.flatten(2)
            mean = flat.mean(2, keepdim=True)
            found += [mean, (flat - mean) @ (flat - mean).transpose(1, 2) / flat.shape[2]]
        return found

    def step() -> None:
        with torch.no_grad():
            matched, given = prepared(content, style, seeds)
            drafts = theirs.network.once(*(F.avg_pool2d(part[:half], 2) for part in (given, style)))
            given = torch.cat([mixed(given[:half], drafts), given[half:]])
            goals = [theirs.eye.forms(seen(matched, (0, 0))), *looked(style)[1:]]
        output = theirs.network.once(given, style)
        loss = total_variation(output)
        for found, goal in zip(looked(output), goals, strict=True):
            loss = loss + relative_error(found, goal)
        directions = F.normalize(torch.randn(16, 75), dim=1)
        loss = loss + patch_distance(output, style, directions, 3, eps=1e-6)
        adam.zero_grad()
        loss.backward()
        adam.step()
        _ = loss.item()

    ours = step_on(system, pair(content, style), bench.runtime)
    return [bench.row(f"brush step, {config.batch_size}×{config.crop}²", ours, step)]


def plain(network: nn.Module) -> None:
    """Puts every convolution and its batch norm one after the other."""
    for name, part in network.named_children():
        if isinstance(part, Layer):
            setattr(network, name, nn.Sequential(*part))
        else:
            plain(part)


def gatys(bench: Bench) -> list[Row]:
    """A step of optimisation at 300×450, by the textbook's recipe on VGG-19."""
    torch.manual_seed(0)
    encoder = build_encoder("vgg19").requires_grad_(False)
    tame(encoder)
    content, style = torch.rand(2, 1, 3, *PAINTED)
    theirs = textbook_gatys(encoder, content, style)
    encoder.to(memory_format=bench.runtime.memory_format)  # pyright: ignore[reportCallIssue]
    recipe = RECIPES["d2l"]
    with bench.runtime.autocast():
        objective = Objective(encoder, recipe, content, [style], [1.0])
    canvas = Canvas(content, recipe)
    return [bench.row(f"Gatys step, {PAINTED[0]}×{PAINTED[1]}", lambda: canvas.step(objective, bench.runtime), theirs)]


def pair(content: Tensor, style: Tensor) -> tuple[Batch, Batch]:
    first, second = (Batch(images, None, ends_epoch=False) for images in (content, style))
    return first, second


def tame(encoder: Encoder) -> None:
    """Weights that keep activations near 1 through many layers: torch's own let them die out."""
    for module in encoder.modules():
        if isinstance(module, nn.Conv2d):
            nn.init.kaiming_normal_(module.weight, nonlinearity="relu")
            nn.init.zeros_(module.bias)  # pyright: ignore[reportArgumentType]


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


class TextbookDistillation:
    """The same training with the weights of `system`, layer by layer: an encoder and a decoder as in `TextbookAdaIN`,
    torchvision's SqueezeNet, and each loss written out."""

    def __init__(self, system: distillation.DistilledEncoder) -> None:
        config, encoder, decoder = system.config, system.network.encoder, system.network.decoder
        self.config = config
        self.mean, self.std = (torch.tensor(values).view(3, 1, 1) for values in (IMAGENET_MEAN, IMAGENET_STD))
        finer, coarser = (encoder.place(layer) + 1 for layer in ("relu3_1", "relu4_1"))
        self.fine, self.coarse = (
            padded([nn.ReLU() if isinstance(layer, nn.ReLU) else layer for layer in layers])
            for layers in (encoder.features[:finer], encoder.features[finer:coarser])
        )
        first, second, *others = [layer for block in decoder.blocks for layer in block]  # pyright: ignore[reportGeneralTypeIssues]
        self.enter = copy.deepcopy(decoder.entries["relu3_1"])
        self.enlarge = padded([first, nn.ReLU(), nn.Upsample(scale_factor=2), second])
        layers: list[nn.Module] = [nn.ReLU()]
        for number, layer in enumerate(others):
            if number:
                layers.append(nn.ReLU())
            if type(layer) is not nn.Conv2d:
                layers.append(nn.Upsample(scale_factor=2))
            layers.append(layer)
        self.draw = padded(layers)
        self.teacher = copy.deepcopy(system.teacher.features)
        self.taught = [system.teacher.place(layer) for layer in distillation.STYLE]
        self.predict = copy.deepcopy(system.predictors)
        learners = nn.ModuleList([self.fine, self.coarse, self.enter, self.enlarge, self.draw, self.predict])
        self.parameters = list(learners.parameters())
        self.average = [parameter.detach().clone() for parameter in self.parameters]
        self.optimizer = torch.optim.Adam(self.parameters, lr=config.learning_rate)

    def teach(self, images: Tensor) -> dict[str, Tensor]:
        """What the teacher sees, layer by layer."""
        values, found = (images - self.mean) / self.std, []
        for index, layer in enumerate(self.teacher[: self.taught[-1] + 1]):
            values = layer(values)
            if index in self.taught:
                found.append(values)
        return dict(zip(distillation.STYLE, found, strict=True))

    def restyled(self, features: Tensor, count: int) -> Tensor:
        """The first `count` with the statistics of the others."""
        (mean, std), (other_mean, other_std) = statistics(features[:count]), statistics(features[count:])
        return (features[:count] - mean) / std * other_std + other_mean

    def lesson(self, features: dict[str, Tensor], taught: dict[str, Tensor]) -> Tensor:
        total = torch.zeros(())
        for layer, name in distillation.LESSONS.items():
            sized = F.interpolate(features[layer], size=taught[name].shape[2:], mode="bilinear", align_corners=False)
            target = taught[name] / taught[name].pow(2).mean().sqrt()
            total = total + relative_error(self.predict[layer](sized), target) / len(distillation.LESSONS)
        return total

    def loss(self, content: Tensor, style: Tensor) -> Tensor:
        config, count = self.config, len(content)
        style = torch.cat([content[: config.same], style[config.same :]])
        both = torch.cat([content, style])
        fine = self.fine((both - self.mean) / self.std)
        coarse = self.coarse(fine)
        with torch.no_grad():
            taught = self.teach(both)
        entered = self.enter(self.restyled(fine, count))
        output = self.draw(self.enlarge(self.restyled(coarse, count)) + entered)
        down, across = torch.randint(distillation.OFFSET, (2,)).tolist()
        seen = self.teach(output.clamp(0, 1)[..., down:, across:])
        with torch.no_grad():
            shown = self.teach(content[..., down:, across:])
        loss = relative_error(seen[distillation.CONTENT], shown[distillation.CONTENT])
        for layer in distillation.STYLE:
            own, other = seen[layer], taught[layer][count:]
            of_moments = relative_error(torch.cat(statistics(own), 1), torch.cat(statistics(other), 1))
            loss = loss + config.style_weight * of_moments
            loss = loss + config.texture_weight * relative_error(gram_of(own), gram_of(other))
        loss = loss + config.lesson_weight * self.lesson({"relu3_1": fine, "relu4_1": coarse}, taught)
        loss = loss + config.identity_weight * F.mse_loss(output[: config.same], content[: config.same])
        loss = loss + config.range_weight * (output - output.clamp(0, 1)).pow(2).mean()
        loss = loss + config.smoothness * total_variation(output)
        return loss + config.grain_weight * added_grain(output, content)

    def step(self, content: Tensor, style: Tensor) -> None:
        loss = self.loss(content, style)
        self.optimizer.zero_grad()
        loss.backward()
        nn.utils.clip_grad_norm_(self.parameters, self.config.clip)
        self.optimizer.step()
        with torch.no_grad():
            for average, parameter in zip(self.average, self.parameters, strict=True):
                average.mul_(0.999).add_(parameter, alpha=0.001)
        _ = loss.item()


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


def gram_of(features: Tensor) -> Tensor:
    """(b, c, c), averaged over positions."""
    flat = features.flatten(2)
    return flat @ flat.transpose(1, 2) / flat.shape[2]


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

    with torch.no_grad():
        content_goal = features((content - mean) / std)[0]
        style_goal = [gram_of(values) / values.shape[1] for values in features((style - mean) / std)[1]]
    pixels = ((content - mean) / std).requires_grad_()
    optimizer = torch.optim.Adam([pixels], lr=recipe.learning_rate)

    def step() -> None:
        contents, styles = features(pixels)
        loss = sum((a - b).square().mean() for a, b in zip(contents, content_goal, strict=True))
        loss = loss + recipe.style_weight * sum(
            (gram_of(a) / a.shape[1] - b).square().mean() for a, b in zip(styles, style_goal, strict=True)
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
