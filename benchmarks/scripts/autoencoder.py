"""The deep autoencoder on MNIST in one plain script, as a course text has it.

`python autoencoder.py --data FOLDER --epochs 2 --out model.pt`: FOLDER holds the four `*-ubyte.gz` files. After each
epoch test digits stand above their reconstructions in a PNG beside the model. Images are read in this process: for
pictures as small as these, loader processes cost more than they give (`--workers`).
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


class Autoencoder(nn.Module):
    """784-512-128-64-10-2 and its mirror."""

    def __init__(self) -> None:
        super().__init__()
        self.encoder = nn.Sequential(
            nn.Linear(784, 512), nn.LeakyReLU(0.02), nn.Linear(512, 128), nn.LeakyReLU(0.02),
            nn.Linear(128, 64), nn.LeakyReLU(0.02), nn.Linear(64, 10), nn.LeakyReLU(0.02), nn.Linear(10, 2),
        )  # fmt: skip
        self.decoder = nn.Sequential(
            nn.Linear(2, 10), nn.LeakyReLU(0.02), nn.Linear(10, 64), nn.LeakyReLU(0.02),
            nn.Linear(64, 128), nn.LeakyReLU(0.02), nn.Linear(128, 512), nn.LeakyReLU(0.02),
            nn.Linear(512, 784), nn.Sigmoid(),
        )  # fmt: skip

    def forward(self, images: Tensor) -> Tensor:
        return self.decoder(self.encoder(images))


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--epochs", type=int, default=2)
    parser.add_argument("--out", type=Path, default=Path("model.pt"))
    parser.add_argument("--batch-size", type=int, default=256)
    parser.add_argument("--workers", type=int, default=0)
    options = parser.parse_args()

    torch.manual_seed(0)
    train = MNIST(options.data, "train", transforms.ToTensor())
    test = MNIST(options.data, "t10k", transforms.ToTensor())
    loader = DataLoader(train, options.batch_size, shuffle=True, num_workers=options.workers)
    shown = torch.stack([test[index][0] for index in range(8)])

    model = Autoencoder()
    criterion = nn.BCELoss()
    optimizer = torch.optim.Adam(model.parameters(), lr=1e-3)
    for epoch in range(1, options.epochs + 1):
        model.train()
        total = 0.0
        for images, _ in loader:
            images = images.view(images.size(0), -1)
            outputs = model(images)
            loss = criterion(outputs, images)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            total += loss.item() * images.size(0)
        print(f"epoch {epoch}/{options.epochs}, loss {total / len(train):.4f}")

        model.eval()
        with torch.no_grad():
            decoded = model(shown.view(shown.size(0), -1)).view_as(shown)
        save_image(torch.cat([shown, decoded]), options.out.parent / f"epoch-{epoch}.png", nrow=8)
    torch.save(model.state_dict(), options.out)


if __name__ == "__main__":
    main()
