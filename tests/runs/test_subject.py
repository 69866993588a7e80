"""A new subject is a new folder and nothing else: one is made up here, in a package of its own, and put through every
public command."""

import json
import signal
import subprocess
import sys
import textwrap
import time
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

from ..conftest import Command, one_line

PACKAGE = {
    "averages/__init__.py": '''
        """Averages: what is left of pictures when nothing is learnt but their mean."""

        SYSTEMS = {"mean_picture": ("MeanPicture", ("digits",))}
        ''',
    "averages/mean_picture.py": '''
        """The mean picture: one picture that is as near as can be to all others.

        https://example.org/mean. Images are (b, c, h, w) in [0, 1]. Departs from the paper: there is none.
        """

        from dataclasses import dataclass
        from typing import ClassVar

        import torch
        from torch import nn

        from sfumato.engine.descend import descend
        from sfumato.engine.fields import Count, Positive, check
        from sfumato.engine.system import Stage, System


        @dataclass(frozen=True, kw_only=True)
        class Config:
            """A picture of 28×28."""

            fit: ClassVar[str] = "square"
            resolution: Count = 28  # side of the picture, in pixels
            channels: ClassVar[int] = 1
            learning_rate: Positive = 0.01  # of Adam
            batch_size: Count = 16  # images per step
            images: Count = 4_000  # images drawn in the whole run

            def __post_init__(self):
                check(self)


        PRESETS = {"digits": Config()}


        class MeanPicture(System):
            draws = True

            def __init__(self, config):
                super().__init__()
                self.config = config
                self.picture = nn.Parameter(torch.rand(1, config.channels, config.resolution, config.resolution))
                self.optimizers["picture"] = torch.optim.Adam([self.picture], lr=config.learning_rate)

            @property
            def glance_every(self):
                return self.config.images // 4

            def stages(self):
                return [Stage(self.config.images, self.config.batch_size)]

            def step(self, batches, clock):
                loss = (self.picture - next(batches).images).square().mean()
                descend(loss, self.optimizers["picture"])
                return {"mse": loss.detach()}

            @torch.no_grad()
            def sample(self, count, wishes=None, generator=None):
                self.label_of(wishes)
                noise = 0.1 * torch.randn(count, *self.picture.shape[1:], generator=generator)
                return (self.picture.cpu() + noise).clamp(0, 1)
        ''',
    "averages/family.py": '''
        """What averages owe a run."""

        from sfumato.family import Family
        from sfumato.metrics.table import Evaluation, Words, rows_of
        from sfumato.reports.grids import grid


        class Averages(Family):
            def evaluate(self, system, data, runtime, history=None, judges=None):
                images = data.test.images()
                rows = []
                for of, role, picture in (("ours", "ours", system.picture.detach().cpu()), ("black", "baseline", 0.0)):
                    error = float((images - picture).square().mean())
                    rows += rows_of({"mse": error, "away": error**0.5}, len(images), of, role)
                names = {"ours": Words("the mean", "平均"), "black": Words("black", "黑")}
                return Evaluation.on(
                    data, images=len(images), resolution=data.shape[1], rows=tuple(rows), names=names,
                    note=Words("Nothing more.", "无。"),
                )

            def glance(self, system, data, runtime):
                return {"mse": float((data.test.images() - system.picture.detach().cpu()).square().mean())}

            def look(self, system, data, runtime):
                return grid(system.sample(4), 4)

            def caption(self, system):
                return Words("Noise around a mean.", "平均附近的噪声。")


        FAMILY = Averages()
        ''',
    "averages-1.0.dist-info/METADATA": "Metadata-Version: 2.1\nName: averages\nVersion: 1.0\n",
    "averages-1.0.dist-info/entry_points.txt": "[sfumato.subjects]\naverages = averages\n",
}  # fmt: skip


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The package, installed where child processes find it."""
    for name, text in PACKAGE.items():
        path = tmp_path / "site" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(textwrap.dedent(text).lstrip(), "utf-8")
    monkeypatch.setenv("PYTHONPATH", f"{tmp_path / 'site'}:{':'.join(path for path in sys.path if path)}")
    return tmp_path


def weights(run: Path) -> torch.Tensor:
    return load_file(max((run / "checkpoints").glob("0*.safetensors")))["system.picture"]


def test_a_package_that_is_broken_or_takes_a_name_is_left_out(place: Path, sfumato: Command) -> None:
    (place / "site" / "averages" / "__init__.py").write_text('SYSTEMS = {"gan": ("Other", ("digits",))}')
    (place / "site" / "averages-1.0.dist-info" / "entry_points.txt").write_text(
        "[sfumato.subjects]\naverages = averages\nnone = not_there\n"
    )
    listed = sfumato("systems", "--json")
    assert [row["name"] for row in json.loads(listed.stdout)].count("gan") == 1
    assert "averages.gan: there is a system of that name" in listed.stderr
    assert "subject not_there: ModuleNotFoundError" in listed.stderr


def test_a_new_subject_takes_part_in_everything(place: Path, sfumato: Command) -> None:
    listed = json.loads(sfumato("systems", "--json").stdout)
    assert {"name": "mean_picture", "family": "averages"}.items() <= listed[-1].items()
    assert "--learning-rate" in sfumato("train", "mean_picture", "--help").stdout
    one_line(sfumato("train", "mean_picture", "--run", "no", "--batch-size", "0"), "batch_size 0")

    whole = sfumato("train", "mean_picture", "--run", "whole")
    assert whole.returncode == 0, whole.stderr
    assert "the mean" in whole.stdout
    page = (place / "whole" / "report.html").read_text("utf-8")
    assert "Noise around a mean." in page
    assert "Nothing more." in page
    assert len((place / "whole" / "measures.jsonl").read_text().splitlines()) == 4

    process = subprocess.Popen(
        [sys.executable, "-m", "sfumato", "train", "mean_picture", "--run", "killed", "--save-every", "0"],
        cwd=place, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
    )  # fmt: skip
    deadline = time.monotonic() + 60
    while not (place / "killed" / "state.json").exists() and time.monotonic() < deadline:
        time.sleep(0.02)
    process.send_signal(signal.SIGKILL)
    process.wait()
    assert process.returncode == -signal.SIGKILL
    resumed = sfumato("resume", "killed")
    assert resumed.returncode == 0, resumed.stderr
    assert torch.equal(weights(place / "whole"), weights(place / "killed"))

    assert sfumato("sample", "whole", "-o", "drawn.png").returncode == 0
    measured = json.loads(sfumato("evaluate", "whole", "--json").stdout)
    ours, black = (row["value"] for row in measured["rows"] if row["key"] == "mse")
    assert ours < black
    one_line(sfumato("predict", "whole", "drawn.png"), "recognises nothing")
    one_line(sfumato("sample", "whole", "--label", "1"), "cannot be asked for a class")
