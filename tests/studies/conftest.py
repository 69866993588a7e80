"""Telling a study again without measuring anything."""

from collections.abc import Callable
from typing import Any, NoReturn

import pytest
import torch
from torch import nn

from sfumato.data.dataset import InMemory, Split
from sfumato.reports.language import Speaker
from sfumato.studies.registry import STUDIES
from sfumato.studies.study import StudyReport


def first_of(split: Split, count: int) -> Split:
    """The first pictures of a split, in memory, with their labels."""
    labels = None if split.labels is None else split.labels[:count]
    return Split(InMemory(split.pictures.take(torch.arange(count))), labels)


@pytest.fixture
def tell_again(monkeypatch: pytest.MonkeyPatch) -> Callable[[str], list[str]]:
    """Tells what the last run of a study has measured once more, in Chinese, while no network works; gives the English
    names of its rows."""
    kept: dict[str, Any] = {}

    def keep(name: str) -> None:
        measures = STUDIES[name].part("measures")
        measure = measures.measure
        monkeypatch.setattr(measures, "measure", lambda lab: kept.setdefault(name, measure(lab)))

    def refuse(*_: Any, **__: Any) -> NoReturn:
        raise AssertionError("a section lets a network work")

    def tell(name: str) -> list[str]:
        say = Speaker("zh")
        report = StudyReport(STUDIES[name].title, say)
        with monkeypatch.context() as patch:
            patch.setattr(nn.Module, "__call__", refuse)
            for section in STUDIES[name].part("sections").SECTIONS:
                section(report, say, kept[name])
        return [row.name.en for row in report.rows]

    for name in STUDIES:
        keep(name)
    return tell
