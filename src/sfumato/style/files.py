"""What `sfumato stylize` does: files, folders and clips restyled, with bars to watch by.

Pictures keep their transparency and, as PNG files, a note of how they were made.
"""

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import fields
from pathlib import Path
from typing import Any

from PIL import Image
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from ..data.clips import Clip, ClipWork, frames, is_clip, open_clip, write_clip
from ..data.jobs import as_pngs, jobs, read_file
from ..data.pictures import to_picture, write_picture, writer
from ..engine.runtime import choose
from ..errors import SfumatoError
from ..files import json_of, resolved
from ..reports.events import Events
from ..terminal import console, warn
from ..version import __version__
from .clips import restyle_frames, warp_errors
from .gatys import PictureTick
from .network import Restyler, shipped
from .options import PATHS, MethodOptions, NetworkOptions, Options
from .restyle import Interrupted, Styles, mask_of, size_of, sized

LOOK, WATCHED = 5, 2.0  # steps between two looks at the losses of an optimisation, seconds between two at its picture


class Bars:
    """What one sees of the work: a bar over pictures, one over the tiles or steps of each, the losses of a step; and in
    the folder `watch`, progress.png and TensorBoard's events."""

    def __init__(self, pictures: int, watch: Path | None) -> None:
        self.console = console()
        self.bar = Progress(
            TextColumn("{task.description}", markup=False), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn(),
            TextColumn("{task.fields[losses]}", markup=False), console=self.console, transient=True,
            disable=not self.console.is_terminal,
        )  # fmt: skip
        self.all = self.bar.add_task("pictures", total=pictures, losses="", visible=pictures > 1)
        self.one = self.bar.add_task("", total=None, losses="")
        self.watch, self.watched = watch, 0.0
        self.events: Events | None = None

    def __enter__(self) -> "Bars":
        if self.watch:
            self.watch.mkdir(parents=True, exist_ok=True)
            self.events = Events(self.watch)
        self.bar.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.bar.stop()
        if self.events:
            self.events.close()

    @contextmanager
    def picture(self, name: str) -> Iterator[Callable[[int, int], object]]:
        """The function that is told how much of a picture is done."""
        self.bar.update(self.one, description=name, completed=0, losses="")
        yield lambda done, total: self.bar.update(self.one, completed=done, total=total)
        self.bar.advance(self.all)

    def follow(self, tick: PictureTick) -> None:
        """Shows the losses on a terminal, and in `watch` those and the picture: the first at once, then every 2 s."""
        if self.console.is_terminal and tick.images % LOOK == 0:
            self.bar.update(
                self.one, losses=", ".join(f"{key} {float(value):.4g}" for key, value in tick.scalars.items())
            )
        due = time.monotonic() - self.watched >= WATCHED or tick.images == tick.total
        if self.watch and self.events and due:
            self.watched = time.monotonic()
            path = self.watch / "progress.png"
            write_picture(to_picture(tick.canvas.image[0]), path)
            self.events.picture("picture", path.read_bytes(), tick.images)
            self.events.scalars({name: float(value) for name, value in tick.scalars.items()}, tick.images)


def stylize_files(
    content: Path, styles: Sequence[Path], out: Path, options: MethodOptions, masks: Sequence[Path] = (),
    device: str = "auto", precision: str = "auto", network: Callable[[], Restyler] = shipped,
    watch: Path | None = None, as_frames: bool = False,
) -> Iterator[Path]:  # fmt: skip
    """What the command does: restyles `content`, a picture, a folder of them or a clip, and yields each file it has
    written. `network`: gives the one of `options.run`. `as_frames`: the pictures of a folder, in the order of their
    names, are the frames of a clip.

    Of a folder, pictures that cannot be read are left out with a line each. Raises SfumatoError naming the file at
    fault.
    """
    if watch and isinstance(options, NetworkOptions):
        raise SfumatoError(f"watch {watch}: there is nothing to watch without --method gatys or --preset fine")
    if resolved(out) in map(resolved, (*styles, *masks)):
        raise SfumatoError(f"{out}: is a style or a mask: give another --out")
    clip = open_clip(content, out) if is_clip(content) else None
    work = [] if clip else list(jobs(content, out))
    bars = Bars(clip.frames if clip else len(work), watch)
    ready = Styles(
        [read_file(path)[0] for path in styles], options, choose(device, precision),
        [mask_of(*read_file(path)) for path in masks], network, warn, bars.follow,
    )  # fmt: skip
    recipe = described(options, styles, masks)
    with bars:
        if clip:
            yield _restyle_clip(clip, out, ready, recipe, bars)
        elif as_frames:
            yield from _restyle_frames(work, out, ready, recipe, bars)
        else:
            yield from _restyle_pictures(content, work, ready, json_of(recipe), bars)


