"""Folders and archives as people have them: links, folders of systems, names in other code pages."""

import os
import tarfile
import zipfile
from pathlib import Path
from unicodedata import normalize

import pytest

from sfumato.data.sources import View, open_data

from .test_folder import jpeg, tree

SMALL = View(3, 16)


def test_a_linked_folder_is_a_class_and_read_once(tmp_path: Path) -> None:
    tree(tmp_path / "real", {f"dog/{number}.jpg": jpeg(number) for number in range(4)})
    data = tree(tmp_path / "data", {f"cat/{number}.jpg": jpeg(number) for number in range(4)})
    (data / "dog").symlink_to(tmp_path / "real/dog")
    (data / "hound").symlink_to(tmp_path / "real/dog")
    (data / "cat/loop").symlink_to(data)
    (data / "gone").symlink_to(tmp_path / "nowhere")
    found = open_data(str(data), SMALL)
    assert found.classes == ("cat", "dog")
    assert len(found.train) + len(found.test) == 8
    assert {item.file for item in found.left_out} == {"hound", "cat/loop"}


@pytest.mark.parametrize("name", ["@eaDir/1.jpg", "__MACOSX", ".ipynb_checkpoints", "$RECYCLE.BIN", "a/@eaDir"])
@pytest.mark.parametrize("kind", ["folder", "zip", "tar"])
def test_folders_that_a_system_made_are_passed_over_and_said(tmp_path: Path, name: str, kind: str) -> None:
    files = {f"{label}/{number}.jpg": jpeg(number) for label in "ab" for number in range(3)} | {
        f"{name}/x.jpg": jpeg(9)
    }
    root = tree(tmp_path / "set", files)
    source = root
    if kind == "zip":
        source = tmp_path / "set.zip"
        with zipfile.ZipFile(source, "w") as archive:
            for path, content in files.items():
                archive.writestr(path, content)
    elif kind == "tar":
        source = tmp_path / "set.tar"
        with tarfile.open(source, "w") as archive:
            for path in files:
                archive.add(root / path, path)
    data = open_data(str(source), SMALL)
    assert data.classes == ("a", "b")
    assert len(data.train) + len(data.test) == 6
    assert not data.left_out
    assert "passed over" in data.reading


def in_page(path: Path, page: str, names: dict[str, bytes]) -> Path:
    class Info(zipfile.ZipInfo):
        def _encodeFilenameFlags(self) -> tuple[bytes, int]:
            return self.filename.encode(page), self.flag_bits

    with zipfile.ZipFile(path, "w") as archive:
        for name, content in names.items():
            archive.writestr(Info(name), content)
    return path


@pytest.mark.parametrize(
    ("page", "classes"),
    [("gbk", ("猫", "狗")), ("cp932", ("いぬ", "ねこ")), ("cp1252", ("chat", "félin")), ("utf-8", ("кот", "пёс"))],
)
def test_names_in_a_zip_are_read_in_their_code_page(tmp_path: Path, page: str, classes: tuple[str, str]) -> None:
    names = {f"{label}/{number}.jpg": jpeg(number) for label in classes for number in range(3)}
    assert open_data(str(in_page(tmp_path / "a.zip", page, names)), SMALL).classes == tuple(sorted(classes))


def test_names_in_an_unknown_code_page_are_left_out_by_name(tmp_path: Path) -> None:
    names = {f"{label}/{number}.jpg": jpeg(number) for label in ("кошка", "abc", "abd") for number in range(3)}
    data = open_data(str(in_page(tmp_path / "a.zip", "cp1251", names)), SMALL)
    assert data.classes == ("abc", "abd")
    assert len(data.left_out) == 3
    assert "code page" in data.left_out[0].reason


def test_letters_composed_in_two_ways_are_one_class(tmp_path: Path) -> None:
    files = {
        f"{half}/{normalize(form, 'café')}/{number}.jpg": jpeg(number)
        for half, form in (("train", "NFC"), ("test", "NFD"))
        for number in range(2)
    }
    files |= {f"{half}/thé/{number}.jpg": jpeg(number) for half in ("train", "test") for number in range(2)}
    data = open_data(str(tree(tmp_path, files)), SMALL)
    assert data.classes == ("café", "thé")
    assert (len(data.train), len(data.test)) == (4, 4)


def test_a_name_with_backslashes_on_disk_is_a_path(tmp_path: Path) -> None:
    """What `unzip` leaves of an archive from Windows."""
    if os.sep == "\\":
        pytest.skip("here they are separators")
    for label in "ab":
        for number in range(3):
            (tmp_path / f"set\\{label}\\{number}.jpg").write_bytes(jpeg(number))
    assert open_data(str(tmp_path), SMALL).classes == ("a", "b")
