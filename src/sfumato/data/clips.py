"""Clips: frames in, frames out, at the same times and with the same sound.

Finished frames wait in a folder beside the result, so that a stopped call goes on where it was. Needs the extra
`video`, which brings its codecs.
"""

import json
import os
import shutil
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any

from PIL import Image

from ..errors import SfumatoError
from ..files import append_line, check_place, json_of, opened, resolved, write_atomically, write_bytes, write_json
from ..memory import check, refuse_bomb
from ..strict import content_of, decode, read
from .pictures import MAX_PIXELS, write_picture

CLIPS = {".mp4": ("h264", "aac"), ".mkv": ("h264", "aac"), ".mov": ("h264", "aac"), ".webm": ("libvpx-vp9", "libopus")}
KEPT_SOUND = {".mp4": ("aac", "mp3"), ".mov": ("aac", "mp3"), ".mkv": ("aac", "mp3", "opus", "vorbis", "flac"),
              ".webm": ("opus", "vorbis")}  # fmt: skip
FORMATS = "mov,mp4,m4a,3gp,3g2,mj2,matroska,webm,avi,mpeg,mpegts,ogg"
FORMAT_OF = {".mp4": "mp4", ".mov": "mov", ".mkv": "matroska", ".webm": "webm"}
OPUS_RATE = 48_000  # samples a second; it takes few others
HIGH = 720  # rows from which on pictures without a tag are BT.709, as players take them
BT709, BT601 = 1, 5  # as FFmpeg counts matrices
MATRICES = (BT709, BT601, 6, 9)  # which we can make: 6 is BT.601 of another country, 9 is BT.2020
FRAME, HELD = 4, 8  # bytes of a pixel of a frame; how many frames a decoder and we hold
LIMITED = 1  # the range of levels in a clip
QUALITY = {"h264": {"crf": "18"}, "libvpx-vp9": {"crf": "24", "b": "0"}}


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
    with _reading(path), _opened(path) as container:
        if resolved(out) == resolved(path):
            raise SfumatoError(f"{out}: is the content itself: give another --out")
        if not container.streams.video:
            raise SfumatoError(f"{path}: holds no pictures that move")
        stream = container.streams.video[0]
        if stream.width * stream.height > MAX_PIXELS:
            size = f"{stream.width}×{stream.height}"
            raise SfumatoError(f"{path}: {size} pixels: more than {MAX_PIXELS // 1_000_000} megapixels")
        pixels = stream.width * stream.height
        refuse_bomb(path.stat().st_size, FRAME * pixels, f"{path}: ")
        check(FRAME * HELD * pixels, f"{path}: ")
        rate = stream.average_rate or stream.guessed_rate or Fraction(25)
        return Clip(path, Fraction(rate), stream.frames)


def frames(clip: Clip) -> Iterator[Image.Image]:
    """Each frame as an `RGB` picture, upright, all of the size of the first."""
    size: tuple[int, int] | None = None
    with _reading(clip.path), _opened(clip.path) as container:
        for frame in _Decoding(container):
            picture = frame.to_image(src_colorspace=_matrix(frame))
            if frame.rotation:  # how a phone says that it was held upright
                picture = picture.rotate(frame.rotation, expand=True)
            size = size or picture.size
            yield picture if picture.size == size else picture.resize(size)


class _Decoding:
    """The frames of a clip. Packets that are damaged are passed over, and counted; `cut`: it broke off."""

    def __init__(self, container: Any) -> None:
        self.container, self.damaged, self.cut = container, 0, False

    def __iter__(self) -> Iterator[Any]:
        wrong = _av().FFmpegError
        packets = self.container.demux(self.container.streams.video[0])
        while True:
            try:
                packet = next(packets, None)
            except wrong:
                self.cut = True
                return
            if packet is None:
                return
            try:
                yield from packet.decode()
            except wrong:
                self.damaged += 1

    def remarks(self) -> list[str]:
        found = [f"{self.damaged} damaged packets passed over"] if self.damaged else []
        return [*found, "cut short: what comes before is all there is"] if self.cut else found


