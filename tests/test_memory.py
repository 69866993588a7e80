"""How much may be taken, and by whom at once."""

import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from sfumato import memory, threads
from sfumato.errors import SfumatoError
from sfumato.memory import exhausted, free, limit, refuse_bomb, taking


@pytest.mark.parametrize(
    ("said", "amount"), [("2G", 2**31), ("500 MB", 500 * 2**20), ("1.5GiB", 3 * 2**29), ("", None)]
)
def test_amounts(said: str, amount: int | None, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(memory.SETTING, said)
    assert limit() == amount


@pytest.mark.parametrize("said", ["much", "-1G", "2", "0G", "1e9", "nan"])
def test_what_is_no_amount_is_refused(said: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(memory.SETTING, said)
    with pytest.raises(SfumatoError, match="--memory"):
        limit()


def test_the_least_of_machine_and_control_groups_is_free(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "meminfo").write_text("MemTotal: 9000 kB\nMemAvailable: 8000 kB\n")
    (tmp_path / "own").write_text("0::/inner\n")
    (tmp_path / "inner").mkdir()
    monkeypatch.setattr(memory, "MEMINFO", tmp_path / "meminfo")
    monkeypatch.setattr(threads, "OWN_GROUP", tmp_path / "own")
    monkeypatch.setattr(threads, "CGROUPS", tmp_path)
    assert free() == 8000 * 1024
    for name, content in (("max", "5000"), ("current", "4000"), ("stat", "anon 1\ninactive_file 700\n")):
        (tmp_path / f"inner/memory.{name}").write_text(content)
    assert free() == 1700
    (tmp_path / "inner/memory.max").write_text("max")
    assert free() == 8000 * 1024


def test_giants_wait_for_one_another_and_small_ones_do_not(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(memory, "small", lambda: 10)
    inside, most = 0, 0

    def read(need: int) -> None:
        nonlocal inside, most
        with taking(need), taking(need):
            inside += 1
            most = max(most, inside)
            time.sleep(0.02)
            inside -= 1

    for need, expected in ((1000, 1), (10, 4)):
        most = 0
        workers = [threading.Thread(target=read, args=(need,)) for _ in range(4)]
        for worker in workers:
            worker.start()
        for worker in workers:
            worker.join()
        assert (most == 1) == (expected == 1)


def test_what_does_not_fit_is_refused_with_the_way_to_need_less() -> None:
    with pytest.raises(MemoryError, match="takes up to") as caught, taking(2**60):
        pass
    assert "--memory" in exhausted(caught.value)


def test_what_is_packed_as_emptiness_is_a_bomb() -> None:
    refuse_bomb(1, memory.PLAIN)
    refuse_bomb(2**20, memory.RATIO * 2**20)
    with pytest.raises(SfumatoError, match="a bomb: 1,000 bytes"):
        refuse_bomb(1000, memory.PLAIN + 1)


@pytest.mark.parametrize(
    "error",
    [MemoryError(), MemoryError("std::bad_alloc"),
     RuntimeError("[enforce fail] DefaultCPUAllocator: can't allocate memory: you tried to allocate 9 bytes.\nmore")],
)  # fmt: skip
def test_an_allocation_that_fails_is_one_line(error: Exception) -> None:
    assert exhausted(error).startswith(memory.OUT)
    assert "\n" not in exhausted(error)
    assert not exhausted(RuntimeError("shapes differ"))


@pytest.mark.skipif(sys.platform != "linux", reason="limits are those of Linux")
def test_a_command_that_runs_out_of_memory_says_so(tmp_path: Path) -> None:
    code = (
        "import sys, torch, resource; from sfumato import cli; import sfumato.data.sources as sources\n"
        "def grow(*_, **__): torch.empty(2**40).zero_()\n"
        "sources.open_data = grow; cli.main(['data', 'check', 'digits'])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.returncode == 2
    assert done.stderr.count("\n") == 1
    assert "--memory" in done.stderr
