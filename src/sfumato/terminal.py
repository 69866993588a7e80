"""What is said to who runs a command: the one place that writes to standard output and standard error.

Names of strangers' files cannot move the cursor there, colour, hide or forge a line. A message that nobody can be given
(standard error is closed, or on a full disk) is dropped: work goes on.
"""

import sys
from collections.abc import Iterable
from contextlib import suppress
from typing import TYPE_CHECKING

from .visible import one_line, visible

if TYPE_CHECKING:
    from rich.console import Console, ConsoleOptions, RenderableType
    from rich.segment import Segment


def tell(*lines: object) -> None:
    """Results, on standard output."""
    for line in lines:
        print(one_line(str(line)))


def say(line: str) -> None:
    """A message, on standard error."""
    if sys.stderr is not None:
        with suppress(OSError):
            print(one_line(line), file=sys.stderr, flush=True)


def warn(line: str) -> None:
    """A message that our name stands before."""
    say(f"sfumato: {line}")


def console(stderr: bool = True) -> "Console":
    """rich's, for bars and tables."""
    from rich.console import Console
    from rich.segment import Segment

    class Visible(Console):
        def render(self, renderable: "RenderableType", options: "ConsoleOptions | None" = None) -> "Iterable[Segment]":
            for segment in super().render(renderable, options):
                yield segment if segment.control else Segment(visible(segment.text), segment.style)

    return Visible(stderr=stderr)
