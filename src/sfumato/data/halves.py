"""The halves of a split: which pictures are tested on, by words in names or by a hash of them."""

import hashlib
import re
from collections.abc import Sequence

TEST_NAMES = ("test", "testing", "val", "valid", "validation")


def half_of(name: str) -> bool | None:
    """Whether a word in `name` says that it belongs to the test half; None if it says nothing."""
    words = re.split(r"[^a-z]+", name.lower())
    if not {"train", "training"}.isdisjoint(words):
        return False
    return True if any(word in TEST_NAMES for word in words) else None


def hashed_half(name: str) -> bool:
    """Whether a file that nobody has put into a half of the split is one of the tenth that is tested on."""
    return hashlib.blake2b(name.encode("utf-8", "surrogateescape"), digest_size=2).digest()[0] < 26


def halves_of(names: Sequence[str], said: Sequence[bool | None]) -> list[bool]:
    """Which pictures are tested on: as somebody has said, else by their names' hash; if that leaves a half empty, all
    of them by hash, and of a handful the first."""
    found = [hashed_half(name) if half is None else half for name, half in zip(names, said, strict=True)]
    if len(set(found)) < 2:
        found = [hashed_half(name) for name in names]
    return found if len(set(found)) == 2 else [place == 0 for place in range(len(names))]