def _matrix(source: Any) -> int:
    """How the colours of a frame or of a stream are written: as it says, or as players take it."""
    said = int(source.colorspace)
    return said if said in MATRICES else BT709 if source.height >= HIGH else BT601


class ClipWork:
    """The folder with finished frames and what was noted of each. `recipe`: what it was made with."""

    def __init__(self, out: Path, recipe: dict[str, Any]) -> None:
        self.path = out.with_name(f"{out.name}.frames")
        self.made, self.noted = self.path / "recipe.json", self.path / "errors.jsonl"
        self.notes: list[list[float | None]] = []
        recipe = json.loads(json_of(recipe))
        if self.path.exists():
            self._take_up(recipe)
        else:
            write_json(self.made, recipe)

    def _take_up(self, recipe: dict[str, Any]) -> None:
        try:
            saved = read(self.made, dict[str, Any])
            lines = content_of(self.noted).splitlines() if os.path.lexists(self.noted) else []
        except SfumatoError:
            raise SfumatoError(f"{self.path}: is there and is not the frames of a clip: move it away") from None
        if saved != recipe:
            raise SfumatoError(
                f"{self.path}: holds frames that were made otherwise: remove that folder, or repeat that command"
            )
        for left_by_a_kill in self.path.glob(".*.part"):
            left_by_a_kill.unlink()
        with suppress(SfumatoError):  # one cut short by a kill
            for line in lines:
                notes = decode(line, list[float | None], self.noted.name)
                if not self.frame(self.done).is_file():
                    break
                self.notes.append(notes)
        check_place(self.frame(self.done))
        if self.done < len(lines):
            write_bytes(self.noted, "".join(f"{json_of(notes)}\n" for notes in self.notes).encode())

    @property
    def done(self) -> int:
        return len(self.notes)

    def frame(self, index: int) -> Path:
        return self.path / f"{index:06d}.png"

    def keep(self, picture: Image.Image, notes: Sequence[float | None] = ()) -> None:
        write_picture(picture, self.frame(self.done))
        self.notes.append(list(notes))
        append_line(self.noted, json_of(self.notes[-1]))

    def remove(self) -> None:
        shutil.rmtree(self.path)


def write_clip(clip: Clip, work: ClipWork, out: Path) -> list[str]:
    """Puts the finished frames together at the times of `clip`, with its sound, colours written and pixels shaped as
    there. Returns what is worth saying, a line each."""
    remarks = []
    try:
        write_atomically(out, lambda beside: remarks.extend(_mux(clip, work, beside, out.suffix.lower())))
    except SfumatoError:
        raise
    except Exception as error:  # FFmpeg's, Pillow's, the disk's
        fault = (isinstance(error, OSError) and error.strerror) or error
        raise SfumatoError(f"{out}: could not be put together ({fault}); its frames are in {work.path}") from None
    return [f"{clip.path}: {remark}" for remark in remarks]


