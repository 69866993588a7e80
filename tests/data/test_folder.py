"""Trees of pictures, in folders and zips: what is used, what is left out and why."""

import io
import os
import zipfile
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from sfumato.data import reader as folder_module
from sfumato.data.sources import View, open_data
from sfumato.errors import SfumatoError


def jpeg(seed: int, size: tuple[int, int] = (40, 30)) -> bytes:
    buffer = io.BytesIO()
    values = np.random.default_rng(seed).integers(0, 256, (*size[::-1], 3), dtype=np.uint8)
    Image.fromarray(values).save(buffer, "JPEG")
    return buffer.getvalue()


FILES = {f"{kind}/{index}.jpg": jpeg(index) for kind in ("cats", "dogs") for index in range(20)}
ODD = {
    "cats/broken.jpg": jpeg(0)[:200],
    "cats/text.png": b"not a picture",
    "dogs/notes.txt": b"hello",
    "dogs/empty.jpg": b"",
}


def tree(root: Path, files: dict[str, bytes]) -> Path:
    for name, content in files.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
    return root


def packed(path: Path, files: dict[str, bytes], compression: int = zipfile.ZIP_DEFLATED) -> Path:
    with zipfile.ZipFile(path, "w", compression) as file:
        for name, content in files.items():
            file.writestr(name, content)
    return path


@pytest.mark.parametrize("kind", ["folder", "zip"])
def test_classes_are_first_folders_and_bad_files_are_named(tmp_path: Path, kind: str) -> None:
    files = FILES | ODD
    source = tree(tmp_path / "tree", files) if kind == "folder" else packed(tmp_path / "tree.zip", files)
    data = open_data(str(source), View(3, 16))
    assert data.classes == ("cats", "dogs")
    assert data.shape == (3, 16, 16)
    assert len(data.train) + len(data.test) == 40
    assert len(data.test) > 0
    left = {item.file: item.reason for item in data.left_out}
    assert left.keys() == ODD.keys()
    assert "damaged" in left["cats/broken.jpg"]
    assert "not an image" in left["cats/text.png"]
    assert "ending" in left["dogs/notes.txt"]


def test_folder_and_zip_give_the_same_pictures(tmp_path: Path) -> None:
    one = open_data(str(tree(tmp_path / "tree", FILES)), View(3, 16))
    two = open_data(str(packed(tmp_path / "tree.zip", FILES)), View(3, 16))
    assert torch.equal(one.train.images(), two.train.images())
    assert one.train.labels is not None
    assert two.train.labels is not None
    assert torch.equal(one.train.labels, two.train.labels)
    assert one.fingerprint == two.fingerprint


def test_strict_stops_and_names_the_file(tmp_path: Path) -> None:
    with pytest.raises(SfumatoError, match=r"cats/broken\.jpg: damaged"):
        open_data(str(tree(tmp_path, FILES | {"cats/broken.jpg": ODD["cats/broken.jpg"]})), View(3, 16), strict=True)


def test_train_and_test_folders_are_the_split(tmp_path: Path) -> None:
    files = {f"{half}/{kind}/{i}.jpg": jpeg(i) for half in ("train", "val") for kind in "ab" for i in range(3)}
    data = open_data(str(tree(tmp_path, files)), View(3, 16))
    assert data.classes == ("a", "b")
    assert (len(data.train), len(data.test)) == (6, 6)


def test_pictures_at_the_root_have_no_class(tmp_path: Path) -> None:
    data = open_data(str(tree(tmp_path, {f"{i}.jpg": jpeg(i) for i in range(2)})), View(3, 16))
    assert data.train.labels is None
    assert (len(data.train), len(data.test)) == (1, 1)


