"""Tars as sources of pictures: the same batches as from folders and zips, and nothing that a hostile one could do."""

import gzip
import io
import random
import tarfile
import threading
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import pytest
import torch

import sfumato
from benchmarks.growth import jpegs, write_tar
from sfumato.data.batches import Batch, Batches
from sfumato.data.dataset import ImageData
from sfumato.data.shards import TarFiles
from sfumato.data.sources import View, open_data
from sfumato.errors import SfumatoError
from sfumato.runs.stopping import Stopped
from sfumato.runs.training import Training

from .test_folder import FILES, ODD, jpeg, packed, tree

SMALL = View(3, 16)
HALVED = {f"{half}/{name}": content for half in ("train", "val") for name, content in list(FILES.items())[::5]}


def tarred(path: Path, files: dict[str, bytes], odd: Iterable[tarfile.TarInfo] = (), **options: Any) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    with tarfile.open(path, "w", **options) as tar:
        for name, content in files.items():
            member = tarfile.TarInfo(name)
            member.size = len(content)
            tar.addfile(member, io.BytesIO(content))
        for member in odd:
            tar.addfile(member)
    return path


def special(name: str, kind: bytes, target: str = "") -> tarfile.TarInfo:
    member = tarfile.TarInfo(name)
    member.type, member.linkname = kind, target
    return member


def drawn(data: ImageData) -> list[Batch]:
    batches = Batches(data.train, 8, seed=3, crop=12, flip=True)
    return [batches.at(images)[0] for images in range(0, 48, 8)]


def assert_same(one: ImageData, two: ImageData) -> None:
    """Classes, fingerprint, batches, labels."""
    assert one.classes == two.classes
    assert one.fingerprint == two.fingerprint
    for here, there in zip(drawn(one), drawn(two), strict=True):
        assert here.labels is not None
        assert there.labels is not None
        assert torch.equal(here.images, there.images)
        assert torch.equal(here.labels, there.labels)
    assert torch.equal(one.test.images(), two.test.images())


def shards(root: Path, files: dict[str, bytes], count: int) -> Path:
    """The files, dealt to shards in an order that is not theirs."""
    names = sorted(files, key=lambda name: name[::-1])
    for number in range(count):
        tarred(root / f"part-{number:03}.tar", {name: files[name] for name in names[number::count]})
    return root


@pytest.mark.parametrize("files", [FILES | ODD, HALVED], ids=["by hash", "halves"])
def test_folder_zip_tar_and_shards_give_the_same_batches(tmp_path: Path, files: dict[str, bytes]) -> None:
    opened = open_data(str(tree(tmp_path / "tree", files)), SMALL)
    for source in (
        packed(tmp_path / "tree.zip", files),
        tarred(tmp_path / "tree.tar", files),
        tarred(tmp_path / "dotted.tar", {f"./{name}": content for name, content in files.items()}),
        shards(tmp_path / "shards", files, 3),
    ):
        other = open_data(str(source), SMALL)
        assert_same(opened, other)
        assert {item.file for item in other.left_out} == {item.file for item in opened.left_out}


def test_a_folder_inside_a_tar(tmp_path: Path) -> None:
    members = {f"animals/{name}": content for name, content in FILES.items()} | {"stones/1.jpg": jpeg(1)}
    opened = [
        open_data(str(path / "animals"), SMALL)
        for path in (tarred(tmp_path / "all.tar", members), packed(tmp_path / "all.zip", members))
    ]
    assert len(opened[0].train) + len(opened[0].test) == 40
    assert_same(*opened)


def test_the_tars_of_the_benchmark_are_tars(tmp_path: Path) -> None:
    files = jpegs(8)
    write_tar(tmp_path / "a.tar", 300, files)
    found = TarFiles([tmp_path / "a.tar"])
    assert len(found.names()) == 300
    assert found.content("1/0000257.jpg") == files[1]
    with tarfile.open(tmp_path / "a.tar") as tar:
        assert len(tar.getmembers()) == 300


@pytest.mark.parametrize("numbers", [True, False])
def test_classes_stand_beside_pictures(tmp_path: Path, numbers: bool) -> None:
    """Each half counts its pictures from 0, and so does each shard: none of them hides another."""
    names = {"cats": "7", "dogs": "3"} if numbers else {"cats": "a cat", "dogs": "a dog"}
    contents = list(FILES.items())
    for half in ("train", "val"):
        for shard in range(2):
            mine = contents[shard::2] if half == "train" else contents[shard * 5 :: 10]
            members = {}
            for number, (name, content) in enumerate(mine):
                members[f"{number:05}.jpg"] = content
                members[f"{number:05}.cls"] = names[name.split("/")[0]].encode() + b"\n"
            tarred(tmp_path / f"birds-{half}-{shard:03}.tar", members)
    data = open_data(str(tmp_path), SMALL)
    assert data.classes == tuple(sorted(names.values()))
    assert (len(data.train), len(data.test)) == (40, 8)
    assert not data.left_out
    assert data.train.labels is not None
    assert data.train.labels.bincount().tolist() == [20, 20]


