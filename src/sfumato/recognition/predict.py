"""Reading pictures with a run: names, boxes, or a class for every pixel; as words, as JSON, and drawn."""

import io
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from ..data.given import Given, picture_of
from ..data.jobs import jobs
from ..data.pictures import read_image, read_picture, to_tensor, write_picture, writer
from ..errors import SfumatoError
from ..family import OpenRun
from ..files import write_bytes
from ..reports.overlays import GROUNDS, below, coloured, colours, draw_boxes
from .finetune import FineTuned
from .measures import find_objects, name_pictures
from .recognizer import Recognizer
from .segmentation import Segmenter, enlarged
from .ssd import SSD

SCORE = 0.5
NAMED = 3  # classes of a picture that are said
LISTED = 10  # detections that are said
LEAST = 0.005  # share of the pixels from which on a class is said


@dataclass(frozen=True)
class Prediction:
    """`words`: a line for people. `values`: the same for programs. `drawn`: the picture with it on. `mask`: of
    segmentation, the class of each pixel of the picture as it is stored, uint8 (h, w). `file`: None of a picture that
    was no file."""

    file: Path | None
    words: str
    values: dict[str, Any]
    drawn: Image.Image
    mask: np.ndarray[Any, np.dtype[np.uint8]] | None = None


class Reader:
    """A run that recognises, opened to read pictures of any kind one by one."""

    def __init__(self, run: OpenRun, score: float = SCORE) -> None:
        """`score`: how sure a detection must be. Raises SfumatoError for a run of another kind."""
        if not isinstance(run.system, Recognizer):
            raise SfumatoError(f"{run.path}: a {run.system_name} run recognises nothing")
        if not 0 <= score <= 1:
            raise SfumatoError(f"score {score}: must lie between 0 and 1")
        self.system, self.runtime, self.score = run.system, run.runtime, score
        self.names = run.classes

    def read(self, picture: Given) -> Prediction:
        """What is in `picture`: a file, a PIL image, an array or a tensor as `data.given` takes them. Raises
        SfumatoError, naming the file if there is one, if it cannot be read."""
        config = self.system.config
        if not isinstance(picture, str | Path | Image.Image):
            picture, _ = picture_of(picture)
        if isinstance(picture, Image.Image):
            whole, seen = read_image(picture, 3), read_image(picture, 3, config.resolution, config.fit)
            return self._read(None, whole, seen)
        path = Path(picture)
        try:
            content = path.read_bytes()
            whole = read_picture(io.BytesIO(content), 3)
            seen = read_picture(io.BytesIO(content), 3, config.resolution, config.fit)
        except SfumatoError as error:
            raise SfumatoError(f"{path}: {error}") from None
        except OSError as error:
            raise SfumatoError(f"{path}: {error.strerror}") from None
        return self._read(path, whole, seen)

    def _read(self, path: Path | None, whole: Image.Image, seen: Image.Image) -> Prediction:
        images = to_tensor(seen)[None].float() / 255
        if isinstance(self.system, Segmenter):
            return self._coloured(path, whole, images)
        if isinstance(self.system, SSD):
            return self._boxed(path, whole, images)
        return self._named(path, whole, images)

    def _named(self, path: Path | None, whole: Image.Image, images: Tensor) -> Prediction:
        assert isinstance(self.system, FineTuned)
        (chances,) = name_pictures(self.system, images, self.runtime)
        order = chances.argsort(descending=True).tolist()
        said = [(self.names[number], float(chances[number])) for number in order]
        palette = colours(self.names)
        lines = [f"{name} {chance:.1%}" for name, chance in said[:NAMED]]
        drawn = below(whole, [(line, palette[number]) for line, number in zip(lines, order, strict=False)])
        values = {"classes": [{"name": name, "probability": chance} for name, chance in said]}
        return Prediction(path, ", ".join(lines), {**_named_file(path), **values}, drawn)

    def _boxed(self, path: Path | None, whole: Image.Image, images: Tensor) -> Prediction:
        assert isinstance(self.system, SSD)
        (found,) = find_objects(self.system, images, self.runtime, self.score)
        scale = torch.tensor([whole.width, whole.height] * 2)
        rows = list(zip(found.classes.tolist(), found.scores.tolist(), (found.boxes * scale).tolist(), strict=True))
        words = [f"{self.names[number]} {score:.2f}" for number, score, _ in rows]
        draw_boxes(whole, found.boxes, found.classes.tolist(), self.names, words)
        values = [
            {"name": self.names[number], "score": score, "box": [round(edge, 1) for edge in box]}
            for number, score, box in rows
        ]
        said = ", ".join(words[:LISTED]) + (f" and {len(words) - LISTED} more" if len(words) > LISTED else "")
        return Prediction(path, said or "nothing", {**_named_file(path), "objects": values}, whole)

    def _coloured(self, path: Path | None, whole: Image.Image, images: Tensor) -> Prediction:
        assert isinstance(self.system, Segmenter)
        with torch.no_grad(), self.runtime.autocast():
            logits = self.system(images.to(self.runtime.device)).float().cpu()
        mask = _largest(logits, (whole.height, whole.width))
        shares = mask.flatten().bincount(minlength=len(self.names)) / mask.numel()
        order = [number for number in shares.argsort(descending=True).tolist() if shares[number] >= LEAST]
        palette, lines = colours(self.names), []
        for number in order:
            lines.append((f"{self.names[number]} {shares[number]:.0%}", palette[number]))
        drawn = Image.fromarray(_painted(to_tensor(whole), mask, self.names))
        legend = [line for line, number in zip(lines, order, strict=True) if self.names[number] not in GROUNDS]
        values = {self.names[number]: float(shares[number]) for number in order}
        return Prediction(
            path, ", ".join(word for word, _ in lines), {**_named_file(path), "pixels": values}, below(drawn, legend),
            mask.to(torch.uint8).numpy(),
        )  # fmt: skip


