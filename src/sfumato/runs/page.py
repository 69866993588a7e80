"""`report.html` of a single run: what it was, how it went, what came out."""

from pathlib import Path
from typing import Any

import torch
from PIL import Image

from ..data.dataset import ImageData
from ..engine.runtime import Runtime
from ..engine.system import System
from ..files import write_atomically
from ..gans.drawing import draw, walk
from ..gans.game import Adversarial
from ..recognition.finetune import FineTuned
from ..recognition.measures import inspect_anchors, mistakes
from ..recognition.recognizer import Recognizer
from ..recognition.ssd import SSD
from ..reports.document import Report, enlarged
from ..reports.figures import captioned, confusion_table, curve, labelled_rows
from .catalog import Entry
from .folder import RunFolder
from .pictures import progress_caption

MAX_LISTED = 200
SHOWN = 10
ANCHORED = 2  # training images whose anchors are shown
SCORES = ("accuracy", "pixel_accuracy", "class_error", "box_mae")
BELIEFS = ("real", "fake_before", "fake_after", "diversity")
RECONSTRUCTION = {"bce": "{:.6f}", "mse": "{:.6f}", "psnr": "{:.2f}", "psnr_pooled": "{:.2f}", "ssim": "{:.4f}"}
GENERATION = {"fcd": "{:.4f}", "frechet": "{:.4f}", "fid": "{:.2f}", "kernel": "{:.4f}", "score": "{:.2f}",
              "entropy": "{:.1%}", "covered": "{:.0f}", "confident": "{:.1%}", "accuracy": "{:.1%}",
              "precision": "{:.3f}", "recall": "{:.3f}", "density": "{:.3f}", "coverage": "{:.3f}"}  # fmt: skip
RECOGNITION = {"accuracy": "{:.1%}", "low": "{:.1%}", "high": "{:.1%}", "map_50": "{:.3f}", "map": "{:.3f}",
               "class_error": "{:.2e}", "box_mae": "{:.2e}", "miou": "{:.3f}", "pixel_accuracy": "{:.1%}",
               "class_accuracy": "{:.1%}"}  # fmt: skip
MEASURES = {**RECOGNITION, **RECONSTRUCTION, "content": "{:.4f}", "style": "{:.4f}", **GENERATION}


def write_page(
    folder: RunFolder, entry: Entry, system: System, data: ImageData, runtime: Runtime, evaluation: dict[str, Any]
) -> None:
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
    caption = f"Means per interval over {rows[-1]['images']:,} images in {rows[-1]['seconds']:.0f} s."
    report.picture("curve", losses_curve(rows), caption)
    if isinstance(system, Adversarial):
        _adversarial(report, folder, system, data, runtime, evaluation)
    elif samples := looks(folder):
        report.picture("samples", enlarged(opened(samples[-1])), f"At the end. {progress_caption(system)}")
    if isinstance(system, Recognizer):
        _recognition(report, system, data, runtime, rows, evaluation)
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
    if isinstance(system, Adversarial):
        report.write_pictures(folder.path / "figures")  # the film is one to send around
    write_atomically(folder.path / "report.html", lambda path: path.write_text(report.html(), "utf-8"))


def losses_curve(rows: list[dict[str, Any]]) -> bytes:
    """The losses of a run's log, and its learning rate."""
    skipped = ("images", "epoch", "seconds", *BELIEFS, *SCORES)
    losses = [key for key in rows[-1] if key not in skipped and "learning_rate" not in key]
    epochs = [row["epoch"] for row in rows]
    series = {f"{key} ({rows[-1][key]:.4g})": (epochs, [row[key] for row in rows]) for key in losses}
    rate = ("learning rate", epochs, [row["learning_rate"] for row in rows]) if "learning_rate" in rows[-1] else None
    return curve(series, "epoch", "loss", rate)


def beliefs_curve(rows: list[dict[str, Any]]) -> bytes:
    """What the discriminator said of real and of made images, before and after its own update."""
    epochs = [row["epoch"] for row in rows]
    names = {"real": "D(x)", "fake_before": "D(G(z)) before", "fake_after": "D(G(z)) after"}
    return curve({name: (epochs, [row[key] for row in rows]) for key, name in names.items()}, "epoch", "D")


