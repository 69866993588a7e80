"""SECURITY.md: its numbers are those of the code, and what it says is refused is refused."""

import io
import json
import os
import pickle
import subprocess
import sys
import tarfile
import zipfile
import zlib
from collections.abc import Callable
from pathlib import Path

import pytest
from PIL import Image, ImageFile

import sfumato
from sfumato import strict
from sfumato.data import archives, boxed, clips, idx, mnist, pictures, png, shards
from sfumato.data.formats import yolo
from sfumato.data.sources import View, open_data
from sfumato.errors import SfumatoError
from sfumato.runs import hub, manifest
from sfumato.studio import app, live, trainings, uploads
from sfumato.weights.load import read_weights

PAGE = (Path(__file__).parents[1] / "SECURITY.md").read_text("utf-8")
MIB, GIB = 2**20, 2**30
SAID = (
    f"| {pictures.MAX_PIXELS // 10**6} megapixels |",
    f"| {pictures.MAX_RATIO} times as long as wide |",
    f"| {', '.join(pictures.FORMATS)} |",
    f"| {png.LARGEST // MIB} MiB unpacked; {png.ALL // MIB} MiB all together",
    f"| {archives.MAX_FILE // MIB} MiB |",
    f"| {archives.MAX_RATIO:,} times its packed size |",
    f"a header of a tar | {shards.MAX_HEADER // MIB} MiB |",
    f"| {idx.MAX_BYTES // GIB} GiB |",
    f"| {strict.MAX_BYTES // MIB} MiB, `config.json` {manifest.MAX_BYTES // MIB} MiB; {strict.DEEPEST} levels deep |",
    f"| {hub.FILES[hub.WEIGHTS] // GIB} GiB; its card {hub.FILES[hub.CARD] // MIB} MiB |",
    f"a YAML file | {yolo.MAX_YAML // MIB} MiB, no aliases |",
    f"| {boxed.MOST:,} |",
    f"| {uploads.LARGEST // MIB} MiB, {uploads.PIXELS // 10**6} megapixels |",
    f"| {uploads.KEPT // MIB} MiB, half an hour |",
    f"| {live.SOCKETS}, {app.JOBS}, {trainings.WAITING} |",
    clips.FORMATS.replace(",", ", "),
)


@pytest.mark.parametrize("said", SAID)
def test_the_page_has_the_numbers_of_the_code(said: str) -> None:
    assert said in " ".join(PAGE.split())


def png_file(side: int = 40) -> bytes:
    buffer = io.BytesIO()
    Image.new("RGB", (side, side), "teal").save(buffer, "PNG")
    return buffer.getvalue()


def refused(folder: Path, view: View = View(3, 16)) -> dict[str, str]:  # noqa: B008 - it is frozen
    """What is left out of `folder` and why; the whole of it, if nothing remains."""
    try:
        return {item.file: item.reason for item in open_data(str(folder), view).left_out}
    except SfumatoError as error:
        return {"": str(error)}


def enlarged(content: bytes) -> bytes:
    """A PNG whose header says 60,000×60,000."""
    head = content[12:16] + (60_000).to_bytes(4, "big") * 2 + content[24:29]
    return content[:12] + head + zlib.crc32(head).to_bytes(4, "big") + content[33:]