def test_more_than_memory_holds_is_streamed_with_the_same_values(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    tree(tmp_path, FILES)
    held = open_data(str(tmp_path), View(3, 16))
    monkeypatch.setattr(folder_module, "MEMORY", 0)
    streamed = open_data(str(tmp_path), View(3, 16))
    indices = torch.tensor([5, 0, 7])
    streamed.train.pictures.prepare(indices)
    for _ in range(2):
        assert torch.equal(streamed.train.pictures.take(indices), held.train.pictures.take(indices))


def test_a_zip_that_leads_out_bombs_or_lies_loses_those_members(tmp_path: Path) -> None:
    path = packed(
        tmp_path / "evil.zip",
        {
            "a/1.jpg": jpeg(1),
            "a/2.jpg": jpeg(2),
            "../../outside.jpg": jpeg(3),
            "/absolute.jpg": jpeg(4),
            "C:/drive.jpg": jpeg(5),
            "..\\windows.jpg": jpeg(6),
            "a/bomb.png": bytes(30_000_000),
        },
    )
    data = open_data(str(path), View(3, 16))
    assert len(data.train) + len(data.test) == 2
    left = {item.file: item.reason for item in data.left_out}
    assert sum("leads out" in reason for reason in left.values()) == 4
    assert "bomb" in left["a/bomb.png"]
    assert not (tmp_path.parent / "outside.jpg").exists()
    assert sorted(item.name for item in tmp_path.iterdir()) == ["evil.zip"]


def test_a_zip_with_a_member_called_dot_or_of_a_future_version(tmp_path: Path) -> None:
    dot = packed(tmp_path / "dot.zip", FILES | {".": b"x"})
    assert "leads out" in open_data(str(dot), View(3, 16)).left_out[0].reason
    future = bytearray(packed(tmp_path / "future.zip", FILES).read_bytes())
    entry = future.index(b"PK\x01\x02")
    future[entry + 6] = 99
    (tmp_path / "future.zip").write_bytes(future)
    with pytest.raises(SfumatoError, match="not a readable zip"):
        open_data(str(tmp_path / "future.zip"), View(3, 16))


def test_a_name_that_is_not_utf8_is_read_and_printable(tmp_path: Path) -> None:
    tree(tmp_path, FILES)
    try:
        (tmp_path / "cats" / os.fsdecode(b"\xb1\xed.jpg")).write_bytes(jpeg(1))
        (tmp_path / "cats" / os.fsdecode(b"\xb1\xee.txt")).write_bytes(b"")
    except OSError:
        pytest.skip("this file system takes UTF-8 names only")
    data = open_data(str(tmp_path), View(3, 16))
    assert len(data.train) + len(data.test) == 41
    data.left_out[0].file.encode("utf-8")


def test_a_named_half_without_pictures_is_refused(tmp_path: Path) -> None:
    files = {"train/a/1.jpg": b"broken", "test/a/1.jpg": jpeg(1), "test/a/2.jpg": jpeg(2)}
    with pytest.raises(SfumatoError, match="training folder holds no picture"):
        open_data(str(tree(tmp_path, files)), View(3, 16))


def test_a_damaged_zip_is_one_line(tmp_path: Path) -> None:
    path = packed(tmp_path / "cut.zip", FILES)
    path.write_bytes(path.read_bytes()[:500])
    with pytest.raises(SfumatoError, match="not a readable zip"):
        open_data(str(path), View(3, 16))


def test_a_member_with_a_wrong_sum_is_left_out(tmp_path: Path) -> None:
    path = packed(tmp_path / "bad.zip", FILES, zipfile.ZIP_STORED)
    content = bytearray(path.read_bytes())
    content[200] ^= 0xFF
    path.write_bytes(content)
    left = open_data(str(path), View(3, 16)).left_out
    assert [item.file for item in left] == ["cats/0.jpg"]


@pytest.mark.parametrize(
    ("name", "word"),
    [
        ("nowhere", "neither a known name"),
        ("empty", "no picture"),
        ("one", "at least two"),
        ("file.txt", "single file"),
    ],
)
def test_what_is_no_data_set_is_one_line(tmp_path: Path, name: str, word: str) -> None:
    (tmp_path / "empty").mkdir()
    tree(tmp_path / "one", {"1.jpg": jpeg(1)})
    (tmp_path / "file.txt").write_text("x")
    with pytest.raises(SfumatoError, match=word):
        open_data(str(tmp_path / name), View(3, 16))
