"""The GAN of fully connected layers on MNIST in one plain script, as a course text has it.

`python gan.py --data FOLDER --epochs 2 --out model.pt`: FOLDER holds the four `*-ubyte.gz` files. After each epoch 64
drawn digits are written into a PNG beside the model. Images are read in this process: for pictures as small as these,
loader processes cost more than they give (`--workers`).
"""

import argparse
import gzip
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from torch import Tensor, nn
from torch.utils.data import DataLoader, Dataset
from torchvision import transforms
from torchvision.utils import save_image

LATENT = 64


class MNIST(Dataset[tuple[Tensor, int]]):
    """One image at a time, from bytes over a PIL image to what `transform` makes of it, as torchvision's class does."""

    def __init__(self, folder: Path, half: str, transform: Callable[[Image.Image], Tensor]) -> None:
        with gzip.open(folder / f"{half}-images-idx3-ubyte.gz") as file:
            self.images = torch.from_numpy(np.frombuffer(file.read(), np.uint8, offset=16).copy()).view(-1, 28, 28)
        with gzip.open(folder / f"{half}-labels-idx1-ubyte.gz") as file:
            self.labels = torch.from_numpy(np.frombuffer(file.read(), np.uint8, offset=8).copy())
        self.transform = transform

    def __len__(self) -> int:
        return len(self.images)

    def __getitem__(self, index: int) -> tuple[Tensor, int]:
        image, label = self.images[index], int(self.labels[index])
        return self.transform(Image.fromarray(image.numpy())), label


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--epochs", type=int, default=2)
    parser.add_argument("--out", type=Path, default=Path("model.pt"))
    parser.add_argument("--batch-size", type=int, default=100)
    parser.add_argument("--workers", type=int, default=0)
    options = parser.parse_args()

    torch.manual_seed(0)
    transform = transforms.Compose([transforms.ToTensor(), transforms.Normalize((0.5,), (0.5,))])
    train = MNIST(options.data, "train", transform)
    loader = DataLoader(train, options.batch_size, shuffle=True, num_workers=options.workers)

    generator = nn.Sequential(
        nn.Linear(LATENT, 256), nn.LeakyReLU(0.2), nn.Linear(256, 256), nn.LeakyReLU(0.2), nn.Linear(256, 784),
        nn.Tanh(),
    )  # fmt: skip
    discriminator = nn.Sequential(
        nn.Linear(784, 256), nn.LeakyReLU(0.2), nn.Linear(256, 256), nn.LeakyReLU(0.2), nn.Linear(256, 1),
        nn.Sigmoid(),
    )  # fmt: skip
    criterion = nn.BCELoss()
    of_generator = torch.optim.Adam(generator.parameters(), lr=2e-4)
    of_discriminator = torch.optim.Adam(discriminator.parameters(), lr=2e-4)
    fixed = torch.randn(64, LATENT)
    for epoch in range(1, options.epochs + 1):
        losses = [0.0, 0.0]
        for images, _ in loader:
            images = images.view(images.size(0), -1)
            ones, zeros = torch.ones(images.size(0), 1), torch.zeros(images.size(0), 1)

            of_discriminator.zero_grad()
            on_real = criterion(discriminator(images), ones)
            fake = generator(torch.randn(images.size(0), LATENT))
            on_fake = criterion(discriminator(fake.detach()), zeros)
            (on_real + on_fake).backward()
            of_discriminator.step()

            of_generator.zero_grad()
            fooling = criterion(discriminator(fake), ones)
            fooling.backward()
            of_generator.step()
            losses[0] += on_real.item() + on_fake.item()
            losses[1] += fooling.item()
        of_both = [loss / len(loader) for loss in losses]
        print(f"epoch {epoch}/{options.epochs}, discriminator {of_both[0]:.4f}, generator {of_both[1]:.4f}")

        with torch.no_grad():
            drawn = generator(fixed).view(-1, 1, 28, 28)
        save_image(drawn, options.out.parent / f"epoch-{epoch}.png", normalize=True, value_range=(-1, 1))
    torch.save({"generator": generator.state_dict(), "discriminator": discriminator.state_dict()}, options.out)


if __name__ == "__main__":
    main()
