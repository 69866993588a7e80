"""Messages through a pipe: a length of 4 bytes, and so many bytes of MessagePack, which holds values and runs
nothing."""

import struct
from typing import IO, Any

import msgspec

from ..errors import SfumatoError

LENGTH = struct.Struct("<I")
LARGEST = 2**29  # bytes of a message
Message = dict[str, Any]
_decoder = msgspec.msgpack.Decoder(Message)


def packed(message: Message) -> bytes:
    """Raises SfumatoError for one that is too large."""
    content = msgspec.msgpack.encode(message)
    if len(content) > LARGEST:
        raise SfumatoError(f"{len(content):,} bytes: too large a picture to be passed on")
    return LENGTH.pack(len(content)) + content


def unpacked(content: bytes) -> Message:
    return _decoder.decode(content)


def receive(pipe: IO[bytes]) -> Message | None:
    """The next message; None at the end of the pipe, also within a message."""
    head = pipe.read(LENGTH.size)
    if len(head) < LENGTH.size:
        return None
    (length,) = LENGTH.unpack(head)
    content = pipe.read(length)
    return unpacked(content) if len(content) == length else None
