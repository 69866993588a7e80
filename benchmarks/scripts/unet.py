"""U-Net on CamVid in one plain script, as its repositories have it.

`python unet.py --data FOLDER --epochs 2 --out model.pt`: FOLDER holds `train` and `test` with pictures, `trainannot`
and `testannot` with masks of class numbers under the same names; 11 is nobody's. After each epoch four test pictures,
their masks and what the network makes of them are written into a PNG beside the model. Two loader processes read
pictures and masks, and cut, mirror and recolour them (`--workers`).
"""

import argparse
import random
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image
from torch import Tensor, nn
from torch.utils.data import DataLoader, Dataset
from torchvision import transforms
from torchvision.transforms import InterpolationMode
from torchvision.transforms import functional as TF
from torchvision.utils import save_image

CLASSES, VOID = 11, 255
RESOLUTION, CROP = 270, 256
MEAN, STD = [0.485, 0.456, 0.406], [0.229, 0.224, 0.225]
COLOURS = torch.tensor([
    (128, 128, 128), (128, 0, 0), (192, 192, 128), (128, 64, 128), (60, 40, 222), (128, 128, 0), (192, 128, 128),
    (64, 64, 128), (64, 0, 128), (64, 64, 0), (0, 128, 192),
])  # fmt: skip


class CamVid(Dataset[tuple[Tensor, Tensor]]):
    """A picture (3, h, w) and its mask (h, w), varied at random in training, the middle of it otherwise."""

    def __init__(self, folder: Path, half: str) -> None:
        self.pictures = sorted((folder / half).iterdir())
        self.masks = sorted((folder / f"{half}annot").iterdir())
        self.training = half == "train"
        self.recolour = transforms.ColorJitter(0.3, 0.3, 0.3, 0.05)

    def __len__(self) -> int:
        return len(self.pictures)

    def __getitem__(self, index: int) -> tuple[Tensor, Tensor]:
        picture: Any = Image.open(self.pictures[index]).convert("RGB")  # any: TF is annotated for tensors alone
        mask: Any = Image.open(self.masks[index])
        picture = TF.resize(picture, [RESOLUTION])
        mask = TF.resize(mask, [RESOLUTION], InterpolationMode.NEAREST)
        if self.training:
            box = transforms.RandomResizedCrop.get_params(picture, [0.25, 1.0], [3 / 4, 4 / 3])
            picture = TF.resized_crop(picture, *box, [CROP, CROP])
            mask = TF.resized_crop(mask, *box, [CROP, CROP], InterpolationMode.NEAREST)
            if random.random() < 0.5:
                picture, mask = TF.hflip(picture), TF.hflip(mask)
            picture = self.recolour(picture)
        else:
            picture, mask = TF.center_crop(picture, [CROP, CROP]), TF.center_crop(mask, [CROP, CROP])
        classes = torch.from_numpy(np.array(mask)).long()
        classes[classes >= CLASSES] = VOID
        return TF.normalize(TF.to_tensor(picture), MEAN, STD), classes


class DoubleConv(nn.Sequential):
    def __init__(self, inputs: int, outputs: int) -> None:
        super().__init__(
            nn.Conv2d(inputs, outputs, 3, padding=1, bias=False), nn.BatchNorm2d(outputs), nn.ReLU(inplace=True),
            nn.Conv2d(outputs, outputs, 3, padding=1, bias=False), nn.BatchNorm2d(outputs), nn.ReLU(inplace=True),
        )  # fmt: skip


class UNet(nn.Module):
    """Four halvings, `width` channels at full size; bilinear enlargement, as in the common variant of the paper's."""

    def __init__(self, width: int) -> None:
        super().__init__()
        widths = [width * 2**level for level in range(5)]
        self.first = DoubleConv(3, width)
        self.down = nn.ModuleList(DoubleConv(widths[level], widths[level + 1]) for level in range(4))
        self.up = nn.ModuleList(
            DoubleConv(widths[level + 1] + widths[level], widths[level]) for level in reversed(range(4))
        )
        self.last = nn.Conv2d(width, CLASSES, 1)
        self.pool = nn.MaxPool2d(2)
        self.enlarge = nn.Upsample(scale_factor=2, mode="bilinear", align_corners=False)

    def forward(self, images: Tensor) -> Tensor:
        maps = [self.first(images)]
        for block in self.down:
            maps.append(block(self.pool(maps[-1])))
        values = maps.pop()
        for block in self.up:
            values = block(torch.cat([maps.pop(), self.enlarge(values)], 1))
        return self.last(values)


def coloured(masks: Tensor) -> Tensor:
    """(b, 3, h, w) in [0, 1]; what nobody knows is black."""
    colours = torch.cat([COLOURS, torch.zeros(1, 3, dtype=torch.long)])
    return colours[masks.clamp(max=CLASSES)].permute(0, 3, 1, 2) / 255


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--epochs", type=int, default=2)
    parser.add_argument("--out", type=Path, default=Path("model.pt"))
    parser.add_argument("--batch-size", type=int, default=8)
    parser.add_argument("--width", type=int, default=24)
    parser.add_argument("--workers", type=int, default=2)
    options = parser.parse_args()

    torch.manual_seed(0)
    train, test = CamVid(options.data, "train"), CamVid(options.data, "test")
    loader = DataLoader(train, options.batch_size, shuffle=True, num_workers=options.workers)
    shown = [torch.stack(part) for part in zip(*(test[index] for index in range(4)), strict=True)]
    seen = shown[0] * torch.tensor(STD).view(3, 1, 1) + torch.tensor(MEAN).view(3, 1, 1)

    model = UNet(options.width)
    criterion = nn.CrossEntropyLoss(ignore_index=VOID)
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-3, weight_decay=1e-4)
    for epoch in range(1, options.epochs + 1):
        model.train()
        total, right, known = 0.0, 0, 0
        for images, masks in loader:
            logits = model(images)
            loss = criterion(logits, masks)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            total += loss.item() * images.size(0)
            right += ((logits.argmax(1) == masks) & (masks != VOID)).sum().item()
            known += (masks != VOID).sum().item()
        print(f"epoch {epoch}/{options.epochs}, loss {total / len(train):.4f}, pixels right {right / known:.3f}")

        model.eval()
        with torch.no_grad():
            found = model(shown[0]).argmax(1)
        rows = torch.cat([seen, coloured(shown[1]), coloured(found)])
        save_image(rows, options.out.parent / f"epoch-{epoch}.png", nrow=4)
    torch.save(model.state_dict(), options.out)


if __name__ == "__main__":
    main()
