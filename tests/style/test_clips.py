"""Clips: what other implementations get wrong is colours, rates and sound."""

from collections.abc import Iterator, Sequence
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from sfumato.data.clips import ClipWork, frames, is_clip, open_clip, write_clip
from sfumato.data.jobs import as_pngs, in_order
from sfumato.errors import SfumatoError
from sfumato.style.clips import restyle_frames

av = pytest.importorskip("av")
RATE = Fraction(30000, 1001)
COUNT = 7


def filmed(path: Path, size: tuple[int, int] = (64, 48)) -> Path:
    """Seven red frames with a bright square that moves, and a tone."""
    with av.open(str(path), "w") as container:
        video = container.add_stream("h264" if path.suffix == ".mp4" else "libvpx-vp9", rate=RATE)
        video.width, video.height = size
        video.pix_fmt = "yuv420p"
        sound = container.add_stream("aac" if path.suffix == ".mp4" else "libopus", rate=48000)
        for index in range(COUNT):
            levels = np.zeros((size[1], size[0], 3), np.uint8)
            levels[..., 0] = 200
            levels[10:30, 5 + 3 * index : 25 + 3 * index] = (220, 220, 40)
            container.mux(video.encode(av.VideoFrame.from_ndarray(levels)))
        tone = (8000 * np.sin(np.arange(11200) * 0.05)).astype(np.int16)[None]
        frame = av.AudioFrame.from_ndarray(np.repeat(tone, 2, 0).astype(np.float32) / 32768, "fltp", "stereo")
        frame.sample_rate = 48000
        container.mux(sound.encode(frame))
        container.mux(sound.encode(None))
        container.mux(video.encode(None))
    return path


def as_it_is(picture: Image.Image, _: Image.Image | None = None) -> Image.Image:
    return picture


def restyled(source: Path, out: Path, coherence: float = 0.0) -> None:
    clip = open_clip(source, out)
    work = ClipWork(out, {"made": "so"})
    assert list(restyle_frames(frames(clip), as_it_is, work, coherence))[-1] == COUNT
    write_clip(clip, work, out)
    work.remove()


@pytest.mark.parametrize("ending", [".mp4", ".webm", ".mkv"])
def test_colours_times_and_sound_are_kept(tmp_path: Path, ending: str) -> None:
    source, out = filmed(tmp_path / "clip.mp4"), tmp_path / f"out{ending}"
    restyled(source, out)
    with av.open(str(out)) as container:
        assert container.streams.video[0].average_rate == pytest.approx(RATE, rel=1e-3)
        assert len(container.streams.audio) == 1
        times, pictures = zip(
            *((frame.time, frame.to_ndarray(format="rgb24")) for frame in container.decode(video=0)), strict=True
        )
        assert len(times) == COUNT
        assert np.diff(times) == pytest.approx(float(1 / RATE), abs=0.002)
        red, green, blue = pictures[3][40, 60]
        assert red > 150 > 60 > max(green, blue)  # the port swaps red and blue
    with av.open(str(out)) as container:
        assert sum(frame.samples for frame in container.decode(audio=0)) > 10_000
    assert not list(tmp_path.glob("*.frames"))


@pytest.mark.parametrize("ending", [".mp4", ".mov", ".webm"])
def test_odd_sides_become_even(tmp_path: Path, ending: str) -> None:
    source = filmed(tmp_path / "clip.mp4")
    out = tmp_path / f"out{ending}"
    clip = open_clip(source, out)
    work = ClipWork(out, {})
    list(restyle_frames((picture.resize((61, 43)) for picture in frames(clip)), as_it_is, work, 0.0))
    assert write_clip(clip, work, out) == [f"{source}: 61×43 made 62×44: sides must be even"]
    with av.open(str(out)) as container:
        video = container.streams.video[0]
        assert (video.width, video.height, video.codec_context.pix_fmt) == (62, 44, "yuv420p")


