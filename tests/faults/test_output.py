"""What is written and said where it cannot be: one line and an exit code."""

import csv
import errno
import io
import json
import os
import subprocess
import sys
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

import sfumato
from sfumato import cli
from sfumato.data.convert import convert
from sfumato.data.dataset import LeftOut
from sfumato.data.sources import View, open_data
from sfumato.errors import SfumatoError
from sfumato.files import write_json
from sfumato.recognition.answers import Table
from sfumato.reports.document import Report
from sfumato.reports.events import Events
from sfumato.reports.figures import captioned, png_of
from sfumato.runs.folder import RunFolder
from sfumato.runs.manifest import read_manifest

SHORT: dict[str, Any] = {"images": 16, "batch_size": 8, "evaluate": False}
RUNS: dict[str, dict[str, Any]] = {
    "stacked": {"data": "digits", **SHORT},
    "gan": {"data": "digits", **SHORT},
    "finetune": {"images": 8, "batch_size": 4, "resolution": 64, "data": "faces", "evaluate": False},
    "cyclegan": {"images": 4, "batch_size": 2, "resolution": 32, "width": 4, "blocks": 1, "evaluate": False},
}
Made = Callable[[str], Path]


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Made:
    """A run of a system, trained when it is first asked for."""
    there: dict[str, Path] = {}

    def run(system: str) -> Path:
        if system not in there:
            path = tmp_path_factory.mktemp(system) / "run"
            there[system] = sfumato.train(system, run=path, **RUNS[system]).path
        return there[system]

    return run


def shell(command: str, folder: Path) -> "subprocess.CompletedProcess[bytes]":
    return subprocess.run(
        ["bash", "-o", "pipefail", "-c", command.replace("sfumato", f"{sys.executable} -m sfumato")],
        cwd=folder, capture_output=True, timeout=120, check=False,
    )  # fmt: skip


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="a device of Linux")
@pytest.mark.parametrize(
    ("command", "code", "out", "err"),
    [
        ("sfumato systems | head -n 1", 0, b"stacked", b""),
        ("sfumato data list >&-", 0, b"", b""),
        ("sfumato data list > /dev/full", 2, b"", b"sfumato: No space left on device\n"),
        ("sfumato data list > /dev/full 2>&1", 2, b"", b""),
        ("sfumato data check nowhere 2>&-", 2, b"", b""),
        ("sfumato data check nowhere 2> /dev/full", 2, b"", b""),
        ("sfumato data check nowhere <&- >&- 2>&-", 2, b"", b""),
    ],
)
def test_a_console_that_takes_nothing(command: str, code: int, out: bytes, err: bytes, tmp_path: Path) -> None:
    done = shell(command, tmp_path)
    assert (done.returncode, done.stderr) == (code, err)
    assert done.stdout.startswith(out)
    assert bool(done.stdout) == bool(out)


def picture(path: Path, shade: int = 90) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.new("RGB", (48, 40), (shade, 90, 60)).save(path, "PNG")
    return path


def fails(capsys: pytest.CaptureFixture[str], *arguments: object) -> str:
    """What a command says that ends with exit code 2: one line."""
    capsys.readouterr()
    with pytest.raises(SystemExit) as stopped:
        cli.main([str(argument) for argument in arguments])
    said = capsys.readouterr().err
    assert stopped.value.code == 2, said
    lines = [line for line in said.splitlines() if not line.startswith("sfumato: left out")]
    assert len(lines) == 1, said
    assert lines[0].startswith("sfumato: ")
    return lines[0]


COMMANDS: dict[str, tuple[str, list[str], str]] = {
    "sample": ("gan", ["sample", "RUN", "-n", "4"], ".png"),
    "walk": ("gan", ["sample", "RUN", "--walk", "-n", "2"], ".gif"),
    "codes": ("stacked", ["codes", "RUN", "sample", "--fit", "8"], ""),
    "predict": ("finetune", ["predict", "RUN", "PICTURE"], ".png"),
    "table": ("finetune", ["predict", "RUN", "PICTURE"], ".csv"),
    "list": ("finetune", ["predict", "RUN", "PICTURE"], ".json"),
    "translate": ("cyclegan", ["translate", "RUN", "PICTURE"], ".png"),
    "stylize": ("", ["stylize", "PICTURE", "PICTURE"], ".png"),
    "survey": ("", ["data", "check", "FOLDER"], ".html"),
}


def words(name: str, made: Made, folder: Path, out: Path) -> list[str]:
    """A command that writes to `out`."""
    system, tokens, _ = COMMANDS[name]
    places = {"PICTURE": str(folder / "data" / "a" / "1.png"), "FOLDER": str(folder / "data")}
    for kind in "ab":
        for number in range(3):
            picture(folder / "data" / kind / f"{number}.png", 60 * number)
    if system:
        places["RUN"] = str(made(system))
    return [*(places.get(token, token) for token in tokens), "-o", str(out)]


