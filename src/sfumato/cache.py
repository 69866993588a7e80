"""Where fetched and computed files are kept between calls."""

import os
from pathlib import Path

from .errors import SfumatoError

OFFLINE = "SFUMATO_OFFLINE"  # the variable that, set to anything, forbids to fetch


def check_online(what: str) -> None:
    """Raises SfumatoError if nothing may be fetched."""
    if os.environ.get(OFFLINE):
        raise SfumatoError(f"{what}: not here, and {OFFLINE} forbids to fetch it")


def cache_folder(name: str) -> Path:
    """The folder of one kind of files, e.g. `~/.cache/sfumato/mnist`; `SFUMATO_CACHE` sets another root."""
    if root := os.environ.get("SFUMATO_CACHE"):
        return Path(root) / name
    import pooch

    return Path(pooch.os_cache("sfumato")) / name
