"""Every reader of files that Sfumato has, by family, with what it reads whole: that is made here, and small."""

import gzip
import hashlib
import io
import json
import os
import shutil
import struct
import tarfile
import zipfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image
from PIL.ImageCms import ImageCmsProfile, createProfile
from PIL.PngImagePlugin import PngInfo
from safetensors.torch import save_file

import sfumato

from ..studies.conftest import first_of
from .mutations import Halt, Kind, Reader

OLD = Path(__file__).parents[1] / "runs" / "old"
RUNS = ("autoencoders", "gans", "recognition")
WIDE, HIGH, COUNT = 40, 32, 4
FEW = 32  # pictures that a run is measured on
LOOK = "samples/000000000016.png"
ROWS = [
    {"images": images, "epoch": images / 1437, "learning_rate": 0.001, "bce": 0.7, "seconds": images / 100, "real": 0.6,
     "fake_before": 0.4, "fake_after": 0.4, "diversity": 0.9, "discriminator": 1.2, "generator": 0.8}
    for images in (16, 32, 48, 64)
]  # fmt: skip
MEASURES = [
    {"images": images, "seconds": 1.0, "frechet": 3.0, "miou": 0.5, "valid_loss": 1.0, "network": "n", "data": "d"}
    for images in (16, 32, 48)
]


def laid(whole: Path, file: str, folder: Path, _: int) -> Path:
    shutil.copytree(whole, folder)
    return folder / file


def lines_of(rows: Sequence[Mapping[str, Any]]) -> bytes:
    return "".join(f"{json.dumps(row)}\n" for row in rows).encode()


