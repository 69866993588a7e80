"""One of several processes is lost: the others say which, and end."""

import sys
from pathlib import Path

import pytest

from .nodes import lose

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")


def test_a_killed_process_is_named_in_one_line(tmp_path: Path) -> None:
    assert lose(1, "killed", tmp_path).said < 20


@pytest.mark.slow
@pytest.mark.parametrize(("nodes", "case"), [(1, "frozen"), (1, "store"), (2, "killed"), (2, "frozen"), (2, "store")])
def test_a_lost_process_ends_all_within_a_minute(nodes: int, case: str, tmp_path: Path) -> None:
    lose(nodes, case, tmp_path)
