"""`sfumato stylize`: the image contract, and what other implementations get wrong."""

import errno
import io
import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image, features

import sfumato
from sfumato.data.paintings import painting
from sfumato.data.pictures import write_picture
from sfumato.errors import SfumatoError
from sfumato.style.files import stylize_files
from sfumato.style.options import options_for
from sfumato.style.restyle import Network, Optimised

from ..conftest import Command, one_line
from .conftest import SIZE


def restyled(content: Path, styles: list[Path], out: Path, **options: object) -> Image.Image:
    list(stylize_files(content, styles, out, options_for(style_size=64, **options)))  # pyright: ignore[reportArgumentType]
    with Image.open(out) as image:
        image.load()
        return image


MODES: dict[str, Callable[[Image.Image], Image.Image]] = {
    "L": lambda image: image.convert("L"),
    "RGBA": lambda image: image.convert("RGBA"),
    "LA": lambda image: image.convert("LA"),
    "P": lambda image: image.convert("P"),
    "1": lambda image: image.convert("1"),
    "I;16": lambda image: Image.fromarray(np.asarray(image.convert("L")).astype(np.uint16) * 257),
}


@pytest.mark.parametrize("mode", MODES)
def test_every_kind_of_picture_is_content_and_style(photo: Image.Image, mode: str, tmp_path: Path) -> None:
    """The port in common use converts nothing to RGB and crashes on a grey picture."""
    path = tmp_path / "picture.png"
    MODES[mode](photo).save(path)
    assert restyled(path, [path], tmp_path / "out.png").size == SIZE


def test_a_cmyk_jpeg_is_read(photo: Image.Image, style: Path, tmp_path: Path) -> None:
    photo.convert("CMYK").save(tmp_path / "print.jpg")
    assert restyled(tmp_path / "print.jpg", [style], tmp_path / "out.png").mode == "RGB"


ENDINGS = [".png", ".jpg", ".jpeg", ".webp", ".tiff", ".bmp", *([".avif"] if features.check("avif") else [])]


@pytest.mark.parametrize("ending", ENDINGS)
def test_every_format_is_written(photo: Image.Image, style: Path, ending: str, tmp_path: Path) -> None:
    """In the port, a `.jpeg` style writes nothing and says nothing."""
    content = tmp_path / f"content{ending}"
    photo.save(content)
    assert restyled(content, [content, style], tmp_path / f"out{ending}").size == SIZE


def test_sizes_are_the_contents_unless_told(photo: Image.Image, style: Path, tmp_path: Path) -> None:
    """Others turn 414×274 into 776×512, or crash on what is not a multiple of 8."""
    content = tmp_path / "content.png"
    for size in ((61, 43), (8, 9), (130, 17)):
        photo.resize(size).save(content)
        assert restyled(content, [style], tmp_path / "out.png").size == size
    assert restyled(content, [style], tmp_path / "out.png", content_size=34).size == (260, 34)
    assert restyled(content, [style], tmp_path / "out.png", content_size=32, crop=True).size == (32, 32)


def test_exif_orientation_is_applied(photo: Image.Image, style: Path, tmp_path: Path) -> None:
    exif = Image.Exif()
    exif[0x0112] = 6
    photo.save(tmp_path / "turned.jpg", exif=exif)
    assert restyled(tmp_path / "turned.jpg", [style], tmp_path / "out.png").size == SIZE[::-1]


def test_transparency_is_passed_through(photo: Image.Image, style: Path, tmp_path: Path) -> None:
    alpha = Image.linear_gradient("L").resize(SIZE)
    content = photo.copy()
    content.putalpha(alpha)
    content.save(tmp_path / "clear.png")
    out = restyled(tmp_path / "clear.png", [style], tmp_path / "out.png")
    assert out.mode == "RGBA"
    assert out.getchannel("A").tobytes() == alpha.tobytes()
    assert restyled(tmp_path / "clear.png", [style], tmp_path / "out.jpg").mode == "RGB"


def test_weights_may_be_fractions_and_meet_colour(photo: Image.Image, style: Path, tmp_path: Path) -> None:
    """The port cuts weights to integers, and forgets the colours when it blends."""
    content, other = tmp_path / "content.png", tmp_path / "other.png"
    photo.save(content)
    painting("points", 3, 64).save(other)

    def pixels(**options: object) -> np.ndarray:
        return np.asarray(restyled(content, [style, other], tmp_path / "out.png", **options)).astype(float)

    first, half, second = (pixels(weights=(1 - share, share)) for share in (0.0, 0.5, 1.0))
    assert np.abs(first - second).mean() > 5
    between = np.minimum(np.abs(half - first).mean(), np.abs(half - second).mean())
    assert 0.2 * np.abs(first - second).mean() < between
    coral = pixels(weights=(0.5, 0.5), keep_color="coral")
    colours = np.asarray(photo).astype(float).mean((0, 1))
    assert np.abs(coral.mean((0, 1)) - colours).max() < np.abs(half.mean((0, 1)) - colours).max()


