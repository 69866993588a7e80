"""AdaIN in one plain script, as its ports have it.

`python adain.py --data CONTENTS STYLES --epochs 2 --out model.pt`: two folders of pictures; an epoch shows each content
once. After each epoch four contents, four styles and the contents in these styles are written into a PNG beside the
model. Two loader processes read each folder (`--workers`).

The encoder has random weights: those of ImageNet would have to be fetched, and weights do not change the time. So what
is drawn is no style transfer. `--encoder vgg19` has VGG-19's layers up to relu4_1; `small` has half its widths, and
five convolutions in place of nine.
"""

import argparse
from collections.abc import Callable, Iterator
from pathlib import Path

import torch
from PIL import Image
from torch import Tensor, nn
from torch.nn import functional as F
from torch.utils.data import DataLoader, Dataset
from torchvision import transforms
from torchvision.utils import save_image

ENCODERS = {  # convolutions and channels of each block, up to relu4_1
    "vgg19": ((2, 2, 4, 1), (64, 128, 256, 512)),
    "small": ((1, 1, 2, 1), (32, 64, 128, 256)),
}
STYLE_WEIGHT = 10.0


class Pictures(Dataset[Tensor]):
    """The pictures of a folder, one at a time."""

    def __init__(self, folder: Path, transform: Callable[[Image.Image], Tensor]) -> None:
        self.files = sorted(path for path in folder.rglob("*") if path.suffix.lower() in (".jpg", ".jpeg", ".png"))
        self.transform = transform

    def __len__(self) -> int:
        return len(self.files)

    def __getitem__(self, index: int) -> Tensor:
        return self.transform(Image.open(self.files[index]).convert("RGB"))


def endlessly(loader: DataLoader[Tensor]) -> Iterator[Tensor]:
    while True:
        yield from loader


def statistics(features: Tensor) -> tuple[Tensor, Tensor]:
    """Mean and deviation of each channel: (b, c, 1, 1) each."""
    count, channels = features.size()[:2]
    flat = features.view(count, channels, -1)
    mean = flat.mean(2).view(count, channels, 1, 1)
    return mean, (flat.var(2) + 1e-5).sqrt().view(count, channels, 1, 1)


class Encoder(nn.Module):
    """Returns relu1_1, relu2_1, relu3_1 and relu4_1."""

    def __init__(self, name: str) -> None:
        super().__init__()
        self.parts = nn.ModuleList()
        channels, layers = 3, []
        for block, (count, width) in enumerate(zip(*ENCODERS[name], strict=True)):
            if block:
                layers.append(nn.MaxPool2d(2, 2, ceil_mode=True))
            for number in range(count):
                layers += [nn.ReflectionPad2d(1), nn.Conv2d(channels, width, 3), nn.ReLU()]
                channels = width
                if number == 0:
                    self.parts.append(nn.Sequential(*layers))
                    layers = []
        for module in self.modules():
            if isinstance(module, nn.Conv2d):
                nn.init.kaiming_normal_(module.weight, nonlinearity="relu")
        for parameter in self.parameters():
            parameter.requires_grad = False

    def forward(self, values: Tensor) -> list[Tensor]:
        found = []
        for part in self.parts:
            values = part(values)
            found.append(values)
        return found


def decoder_of(name: str) -> nn.Sequential:
    """The encoder's mirror, with two convolutions at full size at least."""
    layers: list[nn.Module] = []
    counts, widths = ENCODERS[name]
    for block in (3, 2, 1, 0):
        outputs = widths[block - 1] if block else 3
        count = counts[block] if block else max(2, counts[block])
        for number in range(count):
            after = outputs if number == count - 1 else widths[block]
            layers += [nn.ReflectionPad2d(1), nn.Conv2d(widths[block], after, 3), nn.ReLU()]
        if block:
            layers.append(nn.Upsample(scale_factor=2, mode="nearest"))
    return nn.Sequential(*layers[:-1])


class AdaIN(nn.Module):
    def __init__(self, name: str) -> None:
        super().__init__()
        self.encoder, self.decoder = Encoder(name), decoder_of(name)

    def exchanged(self, content: Tensor, style: Tensor) -> Tensor:
        (mean, std), (other_mean, other_std) = statistics(content), statistics(style)
        return (content - mean) / std * other_std + other_mean

    def forward(self, content: Tensor, style: Tensor) -> tuple[Tensor, Tensor]:
        """The content loss and the style loss."""
        styles = self.encoder(style)
        target = self.exchanged(self.encoder(content)[-1], styles[-1])
        found = self.encoder(self.decoder(target))
        of_content, of_style = F.mse_loss(found[-1], target), torch.zeros(())
        for own, other in zip(found, styles, strict=True):
            (mean, std), (other_mean, other_std) = statistics(own), statistics(other)
            of_style = of_style + F.mse_loss(mean, other_mean) + F.mse_loss(std, other_std)
        return of_content, of_style

    def restyled(self, content: Tensor, style: Tensor) -> Tensor:
        return self.decoder(self.exchanged(self.encoder(content)[-1], self.encoder(style)[-1]))


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--data", type=Path, nargs=2, required=True)
    parser.add_argument("--epochs", type=int, default=2)
    parser.add_argument("--out", type=Path, default=Path("model.pt"))
    parser.add_argument("--encoder", choices=sorted(ENCODERS), default="vgg19")
    parser.add_argument("--batch-size", type=int, default=8)
    parser.add_argument("--resolution", type=int, nargs="+", default=[512, 512], help="two numbers squash a picture")
    parser.add_argument("--crop", type=int, default=256)
    parser.add_argument("--flip", action="store_true")
    parser.add_argument("--learning-rate", type=float, default=1e-4)
    parser.add_argument("--workers", type=int, default=2)
    options = parser.parse_args()

    torch.manual_seed(0)
    transform = transforms.Compose([
        transforms.Resize(options.resolution),
        transforms.RandomCrop(options.crop),
        *([transforms.RandomHorizontalFlip()] if options.flip else []),
        transforms.ToTensor(),
    ])  # fmt: skip
    contents, styles = (
        DataLoader(Pictures(folder, transform), options.batch_size, True, num_workers=options.workers, drop_last=True)
        for folder in options.data
    )
    paired = endlessly(styles)
    shown = next(iter(contents))[:4], next(iter(styles))[:4]

    model = AdaIN(options.encoder)
    optimizer = torch.optim.Adam(model.decoder.parameters(), lr=options.learning_rate)
    step = 0
    for epoch in range(1, options.epochs + 1):
        losses = [0.0, 0.0]
        for content in contents:
            for group in optimizer.param_groups:
                group["lr"] = options.learning_rate / (1 + 5e-5 * step)
            of_content, of_style = model(content, next(paired))
            loss = of_content + STYLE_WEIGHT * of_style
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            losses[0] += of_content.item()
            losses[1] += of_style.item()
            step += 1
        of_both = [loss / len(contents) for loss in losses]
        print(f"epoch {epoch}/{options.epochs}, content {of_both[0]:.4f}, style {of_both[1]:.4f}")

        with torch.no_grad():
            rows = torch.cat([*shown, model.restyled(*shown).clamp(0, 1)])
        save_image(rows, options.out.parent / f"epoch-{epoch}.png", nrow=4)
    torch.save(model.decoder.state_dict(), options.out)


if __name__ == "__main__":
    main()
