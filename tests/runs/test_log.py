"""Means of scalars that not every step has, and what a checkpoint keeps of them."""

from typing import Any

import pytest
import torch

from sfumato.engine.loop import Tick
from sfumato.errors import SfumatoError
from sfumato.runs.log import LogState, Meter
from sfumato.strict import convert


def ticks() -> list[Tick]:
    """Ten steps of unequal size; every fourth has a penalty."""
    generator = torch.Generator().manual_seed(0)
    values = torch.rand(10, 2, generator=generator)
    lazy = [{"penalty": row[1]} if step % 4 == 0 else {} for step, row in enumerate(values)]
    return [
        Tick({"loss": row[0], **more}, 0, 3 + step) for step, (row, more) in enumerate(zip(values, lazy, strict=True))
    ]


def test_means_are_over_the_steps_that_have_the_scalar() -> None:
    meter, steps = Meter(), ticks()
    for tick in steps:
        meter.add(tick)
    for name, value in meter.read().items():
        having = [tick for tick in steps if name in tick.scalars]
        expected = sum(float(tick.scalars[name]) * tick.drawn for tick in having) / sum(tick.drawn for tick in having)
        assert value == pytest.approx(expected)
    assert not meter.read()


def test_a_meter_goes_on_where_it_was_saved() -> None:
    whole, part = Meter(), Meter()
    for step, tick in enumerate(ticks()):
        whole.add(tick)
        part.add(tick)
        if step in (0, 1, 5):
            part = Meter(convert({"meter": part.state(), "seconds": 1.0}, LogState, "log").meter)
    assert part.read() == whole.read()


def test_the_one_count_of_older_runs_is_that_of_each_scalar() -> None:
    kept = convert({"meter": {"sums": {"loss": 6.0, "accuracy": 3.0}, "count": 12}, "seconds": 2}, LogState, "log")
    assert Meter(kept.meter).read() == {"loss": 0.5, "accuracy": 0.25}
    assert not Meter(convert({"meter": {"sums": {}, "count": 0}, "seconds": 2}, LogState, "log").meter).read()


@pytest.mark.parametrize(
    ("meter", "word"),
    [
        ({"sums": {"loss": 1.0}, "counts": {}}, "must have a count"),
        ({"sums": {"loss": 1.0}, "counts": {"loss": 0}}, "must have a count"),
        ({"sums": {"loss": 1.0}, "count": 0}, "must have a count"),
        ({"sums": {"loss": 1.0}, "count": -1}, "expected int >= 0"),
        ({"sums": {"loss": "x"}, "count": 1}, "expected float, got str"),
        ({"sums": [], "count": 1}, "meter.sums: expected object"),
        ({"sums": {}, "count": 1, "more": 1}, "meter.more"),
        (1, "meter: expected object"),
    ],
)
def test_a_hostile_meter_is_named(meter: Any, word: str) -> None:
    with pytest.raises(SfumatoError, match=word):
        convert({"meter": meter, "seconds": 0.0}, LogState, "state.json: log")
