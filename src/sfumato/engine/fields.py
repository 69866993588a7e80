"""The fields of a Config as data: what they are, between which numbers they may lie, and what they are for.

A Config is a flat, frozen, keyword-only dataclass. Its annotations say the type and, where there are any, the bounds;
its trailing comments are the help. The check, the command line and whatever else shows a form read them from here.
"""

import dataclasses
import inspect
import io
import math
import tokenize
import types
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from numbers import Integral, Real
from pathlib import Path
from typing import Annotated, Any, Literal, Union, get_args, get_origin, get_type_hints

from ..errors import SfumatoError
from ..strict import convert, short, shown

MAX_UNITS = 8192
MAX_ITEMS = 64  # numbers in a tuple
MAX_TEXT = 4096  # characters: the longest path
MAX_EXACT = 2**53  # up to which a whole number survives any reader of JSON


@dataclass(frozen=True)
class Bounds:
    """Between which numbers a field may lie, or each number of a tuple; `high` None: no end. `above`, `below`: the end
    itself is left out. `empty`: a tuple may hold nothing."""

    low: float
    high: float | None = None
    above: bool = False
    below: bool = False
    empty: bool = False

    def hold(self, value: float) -> bool:
        enough = value > self.low if self.above else value >= self.low
        return enough and (self.high is None or (value < self.high if self.below else value <= self.high))

    @property
    def rule(self) -> str:
        """What a value must do."""
        if self.high is None:
            if self.above:
                return f"must be more than {self.low:,}"
            return f"must be at least {self.low:,}" if self.low else "must not be negative"
        between = f"must lie between {self.low:,} and {self.high:,}"
        if self.above:
            return f"{between}, at neither" if self.below else f"{between}, above {self.low:,}"
        return f"{between}, below {self.high:,}" if self.below else between

    @property
    def hint(self) -> str:
        """The same for a help text, where it says something: that a number is not negative goes without saying."""
        if self.high is None:
            return f"at least {self.low:,}" if self.low > 1 else ""
        start = f"above {self.low:,}," if self.above else f"from {self.low:,}{',' if self.below else ''}"
        return f"{start} {'below' if self.below else 'to'} {self.high:,}"


Count = Annotated[int, Bounds(1)]
Natural = Annotated[int, Bounds(0)]
Units = Annotated[int, Bounds(1, MAX_UNITS)]
Layers = Annotated[tuple[int, ...], Bounds(1, MAX_UNITS)]
Positive = Annotated[float, Bounds(0, above=True)]
Amount = Annotated[float, Bounds(0)]
Share = Annotated[float, Bounds(0, 1)]
ShareBelow1 = Annotated[float, Bounds(0, 1, below=True)]
ShareAbove0 = Annotated[float, Bounds(0, 1, above=True)]
ShareInside = Annotated[float, Bounds(0, 1, above=True, below=True)]

KINDS = {int: "int", float: "float", bool: "bool", str: "text"}
OWED = {"int": "of type int", "float": "of type float", "bool": "of type bool", "text": "of type str"}


@dataclass(frozen=True)
class Field:
    """A field of a Config. `kind`: int, float, bool, text, choice; ints, floats, texts for a tuple of them; values for
    anything else. `text`: its help, a trailing comment in the source. `optional`: it may be None."""

    name: str
    kind: str
    choices: tuple[Any, ...]
    bounds: Bounds | None
    default: Any
    text: str
    optional: bool

    @property
    def owed(self) -> str:
        """What a value must be."""
        if self.kind == "choice":
            words = [str(choice) for choice in self.choices]
            return " or ".join(words) if len(words) == 2 else f"one of {', '.join(words)}"
        return OWED.get(self.kind) or f"a list of {self.kind}"


def fields_of(config: Any) -> list[Field]:
    """The fields of a Config, in order, with its values as defaults."""
    texts = help_texts(type(config))
    return [
        dataclasses.replace(field, default=getattr(config, name), text=texts[name])
        for name, field in _fields(type(config)).items()
    ]


@cache
def _fields(config_class: type[Any]) -> Mapping[str, Field]:
    """By name; without their texts, which are read from the source: a check must do without it."""
    kinds, bounds = get_type_hints(config_class), _bounds(config_class)
    found: dict[str, Field] = {}
    for field in dataclasses.fields(config_class):
        kind = kinds[field.name]
        parts = [part for part in get_args(kind) if part is not types.NoneType]
        if optional := get_origin(kind) in (Union, types.UnionType) and len(parts) == 1:  # X | None
            kind = parts[0]
        origin = get_origin(kind)
        choices = get_args(kind) if origin is Literal else ()
        word = "choice" if choices else f"{KINDS[get_args(kind)[0]]}s" if origin is tuple else KINDS.get(kind, "values")
        found[field.name] = Field(field.name, word, choices, bounds.get(field.name), field.default, "", optional)
    return found


