"""`sfumato.stylize`: restyling, with the network of a run where one is given."""

from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

from ..data.given import Given, GivenT
from ..style.network import restyler_of, shipped
from ..style.options import options_for
from ..style.restyle import restyle


def stylize(
    content: GivenT | str | Path, style: Given | Iterable[Given], *, device: str = "auto", precision: str = "auto",
    masks: Given | Iterable[Given] = (), run: str | Path = "", **options: Any,
) -> GivenT:  # fmt: skip
    """`content` in the style of one picture or of several; of the kind that `content` is, a PIL image if it is a path.

    Pictures are paths, PIL images, arrays (h, w, 3) or (h, w), uint8 or floats in [0, 1], and tensors (3, h, w) in
    [0, 1]. `run`: a run folder of a style system, instead of the
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
