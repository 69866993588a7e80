"""The generator of the DCGAN in pytorch/examples: `netG_epoch_*.pth`. In evaluation mode, where batch norm goes by its
running statistics; images of 64×64."""

from collections.abc import Sequence

from . import Brought, Checkpoint

FILES = ("netG_epoch_N.pth",)
LAYERS = (0, 3, 6, 9)  # with a norm behind them
LAST = 12
NORM = ("weight", "bias", "running_mean", "running_var")


def fits(parts: Sequence[Checkpoint]) -> bool:
    return "main.0.weight" in parts[0] and f"main.{LAST}.weight" in parts[0]


def brought(parts: Sequence[Checkpoint]) -> Brought:
    """Raises SfumatoError for another network."""
    (part,) = parts
    latent = part.shape("main.0.weight")[0]
    width, channels = part.shape(f"main.{LAST}.weight")[:2]
    names = [f"{place}.weight" for place in (*LAYERS, LAST)]
    names += [f"{place + 1}.{kind}" for place in LAYERS for kind in NORM]
    weights = {f"generator.{_behind(name)}": part.take(f"main.{name}") for name in names}
    fields = {"resolution": 64, "channels": channels, "latent": latent, "width": width, "half_life": 0}
    return Brought("dcgan:photographs", fields, weights)


def _behind(name: str) -> str:
    """Ours begins with a layer that gives the vector its two sides."""
    place, _, kind = name.partition(".")
    return f"{int(place) + 1}.{kind}"
