"""`python -m benchmarks.changes --data DOGS.zip [--epochs N]`: what each change from `reference` to `better` gave.

A row per step from one network to the other, each with all changes before it: held-out PSNR (mean over images, dB)
with noise of σ 0.05 on the codes, after the same number of training images. Prints JSON.
"""

import argparse
import json
import time
from dataclasses import replace

import torch
from torch import nn

from sfumato.autoencoders.convolutional import PRESETS, ConvolutionalAutoencoder
from sfumato.autoencoders.measures import decode, encode, sent_codes
from sfumato.data.sources import View, open_data
from sfumato.engine.runtime import choose, hardware
from sfumato.metrics.reconstruction import fidelity
from sfumato.seeds import derive

from .training import epochs_of


class LinearCode(ConvolutionalAutoencoder):
    """Without the batch norm and the ReLU on the code."""

    def build(self) -> tuple[nn.Sequential, nn.Sequential]:
        encoder, decoder = super().build()
        return encoder[:-2], decoder


class Shortcut(ConvolutionalAutoencoder):
    """With a linear path from each 8×8 patch to its code and back, beside encoder and decoder."""

    def build(self) -> tuple[nn.Sequential, nn.Sequential]:
        encoder, decoder = super().build()
        patch, code = 64 * self.config.channels, self.config.code_channels
        down = nn.Sequential(nn.PixelUnshuffle(8), nn.Conv2d(patch, code, 1))
        up = nn.Sequential(nn.Conv2d(code, patch, 1), nn.PixelShuffle(8))
        return (
            nn.Sequential(encoder[0], Sum(encoder[1:], down)),
            nn.Sequential(Sum(decoder[:-1], up), decoder[-1]),
        )


class Sum(nn.Module):
    """The sum of two paths."""

    def __init__(self, path: nn.Module, shortcut: nn.Module) -> None:
        super().__init__()
        self.path, self.shortcut = path, shortcut

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        return self.path(images) + self.shortcut(images)


REFERENCE = replace(PRESETS["reference"], latent_noise=0.05)
BETTER = PRESETS["better"]
FASTER = replace(BETTER, learning_rate=3e-3, clip=0.25)
STEPS = {
    "reference, σ 0.05": (ConvolutionalAutoencoder, REFERENCE),
    "no batch norm and no ReLU on the code": (LinearCode, REFERENCE),
    "pixels folded into channels, residual blocks without norms (= better)": (ConvolutionalAutoencoder, BETTER),
    "left out: a linear path beside encoder and decoder": (Shortcut, BETTER),
    "left out: that, learning rate 3e-3 instead of 1e-3, gradient clipped at 0.25": (Shortcut, FASTER),
}


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.changes", description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--data", required=True, help="a folder or zip of pictures")
    parser.add_argument("--epochs", type=int, default=8)
    parser.add_argument("--seed", type=int, default=0)
    arguments = parser.parse_args()
    data, runtime = open_data(arguments.data, View(3, 64)), choose()
    images, test = data.train.pictures.take(torch.arange(len(data.train))), data.test.images()
    rows: list[dict[str, float | str]] = []
    for name, (kind, config) in STEPS.items():
        torch.manual_seed(derive(arguments.seed, "weights"))
        system = kind(replace(config, images=arguments.epochs * len(images)))
        epoch = epochs_of(system, images, runtime, arguments.seed)
        began = time.perf_counter()
        for _ in range(arguments.epochs):
            epoch()
        seconds = time.perf_counter() - began
        system.eval()
        noisy = decode(system, sent_codes(system, encode(system, test, runtime)), runtime)
        psnr = fidelity(test, noisy)["psnr"]
        gain = round(psnr - float(rows[-1]["psnr"]), 2) if rows else 0.0
        rows.append({"change": name, "psnr": round(psnr, 2), "gain": gain, "seconds": round(seconds, 1)})
    where = {"name": data.name, "fingerprint": data.fingerprint, "train": len(images), "test": len(test)}
    command = f"python -m benchmarks.changes --data {data.name} --epochs {arguments.epochs} --seed {arguments.seed}"
    head = {"command": command, "data": where}
    print(json.dumps({**head, "seed": arguments.seed, "hardware": hardware(), "runtime": runtime.describe(),
                      "rows": rows}, indent=1, ensure_ascii=False))  # fmt: skip


if __name__ == "__main__":
    main()
