"""A tree of pictures, in a folder, a zip or tars: class = first sub-folder.

Folders that hold everything are looked through, and so are folders of halves, in any spelling, above the classes
(`Training/cat`) or below them (`cat/train`). Where no folder says the half, tables and lists that came with the
pictures do, else a hash of their names. Classes may stand in a table as well. Archives are read where they lie and
never unpacked. Pictures that lie beside folders of classes, in a half without classes or in no half, and files that
cannot be used, are left out, each with its reason.
"""

import csv
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor

from ..errors import SfumatoError
from .archives import Files, text_of
from .dataset import ImageData, LeftOut
from .division import FILE_COLUMNS, MOST, NOWHERE, USUAL, Division, columns, declared
from .formats.table import LABEL_COLUMNS, known
from .halves import HALVES, Half, are_told_apart, half_of, halves_of
from .index import PictureIndex, is_picture
from .pictures import Fit
from .reader import PictureReader, marks_of, open_files, passed_over, refuse_if, splits_of

WRAPPERS = {"images", "image", "imgs", "img", "pictures", "photos", "data", "jpegimages"}
TABLES = (".csv", ".tsv")  # that may be read
SHOWN = 5


@dataclass(frozen=True)
class Placed:
    """A file with its class and half."""

    name: str
    label: str
    half: Half | None


@dataclass(frozen=True)
class Layout:
    """Where the pictures of a tree belong. `how`: how that was found out, in words. `by_folders`: folders say the
    halves."""

    placed: list[Placed]
    left_out: list[LeftOut]
    how: str = ""
    by_folders: bool = False


def read_folder(
    path: Path, channels: int, resolution: int, strict: bool = False, fit: Fit = "square", division: Division = USUAL
) -> ImageData:
    """The pictures below `path`, which `open_files` opens, resized as `read_picture` does it.

    Pictures that fit into 2 GiB are decoded once into memory, more of them into a file, if they can be. Raises
    SfumatoError if nothing can be used, or, with `strict`, at the first file that cannot.
    """
    files, under = open_files(path)
    names = [name for name in files.names() if name.startswith(under)]
    layout = laid_out(files, names, under, division)
    left_out = [*files.refused(), *layout.left_out]
    reader = PictureReader(files, channels, resolution, fit)
    good, pictures, bad = reader.gather([file.name for file in layout.placed], path.name)
    left_out += bad
    refuse_if(strict, path, left_out, bool(good))
    placed = [layout.placed[index] for index in good]
    return _data(path, placed, layout, pictures, reader, left_out, division)


def laid_out(files: Files, names: Sequence[str], under: str, division: Division = USUAL) -> Layout:
    """Which class and which half each picture among `names` is of."""
    pictures = [name for name in names if is_picture(name)]
    left_out = [
        LeftOut(name.removeprefix(under), "not a picture by its ending")
        for name in names
        if not is_picture(name) and not name.lower().endswith(TABLES)
    ]
    inside = {name: name.removeprefix(under).split("/")[:-1] for name in pictures}
    _unwrap(inside)
    halves: dict[str, Half | None] = dict.fromkeys(pictures)
    how = "" if division.asks else _by_folders(inside, halves)
    by_folders = bool(how)
    if not by_folders:
        found = declared(files, names, under, division)
        halves |= {name: half for name, (half, _) in found.halves.items()}
        inside |= {name: _below(name, folder) for name, (_, folder) in found.halves.items() if folder}
        how = found.how
    if any(halves.values()):
        left_out += [LeftOut(name.removeprefix(under), NOWHERE) for name in pictures if not halves[name]]
        inside = {name: folders for name, folders in inside.items() if halves[name]}
        _unwrap_halves(inside)
    labels = {name: files.label(name) or (folders[0] if folders else "") for name, folders in inside.items()}
    labels, words = _with_table(files, names, labels)
    loose = [name for name, label in labels.items() if not label]
    if 2 * len(loose) >= len(labels) and not any(map(files.label, labels)):  # some pictures put aside, but no classes
        labels = dict.fromkeys(labels, "")
    else:
        left_out += [LeftOut(name.removeprefix(under), _why_loose(halves[name])) for name in loose]
        labels = {name: label for name, label in labels.items() if label}
    placed = [Placed(name, label, halves[name]) for name, label in labels.items()]
    return Layout(placed, left_out, "; ".join(filter(None, (how, words))), by_folders)


def _why_loose(half: Half | None) -> str:
    return f"in no folder of a class, in the half {half}" if half else "beside the folders of classes, in none of them"


def _below(name: str, folder: str) -> list[str]:
    """The folders of a picture below `folder`."""
    return name.removeprefix(folder).split("/")[:-1]


def _unwrap(inside: dict[str, list[str]]) -> None:
    """Takes away first folders that hold everything, as long as there are others below."""
    while inside and all(inside.values()) and len({folders[0] for folders in inside.values()}) == 1:
        if max(map(len, inside.values())) < 2:
            return
        for name in inside:
            inside[name] = inside[name][1:]


