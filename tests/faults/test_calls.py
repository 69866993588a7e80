"""Some of the calls that `python -m tests.faults --long calls` lets fail, one after the other."""

from .calls import calls


def test_after_a_call_that_fails_there_is_a_line_no_half_file_and_the_same_end() -> None:
    _, faults = calls(long=False)
    assert not faults
