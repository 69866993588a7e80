"""Small files that ask for much memory, one of each kind, and what reading takes.

`python -m tests.faults.bombs [NAME ...]` prints it as JSON.
"""

import io
import json
import random
import struct
import subprocess
import sys
import tarfile
import tempfile
import time
import zipfile
import zlib
from collections.abc import Callable, Iterable, Mapping
from fractions import Fraction
from pathlib import Path
from typing import Any

from PIL import Image
from safetensors.torch import load_file

from sfumato.data.clips import frames, open_clip
from sfumato.data.idx import read_idx
from sfumato.data.jobs import read_file
from sfumato.data.sources import View, open_data
from sfumato.errors import SfumatoError
from sfumato.runs.manifest import Manifest
from sfumato.strict import read

from .processes import forked

ROOT = Path(__file__).parents[2]
MEGA = 10**6
SIDE = 13_300  # pixels: 177 megapixels, just below the limit
NOTHING = bytes(MEGA)


def zeros(size: int) -> bytes:
    """`size` zeros as a raw deflate stream, packed as closely as can be: one block again and again."""
    packer = zlib.compressobj(9, wbits=-zlib.MAX_WBITS)
    block = packer.compress(NOTHING) + packer.flush(zlib.Z_FULL_FLUSH)
    rest = zlib.compressobj(9, wbits=-zlib.MAX_WBITS)
    return block * (size // MEGA) + rest.compress(bytes(size % MEGA)) + rest.flush()


def sum_of(size: int, start: bytes = b"") -> int:
    """The CRC-32 of `start` and so many zeros behind it."""
    check = zlib.crc32(start)
    for _ in range(size // MEGA):
        check = zlib.crc32(NOTHING, check)
    return zlib.crc32(bytes(size % MEGA), check)


def gzipped(start: bytes, size: int) -> bytes:
    """`start` and `size` zeros behind it, in gzip."""
    stored = b"\0" + struct.pack("<HH", len(start), len(start) ^ 0xFFFF) + start
    tail = struct.pack("<II", sum_of(size, start), (len(start) + size) % 2**32)
    return b"\x1f\x8b\x08\0\0\0\0\0\x02\xff" + stored + zeros(size) + tail


def chunk(kind: bytes, content: bytes) -> bytes:
    return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))


def png(width: int = SIDE, height: int = SIDE, colour: int = 2, more: bytes = b"") -> bytes:
    """A black picture; `colour`: 0 grey, 2 RGB, 6 RGBA."""
    head = chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 8, colour, 0, 0, 0))
    size = height * (1 + width * {0: 1, 2: 3, 6: 4}[colour])
    rows = b"\x78\xda" + zeros(size) + struct.pack(">HH", size % 65_521, 1)  # Adler's sum
    return b"\x89PNG\r\n\x1a\n" + head + more + chunk(b"IDAT", rows) + chunk(b"IEND", b"")


def small(shade: int) -> bytes:
    content = io.BytesIO()
    Image.new("RGB", (32, 32), (shade, 0, 0)).save(content, "PNG")
    return content.getvalue()


def sound(folder: Path) -> Path:
    """A set of two classes, four sound pictures."""
    for number in range(4):
        place = folder / f"set/{'ab'[number % 2]}/{number}.png"
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_bytes(small(number))
    return folder / "set"


def zipped(path: Path, members: dict[str, bytes]) -> Path:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED, compresslevel=9) as archive:
        for name, content in {"a/0.png": small(0), "b/1.png": small(1), **members}.items():
            archive.writestr(name, content)
    return path


def giant_pngs(folder: Path) -> Path:
    giant = png(colour=6)
    return zipped(folder / "giants.zip", {f"{'ab'[number % 2]}/giant{number}.png": giant for number in range(8)})


def one_png(folder: Path) -> Path:
    path = folder / "one.png"
    path.write_bytes(png(colour=6))
    return path


def raw_zip(path: Path, names: list[str], body: bytes, check: int, size: int, shared: bool = False) -> Path:
    """A zip of members that all unpack `body` to `size` bytes; `shared`: there is one of it for all of them."""
    places, entries, content = list[int](), b"", b""
    head = struct.pack("<HHHHHIII", 20, 0, 8, 0, 0x21, check, len(body), size)
    for name in names:
        if not places or not shared:
            places.append(len(content))
            content += b"PK\x03\x04" + head + struct.pack("<HH", len(name), 0) + name.encode() + body
        own = struct.pack("<HHHHHII", len(name), 0, 0, 0, 0, 0, places[-1])
        entries += b"PK\x01\x02" + struct.pack("<H", 20) + head + own + name.encode()
    end = b"PK\x05\x06" + struct.pack("<HHHHIIH", 0, 0, len(names), len(names), len(entries), len(content), 0)
    path.write_bytes(content + entries + end)
    return path


