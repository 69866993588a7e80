"""`python -m benchmarks [NAME] [--json]`: rows of {name, ours_s, textbook_s, ratio, peak_share, kernels}.

Training steps, ours and the textbook's, alternate in one process, on the CPU; each row gives the median over the rounds
after a warm-up. `steps`, the default, are those of every system. `peak_share`: operations of our matrix products and
convolutions per second, over what this machine reaches on a large square matrix product in the precision that we train
in. `kernels`: calls of torch's operators in one of our steps; where the share is low, they say if there is little to do
in each. `--plain`: in fp32, with no more than a processor with AVX2 can do. `whole`, `growth` and `reading` are
programs of their own: see whole.py, growth.py, reading.py.
"""

import argparse
import json
import os
import sys
from importlib import import_module
from typing import TYPE_CHECKING

from sfumato.threads import settle

if TYPE_CHECKING:
    from .measure import Row

STEPS = {  # a file, and its functions
    "autoencoders": ("stacked", "denoising", "vae", "convolutional"),
    "gans": ("gan", "dcgan", "wgan", "wgan_gp", "sngan", "cgan"),
    "styles": ("progan", "stylegan", "stylegan2"),
    "style": ("encoder", "adain", "brush", "gatys"),
    "translation": ("cyclegan", "discogan", "dualgan"),
    "recognition": ("finetune", "ssd", "fcn", "unet", "deeplab"),
}
PROGRAMS = ("growth", "reading", "whole")  # with options of their own
PLAIN = {"ATEN_CPU_CAPABILITY": "avx2", "ONEDNN_MAX_CPU_ISA": "AVX2", "MKL_ENABLE_INSTRUCTIONS": "AVX2"}


def main() -> None:
    if sys.argv[1:2] and sys.argv[1] in PROGRAMS:
        import_module(f".{sys.argv[1]}", __package__).main(sys.argv[2:])
        return
    names = [name for functions in STEPS.values() for name in functions]
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=(__doc__ or "").splitlines()[0])
    parser.add_argument("name", nargs="?", default="steps", choices=("steps", *names), help="steps (default): all")
    parser.add_argument("--json", action="store_true", help="print JSON for programs")
    parser.add_argument("--images", type=int, help="images in an epoch, for those that have one")
    parser.add_argument("--rounds", type=int, default=5, help="measured epochs or steps of each")
    parser.add_argument("--precision", choices=("auto", "bf16", "fp32"), default="auto", help="of our side")
    parser.add_argument("--plain", action="store_true", help="fp32 with AVX2, whatever this processor has beyond it")
    arguments = parser.parse_args()
    if arguments.plain and arguments.precision == "bf16":
        parser.error("--plain is fp32: AVX2 has no bf16")
    prepare(arguments.plain)
    measure(arguments, names if arguments.name == "steps" else [arguments.name])


def prepare(plain: bool) -> None:
    """Settles what torch and its libraries read from the environment, once, when they are loaded."""
    settle()
    if plain:
        os.environ.update(PLAIN)


def measure(arguments: argparse.Namespace, names: list[str]) -> None:
    """Measures the rows of `names` and prints them."""
    import torch

    from sfumato.engine.runtime import choose, hardware

    from .measure import Bench

    runtime = choose("cpu", "fp32" if arguments.plain else arguments.precision)
    bench = Bench(runtime, arguments.rounds, arguments.images)
    rows: list[Row] = []
    for file, functions in STEPS.items():
        for name in (name for name in functions if name in names):
            rows += getattr(import_module(f".{file}", __package__), name)(bench)
    if arguments.json:
        instructions = torch.backends.cpu.get_cpu_capability()
        head = {"hardware": hardware(), "instructions": instructions, "runtime": runtime.describe()}
        print(json.dumps({**head, "rows": rows}, indent=1))
        return
    print(runtime.describe())
    for found in rows:
        print(", ".join(f"{key} {value}" for key, value in found.items()))


if __name__ == "__main__":
    main()
