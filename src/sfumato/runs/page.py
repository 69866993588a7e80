"""`report.html` of a single run: what it was, how it went, what came out."""

import io
from typing import Any

from PIL import Image

from ..data.dataset import ImageData
from ..engine.system import System
from ..files import write_atomically
from ..reports.document import Report
from ..reports.figures import curve
from .catalog import Entry
from .folder import RunFolder
from .pictures import progress_caption

WIDTH = 900
MAX_LISTED = 200
RECONSTRUCTION = {"bce": "{:.6f}", "mse": "{:.6f}", "psnr": "{:.2f}", "psnr_pooled": "{:.2f}", "ssim": "{:.4f}"}
GENERATION = {"fcd": "{:.4f}", "frechet": "{:.4f}", "kernel": "{:.4f}", "score": "{:.2f}", "entropy": "{:.1%}",
              "covered": "{:.0f}", "confident": "{:.1%}", "accuracy": "{:.1%}", "precision": "{:.3f}", "recall": "{:.3f}",
              "density": "{:.3f}", "coverage": "{:.3f}"}  # fmt: skip
MEASURES = {**RECONSTRUCTION, "content": "{:.4f}", "style": "{:.4f}", **GENERATION}


def write_page(folder: RunFolder, entry: Entry, system: System, data: ImageData, evaluation: dict[str, Any]) -> None:
    """Writes report.html from the run's own files and its `evaluation`."""
    values = folder.read_config()
    rows = folder.metrics()
    report = Report(
        f"{entry.name} on {data.name}",
        subtitle=f"Sfumato {values['sfumato']}, torch {values['torch']}, seed {values['seed']}, "
        f"{values['device']}, {values['precision']}",
    )
    report.say(f"{entry.idea} Paper: {entry.paper}")
    if data.notice:
        report.say(data.notice, loud=True)
    report.heading("The network")
    report.code(str(system))
    report.heading("Training")
    losses = [key for key in rows[-1] if key not in ("images", "epoch", "seconds") and "learning_rate" not in key]
    epochs = [row["epoch"] for row in rows]
    series = {key: (epochs, [row[key] for row in rows]) for key in losses}
    rate = ("learning rate", epochs, [row["learning_rate"] for row in rows]) if "learning_rate" in rows[-1] else None
    last = ", ".join(f"{key} {rows[-1][key]:.6f}" for key in losses)
    caption = f"Means per interval over {rows[-1]['images']:,} images in {rows[-1]['seconds']:.0f} s; last: {last}."
    report.picture("curve", curve(series, "epoch", "loss", rate), caption)
    samples = sorted((folder.path / "samples").glob("[0-9]*.png"))
    if samples:
        report.picture("samples", _enlarged(samples[-1].read_bytes()), f"At the end. {progress_caption(system)}")
    report.heading("Measured")
    report.table(*evaluation_table(evaluation))
    if data.left_out:
        report.heading("Left out")
        files = [[item.file, item.reason] for item in data.left_out[:MAX_LISTED]]
        caption = f"{len(data.left_out):,} files of the data that were not used"
        caption += f"; the first {MAX_LISTED}." if len(data.left_out) > MAX_LISTED else "."
        report.table(["file", "reason"], files, caption)
    report.heading("Configuration")
    fields = [[key, str(value)] for key, value in values["config"].items()]
    report.table(["field", "value"], fields, f"Preset {values['preset']}, fields as resolved.")
    write_atomically(folder.path / "report.html", lambda path: path.write_text(report.html(), "utf-8"))


def evaluation_table(evaluation: dict[str, Any]) -> tuple[list[str], list[list[str]], str]:
    """Head, rows and caption of an evaluation."""
    measures = [key for key in MEASURES if key in evaluation["rows"][0]]
    rows = [[row["name"], *(MEASURES[key].format(row[key]) if key in row else "–" for key in measures)] for row in evaluation["rows"]]
    caption = (
        f"{evaluation['images']:,} {evaluation['split']} images of {evaluation['data']} "
        f"at {evaluation['resolution']}×{evaluation['resolution']}. {evaluation['note']}"
    )
    if evaluation["notice"]:
        caption += f" {evaluation['notice']}"
    if evaluation["left_out"]:
        caption += f" {evaluation['left_out']:,} files could not be used and were left out: see report.html."
    return ["", *measures], rows, caption


def _enlarged(content: bytes) -> bytes:
    """A PNG with each pixel as a square, wide enough to be seen on a page."""
    with Image.open(io.BytesIO(content)) as picture:
        scale = max(1, WIDTH // picture.width)
        buffer = io.BytesIO()
        picture.resize((picture.width * scale, picture.height * scale), Image.Resampling.NEAREST).save(buffer, "PNG")
        return buffer.getvalue()
