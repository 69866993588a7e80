"""The IDX reader: every lie of a header is caught, in one line that names the file."""

import gzip
import struct
from pathlib import Path

import numpy as np
import pytest

from sfumato.data.idx import read_idx
from sfumato.errors import SfumatoError

IMAGES = np.arange(2 * 3 * 4, dtype=np.uint8).reshape(2, 3, 4)


def idx(array: np.ndarray, code: int = 0x08) -> bytes:
    return bytes([0, 0, code, array.ndim]) + struct.pack(f">{array.ndim}I", *array.shape) + array.tobytes()


@pytest.mark.parametrize("packed", [False, True])
def test_reads_what_was_written_whatever_the_name(tmp_path: Path, packed: bool) -> None:
    path = tmp_path / ("plain.gz" if not packed else "packed")
    path.write_bytes(gzip.compress(idx(IMAGES)) if packed else idx(IMAGES))
    assert np.array_equal(read_idx(path, 3), IMAGES)


@pytest.mark.parametrize(("code", "kind"), [(0x09, ">i1"), (0x0B, ">i2"), (0x0C, ">i4"), (0x0D, ">f4"), (0x0E, ">f8")])
def test_reads_every_type_of_the_format(tmp_path: Path, code: int, kind: str) -> None:
    values = np.array([-3, 0, 7]).astype(kind)
    path = tmp_path / "values"
    path.write_bytes(idx(values, code))
    assert read_idx(path, 1).tolist() == [-3, 0, 7]


WHOLE = idx(IMAGES)


@pytest.mark.parametrize(
    ("content", "word"),
    [
        (b"", "not an IDX file"),
        (b"\x89PNG\r\n", "not an IDX file"),
        (b"\0\0\x07\x03" + WHOLE[4:], "unknown IDX type 0x07"),
        (b"\0\0\x08\x01" + WHOLE[4:], "rank 1, must be of rank 3"),
        (WHOLE[:9], "truncated inside its header"),
        (WHOLE[:-1], "promises 24 bytes, 23 are there"),
        (WHOLE + b"x", "more bytes than the 24"),
        (b"\0\0\x08\x03" + b"\xff" * 12, "at most 4 are read"),
        (gzip.compress(WHOLE, mtime=0)[:-6], "damaged gzip"),
        (gzip.compress(WHOLE, mtime=0)[:-8] + bytes(8), "damaged gzip"),
    ],
)
def test_each_fault_is_one_line_that_names_the_file(tmp_path: Path, content: bytes, word: str) -> None:
    path = tmp_path / "train-images-idx3-ubyte"
    path.write_bytes(content)
    with pytest.raises(SfumatoError) as caught:
        read_idx(path, 3)
    assert word in str(caught.value)
    assert str(path) in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_gzip_bomb_takes_no_memory(tmp_path: Path) -> None:
    path = tmp_path / "bomb"
    path.write_bytes(gzip.compress(WHOLE + bytes(50_000_000)))
    with pytest.raises(SfumatoError, match="more bytes than the 24"):
        read_idx(path, 3)


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(SfumatoError, match="nothing-here: cannot be read"):
        read_idx(tmp_path / "nothing-here", 3)
