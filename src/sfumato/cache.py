"""Where fetched and computed files are kept between calls."""

import os
from pathlib import Path


def cache_folder(name: str) -> Path:
    """The folder of one kind of files, e.g. `~/.cache/sfumato/mnist`; `SFUMATO_CACHE` sets another root."""
    if root := os.environ.get("SFUMATO_CACHE"):
        return Path(root) / name
    import pooch

    return Path(pooch.os_cache("sfumato")) / name