def _named_file(path: Path | None) -> dict[str, str]:
    return {} if path is None else {"file": str(path)}


def _largest(logits: Tensor, size: tuple[int, int]) -> Tensor:
    """int64 (h, w): the class of the largest of `logits` (1, k, ·, ·) enlarged to `size`, class by class: all of them
    together would not fit into memory for a large photograph."""
    best = enlarged(logits[:, :1], size)[0, 0]
    found = torch.zeros(size, dtype=torch.int64)
    for number in range(1, logits.shape[1]):
        values = enlarged(logits[:, number : number + 1], size)[0, 0]
        found[values > best] = number
        best = torch.maximum(best, values)
    return found


def _painted(picture: Tensor, mask: Tensor, names: Sequence[str]) -> np.ndarray[Any, np.dtype[np.uint8]]:
    """uint8 (h, w, 3): `picture`, uint8 (3, h, w), under the colours of `mask`; in strips, for the same reason."""
    strips = [
        (coloured(part.float() / 255, own, names) * 255).round().to(torch.uint8)
        for part, own in zip(picture.split(256, 1), mask.split(256), strict=True)
    ]
    return torch.cat(strips, 1).permute(1, 2, 0).contiguous().numpy()


def predict_files(
    run: OpenRun, picture: Path, out: Path | None, score: float = SCORE, masks: bool = False
) -> Iterator[Prediction]:
    """What the command does: reads `picture`, or those of a folder one after the other, and yields what it has said of
    each after writing it into `out`.

    `out`: a picture, or for a folder a folder; None writes nothing. `masks`: write class numbers as a palette PNG and
    not the drawing. Pictures of a folder that cannot be read are left out with a line each. Raises SfumatoError naming
    the file at fault.
    """
    reader = Reader(run, score)
    if masks and not isinstance(reader.system, Segmenter):
        raise SfumatoError(f"{run.path}: a {run.system_name} run makes no masks")
    if not picture.exists():
        raise SfumatoError(f"{picture}: there is no such file")
    if masks and (out is None or (not picture.is_dir() and out.suffix.lower() != ".png")):
        raise SfumatoError(f"--mask: needs an --out{'' if out is None else f' that ends in .png, not {out}'}")
    nowhere = picture.parent / ".nowhere"  # the name of an answer that is not written
    work = jobs(picture, out or (nowhere if picture.is_dir() else nowhere.with_suffix(".png")))
    count = 0
    for source, target in work:
        try:
            found = reader.read(source)
            if out is not None:
                target = _checked(target, found, masks)
        except SfumatoError as error:
            if not picture.is_dir():
                raise
            print(f"sfumato: left out: {error}", file=sys.stderr)
            continue
        if out is not None:
            target.parent.mkdir(parents=True, exist_ok=True)
            _write(found, target, reader.names, masks)
        count += 1
        yield found
    if not count:
        raise SfumatoError(f"{picture}: none of its pictures could be read")


def _checked(target: Path, found: Prediction, masks: bool) -> Path:
    """Where an answer goes. Raises SfumatoError if it cannot."""
    if masks and target.suffix.lower() != ".png":
        target = target.with_name(f"{target.name}.png")
    writer(target, (1, 1) if masks else found.drawn.size)
    return target


def _write(found: Prediction, target: Path, names: Sequence[str], masks: bool) -> None:
    if not masks:
        write_picture(found.drawn, target)
        return
    assert found.mask is not None
    picture = Image.fromarray(found.mask).convert("P")
    picture.putpalette([part for colour in colours(names) for part in colour])
    buffer = io.BytesIO()
    picture.save(buffer, "PNG")
    write_bytes(target, buffer.getvalue())
