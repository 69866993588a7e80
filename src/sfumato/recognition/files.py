"""What `sfumato predict` does: pictures, folders, archives and clips read, drawn on, and told in files."""

from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from itertools import groupby, islice
from pathlib import Path, PurePosixPath
from typing import Any

from PIL import Image

from ..data.clips import CLIPS, ClipWork, is_clip, open_clip, write_clip
from ..data.dataset import LeftOut, fingerprint, threads
from ..data.index import is_picture
from ..data.jobs import as_pngs, check_outside, in_order
from ..data.pictures import ENDINGS, WRITERS, Colour, write_picture, writer
from ..data.reader import is_tree, open_files
from ..errors import SfumatoError
from ..family import OpenRun
from ..files import resolved, write_atomically
from ..memory import exhausted, taking
from ..terminal import warn
from ..version import __version__
from .answers import Answers, Yolo, answers_at, is_table
from .clips import see_frames
from .predict import SCORE, Prediction, Reader, Seen
from .progress import Bar, Tally
from .segmentation import Segmenter

AHEAD = 32  # pictures that are decoded before the network takes them
Say = Callable[[Prediction], None]


@dataclass(frozen=True)
class Wanted:
    """What is written: `answers` as files, drawings (`masks`: class numbers instead) at `drawn`, each picture's at one
    of `targets`, by what it is called in answers."""

    answers: Sequence[Answers]
    drawn: Path | None
    masks: bool = False
    targets: Mapping[str, Path] = field(default_factory=dict)

    @property
    def kept(self) -> str:
        """What there is of the answers, in words, when no more are given."""
        drawn = [self.drawn] if self.targets else []  # frames wait until they are put together
        places = [str(path) for path in (*drawn, *(one.path for one in self.answers))]
        return f"; what was read is in {', '.join(places)}" if places else ""


@dataclass(frozen=True)
class Source:
    """A picture to be read: `said` in answers, at `place` below folders that are written."""

    said: str
    place: str
    size: int  # bytes
    content: Callable[[], bytes]


def predict_files(
    run: OpenRun,
    source: Path,
    out: Sequence[Path] = (),
    score: float = SCORE,
    masks: bool = False,
    yolo: Path | None = None,
    say: Say = lambda _: None,
) -> None:
    """Reads `source`, a picture, a folder or an archive of them, or a clip, and tells `say` of each answer.

    `out`: tables (.csv, .json), and what to draw on: a picture, a folder, or a clip. `masks`: write class numbers as
    palette PNGs and not drawings. `yolo`: a new folder for labels. Pictures among others that cannot be read are named
    and left out. Stopped by Ctrl-C, it keeps what is done and says so. Raises SfumatoError naming what is at fault.
    """
    tables, drawings = [path for path in out if is_table(path)], [path for path in out if not is_table(path)]
    if not source.exists() and not is_tree(source):
        raise SfumatoError(f"{source}: there is no such file")
    if len(drawings) > 1:
        raise SfumatoError(f"{drawings[1]}: drawings go to {drawings[0]} already: give one of the two")
    drawn, moving = next(iter(drawings), None), is_clip(source) and source.is_file()
    reader = Reader(run, score, steady=moving)
    if masks and not isinstance(reader.system, Segmenter):
        raise SfumatoError(f"{run.path}: a {run.system_name} run makes no masks")
    if yolo and reader.target != "boxes":
        raise SfumatoError(f"{yolo}: --yolo is for detectors, and {run.path} is a {run.system_name} run")
    if moving and (masks or yolo):
        raise SfumatoError(f"{source}: --mask and --yolo are for pictures, not for a clip")
    if moving:
        answers = [answers_at(path, reader.target, reader.names, moving) for path in tables]
        _read_clip(reader, source, Wanted(answers, drawn), say)
        return
    sources, left_out = _sources(source)
    targets = _targets(sources, source, drawn, masks)
    answers = [answers_at(path, reader.target, reader.names, moving) for path in tables]
    if yolo:
        answers.append(Yolo(yolo, {one.said: one.place for one in sources}, reader.names))
    _read_pictures(reader, source, sources, left_out, Wanted(answers, drawn, masks, targets), say)


def _sources(source: Path) -> tuple[list[Source], list[LeftOut]]:
    """The pictures at `source`: itself, or those below a folder or in an archive, by their paths in it."""
    if not is_tree(source):
        return [Source(str(source), source.name, source.stat().st_size, source.read_bytes)], []
    files, under = open_files(source)
    names = [name for name in files.names() if name.startswith(under) and is_picture(name)]
    left_out = files.refused()
    if not names:
        reason = f"; {left_out[0]}" if left_out else f"; there are {', '.join(sorted(ENDINGS))}"
        raise SfumatoError(f"{source}: holds no picture that can be read{reason}")
    names.sort(key=lambda name: (PurePosixPath(name).parent.as_posix(), in_order(Path(name))))

    def source_of(name: str) -> Source:
        place = name[len(under) :]
        return Source(place, place, files.size(name), lambda: files.content(name))

    return [source_of(name) for name in names], left_out


