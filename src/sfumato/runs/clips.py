"""Restyling clips: frames in, frames out, at the same times and with the same sound.

Finished frames wait in a folder beside the result, so that a stopped call goes on where it was. Needs the extra
`video`, which brings its codecs.
"""

import json
import shutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from statistics import fmean
from typing import Any

from PIL import Image

from ..data.pictures import MAX_PIXELS, read_layers, to_picture, to_tensor, write_picture
from ..errors import SfumatoError
from ..files import write_atomically, write_json
from ..style.video import Shown, WarpErrors, follow

CLIPS = {".mp4": ("h264", "aac"), ".mkv": ("h264", "aac"), ".mov": ("h264", "aac"), ".webm": ("libvpx-vp9", "libopus")}
KEPT_SOUND = {".mp4": ("aac", "mp3"), ".mov": ("aac", "mp3"), ".mkv": ("aac", "mp3", "opus", "vorbis", "flac"),
              ".webm": ("opus", "vorbis")}  # fmt: skip
FORMATS = "mov,mp4,m4a,3gp,3g2,mj2,matroska,webm,avi,mpeg,mpegts,ogg"
QUALITY = {"h264": {"crf": "18"}, "libvpx-vp9": {"crf": "24", "b": "0"}}
Restyle = Callable[[Image.Image], Image.Image]


def is_clip(path: Path) -> bool:
    return path.suffix.lower() in (*CLIPS, ".avi", ".m4v", ".mpg", ".mpeg", ".ogv")


@dataclass(frozen=True)
class Clip:
    """What must be known of a clip before its frames are read: the exact rate, and how many frames there may be."""

    path: Path
    rate: Fraction
    frames: int


def open_clip(path: Path, out: Path) -> Clip:
    """Raises SfumatoError if `path` is no clip that can be read, if `out` cannot be one, or without the extra."""
    if out.suffix.lower() not in CLIPS:
        raise SfumatoError(f"{out}: clips are written as {', '.join(CLIPS)}, not as {out.suffix or 'nothing'!r}")
    if out.resolve() == path.resolve():
        raise SfumatoError(f"{out}: is the content itself: give another --out")
    with _opened(path) as container:
        if not container.streams.video:
            raise SfumatoError(f"{path}: holds no pictures that move")
        stream = container.streams.video[0]
        if stream.width * stream.height > MAX_PIXELS:
            size = f"{stream.width}×{stream.height}"
            raise SfumatoError(f"{path}: {size} pixels: more than {MAX_PIXELS // 1_000_000} megapixels")
        rate = stream.average_rate or stream.guessed_rate or Fraction(25)
        return Clip(path, Fraction(rate), stream.frames)


def frames(clip: Clip) -> Iterator[tuple[Image.Image, int | None]]:
    """Each frame as an `RGB` picture, with its time in units of the stream. Damaged ones are passed over."""
    av = _av()
    with _opened(clip.path) as container:
        try:
            for frame in container.decode(container.streams.video[0]):
                yield frame.to_image(), frame.pts
        except av.FFmpegError as error:
            raise SfumatoError(f"{clip.path}: damaged clip ({error.strerror})") from None


class ClipWork:
    """The folder with finished frames and what was measured between them. `recipe`: what it was made with."""

    def __init__(self, out: Path, recipe: dict[str, Any]) -> None:
        self.path = out.with_name(f"{out.name}.frames")
        self.state = self.path / "state.json"
        self.recipe = recipe
        self.errors: list[list[float | None]] = []
        if self.state.is_file():
            try:
                saved = json.loads(self.state.read_text("utf-8"))
            except (ValueError, OSError):
                saved = {}
            if saved.get("recipe") != recipe:
                raise SfumatoError(
                    f"{self.path}: holds frames that were made otherwise: remove that folder, or repeat that command"
                )
            self.errors = saved["errors"]
        self.path.mkdir(parents=True, exist_ok=True)

    @property
    def done(self) -> int:
        return len(self.errors)

    def frame(self, index: int) -> Path:
        return self.path / f"{index:06d}.png"

    def keep(self, picture: Image.Image, errors: WarpErrors) -> None:
        write_picture(picture, self.frame(self.done))
        self.errors.append([errors.shown, errors.alone])
        write_json(self.state, {"recipe": self.recipe, "errors": self.errors})

    def means(self) -> tuple[float, float] | None:
        """The warp errors, as shown and frame by frame, over all frames that have them."""
        pairs = [(shown, alone) for shown, alone in self.errors if shown is not None and alone is not None]
        return (fmean(pair[0] for pair in pairs), fmean(pair[1] for pair in pairs)) if pairs else None

    def remove(self) -> None:
        shutil.rmtree(self.path)


