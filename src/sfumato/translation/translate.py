"""Translating pictures of any size with a run: one by one, folders of them, and clips.

A picture keeps its size and its transparency. Networks that look at squares of one size alone are given the picture in
that size, and what they make is brought back.
"""

from collections.abc import Iterator
from pathlib import Path

import torch
from PIL import Image
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from ..data.clips import ClipWork, frames, is_clip, open_clip, write_clip
from ..data.dataset import fingerprint
from ..data.given import GivenT, like, picture_of
from ..data.jobs import jobs, read_file
from ..data.pictures import MAX_PIXELS, to_picture, to_tensor, write_picture, writer
from ..errors import SfumatoError
from ..family import OpenRun
from ..files import json_of
from ..terminal import console, warn
from ..version import __version__
from .tiles import TILE, Advance, TiledGenerator
from .translator import SIDES, Side, Translator

LEAST = 16  # pixels of the shorter side at which a picture is translated, and of a tile


class Translation:
    """A run that translates, opened to turn pictures into ones of side `to`. `size`: pixels on the shorter side at
    which they are translated, their own if it is None. `tile`: pixels a side that are computed at once at full size."""

    def __init__(self, run: OpenRun, to: str = "b", size: int | None = None, tile: int = TILE) -> None:
        """Raises SfumatoError for a run of another kind, or a side that there is not."""
        if not isinstance(run.system, Translator):
            raise SfumatoError(f"{run.path}: a {run.system_name} run translates nothing")
        if to not in SIDES:
            raise SfumatoError(f"to {to!r}: must be a or b")
        for name, value in (("size", size), ("tile", tile)):
            if value is not None and value < LEAST:
                raise SfumatoError(f"{name} {value}: must be {LEAST} pixels or more")
        self.system, self.runtime, self.size, self.tile = run.system, run.runtime, size, tile
        self.to: Side = "a" if to == "a" else "b"

    def translate(self, picture: GivenT | str | Path) -> GivenT:
        """`picture`, what `data.given` takes, as one of the other side: of its kind and size, a PIL image if it is a
        path. Raises SfumatoError for what is no picture."""
        colours, alpha = picture_of(picture)
        result = self.lay(colours)
        if alpha is not None:
            result.putalpha(alpha)
        return like(result, picture)

    def lay(self, picture: Image.Image, advance: Advance = lambda *_: None) -> Image.Image:
        """An `RGB` picture, translated."""
        config, size = self.system.config, picture.size
        parts = self.system.parts_to(self.to)
        if parts is None:
            picture = picture.resize((config.resolution, config.resolution), Image.Resampling.LANCZOS)
        elif self.size is not None:
            scale = self.size / min(size)
            width, height = (max(1, round(side * scale)) for side in size)
            if width * height > MAX_PIXELS:
                raise SfumatoError(f"size {self.size}: {width}×{height} pixels would be too many")
            picture = picture.resize((width, height), Image.Resampling.LANCZOS)
        image = to_tensor(picture if config.channels == 3 else picture.convert("L"))[None].float().div(127.5).sub(1)
        with torch.no_grad(), self.runtime.autocast():
            made = (
                self.system.translate(image, self.to) if parts is None
                else TiledGenerator(parts, self.runtime, self.tile, advance)(image)
            )  # fmt: skip
        result = to_picture((made[0].float() + 1) / 2).convert("RGB")
        return result if result.size == size else result.resize(size, Image.Resampling.LANCZOS)

    def digest(self) -> str:
        """Changes with whatever a result depends on."""
        return fingerprint(
            self.runtime.describe(), self.to, repr((self.size, self.tile)),
            *(value.cpu() for value in self.system.maker_of(self.to).state_dict().values()),
        )  # fmt: skip


def translate_files(
    run: OpenRun, content: Path, out: Path, to: str = "b", size: int | None = None, tile: int = TILE
) -> Iterator[Path]:
    """What the command does: translates `content`, a picture, a folder of them or a clip, and yields each file that it
    has written. Of a folder, pictures that cannot be read are left out with a line each. Raises SfumatoError naming the
    file at fault."""
    translation = Translation(run, to, size, tile)
    shown = console()
    bar = Progress(
        TextColumn("{task.description}", markup=False), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn(),
        console=shown, transient=True, disable=not shown.is_terminal,
    )  # fmt: skip
    with bar:
        if is_clip(content):
            yield _translate_clip(translation, content, out, bar)
        else:
            yield from _translate_pictures(translation, run, content, list(jobs(content, out)), bar)


def _translate_pictures(
    translation: Translation, run: OpenRun, content: Path, work: list[tuple[Path, Path]], bar: Progress
) -> Iterator[Path]:
    note = json_of({"sfumato": __version__, "system": run.system_name, "to": translation.to})
    everything, one = bar.add_task("pictures", total=len(work), visible=len(work) > 1), bar.add_task("", total=None)
    written = 0
    for source, target in work:
        bar.update(one, description=source.name, completed=0, total=None)
        try:
            picture, alpha = read_file(source)
            writer(target, picture.size)
            result = translation.lay(picture, lambda done, total: bar.update(one, completed=done, total=total))
        except SfumatoError as error:
            if not content.is_dir():
                raise
            warn(f"left out: {error}")
            continue
        finally:
            bar.advance(everything)
        write_picture(result, target, alpha, note)
        written += 1
        yield target
    if not written:
        raise SfumatoError(f"{content}: none of its {len(work)} pictures could be translated")


def _translate_clip(translation: Translation, content: Path, out: Path, bar: Progress) -> Path:
    clip = open_clip(content, out)
    recipe = {"sfumato": __version__, "clip": content.name, "bytes": content.stat().st_size}
    work = ClipWork(out, {**recipe, "digest": translation.digest()})
    task = bar.add_task(content.name, total=clip.frames or None, completed=work.done)
    for index, picture in enumerate(frames(clip)):
        if index >= work.done:
            work.keep(translation.lay(picture))
            bar.update(task, completed=work.done)
    if not work.done:
        raise SfumatoError(f"{content}: holds no frame that can be read")
    for remark in write_clip(clip, work, out):
        warn(remark)
    work.remove()
    return out
