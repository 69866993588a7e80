"""A few of the mutations for every reader; `python -m tests.faults --long mutations` tries two thousand for each."""

import json
from collections import deque
from collections.abc import Iterable, Iterator
from contextlib import suppress
from functools import partial
from itertools import repeat
from pathlib import Path
from typing import Any

import pytest

from sfumato.engine.fields import from_json, to_json
from sfumato.errors import SfumatoError
from sfumato.runs.catalog import CATALOG, Entry
from sfumato.strict import decode

from . import mutations
from .mutations import FRAGMENTS, QUICK, STEP, answer, in_a_process
from .processes import forked
from .readers import FAMILIES


@pytest.mark.parametrize("family", FAMILIES)
def test_a_damaged_file_gets_an_answer_or_one_line(family: str) -> None:
    told = in_a_process(family, 0, QUICK, step=STEP)
    assert told
    assert [fault for each in told for fault in each.faults] == []


def test_a_reader_that_hears_no_signal_is_ended(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(mutations, "HARD", 0.2)

    def hang(_: Path) -> None:
        deque(repeat(None), maxlen=0)

    assert forked(lambda: answer(hang, tmp_path), tmp_path / "said", 20) == 1
    assert "Timeout" in (tmp_path / "said").read_text("utf-8")


@pytest.mark.parametrize("entry", CATALOG.values(), ids=CATALOG)
def test_every_field_takes_every_value_or_says_one_line(entry: Entry) -> None:
    base = to_json(next(iter(entry.presets.values())))

    def there_and_back(_: Path, changed: dict[str, Any]) -> None:
        json.dumps(to_json(from_json(entry.config_class, changed, "here")))

    for name in base:
        for value in _read(fragment for fragment in FRAGMENTS if len(fragment) < 10_000):
            task = partial(there_and_back, changed={**base, name: value})
            assert not answer(task, Path("here")), (name, value)


def _read(fragments: Iterable[str]) -> Iterator[Any]:
    """Those that are JSON."""
    for fragment in fragments:
        with suppress(SfumatoError):
            yield decode(fragment, object, "here")