def runs(room: Path) -> list[Reader]:
    from sfumato.autoencoders.autoencoder import Autoencoder
    from sfumato.engine.checkpoint import save_best, save_snapshot
    from sfumato.gans.diagnosis import diagnose
    from sfumato.gans.family import beliefs_curve
    from sfumato.gans.game import Adversarial
    from sfumato.metrics.table import tables
    from sfumato.recognition.family import validation_curve
    from sfumato.recognition.unet import UNet
    from sfumato.reports.document import opened
    from sfumato.runs.catalog import configured
    from sfumato.runs.find import runs_under
    from sfumato.runs.page import losses_curve
    from sfumato.runs.start import load_start

    def halt(*_: Any) -> Any:
        raise Halt

    whole: dict[str, Path] = {}
    for kind in RUNS:
        whole[kind] = shutil.copytree(OLD / kind, room / "runs" / kind)
        (whole[kind] / "metrics.jsonl").write_bytes(lines_of(ROWS))
        (whole[kind] / "measures.jsonl").write_bytes(lines_of(MEASURES))
        (whole[kind] / "lock").write_text("process 1 on here\n")
        (whole[kind] / "samples").mkdir()
        Image.new("L", (8, 8), 90).save(whole[kind] / LOOK)
    for kind in RUNS[:2]:
        run = sfumato.open(whole[kind], "cpu")
        few = replace(run.data, train=first_of(run.data.train, FEW), test=first_of(run.data.test, FEW))
        (whole[kind] / "evaluation.json").write_text(json.dumps(asdict(run.evaluate(few))))
        save_best(whole[kind], run.system, 32)
        save_snapshot(whole[kind], run.system, 50)
    _ = sfumato.open(whole["recognition"], "cpu").data  # scenes are drawn once, which is no reader's time
    for kind in (Autoencoder, Adversarial, UNet):
        kind.step = halt

    def opens(run: Path) -> None:
        sfumato.open(run, "cpu")

    def resumes(run: Path) -> None:
        sfumato.resume(run, evaluate=False)

    def evaluates(run: Path) -> None:
        if run_kind(run) == "autoencoders":  # the quickest
            sfumato.open(run, "cpu").evaluate()

    def finds(run: Path) -> None:
        runs_under(run.parent)

    def starts(run: Path) -> None:
        entry, config = configured(manifests[run_kind(run)], "here")
        load_start(entry.build(config), entry, config, str(run))

    def tells(run: Path) -> None:
        opened = sfumato.open(run, "cpu")
        measured, history = opened.evaluation, opened.history
        tables(measured)
        if isinstance(opened.system, Adversarial):
            diagnose(opened.system, history, measured)

    def curves(run: Path) -> None:
        opened = sfumato.open(run, "cpu")
        history = opened.history
        if history.rows:
            losses_curve(history.rows)
            beliefs_curve(history.rows)
        if history.measures and "miou" in history.measures[-1]:
            validation_curve(history.measures, "miou")
        tells(run)

    def reports(run: Path) -> None:
        sfumato.open(run, "cpu").report()

    def sample(run: Path) -> None:
        opened(run / LOOK)

    def snapshot(run: Path) -> None:
        sfumato.open(run, "cpu").snapshot(50)

    manifests = {kind: sfumato.open(whole[kind], "cpu").manifest for kind in RUNS}

    def run_kind(run: Path) -> str:
        names = {manifest.system: kind for kind, manifest in manifests.items()}
        return names[json.loads((run / "kind").read_text("utf-8"))]

    def run(kinds: Sequence[str], file: str, folder: Path, number: int) -> Path:
        kind = kinds[number % len(kinds)]
        shutil.copytree(whole[kind], folder)
        (folder / "kind").write_text(json.dumps(manifests[kind].system))
        if file == "checkpoints":
            return folder / "checkpoints" / json.loads((folder / "state.json").read_text("utf-8"))["weights"]
        return folder / file

    def signed(read: Callable[[Path], object], folder: Path) -> None:
        """With the digest of weights that were damaged on purpose."""
        state = json.loads((folder / "state.json").read_text("utf-8"))
        weights = folder / "checkpoints" / state["weights"]
        if weights.is_file() and not weights.is_symlink():
            state["blake2b"] = hashlib.blake2b(weights.read_bytes()).hexdigest()
            (folder / "state.json").write_text(json.dumps(state))
        read(folder)

    told, both = RUNS[:2], (opens, resumes)
    return [
        Reader("config.json", "json", partial(run, RUNS, "config.json"), (*both, evaluates, starts)),
        Reader("config.json looked at", "json", partial(run, RUNS, "config.json"), (finds,)),
        Reader("state.json", "json", partial(run, RUNS, "state.json"), (*both, evaluates, starts)),
        Reader("state.json looked at", "json", partial(run, RUNS, "state.json"), (finds,)),
        Reader("evaluation.json", "json", partial(run, told, "evaluation.json"), (tells, finds)),
        Reader("metrics.jsonl", "lines", partial(run, told, "metrics.jsonl"), (tells, resumes, finds)),
        Reader("metrics.jsonl in curves", "lines", partial(run, told, "metrics.jsonl"), (curves,), 20),
        Reader("measures.jsonl", "lines", partial(run, told, "measures.jsonl"), (tells, resumes, finds)),
        Reader("measures.jsonl in curves", "lines", partial(run, told, "measures.jsonl"), (curves,), 20),
        Reader("metrics.jsonl in a page", "lines", partial(run, told, "metrics.jsonl"), (reports,), 20),
        Reader("a picture of samples", "bytes", partial(run, told, LOOK), (sample,)),
        Reader("a picture of samples in a page", "bytes", partial(run, told, LOOK), (reports,), 20),
        Reader("lock", "text", partial(run, RUNS, "lock"), (finds, resumes)),
        Reader("weights", "bytes", partial(run, RUNS, "checkpoints"), tuple(map(partial(partial, signed), both))),
        Reader("best.safetensors", "bytes", partial(run, told, "checkpoints/best.safetensors"), (opens,)),
        Reader("a snapshot", "bytes", partial(run, told, "snapshots/050.safetensors"), (snapshot,)),
    ]


