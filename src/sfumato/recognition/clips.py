"""The frames of a clip as a network reads them, each with its number, from 0, and its time in seconds."""

from collections.abc import Iterator

from ..data.clips import Clip, _Decoding, _opened, frames  # decoded as frames are, past the same damage
from .predict import Reader, Seen

DIGITS = 4  # behind the point of a second


def see_frames(reader: Reader, clip: Clip, begin: int = 0) -> Iterator[Seen]:
    """The frames from number `begin` on."""
    for number, (picture, time) in enumerate(zip(frames(clip), times(clip), strict=False)):
        if number >= begin:
            yield reader.see(picture, {"frame": number, "time": round(time, DIGITS)})


def times(clip: Clip) -> Iterator[float]:
    """Seconds from the first frame to each, however uneven; where the clip does not say, as its rate has it."""
    first: float | None = None
    with _opened(clip.path) as container:
        for number, frame in enumerate(_Decoding(container)):
            if frame.time is None:
                yield float(number / clip.rate)
                continue
            first = frame.time if first is None else first
            yield frame.time - first
