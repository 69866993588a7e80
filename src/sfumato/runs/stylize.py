"""`sfumato.stylize`: restyling, with the network of a run where one is given."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from PIL import Image
from torch import Tensor

from ..style.network import restyler_of, shipped
from ..style.options import options_for
from ..style.restyle import PictureT, restyle


def stylize(
    content: PictureT, style: Image.Image | Tensor | Sequence[Image.Image | Tensor], *, device: str = "auto",
    precision: str = "auto", masks: Sequence[Image.Image] = (), run: str | Path = "", **options: Any,
) -> PictureT:  # fmt: skip
    """`content` in the style of one picture or of several; of the kind that `content` is.

    Pictures are PIL images, or tensors (3, h, w) in [0, 1]. `run`: a run folder of a style system, instead of the
    shipped network. `options`: `method`, `preset` and what `style.options` lists. Raises SfumatoError for what cannot
    be.
    """
    chosen = options_for(run=run, **options)
    return restyle(content, style, chosen, device, precision, masks, network_of(run, device))


def network_of(run: str | Path | None, device: str) -> Callable[[], Any]:
    """What gives the network of the run in that folder; without one, the shipped network."""
    if not run:
        return shipped
    from .open import open as open_run  # and with it all that trains and measures

    return lambda: restyler_of(open_run(run, device).system, str(run))
