"""How much memory may be taken for what is read, and by whom at once.

A header says how much its file unpacks to before anything is taken for it. What is small is unpacked by all threads
side by side; giants one at a time, and none that does not fit. A giant that is packed as closely as only emptiness can
be is a bomb, and refused.
"""

import os
import re
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from functools import cache
from pathlib import Path

from .errors import SfumatoError
from .threads import control_groups

try:
    import resource
except ImportError:  # Windows
    resource = None

SETTING = "SFUMATO_MEMORY"
UNITS = {"": 1, "K": 2**10, "M": 2**20, "G": 2**30, "T": 2**40}
AMOUNT = re.compile(r"(\d{1,12}(?:\.\d{1,6})?)\s*([KMGT]?)(?:I?B)?", re.IGNORECASE)
LEAST = 2**26  # bytes
UNKNOWN = 4 * 2**30  # bytes that are taken to be free where the system does not say
MEMINFO, PAGES = Path("/proc/meminfo"), Path("/proc/self/statm")
SMALL = 2**28  # bytes, at most: what is decoded side by side
SHARE = 32  # of the limit, a small one takes at most this part: twice as many as threads that ever decode
PLAIN = 2**27  # bytes that any file may unpack to
RATIO = 500  # beyond them, how many times its own size
EXHAUSTED = re.compile(r"not enough memory|can't allocate memory|out of memory|cannot allocate memory|bad_alloc|failed "
                       r"to map segment|can't start new thread", re.IGNORECASE)  # fmt: skip

OUT = "memory has run out"

_one_giant = threading.RLock()


def limit() -> int | None:
    """Bytes that may be taken for what is read, as the environment says. Raises SfumatoError if it says no amount."""
    said = os.environ.get(SETTING, "")
    found = AMOUNT.fullmatch(said.strip())
    amount = int(float(found[1]) * UNITS[found[2].upper()]) if found else 0
    if said and amount < LEAST:
        raise SfumatoError(f"--memory ({SETTING}) {said}: must be an amount as 2G or 500M, 64M at least")
    return amount or None


def free() -> int:
    """Bytes that this process may still take: what the machine has available, and no more than its control groups and
    its own limit leave."""
    found = [_available()]
    for folder, unified in control_groups("memory"):
        most, taken = ("max", "current") if unified else ("limit_in_bytes", "usage_in_bytes")
        with suppress(OSError, ValueError, KeyError):
            left = int((folder / f"memory.{most}").read_text()) - int((folder / f"memory.{taken}").read_text())
            found.append(left + _entries(folder / "memory.stat")["inactive_file"])  # a cache, which makes room
    if resource and (most := resource.getrlimit(resource.RLIMIT_AS)[0]) != resource.RLIM_INFINITY:
        with suppress(OSError, ValueError):
            found.append(most - int(PAGES.read_text().split()[0]) * resource.getpagesize())
    return max(0, min(found))


def _available() -> int:
    with suppress(OSError, ValueError, KeyError):
        return 1024 * _entries(MEMINFO)["MemAvailable:"]
    with suppress(OSError, ValueError, AttributeError):
        return os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE") // 2
    return UNKNOWN


def _entries(path: Path) -> dict[str, int]:
    """The numbers in a file of lines of a name and a number."""
    return {words[0]: int(words[1]) for words in map(str.split, path.read_text().splitlines())}


def allowed() -> int:
    """Bytes that may be taken now."""
    there = free()
    return min(there, limit() or there)


@cache
def small() -> int:
    """Bytes up to which something is decoded beside others."""
    return min(SMALL, (limit() or free()) // SHARE)


@contextmanager
def taking(need: int) -> Iterator[None]:
    """While up to `need` bytes are taken to read one thing: waits until no other giant is read. What is taken inside
    counts for itself. Raises MemoryError if there are not so many."""
    if need <= small():
        yield
        return
    with _one_giant:
        check(need)
        yield


def check(need: int, where: str = "") -> None:
    """Raises MemoryError, which begins with `where`, if `need` bytes may not be taken."""
    if need > (there := allowed()):
        more = f"--memory {limit() and os.environ[SETTING]} allows" if there == limit() else "are free"
        raise MemoryError(f"{where}takes up to {need / 2**30:.1f} GiB to read, {there / 2**30:.1f} {more}")


def refuse_bomb(packed: int, unpacked: int, where: str = "") -> None:
    """Raises SfumatoError, which begins with `where`, for what is small and unpacks to much, in bytes."""
    if unpacked > max(PLAIN, RATIO * packed):
        raise SfumatoError(f"{where}a bomb: {packed:,} bytes unpack to {unpacked / 2**20:,.0f} MiB")


def exhausted(error: BaseException) -> str:
    """In a line what to do about an error that says that memory has run out; nothing of any other error."""
    said = str(error).strip().partition("\n")[0]
    if not isinstance(error, MemoryError) and not EXHAUSTED.search(said):
        return ""
    where = said if isinstance(error, MemoryError) and said not in ("", "std::bad_alloc") else OUT
    return (
        f"{where}: give more (--memory, ulimit -v), or need less: a smaller picture, --resolution, --size, "
        "--batch-size or --tile"
    )
