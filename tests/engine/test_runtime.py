"""Processes that work together: how they meet, and how they part."""

from concurrent.futures import ThreadPoolExecutor

import pytest
import torch.distributed as dist

from sfumato.engine.runtime import _met, together
from sfumato.errors import SfumatoError


def test_processes_that_are_started_again_meet_apart_from_what_dead_ones_left() -> None:
    store = dist.HashStore()
    for left in ("of the dead", "of the dead as well"):
        store.set("sfumato/1", left)
        with ThreadPoolExecutor(2) as processes:
            one, other = processes.map(lambda process: _met(store, process, 2), range(2))
        assert not one.check(["address"])
        one.set("address", left)
        assert other.get("address") == left.encode()


def test_only_the_end_of_another_process_is_told_as_such() -> None:
    with pytest.raises(SfumatoError, match="runs/first: another process has ended"), together("runs/first"):
        raise RuntimeError("[../third_party/gloo/gloo/transport/tcp/pair.cc:538] Connection closed by peer [::1]:4242")
    with pytest.raises(SfumatoError, match="runs/first: another process has ended"), together("runs/first"):
        raise dist.DistStoreError("wait timeout after 1000ms")
    with pytest.raises(RuntimeError, match="mat1 and mat2 shapes"), together("runs/first"):
        raise RuntimeError("mat1 and mat2 shapes cannot be multiplied")
