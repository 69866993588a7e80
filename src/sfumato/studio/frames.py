"""Messages through a pipe: a length of 4 bytes, and so many bytes of MessagePack, which holds values and runs
nothing. Messages to a page: JSON."""

import struct
from typing import IO, Any

import msgspec

from ..errors import SfumatoError
from ..files import json_of
from ..visible import one_line

LENGTH = struct.Struct("<I")
LARGEST = 2**29  # bytes of a message
Message = dict[str, Any]
_decoder = msgspec.msgpack.Decoder(Message)


def packed(message: Message) -> bytes:
    """Raises SfumatoError for one that is too large, or holds what cannot be passed on."""
    try:
        content = msgspec.msgpack.encode(message)
    except (OverflowError, UnicodeEncodeError):
        raise SfumatoError("a number of more than 64 bits, or a name that is no UTF-8: cannot be passed on") from None
    if len(content) > LARGEST:
        raise SfumatoError(f"{len(content):,} bytes: too large a picture to be passed on")
    return LENGTH.pack(len(content)) + content


def unpacked(content: bytes) -> Message:
    """Raises SfumatoError for what is no message."""
    try:
        return _decoder.decode(content)
    except msgspec.DecodeError:
        raise SfumatoError("what came through a pipe is no message") from None


def text_of(values: Any) -> str:
    """JSON for a page, without anything that cannot be seen."""
    return one_line(json_of(values))


def receive(pipe: IO[bytes]) -> Message | None:
    """The next message; None at the end of the pipe, also within a message."""
    head = pipe.read(LENGTH.size)
    if len(head) < LENGTH.size:
        return None
    (length,) = LENGTH.unpack(head)
    content = pipe.read(length)
    return unpacked(content) if len(content) == length else None
