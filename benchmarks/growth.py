"""`python -m benchmarks growth [--chart FILE.svg]`: what becomes of the data path when sets, pictures, processes grow.

Images per second and peak memory, over the number of images, the side of a picture and the number of processes. Sets
are tars of synthetic JPEGs: a few hundred different pictures, repeated under other names. They are read as every system
reads them, to batches of floats on the CPU, half of them mirrored. Nobody trains on these: a network would hide what
the data path costs. Each point has processes of its own. `peak_mb` is the largest resident memory of one of them, with
what torch takes and with those pages of a mapped file that lie in memory, which the system takes back when it needs
them; `own_mb` is what no file holds, at the end. `again_s`: to open a mapped set a second time. `--way`: as it comes by
itself (`usual`), or always `mapped` or `streamed`.

What a set takes on disk, as a tar and decoded, is bounded by `--disk` GB and by half of what is free: larger ones are
left out and named. All of it lies in a temporary folder (`TMPDIR` moves it) and is removed at the end.
"""

import argparse
import io
import itertools
import json
import multiprocessing
import os
import resource
import shutil
import sys
import tarfile
import tempfile
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import asdict, dataclass
from multiprocessing.synchronize import Barrier
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

DIFFERENT = 256  # pictures
MB = 2**20
PATIENCE = 3600  # seconds that a process waits for the others
WAYS = ("usual", "mapped", "streamed")
Row = dict[str, Any]


@dataclass(frozen=True)
class Point:
    images: int
    side: int
    processes: int
    way: str


def jpegs(side: int) -> list[bytes]:
    """Different pictures of soft colours and a little noise: of about as many bytes a pixel as photographs."""
    generator, files = np.random.default_rng(side), []
    for _ in range(DIFFERENT):
        coarse = Image.fromarray(generator.integers(0, 256, (4, 4, 3), dtype=np.uint8))
        soft = np.asarray(coarse.resize((side, side), Image.Resampling.BICUBIC), dtype=np.float32)
        pixels = soft + generator.normal(0, 8, soft.shape).astype(np.float32)
        file = io.BytesIO()
        Image.fromarray(pixels.clip(0, 255).astype(np.uint8)).save(file, "JPEG", quality=90)
        files.append(file.getvalue())
    return files


def write_tar(path: Path, count: int, files: Sequence[bytes]) -> None:
    """A tar of `count` members in two classes."""
    padded = [content + bytes(-len(content) % tarfile.BLOCKSIZE) for content in files]
    with path.open("wb") as tar:
        for number in range(count):
            member = tarfile.TarInfo(f"{number % 2}/{number:07}.jpg")
            member.size = len(files[number % len(files)])
            tar.write(member.tobuf(tarfile.USTAR_FORMAT))
            tar.write(padded[number % len(files)])
        tar.write(bytes(2 * tarfile.BLOCKSIZE))


def on_disk(point: Point, files: Sequence[bytes]) -> int:
    """Bytes of a set as a tar and, whether it will be or not, decoded."""
    member = sum(map(len, files)) / len(files) + 1.5 * tarfile.BLOCKSIZE
    return round(point.images * (member + 3 * point.side**2))


_barrier: Barrier | None = None


def _meet(barrier: Barrier) -> None:
    global _barrier
    _barrier = barrier


