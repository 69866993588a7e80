"""What is computed once of a data set and kept."""

from math import isnan
from pathlib import Path

import pytest

from sfumato.metrics import kept as module
from sfumato.metrics.kept import Numbers, kept


@pytest.fixture
def calls(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> list[int]:
    monkeypatch.setenv("SFUMATO_CACHE", str(tmp_path / "cache"))
    return []


def test_numbers_are_computed_once_for_what_they_depend_on(calls: list[int], monkeypatch: pytest.MonkeyPatch) -> None:
    def compute() -> Numbers:
        calls.append(len(calls))
        return {"floor": {"fcd": float(len(calls))}}

    assert kept(compute, "drawn", (1, 28, 28)) == kept(compute, "drawn", (1, 28, 28)) == {"floor": {"fcd": 1.0}}
    assert kept(compute, "drawn", (1, 28, 29)) == {"floor": {"fcd": 2.0}}
    monkeypatch.setattr(module, "VERSION", module.VERSION + 1)
    assert kept(compute, "drawn", (1, 28, 28)) == {"floor": {"fcd": 3.0}}


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_what_could_not_be_had_is_kept_too(calls: list[int], value: float) -> None:
    def compute() -> Numbers:
        calls.append(0)
        return {"floor": {"fcd": value, "kernel": 1.0}}

    kept(compute, "x")
    again = kept(compute, "x")["floor"]
    assert isnan(again["fcd"])
    assert again["kernel"] == 1.0
    assert len(calls) == 1


@pytest.mark.parametrize("content", [b"", b"[]", b'{"floor": 1}', b'{"floor": {"fcd": "x"}}', b"\xff", b"{" * 5000])
def test_what_was_not_written_is_computed_anew(calls: list[int], tmp_path: Path, content: bytes) -> None:
    assert kept(lambda: {"a": {"b": 1.0}}, "x") == {"a": {"b": 1.0}}
    (file,) = (tmp_path / "cache" / "measures").iterdir()
    file.write_bytes(content)
    assert kept(lambda: {"a": {"b": 2.0}}, "x") == {"a": {"b": 2.0}}
    assert kept(lambda: {"a": {"b": 3.0}}, "x") == {"a": {"b": 2.0}}


def test_nothing_is_kept_where_nothing_can_be_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("SFUMATO_CACHE", str(tmp_path / "file"))
    assert kept(lambda: {"a": {"b": 1.0}}, "x") == {"a": {"b": 1.0}}
