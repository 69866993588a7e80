"""The lines of a log, whole or damaged."""

import json
from pathlib import Path
from typing import Any

import pytest

import sfumato
from sfumato.data.dataset import ImageData
from sfumato.runs.rows import read_rows

DAMAGED = (
    b"5", b"[]", b"\xff\xfe", b"{", b'{"images": "x"}', b'{"images": true}', b'{"bce": 1}', b"[" * 100_000,
    b'{"images": 1, "epoch": 1, "seconds": -1e300}',
    b'{"images": -1, "epoch": 1, "seconds": 1}',
    b'{"images": 1, "bce": NaN}', b'{"images": 1, "bce": "many"}', b'{"images": 1, "bce": {"a": 1}}',
)  # fmt: skip


@pytest.mark.parametrize("line", DAMAGED)
def test_a_damaged_line_is_passed_over_and_counted(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], line: bytes
) -> None:
    path = tmp_path / "metrics.jsonl"
    whole = [{"images": images, "epoch": 0.5, "bce": 0.5, "seconds": 1} for images in (8, 16)]
    first, second = (json.dumps(row).encode() for row in whole)
    path.write_bytes(b"\n".join((first, line, second, first[:20])))
    assert read_rows(path) == read_rows(path) == whole
    assert capsys.readouterr().err == f"sfumato: {path}: 2 damaged lines passed over\n"


def test_no_log_has_no_rows(tmp_path: Path) -> None:
    assert read_rows(tmp_path / "metrics.jsonl") == []


@pytest.mark.parametrize(
    ("system", "fields"),
    [
        ("stacked", {"widths": (4,)}),
        ("gan", {"hidden": (4,), "measure_every": 10**6}),
        ("finetune", {"resolution": 32}),
    ],
)
def test_runs_without_a_log_are_measured_and_told_of(
    tmp_path: Path, toy: ImageData, system: str, fields: dict[str, Any]
) -> None:
    opened = None if system == "finetune" else toy
    run = sfumato.train(
        system, run=tmp_path / "run", opened=opened, images=16, batch_size=8, precision="fp32", **fields
    )
    before = run.evaluation
    (run.path / "metrics.jsonl").write_bytes(b"\n".join(DAMAGED))
    measured = run.evaluate()
    assert measured.rows == before.rows
    (run.path / "metrics.jsonl").unlink()
    again = sfumato.resume(run.path, opened=opened)
    assert again.evaluation.rows == before.rows
    assert "Its log is gone" in (run.path / "report.html").read_text("utf-8")
    assert json.loads((run.path / "evaluation.json").read_text())["rows"]
