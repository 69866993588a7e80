"""Threads: how many cores there are to use, and how OpenMP waits."""

import os
import sys
from pathlib import Path

import pytest

from sfumato import threads


@pytest.fixture
def eight(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A process bound to eight cores, in control groups that a test writes."""
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: set(range(8)), raising=False)
    monkeypatch.setattr(threads, "CGROUPS", tmp_path / "groups")
    monkeypatch.setattr(threads, "OWN_GROUP", tmp_path / "own")
    return tmp_path


def write(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)


@pytest.mark.parametrize(
    ("own", "quotas", "cores"),
    [
        ("", {}, 8),
        ("0::/a/b\n", {}, 8),
        ("0::/a/b\n", {"a/b/cpu.max": "max 100000\n"}, 8),
        ("0::/a/b\n", {"a/b/cpu.max": "250000 100000\n"}, 2),
        ("0::/a/b\n", {"a/b/cpu.max": "max 100000\n", "a/cpu.max": "300000 100000\n"}, 3),
        ("0::/\n", {"cpu.max": "50000 100000\n"}, 1),
        ("0::/not/here\n", {"cpu.max": "400000 100000\n"}, 4),
        ("0::/a\n", {"a/cpu.max": "what is this"}, 8),
        ("0::/a\n", {"a/cpu.max": "100000 0\n"}, 8),
        (
            "4:memory:/m\n3:cpu,cpuacct:/c\n",
            {"cpu/c/cpu.cfs_quota_us": "200000", "cpu/c/cpu.cfs_period_us": "100000"},
            2,
        ),
        ("3:cpu:/c\n", {"cpu/c/cpu.cfs_quota_us": "-1\n", "cpu/c/cpu.cfs_period_us": "100000\n"}, 8),
        ("0::/\n", {"cpu.max": "1600000 100000\n"}, 8),
        ("nonsense", {"cpu.max": "100000 100000"}, 8),
    ],
)
def test_cores_are_those_that_are_granted(eight: Path, own: str, quotas: dict[str, str], cores: int) -> None:
    write(eight / "own", own)
    for name, text in quotas.items():
        write(eight / "groups" / name, text)
    assert threads.usable_cores() == cores


def test_without_affinity_or_groups_all_cores_count(eight: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delattr(os, "sched_getaffinity")
    monkeypatch.setattr(os, "cpu_count", lambda: 6)
    assert threads.usable_cores() == 6


def test_waiting_is_settled_before_torch_loads_and_not_after(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "environ", {})
    threads.settle()
    assert threads.wait_actively(), "torch is loaded here"
    monkeypatch.delitem(sys.modules, "torch")
    threads.settle()
    assert not threads.wait_actively()
    monkeypatch.setattr(os, "environ", {"OMP_WAIT_POLICY": "active"})
    threads.settle()
    assert os.environ == {"OMP_WAIT_POLICY": "active"}


@pytest.mark.parametrize(
    ("load", "spins"),
    [("0.1 0.2 0.3 1/90 7", True), ("9.0 8.0 7.0 1/90 7", True), ("0.1 0.2 0.3 2/90 7", False), ("", False)],
)
def test_threads_spin_for_a_moment_where_nothing_else_runs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, load: str, spins: bool
) -> None:
    (tmp_path / "load").write_text(load)
    monkeypatch.setattr(threads, "LOAD", tmp_path / "load")
    monkeypatch.setattr(os, "environ", {})
    monkeypatch.delitem(sys.modules, "torch")
    threads.settle()
    assert os.environ == {"OMP_WAIT_POLICY": "PASSIVE", **({"GOMP_SPINCOUNT": "1000"} if spins else {})}


def test_it_is_said_where_it_matters(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(threads, "usable_cores", lambda: 2)
    monkeypatch.setenv("OMP_WAIT_POLICY", "active")
    monkeypatch.setattr(os, "getloadavg", lambda: (1.5, 1.0, 1.0), raising=False)
    assert "OMP_WAIT_POLICY=PASSIVE" in threads.warning()
    monkeypatch.setattr(os, "getloadavg", lambda: (0.1, 1.0, 1.0))
    assert threads.warning() == ""
    monkeypatch.setattr(os, "getloadavg", lambda: (1.5, 1.0, 1.0))
    monkeypatch.setenv("OMP_WAIT_POLICY", "passive")
    assert threads.warning() == ""
