"""Pictures that move: GIF, which everything shows, or MP4, which is a tenth as large and needs the extra `video`."""

import io
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from ..errors import SfumatoError
from ..files import write_atomically, write_bytes

if TYPE_CHECKING:
    from PIL.Image import Image

FILMS = (".gif", ".mp4")
RATE = 20  # frames a second


def check_film(path: Path) -> None:
    """Raises SfumatoError unless a film can be written as `path` asks for by its ending."""
    if path.suffix.lower() not in FILMS:
        raise SfumatoError(f"{path}: films are written as {' or '.join(FILMS)}, not as {path.suffix or 'nothing'!r}")
    if path.suffix.lower() == ".mp4":
        try:
            import av  # noqa: F401
        except ImportError:
            raise SfumatoError(
                f"{path}: MP4 needs the extra `video`: pip install 'sfumato[video]', or take .gif"
            ) from None


def write_film(frames: "Sequence[Image]", path: Path, rate: int = RATE) -> None:
    """Writes `frames`, of one size, whole or not at all, as the ending of `path` says; a GIF begins anew at its end."""
    check_film(path)
    if path.suffix.lower() == ".gif":
        (first, *rest), buffer = frames, io.BytesIO()
        first.save(buffer, "GIF", save_all=True, append_images=rest, duration=1000 // rate, loop=0)
        write_bytes(path, buffer.getvalue())
        return
    write_atomically(path, lambda beside: _mux(frames, beside, rate))


def _mux(frames: "Sequence[Image]", beside: Path, rate: int) -> None:
    import av

    with av.open(str(beside), "w", format="mp4") as target:
        stream = target.add_stream("h264", rate=rate, options={"crf": "18"})
        stream.width, stream.height = frames[0].size
        stream.pix_fmt = "yuv420p" if stream.width % 2 == stream.height % 2 == 0 else "yuv444p"
        for frame in frames:
            target.mux(stream.encode(av.VideoFrame.from_image(frame.convert("RGB"))))
        target.mux(stream.encode(None))
