"""Files that are damaged, hostile, or no files: every reader answers, or says one line, in 2 s and 500 MB.

Each mutation is made from its number alone: the first put something else in the place of the file, the others damage
its content. The readers of a family share a process, whose memory is measured for each of them. A case that once failed
is kept in `corpus/`.
"""

import faulthandler
import json
import os
import random
import resource
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import traceback
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass, field
from functools import partial
from pathlib import Path
from typing import Any, Literal

from sfumato.errors import SfumatoError
from sfumato.memory import exhausted

ROOT, CORPUS = Path(__file__).parents[2], Path(__file__).parent / "corpus"
QUICK, FULL = 16, 2000
STEP = 4  # in the suite each reader takes one in so many, beginning at another
SECONDS, MEGABYTES, PATIENCE = 2.0, 500, 30  # of the processor; beyond what is whole; seconds until it hangs
HARD = 2 * PATIENCE  # seconds after which its process is ended: in C code it hears no signal
LIVES = 5  # of the process of a family
SLACK = 3 * 2**30  # bytes that a reader may ask for before it is stopped
RAW = "\u241f"  # stands for a fragment that json would not write
FRAGMENTS = (
    "null", "true", "[]", "{}", "0", "-1", "1.5", '""', '"x"', "[1]", '[null, "x", 1]', "8192", "2048", "1e30", "-0.0",
    "2147483648", "9223372036854775808", "-9223372036854775809", "18446744073709551616", "9" * 5000, "-" + "9" * 400,
    "1e400", "-1e400", "1e-400", "1e308", "NaN", "Infinity", "-Infinity",
    '"\\ud800"', '"\\u0000\\n\\u001b[31m"', '"\ud7ff\u202e"',
    '"' + "x" * 100_000 + '"', '"../../etc/passwd"', '"/"', "[" * 100_000, "[" * 100_000 + "]" * 100_000,
    "[" * 500 + "]" * 500, '{"a":' * 100_000, "[" + "0," * 10**6 + "0]", "[" + '"x",' * 10**6 + '"x"]', "0x10", "01",
    '"\\x"', "tru",
)  # fmt: skip
NAMES = ("", "x", "x" * 100_000, "a\nb", "\x00", "\u202e", "format", "config", "__class__", "../x")
WORDS = (
    b"", b"-1", b"0", b"255", b"256", b"65536", b"2147483648", b"99999999999", b"9" * 400, b"9" * 5000, b"1e400",
    b"-1e400", b"1e308", b"1e-400", b"nan", b"inf", b"0x10", b"0.5.5", b"\x00", b"\x1b[31m", b"\xff", b"\xed\xa0\x80",
    b"x" * 100_000, b"../../etc/passwd", b"/", b'"', b"'", b"<a>" * 2000, b"[" * 2000, b"{a: " * 2000, b"- " * 2000,
    b"&a [*a]", b"!!python/object:os.system", b"<!DOCTYPE a>", b"\\", b"#", b",", b";", b"\n", b" " * 1000,
)  # fmt: skip
EXTREMES = (b"\x00" * 4, b"\xff" * 4, b"\x7f\xff\xff\xff", b"\xff\xff\xff\x7f", b"\x80\x00\x00\x00",
            b"\x00\x00\x00\x80", b"\x00\x01\x00\x00", b"\xff" * 8, b"\x7f" + b"\xff" * 7)  # fmt: skip
Kind = Literal["bytes", "text", "json", "lines"]
Way = Callable[[bytes, random.Random], bytes]


class Halt(Exception):
    """A reader came as far as it is followed."""


class Hung(BaseException):
    """A reader waits for what never comes."""


@dataclass(frozen=True)
class Reader:
    """`lay` makes a folder with what it needs, whole, the same for the same number, and gives back the file to damage;
    each of `reads` is called with such a folder. `kind`: what the file holds. `every`: it is slow, and
    takes one mutation in so many."""

    name: str
    kind: Kind
    lay: Callable[[Path, int], Path]
    reads: Sequence[Callable[[Path], object]]
    every: int = 1


@dataclass
class Told:
    """How a reader did. `slowest` in seconds of the processor; `peak` in MB beyond what is whole."""

    name: str
    tried: int = 0
    slowest: float = 0.0
    peak: float = 0.0
    faults: list[str] = field(default_factory=list)


