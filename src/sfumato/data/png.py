"""What Pillow is shown of a PNG: all but the texts and the colour profile that it would refuse the pixels for.

Its limits are globals of a module, so they are not touched: chunks that go beyond them, or are damaged, are left out.
"""

import io
import zlib
from collections.abc import Iterator
from typing import IO

SIGNATURE = b"\x89PNG\r\n\x1a\n"
ASIDE = (b"tEXt", b"zTXt", b"iTXt", b"iCCP")  # what pixels do without
LARGEST = 2**20  # bytes that one of them may unpack to
ALL = 2**25  # and all of them together; Pillow takes twice as many


def without_ballast(file: IO[bytes]) -> IO[bytes]:
    """`file`, or of a PNG with texts or a profile that are damaged or too large a copy without those. A few MiB are
    unpacked, whatever the file holds."""
    file.seek(0)
    if file.read(len(SIGNATURE)) != SIGNATURE:
        return file
    left, ballast = ALL, list[tuple[int, int]]()
    for kind, start, end in _chunks(file):
        if kind not in ASIDE:
            continue
        size = _unpacked(file, start, end) if left > 0 else LARGEST
        left -= size
        if size >= LARGEST:
            ballast.append((start, end))
    if not ballast:
        return file
    copy, place = io.BytesIO(), 0
    for start, end in ballast:
        file.seek(place)
        copy.write(file.read(start - place))
        place = end
    file.seek(place)
    copy.write(file.read())
    return copy


def _chunks(file: IO[bytes]) -> Iterator[tuple[bytes, int, int]]:
    """The kind of each chunk, and where it begins and ends, as far as the file goes."""
    start = len(SIGNATURE)
    while True:
        file.seek(start)
        head = file.read(8)
        if len(head) < 8:
            return
        end = start + 12 + int.from_bytes(head[:4], "big")
        yield head[4:], start, end
        start = end


def _unpacked(file: IO[bytes], start: int, end: int) -> int:
    """How many bytes the text or profile between `start` and `end` unpacks to; LARGEST if it is damaged or larger."""
    if end - start >= LARGEST:
        return LARGEST
    file.seek(start + 4)
    chunk, checksum = file.read(end - start - 8), file.read(4)
    if zlib.crc32(chunk).to_bytes(4, "big") != checksum:
        return LARGEST
    kind, (_, _, content) = chunk[:4], chunk[4:].partition(b"\0")
    if kind == b"tEXt" or (kind == b"iTXt" and content[:1] == b"\0"):
        return len(chunk)
    if kind == b"iTXt":  # between method and text: the language and the keyword in it, a zero behind each
        content = content[1:2] + b"".join(content[2:].split(b"\0", 2)[2:])
    if content[:1] != b"\0":  # the one method that there is
        return LARGEST
    try:
        return len(zlib.decompressobj().decompress(content[1:], LARGEST))
    except zlib.error:
        return LARGEST
