"""The one unit of time: real images drawn."""

from dataclasses import dataclass
from typing import Annotated

from msgspec import Meta

Tally = Annotated[int, Meta(ge=0, le=2**62)]  # as a state file may say it


@dataclass
class Clock:
    """Counts real images drawn by all processes together. Intervals, schedules and half-lives are read off `images`.

    `before` is the value of `images` when the current step began; `stage` the number, from 0, of the stage that was
    entered last, None before the first.
    """

    images: int = 0
    before: int = 0
    stage: int | None = None

    def advance(self, count: int) -> None:
        self.images += count

    def crossed(self, every: int) -> bool:
        """Whether the current step reached or passed a multiple of `every` images."""
        return self.images // every > self.before // every
