"""Faults injected at length: `python -m tests.faults [--long] [PART ...]`. A line a part; 1 if anything fell.

A part is a function from `long` to what was tried, in one line, and what fell.
"""

import argparse
import sys
from collections.abc import Callable

from .bombs import bombs
from .calls import calls
from .kills import kills, power
from .mutations import mutations
from .nodes import nodes
from .soak import soak

PARTS: dict[str, Callable[[bool], tuple[str, list[str]]]] = {
    "calls": calls,
    "kills": kills,
    "power": power,
    "mutations": mutations,
    "bombs": bombs,
    "soak": soak,
    "nodes": lambda long: (nodes(), []),  # which raises where one fell
}


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.faults", description=__doc__)
    parser.add_argument("parts", nargs="*", metavar="PART", help=f"of {', '.join(PARTS)}; all by default")
    parser.add_argument("--long", action="store_true", help="as much as is promised, not what CI has time for")
    asked = parser.parse_args()
    if unknown := set(asked.parts) - PARTS.keys():
        parser.error(f"unknown: {', '.join(unknown)}")
    fallen = 0
    for name in asked.parts or PARTS:
        tried, faults = PARTS[name](asked.long)
        print(f"{name}: {tried}; {len(faults)} fell", *faults, sep="\n  ", flush=True)
        fallen += len(faults)
    return int(fallen > 0)


if __name__ == "__main__":
    sys.exit(main())
