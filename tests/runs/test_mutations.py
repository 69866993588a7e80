"""Damaged and hostile config.json and state.json: `open`, `resume` and `evaluate` answer, or say one line.

Each mutation is made from its number alone. They run in a process of their own, whose memory is measured.
"""

import json
import random
import resource
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from sfumato.engine.fields import from_json, to_json
from sfumato.errors import SfumatoError
from sfumato.runs.catalog import CATALOG, Entry
from sfumato.strict import decode

OLD = Path(__file__).parent / "old"
FAMILIES = ("autoencoders", "gans", "recognition")
QUICK, FULL = 60, 2000
SECONDS, MEGABYTES = 2.0, 500
RAW = "\u241f"  # stands for a fragment that json would not write
FRAGMENTS = (
    "null", "true", "[]", "{}", "0", "-1", "1.5", '""', '"x"', "[1]", '[null, "x", 1]', "8192", "2048", "1e30", "-0.0",
    "2147483648", "9223372036854775808", "-9223372036854775809", "18446744073709551616", "9" * 5000, "-" + "9" * 400,
    "1e400", "-1e400", "1e-400", "NaN", "Infinity", "-Infinity",
    '"\\ud800"', '"\\u0000\\n\\u001b[31m"', '"\ud7ff\u202e"',
    '"' + "x" * 100_000 + '"', '"../../etc/passwd"', '"/"', "[" * 100_000, "[" * 100_000 + "]" * 100_000,
    "[" * 500 + "]" * 500, '{"a":' * 100_000, "[" + "0," * 10**6 + "0]", "[" + '"x",' * 10**6 + '"x"]', "0x10", "01",
    '"\\x"', "tru",
)  # fmt: skip
NAMES = ("", "x", "x" * 100_000, "a\nb", "\x00", "\u202e", "format", "config", "__class__", "../x")


class Halt(Exception):
    """A resumed run came as far as its first step."""


def mutated(content: bytes, number: int) -> bytes:
    """`content`, damaged in the `number`-th way."""
    pick = random.Random(number)
    ways: list[Callable[[bytes, random.Random], bytes]] = [
        _flipped, _cut, _without_a_stretch, _doubled, _not_text, _another_value, _another_value, _another_value,
        _without_a_key, _twice_a_key, _renamed,
    ]  # fmt: skip
    return pick.choice(ways)(content, pick)


def _flipped(content: bytes, pick: random.Random) -> bytes:
    damaged = bytearray(content)
    for _ in range(pick.choice((1, 1, 2, 8))):
        damaged[pick.randrange(len(damaged))] ^= 1 << pick.randrange(8)
    return bytes(damaged)


def _cut(content: bytes, pick: random.Random) -> bytes:
    return content[: pick.choice((0, 1, pick.randrange(len(content))))]


def _without_a_stretch(content: bytes, pick: random.Random) -> bytes:
    start = pick.randrange(len(content))
    return content[:start] + content[start + pick.randrange(1, 40) :]


def _doubled(content: bytes, pick: random.Random) -> bytes:
    start, end = sorted(pick.randrange(len(content)) for _ in range(2))
    return content[:end] + content[start:]


def _not_text(content: bytes, pick: random.Random) -> bytes:
    start = pick.randrange(len(content))
    return content[:start] + pick.choice((b"\xff\xfe", b"\xed\xa0\x80", b"\x00", b"\xc3")) + content[start:]


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


def faults(file: str, numbers: range) -> Iterator[str]:
    """What goes wrong with a run whose `file` is damaged in each of these ways: nothing, if all is well."""
    import sfumato
    from sfumato.autoencoders.autoencoder import Autoencoder
    from sfumato.gans.game import Adversarial
    from sfumato.recognition.unet import UNet

    def halt(*_: Any) -> Any:
        raise Halt

    for kind in (Autoencoder, Adversarial, UNet):
        kind.step = halt

    def evaluate(run: Path) -> None:
        sfumato.open(run, "cpu").evaluate()

    def resume(run: Path) -> None:
        sfumato.resume(run, evaluate=False)

    with tempfile.TemporaryDirectory() as room:
        before = None
        for number in numbers:
            family = FAMILIES[number % len(FAMILIES)]
            tasks = [sfumato.open, resume, *([evaluate] if family == "autoencoders" else [])]
            if before is None:
                for task in tasks:  # once as it is, for what is kept
                    with_answer(task, shutil.copytree(OLD / family, Path(room) / f"whole-{task.__name__}"))
                before = peak()
            damaged = mutated((OLD / family / file).read_bytes(), number)
            for task in tasks:
                run = shutil.copytree(OLD / family, Path(room) / f"{number}-{task.__name__}")
                (run / file).write_bytes(damaged)
                started = time.process_time()
                said = with_answer(task, run)
                if said or time.process_time() - started > SECONDS:
                    seconds = time.process_time() - started
                    yield f"{file} {number} of {family}, {task.__name__}: {said or f'{seconds:.1f} s'}"
                shutil.rmtree(run)
        if peak() - (before or 0) > MEGABYTES:
            yield f"{file}: {peak() - (before or 0):.0f} MB more than for what is whole"


def with_answer(task: Callable[[Path], Any], run: Path) -> str:
    """Nothing, if `task` answers or says one line; else what it does."""
    try:
        task(run)
    except Halt:
        return ""
    except SfumatoError as error:
        said = str(error).removeprefix(str(run))
        return "" if said.isprintable() and 0 < len(said) < 1000 else f"says {said[:2000]!r}"
    except BaseException as error:
        return f"raises {type(error).__name__}: {str(error)[:300]!r}"
    return ""


def peak() -> float:
    """The most memory that this process ever had, in MB."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / (2**20 if sys.platform == "darwin" else 2**10)


def in_a_process(first: int, last: int) -> None:
    code = (
        "import sys; from tests.runs.test_mutations import faults; "
        "numbers = range(int(sys.argv[1]), int(sys.argv[2])); "
        "print(*faults('config.json', numbers), *faults('state.json', numbers), sep='\\n', end='')"
    )
    command = [sys.executable, "-c", code, str(first), str(last)]
    root = Path(__file__).parents[2]
    answer = subprocess.run(command, capture_output=True, text=True, cwd=root, check=False, timeout=900)
    assert answer.returncode == 0, answer.stderr[-3000:]
    assert answer.stdout == ""


@pytest.mark.parametrize("entry", CATALOG.values(), ids=CATALOG)
def test_every_field_takes_every_value_or_says_one_line(entry: Entry) -> None:
    base = to_json(next(iter(entry.presets.values())))

    def there_and_back(_: Path, changed: dict[str, Any]) -> None:
        json.dumps(to_json(from_json(entry.config_class, changed, "here")))

    for name in base:
        for value in _read(fragment for fragment in FRAGMENTS if len(fragment) < 10_000):
            task = partial(there_and_back, changed={**base, name: value})
            assert not with_answer(task, Path()), (name, value)


def _read(fragments: Iterable[str]) -> Iterator[Any]:
    """Those that are JSON."""
    for fragment in fragments:
        with suppress(SfumatoError):
            yield decode(fragment, Any, "here")


def test_a_damaged_file_gets_an_answer_or_one_line() -> None:
    in_a_process(0, QUICK)


@pytest.mark.slow
def test_two_thousand_damaged_files_get_an_answer_or_one_line() -> None:
    in_a_process(QUICK, QUICK + FULL)
