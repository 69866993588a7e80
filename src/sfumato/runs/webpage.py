"""A folder with one page on which a browser computes a model: for any web host, or to be opened from the disk.

What is shown follows from what the system can do. The model, and ONNX Runtime, lie in scripts, packed: browsers read no
other file beside a page that was opened from a disk.
"""

import base64
import io
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from ..data.paintings import painting
from ..data.photographs import photographs
from ..data.pictures import to_picture
from ..engine.portable import Portable
from ..errors import SfumatoError
from ..files import json_of, write_bytes
from ..metrics.table import Evaluation, tables
from ..ops.codes import plane_of
from ..reports.language import Speaker
from ..reports.overlays import GROUNDS
from ..style.network import portable_of, shipped
from ..version import __version__
from .open import Run
from .portable import Exported, compare, needs, onnx_of
from .quantise import quantised
from .wasm import BINARY, SCRIPT, STATIC, checked, packed

PAGE = ("index.html", "page.css", "page.js", "paint.js", "ort-licence.txt")
TRAITS = {"encodes": "codes", "restyles": "style", "translates": "translate", "draws": "draw"}
READ = {("probabilities",): "names", ("chances", "boxes"): "boxes", ("logits",): "pixels"}  # by what a reader gives
POINTS = 1_000  # codes on the plane
ROOM = 0.08  # beside them, as a share of their spread
DIGITS = 3  # behind the point of a code
SIDE = 256  # of examples


def write_page(run: Run | None, folder: Path, int8: bool = False) -> Iterator[Exported | str]:
    """Writes the page of a run, or of the stylizer that comes with the package; gives each part's difference from
    PyTorch. `int8`: with weights of 8 bits, as `export` has it. Raises SfumatoError for a run that cannot be a page."""
    if int8 and not run:
        raise SfumatoError("--int8 is measured on a run's data: give a RUN")
    parts = list(run.system.portable()) if run else [portable_of(shipped().eval())]
    kind = kind_of(run, parts) if run else "style"
    needs(".onnx")
    model = {"kind": kind, "version": __version__, **(_of_run(run, kind) if run else SHIPPED)}
    model["examples"] = _examples() if kind == "style" else ()
    contents: Mapping[str, bytes] = {part.name: onnx_of(part, {}) for part in parts}
    if run and int8:
        smaller = quantised(run, contents)
        contents, said = smaller.contents, smaller.said
    else:
        said = [Exported(folder / "index.html", compare(part, contents[part.name], ".onnx")) for part in parts]
    model["parts"] = {part.name or "whole": {**_about(part), "onnx": packed(contents[part.name])} for part in parts}
    for name in PAGE:
        write_bytes(folder / name, (STATIC / name).read_bytes())
    write_bytes(folder / SCRIPT.name, checked(SCRIPT))
    write_bytes(folder / "wasm.js", f'const WASM = "{packed(checked(BINARY))}";\n'.encode())
    write_bytes(folder / "model.js", f"const MODEL = {json_of(model, ascii_only=True)};\n".encode())
    yield from said


def kind_of(run: Run, parts: Sequence[Portable]) -> str:
    """What the page lets one do. Raises SfumatoError if there is nothing."""
    if run.system.names_classes and len(parts) == 1 and parts[0].outputs in READ:
        return READ[parts[0].outputs]
    able = [kind for trait, kind in TRAITS.items() if getattr(run.system, trait)]
    if not able or not parts:
        raise SfumatoError(
            f"{run.path}: {run.system_name} cannot be a page: it neither encodes, draws, restyles, translates nor "
            "recognises pictures by parts that other programs can compute"
        )
    return able[0]


SHIPPED: Mapping[str, Any] = {
    "title": "Sfumato",
    "idea": "A photograph painted like a picture: the stylizer that comes with Sfumato.",
    "trained": {
        "en": "Trained on 1,605 photographs and 1,527 paintings; its model card says what was measured.",
        "zh": "由 1,605 张照片和 1,527 幅画作训练，评测结果见模型卡。",
    },
    "classes": (), "palette": (), "grounds": (), "reads": {},
}  # fmt: skip


