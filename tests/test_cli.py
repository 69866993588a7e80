"""The command line: names are a contract, help is quick, bad input is one line and exit code 2."""

import dataclasses
import errno
import io
import json
import os
import re
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from PIL import Image

from sfumato import cli
from sfumato.runs.catalog import CATALOG

from .conftest import Command, one_line
from .data.test_folder import FILES, ODD, tree
from .runs.test_manifest import OLD


def test_help_imports_nothing_heavy() -> None:
    program = (
        "import sys\n"
        "from sfumato.cli import main\n"
        "main(['--help'])\n"
        "heavy = {'torch', 'numpy', 'PIL', 'matplotlib', 'sklearn'} & sys.modules.keys()\n"
        "assert not heavy, heavy\n"
    )
    result = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)
    assert result.returncode == 0, result.stderr
    for name in ("systems", "train", "resume", "sample", "evaluate", "codes", "study", "data", "doctor"):
        assert name in result.stdout


def test_help_has_the_table_of_exit_codes(capsys: pytest.CaptureFixture[str]) -> None:
    page = (Path(__file__).parents[1] / "docs" / "design.md").read_text("utf-8")
    cli.main(["--help"])
    shown = " ".join(capsys.readouterr().out.split())
    for code, meaning in cli.ENDS.items():
        assert f"{code} {meaning}" in shown
        assert re.search(rf"^\| [\d, ]*\b{code}\b", page, re.MULTILINE)


def test_systems_lists_the_catalog(capsys: pytest.CaptureFixture[str]) -> None:
    cli.main(["systems", "--json"])
    rows = json.loads(capsys.readouterr().out)
    assert [row["name"] for row in rows] == list(CATALOG)
    cli.main(["systems"])
    shown = capsys.readouterr().out
    assert all(row["paper"] in shown for row in rows)


@pytest.mark.parametrize("name", CATALOG)
def test_train_help_offers_every_field(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    cli.main(["train", name, "--help"])
    shown = capsys.readouterr().out
    own = (field.name for field in dataclasses.fields(CATALOG[name].config_class))
    for field in (*own, "seed", "run"):
        assert f"--{field.replace('_', '-')}" in shown


def test_help_says_bounds_where_they_say_something(capsys: pytest.CaptureFixture[str]) -> None:
    cli.main(["train", "wgan", "--help"])
    shown = " ".join(capsys.readouterr().out.replace("│", " ").split())
    assert "Side of the square images, in pixels (from 1 to 1,024) [default: 28]" in shown
    assert "over all processes (at least 2) [default: 64]" in shown
    assert "Largest weight of the critic [default: 0.01]" in shown
    assert "--beta1" not in shown  # of Adam, which wgan does without


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["nonsense"], ["nonsense"]),
        (["train", "wgan", "--run", "r", "--beta1", "0.5"], ["--beta1"]),
        (["train"], ["SYSTEM"]),
        (["train", "stackd", "--run", "r"], ["'stackd'", "stacked"]),
        (["train", "stacked:tiny", "--run", "r"], ["'tiny'", "digits"]),
        (["train", "stacked"], ["--run"]),
        (["train", "stacked", "--run", "r", "--widhts", "3"], ["--widhts", "--widths"]),
        (["train", "stacked", "--run", "r", "--loss", "huber"], ["huber", "bce"]),
        (["train", "stacked", "--run", "r", "--images", "many"], ["many"]),
        (["train", "stacked", "--run", "r", "--images", "-5"], ["images -5"]),
        (["train", "stacked", "--run", "r", "--data", "nowhere"], ["nowhere", "digits"]),
        (["train", "stacked", "--run", "r", "--device", "tpu"], ["tpu"]),
        (["train", "convolutional", "--run", "r", "--resolution", "30"], ["resolution 30", "multiple of 4"]),
        (["resume", "nowhere"], ["nowhere", "not a run folder"]),
        (["sample", "nowhere"], ["nowhere"]),
        (["evaluate", "nowhere"], ["nowhere"]),
        (["codes", "nowhere"], ["nowhere"]),
        (["study", "dogs", "--out", "o", "--features", "nowhere.pth"], ["nowhere.pth"]),
        (["train", "convolutional", "--run", "r", "--bottleneck", "9", "--network", "reference"], ["bottleneck 9"]),
        (["study", "cooking", "--out", "o"], ["cooking", "handwriting"]),
        (["study", "handwriting", "--out", "o", "--data", "nowhere"], ["nowhere"]),
        (["systems", "gatys"], ["gatys", "sfumato stylize --method gatys"]),
        (["data", "fetch", "celeba"], ["celeba"]),
        (["export", str(OLD / "autoencoders"), "-o", "model.pth"], ["model.pth", ".onnx or .pt2"]),
        (["export", str(OLD / "autoencoders"), "-o", ".onnx"], ["--out .onnx"]),
        (["sample", str(OLD / "autoencoders"), "-n", "9" * 30, "-o", "x.png"], ["--count 9999", "10,000"]),
        (["train", "gan", "--run", "r", "--save-every", "nan"], ["save_every nan"]),
        (["train", "gan", "--run", "r", "--log-every", "0"], ["log_every 0"]),
        (["export", "--to", "page", "-o", "page.html"], ["page.html", "folder"]),
        (["data", "check", "nowhere"], ["nowhere"]),
    ],
)
def test_bad_input_is_one_line(
    arguments: list[str], words: list[str], capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
) -> None:  # fmt: skip
    monkeypatch.chdir(tmp_path)
    with pytest.raises(SystemExit) as caught:
        cli.main(arguments)
    shown = capsys.readouterr().err
    assert caught.value.code == 2
    assert shown.count("\n") == 1, shown
    for word in words:
        assert word in shown
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("words", "told"),
    [("vae --beta -1", True), ("stylegan2 --resolution 48", True), ("vae --data /nowhere", False), ("nope", False)],
)
def test_an_error_about_a_system_says_where_more_is_said(
    words: str, told: bool, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit):
        cli.main(["train", *words.split(), "--run", str(tmp_path / "run")])
    assert ("(see sfumato systems " in capsys.readouterr().err) == told


