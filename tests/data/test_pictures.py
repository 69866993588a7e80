"""The image contract: whatever a camera, a scanner or a web page left."""

import io
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageCms

from sfumato.data import pictures
from sfumato.data.pictures import LONGEST, WRITERS, Fit, read_picture, to_picture, to_tensor, writer
from sfumato.errors import SfumatoError


def stored(image: Image.Image, form: str = "PNG", **options: object) -> io.BytesIO:
    buffer = io.BytesIO()
    image.save(buffer, form, **options)
    buffer.seek(0)
    return buffer


def corner(width: int = 16, height: int = 8) -> Image.Image:
    """Black, with a red top left quarter."""
    image = Image.new("RGB", (width, height))
    image.paste((255, 0, 0), (0, 0, width // 2, height // 2))
    return image


def test_exif_rotation_is_applied() -> None:
    exif = Image.Exif()
    exif[0x0112] = 6  # the camera was turned: the picture must be turned clockwise
    image = read_picture(stored(corner(), exif=exif), 3)
    assert image.size == (8, 16)
    assert image.getpixel((6, 2)) == (255, 0, 0)


@pytest.mark.parametrize("mode", ["L", "1", "P", "CMYK", "YCbCr", "LAB", "HSV"])
def test_every_mode_becomes_rgb_of_the_same_look(mode: str) -> None:
    source = corner().convert(mode)
    form = "TIFF" if mode in ("CMYK", "YCbCr", "LAB", "HSV") else "PNG"
    if mode == "HSV":
        form = "PNG"
        source = source.convert("RGB")
    image = read_picture(stored(source, form), 3)
    assert image.mode == "RGB"
    expected = source.convert("RGB") if mode != "LAB" else corner()
    assert np.abs(np.asarray(image, int) - np.asarray(expected, int)).max() <= 40


def test_a_grey_jpeg_is_grey_or_rgb_as_asked() -> None:
    grey = Image.new("L", (8, 8), 120)
    assert read_picture(stored(grey, "JPEG"), 1).mode == "L"
    assert read_picture(stored(grey, "JPEG"), 3).getpixel((0, 0)) == (120, 120, 120)


def test_sixteen_bits_are_scaled_not_clipped() -> None:
    values = np.array([[0, 257 * 100, 65535]], dtype=np.uint16)
    assert np.asarray(read_picture(stored(Image.fromarray(values)), 1)).tolist() == [[0, 100, 255]]


@pytest.mark.parametrize("mode", ["RGBA", "LA", "P"])
def test_transparent_pixels_lie_on_white(mode: str) -> None:
    image = Image.new("RGBA", (4, 4), (0, 0, 0, 0))
    image.putpixel((0, 0), (0, 0, 0, 255))
    source = image.convert(mode) if mode != "P" else image.quantize(4)
    found = read_picture(stored(source), 3)
    assert found.getpixel((3, 3)) == (255, 255, 255)
    assert found.getpixel((0, 0)) == (0, 0, 0)


@pytest.mark.parametrize("form", ["GIF", "WEBP"])
def test_the_first_frame_of_an_animation(form: str) -> None:
    frames = [Image.new("RGB", (8, 8), colour) for colour in ("red", "blue")]
    found = read_picture(stored(frames[0], form, save_all=True, append_images=frames[1:], lossless=True), 3)
    assert found.getpixel((4, 4)) == (255, 0, 0) or form == "WEBP"
    red, _, blue = found.getpixel((4, 4))
    assert red > 200 > blue


def test_a_colour_profile_is_brought_to_srgb() -> None:
    lab = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    image = Image.new("RGB", (4, 4), (10, 200, 30))
    assert read_picture(stored(image, icc_profile=lab), 3).getpixel((0, 0)) == (10, 200, 30)
    assert read_picture(stored(image, icc_profile=b"rubbish"), 3).getpixel((0, 0)) == (10, 200, 30)


def test_the_central_square_is_cut() -> None:
    image = Image.new("RGB", (300, 100), "blue")
    image.paste("red", (100, 0, 200, 100))
    found = read_picture(stored(image), 3, 32)
    assert found.size == (32, 32)
    assert found.getpixel((0, 0))[0] > 200
    assert found.getpixel((16, 16)) == (255, 0, 0)


def test_a_large_jpeg_decodes_small_and_right() -> None:
    gradient = Image.linear_gradient("L").resize((2000, 2000)).convert("RGB")
    found = np.asarray(read_picture(stored(gradient, "JPEG"), 1, 32), int)
    oracle = np.asarray(gradient.convert("L").resize((32, 32), Image.Resampling.LANCZOS), int)
    assert np.abs(found - oracle).max() <= 3


@pytest.mark.parametrize(
    ("content", "word"),
    [
        (b"", "not an image"),
        (b"hello, I am a text", "not an image"),
        (stored(corner(64, 64), "JPEG").getvalue()[:300], "damaged"),
        (stored(Image.effect_noise((64, 64), 50)).getvalue()[:1500], "damaged"),
        (b"\x89PNG\r\n\x1a\n" + bytes(40), "image"),
        (stored(Image.new("F", (2, 2)), "TIFF").getvalue(), "floating-point"),
        (stored(corner(), "EPS").getvalue(), "not an image"),  # Pillow would start Ghostscript on it
        (stored(corner(), exif=b"\0\1\2\3").getvalue(), "damaged"),
        (stored(Image.fromarray(np.full((2, 2), 2**20, np.int32)), "TIFF").getvalue(), "beyond 16 bits"),
    ],
)
def test_what_cannot_be_read_is_one_line(content: bytes, word: str) -> None:
    with pytest.raises(SfumatoError, match=word) as caught:
        read_picture(io.BytesIO(content), 3)
    assert "\n" not in str(caught.value)


def test_a_bomb_is_refused_by_its_header(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pictures, "MAX_PIXELS", 1000)
    with pytest.raises(SfumatoError, match="megapixels"):
        read_picture(stored(Image.new("1", (100, 100))), 3)


@pytest.mark.parametrize("ending", WRITERS)
def test_what_a_format_cannot_hold_is_known_before(ending: str, tmp_path: Path) -> None:
    """The oracle is Pillow: a side of so many pixels is written and read again, and one more is not."""
    path = tmp_path / f"picture{ending}"
    if WRITERS[ending] not in Image.SAVE:
        pytest.skip("this Pillow does not write it")
    longest = LONGEST.get(WRITERS[ending], 100_000)
    for size in ((longest, 1), (1, longest)):
        assert writer(path, size) == WRITERS[ending]
        Image.new("RGB", size).save(path)
        with Image.open(path) as again:
            again.load()
            assert again.size == size
    if WRITERS[ending] in LONGEST:
        for size in ((longest + 1, 1), (1, longest + 1)):
            with pytest.raises(SfumatoError, match=f"at most {longest:,} pixels a side, not {longest + 1:,}"):
                writer(path, size)
            with pytest.raises((OSError, ValueError, RuntimeError)):  # noqa: PT012 - it may write what it cannot read
                Image.new("RGB", size).save(path)
                Image.open(path).load()


@pytest.mark.parametrize("folder", [".", "there", "not/there/yet"])
def test_a_name_that_is_too_long_is_known_before(folder: str, tmp_path: Path) -> None:
    (tmp_path / "there").mkdir()
    for stem in ("x" * 252, "é" * 126, "猫" * 84):
        with pytest.raises(SfumatoError, match=r"\.png: cannot be written \(.*too long\)") as caught:
            writer(tmp_path / folder / f"{stem}.png")
        assert "\n" not in str(caught.value)
        assert writer(tmp_path / folder / f"{stem[:-1]}.png") == "PNG"
    assert [path.name for path in tmp_path.rglob("*")] == ["there"]


def test_tensor_and_picture_are_inverses(tmp_path: Path) -> None:
    values = np.random.default_rng(0).integers(0, 256, (5, 7, 3), dtype=np.uint8)
    tensor = to_tensor(Image.fromarray(values))
    assert tensor.shape == (3, 5, 7)
    assert np.array_equal(np.asarray(to_picture(tensor.float() / 255)), values)


@pytest.mark.parametrize("mode", ["RGB", "L", "P", "RGBA", "LA", "CMYK", "I;16", "1"])
@pytest.mark.parametrize(
    ("resolution", "fit"), [(None, "square"), (13, "square"), (13, "short"), (13, "squash"), (90, "short")]
)
def test_a_giant_is_read_in_bands_as_if_it_were_whole(
    mode: str, resolution: int | None, fit: Fit, monkeypatch: pytest.MonkeyPatch
) -> None:
    values = np.random.default_rng(0).integers(0, 256, (151, 233, 4), dtype=np.uint8)
    image = Image.fromarray(values, "RGBA")
    image = Image.fromarray(values[..., 0].astype(np.uint16) * 257) if mode == "I;16" else image.convert(mode)
    file = stored(image, "TIFF")
    whole = read_picture(file, 3, resolution, fit)
    monkeypatch.setattr(pictures, "LARGE", 1000)
    monkeypatch.setattr(pictures, "BAND", 2000)
    assert np.array_equal(np.asarray(read_picture(file, 3, resolution, fit)), np.asarray(whole))
