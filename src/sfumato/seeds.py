"""Random seeds derived from what they are for, so that nothing depends on how often a generator was used before."""

import hashlib


def derive(seed: int, *purpose: int | str) -> int:
    """A 63-bit seed that is a pure function of `seed` and `purpose`, e.g. `derive(seed, "order", epoch)`."""
    text = "/".join(str(part) for part in (seed, *purpose))
    return int.from_bytes(hashlib.blake2b(text.encode(), digest_size=8).digest(), "big") >> 1