def test_keys_end_at_the_first_dot_and_odd_classes_are_named(tmp_path: Path) -> None:
    members = {"a.left.jpg": jpeg(1), "a.right.jpg": jpeg(2), "a.cls": b"one", "b.jpg": jpeg(3), "b.cls": b"two"}
    odd = {"c.jpg": jpeg(4), "c.cls": b"", "d.jpg": jpeg(5), "d.cls": b"x" * 300, "e.jpg": jpeg(6), "e.cls": b"\x1b[0m"}
    data = open_data(str(tarred(tmp_path / "a.tar", members | odd)), SMALL)
    assert data.classes == ("one", "two")
    labels = torch.cat([split.labels for split in (data.train, data.test) if split.labels is not None])
    assert labels.bincount().tolist() == [2, 1]
    assert {item.file for item in data.left_out} == {
        name for key in "cde" for name in (f"a.tar/{key}.cls", f"{key}.jpg")
    }


def test_members_that_lead_out_or_are_no_files_are_left_out(tmp_path: Path) -> None:
    out = {"../../outside.jpg": jpeg(3), "/absolute.jpg": jpeg(4), "C:/drive.jpg": jpeg(5), "..\\windows.jpg": jpeg(6)}
    odd = [
        special("a/hard.jpg", tarfile.LNKTYPE, "a/1.jpg"),
        special("a/soft.jpg", tarfile.SYMTYPE, "/etc/passwd"),
        special("a/device.jpg", tarfile.CHRTYPE),
        special("a/pipe.jpg", tarfile.FIFOTYPE),
        special("a/sparse.jpg", tarfile.GNUTYPE_SPARSE),
        special("a", tarfile.DIRTYPE),
    ]
    path = tarred(tmp_path / "evil.tar", {"a/1.jpg": jpeg(1), "a/2.jpg": jpeg(2), "a/.3.jpg": jpeg(3)} | out, odd)
    data = open_data(str(path), SMALL)
    assert len(data.train) + len(data.test) == 2
    reasons = [item.reason for item in data.left_out]
    assert sum("leads out" in reason for reason in reasons) == 4
    assert sum(reason == "a link" for reason in reasons) == 2
    assert sum("device" in reason for reason in reasons) == 2
    assert sum("sparse" in reason for reason in reasons) == 1
    assert len(reasons) == 9


def test_of_two_members_of_one_name_the_later_counts(tmp_path: Path) -> None:
    path = tarred(tmp_path / "twice.tar", {"a/1.jpg": jpeg(1), "a/2.jpg": jpeg(2)})
    with tarfile.open(path, "a") as tar:
        member = tarfile.TarInfo("a/1.jpg")
        member.size = len(jpeg(9))
        tar.addfile(member, io.BytesIO(jpeg(9)))
    assert TarFiles([path]).content("a/1.jpg") == jpeg(9)


def test_a_tar_cut_anywhere_is_refused_or_whole(tmp_path: Path) -> None:
    whole = tarred(tmp_path / "whole.tar", {f"{number}.bin": bytes([number]) * 700 for number in range(4)}).read_bytes()
    path = tmp_path / "cut.tar"
    end = 4 * (512 + 1024)  # of the last member; what follows are zeros
    for length in range(0, len(whole), 61):
        path.write_bytes(whole[:length])
        if length % 1536 == 0 and 0 < length < end:
            continue  # between two members: no reader can tell
        try:
            files = TarFiles([path])
        except SfumatoError:
            assert length < end, length
        else:
            assert length >= end - 512, length
            assert [files.content(name)[:1] for name in files.names()] == [bytes([number]) for number in range(4)]


