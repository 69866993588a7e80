"""Training loops as course texts write them: plain, eager, one image at a time. The baselines, not our advice."""

import torch
from PIL import Image
from torch import Tensor, nn
from torch.utils.data import DataLoader, Dataset
from torchvision import transforms


class Images(Dataset[tuple[Tensor, int]]):
    """One image at a time, from bytes over a PIL image to a float tensor, as `torchvision.datasets.MNIST` does it."""

    def __init__(self, images: Tensor, labels: Tensor) -> None:
        self.images = images
        self.labels = labels
        self.transform = transforms.ToTensor()

    def __len__(self) -> int:
        return len(self.images)

    def __getitem__(self, index: int) -> tuple[Tensor, int]:
        image, label = self.images[index], int(self.labels[index])
        return self.transform(Image.fromarray(image.numpy())), label


def stacked_network() -> nn.Module:
    """784-512-128-64-10-2 and its mirror."""
    return nn.Sequential(
        nn.Flatten(),
        nn.Linear(784, 512), nn.LeakyReLU(0.02), nn.Linear(512, 128), nn.LeakyReLU(0.02),
        nn.Linear(128, 64), nn.LeakyReLU(0.02), nn.Linear(64, 10), nn.LeakyReLU(0.02), nn.Linear(10, 2),
        nn.Linear(2, 10), nn.LeakyReLU(0.02), nn.Linear(10, 64), nn.LeakyReLU(0.02),
        nn.Linear(64, 128), nn.LeakyReLU(0.02), nn.Linear(128, 512), nn.LeakyReLU(0.02),
        nn.Linear(512, 784), nn.Sigmoid(),
    )  # fmt: skip


class StackedLoop:
    """`epoch()` trains the deep autoencoder once over `images` (n, 28, 28) uint8 and returns its mean loss."""

    def __init__(self, images: Tensor, labels: Tensor, workers: int) -> None:
        self.loader = DataLoader(Images(images, labels), batch_size=256, shuffle=True, num_workers=workers)
        self.network = stacked_network()
        self.loss_function = nn.BCELoss()
        self.optimizer = torch.optim.Adam(self.network.parameters(), lr=1e-3)

    def epoch(self) -> float:
        total = 0.0
        for images, _ in self.loader:
            outputs = self.network(images)
            loss = self.loss_function(outputs, images.flatten(1))
            self.optimizer.zero_grad()
            loss.backward()
            self.optimizer.step()
            total += loss.item() * len(images)
        return total / len(self.loader.dataset)  # pyright: ignore[reportArgumentType]