def _bounds(config_class: type[Any]) -> dict[str, Bounds]:
    """By field. A class that declares a field anew, for another default, keeps the bounds of its base."""
    return {
        name: item
        for base in reversed(config_class.__mro__)
        for name, kind in inspect.get_annotations(base).items()
        if get_origin(kind) is Annotated
        for item in kind.__metadata__
        if isinstance(item, Bounds)
    }


def check(config: Any) -> None:
    """Raises SfumatoError, which names the field and its value, unless each value of `config` lies in its bounds, is
    one of its choices, finite, and a text a line."""
    for field in _fields(type(config)).values():
        if fault := _fault(field, getattr(config, field.name)):
            raise SfumatoError(fault)


def _fault(field: Field, value: Any) -> str:
    if value is None and field.optional:
        return ""
    where = f"{field.name} {shown(value)}: "
    if field.kind == "choice":
        return "" if value in field.choices else f"{where}must be {field.owed}"
    if not isinstance(value, tuple):
        fault = _fault_of_one(field.bounds, value)
        return where + fault if fault else ""
    if field.bounds is None:
        return ""
    if not value and not field.bounds.empty:
        return f"{where}must not be empty"
    if len(value) > MAX_ITEMS:
        return f"{where}must hold {MAX_ITEMS} at most, not {len(value):,}"
    faults = (_fault_of_one(field.bounds, item) for item in value)
    return next((f"{where}each {fault}" for fault in faults if fault), "")


def _fault_of_one(bounds: Bounds | None, value: Any) -> str:
    if isinstance(value, str):
        odd = len(value) > MAX_TEXT or any(letter < " " or "\ud800" <= letter <= "\udfff" for letter in value)
        return f"must be one line of text, of {MAX_TEXT:,} characters at most" if odd else ""
    if isinstance(value, float) and not math.isfinite(value):
        return "must be a finite number"
    if bounds and not bounds.hold(value):
        return bounds.rule
    endless = isinstance(value, int) and not (bounds and bounds.high)
    return f"must lie within ±{MAX_EXACT:,}" if endless and abs(value) > MAX_EXACT else ""


def build(config_class: type[Any], values: Mapping[str, Any], where: str, base: Any = None) -> Any:
    """A Config from `base` (by default the class's own defaults) with `values`, Python's or JSON's, on top.

    Raises SfumatoError, which begins with `where`, for unknown fields and for values that cannot be."""
    fields = _fields(config_class)
    if unknown := [short(name) for name in values if name not in fields]:
        raise SfumatoError(f"{where}: unknown fields: {short(', '.join(unknown))}; there are {', '.join(fields)}")
    kinds = get_type_hints(config_class)
    checked: dict[str, Any] = {}
    for name, value in values.items():
        try:
            checked[name] = convert(_plain(value), kinds[name], where)
        except SfumatoError:
            raise SfumatoError(f"{where}: {name} {shown(value)}: must be {fields[name].owed}") from None
    try:
        return dataclasses.replace(base if base is not None else config_class(), **checked)
    except SfumatoError as error:
        raise SfumatoError(f"{where}: {error}") from None


def _plain(value: Any) -> Any:
    """Numbers of numpy and the like, alone or in a list, as Python's own; a path as text."""
    if isinstance(value, list | tuple):
        return [_number(item) for item in value]
    return str(value) if isinstance(value, Path) else _number(value)


def _number(value: Any) -> Any:
    if isinstance(value, bool) or not isinstance(value, Real):
        return value
    return int(value) if isinstance(value, Integral) else float(value)


def from_json(config_class: type[Any], values: Mapping[str, Any], where: str) -> Any:
    """A Config from what `to_json` gave. Raises SfumatoError that names missing, unknown or wrong fields."""
    if missing := [name for name in _fields(config_class) if name not in values]:
        raise SfumatoError(f"{where}: missing fields: {', '.join(missing)}")
    return build(config_class, values, where)


def to_json(config: Any) -> dict[str, Any]:
    """The fields of a Config as JSON values."""
    return {
        field.name: list(value) if isinstance(value := getattr(config, field.name), tuple) else value
        for field in dataclasses.fields(config)
    }


def help_texts(config_class: type[Any]) -> dict[str, str]:
    """The trailing comment of each field, from the source of the class and its bases."""
    texts: dict[str, str] = {}
    for base in reversed(config_class.__mro__):
        if dataclasses.is_dataclass(base):
            texts |= _comments(base)
    return {field.name: texts.get(field.name, "") for field in dataclasses.fields(config_class)}


def _comments(config_class: type[Any]) -> dict[str, str]:
    texts: dict[str, str] = {}
    name = ""
    source = inspect.cleandoc("\n" + inspect.getsource(config_class))
    previous: tokenize.TokenInfo | None = None
    for token in tokenize.generate_tokens(io.StringIO(source).readline):
        if token.type == tokenize.OP and token.string == ":" and previous and previous.type == tokenize.NAME:
            name = previous.string if previous.start[1] == 4 else name
        if token.type == tokenize.COMMENT and name:
            texts[name] = token.string.removeprefix("#").strip()
        if token.type == tokenize.NEWLINE:
            name = ""
        previous = token
    return texts
