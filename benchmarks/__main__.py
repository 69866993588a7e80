"""`python -m benchmarks [NAME] [--json]`: rows of {name, ours_s, textbook_s, ratio, peak_share}.

Ours and the textbook's epochs alternate in one process; each row gives the median over the rounds after a warm-up.
`peak_share`: multiply-adds of our training steps, times two, per second, over what this machine reaches on a
large square matrix product in the precision that we train in. Both run on the CPU. Images are random bytes: their
content does not change the time. `python -m benchmarks whole` times whole processes instead: see whole.py.
"""

import argparse
import json
import sys
from collections.abc import Callable
from dataclasses import replace

import torch
from torch import nn

from sfumato.autoencoders.autoencoder import Autoencoder
from sfumato.autoencoders.convolutional import PRESETS, ConvolutionalAutoencoder
from sfumato.autoencoders.layers import multiply_adds
from sfumato.autoencoders.stacked import Config, StackedAutoencoder
from sfumato.data.batches import Batches
from sfumato.data.dataset import InMemory, Split
from sfumato.engine.clock import Clock
from sfumato.engine.loop import ticks
from sfumato.engine.runtime import Runtime, choose, hardware

from .gans import dcgan, gan
from .measure import Row, row
from .recognition import fcn, ssd
from .style import adain, gatys
from .textbook import AutoencoderLoop, convolutional_network, stacked_network


def epochs_of(system: Autoencoder, images: torch.Tensor, runtime: Runtime, seed: int = 0) -> Callable[[], None]:
    """A function that trains `system` for one epoch of `images` (n, c, h, w), as `sfumato train` does."""
    system.to(runtime.device, memory_format=runtime.memory_format)  # pyright: ignore[reportCallIssue]
    (stage,) = system.stages()
    batches = Batches(Split(InMemory(images)), stage.batch_size, seed, device=runtime.device, flip=stage.flip,
                      memory_format=runtime.memory_format)  # fmt: skip
    clock = Clock()
    steps = ticks(system, lambda _: batches.at, clock, seed, runtime)

    def epoch() -> None:
        goal = clock.images + len(images)
        while clock.images < goal:
            next(steps)

    return epoch


def stacked(count: int, rounds: int, runtime: Runtime) -> list[Row]:
    """An epoch of the deep autoencoder, against the textbook loop with four loader processes and with none."""
    images = torch.randint(256, (count, 1, 28, 28), dtype=torch.uint8)
    system = StackedAutoencoder(Config(images=10**12))

    def textbook(workers: int) -> AutoencoderLoop:
        return AutoencoderLoop(
            stacked_network(), nn.BCELoss(), lambda batch: batch.flatten(1), images[:, 0], 256, workers
        )

    return beside(
        "stacked", epochs_of(system, images, runtime), textbook, count, multiply_adds(system), rounds, runtime
    )


def convolutional(count: int, rounds: int, runtime: Runtime) -> list[Row]:
    """An epoch of the convolutional autoencoder on 64×64 RGB, batch 64, against the textbook loop."""
    images = torch.randint(256, (count, 3, 64, 64), dtype=torch.uint8)
    system = ConvolutionalAutoencoder(replace(PRESETS["reference"], images=10**12))

    def textbook(workers: int) -> AutoencoderLoop:
        network, pixels = convolutional_network(), images.permute(0, 2, 3, 1).contiguous()
        return AutoencoderLoop(network, nn.MSELoss(), lambda batch: batch * 2 - 1, pixels, 64, workers)

    executed = multiply_adds(system, as_printed=False)
    return beside("convolutional", epochs_of(system, images, runtime), textbook, count, executed, rounds, runtime)


def beside(
    name: str,
    ours: Callable[[], None],
    textbook: Callable[[int], AutoencoderLoop],
    count: int,
    multiply_adds_per_image: int,
    rounds: int,
    runtime: Runtime,
) -> list[Row]:
    """A row for each number of loader processes that the textbook loop is given."""
    # Two operations per multiply-add; forward, and backward to weights and to inputs.
    operations = 6 * multiply_adds_per_image * count
    return [
        row(
            f"{name} epoch, {count} images, textbook num_workers={workers}",
            ours, textbook(workers).epoch, rounds, runtime, operations,
        )
        for workers in (4, 0)
    ]  # fmt: skip


BENCHMARKS = {
    "stacked": lambda images, rounds, runtime: stacked(images or 60_000, rounds, runtime),
    "convolutional": lambda images, rounds, runtime: convolutional(images or 1_280, rounds, runtime),
    "adain": lambda _, rounds, runtime: adain(rounds, runtime),
    "gan": lambda images, rounds, runtime: gan(images or 60_000, rounds, runtime),
    "dcgan": lambda _, rounds, runtime: dcgan(rounds, runtime),
    "gatys": lambda _, rounds, runtime: gatys(rounds, runtime),
    "ssd": lambda _, rounds, runtime: ssd(rounds, runtime),
    "fcn": lambda _, rounds, runtime: fcn(rounds, runtime),
}


def main() -> None:
    if sys.argv[1:2] == ["whole"]:
        from .whole import main as whole

        whole(sys.argv[2:])
        return
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=(__doc__ or "").splitlines()[0])
    parser.add_argument("name", nargs="?", choices=sorted(BENCHMARKS), help="all by default")
    parser.add_argument("--json", action="store_true", help="print JSON for programs")
    parser.add_argument("--images", type=int, help="images in an epoch, for those that have one")
    parser.add_argument("--rounds", type=int, default=5, help="measured epochs or steps of each")
    parser.add_argument("--precision", choices=("auto", "bf16", "fp32"), default="auto", help="of our side")
    arguments = parser.parse_args()
    runtime = choose("cpu", arguments.precision)
    rows = [
        found
        for name in ([arguments.name] if arguments.name else BENCHMARKS)
        for found in BENCHMARKS[name](arguments.images, arguments.rounds, runtime)
    ]
    if arguments.json:
        print(json.dumps({"hardware": hardware(), "runtime": runtime.describe(), "rows": rows}, indent=1))
        return
    print(runtime.describe())
    for found in rows:
        print(", ".join(f"{key} {value}" for key, value in found.items()))


if __name__ == "__main__":
    main()
