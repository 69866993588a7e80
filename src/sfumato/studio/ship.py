"""Makes the models that the studio plays with at once: `python -m sfumato.studio.ship RUN --out FOLDER`.

The folder is named as the page calls the model. Beside the model lies plane.json, where a system has codes: its plane,
as the page needs it before anything can compute it.
"""

import argparse
from pathlib import Path

from ..files import write_json
from ..runs.model import write_model
from ..runs.open import open as open_run
from ..terminal import tell
from .moves import PLANE, plane

DIGITS = 3  # behind the point of a code


def ship(run: Path, folder: Path) -> list[Path]:
    """Writes the model of `run`. Raises SfumatoError for what is no run."""
    opened = open_run(run, "cpu")
    written = write_model(opened.manifest, opened.system, folder)
    if opened.system.encodes:
        found = plane(None, str(run))
        found["points"] = [[round(value, DIGITS) for value in point] for point in found["points"]]
        write_json(folder / PLANE, found)
        written.append(folder / PLANE)
    return written


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description="Makes a model that the studio plays with at once.")
    parser.add_argument("run", type=Path, help="a run folder")
    parser.add_argument("--out", type=Path, required=True, help="the folder to make")
    arguments = parser.parse_args()
    for path in ship(arguments.run, arguments.out):
        tell(f"{path}  {path.stat().st_size:,} bytes")
