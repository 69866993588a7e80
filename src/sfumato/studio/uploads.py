"""Pictures that a page has sent, and those that were made for it: in memory, by random names, for a while."""

import io
import secrets
import time
from collections import OrderedDict
from collections.abc import AsyncIterator
from dataclasses import dataclass
from tempfile import SpooledTemporaryFile
from typing import Literal

from ..data.pictures import picture_size
from ..errors import SfumatoError

LARGEST = 32 * 2**20  # bytes of a file
PIXELS = 40_000_000  # of a picture
TOGETHER = 80 * 2**20  # bytes of files that are being sent
IN_MEMORY = 2**20  # bytes of a file that is being sent; the rest of it goes to a file of ours
KEPT = 200 * 2**20  # bytes of all
AGE = 30 * 60.0  # seconds
Type = Literal["image/png", "video/mp4", "application/octet-stream"]
PNG: Type = "image/png"
CLIP: Type = "video/mp4"


@dataclass(frozen=True)
class Kept:
    content: bytes
    width: int
    height: int
    since: float
    type: Type


class Pictures:
    """By name. The oldest go first when there are too many."""

    def __init__(self) -> None:
        self._kept: OrderedDict[str, Kept] = OrderedDict()

    def keep(self, content: bytes, width: int, height: int, kind: Type = "application/octet-stream") -> str:
        name = secrets.token_hex(8)
        self._kept[name] = Kept(content, width, height, time.monotonic(), kind)
        self.tidy()
        return name

    def content(self, name: object) -> Kept:
        """Raises SfumatoError if it is not there any more, or never was."""
        self.tidy()
        if not isinstance(name, str) or name not in self._kept:
            raise SfumatoError("picture: not here any more; give it again")
        self._kept.move_to_end(name)
        return self._kept[name]

    def picture(self, name: object) -> bytes:
        """The same of one that may be read as a picture: a clip was not judged as one."""
        kept = self.content(name)
        if kept.type == CLIP:
            raise SfumatoError("picture: was given as a clip")
        return kept.content

    def tidy(self) -> None:
        size = sum(len(kept.content) for kept in self._kept.values())
        now = time.monotonic()
        for name, kept in list(self._kept.items()):
            if now - kept.since > AGE or (size > KEPT and len(self._kept) > 1):
                size -= len(self._kept.pop(name).content)


def judged(content: bytes) -> tuple[int, int]:
    """Width and height of a picture as somebody sent it, from its header. Raises SfumatoError."""
    if not content:
        raise SfumatoError("picture: an empty file")
    width, height = picture_size(io.BytesIO(content))
    if width * height > PIXELS:
        raise SfumatoError(f"picture: {width}×{height} pixels: more than {PIXELS // 1_000_000} megapixels")
    return width, height


class Bodies:
    """The bodies of requests that are being received."""

    def __init__(self) -> None:
        self._size = 0  # bytes of all

    async def read(self, chunks: AsyncIterator[bytes], largest: int = LARGEST) -> bytes:
        """A whole body, counted while it comes: what a header says of its length is nobody's word. Raises SfumatoError
        for one that is too large, or too much together with others."""
        size = 0
        with SpooledTemporaryFile(IN_MEMORY) as file:  # memory that grew so far would not all be given back
            try:
                async for chunk in chunks:
                    if size + len(chunk) > largest:
                        raise SfumatoError(f"body: more than {largest // 2**20} MB")
                    if self._size + len(chunk) > TOGETHER:
                        raise SfumatoError("body: too much is being sent at once; send it again")
                    self._size += len(chunk)
                    size += len(chunk)
                    file.write(chunk)
                file.seek(0)
                return file.read()
            finally:
                self._size -= size