def _flipped(content: bytes, pick: random.Random) -> bytes:
    damaged = bytearray(content)
    for _ in range(pick.choice((1, 1, 2, 8, 64))):
        damaged[pick.randrange(len(damaged))] ^= 1 << pick.randrange(8)
    return bytes(damaged)


def _cut(content: bytes, pick: random.Random) -> bytes:
    return content[: pick.choice((0, 1, pick.randrange(len(content)), pick.randrange(len(content))))]


def _without_a_stretch(content: bytes, pick: random.Random) -> bytes:
    start = pick.randrange(len(content))
    return content[:start] + content[start + pick.randrange(1, 40) :]


def _doubled(content: bytes, pick: random.Random) -> bytes:
    start, end = sorted(pick.randrange(len(content)) for _ in range(2))
    return content[:end] + content[start:]


def _swapped(content: bytes, pick: random.Random) -> bytes:
    first, second, third = sorted(pick.randrange(len(content)) for _ in range(3))
    return content[:first] + content[second:third] + content[first:second] + content[third:]


def _extreme(content: bytes, pick: random.Random) -> bytes:
    """Most numbers that say how much there is stand near the beginning."""
    start = pick.randrange(min(len(content), pick.choice((64, 512, len(content)))))
    number = pick.choice(EXTREMES)
    return content[:start] + number + content[start + len(number) :]


def _not_text(content: bytes, pick: random.Random) -> bytes:
    start = pick.randrange(len(content))
    return content[:start] + pick.choice((b"\xff\xfe", b"\xed\xa0\x80", b"\x00", b"\xc3")) + content[start:]


def _rewritten(content: bytes, pick: random.Random) -> bytes:
    """As other editors would have saved it, or nearly."""
    mark = pick.choice((b"\xef\xbb\xbf", b"\xff\xfe", b"\xfe\xff", b""))
    end = pick.choice((b"\r\n", b"\r", b"\n\n", b"\x0b", b"\xe2\x80\xa8"))
    return mark + content.replace(b"\n", end) if mark or end else content


def _another_word(content: bytes, pick: random.Random) -> bytes:
    start = pick.randrange(len(content))
    start = max(content.rfind(mark, 0, start) + 1 for mark in (b" ", b"\n", b",", b'"', b">", b":"))
    end = min(place for mark in b' \n,"<:' if (place := content.find(mark, start)) >= 0 or (place := len(content)))
    return content[:start] + pick.choice(WORDS) + content[end:]