@pytest.mark.parametrize("keep", ["luma", "coral", "histogram"])
def test_colours_are_kept_even_where_there_are_none(keep: str, style: Path, tmp_path: Path) -> None:
    content = tmp_path / "flat.png"
    Image.new("RGB", SIZE, (90, 90, 90)).save(content)
    out = np.asarray(restyled(content, [style], tmp_path / "out.png", keep_color=keep)).astype(int)
    assert np.abs(out - out.mean(2, keepdims=True)).mean() < 12


def test_a_mask_says_where(photo: Image.Image, style: Path, tmp_path: Path) -> None:
    content, mask, other = tmp_path / "content.png", tmp_path / "mask.png", tmp_path / "other.png"
    Image.new("RGB", (128, 64), (200, 200, 200)).save(content)
    halves = Image.new("L", (128, 64), 0)
    halves.paste(255, (64, 0, 128, 64))
    halves.save(mask)
    painting("strokes", 1, 64).save(other)
    results = [
        np.asarray(
            Image.open(
                next(iter(stylize_files(content, [used], tmp_path / "out.png", options_for(style_size=64), [mask])))
            )
        ).astype(int)
        for used in (style, other)
    ]
    difference = np.abs(results[0] - results[1]).mean((0, 2))
    assert difference[72:].mean() > 10 * difference[:24].mean()


def test_the_recipe_is_in_the_png(photo: Image.Image, style: Path, tmp_path: Path) -> None:
    photo.save(tmp_path / "content.png")
    out = restyled(tmp_path / "content.png", [style], tmp_path / "out.png", alpha=0.0)
    note = json.loads(out.info["sfumato"])  # pyright: ignore[reportArgumentType]
    assert note == {"sfumato": sfumato.__version__, "styles": ["style.png"], "style_size": 64, "alpha": 0.0}