@pytest.mark.slow
@pytest.mark.parametrize("name", COMMANDS)
def test_where_a_command_cannot_write_it_says_so_in_a_line(
    name: str, made: Made, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    ending = COMMANDS[name][2]
    out = tmp_path / "out" / f"result{ending}"
    command = words(name, made, tmp_path, out)
    for number in (errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EIO, errno.ENOTCONN):

        def refused(_: int, number: int = number) -> None:
            raise OSError(number, os.strerror(number))

        with monkeypatch.context() as patch:
            patch.setattr(os, "fsync", refused)
            assert os.strerror(number) in fails(capsys, *command)
        assert not [path for path in out.parent.rglob("*") if path.is_file()]
    if ending:
        out.mkdir(parents=True)
        assert str(out) in fails(capsys, *command)
        out.rmdir()
    long = tmp_path / ("x" * 300 + ending)
    assert "too long" in fails(capsys, *command[:-1], long)


@pytest.mark.slow
def test_a_run_that_cannot_be_written(
    made: Made, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def refused(_: int) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, "fsync", refused)
    said = fails(capsys, "train", "stacked", "--data", "digits", "--images", "16", "--run", tmp_path / "run")
    assert "No space left" in said
    assert "No space left" in fails(capsys, "report", made("stacked"))
    assert not list(made("stacked").rglob(".*.part"))


@pytest.mark.slow
def test_a_name_that_is_not_utf8_is_an_output_too(
    made: Made, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / os.fsdecode(b"caf\xe9.png")
    cli.main(["sample", str(made("gan")), "-n", "2", "-o", str(out)])
    assert out.is_file()
    assert capsys.readouterr().out == f"{tmp_path}/caf%E9.png\n"


NAMES = (b"\xff\xff\xff", b"\x1b[31mred\x07", b"two\nlines", b"[bold] $x_1$", b"=1+1")
SHOWN = ("%1B[31mred%07", "%FF%FF%FF", "=1+1", "[bold] $x_1$", "two%0Alines")


def named(root: Path) -> Path:
    """A folder of classes with such names, called so itself."""
    folder = root / os.fsdecode(b"data\xff\x1b[2J")
    for place, name in enumerate(NAMES):
        for number in range(6):
            shade = 40 * place
            picture(folder / os.fsdecode(name) / os.fsdecode(b"\xfe\xfe\xfe%d.png" % number), shade)
    return folder


@pytest.mark.slow
def test_classes_of_any_name_are_trained_on_and_told(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder = named(tmp_path)
    cli.main(["data", "check", str(folder), "-o", str(tmp_path / "survey.html")])
    run, fields = tmp_path / "run", {**RUNS["finetune"], "data": str(folder)}
    sfumato.train("finetune", run=run, **fields, save_every=0)
    assert read_manifest(run).data.classes == SHOWN
    opened = sfumato.resume(run, images=12)  # finds its data again
    cli.main(["evaluate", str(run)])
    cli.main(["predict", str(run), str(folder), "-o", str(tmp_path / "out.csv"), "-o", str(tmp_path / "drawn")])
    cli.main(["predict", str(run), str(folder), "--json"])
    assert opened.classes == SHOWN
    said = capsys.readouterr()
    for text in (said.out, (run / "report.html").read_text("utf-8"), (tmp_path / "survey.html").read_text("utf-8")):
        assert not set(text) & set(map(chr, (*range(9), *range(11, 32), 0x7F))), text
        assert "%FF%FF%FF" in text
    with (tmp_path / "out.csv").open(newline="", encoding="utf-8") as file:
        rows = list(csv.reader(file))
    assert len(rows) == 31
    assert {row[1] for row in rows[1:]} <= {"'=1+1", *SHOWN} - {"=1+1"}
    assert all((tmp_path / "drawn" / row[0].removeprefix("'")).is_file() for row in rows[1:])


def test_reports_and_figures_take_any_name(tmp_path: Path) -> None:
    name = "\x00\x1b[1m\ud800\udcff\uffff $\\frac$ <script>"
    report = Report(name, subtitle=name)
    report.heading(name)
    report.say(f"{name}\n{name}", loud=True)
    report.code(name)
    report.table([name], [[name]], name)
    image = captioned(sfumato_image(), [name.replace("\x00", "").replace("\ud800", "").replace("\uffff", "")[5:]])
    report.picture("figure", image, name)
    report.film("film", [Image.open(io.BytesIO(image)).convert("RGB")], [name], name)
    page = report.html()
    assert "%00%1B[1m%ED%A0%80%FF%EF%BF%BF $\\frac$ &lt;script&gt;" in page
    page.encode()
    assert zipfile.ZipFile(io.BytesIO(report.docx())).testzip() is None
    events = Events(tmp_path)
    events.scalars({name: 1.0}, 1)
    events.picture(name, png_of(sfumato_image()[0]), 1)
    events.close()


def sfumato_image() -> Any:
    import torch

    return torch.zeros(1, 3, 16, 16)


def test_json_holds_any_name(tmp_path: Path) -> None:
    values = {"caf\udce9": ["\ud83d", "\x1b", float("nan"), "猫"]}
    write_json(tmp_path / "x.json", values)
    assert json.loads((tmp_path / "x.json").read_bytes()) == {"caf%E9": ["%ED%A0%BD", "\x1b", None, "猫"]}


@pytest.mark.parametrize(
    ("name", "cell"),
    [
        ("=1+1", "'=1+1"),
        ("@x", "'@x"),
        ("+a", "'+a"),
        ("-1", "-1"),
        ("-1.5", "-1.5"),
        ('a,"b"', 'a,"b"'),
        ("a=b", "a=b"),
    ],
)
def test_a_table_holds_no_formula(name: str, cell: str, tmp_path: Path) -> None:
    table = Table(tmp_path / "x.csv", "labels", [name], moving=False)
    values = {"file": name, "classes": [{"name": name, "probability": 1.0}]}
    table.add(_answer(values))
    table.write()
    with (tmp_path / "x.csv").open(newline="", encoding="utf-8") as file:
        rows = list(csv.reader(file))
    assert rows[1] == [cell, cell, "1.0", "1.0"]


def _answer(values: dict[str, Any]) -> Any:
    class Answer:
        pass

    answer: Any = Answer()
    answer.values = values
    return answer


def test_who_was_left_out_is_one_line() -> None:
    assert str(LeftOut("a\nb\x1b", "is\ncalled \udcff")) == "a%0Ab%1B: is%0Acalled %FF"


def test_nothing_is_written_into_what_is_read(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The next call would read it."""
    data = tmp_path / "data"
    for kind in "ab":
        for number in range(3):
            picture(data / kind / f"{number}.png", 60 * number)
    before = sorted(data.rglob("*"))
    inside = data / "c" / "d"
    assert "--run" in fails(capsys, "train", "stacked", "--data", data, "--run", inside)
    assert "lies in the folder" in fails(capsys, "data", "check", data, "-o", inside / "x.png")
    assert "lies in the folder" in fails(capsys, "data", "convert", data, inside, "--to", "coco")
    assert "give another" in fails(capsys, "stylize", data / "a", data / "b" / "0.png", "-o", data / "a")
    assert sorted(data.rglob("*")) == before


def test_boxes_of_any_label_are_converted(tmp_path: Path) -> None:
    label = "a\x1b\u202eb\ud800\nc"
    notes = {
        "images": [
            {
                "id": number,
                "file_name": picture(tmp_path / "in" / f"{number}.png", number).name,
                "width": 48,
                "height": 40,
            }
            for number in range(4)
        ],
        "annotations": [{"id": n, "image_id": n, "category_id": 1, "bbox": [2, 2, 20, 20]} for n in range(4)],
        "categories": [{"id": 1, "name": label}],
    }
    (tmp_path / "in" / "notes.json").write_text(json.dumps(notes))
    for form in ("coco", "yolo", "voc"):
        convert(tmp_path / "in", tmp_path / form, form)
        read = open_data(str(tmp_path / form), View(3, 32, target="boxes"))
        assert read.classes == ("a%1B%E2%80%AEb%ED%A0%80 c",)


def test_what_a_kill_left_in_a_run_goes_when_it_is_owned(tmp_path: Path) -> None:
    for place in (".", "samples", "checkpoints", "figures"):
        (tmp_path / place).mkdir(exist_ok=True)
        (tmp_path / place / ".0123456789abcdef.part").touch()
    with RunFolder(tmp_path).owned():
        assert not list(tmp_path.rglob("*.part"))


@pytest.mark.parametrize("place", ["lock", "metrics.jsonl", "checkpoints", "samples/000000000001.png"])
def test_a_run_whose_links_lead_out_is_not_written(place: str, tmp_path: Path) -> None:
    run, outside = tmp_path / "run", tmp_path / "outside"
    (run / place).parent.mkdir(parents=True)
    outside.mkdir()
    (run / place).symlink_to(outside if "." not in place and place != "lock" else outside / "file")
    with pytest.raises(SfumatoError, match="leads out of the run folder"), RunFolder(run).owned():
        pass
    assert not list(outside.iterdir())
    (run / place).unlink()
    (run / "inside").symlink_to("config.json")
    with RunFolder(run).owned():
        pass
