"""The halves of a split: what is trained on, what one chooses by (`valid`), what is tested on.

Folders and lists say it by a word in any spelling (`Training`, `train_set`, `val2017`); words in the name of a picture
decide nothing. `valid` without `test` is what is tested on. Where nobody says anything, a tenth of the pictures,
chosen by a hash of their names, is tested on.
"""

import hashlib
import re
from collections.abc import Iterable, Sequence
from typing import Literal, get_args

Half = Literal["train", "valid", "test"]
HALVES: tuple[Half, ...] = get_args(Half)
SPELLINGS: dict[Half, tuple[str, ...]] = {
    "train": ("train", "training", "trainset", "traindata", "trn"),
    "valid": ("val", "valid", "validation", "validate", "validset", "valset", "dev"),
    "test": ("test", "testing", "testset", "testdata", "tst"),
}
SAID: dict[str, Half] = {word: half for half, words in SPELLINGS.items() for word in words}
WORDS = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+")
HELD_OUT = 0.1  # of the pictures, where nobody says more


def half_of(word: str) -> Half | None:
    """The half that the name of a folder or a list says; None if it says none, or more than one."""
    found: set[Half] = {SAID[part.lower()] for part in WORDS.findall(word) if part.lower() in SAID}
    return found.pop() if len(found) == 1 else None


def half_of_path(path: str) -> Half | None:
    """The half that the innermost folder of a file says which says one."""
    return next((half for part in reversed(path.split("/")[:-1]) if (half := half_of(part))), None)


def are_told_apart(said: Iterable[Half | None]) -> bool:
    """Whether there is a half to train on and one that is not trained on."""
    there = set(said) - {None}
    return "train" in there and len(there) > 1


def held_out(name: str, share: float = HELD_OUT, seed: int = 0) -> bool:
    """Whether a file that nobody has put into a half of the split is one of the `share` that is tested on."""
    if (share, seed) == (HELD_OUT, 0):
        return hashlib.blake2b(name.encode("utf-8", "surrogateescape"), digest_size=2).digest()[0] < 26
    digest = hashlib.blake2b(f"{seed} {name}".encode("utf-8", "surrogateescape"), digest_size=6).digest()
    return int.from_bytes(digest) < share * 2**48


def halves_of(
    names: Sequence[str], said: Sequence[Half | None], share: float = HELD_OUT, seed: int = 0
) -> list[Half | None]:
    """The half of each picture: as somebody has said, else by a hash of its name. None for those of which nobody says
    anything where others are said to be for both. `valid` alone is `test`; of a handful, the first is tested on."""
    there = set(said)
    if are_told_apart(there):
        return [half if half is None or "test" in there or half == "train" else "test" for half in said]
    found: list[Half | None] = ["test" if held_out(name, share, seed) else "train" for name in names]
    if len(set(found)) < 2:
        found = ["test" if place == 0 else "train" for place in range(len(names))]
    return found