def _of_run(run: Run, kind: str) -> dict[str, Any]:
    """What the page knows of a run beside its network."""
    manifest, config, part = run.manifest, run.config, run.system.portable()[0]
    count, drawn = manifest.data.train, config.images
    example = next(iter(part.inputs.values()))
    sides = {"channels": example.shape[1], "side": config.resolution, "fit": getattr(config, "fit", "square")}
    model = {
        "title": f"{run.system_name} · {manifest.data.name}",
        "idea": run.entry.idea,
        "paper": run.entry.paper,
        "trained": {
            "en": f"Trained on {count:,} images of {manifest.data.name}: {drawn:,} were drawn, seed {manifest.seed}.",
            "zh": f"由 {manifest.data.name} 的 {count:,} 张图像训练：共抽取 {drawn:,} 张，种子 {manifest.seed}。",
        },
        "measured": _measured(run.evaluation) if run.folder.is_finished else None,
        "classes": run.classes,
        "palette": [f"rgb({red} {green} {blue})" for red, green, blue in run.palette],
        "grounds": [number for number, name in enumerate(run.classes) if name in GROUNDS],
        "labels": config.classes if run.system.conditional else 0,
        "reads": {**sides, "step": max(part.sized.values(), default=0)},
    }
    if kind == "codes":
        model["plane"] = _plane(run)
    if kind == "translate":
        model["ways"] = {one.name: " → ".join([*one.inputs, *one.outputs]).upper() for one in run.system.portable()}
    return model


def _measured(evaluation: Evaluation) -> dict[str, Any]:
    """The tables of what was measured, by language."""
    return {
        language: [
            {"head": head, "rows": rows, "caption": caption}
            for head, rows, caption in tables(evaluation, Speaker(language))
        ]
        for language in ("en", "zh")
    }


def _about(part: Portable) -> dict[str, Any]:
    return {
        "inputs": list(part.inputs),
        "outputs": part.outputs,
        "shapes": {name: list(value.shape[1:]) for name, value in part.inputs.items()},
        "settings": part.settings,
    }


@torch.no_grad()
def _plane(run: Run) -> dict[str, Any]:
    """The plane of codes of test images, or of codes as the run draws them where its data are not there: of 2 numbers
    as they are, else along their two main directions, in standard deviations."""
    codes, labels = _tested(run)
    plane = plane_of(codes)
    points = plane.flat(codes)
    low, high = points.quantile(torch.tensor([0.005, 0.995]), 0)
    room = ROOM * (high - low).clamp_min(1e-3)
    inside = ((points >= low - room) & (points <= high + room)).all(1)
    return {
        "points": [[round(value, DIGITS) for value in point] for point in points[inside].tolist()],
        "labels": labels[inside].tolist() if labels is not None else [],
        "mean": plane.mean.tolist(), "axes": plane.axes.tolist(),
        "low": (low - room).tolist(), "high": (high + room).tolist(),
    }  # fmt: skip


def _tested(run: Run) -> tuple[Tensor, Tensor | None]:
    """Codes (n, k) of test images, and their labels if they have some; or drawn ones."""
    try:
        test = run.data.test
    except SfumatoError:
        return run.system.latents(POINTS, torch.Generator().manual_seed(0)).flatten(1).float(), None
    rows = test.spread(POINTS)
    encoder, *_ = run.system.portable()
    codes = torch.cat([encoder.module()(test.images(part)) for part in rows.split(100)])
    return codes.flatten(1).float(), test.labels[rows] if test.labels is not None and run.classes else None


def _examples() -> list[str]:
    """An embedded photograph and a picture that a program draws, as a page shows them."""
    return [_jpeg(to_picture(photographs()["coffee"].float() / 255)), _jpeg(painting("strokes", 1))]


def _jpeg(picture: Any) -> str:
    file = io.BytesIO()
    picture.thumbnail((SIDE * 2, SIDE * 2))
    picture.save(file, "JPEG", quality=88)
    return f"data:image/jpeg;base64,{base64.b64encode(file.getvalue()).decode()}"
