from .soak import soak


def test_stops_and_resumes_leave_memory_and_rows_as_they_should_be() -> None:
    _, faults = soak(long=False)
    assert not faults
