"""Who has fallen silent is named by the others, who end with a line."""

import subprocess
import sys

import pytest

# Two processes on one store: this one, and one whose beats are written by hand.
OTHER = """
import sys, time
import torch.distributed as dist
from sfumato.engine import watch

watch.BEAT, watch.SILENCE, watch.SURE = 0.02, 25, 5
store = dist.HashStore()
store.set("beat/1", "7|there|")
watching = watch.Watch(store, 0, 2)
"""


def end(then: str) -> "subprocess.CompletedProcess[str]":
    return subprocess.run([sys.executable, "-c", OTHER + then], capture_output=True, text=True, timeout=60, check=False)


@pytest.mark.parametrize(
    ("then", "said"),
    [
        ("time.sleep(30)", "process 1 on there has not answered for "),
        ("watching.lose()", "process 1 on there has not answered for "),
        ("store.set('beat/1', 'left|there|')\nwatching.lose()", "process 1 on there has ended"),
        ("store.set('beat/1', 'left|there|it failed: full')\nwatching.lose()", "it failed: full"),
    ],
)
def test_a_process_that_fell_is_named_and_this_one_ends(then: str, said: str) -> None:
    result = end(then)
    assert result.returncode == 75
    assert said in result.stderr
    assert result.stderr.count("\n") == 1, result.stderr


def test_one_that_beats_and_one_that_has_left_are_no_loss() -> None:
    beats = "for n in range(50):\n store.set('beat/1', f'{n}|there|')\n time.sleep(0.02)\n"
    leaves = "store.set('beat/1', 'left|there|')\ntime.sleep(1)\nwatching.leave()\nprint(store.get('beat/0'))"
    result = end(beats + leaves)
    assert result.returncode == 0, result.stderr
    assert result.stdout.startswith("b'left|")


def test_who_has_said_why_keeps_the_others_of_its_torchrun_quiet() -> None:
    result = end("store.add(watching.console, 1)\nwatching.lose()")
    assert (result.returncode, result.stderr) == (75, "")
