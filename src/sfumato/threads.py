"""How many threads compute, and how they wait. Imports no torch: OpenMP reads its settings once, when torch loads.

Threads that wait for work spin by default: one that spins beside another busy process takes the core from the very
thread that it waits for, and a training takes twice the time. Threads that never spin must be woken for each small
product, which on some machines halves the speed of small networks where nothing else runs. So they spin for some
microseconds and then wait passively; if something else runs when this process starts, they do not spin at all.
"""

import os
import sys
import time
from contextlib import suppress
from pathlib import Path

CGROUPS = Path("/sys/fs/cgroup")
OWN_GROUP = Path("/proc/self/cgroup")
LOAD = Path("/proc/loadavg")  # ..., threads that run or could run / all threads, ...
LOOKS, PAUSE = 8, 0.001  # seconds
SPINS = "1000"  # looks before a thread sleeps (GNU's OpenMP): about ten microseconds


def settle() -> None:
    """Lets OpenMP wait passively, here and in children, unless the environment says otherwise. After torch has loaded
    it is too late: then nothing is done."""
    if "torch" in sys.modules or "OMP_WAIT_POLICY" in os.environ:
        return
    os.environ["OMP_WAIT_POLICY"] = "PASSIVE"
    if not others_run():
        os.environ.setdefault("GOMP_SPINCOUNT", SPINS)


def others_run() -> bool:
    """Whether the system has another thread to run, each time that it is asked; where it cannot be, it may have."""
    with suppress(OSError, ValueError, IndexError):
        for _ in range(LOOKS):
            if int(LOAD.read_text("utf-8").split()[3].split("/")[0]) <= 1:  # this one
                return False
            time.sleep(PAUSE)
    return True


def wait_actively() -> bool:
    """Whether OpenMP's threads spin while they wait."""
    return os.environ.get("OMP_WAIT_POLICY", "").upper() != "PASSIVE"


def warning() -> str:
    """What to say where threads spin beside other work, and it is too late to change that; nothing elsewhere."""
    busy = getattr(os, "getloadavg", lambda: (0.0,))()[0] >= 1
    if not (wait_actively() and busy and usable_cores() > 1):
        return ""
    return (
        "other work keeps this machine busy, and OpenMP's threads spin while they wait: import sfumato before torch, "
        "or set OMP_WAIT_POLICY=PASSIVE, and training may be twice as fast"
    )


def usable_cores() -> int:
    """The cores that this process may use: those that it is bound to, and no more than its control groups' quota."""
    affinity = getattr(os, "sched_getaffinity", None)
    bound = len(affinity(0)) if affinity else os.cpu_count() or 1
    return max(1, min(bound, int(_quota())))


def _quota() -> float:
    """Cores' worth of time that the control groups of this process grant it, of all of them the least."""
    granted = [
        _granted(folder, "cpu.max", None) if unified else _granted(folder, "cpu.cfs_quota_us", "cpu.cfs_period_us")
        for folder, unified in control_groups("cpu")
    ]
    return min([*granted, sys.maxsize])


def control_groups(controller: str) -> list[tuple[Path, bool]]:
    """The folders of the control groups that this process is in, and whether they are of the unified kind."""
    found = list[tuple[Path, bool]]()
    with suppress(OSError, ValueError):
        for line in OWN_GROUP.read_text("utf-8").splitlines():
            number, controllers, place = line.split(":", 2)
            if number == "0":
                found += [(folder, True) for folder in _upwards(CGROUPS, place)]
            elif controller in controllers.split(","):
                found += [(folder, False) for folder in _upwards(CGROUPS / controller, place)]
    return found


def _upwards(root: Path, place: str) -> list[Path]:
    """The folder of a control group and those above it. Inside a container it may not be there: the root counts."""
    folder = root / place.strip("/")
    return [folder, *(above for above in folder.parents if above.is_relative_to(root))]


def _granted(folder: Path, quota: str, period: str | None) -> float:
    with suppress(OSError, ValueError, ZeroDivisionError):
        words = [(folder / name).read_text("utf-8").split() for name in (quota, period) if name]
        allowed, per = (float(word) for parts in words for word in parts)
        if allowed > 0:
            return allowed / per
    return float("inf")