def _adversarial(
    report: Report,
    folder: RunFolder,
    system: Adversarial,
    data: ImageData,
    runtime: Runtime,
    evaluation: dict[str, Any],
) -> None:
    """The sections that only adversarial runs have."""
    report.picture(
        "beliefs",
        beliefs_curve(folder.metrics()),
        "What the discriminator says: of real images, of made ones before its update, of new made ones after it. "
        "Probabilities for minimax and non_saturating, plain logits otherwise.",
    )
    report.heading("Run doctor")
    for found in evaluation["findings"]:
        report.say(f"{found['finding']} {found['change']}", loud=True)
    if not evaluation["findings"]:
        report.say("Nothing looks wrong: no collapse, no saturation, no divergence, and the best was not lost.")
    if over := evaluation["over_the_run"]:
        report.say(
            f"Measured on the way ({over['measure']}): best {over['best']:.4g} after {over['best_at']:,} images, final "
            f"{over['final']:.4g}."
        )
    report.heading("Pictures")
    if samples := looks(folder):
        labels = [f"{int(path.stem):,} images" for path in samples]
        report.film("samples", [opened(path) for path in samples], labels, progress_caption(system))
    real, made = data.test.images(range(min(SHOWN, len(data.test)))), draw(system, SHOWN, runtime)
    caption = "Real test images above, drawn ones below."
    report.picture("beside", labelled_rows({"real": real, "drawn": made}), caption)
    rows = {" " * row: images for row, images in enumerate(walk(system, runtime))}
    report.picture("walks", labelled_rows(rows), "From one drawn image to another.")


def _recognition(
    report: Report,
    system: Recognizer,
    data: ImageData,
    runtime: Runtime,
    rows: list[dict[str, Any]],
    evaluation: dict[str, Any],
) -> None:
    """What only recognition runs have: scores in training, per class, mistakes, anchors."""
    report.picture("scores", scores_curve(rows), "On training images, as they were shown: cut, scaled, recoloured.")
    if shares := evaluation.get("per_class"):
        cells = [[name, "–" if share is None else f"{share:.3f}"] for name, share in shares.items()]
        report.table(["class", "IoU"], cells, "Intersection over union on the test images, of each class.")
    if counts := evaluation.get("confusion"):
        table = confusion_table(torch.tensor(counts), data.classes, "true", "said")
        report.picture("confusion", table, "Test images by what they are and what the network says.")
    if isinstance(system, FineTuned):
        images, words = mistakes(system, data, runtime)
        if len(images):
            report.picture("mistakes", captioned(images, words), "What it was most sure of, and wrong.")
    if isinstance(system, SSD):
        for place in range(min(ANCHORED, len(data.train))):
            picture = inspect_anchors(system, data, place)
            caption = (
                "A training image: its objects, and on each map the anchors that are trained for them, with where "
            )
            report.picture(f"anchors-{place}", picture, f"{caption}their offsets lead.")


def scores_curve(rows: list[dict[str, Any]]) -> bytes:
    """The shares of right and wrong answers in a run's log."""
    epochs = [row["epoch"] for row in rows]
    there = {key: (epochs, [row[key] for row in rows]) for key in SCORES if key in rows[-1]}
    return curve(there, "epoch", "share")


def evaluation_table(evaluation: dict[str, Any]) -> tuple[list[str], list[list[str]], str]:
    """Head, rows and caption of an evaluation."""
    measures = [key for key in MEASURES if key in evaluation["rows"][0]]
    rows = [
        [row["name"], *(MEASURES[key].format(row[key]) if key in row else "–" for key in measures)]
        for row in evaluation["rows"]
    ]
    caption = (
        f"{evaluation['images']:,} {evaluation['split']} images of {evaluation['data']} "
        f"at {evaluation['resolution']}×{evaluation['resolution']}. {evaluation['note']}"
    )
    if evaluation["notice"]:
        caption += f" {evaluation['notice']}"
    if evaluation["left_out"]:
        caption += f" {evaluation['left_out']:,} files could not be used and were left out: see report.html."
    return ["", *measures], rows, caption


def looks(folder: RunFolder) -> list[Path]:
    """The pictures that were made on the way, in order."""
    return sorted((folder.path / "samples").glob("[0-9]*.png"))


def opened(path: Path) -> Image.Image:
    with Image.open(path) as picture:
        return picture.convert("RGB")
