"""Runs by names that are no paths: none outside of the folder is found, read, moved or removed, whatever lies there."""

import json
import os
import shutil
import threading
import time
from pathlib import Path

import pytest

from sfumato.errors import SfumatoError
from sfumato.runs.find import look_at
from sfumato.runs.lock import owned
from sfumato.studio import shelf as shelves
from sfumato.studio.shelf import KEPT, POINTS, TRASH, Shelf, Tail, id_of, said_of, thinned

from ..runs.test_manifest import OLD

RUN = OLD / "autoencoders"


def put(place: Path) -> Path:
    shutil.copytree(RUN, place)
    return place


@pytest.fixture
def root(tmp_path: Path) -> Path:
    put(tmp_path / "runs" / "a")
    return put(tmp_path / "runs" / "deep" / "b").parents[1]


@pytest.fixture
def shelf(root: Path) -> Shelf:
    return Shelf(root)


A, B = id_of("a"), id_of("deep/b")


def content(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file()}


def test_runs_have_names_that_say_nothing(shelf: Shelf, root: Path) -> None:
    assert [(name, found.path) for name, found in shelf.runs()] == [(A, root / "a"), (B, root / "deep" / "b")]
    assert shelf.path(A) == root / "a"
    assert Shelf(root).path(B) == root / "deep" / "b"
    assert len(A) == 12
    assert set(A) <= set("0123456789abcdef")
    assert id_of(os.fsdecode(b"\xff")) != id_of("ÿ")


@pytest.mark.parametrize("name", ["", "a", ".", "..", "../..", "/etc", "0" * 12, A.upper(), f"{A}/", "\x00", f" {A}"])
def test_nothing_else_is_a_name(shelf: Shelf, name: str) -> None:
    for ask in (shelf.path, shelf.delete, shelf.restore):
        with pytest.raises(SfumatoError):
            ask(name)


def test_hidden_folders_and_links_are_passed_over(shelf: Shelf, root: Path, tmp_path: Path) -> None:
    put(root / ".hidden" / "c")
    put(root / "deep" / ".d")
    outside = put(tmp_path / "outside" / "e")
    (root / "link").symlink_to(outside)
    (root / "above").symlink_to(outside.parent)
    assert [name for name, _ in shelf.runs()] == [A, B]
    for relative in (".hidden/c", "deep/.d", "link", "above/e", "../outside/e"):
        with pytest.raises(SfumatoError):
            shelf.path(id_of(relative))


@pytest.mark.parametrize("swapped", ["a", "deep"])
def test_a_folder_that_becomes_a_link_is_no_run_any_more(
    shelf: Shelf, root: Path, tmp_path: Path, swapped: str
) -> None:
    outside = put(tmp_path / "outside" / "b") if swapped == "a" else put(tmp_path / "outside" / "b").parent
    before, name = content(outside), A if swapped == "a" else B
    shelf.runs()
    shutil.rmtree(root / swapped)
    (root / swapped).symlink_to(outside)
    for ask in (shelf.path, shelf.delete):
        with pytest.raises(SfumatoError, match="link"):
            ask(name)
    assert content(outside) == before
    assert (root / swapped).is_symlink()


GOOD = ["a1", "É", "数字", "x" * 64, "1", "a.b-c_d", "a..b"]
BAD = ["", ".", "..", ".a", "_a", "-a", "--run=x", "a/b", "a\\b", "a b", "a\n", "\na", "a\x00", "x" * 65, "a:b", "~",
       "%2e%2e", "<img>", "a\u202eb", "a\udcff", "$(x)", "a;b", "*"]  # fmt: skip


@pytest.mark.parametrize("name", GOOD)
def test_a_new_run_lies_in_the_root(shelf: Shelf, root: Path, name: str) -> None:
    assert shelf.new(name) == root / name


@pytest.mark.parametrize("name", BAD)
def test_a_new_run_has_a_plain_name(shelf: Shelf, name: str) -> None:
    with pytest.raises(SfumatoError, match="must be letters"):
        shelf.new(name)


def test_what_is_there_is_taken(shelf: Shelf, root: Path) -> None:
    (root / "dangling").symlink_to("nowhere")
    for name in ("a", "dangling"):
        with pytest.raises(SfumatoError, match="taken"):
            shelf.new(name)


