"""The one reader of JSON files: into frozen dataclasses, by their types, or one line that names the file and the field.

msgspec decodes: it refuses NaN, numbers that no float holds, lone surrogates and deep nesting, and says where. Names
that a dataclass does not have it would pass over, and of missing ones it names the first: those are compared here.
"""

import dataclasses
import json
import types
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any, TypeVar, Union, get_args, get_origin, get_type_hints

import msgspec

from .errors import SfumatoError
from .files import opened

MAX_BYTES = 64 * 2**20  # of a file; the largest that is written here has a few
MAX_VALUES = 2_000_000  # in a file; each takes some hundred bytes
DEEPEST = 32  # levels of lists and objects in one another; what is written here has a few
SHOWN = 80  # characters of a value, or a name, in a message
T = TypeVar("T")


def read(path: Path, kind: type[T]) -> T:
    """The content of `path` as a `kind`. Raises SfumatoError in one line if it is none."""
    return decode(content_of(path), kind, str(path))


def content_of(path: Path, limit: int = MAX_BYTES) -> bytes:
    """The bytes of a JSON file. Raises SfumatoError if it cannot be read, or is too large to be one of ours."""
    try:
        with opened(path) as file:
            content = file.read(limit + 1)
    except OSError as error:
        raise SfumatoError(f"{path}: cannot be read ({error.strerror})") from None
    if len(content) > limit:
        raise SfumatoError(f"{path}: larger than {limit // 2**20} MiB: not a file of ours")
    return content


def decode(content: bytes | str, kind: type[T], where: str) -> T:
    """JSON as a `kind`; `where` begins the message of the SfumatoError that is raised if it is none."""
    return convert(_decoded(content, where), kind, where)


def convert(values: Any, kind: type[T], where: str) -> T:
    """Plain JSON values as a `kind`, in the same way."""
    missing, unknown = [], []
    for name, there in _strays(values, kind, ""):
        (unknown if there else missing).append(name)
    for word, names in (("missing", missing), ("unknown", unknown)):
        if names:
            raise SfumatoError(f"{where}: {word} entries: {short(', '.join(map(short, names[:SHOWN])), 4 * SHOWN)}")
    try:
        return msgspec.convert(values, type=kind, strict=True)
    except msgspec.ValidationError as error:
        raise SfumatoError(f"{where}: {short(_plain(str(error)), 4 * SHOWN)}") from None
    except SfumatoError as error:  # a dataclass that checks its own values
        raise SfumatoError(f"{where}: {error}") from None
    except (ValueError, RecursionError, OverflowError) as error:
        raise SfumatoError(f"{where}: not what it must be ({short(str(error))})") from None


def foreign(content: str, where: str) -> Any:
    """JSON that others wrote, as plain values: as strict about its form, but NaN and Infinity are numbers in it."""
    return _decoded(content, where, json.loads)


def _decoded(content: bytes | str, where: str, load: Callable[[Any], Any] = msgspec.json.decode) -> Any:
    values = content.count(",") if isinstance(content, str) else content.count(b",")
    if load is msgspec.json.decode and values > MAX_VALUES:
        raise SfumatoError(f"{where}: over {MAX_VALUES:,} values: not a file of ours")
    try:
        values = load(content)
    except (msgspec.DecodeError, ValueError, RecursionError) as error:
        raise SfumatoError(f"{where}: not readable as JSON ({short(_plain(str(error)))})") from None
    if not _shallow(values):
        raise SfumatoError(f"{where}: more than {DEEPEST} levels deep: not a file of ours")
    return values


def _shallow(values: Any) -> bool:
    """Whether no value lies deeper than `DEEPEST`: what walks along them later must not run out of its stack."""
    level = [values] if isinstance(values, dict | list) else []
    for _ in range(DEEPEST):
        inner = (item.values() if isinstance(item, dict) else item for item in level)
        level = [item for container in inner for item in container if isinstance(item, dict | list)]
        if not level:
            return True
    return False


def _strays(values: Any, kind: Any, path: str) -> Iterator[tuple[str, bool]]:
    """The paths of entries that no dataclass in `kind` has, True, and of those that one lacks, False."""
    if dataclasses.is_dataclass(kind) and isinstance(values, Mapping):
        kinds = get_type_hints(kind)
        fields = {field.name: field for field in dataclasses.fields(kind)}
        for name, field in fields.items():
            if name in values:
                yield from _strays(values[name], kinds[name], f"{path}{name}.")
            elif field.default is field.default_factory is dataclasses.MISSING:
                yield f"{path}{name}", False
        yield from ((f"{path}{name}", True) for name in values if name not in fields)
        return
    arguments, origin = get_args(kind), get_origin(kind)
    if origin in (Union, types.UnionType):
        for option in arguments:
            if dataclasses.is_dataclass(option):
                yield from _strays(values, option, path)
    elif origin in (tuple, list) and isinstance(values, list) and arguments and not _plain_kind(arguments[0]):
        for number, value in enumerate(values):
            yield from _strays(value, arguments[0], f"{path}{number}.")
    elif origin is dict and isinstance(values, Mapping):
        for name, value in values.items():
            yield from _strays(value, arguments[1], f"{path}{name}.")


def _plain_kind(kind: Any) -> bool:
    """Whether a value of it holds no dataclass: a list may have a million of them."""
    return not dataclasses.is_dataclass(kind) and all(map(_plain_kind, get_args(kind)))


def _plain(message: str) -> str:
    """msgspec's words with its path in ours: `config.hidden[1]: expected int, got str`."""
    text, _, path = message.partition(" - at `$")
    text = text.replace("`", "").replace("enum value", "choice")
    place = path.rstrip("`").lstrip(".")
    text = text[:1].lower() + text[1:] if text[1:2].islower() else text
    return f"{place}: {text}" if place else text


def shown(value: Any) -> str:
    """A value in a message."""
    try:
        return short(repr(value))
    except (ValueError, RecursionError):  # a number of thousands of digits; lists in lists in lists
        return f"of type {type(value).__name__}"


def short(text: str, limit: int = SHOWN) -> str:
    """One printable line of `limit` characters at most."""
    line = "".join(letter if letter.isprintable() else "?" for letter in text)
    return line if len(line) <= limit else f"{line[: limit - 1]}…"
