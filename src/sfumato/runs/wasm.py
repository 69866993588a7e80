"""ONNX Runtime for browsers, as it comes with the package: one script and one file of WebAssembly, for one thread.

`npm pack onnxruntime-web@1.22.0 && python -m sfumato.runs.wasm onnxruntime-web-1.22.0.tgz` makes both files again. Of
versions 1.19 to 1.30 this one is the smallest once it is compressed. Its two modules are made one plain script, so that
it works in a page that was opened from a disk, where browsers load no modules.
"""

import argparse
import base64
import gzip
import hashlib
import lzma
import tarfile
from pathlib import Path

from ..errors import SfumatoError
from ..files import write_bytes
from ..terminal import tell

VERSION = "1.22.0"
STATIC = Path(__file__).parent / "static"
SCRIPT, BINARY = STATIC / "ort.js", STATIC / "ort.wasm.xz"
SUMS = {  # sha256 of what is in them, unpacked
    SCRIPT: "58dcb5722b58abb72bca468bc6624950cc340ff69fd5d7787853af5b194be130",
    BINARY: "71aef04959c5c1b6de461b6538e2058e306610034a85aad2742d0c7fd4533fe4",
}
INNER = ("ort.wasm.min.mjs", "ort-wasm-simd-threaded.mjs", "ort-wasm-simd-threaded.wasm")
LOADING = "if(!e&&!t&&qt&&R&&et(R))return[void 0,qt]"  # takes the second module, where it is known
LOADED = "return[void 0,ortWasmThreaded]"


def as_script(module: str, glue: str) -> str:
    """Both modules, without their ends, as one script that defines `ort`."""
    module, glue = module.partition("export{")[0].replace(LOADING, LOADED), glue.partition("export default")[0]
    published = "globalThis.ort={InferenceSession:Ln,Tensor:W,env:I};"
    return f"(()=>{{{glue}{module}{published}}})();\n".replace("import.meta.url", "document.baseURI")


def make(package: Path) -> list[Path]:
    """Writes both files from what `npm pack` gave. Raises SfumatoError for another version."""
    with tarfile.open(package) as archive:
        found = [archive.extractfile(f"package/dist/{name}") for name in INNER]
        module, glue, binary = (file.read() if file else b"" for file in found)
    write_bytes(SCRIPT, as_script(module.decode(), glue.decode()).encode())
    write_bytes(BINARY, lzma.compress(binary, preset=9 | lzma.PRESET_EXTREME))
    _ = checked(SCRIPT), checked(BINARY)
    return [SCRIPT, BINARY]


def checked(path: Path) -> bytes:
    """What is in one of the two files. Raises SfumatoError if it is damaged."""
    content = path.read_bytes()
    content = lzma.decompress(content) if path == BINARY else content
    if hashlib.sha256(content).hexdigest() != SUMS[path]:
        raise SfumatoError(f"{str(path)!r}: not that of onnxruntime-web {VERSION}: install sfumato again")
    return content


def packed(content: bytes) -> str:
    """As a page unpacks it."""
    return base64.b64encode(gzip.compress(content, 6, mtime=0)).decode()


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description="Makes the files of ONNX Runtime that pages come with.")
    parser.add_argument("package", type=Path, help=f"onnxruntime-web-{VERSION}.tgz, from npm")
    for path in make(parser.parse_args().package):
        tell(f"{path}  {path.stat().st_size:,} bytes")
