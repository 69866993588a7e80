"""What the C library does with the memory that tensors give back.

glibc returns each large block to the system at once, and the system hands out a new one empty, page by page. A training
step frees and asks for the same blocks again: kept, they make it up to 1.7 times as fast. The price: the process holds
its peak, and what lies unused between blocks, until it ends. Blocks of other threads than the main one go on as before.
"""

import ctypes
import sys

# Parameters of `mallopt`, of <malloc.h>.
TRIM_THRESHOLD, TOP_PAD, MMAP_THRESHOLD, MMAP_MAX = -1, -2, -3, -4
AHEAD = 64 << 20  # bytes asked of the system beyond what is needed


def keep_freed_memory() -> None:
    """Lets the main thread use freed blocks of any size again, from now on. Does nothing without glibc."""
    if library := glibc():
        library.mallopt(MMAP_MAX, 0)
        library.mallopt(TRIM_THRESHOLD, -1)  # never
        library.mallopt(TOP_PAD, AHEAD)


def glibc() -> ctypes.CDLL | None:
    """The C library of this process, if it is GNU's."""
    if not sys.platform.startswith("linux"):
        return None
    library = ctypes.CDLL(None)
    return library if hasattr(library, "gnu_get_libc_version") else None
