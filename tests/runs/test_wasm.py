"""ONNX Runtime for browsers: whole, and a plain script."""

import base64
import gzip

from sfumato.runs.wasm import BINARY, SCRIPT, VERSION, checked, packed


def test_the_files_are_those_that_are_known() -> None:
    script = checked(SCRIPT).decode()
    assert f'"{VERSION}"' in script
    assert not any(word in script for word in ("import.meta", "export default", "eval(", "new Function"))
    assert checked(BINARY).startswith(b"\0asm")


def test_what_is_packed_is_unpacked_and_the_same_each_time() -> None:
    assert gzip.decompress(base64.b64decode(packed(b"1234"))) == b"1234"
    assert packed(b"1234") == packed(b"1234")
