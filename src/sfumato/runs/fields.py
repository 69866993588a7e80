"""A Config's fields as other places need them: help texts, and JSON values checked against their types."""

import dataclasses
import inspect
import io
import tokenize
import types
from typing import Any, Literal, Union, get_args, get_origin, get_type_hints

from ..errors import SfumatoError


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


def to_json(config: Any) -> dict[str, Any]:
    """The fields of a Config as JSON values."""
    return {
        field.name: list(value) if isinstance(value := getattr(config, field.name), tuple) else value
        for field in dataclasses.fields(config)
    }


def from_json(config_class: type[Any], values: dict[str, Any], where: str) -> Any:
    """A Config from JSON values; raises SfumatoError that names missing, unknown or wrongly typed fields."""
    names = [field.name for field in dataclasses.fields(config_class)]
    if missing := [name for name in names if name not in values]:
        raise SfumatoError(f"{where}: missing fields: {', '.join(missing)}")
    if unknown := [name for name in values if name not in names]:
        raise SfumatoError(f"{where}: unknown fields: {', '.join(unknown)}")
    return build(config_class, values, where)


def build(config_class: type[Any], values: dict[str, Any], where: str, base: Any = None) -> Any:
    """A Config from `base` (by default the class's own defaults) with `values` on top, each checked by its type."""
    hints = get_type_hints(config_class)
    types_of = {field.name: hints[field.name] for field in dataclasses.fields(config_class)}
    if unknown := [name for name in values if name not in types_of]:
        raise SfumatoError(f"{where}: unknown fields: {', '.join(unknown)}; there are {', '.join(types_of)}")
    checked = {name: _checked(value, types_of[name], f"{where}: {name}") for name, value in values.items()}
    return dataclasses.replace(base if base is not None else config_class(), **checked)


def _checked(value: Any, kind: Any, where: str) -> Any:
    origin = get_origin(kind)
    if origin is Literal:
        if value in get_args(kind):
            return value
        raise SfumatoError(f"{where} {value!r}: must be one of {', '.join(map(str, get_args(kind)))}")
    if origin is tuple:
        if isinstance(value, list | tuple):
            return tuple(_checked(item, get_args(kind)[0], where) for item in value)
        raise SfumatoError(f"{where} {value!r}: must be a list")
    if origin in (Union, types.UnionType):
        return None if value is None else _checked(value, get_args(kind)[0], where)
    if kind is float and isinstance(value, int) and not isinstance(value, bool):
        return float(value)
    if isinstance(value, kind) and not (kind is int and isinstance(value, bool)):
        return value
    raise SfumatoError(f"{where} {value!r}: must be of type {kind.__name__}")