@pytest.mark.parametrize("form", [tarfile.PAX_FORMAT, tarfile.GNU_FORMAT, tarfile.USTAR_FORMAT])
def test_damaged_headers_are_one_line_or_harmless(tmp_path: Path, form: int) -> None:
    names = [f"{'x' * 60}/{'y' * 60}/{number}.bin" for number in range(4)]
    whole = tarred(tmp_path / "whole.tar", dict.fromkeys(names, b"content"), format=form).read_bytes()
    path, chance = tmp_path / "damaged.tar", random.Random(form)
    refused = 0
    for _ in range(150):
        damaged = bytearray(whole)
        place = chance.randrange(len(whole) // 512) * 512
        for _ in range(chance.choice((1, 1, 4, 40))):
            damaged[place + chance.randrange(512)] = chance.choice((0, 0x30, 0x80, 0xFF, chance.randrange(256)))
        header = damaged[place : place + 512]  # with a sum that fits: what is damaged is meant so
        header[148:156] = b" " * 8
        damaged[place + 148 : place + 156] = b"%06o\0 " % sum(header)
        path.write_bytes(damaged)
        try:
            files = TarFiles([path])
        except SfumatoError:
            refused += 1
        else:
            for name in files.names():
                assert len(files.content(name)) == files.size(name)
    assert refused


def test_headers_that_ask_for_memory_or_depth_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "huge.tar"
    huge = special("x", tarfile.XHDTYPE)
    huge.size = 2**34
    with path.open("wb") as file:
        file.write(huge.tobuf(tarfile.GNU_FORMAT))
        file.truncate(2**34 + 1024)  # a hole: it takes no disk
    with pytest.raises(SfumatoError, match="asks for 17179869184 bytes"):
        TarFiles([path])
    path.unlink()
    nested = special("x", tarfile.GNUTYPE_LONGNAME)
    nested.size = 2
    path.write_bytes((nested.tobuf(tarfile.GNU_FORMAT) + b"a\0" + bytes(510)) * 5000)
    with pytest.raises(SfumatoError, match="not a readable tar"):
        TarFiles([path])
    deep = tarred(tmp_path / "deep.tar", {"a/" * 20_000 + "1.jpg": jpeg(1), "2.jpg": jpeg(2)})
    assert len(open_data(str(deep), SMALL).train) == 1


@pytest.mark.parametrize("name", ["a.tar.gz", "a.tgz", "a.tar"])
def test_compressed_tars_are_refused_with_the_mend(tmp_path: Path, name: str) -> None:
    plain = tarred(tmp_path / "plain.tar", FILES)
    folder = tmp_path / "shards"
    folder.mkdir()
    (folder / name).write_bytes(gzip.compress(plain.read_bytes()))
    for source in (folder, folder / name):
        with pytest.raises(SfumatoError, match=rf"{name}: a compressed tar.*unpack it, or make it a zip"):
            open_data(str(source), SMALL)


def test_what_is_no_tar_and_what_lies_beside_pictures(tmp_path: Path) -> None:
    (tmp_path / "no.tar").write_bytes(b"not a tar" * 200)
    with pytest.raises(SfumatoError, match=r"no\.tar: not a readable tar"):
        open_data(str(tmp_path), SMALL)
    data = open_data(str(tree(tmp_path, FILES)), SMALL)
    assert [str(item) for item in data.left_out] == ["no.tar: not a picture by its ending"]


def test_a_member_that_was_cut_after_opening(tmp_path: Path) -> None:
    path = tarred(tmp_path / "a.tar", {"1.jpg": jpeg(1)})
    files = TarFiles([path])
    path.write_bytes(path.read_bytes()[:600])
    with pytest.raises(SfumatoError, match="cut short: 88 of"):
        files.content("1.jpg")


def test_many_threads_read_one_tar(tmp_path: Path) -> None:
    files = TarFiles([shards(tmp_path, FILES, 1) / "part-000.tar"])
    wrong: list[str] = []

    def read(seed: int) -> None:
        order = random.Random(seed).choices(files.names(), k=300)
        wrong.extend(name for name in order if files.content(name) != FILES[name])

    readers = [threading.Thread(target=read, args=(seed,)) for seed in range(6)]
    for reader in readers:
        reader.start()
    for reader in readers:
        reader.join()
    assert not wrong


def test_a_run_on_shards_stopped_and_resumed_ends_with_the_same_bits(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from_shards = str(shards(tmp_path / "shards", FILES, 3))
    from_folder = str(tree(tmp_path / "tree", FILES))
    fields: dict[str, Any] = {"images": 96, "batch_size": 16, "device": "cpu", "evaluate": False}
    whole = sfumato.train("stacked", data=from_folder, run=tmp_path / "whole", **fields)
    asked = iter([None, None, 15])
    monkeypatch.setattr(Training, "_agreed", lambda self, requested: next(asked))
    with pytest.raises(Stopped):
        sfumato.train("stacked", data=from_shards, run=tmp_path / "part", **fields)
    monkeypatch.undo()
    part = sfumato.resume(tmp_path / "part", evaluate=False)
    for key, value in whole.system.state_dict().items():
        assert torch.equal(value, part.system.state_dict()[key]), key