def _restyle_pictures(
    content: Path, work: Sequence[tuple[Path, Path]], styles: Styles, recipe: str, bars: Bars
) -> Iterator[Path]:
    restyled = 0
    for source, target in work:
        stopped = None
        try:
            picture, alpha = read_file(source)
            writer(target, size_of(picture.size, styles.options.content_size, styles.options.crop))
            with bars.picture(source.name) as advance:
                try:
                    result = styles.lay(picture, advance)
                except Interrupted as stop:
                    stopped, result = stop, stop.finished
        except SfumatoError as error:
            message = str(error) if str(error).startswith((str(source), str(target))) else f"{source}: {error}"
            if not content.is_dir():
                raise SfumatoError(message) from None
            warn(f"left out: {message}")
            continue
        if alpha is not None:
            alpha = sized(alpha, styles.options.content_size, styles.options.crop)
        write_picture(result, target, alpha, recipe)
        restyled += 1
        yield target
        if stopped:
            warn(f"stopped: {target} is what was painted so far")
            raise stopped
    if not restyled:
        raise SfumatoError(f"{content}: none of its {len(work)} pictures could be restyled")


def _restyle_clip(clip: Clip, out: Path, styles: Styles, recipe: dict[str, Any], bars: Bars) -> Path:
    made = {**recipe, "clip": clip.path.name, "bytes": clip.path.stat().st_size, "digest": styles.digest()}
    finished = ClipWork(out, made)
    _follow_frames(frames(clip), clip.path.name, clip.frames, finished, styles, bars)
    if not finished.done:
        raise SfumatoError(f"{clip.path}: holds no frame that can be read")
    for remark in write_clip(clip, finished, out):
        warn(remark)
    _say_how_it_holds(finished)
    finished.remove()
    return out


def _restyle_frames(
    work: Sequence[tuple[Path, Path]], out: Path, styles: Styles, recipe: dict[str, Any], bars: Bars
) -> Iterator[Path]:
    targets = as_pngs([target for _, target in work])
    finished = ClipWork(out, {**recipe, "frames": [path.name for path, _ in work], "digest": styles.digest()})
    _follow_frames((read_file(path)[0] for path, _ in work), out.name, len(work), finished, styles, bars)
    out.mkdir(parents=True, exist_ok=True)
    for index, target in enumerate(targets):
        finished.frame(index).replace(target)
        yield target
    _say_how_it_holds(finished)
    finished.remove()


def _follow_frames(
    pictures: Iterator[Image.Image], name: str, count: int, finished: ClipWork, styles: Styles, bars: Bars
) -> None:
    options = styles.options
    contents = (sized(picture, options.content_size, options.crop) for picture in pictures)

    def lay(picture: Image.Image, before: Image.Image | None) -> Image.Image:
        return styles.lay(picture, before=before)

    with bars.picture(name) as advance:
        for done in restyle_frames(contents, lay, finished, options.coherence):
            advance(done, count or done)


def _say_how_it_holds(finished: ClipWork) -> None:
    if means := warp_errors(finished):
        warn(f"warp error {means[0]:.5f} over {finished.done} frames; restyled each for itself {means[1]:.5f}")


def described(options: MethodOptions, styles: Sequence[Path], masks: Sequence[Path]) -> dict[str, Any]:
    """What is written into a PNG: how to make it again. Names of files only, no folders."""
    found: dict[str, Any] = {"sfumato": __version__, "styles": [path.name for path in styles]}
    if masks:
        found["masks"] = [path.name for path in masks]
    for name in ("method", "preset", *(field.name for field in fields(options))):
        value = getattr(options, name)
        if value != getattr(Options if name in ("method", "preset") else type(options), name):
            found[name] = Path(value).name if name in (*PATHS, "init") else value
    return found