def test_a_deleted_run_comes_back_as_it_was(shelf: Shelf, root: Path) -> None:
    before = content(root / "deep" / "b")
    for _ in range(3):
        shelf.delete(B)
        assert [name for name, _ in shelf.runs()] == [A]
        with pytest.raises(SfumatoError):
            shelf.delete(B)
        (root / "deep").rmdir()
        shelf.restore(B)
        assert content(root / "deep" / "b") == before
        assert shelf.path(B)
        assert not list((root / TRASH).iterdir())
        with pytest.raises(SfumatoError, match="not in the trash"):
            shelf.restore(B)


def test_the_last_that_was_deleted_comes_back(shelf: Shelf, root: Path) -> None:
    shelf.delete(A)
    (put(root / "a") / "mark").touch()
    shelf.runs()
    shelf.delete(A)
    shelf.restore(A)
    assert (root / "a" / "mark").exists()
    with pytest.raises(SfumatoError, match="another a lies"):
        shelf.restore(A)


@pytest.mark.parametrize("name", ["x" * 255, "数" * 85, "<img src=x>", "a\nb", os.fsdecode(b"\xff\xfe"), "a-1-b"])
def test_any_name_can_be_deleted_and_brought_back(shelf: Shelf, root: Path, name: str) -> None:
    put(root / name)
    shelf.runs()
    shelf.delete(id_of(name))
    assert not (root / name).exists()
    shelf.restore(id_of(name))
    assert content(root / name) == content(RUN)


def test_what_is_trained_is_not_deleted(shelf: Shelf, root: Path) -> None:
    with owned(root / "a"), pytest.raises(SfumatoError, match="in use by process"):
        shelf.delete(A)
    shelf.delete(A)


def test_the_root_is_not_deleted(tmp_path: Path) -> None:
    shelf = Shelf(put(tmp_path / "runs"))
    ((name, _),) = shelf.runs()
    with pytest.raises(SfumatoError):
        shelf.delete(name)
    assert content(tmp_path / "runs") == content(RUN)


def test_no_run_folder_is_not_deleted(shelf: Shelf, root: Path) -> None:
    shelf.runs()
    (root / "a" / "config.json").unlink()
    with pytest.raises(SfumatoError):
        shelf.delete(A)
    assert (root / "a").is_dir()