def weights(room: Path) -> list[Reader]:
    from sfumato.data.decoded import Decoded
    from sfumato.gans.directions import known
    from sfumato.metrics.digit_reader import DigitReader
    from sfumato.metrics.kept import kept
    from sfumato.style import network
    from sfumato.weights.adapters.efficientnet_lite0 import renamed
    from sfumato.weights.load import load_network, read_weights

    room = room / "weights"
    room.mkdir()
    few = {f"_blocks.{place}._depthwise_conv.weight": torch.rand(2, 3) for place in range(3)}
    save_file({**few, "counts": torch.arange(4)}, room / "w.safetensors")
    torch.save(few, room / "w.pth")
    (room / "exported").mkdir()
    for part in ("encoder", "decoder"):
        shutil.copy(network.SHIPPED / f"sfumato-{part}.safetensors", room / "exported")
    digits = room / "digits.safetensors"
    save_file({name: value.contiguous() for name, value in DigitReader(3).state_dict().items()}, digits)

    def one(file: str, folder: Path, _: int) -> Path:
        folder.mkdir()
        return Path(shutil.copy(room / file, folder / file))

    def adapted(folder: Path) -> None:
        renamed(read_weights(folder / "w.safetensors"))

    def network_in(folder: Path) -> None:
        load_network(DigitReader(3), "digit reader", folder / "digits.safetensors")

    def exported(folder: Path) -> None:
        decoder = network.Decoder("sfumato", network.DETAILED, told=True)
        network.load_exported(network.Brush(network.build_encoder("sfumato"), decoder), folder)

    def cached(work: Callable[[], object], place: str) -> tuple[Callable[[Path, int], Path], Callable[[Path], object]]:
        """What is kept in the cache: how it is laid, and read."""
        cache = room / f"cache-{place}"
        os.environ["SFUMATO_CACHE"] = str(cache)
        work()
        file = next(path for path in cache.rglob("*.json"))
        if place == "pixels":
            file = file.with_suffix(".pixels")

        def read(folder: Path) -> None:
            os.environ["SFUMATO_CACHE"] = str(folder)
            work()

        return partial(laid, cache, str(file.relative_to(cache))), read

    pictures = [torch.full((3, 4, 4), place, dtype=torch.uint8) for place in range(3)]
    decoded = Decoded("set", ("a", "b"), 4, (3, 4, 4))

    def decode() -> None:
        found = Decoded("set", ("a", "b"), 4, (3, 4, 4))
        tensor, left_out = found.find() or found.keep(iter(pictures), {1: "damaged"}) or (None, {})
        if tensor is not None:
            assert tensor.shape == (3, 3, 4, 4), tensor.shape
            assert all(0 <= place < decoded.files for place in left_out), left_out

    def measure() -> None:
        found = kept(lambda: {"pca": {"psnr": 1.5, "ssim": 0.5}}, "here")
        assert all(isinstance(value, float) for row in found.values() for value in row.values()), found
        assert found["pca"].keys() == {"psnr", "ssim"}, found

    answers = []
    for name, kind, work, place in (
        ("kept measures", "json", measure, "measures"),
        ("index of a decoded set", "json", decode, "index"),
        ("pixels of a decoded set", "bytes", decode, "pixels"),
    ):
        lay, read = cached(work, place)
        answers.append(Reader(name, kind, lay, (read,)))
    return [
        Reader("safetensors", "bytes", partial(one, "w.safetensors"),
               (adapted, lambda at: known(at / "w.safetensors"))),
        Reader("torch's weights", "bytes", partial(one, "w.pth"), (lambda at: read_weights(at / "w.pth"),)),
        Reader("a network's weights", "bytes", partial(one, "digits.safetensors"), (network_in,)),
        Reader("an exported encoder", "bytes", partial(laid, room / "exported", "sfumato-encoder.safetensors"),
               (exported,)),
        Reader("an exported decoder", "bytes", partial(laid, room / "exported", "sfumato-decoder.safetensors"),
               (exported,)),
        *answers,
    ]  # fmt: skip