def read(point: Point, tar: Path, process: int, batch: int, seconds: float) -> Row:
    """What one process of a point finds."""
    import torch

    from sfumato.data import reader
    from sfumato.data.batches import Batches
    from sfumato.data.dataset import threads
    from sfumato.data.sources import View, open_data

    torch.set_num_threads(max(1, threads() // point.processes))
    if point.way != "usual":
        reader.MEMORY = 0
    os.environ["SFUMATO_CACHE"] = str(tar.parent)
    os.environ["SFUMATO_CACHE_LIMIT"] = "0" if point.way == "streamed" else str(2**20)  # GB; --disk is the bound
    began = time.perf_counter()
    data = open_data(str(tar), View(3, point.side))
    opened = time.perf_counter() - began
    batches = Batches(data.train, batch, 0, flip=True, process=process, processes=point.processes)
    _, images = batches.at(0)
    mine = 0
    assert _barrier is not None
    _barrier.wait(PATIENCE)
    began = time.perf_counter()
    while (spent := time.perf_counter() - began) < seconds:
        got, count = batches.at(images)
        images, mine = images + count, mine + len(got)
    found: Row = {"images_per_s": mine / spent, "open_s": opened, "read": type(data.train.pictures).__name__}
    # Kilobytes, on a Mac bytes.
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (1 if sys.platform == "darwin" else 1024)
    found |= {"peak_mb": peak / MB, "own_mb": own_memory(), "again_s": None}
    if found["read"] == "Mapped":
        began = time.perf_counter()
        open_data(str(tar), View(3, point.side))
        found["again_s"] = time.perf_counter() - began
    return found


def own_memory() -> float | None:
    """MB of this process that no file holds, where the system says so."""
    status = Path("/proc/self/status")
    lines = status.read_text().splitlines() if status.exists() else []
    return next((int(line.split()[1]) / 1024 for line in lines if line.startswith("RssAnon")), None)


def measure(point: Point, tar: Path, batch: int, seconds: float) -> Row:
    """A row: speeds of the processes added up, the largest of their memories and times."""
    context = multiprocessing.get_context("spawn")
    barrier = context.Barrier(point.processes)
    with ProcessPoolExecutor(point.processes, context, _meet, (barrier,)) as pool:
        jobs = [pool.submit(read, point, tar, process, batch, seconds) for process in range(point.processes)]
        found = [job.result() for job in jobs]
    most = {key: max(each[key] or 0 for each in found) for key in ("open_s", "again_s", "peak_mb", "own_mb")}
    speed = sum(each["images_per_s"] for each in found)
    return {
        **asdict(point),
        "read": found[0]["read"],
        "images_per_s": round(speed, 1),
        **{key: round(value, 2) or None for key, value in most.items()},
    }


def panels(arguments: argparse.Namespace) -> dict[str, list[Point]]:
    """The points of each panel: one of the three numbers grows, the others stay."""
    middle = arguments.sides[len(arguments.sides) // 2]
    ways = arguments.way
    return {
        "images": [Point(count, min(arguments.sides), 1, way) for count in arguments.images for way in ways],
        "side": [Point(arguments.still, side, 1, way) for side in arguments.sides for way in ways],
        "processes": [Point(arguments.still, middle, count, way) for count in arguments.processes for way in ways],
    }


def rows_of(points: Sequence[Point], arguments: argparse.Namespace) -> Iterator[tuple[Point, Row]]:
    """Each point, as soon as it is measured; those of one set share its tar."""
    ordered = sorted(set(points), key=lambda point: (point.images, point.side, point.way, point.processes))
    for (images, side), group in itertools.groupby(ordered, key=lambda point: (point.images, point.side)):
        files, alike = jpegs(side), list(group)
        with tempfile.TemporaryDirectory(prefix="sfumato-growth-") as folder:
            free = shutil.disk_usage(folder).free
            needed = on_disk(alike[0], files)
            if needed > min(arguments.disk * 1e9, free / 2):
                print(f"left out: {images:,} images of {side}×{side}: {needed / 1e9:.1f} GB on disk", file=sys.stderr)
                continue
            tar = Path(folder) / "set.tar"
            write_tar(tar, images, files)
            for point in alike:
                yield point, measure(point, tar, arguments.batch, arguments.seconds)
                shutil.rmtree(tar.parent / "decoded", ignore_errors=True)


def draw(found: dict[str, list[Row]], path: Path) -> None:
    """Three panels: images per second to the left, peak memory to the right, dashed."""
    from matplotlib.figure import Figure
    from matplotlib.lines import Line2D
    from matplotlib.ticker import ScalarFormatter

    names = {"images": "images in the set", "side": "side of a picture (pixels)", "processes": "processes"}
    figure, shown = Figure(figsize=(13, 4.5), layout="constrained"), dict[str, Any]()
    for place, (key, rows) in enumerate(found.items()):
        left = figure.add_subplot(1, 3, place + 1)
        right = left.twinx()
        for number, way in enumerate(dict.fromkeys(row["way"] for row in rows)):
            mine = [row for row in rows if row["way"] == way]
            across = [row[key] for row in mine]
            left.plot(across, [row["images_per_s"] for row in mine], "o-", color=f"C{number}", label=way)
            right.plot(across, [row["peak_mb"] for row in mine], "s--", color=f"C{number}", markersize=4)
        left.set(xscale="log", yscale="log", xlabel=names[key], ylabel="images per second")
        right.set(yscale="log", ylabel="peak memory of a process (MB)")
        if key != "images":
            left.set_xticks(sorted({row[key] for row in rows}), minor=False)
            left.xaxis.set_major_formatter(ScalarFormatter())
            left.xaxis.minorticks_off()
        alone = {name: {row[name] for row in rows} for name in names if name != key}
        still = ", ".join(f"{name} {min(values):,}" for name, values in alone.items() if len(values) == 1)
        left.set_title(still, fontsize=9)
        shown |= dict(zip(*left.get_legend_handles_labels()[::-1], strict=True))
    shown["speed"] = Line2D([], [], color="grey", marker="o")
    shown["memory"] = Line2D([], [], color="grey", linestyle="--", marker="s", markersize=4)
    figure.legend(shown.values(), shown.keys(), loc="outside lower center", ncols=len(shown))
    figure.savefig(path)


def main(words: Sequence[str]) -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks growth", description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--images", type=int, nargs="+", default=[10**3, 10**4, 10**5, 10**6], help="sizes of the set")
    parser.add_argument("--sides", type=int, nargs="+", default=[32, 64, 128, 256, 512], help="pixels")
    parser.add_argument("--processes", type=int, nargs="+", default=[1, 2])
    parser.add_argument("--still", type=int, default=2_000, help="images where another number grows")
    parser.add_argument("--way", nargs="+", choices=WAYS, default=list(WAYS), help="how sets are read")
    parser.add_argument("--batch", type=int, default=128, help="images of all processes together")
    parser.add_argument("--seconds", type=float, default=5, help="of measuring, for each point")
    parser.add_argument("--disk", type=float, default=8, help="GB that a set may take")
    parser.add_argument("--chart", type=Path, help="an .svg to draw")
    arguments = parser.parse_args(words)
    wanted = panels(arguments)
    points = [point for each in wanted.values() for point in each]
    rows = dict[Point, Row]()
    for point, row in rows_of(points, arguments):
        rows[point] = row
        print(json.dumps(row), flush=True)
    if arguments.chart:
        draw({key: [rows[point] for point in each if point in rows] for key, each in wanted.items()}, arguments.chart)


if __name__ == "__main__":
    main(sys.argv[1:])
