"""The DCGAN on 64×64 photographs in one plain script, as its repositories have it.

`python dcgan.py --data FOLDER --epochs 2 --out model.pt`: FOLDER holds a folder of pictures for each class, as
`ImageFolder` wants it. After each epoch 64 drawn pictures are written into a PNG beside the model. Two loader processes
read the pictures (`--workers`).
"""

import argparse
from pathlib import Path

import torch
from torch import Tensor, nn
from torch.utils.data import DataLoader
from torchvision import datasets, transforms
from torchvision.utils import save_image

SIDE, LATENT = 64, 100


class Generator(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.main = nn.Sequential(
            nn.ConvTranspose2d(LATENT, 512, 4, 1, 0, bias=False), nn.BatchNorm2d(512), nn.ReLU(True),
            nn.ConvTranspose2d(512, 256, 4, 2, 1, bias=False), nn.BatchNorm2d(256), nn.ReLU(True),
            nn.ConvTranspose2d(256, 128, 4, 2, 1, bias=False), nn.BatchNorm2d(128), nn.ReLU(True),
            nn.ConvTranspose2d(128, 64, 4, 2, 1, bias=False), nn.BatchNorm2d(64), nn.ReLU(True),
            nn.ConvTranspose2d(64, 3, 4, 2, 1, bias=False), nn.Tanh(),
        )  # fmt: skip

    def forward(self, noise: Tensor) -> Tensor:
        return self.main(noise)


class Discriminator(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.main = nn.Sequential(
            nn.Conv2d(3, 64, 4, 2, 1, bias=False), nn.LeakyReLU(0.2, True),
            nn.Conv2d(64, 128, 4, 2, 1, bias=False), nn.BatchNorm2d(128), nn.LeakyReLU(0.2, True),
            nn.Conv2d(128, 256, 4, 2, 1, bias=False), nn.BatchNorm2d(256), nn.LeakyReLU(0.2, True),
            nn.Conv2d(256, 512, 4, 2, 1, bias=False), nn.BatchNorm2d(512), nn.LeakyReLU(0.2, True),
            nn.Conv2d(512, 1, 4, 1, 0, bias=False), nn.Sigmoid(),
        )  # fmt: skip

    def forward(self, images: Tensor) -> Tensor:
        return self.main(images).view(-1)


def initialise(module: nn.Module) -> None:
    if isinstance(module, nn.Conv2d | nn.ConvTranspose2d):
        nn.init.normal_(module.weight, 0.0, 0.02)
    elif isinstance(module, nn.BatchNorm2d):
        nn.init.normal_(module.weight, 1.0, 0.02)
        nn.init.zeros_(module.bias)


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--epochs", type=int, default=2)
    parser.add_argument("--out", type=Path, default=Path("model.pt"))
    parser.add_argument("--batch-size", type=int, default=64)
    parser.add_argument("--workers", type=int, default=2)
    options = parser.parse_args()

    torch.manual_seed(0)
    transform = transforms.Compose([
        transforms.Resize(SIDE),
        transforms.CenterCrop(SIDE),
        transforms.RandomHorizontalFlip(),
        transforms.ToTensor(),
        transforms.Normalize((0.5, 0.5, 0.5), (0.5, 0.5, 0.5)),
    ])  # fmt: skip
    train = datasets.ImageFolder(str(options.data), transform)
    loader = DataLoader(train, options.batch_size, shuffle=True, num_workers=options.workers)

    generator, discriminator = Generator().apply(initialise), Discriminator().apply(initialise)
    criterion = nn.BCELoss()
    of_generator = torch.optim.Adam(generator.parameters(), lr=2e-4, betas=(0.5, 0.999))
    of_discriminator = torch.optim.Adam(discriminator.parameters(), lr=2e-4, betas=(0.5, 0.999))
    fixed = torch.randn(64, LATENT, 1, 1)
    for epoch in range(1, options.epochs + 1):
        losses = [0.0, 0.0]
        for images, _ in loader:
            ones, zeros = torch.ones(images.size(0)), torch.zeros(images.size(0))

            discriminator.zero_grad()
            on_real = criterion(discriminator(images), ones)
            on_real.backward()
            fake = generator(torch.randn(images.size(0), LATENT, 1, 1))
            on_fake = criterion(discriminator(fake.detach()), zeros)
            on_fake.backward()
            of_discriminator.step()

            generator.zero_grad()
            fooling = criterion(discriminator(fake), ones)
            fooling.backward()
            of_generator.step()
            losses[0] += on_real.item() + on_fake.item()
            losses[1] += fooling.item()
        of_both = [loss / len(loader) for loss in losses]
        print(f"epoch {epoch}/{options.epochs}, discriminator {of_both[0]:.4f}, generator {of_both[1]:.4f}")

        with torch.no_grad():
            drawn = generator(fixed)
        save_image(drawn, options.out.parent / f"epoch-{epoch}.png", normalize=True, value_range=(-1, 1))
    torch.save({"generator": generator.state_dict(), "discriminator": discriminator.state_dict()}, options.out)


if __name__ == "__main__":
    main()
