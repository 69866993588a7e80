"""The one unit of time: real images drawn."""

from dataclasses import dataclass


@dataclass
class Clock:
    """Counts real images drawn by all processes together. Intervals, schedules and half-lives are read off `images`.

    `before` is the value of `images` when the current step began.
    """

    images: int = 0
    before: int = 0

    def advance(self, count: int) -> None:
        self.images += count

    def crossed(self, every: int) -> bool:
        """Whether the current step reached or passed a multiple of `every` images."""
        return self.images // every > self.before // every
