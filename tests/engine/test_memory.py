import subprocess
import sys

import pytest

from sfumato.engine.memory import glibc

PROGRAM = """
import resource, sys, torch
from sfumato.engine.memory import keep_freed_memory
if sys.argv[1] == "kept":
    keep_freed_memory()
def faults():
    before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
    for _ in range(5):
        torch.ones(16 << 20)
    return resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before
print([faults() for _ in range(5)][-1])
"""


@pytest.mark.skipif(glibc() is None, reason="the C library is not glibc")
def test_kept_blocks_are_used_again_without_new_pages() -> None:
    def faults(how: str) -> int:
        return int(subprocess.run([sys.executable, "-c", PROGRAM, how], capture_output=True, check=True).stdout)

    assert faults("kept") * 10 < faults("given back")
