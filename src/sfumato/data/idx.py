"""The IDX format of MNIST: a magic number that names type and rank, the sizes, then the values, big-endian.

http://yann.lecun.com/exdb/mnist/ describes it. Every claim of the header is checked against the file before memory
is taken for it.
"""

import gzip
import math
import struct
import zlib
from pathlib import Path

import numpy as np

from ..errors import SfumatoError
from ..files import opened
from ..memory import refuse_bomb, taking

TYPES = {0x08: ">u1", 0x09: ">i1", 0x0B: ">i2", 0x0C: ">i4", 0x0D: ">f4", 0x0E: ">f8"}
MAX_BYTES = 4 * 2**30
CHUNK = 2**20


def read_idx(path: Path, rank: int) -> np.ndarray:
    """The array in an IDX file, plain or gzip-compressed (told by its first bytes, not by its name).

    Raises SfumatoError, in one line that names the file and the fault, for a wrong magic number, an unknown type,
    a rank other than `rank`, a size that does not match the content, or a damaged compression.
    """
    try:
        with opened(path) as plain:
            packed = plain.read(2) == b"\x1f\x8b"
        with gzip.open(path, "rb") if packed else path.open("rb") as file:
            magic = file.read(4)
            if len(magic) < 4 or magic[:2] != b"\0\0":
                raise SfumatoError(f"{path}: not an IDX file: starts with {magic.hex() or 'nothing'}, not with 0000")
            if magic[2] not in TYPES:
                raise SfumatoError(f"{path}: unknown IDX type 0x{magic[2]:02x}")
            if magic[3] != rank:
                raise SfumatoError(f"{path}: holds an array of rank {magic[3]}, must be of rank {rank}")
            header = file.read(4 * rank)
            if len(header) < 4 * rank:
                raise SfumatoError(f"{path}: truncated inside its header")
            shape = struct.unpack(f">{rank}I", header)
            dtype = np.dtype(TYPES[magic[2]])
            owed = math.prod(shape) * dtype.itemsize
            if owed > MAX_BYTES:
                raise SfumatoError(f"{path}: its header {shape} asks for {owed / 2**30:.1f} GiB; at most 4 are read")
            if packed:
                refuse_bomb(path.stat().st_size, owed, f"{path}: ")
            content = bytearray()
            with taking(owed):
                while chunk := file.read(min(CHUNK, owed + 1 - len(content))):  # no more memory than there is content
                    content += chunk
    except (EOFError, zlib.error, gzip.BadGzipFile) as error:
        raise SfumatoError(f"{path}: damaged gzip compression ({error})") from None
    except OSError as error:
        raise SfumatoError(f"{path}: cannot be read ({error.strerror or error})") from None
    if len(content) < owed:
        raise SfumatoError(f"{path}: truncated: its header {shape} promises {owed} bytes, {len(content)} are there")
    if len(content) > owed:
        raise SfumatoError(f"{path}: has more bytes than the {owed} that its header {shape} promises")
    return np.frombuffer(content, dtype).reshape(shape)
