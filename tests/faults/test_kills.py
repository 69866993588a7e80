"""A few of the ends that `python -m tests.faults --long kills power` makes by the thousand."""

from .kills import kills, power


def test_killed_runs_end_bitwise_as_those_left_in_peace() -> None:
    _, faults = kills(long=False)
    assert not faults


def test_runs_that_lose_power_end_bitwise_as_those_left_in_peace() -> None:
    _, faults = power(long=False)
    assert not faults
