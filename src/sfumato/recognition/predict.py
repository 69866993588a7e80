"""Reading pictures with a run: names, boxes, or a class for every pixel; as words, as values, and drawn."""

import io
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from ..data.given import Given, picture_of
from ..data.pictures import picture_size, read_image, read_picture, to_tensor
from ..data.sources import Target
from ..errors import SfumatoError
from ..family import OpenRun
from ..files import opened
from ..ops.anchors import Detections
from ..reports.overlays import GROUNDS, Colour, below, coloured, colours, draw_boxes
from .finetune import FineTuned
from .measures import find_objects, name_pictures
from .recognizer import Recognizer
from .segmentation import Segmenter, enlarged
from .ssd import SSD

SCORE = 0.5
NAMED = 3  # classes of a picture that are said
LISTED = 10  # detections that are said
LEAST = 0.005  # share of the pixels from which on a class is said
DIGITS = 2  # behind the point of a pixel
BATCH = 8  # pictures of one size that are read at once
LEGEND = 12  # classes that are named below the frames of a clip, at most


@dataclass(frozen=True, eq=False)
class Prediction:
    """`words`: a line for people. `values`: the same for programs, beginning with where it was seen: a `file`, or a
    `frame` and its `time`. `size`: width and height of the upright picture, in which boxes are. `mask`: of
    segmentation, the class of each of its pixels, uint8 (h, w). `file`: None of a picture that was no file."""

    words: str
    values: dict[str, Any]
    size: tuple[int, int]
    draw: Callable[[], Image.Image] = field(repr=False)
    mask: np.ndarray[Any, np.dtype[np.uint8]] | None = field(default=None, repr=False)

    @property
    def file(self) -> Path | None:
        return Path(self.values["file"]) if "file" in self.values else None

    @property
    def place(self) -> str:
        """Where it was seen, in a word."""
        return self.values.get("file") or f"{self.values.get('time', 0):.2f} s"

    @cached_property
    def drawn(self) -> Image.Image:
        """The picture with the answer on it; made when it is first asked for."""
        return self.draw()


@dataclass(frozen=True, eq=False)
class Seen:
    """A picture as the network reads it, `image`, uint8 (3, h, w). `size`: of the upright one; `whole` gives that.
    `where`: what the values of its answer begin with."""

    image: Tensor
    size: tuple[int, int]
    whole: Callable[[], Image.Image]
    where: Mapping[str, Any]


