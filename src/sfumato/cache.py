"""Where fetched and computed files are kept between calls."""

import os
from pathlib import Path


def cache_folder(name: str) -> Path:
    """The folder of one kind of files, e.g. `~/.cache/sfumato/mnist`; `SFUMATO_CACHE` sets another root."""
    import pooch

    return Path(os.environ.get("SFUMATO_CACHE") or pooch.os_cache("sfumato")) / name