def written(path: Path, levels: Sequence[NDArray[np.uint8]], times: Sequence[int] = (), **context: object) -> Path:
    """A clip of pictures in levels of RGB, at `times` in milliseconds, or ten a second."""
    with av.open(str(path), "w") as container:
        video = container.add_stream("h264", rate=10, options={"crf": "4"})
        video.height, video.width = levels[0].shape[:2]
        video.pix_fmt = "yuv420p"
        video.codec_context.time_base = Fraction(1, 1000)
        for name, value in context.items():
            setattr(video.codec_context, name, value)
        for index, picture in enumerate(levels):
            frame = av.VideoFrame.from_ndarray(picture)
            if matrix := context.get("colorspace"):
                frame = frame.reformat(format="yuv420p", dst_colorspace=matrix)
            frame.pts, frame.time_base = times[index] if times else 100 * index, Fraction(1, 1000)
            container.mux(video.encode(frame))
        container.mux(video.encode(None))
    return path


def noisy(count: int, height: int = 96, width: int = 128) -> list[NDArray[np.uint8]]:
    random = np.random.default_rng(0)
    return [random.integers(0, 255, (height, width, 3), dtype=np.uint8) for _ in range(count)]


def remade(source: Path, out: Path) -> list[str]:
    clip = open_clip(source, out)
    work = ClipWork(out, {})
    list(restyle_frames(frames(clip), as_it_is, work, 0.0))
    said = write_clip(clip, work, out)
    work.remove()
    return said


def test_a_damaged_packet_is_passed_over_and_counted(tmp_path: Path) -> None:
    source, out = written(tmp_path / "clip.mkv", noisy(24)), tmp_path / "out.mp4"
    with av.open(str(source)) as container:
        place, size = [(packet.pos, packet.size) for packet in container.demux(video=0) if packet.size][6]
    data = bytearray(source.read_bytes())
    data[place + 8 : place + min(size, 400)] = bytes([0xAA]) * (min(size, 400) - 8)
    source.write_bytes(bytes(data))
    assert remade(source, out) == [f"{source}: 1 damaged packets passed over"]
    with av.open(str(out)) as container:
        times = [frame.time for frame in container.decode(video=0)]
    assert 20 <= len(times) <= 23
    assert times[-1] == pytest.approx(2.3, abs=0.01)  # what follows is not moved


def test_uneven_times_are_kept(tmp_path: Path) -> None:
    times = (0, 40, 300, 310, 900, 1500)
    source, out = written(tmp_path / "clip.mkv", noisy(6), times), tmp_path / "out.mkv"
    remade(source, out)
    with av.open(str(out)) as container:
        assert [round(1000 * frame.time) for frame in container.decode(video=0)] == list(times)


@pytest.mark.parametrize(("matrix", "height"), [(1, 96), (5, 96), (1, 720), (5, 720), (None, 96), (None, 720)])
def test_colours_are_written_as_they_were(tmp_path: Path, matrix: int | None, height: int) -> None:
    """Read by each matrix's own equations from the luma: BT.709 and BT.601 differ by ten levels of this colour. Without
    a tag they are taken as players do, by the height."""
    colour = np.array([200, 60, 30], np.uint8)
    levels = [np.broadcast_to(colour, (height, 128, 3)).copy()] * 3
    tagged = {} if matrix is None else {"colorspace": matrix}
    source, out = written(tmp_path / "clip.mp4", levels, **tagged), tmp_path / "out.mp4"
    remade(source, out)
    taken = matrix or (1 if height >= 720 else 5)
    with av.open(str(out)) as container, av.open(str(source)) as before:
        frame, other = next(container.decode(video=0)), next(before.decode(video=0))
        assert int(frame.colorspace) == taken
        assert np.abs(frame.to_ndarray().astype(int) - other.to_ndarray()).max() <= 2  # the very levels of Y, U and V


@pytest.mark.parametrize("turned", [0, 90])
def test_oblong_pixels_stay_so(tmp_path: Path, turned: int) -> None:
    source, out = tmp_path / "clip.mp4", tmp_path / "out.mp4"
    written(source, noisy(3), sample_aspect_ratio=Fraction(4, 3))
    if turned:
        turn(source, tmp_path / "turned.mp4", turned)
        source = tmp_path / "turned.mp4"
    remade(source, out)
    with av.open(str(out)) as container:
        video = container.streams.video[0]
        assert video.codec_context.sample_aspect_ratio == (Fraction(3, 4) if turned else Fraction(4, 3))
        assert (video.width, video.height) == ((96, 128) if turned else (128, 96))


