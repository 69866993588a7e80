"""Sets larger than memory: decoded once, known again, bounded; streamed, with the same bits, where there is no room."""

import errno
import json
import os
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
import torch

from sfumato.data import decoded as decoded_module
from sfumato.data import reader as folder_module
from sfumato.data.batches import Batches
from sfumato.data.boxed import read_boxed
from sfumato.data.dataset import ImageData, InMemory, Mapped, Streamed
from sfumato.data.reader import PictureReader
from sfumato.data.sources import View, open_data

from .test_folder import FILES, ODD, jpeg, packed, tree

SMALL = View(3, 16)
ONE = 3 * 16 * 16  # bytes of a picture
SET = 40 * ONE


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty cache, and no set that fits into memory."""
    monkeypatch.setenv("SFUMATO_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(folder_module, "MEMORY", 0)
    return tmp_path / "cache" / "decoded"


@pytest.fixture
def read(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The names of the files that are decoded."""
    names: list[str] = []
    really = PictureReader.read

    def noted(self: PictureReader, name: str) -> torch.Tensor:
        names.append(name)
        return really(self, name)

    monkeypatch.setattr(PictureReader, "read", noted)
    return names


def limited(monkeypatch: pytest.MonkeyPatch, size: int) -> None:
    monkeypatch.setenv("SFUMATO_CACHE_LIMIT", str((size + 0.5) / 1e9))


def sets(root: Path, count: int) -> list[str]:
    return [str(tree(root / f"set {number}", FILES)) for number in range(count)]


def kept(cache: Path) -> int:
    return len(list(cache.glob("*.pixels")))


def known_alike(one: ImageData, two: ImageData) -> bool:
    return (one.fingerprint, one.classes, one.left_out) == (two.fingerprint, two.classes, two.left_out)


@pytest.mark.parametrize("kind", ["folder", "zip"])
def test_mapped_and_streamed_give_the_same_bits_of_everything(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kind: str
) -> None:
    files = FILES | ODD
    source = str(tree(tmp_path / "tree", files) if kind == "folder" else packed(tmp_path / "tree.zip", files))
    mapped = open_data(source, SMALL)
    limited(monkeypatch, 0)
    monkeypatch.setenv("SFUMATO_CACHE", str(tmp_path / "other"))
    streamed = open_data(source, SMALL)
    assert isinstance(mapped.train.pictures, Mapped)
    assert isinstance(streamed.train.pictures, Streamed)
    assert known_alike(mapped, streamed)
    for crop, side in ((None, 16), (12, 16), (6, 8)):
        one, two = (
            Batches(data.train.at_resolution(side), 8, seed=1, crop=crop, flip=True) for data in (mapped, streamed)
        )
        for images in range(0, 64, 8):
            assert torch.equal(one.at(images)[0].images, two.at(images)[0].images)
    assert torch.equal(mapped.test.images(), streamed.test.images())
    assert torch.equal(mapped.test.pictures.whole(0), streamed.test.pictures.whole(0))
    monkeypatch.setattr(folder_module, "MEMORY", 2**30)
    held = open_data(source, SMALL)
    assert isinstance(held.train.pictures, InMemory)
    assert torch.equal(held.train.images(), mapped.train.images())