def bitmaps(folder: Path) -> Path:
    """Bitmaps of 499 MB, packed 400 times: as closely as is let through."""
    head = b"BM" + struct.pack("<IHHI", 54, 0, 0, 54) + struct.pack("<IiiHHIIiiII", 40, 12_900, 12_900, 1, 24, *[0] * 6)
    start = (head + random.Random(0).randbytes(60_000)) * 14
    stored = b"".join(
        b"\0" + struct.pack("<HH", len(part), len(part) ^ 0xFFFF) + part
        for part in (start[place : place + 60_000] for place in range(0, len(start), 60_000))
    )
    size = 54 + 3 * 12_900**2
    body = stored + zeros(size - len(start))
    names = [f"{'ab'[number % 2]}/{number}.bmp" for number in range(6)]
    return raw_zip(folder / "bitmaps.zip", names, body, sum_of(size - len(start), start), size)


def lying(folder: Path) -> Path:
    """A member that says that it is small and unpacks to 400 MB."""
    path = folder / "lying.zip"
    zipped(path, {"a/lying.png": bytes(400 * MEGA)})
    content = path.read_bytes().replace(struct.pack("<I", 400 * MEGA), struct.pack("<I", 1000))
    path.write_bytes(content)
    return path


def overlapping(folder: Path) -> Path:
    """Three hundred members that are all the same 120 MB."""
    names = [f"{'ab'[number % 2]}/{number:03d}.png" for number in range(300)]
    size = 120 * MEGA
    return raw_zip(folder / "overlapping.zip", names, zeros(size), sum_of(size), size, shared=True)


def idx(folder: Path) -> Path:
    path = folder / "train-images-idx3-ubyte.gz"
    count = 3_700_000
    path.write_bytes(gzipped(struct.pack(">BBBBIII", 0, 0, 8, 3, count, 28, 28), count * 784))
    return path


def packed_tar(folder: Path) -> Path:
    path, member = folder / "set.tar.gz", tarfile.TarInfo("a/huge.png")
    member.size = 4000 * MEGA
    path.write_bytes(gzipped(member.tobuf(), 500 * MEGA))
    return path


def hollow_tar(folder: Path) -> Path:
    """A member of 500 MB that is a hole in the file."""
    path, member = folder / "set.tar", tarfile.TarInfo("a/huge.png")
    member.size = 500 * MEGA
    with path.open("wb") as file:
        file.write(member.tobuf())
        file.truncate(512 + 500 * MEGA + 10_240)
    return path


def animated(form: str, side: int, **options: object) -> Callable[[Path], Path]:
    def make(folder: Path) -> Path:
        path = folder / f"film.{form}"
        frames = [Image.new("P" if form == "gif" else "RGB", (side, side), shade) for shade in range(3)]
        frames[0].save(path, save_all=True, append_images=frames[1:], **options)
        return path

    return make


def gif(folder: Path) -> Path:
    """A canvas of 177 megapixels, and a thousand frames of one pixel."""
    frame = b"\x21\xf9\x04\x04\0\0\0\0" + b"\x2c" + struct.pack("<HHHHB", 0, 0, 1, 1, 0) + b"\x02\x02\x44\x01\x00"
    path = folder / "film.gif"
    head = b"GIF89a" + struct.pack("<HHBBB", SIDE, SIDE, 0x80, 0, 0) + bytes(6)
    path.write_bytes(head + 1000 * frame + b"\x3b")
    return path


def apng(folder: Path) -> Path:
    path = folder / "film.png"
    control = chunk(b"acTL", struct.pack(">II", 1000, 0))
    frame = chunk(b"fcTL", struct.pack(">IIIIIHHBB", 0, SIDE, SIDE, 0, 0, 1, 1, 1, 0))
    path.write_bytes(png(more=control + frame))
    return path


def tiff(folder: Path) -> Path:
    """177 megapixels in a million strips that are all the same byte."""
    path, strips = folder / "strips.tif", SIDE
    tags = [(256, 3, 1, SIDE), (257, 3, 1, SIDE), (258, 3, 1, 8), (259, 3, 1, 1), (262, 3, 1, 1), (277, 3, 1, 1),
            (278, 3, 1, 1), (273, 4, strips, 200), (279, 4, strips, 200 + 4 * strips)]  # fmt: skip
    body = b"".join(struct.pack("<HHII", *tag) for tag in sorted(tags))
    head = b"II*\0" + struct.pack("<IH", 8, len(tags)) + body + bytes(4)
    path.write_bytes(head.ljust(200, b"\0") + struct.pack("<I", 8) * strips + struct.pack("<I", SIDE) * strips)
    return path