def _unwrap_halves(inside: dict[str, list[str]]) -> None:
    """Takes away what stands between halves and classes: `train/images/cat`, `train/train/cat`."""
    while inside and all(inside.values()):
        firsts = {folders[0] for folders in inside.values()}
        if not all(first.lower() in WRAPPERS or half_of(first) for first in firsts):
            return
        for name in inside:
            inside[name] = inside[name][1:]


def _by_folders(inside: dict[str, list[str]], halves: dict[str, Half | None]) -> str:
    """Finds the level of folders that says the halves, fills `halves` and takes it away; says how, or nothing."""
    if _are_halves({folders[0] for folders in inside.values() if folders}):
        level = 0
    else:
        below: dict[str, set[str]] = {}
        for folders in inside.values():
            below.setdefault(folders[0] if folders else "", set()).add(folders[1] if len(folders) > 1 else "")
        if not below or not all(_are_halves(names) for names in below.values()):
            return ""
        level = 1
    names = dict[Half, str]()
    for name, folders in inside.items():
        half = half_of(folders[level]) if len(folders) > level else None
        halves[name] = half
        if half:
            names.setdefault(half, folders[level])
            inside[name] = folders[:level] + folders[level + 1 :]
    return "halves from folders: " + ", ".join(f"{names[half]}" for half in HALVES if half in names)


def _are_halves(folders: set[str]) -> bool:
    """Whether the names of sibling folders tell a part to train on from one to test on."""
    return are_told_apart({half_of(folder) for folder in folders})


def _with_table(files: Files, names: Sequence[str], labels: dict[str, str]) -> tuple[dict[str, str], str]:
    """The classes as a table says them, where folders tell fewer than two apart; and which table."""
    if len(set(labels.values())) > 1:
        return labels, ""
    index = PictureIndex(labels)
    for table in (name for name in names if name.lower().endswith(TABLES)):
        try:
            found = _table_labels(text_of(files, table), table, index)
        except (SfumatoError, csv.Error):
            continue
        if len(found) >= MOST * len(labels):
            return {name: found.get(name, "") for name in labels}, f"classes from {table}"
    return labels, ""


def _table_labels(text: str, where: str, index: PictureIndex) -> dict[str, str]:
    """The classes of a table with a column of files and one of labels, or, as Roboflow writes it, a column of 0 and 1
    for each class."""
    head, rows = columns(text)
    file, label = known(head, FILE_COLUMNS), known(head, LABEL_COLUMNS)
    classes = [name for name in head if name != file]
    found = dict[str, str]()
    for _, row in rows:
        marked = [name for name in classes if row.get(name) == "1"]
        said = row.get(label, "") if label else marked[0] if len(marked) == 1 else ""
        if file is None or not said or not row.get(file):
            continue
        try:
            found[index.find(row[file], where)] = " ".join(said.split())
        except SfumatoError:
            continue
    return found


def _data(
    path: Path,
    good: list[Placed],
    layout: Layout,
    pictures: list[Tensor],
    reader: PictureReader,
    left_out: list[LeftOut],
    division: Division,
) -> ImageData:
    files = [file.name for file in good]
    said: list[Half | None] = [file.half for file in good]
    if any(said) and len({*said}) < 2:
        empty = "training" if said[0] != "train" else "test"
        raise SfumatoError(f"{path}: its {empty} folder holds no picture that can be used")
    if len(good) == 1:
        raise SfumatoError(f"{path}: holds one picture; at least two are needed, one to train on and one to test")
    halves = halves_of(files, said, division.share, division.seed)
    classes = tuple(sorted({file.label for file in good}))
    labels = torch.tensor([classes.index(file.label) for file in good]) if len(classes) > 1 else None
    splits = splits_of(reader, files, pictures, halves, left_out, labels=labels)
    reading = [layout.how, *_differing(good, halves), *passed_over(reader.files)]
    marked = division.asks or (any(said) and not layout.by_folders)
    known_by = reader.fingerprint(files, pictures, *(marks_of(halves) if marked else []))
    return ImageData(
        path.name,
        **splits,
        classes=classes,
        fingerprint=known_by,
        left_out=tuple(left_out),
        reading="; ".join(filter(None, reading)),
    )


def _differing(placed: Sequence[Placed], halves: Sequence[Half | None]) -> list[str]:
    """The classes that are not in every half, with how many pictures of each are in which."""
    counts = Counter((file.label, half) for file, half in zip(placed, halves, strict=True))
    there = [half for half in HALVES if half in halves]
    labels = sorted({file.label for file in placed})
    missing = [label for label in labels if not all(counts[label, half] for half in there)]
    shown = [f"{label} ({', '.join(f'{counts[label, half]:,} {half}' for half in there)})" for label in missing[:SHOWN]]
    more = ", ..." if len(missing) > SHOWN else ""
    return [f"classes not in every half: {', '.join(shown)}{more}"] if missing else []
