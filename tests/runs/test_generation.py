"""Adversarial runs from the outside: measures on the way, the doctor, labels, the page, the command line."""

import json
import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

import sfumato
from sfumato.cli import main
from sfumato.data.dataset import ImageData
from sfumato.engine.runtime import Runtime
from sfumato.errors import SfumatoError
from sfumato.gans import cgan, gan
from sfumato.gans import drawing as generation
from sfumato.gans.diagnosis import diagnose
from sfumato.metrics import digit_reader
from sfumato.reports.language import CJK, Speaker
from tests.conftest import Command, one_line

FIELDS: dict[str, Any] = {"images": 160, "batch_size": 8, "hidden": (16,), "precision": "fp32"}


@pytest.fixture
def few(monkeypatch: pytest.MonkeyPatch) -> None:
    """A reader that is trained for a moment."""
    monkeypatch.setattr(generation, "_JUDGES", {})
    monkeypatch.setattr(generation, "_READERS", {})
    train = digit_reader.train_reader
    monkeypatch.setattr(generation, "train_reader", lambda *arguments: train(*arguments, images=256))


@pytest.mark.usefixtures("few")
def test_a_run_is_measured_on_the_way_and_examined(toy: ImageData, tmp_path: Path) -> None:
    run = sfumato.train("gan", run=tmp_path / "run", opened=toy, measure_every=40, **FIELDS)
    assert [row["images"] for row in run.measures()] == [40, 80, 120, 160]
    evaluation = run.evaluation
    assert [row["name"] for row in evaluation["rows"]] == [
        "drawn", "real training images (floor)", "test images under noise σ 0.3", "mean training image"
    ]  # fmt: skip
    best = min(run.measures(), key=lambda row: row["fcd"])
    assert evaluation["over_the_run"] == {
        "measure": "fcd", "best": best["fcd"], "best_at": best["images"], "final": run.measures()[-1]["fcd"]
    }  # fmt: skip
    assert "LeNet-128" in evaluation["network"]
    assert evaluation["images"] == 8
    assert run.evaluate()["rows"] == evaluation["rows"], "measured again, the same"
    assert len(list((tmp_path / "run" / "samples").iterdir())) == 20, "a look at each step: there are fewer than 40"
    with Image.open(tmp_path / "run" / "figures" / "samples.webp") as film:
        assert film.n_frames > 1  # pyright: ignore[reportAttributeAccessIssue]
    page = (tmp_path / "run" / "report.html").read_text()
    assert "Run doctor" in page
    assert page.count('type="range"') == 1
    assert run.sample(3).shape == (3, 1, 28, 28)
    assert float(run.sample(3).min()) >= 0
    with pytest.raises(SfumatoError, match="gan cannot be asked for a class; cgan can"):
        run.sample(1, label=1)


@pytest.mark.usefixtures("few")
def test_measures_of_after_the_checkpoint_come_once(toy: ImageData, tmp_path: Path) -> None:
    """Stopped between two measurements and resumed: the same lines as without a stop."""
    whole = sfumato.train("gan", run=tmp_path / "whole", opened=toy, evaluate=False, measure_every=40, **FIELDS)
    part = sfumato.train("gan", run=tmp_path / "part", opened=toy, evaluate=False, measure_every=40, **FIELDS)
    lines = (part.path / "measures.jsonl").read_text()
    with (part.path / "measures.jsonl").open("a") as file:
        file.write('{"images": 200, "fcd": 1.0}\n{"images": 2')
    sfumato.resume(part.path, opened=toy, evaluate=False)
    assert (part.path / "measures.jsonl").read_text() == lines
    assert part.measures() == whole.measures()


@pytest.mark.usefixtures("few")
def test_a_class_can_be_asked_for(toy: ImageData, tmp_path: Path) -> None:
    run = sfumato.train("cgan", run=tmp_path / "run", opened=toy, classes=2, **FIELDS)
    assert "accuracy" in run.evaluation["rows"][0]
    ones, zeros = run.sample(4, label=1), run.sample(4, label=0)
    assert ones.shape == (4, 1, 28, 28)
    assert not torch.equal(ones, zeros)
    with pytest.raises(SfumatoError, match="label 2: must lie between 0 and 1"):
        run.sample(1, label=2)


def test_latent_vectors_of_a_walk_lie_on_great_circles() -> None:
    system = gan.GAN(gan.Config())
    system.make = lambda latent: latent.norm(dim=1)[:, None, None, None]  # pyright: ignore[reportAttributeAccessIssue]
    lengths = 2 * generation.walk(system, Runtime(torch.device("cpu"), "fp32"), 2, 5).flatten() - 1
    for row in lengths.view(2, 5):
        low, high = sorted((float(row[0]), float(row[-1])))
        assert low - 0.5 <= float(row.min()) <= float(row.max()) <= high + 0.5, "no dip towards the origin"


def test_a_walk_between_single_numbers_is_straight() -> None:
    images = generation.walk(gan.GAN(gan.Config(latent=1)), Runtime(torch.device("cpu"), "fp32"), 1, 3)
    assert images.isfinite().all()


def test_each_class_comes_in_turn_however_many_are_drawn(monkeypatch: pytest.MonkeyPatch) -> None:
    system, asked = cgan.CGAN(cgan.Config(classes=3)), []

    def make(latent: torch.Tensor, labels: torch.Tensor) -> torch.Tensor:
        asked.append(labels)
        return torch.zeros(len(latent), 1, 28, 28)

    monkeypatch.setattr(system, "make", make)
    generation.draw(system, 1100, Runtime(torch.device("cpu"), "fp32"))
    assert torch.equal(torch.cat(asked), torch.arange(1100) % 3)
    asked.clear()
    generation.walk(system, Runtime(torch.device("cpu"), "fp32"), 4, 3)
    assert torch.cat(asked).view(4, 3).tolist() == [[0] * 3, [1] * 3, [2] * 3, [0] * 3]