@pytest.mark.parametrize(
    ("words", "told"),
    [("sample --label 3", True), ("translate in.png --out out.png", True), ("sample --count 0", False)],
)
def test_an_error_about_a_run_says_where_more_is_said_of_its_system(
    words: str, told: bool, capsys: pytest.CaptureFixture[str]
) -> None:
    command, *rest = words.split()
    with pytest.raises(SystemExit):
        cli.main([command, str(OLD / "autoencoders"), *rest])
    assert ("(see sfumato systems stacked)" in capsys.readouterr().err) == told


def test_one_system_in_short(capsys: pytest.CaptureFixture[str]) -> None:
    cli.main(["systems", "vae"])
    text = capsys.readouterr().out
    for word in ("arxiv.org/abs/1312.6114", "Departs from", "plane", "--beta = 1.0", "sfumato train vae"):
        assert word in text


def test_a_run_from_the_command_line(tmp_path: Path, sfumato: Command) -> None:
    trained = sfumato("train", "stacked", "--run", "run", "--images", "2000", "--widths", "32", "8")
    assert trained.returncode == 0, trained.stderr
    assert "PCA-2" in trained.stdout
    assert "images/s" in trained.stderr
    assert json.loads((tmp_path / "run" / "config.json").read_text())["config"]["widths"] == [32, 8]
    sampled = sfumato("sample", "run", "-n", "5", "--seed", "3", "-o", "out.png")
    assert sampled.returncode == 0, sampled.stderr
    assert (tmp_path / "out.png").stat().st_size > 500
    measured = sfumato("evaluate", "run", "--json")
    assert json.loads(measured.stdout) == json.loads((tmp_path / "run" / "evaluation.json").read_text())
    one_line(sfumato("train", "stacked", "--run", "run"), "sfumato resume")
    one_line(sfumato("sample", "run", "-n", "0"), "--count 0")
    one_line(sfumato("sample", "run", "-o", "out.jpg"), "must end in .png")