class Reader:
    """A run that recognises, opened to read pictures of any kind."""

    def __init__(self, run: OpenRun, score: float = SCORE, steady: bool = False) -> None:
        """`score`: how sure a detection must be. `steady`: all drawings of pictures of one size have one size too.
        Raises SfumatoError for a run of another kind."""
        if not isinstance(run.system, Recognizer):
            raise SfumatoError(f"{run.path}: a {run.system_name} run recognises nothing")
        if not 0 <= score <= 1:
            raise SfumatoError(f"score {score}: must lie between 0 and 1")
        self.system, self.runtime, self.score, self.steady = run.system, run.runtime, score, steady
        self.names = run.classes
        self.palette = run.palette or colours(run.classes)  # of masks
        self.target: Target = run.system.config.target

    def read(self, picture: Given) -> Prediction:
        """What is in `picture`: a file, a PIL image, an array or a tensor as `data.given` takes them. Raises
        SfumatoError, naming the file if there is one, if it cannot be read."""
        return self._answer([self.see(picture)])[0]

    def read_all(self, pictures: Iterable[Given]) -> list[Prediction]:
        """What is in each. Raises SfumatoError as `read` does."""
        return list(self.answers(map(self.see, pictures)))

    def answers(self, pictures: Iterable[Seen]) -> Iterator[Prediction]:
        """What is in each, in order; neighbours of one size are read at once."""
        held: list[Seen] = []
        for one in pictures:
            if held and (len(held) == BATCH or one.image.shape != held[0].image.shape):
                yield from self._answer(held)
                held = []
            held.append(one)
        if held:
            yield from self._answer(held)

    def see(self, picture: Given, where: Mapping[str, Any] | None = None) -> Seen:
        """`picture` as the network reads it. Raises SfumatoError as `read` does."""
        if not isinstance(picture, str | Path | Image.Image):
            picture, _ = picture_of(picture)
        if isinstance(picture, Image.Image):
            config = self.system.config
            whole, image = read_image(picture, 3), read_image(picture, 3, config.resolution, config.fit)
            return Seen(to_tensor(image), whole.size, whole.copy, where or {})
        path = Path(picture)

        def read() -> bytes:
            with opened(path) as file:
                return file.read()

        try:
            return self.see_file(read, where or {"file": str(path)})
        except SfumatoError as error:
            raise SfumatoError(f"{path}: {error}") from None
        except OSError as error:
            raise SfumatoError(f"{path}: {error.strerror}") from None

    def see_file(self, read: Callable[[], bytes], where: Mapping[str, Any]) -> Seen:
        """The picture in a file that `read` reads, decoded no larger than the network takes it. Raises SfumatoError
        without its name."""
        config = self.system.config
        content = read()
        image = to_tensor(read_picture(io.BytesIO(content), 3, config.resolution, config.fit))
        size = picture_size(io.BytesIO(content))
        return Seen(image, size, lambda: read_picture(io.BytesIO(read()), 3), where)

    def _answer(self, seen: Sequence[Seen]) -> list[Prediction]:
        """Of pictures that the network reads at one size."""
        images = torch.stack([one.image for one in seen]).float().div_(255)
        if isinstance(self.system, Segmenter):
            with torch.no_grad(), self.runtime.autocast():
                there = images.to(self.runtime.device, memory_format=self.runtime.memory_format)
                logits = self.system(there).float().cpu()
            return [self._coloured(one, own) for one, own in zip(seen, logits.split(1), strict=True)]
        if isinstance(self.system, SSD):
            found = find_objects(self.system, images, self.runtime, self.score)
            return [self._boxed(one, own) for one, own in zip(seen, found, strict=True)]
        assert isinstance(self.system, FineTuned)
        chances = name_pictures(self.system, images, self.runtime)
        return [self._named(one, own) for one, own in zip(seen, chances, strict=True)]

    def _named(self, seen: Seen, chances: Tensor) -> Prediction:
        order = chances.argsort(descending=True).tolist()
        said = [(self.names[number], float(chances[number])) for number in order]
        lines = [f"{name} {chance:.1%}" for name, chance in said[:NAMED]]
        values = {"classes": [{"name": name, "probability": chance} for name, chance in said]}

        def draw() -> Image.Image:
            palette, whole = colours(self.names), seen.whole()
            if self.steady:
                draw_boxes(whole, torch.tensor([[0.0, 0.0, 1.0, 1.0]]), order[:1], self.names, lines[:1])
                return whole
            return below(whole, [(line, palette[number]) for line, number in zip(lines, order, strict=False)])

        return Prediction(", ".join(lines), {**seen.where, **values}, seen.size, draw)

    def _boxed(self, seen: Seen, found: Detections) -> Prediction:
        scale = torch.tensor(seen.size * 2)
        edges = [[round(edge, DIGITS) for edge in box] for box in (found.boxes * scale).tolist()]
        kept = [place for place, box in enumerate(edges) if box[0] < box[2] and box[1] < box[3]]
        classes = [int(found.classes[place]) for place in kept]
        scores = [float(found.scores[place]) for place in kept]
        words = [f"{self.names[number]} {score:.2f}" for number, score in zip(classes, scores, strict=True)]
        values = [
            {"name": self.names[number], "score": score, "box": edges[place]}
            for number, score, place in zip(classes, scores, kept, strict=True)
        ]

        def draw() -> Image.Image:
            whole = seen.whole()
            draw_boxes(whole, found.boxes[kept], classes, self.names, words)
            return whole

        said = ", ".join(words[:LISTED]) + (f" and {len(words) - LISTED} more" if len(words) > LISTED else "")
        return Prediction(said or "nothing", {**seen.where, "objects": values}, seen.size, draw)

    def _coloured(self, seen: Seen, logits: Tensor) -> Prediction:
        width, height = seen.size
        mask = _largest(logits, (height, width))
        shares = mask.flatten().bincount(minlength=len(self.names)) / mask.numel()
        order = shares.argsort(descending=True, stable=True).tolist()
        lines = {number: f"{self.names[number]} {shares[number]:.0%}" for number in order if shares[number] >= LEAST}

        def draw() -> Image.Image:
            legend = lines
            if self.steady:  # the same below every frame, or nothing
                legend = dict(enumerate(self.names)) if len(self.names) <= LEGEND else {}
            drawn = Image.fromarray(_painted(to_tensor(seen.whole()), mask, self.names, self.palette))
            rows = [
                (line, self.palette[number]) for number, line in legend.items() if self.names[number] not in GROUNDS
            ]
            return below(drawn, rows)

        values = {self.names[number]: float(shares[number]) for number in order}
        return Prediction(
            ", ".join(lines.values()), {**seen.where, "pixels": values}, seen.size, draw, mask.numpy()
        )  # fmt: skip


def _largest(logits: Tensor, size: tuple[int, int]) -> Tensor:
    """uint8 (h, w): the class of the largest of `logits` (1, k, ·, ·) enlarged to `size`, class by class: all of them
    together would not fit into memory for a large photograph."""
    best = enlarged(logits[:, :1], size)[0, 0]
    found = torch.zeros(size, dtype=torch.uint8)
    for number in range(1, logits.shape[1]):
        values = enlarged(logits[:, number : number + 1], size)[0, 0]
        found[values > best] = number
        best = torch.maximum(best, values)
    return found


def _painted(
    picture: Tensor, mask: Tensor, names: Sequence[str], palette: Sequence[Colour]
) -> np.ndarray[Any, np.dtype[np.uint8]]:
    """uint8 (h, w, 3): `picture`, uint8 (3, h, w), under the colours of `mask`; in strips, for the same reason."""
    strips = [
        (coloured(part.float() / 255, own, names, palette) * 255).round().to(torch.uint8)
        for part, own in zip(picture.split(256, 1), mask.split(256), strict=True)
    ]
    return torch.cat(strips, 1).permute(1, 2, 0).contiguous().numpy()