def _targets(sources: Sequence[Source], source: Path, out: Path | None, masks: bool) -> dict[str, Path]:
    """Where the drawing or the mask of each picture goes, by what it is called in answers; nothing without `out`."""
    if masks and out is None:
        raise SfumatoError("--mask: needs an --out to write masks to")
    if out is None:
        return {}
    if not is_tree(source):
        if masks and out.suffix.lower() != ".png":
            raise SfumatoError(f"--mask: needs an --out that ends in .png, not {out}")
        writer(out)
        if resolved(out) == resolved(source):
            raise SfumatoError(f"{out}: is the picture itself: give another --out")
        return {one.said: out for one in sources}
    if out.suffix.lower() in (*WRITERS, *CLIPS) or out.is_file():
        raise SfumatoError(f"{out}: {source} is a folder, so --out must be one too")
    check_outside(out, source)
    if not masks:
        ends = [one.place if Path(one.place).suffix.lower() in WRITERS else f"{one.place}.png" for one in sources]
        return {one.said: out / end for one, end in zip(sources, ends, strict=True)}
    targets: dict[str, Path] = {}
    for _, group in groupby(sources, lambda one: PurePosixPath(one.place).parent):
        own = list(group)
        pngs = as_pngs([out / one.place for one in own])
        targets |= {one.said: png for one, png in zip(own, pngs, strict=True)}
    return targets


def _read_pictures(
    reader: Reader, source: Path, sources: Sequence[Source], left_out: list[LeftOut], wanted: Wanted, say: Say
) -> None:
    alone = not is_tree(source)

    def leave_out(file: LeftOut) -> None:
        if alone:
            raise SfumatoError(str(file))
        left_out.append(file)
        warn(f"left out: {file}")

    def keep(found: Prediction) -> None:
        file = found.values["file"]
        if target := wanted.targets.get(file):
            try:
                writer(target, (1, 1) if wanted.masks else found.drawn.size)
            except SfumatoError as error:
                leave_out(LeftOut(file, str(error)))
                return
            if wanted.masks:
                _write_mask(found, target, reader.palette)
            else:
                write_picture(found.drawn, target)

    for file in left_out:
        warn(f"left out: {file}")
    tally = Tally("pictures", len(sources))
    _consume(reader.answers(_seen(reader, sources, leave_out)), keep, wanted, tally, say)
    if not tally.count:
        raise SfumatoError(f"{source}: none of its pictures could be read; the first: {left_out[0]}")
    if not alone:
        missing = f"; {len(left_out):,} left out" if left_out else ""
        warn(f"{tally.words()}{missing}")


def _consume(
    found: Iterator[Prediction], keep: Callable[[Prediction], None], wanted: Wanted, tally: Tally, say: Say
) -> None:
    """Passes each answer on. Whatever ends it, what was answered so far is written."""
    bar, stopped = Bar(tally.noun, tally.total), False
    try:
        for one in found:
            keep(one)
            for answers in wanted.answers:
                answers.add(one)
            tally.add(one)
            say(one)
            bar.advance()
    except KeyboardInterrupt:
        stopped = True
        raise
    finally:
        bar.close()
        for answers in wanted.answers if tally.count else ():
            answers.write()
        if stopped:
            warn(f"stopped: {tally.words()}{wanted.kept if tally.count else ''}")


def _seen(reader: Reader, sources: Sequence[Source], leave_out: Callable[[LeftOut], None]) -> Iterator[Seen]:
    """Each picture as the network reads it, decoded ahead of it; those that cannot be read are left out."""

    def attempt(source: Source) -> Seen | LeftOut:
        try:
            with taking(source.size):
                return reader.see_file(source.content, {"file": source.said})
        except SfumatoError as error:
            return LeftOut(source.said, str(error))
        except OSError as error:
            return LeftOut(source.said, f"cannot be read ({error.strerror})")
        except MemoryError as error:
            return LeftOut(source.said, exhausted(error))

    pool, waiting = ThreadPoolExecutor(threads(), thread_name_prefix="sfumato-decode"), deque[Future[Seen | LeftOut]]()
    left = iter(sources)
    try:
        while True:
            waiting.extend(pool.submit(attempt, one) for one in islice(left, AHEAD - len(waiting)))
            if not waiting:
                return
            seen = waiting.popleft().result()
            if isinstance(seen, LeftOut):
                leave_out(seen)
            else:
                yield seen
    finally:
        pool.shutdown(cancel_futures=True)


def _write_mask(found: Prediction, target: Path, palette: Sequence[Colour]) -> None:
    assert found.mask is not None
    picture = Image.fromarray(found.mask).convert("P")
    picture.putpalette([part for colour in palette for part in colour])
    write_atomically(target, lambda beside: picture.save(beside, "PNG"))


def _read_clip(reader: Reader, source: Path, wanted: Wanted, say: Say) -> None:
    clip = open_clip(source, wanted.drawn or source.with_name(".nowhere.mp4"))  # which is not written
    work = ClipWork(wanted.drawn, _recipe(reader, source)) if wanted.drawn else None
    done = work.done if work else 0

    def keep(found: Prediction) -> None:
        if work and found.values["frame"] >= work.done:
            work.keep(found.drawn)

    tally = Tally("frames", clip.frames or None)
    begin = 0 if wanted.answers else done  # frames that are drawn already are read again for a table alone
    try:
        _consume(reader.answers(see_frames(reader, clip, begin)), keep, wanted, tally, say)
    except KeyboardInterrupt:
        if work:
            warn(f"{work.path}: holds what is drawn; the same command goes on")
        raise
    if not tally.count and not done:
        raise SfumatoError(f"{source}: holds no frame that can be read")
    if work and wanted.drawn:
        for remark in write_clip(clip, work, wanted.drawn):
            warn(remark)
        work.remove()
    warn(tally.words())


def _recipe(reader: Reader, source: Path) -> dict[str, Any]:
    """What drawn frames depend on."""
    weights = (value.cpu() for value in reader.system.state_dict().values())
    digest = fingerprint(reader.runtime.describe(), repr((reader.score, *reader.names)), *weights)
    return {"sfumato": __version__, "clip": source.name, "bytes": source.stat().st_size, "digest": digest}