def photograph(number: int = 0) -> Image.Image:
    pixels = np.random.default_rng(number).integers(0, 255, (HIGH // 4, WIDE // 4, 3), np.uint8)
    return Image.fromarray(pixels).resize((WIDE, HIGH), Image.Resampling.BICUBIC)


def levels(number: int = 0) -> Image.Image:
    values = np.zeros((HIGH, WIDE), np.uint8)
    values[4:20, 6 + number : 20 + number] = 1
    return Image.fromarray(values)


def pictures(room: Path) -> list[Reader]:
    from sfumato.data.jobs import read_file
    from sfumato.data.pictures import picture_header, read_indices, read_picture
    from sfumato.data.single import read_single
    from sfumato.data.sources import open_data

    room = room / "pictures"
    room.mkdir()
    exif = Image.Exif()
    exif[0x0112] = 6
    profile = ImageCmsProfile(createProfile("sRGB")).tobytes()
    text = PngInfo()
    text.add_text("sfumato", "a note", zip=True)
    text.add_itxt("title", "ein Titel")
    photograph().save(room / "a.jpg", exif=exif, icc_profile=profile)
    photograph().convert("CMYK").save(room / "cmyk.jpg")
    photograph().save(room / "progressive.jpg", progressive=True)
    photograph().save(room / "a.png", pnginfo=text, icc_profile=profile, exif=exif)
    photograph().quantize(8).save(room / "palette.png", transparency=2)
    Image.fromarray(np.arange(WIDE * HIGH, dtype=np.uint16).reshape(HIGH, WIDE) * 50).save(room / "deep.png")
    for ending in ("webp", "bmp", "tif", "ppm", "avif"):
        photograph().save(room / f"a.{ending}")
    photograph().save(room / "deflated.tif", compression="tiff_adobe_deflate")
    photograph().save(room / "a.gif", save_all=True, append_images=[photograph(1)])
    levels().save(room / "mask.png")
    mask = levels().convert("P")
    mask.putpalette([0, 0, 0, 200, 10, 10] + [5] * 750)
    mask.save(room / "classes.png")

    def file(name: str, folder: Path, _: int) -> Path:
        folder.mkdir()
        return Path(shutil.copy(room / name, folder / name))

    def looked_at(name: str, folder: Path) -> None:
        read_file(folder / name)

    def decoded(name: str, folder: Path) -> None:
        if not (folder / name).is_file() or (folder / name).is_symlink():
            return
        content = (folder / name).read_bytes()
        size = picture_header(io.BytesIO(content)).size
        assert size == read_picture(io.BytesIO(content), 3).size
        assert read_picture(io.BytesIO(content), 1, 16).size == (16, 16)
        assert min(read_picture(io.BytesIO(content), 3, 16, "short").size) == 16

    def masked(name: str, folder: Path) -> None:
        if (folder / name).is_file() and not (folder / name).is_symlink():
            found, _ = read_indices(io.BytesIO((folder / name).read_bytes()), None)
            assert found.ndim == 2
            assert found.dtype == np.uint8

    def single(name: str, folder: Path) -> None:
        read_single(folder / name, 3, 16)

    def among_others(name: str, folder: Path) -> None:
        for number in range(3):
            photograph(number).save(folder / f"other{number}.png")
        data = open_data(str(folder), 3, 16)
        assert len(data.train) + len(data.test) + len(data.left_out) >= 3

    names = sorted(path.name for path in room.iterdir())
    reads = (looked_at, decoded, masked, among_others)
    return [
        *(Reader(name, "bytes", partial(file, name), tuple(partial(read, name) for read in reads)) for name in names),
        Reader("one picture as a style", "bytes", partial(file, "a.jpg"), (partial(single, "a.jpg"),)),
    ]


def archives(room: Path) -> list[Reader]:
    from sfumato.data.idx import read_idx
    from sfumato.data.mnist import FILES, read_mnist
    from sfumato.data.sources import open_data

    room = room / "archives"
    room.mkdir()
    contents = {}
    for number in range(COUNT):
        file = io.BytesIO()
        photograph(number).save(file, "PNG")
        contents[f"{'ab'[number % 2]}/größe-{number}.png"] = file.getvalue()
    for name, method in (("stored.zip", zipfile.ZIP_STORED), ("deflated.zip", zipfile.ZIP_DEFLATED),
                         ("bzip2.zip", zipfile.ZIP_BZIP2), ("lzma.zip", zipfile.ZIP_LZMA)):  # fmt: skip
        with zipfile.ZipFile(room / name, "w", method) as target:
            for member, content in contents.items():
                target.writestr(member, content)
    for name, form, mode in (("ustar.tar", tarfile.USTAR_FORMAT, "w"),
                             ("pax.tar", tarfile.PAX_FORMAT, "w"),
                             ("gnu.tar", tarfile.GNU_FORMAT, "w"),
                             ("a.tar.gz", tarfile.PAX_FORMAT, "w:gz")):  # fmt: skip
        with tarfile.open(room / name, mode, format=form) as target:
            for member, content in contents.items():
                for one, bytes_ in ((member, content), (f"{member[:-4]}.cls", b"cat")):
                    long = one if form == tarfile.USTAR_FORMAT else f"{'long' * 40}/{one}"
                    info = tarfile.TarInfo(long)
                    info.size = len(bytes_)
                    target.addfile(info, io.BytesIO(bytes_))
    (room / "mnist").mkdir()
    for name, shape in zip(FILES, ((6, 8, 8), (6,), (4, 8, 8), (4,)), strict=True):
        values = np.random.default_rng(0).integers(0, 3, shape, np.uint8)
        content = struct.pack(f">I{len(shape)}I", 0x800 + len(shape), *shape) + values.tobytes()
        (room / "mnist" / name).write_bytes(content)
        (room / "mnist" / f"{name}.gz").write_bytes(gzip.compress(content, mtime=0))

    def file(name: str, folder: Path, _: int) -> Path:
        folder.mkdir()
        return Path(shutil.copy(room / name, folder))

    def opened(name: str, folder: Path) -> None:
        data = open_data(str(folder / name), 3, 16)
        assert data.train.pictures.take(torch.arange(1)).shape == (1, 3, 16, 16)

    def shards(folder: Path) -> None:
        open_data(str(folder), 3, 16)

    def idx(name: str, folder: Path) -> None:
        read_idx(folder / name, 3 if "images" in name else 1)

    def mnist(ending: str, folder: Path, number: int) -> Path:
        folder.mkdir()
        for name in FILES:
            shutil.copy(room / "mnist" / f"{name}{ending}", folder)
        return folder / f"{FILES[number % 4]}{ending}"

    found = []
    for path in sorted(room.glob("*.*")):
        more = [shards] if ".tar" in path.name else []
        found.append(Reader(path.name, "bytes", partial(file, path.name), (partial(opened, path.name), *more)))
    for ending in ("", ".gz"):
        one = f"{FILES[0]}{ending}"
        found.append(Reader(f"IDX{ending}", "bytes", partial(file, f"mnist/{one}"), (partial(idx, one),)))
        found.append(Reader(f"MNIST{ending}", "bytes", partial(mnist, ending), (read_mnist,)))
    return found


def annotations(room: Path) -> list[Reader]:
    from sfumato.data.boxed import read_boxed
    from sfumato.data.folder import read_folder
    from sfumato.data.masked import read_masked

    room = room / "annotations"
    names = [f"p{number}" for number in range(COUNT)]
    boxes = [(4 + number, 5, 24 + number, 20) for number in range(COUNT)]

    def folder_of(name: str) -> Path:
        (folder := room / name / "images").mkdir(parents=True)
        for number, stem in enumerate(names):
            photograph(number).save(folder / f"{stem}.png")
        return folder.parent

    def outline(box: tuple[int, int, int, int]) -> list[int]:
        left, top, right, bottom = box
        return [left, top, right, top, right, bottom, left, bottom]

    found: list[Reader] = []

    def reads(name: str, kind: Kind, file: str, content: str, *readers: Callable[[Path], object], **more: str) -> None:
        whole = folder_of(name)
        for other, text in {**more, file: content}.items():
            (whole / other).parent.mkdir(parents=True, exist_ok=True)
            (whole / other).write_text(text, "utf-8")
        if masked_folder in readers:
            (whole / "masks").mkdir()
            for number, stem in enumerate(names):
                mask = np.zeros((HIGH, WIDE, 3), np.uint8)
                mask[4:20, 6 + number : 20 + number] = (200, 10, 10)
                (levels(number) if "classes" in file else Image.fromarray(mask)).save(whole / "masks" / f"{stem}.png")
        found.append(Reader(name, kind, partial(laid, whole, file), readers))

    def boxed(folder: Path) -> None:
        data = read_boxed(folder, 32)
        rows = data.train.boxes
        assert rows is not None
        assert rows.isfinite().all()
        assert ((rows[..., 0] < 0) | ((rows[..., 1:] >= 0) & (rows[..., 1:] <= 1)).all(-1)).all()

    def outlined(folder: Path) -> None:
        read_masked(folder, 16)

    def masked_folder(folder: Path) -> None:
        read_masked(folder, 16)

    def classed(folder: Path) -> None:
        read_folder(folder, 3, 16)

    runs_of_pixels = {"counts": [WIDE * 4, 40, WIDE * HIGH - WIDE * 4 - 40], "size": [HIGH, WIDE]}
    coco = {
        "images": [
            {"id": n, "file_name": f"{name}.png", "width": WIDE, "height": HIGH} for n, name in enumerate(names)
        ],
        "categories": [{"id": 1, "name": "cat"}, {"id": 2, "name": "dog"}],
        "annotations": [
            {"id": n, "image_id": n, "category_id": 1 + n % 2, "iscrowd": 0,
             "bbox": [box[0], box[1], box[2] - box[0], box[3] - box[1]],
             "segmentation": runs_of_pixels if n == 1 else [outline(box)]}
            for n, box in enumerate(boxes)
        ],
    }  # fmt: skip
    reads("COCO", "json", "coco.json", json.dumps(coco), boxed, outlined)
    reads("COCO with damaged text", "text", "coco.json", json.dumps(coco, indent=1), boxed)
    create = [
        {"image": f"{name}.png", "annotations": [
            {"label": "cat", "coordinates": {"x": 14, "y": 12, "width": 20, "height": 15}}]}
        for name in names
    ]  # fmt: skip
    reads("CreateML", "json", "create.json", json.dumps(create), boxed)
    shapes = [
        {"label": "cat", "shape_type": kind, "points": points}
        for kind, points in (
            ("rectangle", [[4, 5], [24, 20]]),
            ("polygon", [[4, 5], [24, 5], [14, 20]]), ("circle", [[20, 16], [25, 16]]))
    ]  # fmt: skip
    labelme = {
        f"images/{name}.json": json.dumps(
            {"shapes": shapes, "imagePath": f"{name}.png", "imageWidth": WIDE, "imageHeight": HIGH}
        )
        for name in names
    }
    reads("Labelme", "json", "images/p0.json", labelme["images/p0.json"], boxed, outlined, **labelme)
    voc = "<annotation>\n<filename>{0}.png</filename>\n<size><width>40</width><height>32</height></size>\n" + "".join(
        f"<object><name>{label}</name>\n<bndbox><xmin>{left}</xmin><ymin>5</ymin><xmax>30</xmax><ymax>20</ymax></bndbox>"
        "</object>\n" for label, left in (("cat", 4), ("dog", 8))
    ) + "</annotation>\n"  # fmt: skip
    vocs = {f"Annotations/{name}.xml": voc.format(name) for name in names}
    reads("VOC", "text", "Annotations/p0.xml", vocs["Annotations/p0.xml"], boxed, **vocs)
    lists = {"ImageSets/Main/train.txt": "p0\np1\n", "ImageSets/Main/val.txt": "p2\np3\n"}
    reads("VOC's lists", "text", "ImageSets/Main/train.txt", lists["ImageSets/Main/train.txt"], boxed, **vocs, **lists)
    cvat = "<?xml version='1.0' encoding='utf-8'?>\n<annotations>\n" + "".join(
        f'<image id="{n}" name="{name}.png" width="40" height="32">\n'
        '<box label="cat" xtl="4" ytl="5" xbr="24" ybr="20"/>'
        '\n<polygon label="dog" points="4,5;24,5;14,20"/>\n<ellipse label="cat" cx="20" cy="16" rx="5" ry="4"/>\n'
        '<mask label="dog" rle="4,8,4" left="3" top="4" width="4" height="4"/>\n</image>\n'
        for n, name in enumerate(names)
    ) + "</annotations>\n"  # fmt: skip
    reads("CVAT", "text", "annotations.xml", cvat, boxed, outlined)
    yolo = {f"images/{name}.txt": "0 0.4 0.4 0.3 0.3\n1 0.1 0.1 0.6 0.1 0.6 0.6\n" for name in names}
    data = {"data.yaml": "path: .\nnames:\n  0: cat\n  1: dog\nnc: 2\n"}
    reads("YOLO's labels", "text", "images/p0.txt", yolo["images/p0.txt"], boxed, outlined, **{**yolo, **data})
    reads("YOLO's data.yaml", "text", "data.yaml", data["data.yaml"], boxed, **yolo)
    reads("YOLO's classes.txt", "text", "classes.txt", "cat\ndog\n", boxed, **yolo)
    rows = "".join(f"{name}.png,{'cat' if n % 2 else 'dog'},{b[0]},{b[1]},{b[2]},{b[3]},{'test' if n else 'train'}\n"
                   for n, (name, b) in enumerate(zip(names, boxes, strict=True)))  # fmt: skip
    reads("a table of boxes", "text", "boxes.csv", f"img_name,label,xmin,ymin,xmax,ymax,split\n{rows}", boxed)
    bare = "".join(f"{name}.png;{b[0]};{b[1]};{b[2]};{b[3]};cat\n" for name, b in zip(names, boxes, strict=True))
    reads("a table without a header", "text", "boxes.csv", bare, boxed)
    halves = "".join(f"{name}.png\t{'test' if n else 'train'}\t{'ab'[n % 2]}\n" for n, name in enumerate(names))
    reads("a table of classes and halves", "text", "table.csv", f"file\tsplit\tlabel\n{halves}", classed)
    reads("lists of names", "text", "train.txt", "p0.png\np1.png\n", classed, **{"test.txt": "p2.png\np3.png\n"})
    reads("labelmap.txt", "text", "labelmap.txt", "background:0,0,0::\ncat:200,10,10::\n", masked_folder)
    reads("names of masks' classes", "text", "classes.txt", "background\ncat\n", masked_folder)
    return found


def clips(room: Path) -> list[Reader]:
    import av

    from sfumato.data.clips import ClipWork, frames, open_clip, write_clip
    from sfumato.style.clips import restyle_frames

    room = room / "clips"
    room.mkdir()
    for ending, codec in ((".mp4", "h264"), (".mkv", "h264"), (".mov", "h264"), (".webm", "libvpx-vp9"),
                          (".avi", "mpeg4"), (".mpg", "mpeg1video"), (".ogv", "libtheora")):  # fmt: skip
        try:
            with av.open(str(room / f"a{ending}"), "w") as container:
                video = container.add_stream(codec, rate=25)
                video.width, video.height, video.pix_fmt = 64, 48, "yuv420p"
                sound = container.add_stream("aac", rate=48000) if ending == ".mp4" else None
                for number in range(5):
                    picture = photograph(number).resize((64, 48))
                    container.mux(video.encode(av.VideoFrame.from_image(picture)))
                container.mux(video.encode(None))
                if sound:
                    tone = np.sin(np.arange(4096) * 0.05).astype(np.float32)[None].repeat(2, 0)
                    frame = av.AudioFrame.from_ndarray(tone, "fltp", "stereo")
                    frame.sample_rate = 48000
                    container.mux(sound.encode(frame))
                    container.mux(sound.encode(None))
        except (av.FFmpegError, ValueError):
            (room / f"a{ending}").unlink(missing_ok=True)
    clip = open_clip(room / "a.mp4", room / "out.mp4")
    (room / "work").mkdir()
    begun = ClipWork(room / "work" / "out.mp4", {"made": "so", "strength": 0.5})
    for picture in list(frames(clip))[:2]:
        begun.keep(picture, [0.25])
    shutil.copy(room / "a.mp4", room / "work")

    def file(name: str, folder: Path, _: int) -> Path:
        folder.mkdir()
        return Path(shutil.copy(room / name, folder))

    def as_it_is(picture: Image.Image, _: Image.Image | None) -> Image.Image:
        return picture

    def seen(name: str, folder: Path) -> None:
        assert len({picture.size for picture in frames(open_clip(folder / name, folder / "out.mp4"))}) < 2

    def restyled(name: str, folder: Path) -> None:
        clip = open_clip(folder / name, folder / "out.mp4")
        work = ClipWork(folder / "out.mp4", {"made": "so", "strength": 0.5})
        list(restyle_frames(frames(clip), as_it_is, work, 0.0))
        if work.done:
            write_clip(clip, work, folder / "out.mp4")

    def taken_up(name: str, folder: Path) -> None:
        work = ClipWork(folder / "out.mp4", {"made": "so", "strength": 0.5})
        if work.done:
            list(restyle_frames(frames(open_clip(folder / name, folder / "out.mp4")), as_it_is, work, 0.0))

    names = sorted(path.name for path in room.iterdir() if path.is_file())
    work = partial(laid, room / "work")
    return [
        *(Reader(name, "bytes", partial(file, name), (partial(seen, name),)) for name in names),
        *(
            Reader(f"{name} put together", "bytes", partial(file, name), (partial(restyled, name),), 10)
            for name in names
        ),
        Reader("recipe of a clip", "json", partial(work, "out.mp4.frames/recipe.json"), (partial(taken_up, "a.mp4"),)),
        Reader("notes of a clip", "lines", partial(work, "out.mp4.frames/errors.jsonl"), (partial(taken_up, "a.mp4"),)),
        Reader("a frame of a clip", "bytes", partial(work, "out.mp4.frames/000001.png"), (partial(restyled, "a.mp4"),)),
    ]


FAMILIES: dict[str, Callable[[Path], list[Reader]]] = {
    "runs": runs, "weights": weights, "pictures": pictures, "archives": archives, "annotations": annotations,
    "clips": clips,
}  # fmt: skip