def test_opened_again_no_picture_is_read(tmp_path: Path, read: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    source = str(tree(tmp_path / "tree", FILES | ODD))
    first = open_data(source, SMALL)
    assert len(read) == len(FILES) + 3
    read.clear()
    second = open_data(source, SMALL)
    assert torch.equal(first.train.images(), second.train.images())
    assert known_alike(first, second)
    assert not read
    assert capsys.readouterr().err == ""


def test_who_opens_the_same_set_meanwhile_waits_for_it(tmp_path: Path, cache: Path, read: list[str]) -> None:
    source = str(tree(tmp_path / "tree", FILES))
    with ThreadPoolExecutor(3) as pool:
        opened = list(pool.map(lambda _: open_data(source, SMALL).train.images(), range(3)))
    assert len(read) == 40
    assert kept(cache) == 1
    assert torch.equal(opened[0], opened[1])
    assert torch.equal(opened[0], opened[2])


@pytest.mark.parametrize("change", ["time", "content", "name", "more", "resolution", "channels"])
def test_another_set_is_decoded_anew(tmp_path: Path, read: list[str], change: str) -> None:
    root = tree(tmp_path / "tree", FILES)
    open_data(str(root), SMALL)
    read.clear()
    picture, view, count = root / "cats" / "3.jpg", SMALL, 40
    if change == "time":
        os.utime(picture, (1, 1))
    elif change == "content":
        picture.write_bytes(jpeg(99, (50, 50)))
    elif change == "name":
        picture.rename(picture.with_name("30.jpg"))
    elif change == "more":
        picture.with_name("31.jpg").write_bytes(jpeg(31))
        count = 41
    else:
        view = View(3, 8) if change == "resolution" else View(1, 16)
    data = open_data(str(root), view)
    assert len(read) == len(data.train) + len(data.test) == count


@pytest.mark.parametrize("damage", ["cut", "longer", "gone", "index", "places", "format", "shape"])
def test_a_damaged_set_is_made_anew(tmp_path: Path, cache: Path, read: list[str], damage: str) -> None:
    source = str(tree(tmp_path / "tree", FILES))
    expected = open_data(source, SMALL).train.images()
    read.clear()
    (pixels,), (index,) = cache.glob("*.pixels"), cache.glob("*.json")
    content, said = pixels.read_bytes(), json.loads(index.read_text())
    if damage in ("cut", "longer"):
        pixels.unlink()  # the mapped file stays what it is
        pixels.write_bytes(content[:-1] if damage == "cut" else content + b"x")
    elif damage == "gone":
        pixels.unlink()
    elif damage == "index":
        index.write_text("{}")
    else:
        wrong = {"places": {"left_out": [[1, "x"]]}, "format": {"format": 99}, "shape": {"shape": [3, 8, 32]}}[damage]
        index.write_text(json.dumps(said | wrong))
    assert torch.equal(open_data(source, SMALL).train.images(), expected)
    assert len(read) == 40
    assert json.loads(index.read_text()) == said
    assert pixels.read_bytes() == content


def test_the_least_recently_used_make_room(
    tmp_path: Path, cache: Path, monkeypatch: pytest.MonkeyPatch, read: list[str]
) -> None:
    limited(monkeypatch, 2 * SET)
    one, two, three = sets(tmp_path, 3)
    for source in (one, two, one, three):  # when the third comes, the second is the oldest
        for index in cache.glob("*.json"):
            os.utime(index, (index.stat().st_atime, index.stat().st_mtime - 100))
        open_data(source, SMALL)
    assert kept(cache) == 2
    read.clear()
    open_data(one, SMALL)
    open_data(three, SMALL)
    assert not read
    left = cache / ".left.pixels.1.part"  # by somebody who was killed
    left.write_bytes(bytes(SET))
    os.utime(left, (0, 0))
    open_data(two, SMALL)
    assert len(read) == 40
    assert kept(cache) == 2
    assert sorted(path.suffix for path in cache.iterdir()) == sorted([".json", ".lock", ".pixels"] * 2)


def test_what_is_in_use_is_never_removed(
    tmp_path: Path, cache: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    limited(monkeypatch, SET)
    one, two = sets(tmp_path, 2)
    held = open_data(one, SMALL)
    (before,) = cache.glob("*.pixels")
    assert isinstance(open_data(two, SMALL).train.pictures, Streamed)
    assert list(cache.glob("*.pixels")) == [before]
    assert capsys.readouterr().err.count("SFUMATO_CACHE_LIMIT") == 1
    del held
    assert isinstance(open_data(two, SMALL).train.pictures, Mapped)
    assert kept(cache) == 1
    assert not before.exists()


def test_where_nothing_can_be_locked_a_set_is_kept_all_the_same(
    tmp_path: Path, cache: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    fcntl = pytest.importorskip("fcntl")

    def flock(*_: object) -> None:
        raise OSError(errno.ENOSYS, os.strerror(errno.ENOSYS))

    monkeypatch.setattr(fcntl, "flock", flock)
    data = open_data(str(tree(tmp_path / "tree", FILES)), SMALL)
    assert isinstance(data.train.pictures, Mapped)
    assert kept(cache)
    assert capsys.readouterr().err.count("cannot be locked") == 1


@pytest.mark.parametrize("why", ["limit", "words", "disk", "file", "full"])
def test_without_room_it_streams_and_says_so_once(
    tmp_path: Path, cache: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], why: str
) -> None:
    source = str(tree(tmp_path / "tree", FILES | ODD))
    words = {
        "limit": "more than SFUMATO_CACHE_LIMIT=1.0005e-06 leaves",
        "words": "SFUMATO_CACHE_LIMIT='lots': must be a number",
        "disk": "more than half of the free disk",
        "file": "xists",
        "full": "No space left on device",
    }
    if why == "limit":
        limited(monkeypatch, 1000)
    elif why == "words":
        monkeypatch.setenv("SFUMATO_CACHE_LIMIT", "lots")
    elif why == "disk":
        usage = decoded_module.shutil.disk_usage(tmp_path)._replace(free=2 * (SET + 2 * ONE))  # 3 more may be pictures
        monkeypatch.setattr(decoded_module.shutil, "disk_usage", lambda _: usage)
    elif why == "file":
        cache.parent.mkdir()
        cache.write_text("a file")
    else:
        full = Path("/dev/full")
        if not full.exists():
            pytest.skip("this system has no full disk to write to")
        write = decoded_module.write_atomically
        monkeypatch.setattr(decoded_module, "write_atomically", lambda path, fill: write(path, lambda _: fill(full)))
    data = open_data(source, SMALL)
    error = capsys.readouterr().err
    assert error.count("\n") == 1
    assert error.startswith("sfumato: tree: decoded for every batch")
    assert words[why] in error
    assert isinstance(data.train.pictures, Streamed)
    assert len(data.train) + len(data.test) == 40
    assert len(data.left_out) == 4
    assert why == "file" or not kept(cache)


def test_a_stop_while_decoding_leaves_nothing_behind(
    tmp_path: Path, cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    source = str(tree(tmp_path / "tree", FILES))
    monkeypatch.setattr(folder_module, "_shown", lambda pictures, *_: stopped(pictures))

    def stopped(pictures: Iterator[torch.Tensor]) -> Iterator[torch.Tensor]:
        for _ in range(10):
            yield next(pictures)
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        open_data(source, SMALL)
    assert not [path for path in cache.iterdir() if path.suffix != ".lock"]


def test_boxes_of_a_mapped_set(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    rows = [f"{name},{name.split('/')[0]},1,1,20,20" for name in FILES]
    source = tree(tmp_path / "tree", FILES)
    (source / "boxes.csv").write_text("\n".join(["file,label,xmin,ymin,xmax,ymax", *rows]))
    mapped = read_boxed(source, 16)
    monkeypatch.setattr(folder_module, "MEMORY", 2**30)
    held = read_boxed(source, 16)
    assert isinstance(mapped.train.pictures, Mapped)
    assert torch.equal(mapped.train.images(), held.train.images())


def test_longer_pictures_stream_as_ever(tmp_path: Path, cache: Path) -> None:
    data = open_data(str(tree(tmp_path / "tree", FILES)), View(3, 16, fit="short"))
    assert isinstance(data.train.pictures, Streamed)
    assert not cache.exists()
