"""`python -m benchmarks whole --data FOLDER`: whole processes, from start to result, ours beside textbook scripts.

A training step says what a loop takes; people wait for a process: its imports, its data, its measures and its page.

    study       `sfumato study handwriting --scale quick`, the README's main job
    stacked     `sfumato train stacked` on an epoch of MNIST
    digits      `sfumato train stacked --images 1000`, on the embedded digits
    start       the same until its first step is done, beside `python -c "import torch"`
    share       `sfumato train gan` on 20,000 images of MNIST: what stands beside the training itself
    autoencoder, gan, dcgan, adain, adain_small, unet
                `sfumato train` beside a script of `benchmarks/scripts` with the same data, widths, batches and number
                of images. Ours measures and writes its page as usual; the script draws a grid per epoch and measures
                nothing. `adain` is at VGG-19's widths, on random weights on both sides (`adain:port`, hours);
                `adain_small` at those of our encoder; `unet` is `unet:camvid` on the plain backbone, untrained

Each in two states: quiet, and contended, with a neighbour that keeps one core busy. Children run one at a time, each in
an empty folder; ours and the textbook's alternate. Seconds are those of the wall; `training_s` is what the run itself
counts as training, `beside_s` the rest, medians both. Pictures are unpacked beforehand, which is not counted. FOLDER
holds mnist/, faces_lfw_64.zip, camvid_360x270.zip, photos_content.zip and paintings_style.zip; cases whose set is
missing are skipped. All cores and threads are used that the environment leaves.
"""

import argparse
import gzip
import json
import math
import os
import shutil
import signal
import statistics
import subprocess
import sys
import tempfile
import threading
import time
import zipfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, nullcontext, suppress
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path, PurePosixPath

import torch
from safetensors.torch import save_file

import sfumato
from sfumato.engine.runtime import choose, hardware
from sfumato.nets.encoders import build_encoder

from .first_step import TOLD
from .style import tame

ROOT = Path(__file__).parent.parent
SCRIPTS = Path(__file__).parent / "scripts"
STATES = ("quiet", "contended")
OURS, TEXTBOOK, IMPORT = "sfumato", "textbook", "import torch"
PLAIN = {"ATEN_CPU_CAPABILITY": "avx2", "ONEDNN_MAX_CPU_ISA": "AVX2", "MKL_ENABLE_INSTRUCTIONS": "AVX2"}
NEIGHBOUR = """
import os
parent = os.getppid()
while os.getppid() == parent:  # so that it ends even if its parent is killed
    for _ in range(10**6):
        pass
"""
WAITING = ("OMP_WAIT_POLICY", "GOMP_SPINCOUNT")  # which `import sfumato` has set here
TENTH = 10  # of the pictures of a tree are tested on
LEAST_TEST = 50  # test images that are kept of a set that is cut
Row = dict[str, object]


class Missing(Exception):
    """A data set is not there."""


