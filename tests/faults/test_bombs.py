"""Some of the bombs that `python -m tests.faults --long bombs` makes."""

import sys

import pytest

from .bombs import bombs


@pytest.mark.skipif(sys.platform != "linux", reason="the peak is read from /proc")
def test_bombs_take_neither_time_nor_memory() -> None:
    _, faults = bombs(long=False)
    assert not faults
