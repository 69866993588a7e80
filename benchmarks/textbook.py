"""Training loops as course texts write them: plain, eager, one image at a time. The baselines, not our advice."""

import torch
from torch import Tensor, nn
from torch.utils.data import DataLoader, Dataset
from torchvision import transforms


class Images(Dataset[Tensor]):
    """Transforms one image at a time, from bytes to a float tensor."""

    def __init__(self, images: Tensor) -> None:
        self.images = images.numpy()
        self.transform = transforms.ToTensor()

    def __len__(self) -> int:
        return len(self.images)

    def __getitem__(self, index: int) -> Tensor:
        return self.transform(self.images[index].transpose(1, 2, 0))


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
    """`epoch()` trains the deep autoencoder once over `images` (n, 1, 28, 28) uint8 and returns its mean loss."""

    def __init__(self, images: Tensor, workers: int) -> None:
        self.loader = DataLoader(Images(images), batch_size=256, shuffle=True, num_workers=workers)
        self.network = stacked_network()
        self.loss_function = nn.BCELoss()
        self.optimizer = torch.optim.Adam(self.network.parameters(), lr=1e-3)

    def epoch(self) -> float:
        total = 0.0
        for images in self.loader:
            outputs = self.network(images)
            loss = self.loss_function(outputs, images.flatten(1))
            self.optimizer.zero_grad()
            loss.backward()
            self.optimizer.step()
            total += loss.item() * len(images)
        return total / len(self.loader.dataset)  # pyright: ignore[reportArgumentType]
