"""Pictures of a run, on disk."""

from pathlib import Path

from torch import Tensor

from ..data.pictures import to_picture
from ..files import write_atomically


def save_picture(image: Tensor, path: Path) -> None:
    """Writes (c, h, w) in [0, 1] as PNG, whole or not at all."""
    path.parent.mkdir(parents=True, exist_ok=True)
    picture = to_picture(image)
    write_atomically(path, lambda beside: picture.save(beside, "PNG"))