@pytest.mark.parametrize("order", [["--data", "digits", "stacked"], ["--data=digits", "stacked"]])
def test_options_may_stand_before_the_system(order: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    cli.main(["train", *order, "--help"])
    assert "stacked:digits" in capsys.readouterr().out


def test_data_check_names_every_bad_file(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    source = str(tree(tmp_path / "tree", FILES | ODD))
    cli.main(["data", "check", source])
    shown = capsys.readouterr().out
    assert all(name in shown for name in ODD)
    assert "left out: 4\n" in shown
    cli.main(["data", "check", source, "--json"])
    assert len(json.loads(capsys.readouterr().out)["left_out"]) == len(ODD)
    with pytest.raises(SystemExit) as caught:
        cli.main(["data", "check", source, "--strict"])
    assert caught.value.code == 2


def test_data_list_and_doctor(capsys: pytest.CaptureFixture[str]) -> None:
    cli.main(["data", "list"])
    assert "embedded" in capsys.readouterr().out
    cli.main(["doctor", "--json"])
    found = json.loads(capsys.readouterr().out)
    assert {"torch", "processor", "CUDA", "auto means", "bf16 on CPU"} <= found["facts"].keys()
    cli.main(["doctor"])
    assert "torch" in capsys.readouterr().out


@pytest.mark.parametrize("encoding", ["ascii", "cp1251", "cp1252", "cp1253", "gbk", "utf-8", "cp1251:strict"])
def test_a_console_of_any_alphabet_gets_what_it_can_show(tmp_path: Path, encoding: str) -> None:
    """Names of classes, the signs of tables and helps: what the encoding lacks is replaced, and nothing fails."""
    for name in ("\u732b", "\u044f", "\u03c9"):
        (tmp_path / "data" / name).mkdir(parents=True)
        for number in range(2):
            Image.new("RGB", (40, 36), (number, 9, 9)).save(tmp_path / "data" / name / f"{name}{number}.png")
    code = encoding.partition(":")[0]
    program = "from sfumato.cli import main; main(['systems']); main(['train', 'stylegan', '--help'])"
    done = subprocess.run(
        [sys.executable, "-c", f"{program}; main(['data', 'check', 'data'])"], cwd=tmp_path, capture_output=True,
        check=False, env={**os.environ, "PYTHONIOENCODING": encoding},
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    said = done.stdout.decode(code)
    assert "stylegan" in said
    for name in ("\u732b", "\u044f", "\u03c9"):
        assert name.encode(code, "backslashreplace").decode(code) in said


@pytest.mark.parametrize("encoding", ["ascii", "cp1251", "cp1252", "gbk", "utf-8"])
def test_json_is_whole_on_any_console(encoding: str) -> None:
    values = {"name": "\u732b \xe9 \U0001f600 \udc80", "value": float("nan")}
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sys, "stdout", stream := io.TextIOWrapper(buffer := io.BytesIO(), encoding, "strict"))
        cli._print_anything()
        cli._print_json(values)
        stream.flush()
    assert json.loads(buffer.getvalue().decode(encoding)) == {"name": "\u732b \xe9 \U0001f600 %80", "value": None}


def test_the_replacement_that_somebody_chose_stays(monkeypatch: pytest.MonkeyPatch) -> None:
    stream = io.TextIOWrapper(io.BytesIO(), "ascii", "xmlcharrefreplace")
    monkeypatch.setattr(sys, "stdout", stream)
    cli._print_anything()
    assert stream.errors == "xmlcharrefreplace"


@pytest.mark.parametrize("stream", [None, io.StringIO()])
def test_there_may_be_no_console(stream: object, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stdout", stream)
    cli.main(["systems"])


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EFBIG, errno.EDQUOT])
def test_a_full_disk_is_one_line_even_without_a_name(
    number: int, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def full(*_: object, **__: object) -> None:
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(cli, "app", full)
    with pytest.raises(SystemExit) as stopped:
        cli.main(["systems"])
    assert stopped.value.code == 2
    assert capsys.readouterr().err == f"sfumato: {os.strerror(number)}\n"


def test_a_model_is_not_written_over_a_run(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    shutil.copytree(OLD / "autoencoders", tmp_path / "run")
    before = {path: path.read_bytes() for path in sorted((tmp_path / "run").rglob("*")) if path.is_file()}
    with pytest.raises(SystemExit):
        cli.main(["export", str(OLD / "autoencoders"), "-o", str(tmp_path / "run")])
    assert "run: holds a run: take another folder" in capsys.readouterr().err
    assert before == {path: path.read_bytes() for path in sorted((tmp_path / "run").rglob("*")) if path.is_file()}
    for _ in range(2):
        cli.main(["export", str(OLD / "autoencoders"), "-o", str(tmp_path / "model")])


@pytest.mark.skipif(sys.platform == "win32", reason="signals")
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_a_signal_ends_a_command_with_its_number(number: signal.Signals) -> None:
    program = (
        "import os, signal, sfumato.runs.catalog as catalog; from sfumato.cli import main\n"
        "signal.signal(signal.SIGHUP, signal.SIG_DFL)\n"  # what started us may ignore them, as nohup does
        "signal.signal(signal.SIGINT, signal.default_int_handler)\n"
        f"catalog.systems = lambda: os.kill(os.getpid(), {int(number)})\n"
        "main(['systems'])"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout, done.stderr) == (128 + number, "", "")