def _repeated(content: bytes, pick: random.Random) -> bytes:
    lines = content.splitlines(keepends=True)
    return b"".join([*lines, lines[pick.randrange(len(lines))] * pick.choice((1, 1000, 20_000 // len(lines)))])


def _another_line(content: bytes, pick: random.Random) -> bytes:
    lines = content.splitlines(keepends=True)
    place = pick.randrange(len(lines))
    lines[place] = pick.choice((_flipped, _cut, *JSON))(lines[place].strip(), pick) + b"\n"
    return b"".join(lines)


def _places(values: Any) -> Iterator[tuple[Any, Any]]:
    """Each container in `values` with each of its keys."""
    for key in values if isinstance(values, dict) else range(len(values)):
        yield values, key
        if isinstance(values[key], dict | list):
            yield from _places(values[key])


def _changed(content: bytes, pick: random.Random, change: Callable[[Any, Any], str]) -> bytes:
    """After `change` of a container and its key, which may put RAW for the fragment that it returns."""
    values = json.loads(content)
    fragment = change(*pick.choice(list(_places(values))))
    text = json.dumps(values, ensure_ascii=False)
    return text.replace(f'"{RAW}"', fragment).encode("utf-8", "surrogatepass")


def _another_value(content: bytes, pick: random.Random) -> bytes:
    def change(values: Any, key: Any) -> str:
        values[key] = RAW
        return pick.choice(FRAGMENTS)

    return _changed(content, pick, change)


def _without_a_key(content: bytes, pick: random.Random) -> bytes:
    def change(values: Any, key: Any) -> str:
        del values[key]
        return ""

    return _changed(content, pick, change)


def _twice_a_key(content: bytes, pick: random.Random) -> bytes:
    def change(values: Any, key: Any) -> str:
        value, values[key] = values[key], RAW
        again = f', "{key}": {pick.choice(FRAGMENTS)}' if isinstance(values, dict) else ""
        return json.dumps(value) + again

    return _changed(content, pick, change)


def _renamed(content: bytes, pick: random.Random) -> bytes:
    def change(values: Any, key: Any) -> str:
        if isinstance(values, dict):
            values[pick.choice(NAMES)] = values.pop(key)
        return ""

    return _changed(content, pick, change)


BYTES: tuple[Way, ...] = (_flipped, _cut, _without_a_stretch, _doubled)
TEXT: tuple[Way, ...] = (*BYTES, _not_text, _rewritten)
JSON: tuple[Way, ...] = (_another_value, _another_value, _another_value, _without_a_key, _twice_a_key, _renamed)
WAYS: dict[Kind, tuple[Way, ...]] = {
    "bytes": (*BYTES, _swapped, _extreme, _extreme, _extreme),
    "text": (*TEXT, _another_word, _another_word, _another_word, _another_word, _repeated),
    "json": (*TEXT, *JSON),
    "lines": (*TEXT, _another_line, _another_line, _another_line, _another_line, _repeated),
}


def mutated(content: bytes, number: int, kind: Kind) -> bytes:
    """`content`, damaged in the `number`-th way."""
    pick = random.Random(number)
    return pick.choice(WAYS[kind])(content, pick)


def _linked(target: str, file: Path) -> None:
    file.symlink_to(target)


# What stands in the place of a file. Nobody writes to the pipe, and /dev/zero has no end.
INSTEAD: tuple[Callable[[Path], object], ...] = (
    lambda _: None, Path.touch, Path.mkdir, os.mkfifo, lambda file: file.symlink_to(file),
    partial(_linked, "/dev/zero"), partial(_linked, "."), lambda file: file.write_bytes(bytes(4096)),
    lambda file: file.write_bytes(b"\n" * 4096),
    lambda file: shutil.copy(sys.executable, file),
)  # fmt: skip


def damage(file: Path, number: int, kind: Kind) -> None:
    content = file.read_bytes()
    if number < len(INSTEAD):
        file.unlink()
        INSTEAD[number](file)
    else:
        file.write_bytes(mutated(content, number, kind))


def examined(reader: Reader, numbers: Sequence[int], room: Path) -> Told:
    """How `reader` does with the mutations of these numbers, and with the cases that it once failed."""
    told = Told(reader.name)
    for read in reader.reads:  # once as it is, for what is kept
        reader.lay(folder := room / "whole", len(INSTEAD))
        if fault := answer(read, folder):
            told.faults.append(f"{reader.name}, whole: {fault}")
        shutil.rmtree(folder)
    before = forget_peak()
    kept = sorted((CORPUS / _plain(reader.name)).glob("*"))
    for case in [*kept, *numbers]:
        number = int(case.name.partition(".")[0]) if isinstance(case, Path) else case
        for read in reader.reads:
            folder = room / str(number)
            file = reader.lay(folder, number)
            damage(file, number, reader.kind) if case == number else shutil.copy(case, file)
            content = file.read_bytes() if number >= len(INSTEAD) else b""
            began = time.process_time()
            fault = answer(read, folder)
            seconds = time.process_time() - began
            told.slowest = max(told.slowest, seconds)
            if not fault and seconds > SECONDS:
                fault = f"takes {seconds:.1f} s"
            if fault:
                told.faults.append(f"{reader.name} {number}, {_called(read)}: {fault}")
                keep_case(reader.name, number, content)
            shutil.rmtree(folder)
        if (much := peak() - before) > MEGABYTES:
            told.faults.append(f"{reader.name} {number}: {much:.0f} MB more than for what is whole")
            keep_case(reader.name, number, content)
            told.peak = max(told.peak, much)
            before = forget_peak()
    told.tried, told.peak = len(numbers), max(told.peak, peak() - before)
    return told


def keep_case(name: str, number: int, content: bytes) -> None:
    """Where SFUMATO_CORPUS names a folder, to be looked at, and perhaps kept."""
    if (place := os.environ.get("SFUMATO_CORPUS")) and content:
        folder = Path(place) / _plain(name)
        folder.mkdir(parents=True, exist_ok=True)
        (folder / f"{number}").write_bytes(content)


def _called(read: Any) -> str:
    return _called(read.func) if isinstance(read, partial) else read.__name__


def _plain(name: str) -> str:
    return name.replace("/", "-").replace(" ", "-")


def answer(read: Callable[[Path], object], folder: Path) -> str:
    """Nothing, if `read` answers or says one line; else what it does."""

    def hang(*_: object) -> None:
        raise Hung

    signal.signal(signal.SIGALRM, hang)
    signal.alarm(PATIENCE)
    faulthandler.dump_traceback_later(HARD, exit=True)
    try:
        read(folder)
    except Halt:
        return ""
    except SfumatoError as error:
        said = str(error).replace(str(folder), "")
        return "" if said.isprintable() and 0 < len(said) < 1000 else f"says {said[:300]!r}"
    except Hung:
        return f"hangs for {PATIENCE} s"
    except BaseException as error:
        if exhausted(error):  # what a command says then is a line
            return ""
        at = traceback.extract_tb(error.__traceback__)
        at = [frame for frame in at if "sfumato" in frame.filename] or at
        return f"raises {type(error).__name__}: {str(error)[:100]!r} at {at[-1].filename}:{at[-1].lineno}"
    finally:
        signal.alarm(0)
        faulthandler.cancel_dump_traceback_later()
    return ""


def peak() -> float:
    """The most memory that this process had since `forget_peak`, in MB; where that is not known, ever."""
    with suppress(OSError):
        for line in Path("/proc/self/status").read_text("utf-8").splitlines():
            if line.startswith("VmHWM"):
                return int(line.split()[1]) / 2**10
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / (2**20 if sys.platform == "darwin" else 2**10)


def forget_peak() -> float:
    """Lets `peak` begin anew, and returns it."""
    with suppress(OSError):
        Path("/proc/self/clear_refs").write_text("5")
    return peak()


def in_a_process(family: str, first: int, last: int, only: str = "", step: int = 1) -> list[Told]:
    """How the readers of `family` whose names begin with `only` do with these mutations: each with all of them, or with
    one in `step`, beginning at another. The next process goes on behind a reader that ended the one before."""
    code, told = "from tests.faults.mutations import main; main()", list[Told]()
    for _ in range(LIVES):
        command = [sys.executable, "-c", code, family, str(first), str(last), only, str(step), str(len(told))]
        answer = subprocess.run(command, capture_output=True, text=True, cwd=ROOT, check=False)
        told += [Told(**json.loads(line)) for line in answer.stdout.splitlines()]
        if not answer.returncode:
            break
        told.append(Told(family, faults=[f"{family}: ends with {answer.returncode}: {answer.stderr[-2000:]}"]))
    return told


def mutations(long: bool) -> tuple[str, list[str]]:
    """Every reader with all of its mutations, or with a few."""
    from .readers import FAMILIES

    told = [each for family in FAMILIES for each in in_a_process(family, 0, FULL if long else QUICK)]
    table = [f"{each.name}: {each.tried}, {each.slowest:.2f} s, {each.peak:.0f} MB" for each in told]
    return f"{len(told)} readers ({'; '.join(table)})", [fault for each in told for fault in each.faults]


def main() -> None:
    from .readers import FAMILIES

    family, first, last, only, step, done = sys.argv[1:]
    with tempfile.TemporaryDirectory() as room:
        os.environ["SFUMATO_CACHE"] = f"{room}/cache"
        readers = [reader for reader in FAMILIES[family](Path(room)) if reader.name.startswith(only)]
        with suppress(OSError, ValueError):
            size = int(Path("/proc/self/statm").read_text("utf-8").split()[0]) * resource.getpagesize()
            resource.setrlimit(resource.RLIMIT_AS, (size + SLACK, size + SLACK))
        words, sys.stdout = sys.stdout, sys.stderr
        for place, reader in list(enumerate(readers))[int(done) :]:
            numbers = range(int(first) + place % int(step), int(last), int(step) * reader.every)
            told = examined(reader, numbers, Path(room))
            print(json.dumps(asdict(told)), file=words, flush=True)
