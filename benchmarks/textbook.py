"""Training loops as course texts write them: plain, eager, one image at a time. The baselines, not our advice."""

from collections.abc import Callable

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


def convolutional_network() -> nn.Sequential:
    """64×64 RGB to a 16×8×8 code and back, layer by layer as printed: encoder, decoder."""
    encoder = nn.Sequential(
        nn.Conv2d(3, 48, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2),
        nn.Conv2d(48, 96, 3, padding=1), nn.BatchNorm2d(96), nn.ReLU(), nn.MaxPool2d(2),
        nn.Conv2d(96, 192, 3, padding=1), nn.BatchNorm2d(192), nn.ReLU(), nn.MaxPool2d(2),
        nn.Conv2d(192, 16, 1), nn.BatchNorm2d(16), nn.ReLU(),
    )  # fmt: skip
    decoder = nn.Sequential(
        nn.Conv2d(16, 192, 1), nn.BatchNorm2d(192), nn.ReLU(),
        nn.Upsample(scale_factor=2), nn.Conv2d(192, 96, 3, padding=1), nn.BatchNorm2d(96), nn.ReLU(),
        nn.Upsample(scale_factor=2), nn.Conv2d(96, 48, 3, padding=1), nn.BatchNorm2d(48), nn.ReLU(),
        nn.Upsample(scale_factor=2), nn.Conv2d(48, 3, 3, padding=1), nn.Tanh(),
    )  # fmt: skip
    return nn.Sequential(encoder, decoder)


class VAENetwork(nn.Module):
    """784-200-200-50 and its mirror; gives minus the evidence lower bound of a batch, in nats per image."""

    def __init__(self) -> None:
        super().__init__()
        self.encoder = nn.Sequential(nn.Linear(784, 200), nn.Tanh(), nn.Linear(200, 200), nn.Tanh())
        self.mean, self.log_variance = nn.Linear(200, 50), nn.Linear(200, 50)
        self.decoder = nn.Sequential(
            nn.Linear(50, 200), nn.Tanh(), nn.Linear(200, 200), nn.Tanh(), nn.Linear(200, 784), nn.Sigmoid()
        )

    def forward(self, images: Tensor) -> Tensor:
        hidden = self.encoder(images)
        mean, log_variance = self.mean(hidden), self.log_variance(hidden)
        codes = mean + torch.exp(0.5 * log_variance) * torch.randn_like(mean)
        misfit = nn.functional.binary_cross_entropy(self.decoder(codes), images, reduction="sum")
        divergence = -0.5 * torch.sum(1 + log_variance - mean**2 - log_variance.exp())
        return (misfit + divergence) / len(images)


class ItsOwnLoss(nn.Module):
    """Of a network whose output is a loss."""

    def forward(self, outputs: Tensor, targets: Tensor) -> Tensor:
        return outputs


class AutoencoderLoop:
    """`epoch()` trains `network` once over uint8 `images`, (n, h, w) or (n, h, w, 3), and returns its mean loss.

    `to_target` makes of a batch of images in [0, 1] what the network's output is held against; it is fed the same, or
    what `corrupt` makes of that.
    """

    def __init__(
        self,
        network: nn.Module,
        loss_function: nn.Module,
        to_target: Callable[[Tensor], Tensor],
        images: Tensor,
        batch_size: int,
        workers: int,
        corrupt: Callable[[Tensor], Tensor] | None = None,
    ) -> None:
        labels = torch.zeros(len(images), dtype=torch.long)
        self.loader = DataLoader(Images(images, labels), batch_size=batch_size, shuffle=True, num_workers=workers)
        self.network = network
        self.loss_function = loss_function
        self.to_target = to_target
        self.corrupt = corrupt or nn.Identity()
        self.optimizer = torch.optim.Adam(self.network.parameters(), lr=1e-3)

    def epoch(self) -> float:
        total = 0.0
        for images, _ in self.loader:
            target = self.to_target(images)
            outputs = self.network(self.corrupt(target))
            loss = self.loss_function(outputs, target)
            self.optimizer.zero_grad()
            loss.backward()
            self.optimizer.step()
            total += loss.item() * len(images)
        return total / len(self.loader.dataset)  # pyright: ignore[reportArgumentType]
