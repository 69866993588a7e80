"""`report.html` of a single run: what it was, how it went, what came out."""

from collections.abc import Mapping, Sequence
from typing import Any

from ..data.dataset import ImageData
from ..engine.runtime import Runtime
from ..engine.system import System
from ..family import History
from ..files import write_bytes
from ..metrics.table import Evaluation, tables
from ..reports.document import Film, Report
from ..reports.figures import curve
from .catalog import Entry
from .folder import RunFolder

MAX_LISTED = 200
NOT_LOSSES = ("images", "epoch", "seconds")


def write_page(
    folder: RunFolder, entry: Entry, system: System, data: ImageData, runtime: Runtime, history: History,
    evaluation: Evaluation,
) -> None:  # fmt: skip
    """Writes report.html from what the run is, its `history` and its `evaluation`."""
    manifest, rows = folder.manifest(), history.rows
    report = Report(
        f"{entry.name} on {data.name}",
        subtitle=f"Sfumato {manifest.sfumato}, torch {manifest.torch}, seed {manifest.seed}, "
        f"{manifest.device}, {manifest.precision}",
    )
    report.say(f"{entry.idea} Paper: {entry.paper}")
    if data.notice:
        report.say(data.notice, loud=True)
    if manifest.start_from:
        report.say(f"It began with the weights of {manifest.start_from}.")
    report.heading("The network")
    report.code(str(system))
    report.heading("Training")
    if rows:
        caption = f"Means per interval over {rows[-1]['images']:,} images in {rows[-1].get('seconds', 0):.0f} s."
        report.picture("curve", losses_curve(rows, entry.family.not_losses), caption)
    else:
        report.say("Its log is gone: nothing can be said of how it went.")
    entry.family.tell(report, system, data, runtime, history, evaluation)
    report.heading("Measured")
    for each in tables(evaluation):
        report.table(*each)
    if data.left_out:
        report.heading("Left out")
        files = [[item.file, item.reason] for item in data.left_out[:MAX_LISTED]]
        caption = f"{len(data.left_out):,} files of the data that were not used"
        caption += f"; the first {MAX_LISTED}." if len(data.left_out) > MAX_LISTED else "."
        report.table(["file", "reason"], files, caption)
    report.heading("Configuration")
    fields = [[key, str(value)] for key, value in manifest.config.items()]
    report.table(["field", "value"], fields, f"Preset {manifest.preset}, fields as resolved.")
    if any(isinstance(block, Film) for block in report.blocks):
        report.write_pictures(folder.path / "figures")  # the film is one to send around
    write_bytes(folder.path / "report.html", report.html().encode())


def losses_curve(rows: Sequence[Mapping[str, Any]], apart: Sequence[str] = ()) -> bytes:
    """The losses of a run's log, and its learning rate. `apart`: scalars that are no losses."""
    keys = dict.fromkeys(key for row in rows for key in row)
    series = {}
    for key in keys:
        if key not in (*NOT_LOSSES, *apart) and "learning_rate" not in key:
            along, values = _series(rows, key)
            series[f"{key} ({values[-1]:.4g})"] = along, values
    rate = ("learning rate", *_series(rows, "learning_rate")) if "learning_rate" in keys else None
    return curve(series, "epoch", "loss", rate)


def _series(rows: Sequence[Mapping[str, Any]], key: str) -> tuple[list[float], list[float]]:
    """The epochs of the rows that have `key`, and its values: some losses are not computed in every step."""
    there = [row for row in rows if key in row]
    return [row["epoch"] for row in there], [row[key] for row in there]
