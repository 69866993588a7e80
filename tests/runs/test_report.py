"""The page of a run, on request."""

import signal
from pathlib import Path

import pytest

import sfumato
from sfumato.cli import main
from sfumato.data.dataset import ImageData
from sfumato.runs.stopping import Stopped
from sfumato.runs.train import train


def test_the_page_is_written_anew_and_of_a_stopped_run_too(
    toy: ImageData, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def stop(images: int) -> None:
        if images >= 64:
            signal.raise_signal(signal.SIGINT)

    fields = {"images": 640, "batch_size": 8, "precision": "fp32", "log_every": 16}
    with pytest.raises(Stopped):
        train("stacked", run=tmp_path / "run", opened=toy, watch=stop, **fields)
    run = sfumato.open(tmp_path / "run")
    monkeypatch.setattr(type(run), "open_data", lambda *_: toy)
    page = tmp_path / "run" / "report.html"
    assert not page.exists()
    main(["report", str(tmp_path / "run")])
    assert capsys.readouterr().out.strip() == str(page)
    assert "Measured" in page.read_text()
    assert not (tmp_path / "run" / "evaluation.json").exists(), "it has not ended"
    page.unlink()
    assert run.report() == page
    assert page.exists()
