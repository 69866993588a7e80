"""Nothing that is said moves a cursor or forges a line, and who cannot be told does not stop the work."""

import ast
import io
import sys
from pathlib import Path

import pytest
from rich.progress import Progress, TextColumn
from rich.table import Table

import sfumato
from sfumato.terminal import console, say, tell, warn

NAME = "\x1b]0;title\x07\x1b[2Ja\nsfumato: all is well\u202e"
SHOWN = "%1B]0;title%07%1B[2Ja%0Asfumato: all is well%E2%80%AE"
ROOT = Path(sfumato.__file__).parent


def test_a_name_is_one_line(capsys: pytest.CaptureFixture[str]) -> None:
    tell(Path(NAME), 3)
    warn(NAME)
    assert capsys.readouterr() == (f"{SHOWN}\n3\n", f"sfumato: {SHOWN}\n")


def test_bars_and_tables_show_names(monkeypatch: pytest.MonkeyPatch) -> None:
    class Terminal(io.StringIO):
        def isatty(self) -> bool:
            return True

    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setattr(sys, "stderr", stream := Terminal())
    table = Table("class", title="t")
    table.add_row("\x1b[2J[/nothing]")
    shown = console()
    shown.print(table, markup=False)
    with Progress(TextColumn("{task.description}", markup=False), console=shown) as bar:
        bar.add_task("[/x] \x1b]0;", total=2)
    said = stream.getvalue()
    assert "%1B[2J" in said
    assert "[/x] %1B" in said
    assert "\x1b[2J" not in said
    assert "\x1b]0;" not in said
    assert "\x1b[?25l" in said  # rich's own signs go through


def test_who_cannot_be_told_does_not_stop_the_work(monkeypatch: pytest.MonkeyPatch) -> None:
    class Full(io.StringIO):
        def write(self, _: str) -> int:
            raise OSError(28, "No space left on device")

    for stream in (None, Full()):
        monkeypatch.setattr(sys, "stderr", stream)
        say("lost")


def test_nobody_else_writes_to_the_terminal() -> None:
    """`print`, rich's consoles and the two streams are used in one file; markup in names is never read."""
    for path in ROOT.rglob("*.py"):
        name = path.relative_to(ROOT).as_posix()
        if name == "terminal.py":
            continue
        for node in ast.walk(ast.parse(path.read_text("utf-8"))):
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Name):
                said = ast.unparse(node)
                assert node.func.id != "Console", f"{name}: {said}"
                assert node.func.id != "print" or said.startswith("print(json_of("), f"{name}: {said}"
                if node.func.id == "TextColumn" and "{task.percentage" not in said:
                    assert "markup=False" in said, f"{name}: {said}"
