"""Restyling the frames of clips, one after the other: each holds on to what the one before shows."""

from collections.abc import Callable, Iterator
from statistics import fmean
from typing import Any

from PIL import Image

from ..data.clips import ClipWork
from ..data.jobs import read_file
from ..data.pictures import to_picture, to_tensor
from .video import Shown, carry, follow

Restyle = Callable[[Image.Image, Image.Image | None], Image.Image]  # a frame, and what it may begin from


def restyle_frames(
    pictures: Iterator[Image.Image], restyle: Restyle, work: ClipWork, coherence: float
) -> Iterator[int]:
    """Restyles what is not done yet, frame after frame, and yields how many are. `restyle` keeps sizes."""
    before: Shown | None = None
    for index, picture in enumerate(pictures):
        if index < work.done - 1:
            continue
        content = _floats(picture)
        carried = carry(content, before) if before else None
        alone = restyle(picture, to_picture(carried.picture) if carried and coherence else None)
        if index == work.done - 1:  # the last one that was finished: what the next one follows
            before = Shown(content, _floats(alone), _floats(read_file(work.frame(index))[0]))
            continue
        before, errors = follow(content, _floats(alone), before, carried, coherence)
        work.keep(to_picture(before.output), (errors.shown, errors.alone))
        yield work.done


def warp_errors(work: ClipWork) -> tuple[float, float] | None:
    """Their means, as shown and frame by frame, over all frames that have them."""
    pairs = [(shown, alone) for shown, alone in work.notes if shown is not None and alone is not None]
    return (fmean(pair[0] for pair in pairs), fmean(pair[1] for pair in pairs)) if pairs else None


def _floats(picture: Image.Image) -> Any:
    return to_tensor(picture).float() / 255
