"""Reading JSON strictly: into dataclasses, or one short line."""

import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

import pytest

from sfumato.errors import SfumatoError
from sfumato.strict import DEEPEST, MAX_BYTES, convert, decode, read, short, shown


@dataclass(frozen=True)
class Inner:
    """What lies in lists."""

    name: str
    count: int = 0


@dataclass(frozen=True)
class Outer:
    """What a file holds."""

    items: tuple[Inner, ...]
    scale: float
    kind: Literal["a", "b"] = "a"
    by_name: dict[str, Inner] = field(default_factory=dict)
    loose: dict[str, Any] = field(default_factory=dict)


def test_what_is_written_is_read(tmp_path: Path) -> None:
    path = tmp_path / "file.json"
    values = {"items": [{"name": "x"}, {"name": "y", "count": 2}], "scale": 1, "by_name": {"z": {"name": "w"}}}
    path.write_text(json.dumps({**values, "loose": {"any": [None, {"thing": 1.5}]}}))
    found = read(path, Outer)
    assert found == Outer((Inner("x"), Inner("y", 2)), 1.0, "a", {"z": Inner("w")}, {"any": [None, {"thing": 1.5}]})
    assert type(found.scale) is float


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "f: not readable as JSON (input data was truncated)"),
        ("{", "f: not readable as JSON (input data was truncated)"),
        ("[]", "f: expected object, got array"),
        ("{}", "f: missing entries: items, scale"),
        ('{"items": [{"count": 1}], "scale": 1}', "f: missing entries: items.0.name"),
        ('{"items": [], "scale": 1, "a\\nb": 2, "c": 3}', "f: unknown entries: a?b, c"),
        ('{"items": [{"name": "x", "odd": 1}], "scale": 1}', "f: unknown entries: items.0.odd"),
        ('{"items": [], "scale": 1, "by_name": {"z": {"name": "w", "odd": 1}}}', "unknown entries: by_name.z.odd"),
        ('{"items": [{"name": 1}], "scale": 1}', "f: items[0].name: expected str, got int"),
        ('{"items": [], "scale": true}', "f: scale: expected float, got bool"),
        ('{"items": [], "scale": "1"}', "f: scale: expected float, got str"),
        ('{"items": [{"name": "x", "count": 1.5}], "scale": 1}', "f: items[0].count: expected int, got float"),
        ('{"items": [], "scale": 1, "kind": "c"}', "f: kind: invalid choice 'c'"),
        ('{"scale": NaN}', "f: not readable as JSON"),
        ('{"scale": 1e400}', "f: not readable as JSON"),
        ('{"scale": %s}' % ("9" * 5000), "f: not readable as JSON"),
        ('{"scale": "\\ud800"}', "f: not readable as JSON"),
        ("[" * 100_000, "f: not readable as JSON"),
        ("[" * 200 + "]" * 200, f"f: more than {DEEPEST} levels deep"),
    ],
)
def test_anything_else_gets_one_short_line(text: str, message: str) -> None:
    with pytest.raises(SfumatoError) as caught:
        decode(text, Outer, "f")
    said = str(caught.value)
    assert message in said
    assert said.isprintable()
    assert len(said) < 500


def test_bytes_that_are_no_text_are_refused() -> None:
    with pytest.raises(SfumatoError, match="f: not readable as JSON"):
        decode(b'{"scale": "\xff"}', Outer, "f")


def test_what_a_dataclass_says_of_itself_is_said_with_the_file() -> None:
    @dataclass(frozen=True)
    class Picky:
        size: int

        def __post_init__(self) -> None:
            raise SfumatoError(f"size {self.size}: must be another")

    with pytest.raises(SfumatoError, match=r"^f: size 3: must be another$"):
        convert({"size": 3}, Picky, "f")


def test_a_file_that_is_not_there_or_far_too_large_is_named(tmp_path: Path) -> None:
    with pytest.raises(SfumatoError, match=r"none\.json: cannot be read"):
        read(tmp_path / "none.json", Outer)
    path = tmp_path / "large.json"
    with path.open("wb") as file:
        file.truncate(MAX_BYTES + 1)
    with pytest.raises(SfumatoError, match=r"large\.json: larger than 64 MiB"):
        read(path, Outer)


def test_values_are_shown_short_and_on_one_line() -> None:
    assert short("a\nb\x00") == "a?b?"
    assert len(shown("x" * 1000)) == 80
    assert shown(10**5000) == "of type int"
    deep: list[Any] = []
    for _ in range(100_000):
        deep = [deep]
    assert shown(deep) == "of type list"
