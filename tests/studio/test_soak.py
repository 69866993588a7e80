"""A studio that is used leaves nothing over. For long: `python -m tests.studio.soak`."""

import pytest

from .soak import soak


@pytest.mark.slow
def test_nothing_is_left_over() -> None:
    said, faults = soak(1.0)
    assert not faults, said
