"""Clips: what other implementations get wrong is colours, rates and sound."""

from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from sfumato.data.clips import ClipWork, frames, is_clip, open_clip, write_clip
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


def as_it_is(picture: Image.Image) -> Image.Image:
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


def test_odd_sizes_are_kept(tmp_path: Path) -> None:
    source = filmed(tmp_path / "clip.mp4")
    clip, out = open_clip(source, tmp_path / "out.mp4"), tmp_path / "out.mp4"
    work = ClipWork(out, {})
    list(restyle_frames((picture.resize((61, 43)) for picture in frames(clip)), as_it_is, work, 0.0))
    write_clip(clip, work, out)
    with av.open(str(out)) as container:
        assert (container.streams.video[0].width, container.streams.video[0].height) == (61, 43)


def test_a_stopped_clip_goes_on_where_it_was(tmp_path: Path) -> None:
    source = filmed(tmp_path / "clip.mp4")
    painted: list[int] = []

    def pictures(stop_at: int) -> Iterator[Image.Image]:
        for index, picture in enumerate(frames(open_clip(source, tmp_path / "out.mp4"))):
            if index == stop_at:
                raise KeyboardInterrupt
            yield picture

    def paint(picture: Image.Image) -> Image.Image:
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
