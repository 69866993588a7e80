"""A child of the studio that computes nothing: the real one, but for its handlers."""

import os
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from types import ModuleType
from typing import Annotated, Any

from msgspec import Meta

from sfumato.errors import SfumatoError
from sfumato.studio import child

Advance = Callable[[int, int], None]


def echo(advance: Advance, value: Any = None, bytes: bytes = b"") -> dict[str, Any]:
    return {"value": value, "bytes": bytes, "pid": os.getpid()}


def typed(advance: Advance, count: Annotated[int, Meta(ge=0, le=3)], pairs: Sequence[tuple[str, float]] = ()) -> str:
    return f"{count} {pairs}"


def sleep(advance: Advance, seconds: float) -> dict[str, Any]:
    time.sleep(seconds)
    return {}


def steps(advance: Advance, count: int, pause: float = 0.02) -> dict[str, Any]:
    for step in range(count):
        advance(step + 1, count)
        time.sleep(pause)
    return {"steps": count}


def keep(advance: Advance) -> dict[str, str]:
    """A file that it does not take away."""
    file, path = tempfile.mkstemp()
    os.close(file)
    return {"path": path}


def die(advance: Advance) -> None:
    os._exit(3)


def refuse(advance: Advance, line: str) -> None:
    raise SfumatoError(line)


def bug(advance: Advance) -> None:
    raise ZeroDivisionError("of ours")


def full(advance: Advance) -> None:
    raise MemoryError


def noise(advance: Advance) -> dict[str, Any]:
    print("a line that nobody asked for", flush=True)
    os.write(1, b"\x00\x00\x00\x00")
    return {}


def forge(advance: Advance) -> dict[str, Any]:
    """What only a fault of memory could do."""
    for descriptor in range(3, 20):
        try:
            os.write(descriptor, b"\x01\x00\x00\x00\xc1")
        except OSError:
            continue
    time.sleep(60)
    return {}


HANDLERS = {item.__name__: item for item in (echo, typed, sleep, steps, keep, die, refuse, bug, full, noise, forge)}

if __name__ == "__main__":
    if sys.argv[2:] == ["stillborn"]:
        sys.exit(4)
    module = ModuleType("sfumato.studio.moves")
    module.HANDLERS = HANDLERS  # pyright: ignore[reportAttributeAccessIssue]
    for kind in child.KINDS:
        sys.modules[f"sfumato.studio.{kind}"] = module
    child.main()