def restyle_frames(
    pictures: Iterator[Image.Image], restyle: Restyle, work: ClipWork, coherence: float
) -> Iterator[int]:
    """Restyles what is not done yet, frame after frame, and yields how many are."""
    before: Shown | None = None
    for index, picture in enumerate(pictures):
        if index < work.done - 1:
            continue
        alone = restyle(picture)
        content = _floats(picture.resize(alone.size))
        if index == work.done - 1:  # the last one that was finished: what the next one follows
            with work.frame(index).open("rb") as file:
                before = Shown(content, _floats(alone), _floats(read_layers(file)[0]))
            continue
        before, errors = follow(content, _floats(alone), before, coherence)
        work.keep(to_picture(before.output), errors)
        yield work.done


def write_clip(clip: Clip, work: ClipWork, out: Path) -> None:
    """Puts the finished frames together at the times of `clip`, with its sound."""
    av = _av()
    video_codec, sound_codec = CLIPS[out.suffix.lower()]

    def write(beside: Path) -> None:
        with _opened(clip.path) as source, av.open(str(beside), "w", format=_format(out)) as target:
            stream = source.streams.video[0]
            with Image.open(work.frame(0)) as first:
                width, height = first.size
            video = target.add_stream(video_codec, rate=clip.rate, options=QUALITY[video_codec])
            video.width, video.height = width, height
            video.pix_fmt = "yuv420p" if width % 2 == height % 2 == 0 else "yuv444p"
            video.time_base = stream.time_base
            sounds = [_sound(target, sound, out.suffix.lower(), sound_codec) for sound in source.streams.audio[:1]]
            index = 0
            for packet in source.demux(stream, *source.streams.audio[:1]):
                if packet.stream.type == "audio":
                    target.mux(sounds[0](packet))
                    continue
                for frame in packet.decode():
                    if index >= work.done:
                        break
                    with Image.open(work.frame(index)) as picture:
                        painted = av.VideoFrame.from_image(picture.convert("RGB"))
                    painted.pts, painted.time_base = frame.pts, stream.time_base
                    target.mux(video.encode(painted))
                    index += 1
            target.mux(video.encode(None))

    write_atomically(out, write)


def _sound(target: Any, source: Any, ending: str, codec: str) -> Callable[[Any], Any]:
    """The function that turns packets of the sound into packets for `target`: copied where the format takes them."""
    if source.codec_context.name in KEPT_SOUND[ending]:
        copied = target.add_stream_from_template(source)

        def copy(packet: Any) -> Any:
            packet.stream = copied
            return packet if packet.dts is not None else []

        return copy
    encoded = target.add_stream(codec, rate=source.codec_context.sample_rate)

    def encode(packet: Any) -> Any:
        return [made for frame in packet.decode() for made in encoded.encode(frame)]

    return encode


def _format(out: Path) -> str:
    return {".mp4": "mp4", ".mov": "mov", ".mkv": "matroska", ".webm": "webm"}[out.suffix.lower()]


def _floats(picture: Image.Image) -> Any:
    return to_tensor(picture).float() / 255


def _av() -> Any:
    try:
        import av
    except ImportError:
        raise SfumatoError("clips need the extra `video`: pip install 'sfumato[video]'") from None
    return av


def _opened(path: Path) -> Any:
    av = _av()
    try:
        # A playlist that calls itself a clip would have other files opened, here or elsewhere.
        return av.open(str(path.resolve()), options={"format_whitelist": FORMATS, "protocol_whitelist": "file"})
    except (av.FFmpegError, OSError) as error:
        raise SfumatoError(f"{path}: not a clip that can be read ({error.strerror})") from None
