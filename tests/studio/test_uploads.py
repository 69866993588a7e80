"""Pictures that are sent: judged by their headers, counted while they come, kept for a while."""

import asyncio
import io
import struct
import tracemalloc
import zlib
from collections.abc import AsyncIterator

import pytest
from PIL import Image

from sfumato.errors import SfumatoError
from sfumato.studio import uploads
from sfumato.studio.uploads import AGE, LARGEST, TOGETHER, Bodies, Pictures, judged


def png(width: int, height: int) -> bytes:
    """A black picture of a bit a pixel, which takes next to nothing: a bomb if it is large."""
    rows = zlib.compressobj(9)
    line = bytes(1 + -(-width // 8))
    content = b"".join(rows.compress(line) for _ in range(height)) + rows.flush()
    chunks = [(b"IHDR", struct.pack(">IIBBBBB", width, height, 1, 0, 0, 0, 0)), (b"IDAT", content), (b"IEND", b"")]
    return b"\x89PNG\r\n\x1a\n" + b"".join(
        struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body)) for kind, body in chunks
    )


def jpeg(width: int = 40, height: int = 20, orientation: int | None = None) -> bytes:
    file, exif = io.BytesIO(), Image.Exif()
    if orientation:
        exif[0x0112] = orientation
    Image.new("RGB", (width, height), "sienna").save(file, "JPEG", exif=exif)
    return file.getvalue()


SVG = b'<svg xmlns="http://www.w3.org/2000/svg" width="10" height="10"><script>alert(1)</script></svg>'
NO_PICTURES = {
    "empty": b"", "svg": SVG, "html": b"<html><script>alert(1)</script></html>", "broken png": png(10, 10)[:20],
    "broken jpeg": jpeg()[:30], "text": b"hello", "zeros": bytes(100), "pdf": b"%PDF-1.7\n", "pickle": b"\x80\x04N.",
    "eps": b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 10 10\n",
}  # fmt: skip


def test_the_size_of_a_picture_is_that_of_the_upright_one() -> None:
    assert judged(jpeg(40, 20)) == (40, 20)
    assert judged(jpeg(40, 20, orientation=6)) == (20, 40)


@pytest.mark.parametrize("content", NO_PICTURES.values(), ids=NO_PICTURES)
def test_what_is_no_picture_is_refused(content: bytes) -> None:
    with pytest.raises(SfumatoError) as said:
        judged(content)
    assert "\n" not in str(said.value)


@pytest.mark.filterwarnings("ignore::PIL.Image.DecompressionBombWarning")
def test_a_bomb_is_refused_by_its_header() -> None:
    bomb = png(13_000, 13_000)
    assert len(bomb) < 30_000
    tracemalloc.start()
    with pytest.raises(SfumatoError, match="13000×13000 pixels: more than 40 megapixels"):
        judged(bomb)
    assert tracemalloc.get_traced_memory()[1] < 2**20
    tracemalloc.stop()
    judged(png(8000, 5000))
    with pytest.raises(SfumatoError):
        judged(png(8000, 5001))


async def given(chunks: int, size: int, drawn: list[int]) -> AsyncIterator[bytes]:
    for _ in range(chunks):
        drawn.append(size)
        yield bytes(size)


def test_a_body_is_counted_while_it_comes() -> None:
    drawn: list[int] = []
    assert len(asyncio.run(Bodies().read(given(4, 100, drawn), 400))) == 400
    drawn.clear()
    with pytest.raises(SfumatoError, match="more than 32 MB"):
        asyncio.run(Bodies().read(given(1000, 2**20, drawn)))
    assert sum(drawn) == LARGEST + 2**20  # nothing beyond is waited for


def test_bodies_are_bounded_together() -> None:
    bodies = Bodies()
    size = TOGETHER // 8

    async def one(pause: asyncio.Event) -> bytes:
        async def chunks() -> AsyncIterator[bytes]:
            yield bytes(size)
            await pause.wait()

        return await bodies.read(chunks())

    async def all_of_them() -> None:
        pause = asyncio.Event()
        tasks = [asyncio.create_task(one(pause)) for _ in range(10)]
        await asyncio.sleep(0.01)
        tasks[0].cancel()  # whoever goes away, or takes too long, gives room
        await asyncio.sleep(0.01)
        tasks.append(asyncio.create_task(one(pause)))
        await asyncio.sleep(0.01)
        pause.set()
        said = await asyncio.gather(*tasks, return_exceptions=True)
        assert [isinstance(each, bytes) for each in said] == [False, *[True] * 7, False, False, True]
        assert "send it again" in str(said[8])
        assert bodies._size == 0

    asyncio.run(all_of_them())


def test_the_oldest_go_first(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(uploads, "KEPT", 100)
    pictures = Pictures()
    first, second = pictures.keep(bytes(40), 1, 1), pictures.keep(bytes(40), 1, 1)
    pictures.content(first)  # now the second was asked for longest ago
    third = pictures.keep(bytes(40), 1, 1)
    assert [len(pictures.content(name).content) for name in (first, third)] == [40, 40]
    with pytest.raises(SfumatoError, match="give it again"):
        pictures.content(second)
    alone = pictures.keep(bytes(1000), 1, 1)
    assert pictures.content(alone).content == bytes(1000)
    for name in (first, third):
        with pytest.raises(SfumatoError):
            pictures.content(name)


def test_pictures_are_gone_after_a_while(monkeypatch: pytest.MonkeyPatch) -> None:
    now = [1000.0]
    monkeypatch.setattr("time.monotonic", lambda: now[0])
    pictures = Pictures()
    name = pictures.keep(b"x", 1, 1)
    now[0] += AGE
    assert pictures.content(name).content == b"x"
    now[0] += 1
    with pytest.raises(SfumatoError):
        pictures.content(name)
    assert not pictures._kept


@pytest.mark.parametrize("name", [None, 3, [], {}, "", "../x", "0" * 16, b"x"])
def test_a_name_that_was_never_given_is_not_there(name: object) -> None:
    pictures = Pictures()
    assert pictures.keep(b"x", 1, 1) != pictures.keep(b"x", 1, 1)
    with pytest.raises(SfumatoError):
        pictures.content(name)