HOSTILE: dict[str, tuple[bytes, str]] = {
    "postscript.png": (b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n", "not an image in a format"),
    "fits.png": (b"SIMPLE  =                    T" + b" " * 2850, "not an image in a format"),
    "cut.png": (png_file(600)[:-400], "damaged image"),
    "large.png": (enlarged(png_file()), "megapixels"),
}


@pytest.mark.parametrize("name", HOSTILE)
def test_pillow_reads_what_it_is_told_and_no_more(name: str, tmp_path: Path) -> None:
    for kind in "ab":
        (tmp_path / kind).mkdir()
        for number in range(3):
            (tmp_path / kind / f"{number}.png").write_bytes(png_file())
    (tmp_path / "a" / name).write_bytes(HOSTILE[name][0])
    assert HOSTILE[name][1] in refused(tmp_path)[f"a/{name}"]
    assert not ImageFile.LOAD_TRUNCATED_IMAGES


@pytest.mark.parametrize(
    "text",
    [
        "#EXTM3U\n#EXT-X-VERSION:3\n#EXTINF:1,\nfile:///etc/hostname\n#EXT-X-ENDLIST\n",
        "#EXTM3U\n#EXTINF:1,\nhttp://127.0.0.1:9/x.ts\n",
        "ffconcat version 1.0\nfile '/etc/hostname'\n",
        "v=0\no=- 0 0 IN IP4 127.0.0.1\ns=x\nc=IN IP4 127.0.0.1\nt=0 0\nm=video 9 RTP/AVP 96\n",
        "<?xml version='1.0'?><MPD xmlns='urn:mpeg:dash:schema:mpd:2011'><Period/></MPD>",
    ],
)
@pytest.mark.parametrize("ending", [".mp4", ".avi"])
def test_a_clip_opens_nothing_else(text: str, ending: str, tmp_path: Path) -> None:
    pytest.importorskip("av")
    (tmp_path / f"x{ending}").write_text(text)
    with pytest.raises(SfumatoError, match="not a clip that can be read"):
        clips.open_clip(tmp_path / f"x{ending}", tmp_path / "out.mp4")


def test_a_frame_that_is_too_large_is_refused_by_the_decoder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    av = pytest.importorskip("av")
    with av.open(str(tmp_path / "x.mp4"), "w") as target:
        stream = target.add_stream("h264", rate=5)
        stream.width, stream.height, stream.pix_fmt = 64, 64, "yuv420p"
        target.mux(stream.encode(av.VideoFrame.from_image(Image.new("RGB", (64, 64)))))
        target.mux(stream.encode(None))
    clip = clips.open_clip(tmp_path / "x.mp4", tmp_path / "out.mp4")
    assert len(list(clips.frames(clip))) == 1
    monkeypatch.setattr(clips, "MAX_PIXELS", 1000)
    assert not list(clips.frames(clip))


def packed(path: Path, names: tuple[str, ...], kind: Callable[[tarfile.TarInfo], None] | None = None) -> Path:
    if path.suffix == ".zip":
        with zipfile.ZipFile(path, "w") as file:
            for name in names:
                file.writestr(name, png_file())
        return path
    with tarfile.open(path, "w") as tar:
        for name in names:
            member = tarfile.TarInfo(name)
            member.size = len(png_file())
            if kind:
                kind(member)
            tar.addfile(member, io.BytesIO(png_file()))
    return path


@pytest.mark.parametrize("ending", [".zip", ".tar"])
def test_no_archive_is_unpacked(ending: str, tmp_path: Path) -> None:
    names = ("a/1.png", "a/2.png", "b/1.png", "b/2.png")
    out = ("../../out.png", "/tmp/out.png", "a/../../out.png", "..\\out.png", "C:\\out.png")
    left = refused(packed(tmp_path / f"x{ending}", (*names, *out)))
    assert len(left) == len(out)
    assert all("leads out" in reason for reason in left.values())
    assert list(tmp_path.iterdir()) == [tmp_path / f"x{ending}"]


@pytest.mark.parametrize("kind", [tarfile.SYMTYPE, tarfile.LNKTYPE, tarfile.CHRTYPE, tarfile.FIFOTYPE])
def test_a_tar_holds_pictures_alone(kind: bytes, tmp_path: Path) -> None:
    def make(member: tarfile.TarInfo) -> None:
        if member.name == "a/link.png":
            member.type, member.linkname, member.size = kind, "/etc/hostname", 0

    names = ("a/1.png", "a/2.png", "b/1.png", "b/2.png", "a/link.png")
    left = refused(packed(tmp_path / "x.tar", names, make))
    assert any("link" in reason or "device" in reason for reason in left.values())


VOC = "<annotation><filename>1.png</filename><object><name>{}</name><bndbox><xmin>1</xmin><ymin>1</ymin>" \
      "<xmax>9</xmax><ymax>9</ymax></bndbox></object></annotation>"  # fmt: skip
ANNOTATIONS = {
    "entity.xml": f"<!DOCTYPE a [<!ENTITY x SYSTEM 'file:///etc/hostname'>]>{VOC.format('&x;')}",
    "laughs.xml": "<!DOCTYPE a [<!ENTITY a '" + "x" * 99 + "'><!ENTITY b '&a;&a;&a;&a;'>]>" + VOC.format("&b;"),
    "undefined.xml": VOC.format("&x;"),
    "deep.xml": "<a>" * 100_000,
    "data.yaml": "a: &a [x, x, x, x, x, x, x, x, x, x]\n" + "\n".join(
        f"{new}: &{new} [{', '.join([f'*{old}'] * 10)}]" for old, new in zip("abcdefgh", "bcdefghi", strict=True)
    ) + "\nnames: [*i, *i]\n",
    "object.yaml": "names: !!python/object/apply:os.system ['touch pwned']\n",
    "deep.yaml": "names: " + "[" * 100_000,
    "deep.json": "[" * 100_000,
    "number.json": "9" * 10_000,
    "field.csv": "img_name,label,xmin,ymin,xmax,ymax\n1.png," + "x" * 1_000_000 + ",1,1,9,9\n",
}  # fmt: skip


@pytest.mark.parametrize("name", ANNOTATIONS)
def test_annotations_make_nothing_but_boxes(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    folder = tmp_path / "data"
    (folder / "labels").mkdir(parents=True)
    for number in range(4):
        (folder / f"{number}.png").write_bytes(png_file())
        (folder / f"{number}.txt").write_text("0 0.5 0.5 0.2 0.2\n")
    (folder / name).write_text(ANNOTATIONS[name])
    if not name.endswith(".yaml"):
        (folder / "classes.txt").write_text("one\n")
    left = refused(folder, View(3, 32, target="boxes"))
    assert left, "it was read"
    assert max(map(len, left.values())) < 2000
    assert list(tmp_path.iterdir()) == [folder]


def test_no_pickle_is_loaded(tmp_path: Path) -> None:
    class Code:
        def __reduce__(self) -> tuple[object, tuple[str]]:
            return os.mkdir, (str(tmp_path / "pwned"),)

    for name in ("x.pth", "x.safetensors"):
        (tmp_path / name).write_bytes(pickle.dumps({"weight": Code()}))
        with pytest.raises(SfumatoError, match="not a file of weights"):
            read_weights(tmp_path / name)
    assert not (tmp_path / "pwned").exists()


WATCHED = """
import json, os, sys
home, own = sys.argv[1], sys.argv[2:]
def look(event, given):
    if event in ("socket.__new__", "socket.connect", "socket.getaddrinfo", "urllib.Request"):
        os.write(2, f"network {event}\\n".encode()); os._exit(9)
    if event == "open" and isinstance(given[0], (str, bytes)) and given[2] & (os.O_WRONLY | os.O_RDWR):
        path = os.path.realpath(os.fsdecode(given[0]))
        if not path.startswith((home, "/dev/")):
            os.write(2, f"writes {path}\\n".encode()); os._exit(9)
sys.dont_write_bytecode = True
sys.addaudithook(look)
from sfumato.cli import main
main(own)
"""


@pytest.mark.slow
def test_commands_open_no_socket_and_write_nothing_elsewhere(tmp_path: Path) -> None:
    picture = tmp_path / "photo.png"
    picture.write_bytes(png_file())
    base = ["--images", "16", "--batch-size", "8"]
    for command in (
        ["train", "gan", "--data", "digits", "--run", "drawing", *base],
        ["sample", "drawing"],
        ["train", "finetune", "--data", "faces", "--resolution", "64", "--run", "reading", *base],
        ["predict", "reading", "photo.png", "-o", "out.png", "-o", "out.csv"],
        ["stylize", "photo.png", "photo.png", "-o", "styled.png"],
        ["report", "drawing"],
    ):
        done = subprocess.run(
            [sys.executable, "-c", WATCHED, str(tmp_path.resolve()), *command], cwd=tmp_path, capture_output=True,
            env={**os.environ, "SFUMATO_CACHE": str(tmp_path / "cache"), "MPLCONFIGDIR": str(tmp_path / "mpl"),
                 "TMPDIR": str(tmp_path), "HOME": str(tmp_path)},
            timeout=200, check=False, text=True,
        )  # fmt: skip
        assert done.returncode == 0, done.stderr


@pytest.mark.slow
def test_a_strangers_run_is_opened_without_its_data(tmp_path: Path) -> None:
    """Nor is anything that its config.json names but what lies in the folder."""
    run = sfumato.train("gan", data="digits", run=tmp_path / "run", images=16, batch_size=8, evaluate=False)
    path = run.path / "config.json"
    values = json.loads(path.read_text("utf-8"))
    values["data"]["source"] = [str(tmp_path / "elsewhere")]
    values["start_from"] = str(tmp_path / "elsewhere")
    path.write_text(json.dumps(values))
    opened = sfumato.open(run.path)
    assert opened.sample(2).shape[0] == 2
    with pytest.raises(SfumatoError, match="elsewhere"):
        opened.evaluate()
    (run.path / "samples").mkdir(exist_ok=True)
    (run.path / "samples" / "out").symlink_to(tmp_path)
    with pytest.raises(SfumatoError, match="leads out"):
        sfumato.open(run.path)


def test_a_fetch_is_told_before_it_begins(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("SFUMATO_CACHE", str(tmp_path))
    monkeypatch.setattr(mnist, "MIRRORS", {"mnist": ("http://127.0.0.1:9/",)})
    with pytest.raises(SfumatoError, match="no connection"):
        mnist.fetch_mnist("mnist")
    said = capsys.readouterr().err
    assert said == "sfumato: fetching train-images-idx3-ubyte.gz from 127.0.0.1: 9,912,422 bytes\n"