def _mux(clip: Clip, work: ClipWork, beside: Path, ending: str) -> list[str]:
    av = _av()
    video_codec, sound_codec = CLIPS[ending]
    with _opened(clip.path) as source, av.open(str(beside), "w", format=FORMAT_OF[ending]) as target:
        stream = source.streams.video[0]
        with Image.open(work.frame(0)) as first:
            width, height = first.size
        video = target.add_stream(video_codec, rate=clip.rate, options=QUALITY[video_codec])
        video.width, video.height = even = width + width % 2, height + height % 2
        video.pix_fmt = "yuv420p"  # what every player knows; it wants even sides
        video.codec_context.time_base = stream.time_base  # times as they are, however uneven
        _tag(video.codec_context, stream.codec_context)
        sounds = source.streams.audio[:1]
        sound = _Sound(target, sounds[0], ending, sound_codec) if sounds else None
        decoding, time = _Decoding(source), -1
        step = max(1, round(1 / (clip.rate * stream.time_base)))
        for index, frame in enumerate(decoding):
            if index >= work.done:
                break
            if index == 0:
                _shape(video.codec_context, stream, frame.rotation)
            with Image.open(work.frame(index)) as picture:
                painted = av.VideoFrame.from_image(_evened(picture.convert("RGB"), even))
            matrix = _matrix(frame)
            painted = painted.reformat(format="yuv420p", dst_colorspace=matrix)
            painted.colorspace, painted.color_range = matrix, LIMITED
            time = time + step if frame.pts is None else max(time + 1, frame.pts)
            painted.pts, painted.time_base = time, stream.time_base
            target.mux(video.encode(painted))
        target.mux(video.encode(None))
        if sound:
            with _opened(clip.path) as again:
                for packet in again.demux(again.streams.audio[0]):
                    target.mux(sound.packets(packet))
            target.mux(sound.rest())
    grown = [f"{width}×{height} made {even[0]}×{even[1]}: sides must be even"] if even != (width, height) else []
    return decoding.remarks() + grown


def _tag(target: Any, source: Any) -> None:
    """Says how colours are to be shown, as the source does."""
    target.colorspace = _matrix(source)
    target.color_range, target.color_primaries, target.color_trc = LIMITED, source.color_primaries, source.color_trc


def _shape(target: Any, stream: Any, rotation: int) -> None:
    """The shape of a pixel, as it stands when the picture is upright."""
    if shape := stream.sample_aspect_ratio:
        target.sample_aspect_ratio = 1 / shape if rotation % 180 else shape


def _evened(picture: Image.Image, size: tuple[int, int]) -> Image.Image:
    """`picture` with its last column and row once more where `size` wants them."""
    if picture.size == size:
        return picture
    grown = Image.new("RGB", size)
    for left, top in ((1, 1), (0, 1), (1, 0), (0, 0)):
        grown.paste(picture, (left * (size[0] - picture.width), top * (size[1] - picture.height)))
    return grown


class _Sound:
    """The sound of a clip on its way into another: copied where the format takes it, else encoded anew."""

    def __init__(self, target: Any, source: Any, ending: str, codec: str) -> None:
        self.copied = source.codec_context.name in KEPT_SOUND[ending]
        if self.copied:
            self.stream = target.add_stream_from_template(source)
        else:
            rate = OPUS_RATE if codec == "libopus" else source.codec_context.sample_rate
            self.stream = target.add_stream(codec, rate=rate)

    def packets(self, packet: Any) -> list[Any]:
        if not self.copied:
            return [made for frame in packet.decode() for made in self.stream.encode(frame)]
        packet.stream = self.stream
        return [packet] if packet.dts is not None else []

    def rest(self) -> list[Any]:
        return [] if self.copied else self.stream.encode(None)


def _av() -> Any:
    try:
        import av
    except ImportError:
        raise SfumatoError("clips need the extra `video`: pip install 'sfumato[video]'") from None
    return av


def _opened(path: Path) -> Any:
    av = _av()
    with _reading(path):
        opened(path).close()  # FFmpeg would wait for a pipe
        # A playlist that calls itself a clip would have other files opened, here or elsewhere.
        container = av.open(str(resolved(path)), options={"format_whitelist": FORMATS, "protocol_whitelist": "file"})
        for stream in container.streams.video:  # frames may grow on the way
            stream.codec_context.options = {"max_pixels": str(MAX_PIXELS)}
        return container


@contextmanager
def _reading(path: Path) -> Iterator[None]:
    """What goes wrong inside is the clip's fault: FFmpeg's bindings raise nearly anything on damaged files."""
    try:
        yield
    except SfumatoError:
        raise
    except Exception as error:
        fault = (isinstance(error, OSError) and error.strerror) or error
        raise SfumatoError(f"{path}: not a clip that can be read ({fault})") from None
