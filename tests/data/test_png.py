"""PNGs whose texts or profile are damaged, or unpack to more than Pillow takes: their pixels are read all the same."""

import io
import struct
import tracemalloc
import zlib
from concurrent.futures import ThreadPoolExecutor
from functools import cache

import numpy as np
import pytest
from PIL import Image, ImageCms, PngImagePlugin

from sfumato.data.pictures import picture_size, read_indices, read_layers, read_picture
from sfumato.data.png import LARGEST, without_ballast
from sfumato.errors import SfumatoError

PIXELS = np.random.default_rng(0).integers(0, 256, (6, 9, 3), dtype=np.uint8)
HEAD = 33  # bytes of the signature and of IHDR
TAIL = 12  # of IEND
PROFILE = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()


def chunk(kind: bytes, content: bytes) -> bytes:
    return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))


def png(*more: bytes, behind: bool = False, pixels: np.ndarray = PIXELS) -> bytes:
    """A PNG with further chunks before its pixels, or `behind` them."""
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, "PNG")
    whole = buffer.getvalue()
    place = len(whole) - TAIL if behind else HEAD
    return whole[:place] + b"".join(more) + whole[place:]


@cache
def packed(size: int) -> bytes:
    return zlib.compress(b"x" * size)


def ztxt(size: int, key: bytes = b"workflow") -> bytes:
    return chunk(b"zTXt", key + b"\0\0" + packed(size))


def itxt(size: int) -> bytes:
    return chunk(b"iTXt", b"workflow\0\1\0en\0\0" + packed(size))


def profile(content: bytes) -> bytes:
    return chunk(b"iCCP", b"profile\0\0" + zlib.compress(content))


def damaged(whole: bytes) -> bytes:
    """A chunk with another checksum."""
    return whole[:-1] + bytes([whole[-1] ^ 1])


BALLAST = {
    "zTXt": (ztxt(2_000_000),),
    "zTXt of just the limit": (ztxt(LARGEST),),
    "zTXt bomb": (ztxt(100_000_000),),
    "iTXt": (itxt(2_000_000),),
    "tEXt": (chunk(b"tEXt", b"workflow\0" + b"x" * 70_000_000),),
    "many texts": tuple(ztxt(1_000_000, f"text{number}".encode()) for number in range(80)),
    "many bombs": tuple(ztxt(9_000_000, f"text{number}".encode()) for number in range(80)),
    "profile": (profile(PROFILE + bytes(2_000_000)),),
    "profile that is none": (profile(b"rubbish"),),
    "profile packed in no known way": (chunk(b"iCCP", b"profile\0\7" + packed(9)),),
    "profile that does not unpack": (chunk(b"iCCP", b"profile\0\0rubbish"),),
    "profile without a name": (chunk(b"iCCP", b"rubbish"),),
    "text packed in no known way": (chunk(b"zTXt", b"workflow\0\7" + packed(9)),),
    "texts with a wrong checksum": (damaged(ztxt(9)), damaged(itxt(9)), damaged(chunk(b"tEXt", b"key\0text"))),
    "profile with a wrong checksum": (damaged(profile(PROFILE)),),
    "empty chunks": (chunk(b"tEXt", b""), chunk(b"zTXt", b""), chunk(b"iTXt", b""), chunk(b"iCCP", b"")),
}


@pytest.mark.parametrize("behind", [False, True], ids=["before", "behind"])
@pytest.mark.parametrize("name", BALLAST)
def test_pixels_are_read_whatever_stands_beside_them(name: str, behind: bool) -> None:
    content = png(*BALLAST[name], behind=behind)
    assert np.array_equal(np.asarray(read_picture(io.BytesIO(content), 3)), PIXELS)
    assert np.array_equal(np.asarray(read_layers(io.BytesIO(content))[0]), PIXELS)
    assert picture_size(io.BytesIO(content)) == (9, 6)


def test_masks_and_threads() -> None:
    grey = PIXELS[..., 0].copy()
    contents = [png(*BALLAST[name], pixels=grey) for name in ("zTXt", "iTXt", "profile")] * 4
    with ThreadPoolExecutor(4) as pool:
        for found, _ in pool.map(lambda content: read_indices(io.BytesIO(content)), contents):
            assert np.array_equal(found, grey)


def test_a_bomb_takes_little_memory() -> None:
    content = png(*BALLAST["many bombs"])
    tracemalloc.start()
    try:
        read_picture(io.BytesIO(content), 3)
        assert tracemalloc.get_traced_memory()[1] < 20 * LARGEST + 4 * len(content)
    finally:
        tracemalloc.stop()


def test_what_is_in_order_is_kept() -> None:
    """Of small texts one may say how the picture is to be turned."""
    turned = b'<x xmlns:tiff="http://ns.adobe.com/tiff/1.0/" tiff:Orientation="6"/>'
    plain = png(chunk(b"iTXt", b"XML:com.adobe.xmp\0\0\0\0\0" + turned), profile(PROFILE))
    assert without_ballast(file := io.BytesIO(plain)) is file
    mixed = png(ztxt(2_000_000), chunk(b"iTXt", b"XML:com.adobe.xmp\0\0\0\0\0" + turned), itxt(2_000_000))
    for content in (plain, mixed):
        upright = np.asarray(read_picture(io.BytesIO(content), 3))
        assert np.array_equal(upright, np.rot90(PIXELS, -1))
    with Image.open(without_ballast(io.BytesIO(png(ztxt(2_000_000), profile(PROFILE))))) as image:
        assert image.info["icc_profile"] == PROFILE


@pytest.mark.parametrize("length", [0, 4, 8, 20, 33, 40, 60])
def test_what_is_cut_short_is_refused_in_one_line(length: int) -> None:
    with pytest.raises(SfumatoError):
        read_picture(io.BytesIO(png(ztxt(2_000_000))[:length]), 3)


def test_limits_of_pillow_are_left_alone() -> None:
    before = (PngImagePlugin.MAX_TEXT_CHUNK, PngImagePlugin.MAX_TEXT_MEMORY)
    read_picture(io.BytesIO(png(ztxt(2_000_000))), 3)
    assert before == (PngImagePlugin.MAX_TEXT_CHUNK, PngImagePlugin.MAX_TEXT_MEMORY)
    assert before[0] >= LARGEST