class Sets:
    """The data sets of `source` as folders below `place`, with a `train` half of `images` pictures or of all."""

    def __init__(self, source: Path | None, place: Path, images: int | None) -> None:
        self.source, self.place, self.images = source, place, images

    def there(self, name: str) -> Path:
        if self.source is None:
            raise Missing("needs --data FOLDER")
        path = self.source / name
        if not path.exists():
            raise Missing(f"{path} is not there")
        return path.resolve()

    def kept(self, train: Sequence[str], test: Sequence[str]) -> tuple[Sequence[str], Sequence[str]]:
        if self.images is None:
            return train, test
        return train[: self.images], test[: max(self.images // TENTH, LEAST_TEST)]

    @cached_property
    def mnist(self) -> tuple[Path, int]:
        """A folder of four IDX files, packed, and how many images are trained on."""
        folder = self.there("mnist")
        with gzip.open(folder / "train-labels-idx1-ubyte.gz") as labels:
            count = int.from_bytes(labels.read(8)[4:], "big")
        if self.images is None:
            return folder, count
        cut = self.place / "mnist"
        cut.mkdir()
        for half, count in (("train", self.images), ("t10k", max(self.images // TENTH, LEAST_TEST))):
            for kind, header, size in (("images-idx3", 16, 28 * 28), ("labels-idx1", 8, 1)):
                name = f"{half}-{kind}-ubyte.gz"
                with gzip.open(folder / name) as whole, gzip.open(cut / name, "wb") as part:
                    head, values = whole.read(header), whole.read(count * size)
                    part.write(head[:4] + (len(values) // size).to_bytes(4, "big") + head[8:] + values)
        return cut, min(self.images, count)

    @cached_property
    def faces(self) -> tuple[Path, int]:
        return self.tree("faces_lfw_64.zip")

    @cached_property
    def contents(self) -> tuple[Path, int]:
        return self.tree("photos_content.zip")

    @cached_property
    def styles(self) -> tuple[Path, int]:
        return self.tree("paintings_style.zip")

    def tree(self, archive: str) -> tuple[Path, int]:
        """Pictures of one class below `train` and `test`, and how many are trained on."""
        folder = self.place / PurePosixPath(archive).stem
        with zipfile.ZipFile(self.there(archive)) as packed:
            names = sorted(name for name in packed.namelist() if name.endswith((".jpg", ".png")))
            test = names[::TENTH]
            halves = self.kept(sorted(set(names) - set(test)), test)
            for half, chosen in zip(("train", "test"), halves, strict=True):
                for name in chosen:
                    extract(packed, name, folder / half / "all" / name.replace("/", "-"))
        return folder, len(halves[0])

    @cached_property
    def streets(self) -> tuple[Path, int]:
        """`train` and `test`, each with masks beside it, and how many are trained on."""
        folder = self.place / "streets"
        with zipfile.ZipFile(self.there("camvid_360x270.zip")) as packed:
            names = sorted(name for name in packed.namelist() if name.endswith(".jpg"))
            halves = self.kept(*([name for name in names if name.startswith(f"{half}/")] for half in ("train", "test")))
            for name in (*halves[0], *halves[1]):
                half, _, picture = name.partition("/")
                mask = f"{half}annot/{PurePosixPath(picture).stem}.png"
                extract(packed, name, folder / name)
                extract(packed, mask, folder / mask)
        return folder, len(halves[0])

    @cached_property
    def vgg19(self) -> Path:
        """Random weights of VGG-19 that keep its activations near 1."""
        torch.manual_seed(0)
        encoder, file = build_encoder("vgg19"), self.place / "vgg19.safetensors"
        tame(encoder)
        save_file(encoder.state_dict(), file)
        return file


def extract(packed: zipfile.ZipFile, name: str, path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    with packed.open(name) as content, path.open("wb") as file:
        shutil.copyfileobj(content, file)


@dataclass(frozen=True)
class Case:
    """A command for each side, to be run in an empty folder; ours comes first."""

    name: str
    commands: dict[str, list[str]]


def alone(name: str, *words: str) -> list[Case]:
    return [Case(name, {OURS: [sys.executable, "-m", "sfumato", *words]})]


def study(_: Sets, __: Sequence[int]) -> list[Case]:
    return alone("study", "study", "handwriting", "--scale", "quick", "--out", "study")


def stacked(sets: Sets, _: Sequence[int]) -> list[Case]:
    folder, count = sets.mnist
    return alone("stacked", *training("stacked", count, folder))


def digits(_: Sets, __: Sequence[int]) -> list[Case]:
    return alone("digits", *training("stacked", 1_000))


def start(_: Sets, __: Sequence[int]) -> list[Case]:
    ours = [sys.executable, "-m", "benchmarks.first_step", *training("stacked", 1_000)]
    return [Case("start", {OURS: ours, IMPORT: [sys.executable, "-c", "import torch"]})]


def share(sets: Sets, _: Sequence[int]) -> list[Case]:
    folder, count = sets.mnist
    return alone("share", *training("gan", min(20_000, count), folder))


def autoencoder(sets: Sets, epochs: Sequence[int]) -> list[Case]:
    folder, count = sets.mnist
    return pairs("autoencoder", epochs, count, "stacked", [folder], [folder])


def gan(sets: Sets, epochs: Sequence[int]) -> list[Case]:
    folder, count = sets.mnist
    return pairs("gan", epochs, count, "gan", [folder], [folder])


def dcgan(sets: Sets, epochs: Sequence[int]) -> list[Case]:
    folder, count = sets.faces
    return pairs("dcgan", epochs, count, "dcgan", [folder], [folder / "train"])


def adain(sets: Sets, epochs: Sequence[int]) -> list[Case]:
    (contents, count), (styles, _) = sets.contents, sets.styles
    return pairs(
        "adain", epochs, count, "adain:port", [contents, styles], [contents / "train", styles / "train"],
        ["--weights-file", str(sets.vgg19)],
    )  # fmt: skip


def adain_small(sets: Sets, epochs: Sequence[int]) -> list[Case]:
    (contents, count), (styles, _) = sets.contents, sets.styles
    return pairs(
        "adain_small", epochs, count, "adain", [contents, styles], [contents / "train", styles / "train"],
        theirs=["--encoder", "small", "--resolution", "256", "--crop", "128", "--flip", "--learning-rate", "1e-3"],
    )  # fmt: skip


def unet(sets: Sets, epochs: Sequence[int]) -> list[Case]:
    folder, count = sets.streets
    return pairs(
        "unet", epochs, count, "unet:camvid", [folder], [folder], ["--backbone", "plain", "--no-pretrained"]
    )  # fmt: skip


def training(system: str, images: int, *folders: Path) -> list[str]:
    data = ["--data", *map(str, folders)] if folders else []
    return ["train", system, *data, "--images", str(images), "--run", "run"]


def pairs(
    name: str, epochs: Sequence[int], count: int, system: str, folders: Sequence[Path], their_folders: Sequence[Path],
    ours: Sequence[str] = (), theirs: Sequence[str] = (),
) -> list[Case]:  # fmt: skip
    """For each number of epochs of `count` images, `sfumato train` beside the script called as the case, or as its
    first word."""
    script = str(SCRIPTS / f"{name.partition('_')[0]}.py")
    data = ["--data", *map(str, their_folders)]
    return [
        Case(
            f"{name}, {number} epoch{'s' if number > 1 else ''}",
            {
                OURS: [sys.executable, "-m", "sfumato", *training(system, number * count, *folders), *ours],
                TEXTBOOK: [sys.executable, script, *data, "--epochs", str(number), "--out", "model.pt", *theirs],
            },
        )
        for number in epochs
    ]


CASES: dict[str, Callable[[Sets, Sequence[int]], list[Case]]] = {
    case.__name__: case
    for case in (study, stacked, digits, start, share, autoencoder, gan, dcgan, adain, adain_small, unet)
}


@dataclass(frozen=True)
class Finished:
    """What became of a child: its seconds, infinite where it was stopped at the limit; those of training, where it
    made a run; and the last thing that it said where it failed."""

    seconds: float = math.nan
    training: float | None = None
    fault: str = ""


def timed(command: Sequence[str], environment: dict[str, str], limit: float) -> Finished:
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place)
        said, stopped = folder / "said", threading.Event()
        with said.open("wb") as errors:
            began = time.time()
            child = subprocess.Popen(
                command, cwd=folder, env=environment, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
                stderr=errors, start_new_session=True,
            )  # fmt: skip

            def stop() -> None:
                stopped.set()
                end(child)

            # `wait` with a timeout would look every 50 ms.
            alarm = threading.Timer(limit, stop)
            alarm.daemon = True
            alarm.start()
            try:
                child.wait()
                ended = time.time()
            finally:
                alarm.cancel()
                end(child)
        if stopped.is_set():
            return Finished(math.inf)
        if child.returncode:
            lines = said.read_text("utf-8", "replace").strip().splitlines()
            return Finished(fault=(lines or [f"exit code {child.returncode}"])[-1])
        if (told := folder / TOLD).exists():
            ended = float(told.read_text("utf-8"))
        rows = folder / "run" / "metrics.jsonl"
        trained = json.loads(rows.read_text("utf-8").splitlines()[-1])["seconds"] if rows.exists() else None
        return Finished(ended - began, trained)


def end(child: subprocess.Popen[bytes]) -> None:
    """Ends a child with all that it has started."""
    if child.poll() is None:
        with suppress(ProcessLookupError):
            os.killpg(child.pid, signal.SIGKILL)
        child.wait()


@contextmanager
def contended() -> Iterator[None]:
    """With a neighbour that keeps one core busy."""
    neighbour = subprocess.Popen([sys.executable, "-c", NEIGHBOUR])
    try:
        yield
    finally:
        neighbour.kill()
        neighbour.wait()


def compare(case: Case, state: str, rounds: int, environment: dict[str, str], limit: float) -> list[Row]:
    """A row for each side, and one for both. A side that was above the limit, or failed, is not started again."""
    found: dict[str, list[Finished]] = {side: [] for side in case.commands}
    for number in range(1, rounds + 1):
        for side, command in case.commands.items():
            if found[side] and not math.isfinite(found[side][-1].seconds):
                continue
            finished = timed(command, environment, limit)
            found[side].append(finished)
            took = finished.fault or shown(finished.seconds, limit)
            print(f"{case.name}, {state}, {side}, {number} of {rounds}: {took}", file=sys.stderr, flush=True)
    rows = [summary(case.name, state, side, several, limit) for side, several in found.items()]
    if len(found) == 2 and not any("failed" in row for row in rows) and (both := ratios(found, limit)):
        rows.append({"name": case.name, "state": state, "side": " / ".join(reversed(found)), **both})
    return rows


def summary(name: str, state: str, side: str, finished: Sequence[Finished], limit: float) -> Row:
    row: Row = {"name": name, "state": state, "side": side, "rounds": len(finished)}
    if finished[-1].fault:
        return {**row, "failed": finished[-1].fault}
    seconds = [child.seconds for child in finished]
    row |= {"minimum_s": rounded(min(seconds), limit), "median_s": rounded(middle(seconds), limit)}
    parts = [(child.training, child.seconds - child.training) for child in finished if child.training is not None]
    if parts:
        training, beside = map(statistics.median, zip(*parts, strict=True))
        row |= {"training_s": round(training, 2), "beside_s": round(beside, 2)}
    return row


def ratios(found: dict[str, list[Finished]], limit: float) -> Row:
    """How many times as long the second side takes as the first; nothing where the first was above the limit."""
    row: Row = {}
    for name, of in (("ratio_of_minima", min), ("ratio", middle)):
        ours, theirs = (of([child.seconds for child in side]) for side in found.values())
        if math.isfinite(ours):
            row[name] = round(theirs / ours, 2) if math.isfinite(theirs) else f"more than {limit / ours:.2f}"
    return row


def middle(seconds: Sequence[float]) -> float:
    """The median; above the limit if any child was, which ended the rounds."""
    return statistics.median(seconds) if all(map(math.isfinite, seconds)) else math.inf


def rounded(seconds: float, limit: float) -> float | str:
    return round(seconds, 2) if math.isfinite(seconds) else shown(seconds, limit)


def shown(seconds: float, limit: float) -> str:
    return f"{seconds:.2f} s" if math.isfinite(seconds) else f"more than {limit:g} s"


def table(rows: Sequence[Row]) -> str:
    """Rows under the names of all that any of them has."""
    names = list(dict.fromkeys(name for row in rows for name in row))
    cells = [names, *([str(row.get(name, "")) for name in names] for row in rows)]
    wide = [max(map(len, column)) for column in zip(*cells, strict=True)]
    return "\n".join("  ".join(map(str.ljust, line, wide)).rstrip() for line in cells)


def surroundings(plain: bool) -> dict[str, str]:
    """The environment of children, who must find the package under test and `first_step`; how their threads wait is
    theirs to settle."""
    package = Path(sfumato.__file__).parent.parent
    paths = [str(package), str(ROOT), *filter(None, [os.environ.get("PYTHONPATH")])]
    own = {name: value for name, value in os.environ.items() if name not in WAITING}
    return {**own, "PYTHONPATH": os.pathsep.join(paths), **(PLAIN if plain else {})}


def precise(case: Case) -> Case:
    """The same with our side in fp32."""
    return Case(case.name, {**case.commands, OURS: [*case.commands[OURS], "--precision", "fp32"]})


def measure(options: argparse.Namespace, place: Path) -> list[Row]:
    sets, environment, cases = Sets(options.data, place, options.images), surroundings(options.plain), []
    for name in options.cases:
        try:
            made = CASES[name](sets, options.epochs)
        except Missing as missing:
            print(f"{name}: skipped: {missing}", file=sys.stderr, flush=True)
            continue
        cases += map(precise, made) if options.plain else made
    rows = []
    for state in STATES if options.state == "both" else (options.state,):
        with contended() if state == "contended" else nullcontext():
            for case in cases:
                rows += compare(case, state, options.rounds, environment, options.limit)
    return rows


def main(arguments: Sequence[str]) -> None:
    text = __doc__ or ""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks whole", description=text, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--data", type=Path, metavar="FOLDER", help="where the data sets lie")
    parser.add_argument("--cases", nargs="+", choices=CASES, default=list(CASES), metavar="NAME", help="all by default")
    parser.add_argument("--epochs", type=int, nargs="+", default=[2, 10], help="of ours and the scripts; 2 and 10")
    parser.add_argument("--rounds", type=int, default=5, help="children of each side")
    parser.add_argument("--state", choices=(*STATES, "both"), default="both")
    parser.add_argument("--images", type=int, help="train on so many images of each set, for a quick try")
    parser.add_argument("--limit", type=float, default=1800, help="seconds that a child may take")
    parser.add_argument("--plain", action="store_true", help="compute as a machine without AVX512, ours in fp32")
    parser.add_argument("--json", action="store_true", help="print JSON for programs")
    options = parser.parse_args(arguments)
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # through every `finally`: no child outlives us
    with tempfile.TemporaryDirectory() as place:
        rows = measure(options, Path(place))
    runtime = choose("cpu", "fp32" if options.plain else "auto").describe()
    if options.json:
        head = {"hardware": hardware(), "runtime": runtime, "plain": options.plain, "images": options.images}
        print(json.dumps({**head, "limit_s": options.limit, "rows": rows}, indent=1))
    else:
        print(runtime)
        print(table(rows))
    sys.exit(any("failed" in row for row in rows))