def turn(source: Path, out: Path, degrees: int) -> None:
    """As a phone says it: the frames lie, a matrix turns them."""
    with av.open(str(source)) as before, av.open(str(out), "w") as container:
        stream = container.add_stream_from_template(before.streams.video[0])
        stream.set_display_rotation(degrees)
        for packet in before.demux(before.streams.video[0]):
            if packet.dts is not None:
                packet.stream = stream
                container.mux(packet)


def test_numbers_in_names_are_numbers() -> None:
    names = [Path(f"frame{index}.png") for index in (1, 10, 2, 33, 3)] + [Path("a.png")]
    assert [path.stem for path in sorted(names, key=in_order)] == ["a", "frame1", "frame2", "frame3", "frame10",
                                                                   "frame33"]  # fmt: skip


def test_no_two_frames_are_written_to_one_place() -> None:
    paths = [Path("a.jpg"), Path("a.png"), Path("A.PNG.tif"), Path("b.webp")]
    assert as_pngs(paths) == [Path("a.jpg.png"), Path("a.png"), Path("A.PNG.png"), Path("b.png")]
    with pytest.raises(SfumatoError, match="would be written where another is"):
        as_pngs([Path("a.jpg"), Path("a.png"), Path("a.jpg.png")])


def test_a_stopped_clip_goes_on_where_it_was(tmp_path: Path) -> None:
    source = filmed(tmp_path / "clip.mp4")
    painted: list[int] = []

    def pictures(stop_at: int) -> Iterator[Image.Image]:
        for index, picture in enumerate(frames(open_clip(source, tmp_path / "out.mp4"))):
            if index == stop_at:
                raise KeyboardInterrupt
            yield picture

    def paint(picture: Image.Image, _: Image.Image | None) -> Image.Image:
        painted.append(1)
        return picture.transpose(Image.Transpose.FLIP_LEFT_RIGHT)

    whole = ClipWork(tmp_path / "whole.mp4", {})
    list(restyle_frames(pictures(COUNT), paint, whole, 0.6))
    with pytest.raises(KeyboardInterrupt):
        list(restyle_frames(pictures(4), paint, ClipWork(tmp_path / "out.mp4", {}), 0.6))
    again = ClipWork(tmp_path / "out.mp4", {})
    assert again.done == 4
    painted.clear()
    list(restyle_frames(pictures(COUNT), paint, again, 0.6))
    assert len(painted) == COUNT - 4 + 1  # the last finished one once more: what the next one follows
    for index in range(COUNT):
        with Image.open(whole.frame(index)) as one, Image.open(again.frame(index)) as other:
            assert np.abs(np.asarray(one).astype(int) - np.asarray(other)).max() == 0
    with pytest.raises(SfumatoError, match="made otherwise"):
        ClipWork(tmp_path / "out.mp4", {"alpha": 0.5})


def test_a_recipe_with_weights_is_taken_up_and_a_strangers_folder_is_not(tmp_path: Path) -> None:
    for _ in range(2):
        assert ClipWork(tmp_path / "out.mp4", {"weights": (0.3, 0.7)}).done == 0
    (tmp_path / "mine.mp4.frames").mkdir()
    (tmp_path / "mine.mp4.frames" / "000000.png").write_bytes(b"mine")
    with pytest.raises(SfumatoError, match="is not the frames of a clip"):
        ClipWork(tmp_path / "mine.mp4", {})


def test_what_is_no_clip_is_named(tmp_path: Path) -> None:
    assert is_clip(Path("a.MP4"))
    assert not is_clip(Path("a.png"))
    broken = tmp_path / "broken.mp4"
    broken.write_bytes(b"no clip at all")
    with pytest.raises(SfumatoError, match=r"broken.mp4: not a clip that can be read"):
        open_clip(broken, tmp_path / "out.mp4")
    with pytest.raises(SfumatoError, match="clips are written as"):
        open_clip(filmed(tmp_path / "clip.mp4"), tmp_path / "out.gif")
    playlist = tmp_path / "playlist.mp4"
    playlist.write_text(f"#EXTM3U\n#EXTINF:1,\n{tmp_path / 'clip.mp4'}\n#EXT-X-ENDLIST\n")
    with pytest.raises(SfumatoError, match="not a clip that can be read"):
        open_clip(playlist, tmp_path / "out.mp4")