def test_of_two_who_delete_one_does(shelf: Shelf, root: Path) -> None:
    before = content(root / "a")
    for _ in range(10):
        shelf.runs()
        said: list[str] = []

        def work(ask: "shelves.Callable[[str], None]", said: list[str] = said) -> None:
            try:
                ask(A)
                said.append("done")
            except SfumatoError as error:
                said.append(str(error))

        threads = [threading.Thread(target=work, args=(shelf.delete,)) for _ in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert said.count("done") == 1, said
        assert len(list((root / TRASH).iterdir())) == 1
        shelf.restore(A)
        assert content(root / "a") == before


def test_a_failed_move_leaves_nothing_behind(shelf: Shelf, root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object) -> None:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(Path, "rename", fail)
        with pytest.raises(OSError, match="No space"):
            shelf.delete(A)
    assert not list((root / TRASH).iterdir())
    assert content(root / "a") == content(RUN)


def thrown(root: Path, name: str, place: bytes, run: Path | None = None) -> Path:
    """An entry of the trash as somebody may have written it."""
    entry = root / TRASH / f"{name}-{time.time_ns() // 10**6}-x"
    entry.mkdir(parents=True)
    (entry / "place").write_bytes(place)
    put(entry / "run") if run is None else (entry / "run").symlink_to(run)
    return entry


@pytest.mark.parametrize(
    "place", ["../out", "/tmp/out", "a/../../out", "", ".", "..", ".trash/x", ".x", "link/x", "a\x00b", "x" * 5000]
)
def test_a_forged_trash_leads_nowhere(shelf: Shelf, root: Path, tmp_path: Path, place: str) -> None:
    (tmp_path / "outside").mkdir()
    (root / "link").symlink_to(tmp_path / "outside")
    entry = thrown(root, id_of(place), place.encode())
    with pytest.raises((SfumatoError, OSError)):
        shelf.restore(id_of(place))
    assert (entry / "run" / "config.json").is_file()
    assert not list((tmp_path / "outside").iterdir())
    assert sorted(path.name for path in tmp_path.iterdir()) == ["outside", "runs"]


def test_links_in_the_trash_are_not_followed(shelf: Shelf, root: Path, tmp_path: Path) -> None:
    outside = put(tmp_path / "outside")
    entry = thrown(root, id_of("x"), b"x", run=outside)
    with pytest.raises(SfumatoError):
        shelf.restore(id_of("x"))
    shutil.rmtree(entry)
    forged = tmp_path / "forged"
    forged.mkdir()
    (forged / "place").write_text("x")
    put(forged / "run")
    (root / TRASH / f"{id_of('x')}-{0:013d}-x").symlink_to(forged)
    with pytest.raises(SfumatoError):
        shelf.restore(id_of("x"))
    shelf.tidy()
    assert content(forged / "run") == content(outside) == content(RUN)
    shutil.rmtree(root / TRASH)
    (root / TRASH).symlink_to(forged)
    with pytest.raises(SfumatoError):
        shelf.delete(A)
    shelf.tidy()
    assert (root / "a").is_dir()
    assert content(forged / "run") == content(RUN)


@pytest.mark.parametrize("kind", ["missing", "pipe", "folder", "link"])
def test_a_broken_trash_is_a_line(shelf: Shelf, root: Path, kind: str) -> None:
    shelf.delete(A)
    (entry,) = (root / TRASH).iterdir()
    place = entry / "place"
    place.rename(root / "place")
    match kind:
        case "pipe":
            os.mkfifo(place)
        case "folder":
            place.mkdir()
        case "link":
            place.symlink_to("place")
    with pytest.raises(SfumatoError):
        shelf.restore(A)


def test_what_lay_long_in_the_trash_is_removed(shelf: Shelf, root: Path) -> None:
    shelf.delete(A)
    old = root / TRASH / f"{A}-{int((time.time() - KEPT - 60) * 1000):013d}-a"
    put(old / "run")
    for name in ("mine", f"{A}-1-a", f"x{A}-0000000000000-a"):
        (root / TRASH / name).mkdir()
    shelf.tidy()
    assert not old.exists()
    assert len(list((root / TRASH).iterdir())) == 4


def test_names_and_classes_are_visible(root: Path) -> None:
    run = put(root / "<img src=x onerror=alert(1)>\x1b[2J\u202e")
    values = json.loads((run / "config.json").read_text())
    values["data"]["classes"] = ["<script>", "\x00\u202e"]
    values["config"]["images"] = ["not", "a", "number"]
    (run / "config.json").write_text(json.dumps(values))
    said = said_of("0", look_at(run))
    assert said["name"] == "<img src=x onerror=alert(1)>%1B[2J%E2%80%AE"
    assert said["classes"] == ["<script>", "%00%E2%80%AE"]
    assert said["total"] == 0


def test_a_curve_is_thinned_and_keeps_its_ends() -> None:
    for count in (0, 1, POINTS, POINTS + 1, 2 * POINTS + 1, 50_000):
        rows = [{"images": number} for number in range(count)]
        found = thinned(rows)
        assert len(found) <= POINTS + 1
        assert not rows or (found[0], found[-1]) == (rows[0], rows[-1])
        steps = [row["images"] for row in found]
        assert steps == sorted(set(steps))


def test_a_tail_tells_what_is_new_and_a_log_that_is_written_anew(tmp_path: Path) -> None:
    log = tmp_path / "measures.jsonl"
    tail = Tail(log)
    assert tail.read() is None
    log.write_text('{"images": 1}\n')
    assert tail.read() == [{"images": 1}]
    assert tail.read() is None
    with log.open("a") as file:
        file.write('{"images": 2}\n')
    assert tail.read() == [{"images": 1}, {"images": 2}]
    (tmp_path / "beside").write_text('{"images": 7}\n')
    (tmp_path / "beside").replace(log)
    assert tail.read() == [{"images": 7}]