def test_a_folder_is_restyled_whole_and_bad_files_are_left_out(
    photo: Image.Image, style: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = tmp_path / "photos"
    folder.mkdir()
    for name in ("a.png", "b.jpg"):
        photo.save(folder / name)
    photo.convert("P").save(folder / "c.gif")
    (folder / "d.png").write_bytes(b"no picture")
    (folder / "notes.txt").write_text("no picture either")
    written = list(stylize_files(folder, [style], tmp_path / "out", options_for(style_size=64)))
    assert [path.name for path in written] == ["a.png", "b.jpg", "c.gif.png"]
    assert "d.png: not an image" in capsys.readouterr().err


def test_the_pictures_of_a_folder_can_be_frames(photo: Image.Image, style: Path, tmp_path: Path) -> None:
    folder = tmp_path / "frames"
    folder.mkdir()
    for index in range(3):
        photo.save(folder / f"{index}.jpg")
    options = options_for(style_size=64)
    written = list(stylize_files(folder, [style], tmp_path / "out", options, as_frames=True))
    assert [path.name for path in written] == ["0.png", "1.png", "2.png"]
    assert sorted(path.name for path in tmp_path.iterdir()) == ["frames", "out", "style.png"]


def test_gatys_paints_and_can_be_watched(photo: Image.Image, style: Path, tmp_path: Path) -> None:
    content = tmp_path / "content.png"
    photo.save(content)
    options = options_for(
        method="gatys", preset="paper", recipe="multiscale", encoder="sfumato", steps=3, style_size=64
    )
    list(stylize_files(content, [style], tmp_path / "out.png", options, watch=tmp_path / "watched"))
    names = {path.name.split(".")[0] for path in (tmp_path / "watched").iterdir()}
    assert names == {"progress", "events"}


def test_the_content_is_never_written_over(photo: Image.Image, style: Path, tmp_path: Path) -> None:
    path = tmp_path / "content.png"
    photo.save(path)
    with pytest.raises(SfumatoError, match="is the content itself"):
        list(stylize_files(path, [style], path, options_for()))
    with pytest.raises(SfumatoError, match="is the folder of the contents"):
        list(stylize_files(tmp_path, [style], tmp_path, options_for()))
    with pytest.raises(SfumatoError, match="pictures are written as"):
        list(stylize_files(path, [style], tmp_path / "out.gif", options_for()))
    with pytest.raises(SfumatoError, match="is a style or a mask"):
        list(stylize_files(path, [style], style, options_for()))


def test_sizes_that_a_format_or_the_memory_cannot_take_are_named(tmp_path: Path, photo: Image.Image) -> None:
    with pytest.raises(SfumatoError, match=r"WEBP pictures have at most 16,383 pixels a side, not 20,000"):
        write_picture(Image.new("RGB", (20_000, 1)), tmp_path / "out.webp")
    with pytest.raises(SfumatoError, match="would be too many"):
        sfumato.stylize(photo, Image.new("RGB", (10_000, 1)))


def test_the_command_and_its_errors(sfumato: Command, photo: Image.Image, style: Path, tmp_path: Path) -> None:
    photo.save(tmp_path / "photo.jpg")
    done = sfumato("stylize", "photo.jpg", "style.png", "-o", "out.png", "--style-size", "64", "--seed", "1")
    assert (done.returncode, done.stdout) == (0, "out.png\n"), done.stderr
    buffer = io.BytesIO()
    photo.save(buffer, "PNG")
    (tmp_path / "cut.png").write_bytes(buffer.getvalue()[:200])
    one_line(sfumato("stylize", "photo.jpg", "nowhere.png", "-o", "bad.png"), "nowhere.png")
    one_line(sfumato("stylize", "cut.png", "style.png", "-o", "bad.png"), "cut.png", "damaged image")
    one_line(sfumato("stylize", "photo.jpg", "style.png", "-o", "bad.png", "--weights", "1", "2"), "2 for 1 styles")
    assert not (tmp_path / "bad.png").exists()


@pytest.mark.parametrize(
    ("size", "name", "options"),
    [
        ((17_000, 40), "out.webp", {}),
        ((40, 17_000), "out.webp", {}),
        ((66_000, 8), "out.jpg", {}),
        ((1_700, 40), "out.webp", {"content_size": 400}),
        ((66_000, 8), "out.jpeg", {"method": "gatys", "preset": "paper"}),
        ((33_000, 8), "out.avif", {"preset": "fine"}),
    ],
)
def test_what_the_format_cannot_hold_is_refused_before_the_work(
    size: tuple[int, int], name: str, options: dict[str, Any], style: Path, tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    if name.endswith("avif") and not features.check("avif"):
        pytest.skip("this Pillow does not write it")
    Image.new("RGB", size).save(tmp_path / "content.png")
    monkeypatch.setattr(Network, "__call__", None)
    monkeypatch.setattr(Optimised, "__init__", lambda *_: None)
    with pytest.raises(SfumatoError, match=rf"{name}: .* pictures have at most"):
        restyled(tmp_path / "content.png", [style], tmp_path / name, **options)
    assert not (tmp_path / name).exists()


def test_what_is_cut_or_made_smaller_fits(style: Path, tmp_path: Path) -> None:
    Image.new("RGB", (17_000, 40)).save(tmp_path / "content.png")
    for options, size in (({"crop": True}, (40, 40)), ({"content_size": 32}, (13_600, 32))):
        assert restyled(tmp_path / "content.png", [style], tmp_path / "out.webp", alpha=0.0, **options).size == size


def test_one_file_at_fault_does_not_stop_the_others(
    photo: Image.Image, style: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Names of 255 bytes, names that get too long with the ending of the result, and pictures too wide for theirs."""
    content, out = tmp_path / "in", tmp_path / "out"
    content.mkdir()
    fine = ["a.png", "b" * 251 + ".png", "é" * 125 + ".jpg", "z.png"]
    for name in fine:
        photo.save(content / name)
    photo.save(content / ("g" * 250 + ".gif"))  # .gif.png
    Image.new("RGB", (8_200, 40)).save(content / "wide.webp")
    list(stylize_files(content, [style], out, options_for(style_size=64, content_size=96, alpha=0.0)))
    assert sorted(path.name for path in out.iterdir()) == sorted(fine)
    said = capsys.readouterr().err.splitlines()
    assert len(said) == 2
    assert any("too long" in line for line in said)
    assert any("wide.webp: WEBP pictures have at most 16,383" in line for line in said)


def test_a_full_disk_stops_a_folder(
    photo: Image.Image, style: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fsync(_: int) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    (tmp_path / "in").mkdir()
    for name in ("a.png", "b.png"):
        photo.save(tmp_path / "in" / name)
    monkeypatch.setattr(os, "fsync", fsync)
    with pytest.raises(OSError, match=r"No space.*a\.png"):
        list(stylize_files(tmp_path / "in", [style], tmp_path / "out", options_for(style_size=64, alpha=0.0)))
    assert not list((tmp_path / "out").iterdir())