def rows_of(**values: float) -> list[dict[str, Any]]:
    usual = {"real": 0.7, "fake_before": 0.3, "diversity": 0.95, "generator": 1.0, "discriminator": 1.0}
    return [{**usual, **values, "images": index} for index in range(10)]


def fine(covered: float = 10, entropy: float = 0.99) -> dict[str, Any]:
    return {"rows": [{"covered": covered, "entropy": entropy}, {"covered": 10, "entropy": 1.0}]}


def test_the_doctor_finds_nothing_in_a_good_run() -> None:
    measures = [{"images": index, "fcd": 10.0 - index} for index in range(6)]
    assert diagnose(rows_of(), measures, fine(), "gan", {"objective": "non_saturating"}) == []


@pytest.mark.parametrize(
    ("rows", "measures", "evaluation", "objective", "words", "change"),
    [
        (rows_of(real=0.99, fake_before=0.01), [], fine(), "minimax", "99.0%", "--objective non_saturating"),
        (rows_of(real=0.99, fake_before=0.01), [], fine(), "non_saturating", "has won", "--r1 1"),
        (rows_of(real=0.51, fake_before=0.49), [], fine(), "non_saturating", "cannot tell", "--discriminator-steps 2"),
        (rows_of(diversity=0.1), [], fine(), "hinge", "differ 10%", "wgan_gp"),
        (rows_of(), [], fine(6), "hinge", "6 of 10 classes", "cgan"),
        (rows_of(), [], fine(10, 0.5), "hinge", "50.0% of the entropy", "cgan"),
        ([*rows_of()[:5], *rows_of(generator=900.0)[5:]], [], fine(), "hinge", "diverges: 1 early, 900 now", "--r1"),
        (rows_of(), [{"images": 7, "fcd": 2.0}, {"images": 9, "fcd": 5.0}], fine(), "hinge", "better before",
         "--images 7"),
    ],
)  # fmt: skip
def test_the_doctor_names_what_is_wrong_and_the_mend(
    rows: Any, measures: Any, evaluation: Any, objective: str, words: str, change: str
) -> None:
    (finding,) = diagnose(rows, measures, evaluation, "gan", {"objective": objective})
    assert words in finding.finding
    assert change in finding.change
    (chinese,) = diagnose(rows, measures, evaluation, "gan", {"objective": objective}, Speaker("zh"))
    assert chinese.finding[0] >= CJK <= chinese.change[0]
    numbers = re.compile(r"\d+(?:[.,]\d+)*")
    assert sorted(numbers.findall(chinese.finding)) == sorted(numbers.findall(finding.finding))
    assert change in chinese.change


def test_a_young_run_is_told_to_go_on() -> None:
    measures = [{"images": index, "fcd": 100.0 - 10 * index} for index in range(6)]
    (finding,) = diagnose(rows_of(diversity=0.1), measures, fine(3), "wgan", {})
    assert finding.change.startswith("The distance still falls: train longer first")
    assert "wgan_gp" not in finding.change


def two_classes(folder: Path) -> None:
    """Twenty pictures of noise for each of two classes."""
    rng = np.random.default_rng(0)
    for name in ("a", "b"):
        (folder / name).mkdir(parents=True)
        for index in range(20):
            Image.fromarray(rng.integers(0, 255, (28, 28), dtype=np.uint8)).save(folder / name / f"{index}.png")


def test_the_command_line_names_what_is_wrong(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    two_classes(tmp_path / "two")
    (tmp_path / "few").mkdir()
    for index in range(5):
        Image.new("L", (28, 28), 40 * index).save(tmp_path / "few" / f"{index}.png")
    run = str(tmp_path / "run")
    for words, arguments in (
        ("has 2 classes, and cgan is set to --classes 10", ["cgan", "--data", str(tmp_path / "two")]),
        ("resolution 48: must be 16, 32", ["dcgan", "--resolution", "48"]),
        ("channels 2: for points of a plane", ["gan", "--channels", "2"]),
        ("measured against 4 at least", ["gan", "--data", str(tmp_path / "few")]),
        ("cnn", ["wgan", "--network", "cnn"]),
    ):
        with pytest.raises(SystemExit) as stopped:
            main(["train", *arguments, "--run", run])
        message = capsys.readouterr().err
        assert stopped.value.code == 2
        assert message.count("\n") == 1, message
        assert words in message
        assert not Path(run).exists()


@pytest.mark.slow
def test_digits_on_demand_from_the_command_line(sfumato: Command, tmp_path: Path) -> None:
    two_classes(tmp_path / "two")
    done = sfumato("train", "cgan", "--data", "two", "--classes", "2", "--images", "16", "--batch-size", "8",
                   "--precision", "fp32", "--measure-every", "1000", "--run", "run")  # fmt: skip
    assert done.returncode == 0, done.stderr
    drawn = sfumato("sample", "run", "--digit", "1", "-n", "4")
    assert drawn.stdout.strip().endswith("seed-0-label-1.png"), drawn.stderr
    one_line(sfumato("sample", "run", "--digit", "7"), "label 7: must lie between 0 and 1")
    evaluation = json.loads(sfumato("evaluate", "run", "--json").stdout)
    assert evaluation["rows"][0]["name"] == "drawn"
    assert "findings" in evaluation