def deflated_tiff(folder: Path) -> Path:
    path = folder / "packed.tif"
    Image.new("RGB", (SIDE, SIDE)).save(path, compression="tiff_adobe_deflate")
    return path


def jpeg(folder: Path) -> Path:
    """Progressive: its coefficients are kept whole."""
    path = folder / "slow.jpg"
    Image.new("RGB", (SIDE, SIDE)).save(path, progressive=True, quality=30)
    return path


def bitmap(folder: Path) -> Path:
    path = folder / "hollow.bmp"
    head = b"BM" + struct.pack("<IHHI", 54, 0, 0, 54)
    path.write_bytes(head + struct.pack("<IiiHHIIiiII", 40, SIDE, SIDE, 1, 24, 0, 0, 0, 0, 0, 0))
    return path


def json_of_lists(folder: Path) -> Path:
    path = folder / "config.json"
    path.write_bytes(b"[" + b"[]," * (60 * 2**20 // 3) + b"[]]")
    return path


def laughs(folder: Path) -> Path:
    """Entities of entities: three thousand million laughs."""
    root = sound(folder)
    lines = ['<!ENTITY l0 "' + "ha" * 50 + '">']
    lines += [f'<!ENTITY l{n} "{f"&l{n - 1};" * 10}">' for n in range(1, 10)]
    (root / "a/0.xml").write_text(f"<!DOCTYPE annotation [{''.join(lines)}]><annotation>&l9;</annotation>")
    return root


def runs(folder: Path) -> Path:
    """A mask of COCO of a million million pixels."""
    root = sound(folder)
    side = 10**6
    values = {
        "images": [{"id": 1, "file_name": "a/0.png", "width": side, "height": side}],
        "categories": [{"id": 1, "name": "x"}],
        "annotations": [{"id": 1, "image_id": 1, "category_id": 1, "iscrowd": 0, "bbox": [0, 0, 9, 9], "area": 81,
                         "segmentation": {"size": [side, side], "counts": [10**11, side * side - 10**11]}}],
    }  # fmt: skip
    (root / "annotations.json").write_text(json.dumps(values))
    return root


def runs_of_giants(folder: Path) -> Path:
    """Forty masks of COCO of 177 megapixels."""
    root = sound(folder)
    rle = {"size": [SIDE, SIDE], "counts": [SIDE, SIDE * SIDE - SIDE]}
    values = {
        "images": [{"id": 1, "file_name": "a/0.png", "width": SIDE, "height": SIDE}],
        "categories": [{"id": 1, "name": "x"}],
        "annotations": [{"id": n, "image_id": 1, "category_id": 1, "iscrowd": 0, "bbox": [0, 0, 9, 9], "area": 81,
                         "segmentation": rle} for n in range(40)],
    }  # fmt: skip
    (root / "annotations.json").write_text(json.dumps(values))
    return root


def clip(folder: Path) -> Path:
    """One black frame of 66 megapixels."""

    import av

    path = folder / "clip.mp4"
    with av.open(str(path), "w") as target:
        stream = target.add_stream("mpeg4", rate=25)
        stream.width = stream.height = 8100
        stream.pix_fmt = "yuv420p"
        stream.codec_context.time_base = Fraction(1, 25)
        frame = av.VideoFrame(8100, 8100, "yuv420p")
        for plane in frame.planes:
            plane.update(bytes(plane.buffer_size))
        frame.pts, frame.time_base = 0, Fraction(1, 25)
        target.mux(stream.encode(frame))
        target.mux(stream.encode(None))
    return path


def weights(folder: Path) -> Path:
    path = folder / "weights.safetensors"
    head = json.dumps({"x": {"dtype": "F32", "shape": [2**49], "data_offsets": [0, 2**51]}}).encode()
    path.write_bytes(struct.pack("<Q", len(head)) + head)
    return path


BOMBS: dict[str, tuple[Callable[[Path], Path], str]] = {
    "zip of eight PNGs of 177 megapixels": (giant_pngs, "labels"),
    "PNG of 177 megapixels": (one_png, "picture"),
    "zip of six bitmaps of 499 MB": (bitmaps, "labels"),
    "zip whose member says that it is small": (lying, "labels"),
    "zip of 300 members that are one": (overlapping, "labels"),
    "IDX of 2.9 GB in gzip": (idx, "idx"),
    "tar.gz with a member of 4 GB": (packed_tar, "labels"),
    "tar with a hole of 500 MB": (hollow_tar, "labels"),
    "GIF of a thousand frames of 177 megapixels": (gif, "picture"),
    "WebP of three frames of 177 megapixels": (animated("webp", SIDE, lossless=True, quality=0, method=0), "picture"),
    "APNG of a thousand frames of 177 megapixels": (apng, "picture"),
    "TIFF of 13,300 strips that are one": (tiff, "picture"),
    "TIFF of 177 megapixels, deflated": (deflated_tiff, "picture"),
    "progressive JPEG of 177 megapixels": (jpeg, "picture"),
    "BMP of 177 megapixels without any": (bitmap, "picture"),
    "JSON of 21 million lists": (json_of_lists, "json"),
    "XML of a thousand million laughs": (laughs, "boxes"),
    "COCO mask of a million million pixels": (runs, "masks"),
    "forty COCO masks of 177 megapixels": (runs_of_giants, "masks"),
    "MP4 of 66 megapixels": (clip, "clip"),
    "safetensors of 2 PB": (weights, "weights"),
}

GIANTS = ("forty COCO masks of 177 megapixels", "zip of six bitmaps of 499 MB", "tar with a hole of 500 MB",
          "MP4 of 66 megapixels")  # fmt: skip
SLOW = (*GIANTS[1:], "TIFF of 177 megapixels, deflated", "progressive JPEG of 177 megapixels",
        "JSON of 21 million lists", "WebP of three frames of 177 megapixels")  # fmt: skip
SOON, LITTLE, LARGE = 2.0, 300, 2500  # seconds, MB, MB for giants


def peak() -> float:
    """Megabytes that this process has held at most. Not `ru_maxrss`, which begins with that of the parent."""
    line = next(line for line in Path("/proc/self/status").read_text().splitlines() if line.startswith("VmHWM"))
    return int(line.split()[1]) * 1024 / MEGA


def child(kind: str, path: Path) -> None:
    """Reads `path`; prints seconds, megabytes of peak above what importing took, and what was said."""

    def say() -> str:
        if kind == "picture":
            return f"read: {read_file(path)[0].size}"
        if kind == "idx":
            return f"read: {read_idx(path, 3).shape}"
        if kind == "json":
            return f"read: {read(path, Manifest)}"
        if kind == "clip":
            return f"read: {len(list(frames(open_clip(path, path.with_name('out.mp4')))))} frames"
        if kind == "weights":
            return f"read: {load_file(path)}"
        data = open_data(str(path), View(target=kind))
        return f"read: {data.told}; {'; '.join(map(str, data.left_out[:1]))}"

    open_data(str(sound(path.parent / "warm")), View())
    before, began = peak(), time.perf_counter()
    try:
        said = say()
    except (SfumatoError, MemoryError) as error:
        said = f"refused: {error}"
    except Exception as error:
        said = f"{type(error).__name__}: {error}"
    seconds = time.perf_counter() - began
    taken = peak() - before
    said = said.replace(str(path.parent) + "/", "")
    print(json.dumps({"seconds": round(seconds, 2), "peak_mb": round(taken), "said": said[:300]}))


def bombs(long: bool) -> tuple[str, list[str]]:
    """Giants are read one at a time, all others refused in no time and little memory. The quick part leaves out those
    that take long to make."""
    rows = measured(BOMBS if long else (name for name in BOMBS if name not in SLOW))
    faults = [f"{name}: {row}" for name, row in rows.items() if not _held(name, row)]
    return f"{len(rows)} kinds", faults


def _held(name: str, row: Mapping[str, Any]) -> bool:
    if name in GIANTS:
        return row.get("peak_mb", LARGE) < LARGE
    refused = any(word in row["said"] for word in ("refused", "left out", "Safetensor"))
    return refused and row.get("seconds", SOON) < SOON and row["peak_mb"] < LITTLE


def measured(names: Iterable[str]) -> dict[str, dict[str, Any]]:
    """What reading each of these BOMBS takes: in one process, which has loaded what is needed, and a fork for each."""
    command = [sys.executable, "-m", "tests.faults.bombs", *names]
    done = subprocess.run(command, capture_output=True, text=True, cwd=ROOT, check=True)
    return json.loads(done.stdout)


def _measured(name: str, folder: Path) -> dict[str, Any]:
    make, kind = BOMBS[name]
    path, said = make(folder), folder / "said"
    size = path.stat().st_size if path.is_file() else sum(file.stat().st_size for file in path.rglob("*.*"))
    status = forked(lambda: child(kind, path), said)
    text = said.read_text("utf-8")
    if status:
        return {"bytes": size, "said": f"exit code {status}: {text[-300:]}"}
    return {"bytes": size, **json.loads(text.splitlines()[-1])}


def main() -> None:
    rows = {}
    for name in sys.argv[1:] or BOMBS:
        with tempfile.TemporaryDirectory() as folder:
            rows[name] = _measured(name, Path(folder))
            print(name, rows[name], file=sys.stderr, flush=True)
    print(json.dumps(rows, indent=1))


if __name__ == "__main__":
    main()
