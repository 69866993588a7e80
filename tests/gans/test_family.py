"""Adversarial runs from the outside: measures on the way, labels, the page, the command line."""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

import sfumato
from sfumato.cli import main
from sfumato.data.dataset import ImageData, InMemory, Split
from sfumato.data.mnist import FILES
from sfumato.engine.runtime import Runtime
from sfumato.errors import SfumatoError
from sfumato.family import Judges
from sfumato.gans import cgan, drawing, gan, measures
from sfumato.metrics import digit_reader, judges
from sfumato.runs.catalog import find
from tests.conftest import Command, one_line

FIELDS: dict[str, Any] = {"images": 160, "batch_size": 8, "hidden": (16,), "precision": "fp32"}


@pytest.fixture
def few(monkeypatch: pytest.MonkeyPatch) -> None:
    """A reader that is trained for a moment."""
    monkeypatch.setattr(judges, "_JUDGES", {})
    train = digit_reader.train_reader
    monkeypatch.setattr(digit_reader, "train_reader", lambda *arguments: train(*arguments, images=256))


@pytest.mark.usefixtures("few")
def test_a_run_is_measured_on_the_way_and_examined(
    toy: ImageData, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sfumato.runs.training.CREDIT", 1e6)  # seconds: on a busy machine too
    run = sfumato.train("gan", run=tmp_path / "run", opened=toy, measure_every=40, **FIELDS)
    assert [row["images"] for row in run.measures()] == [40, 80, 120, 160]
    evaluation = run.evaluation
    assert [evaluation.called(of) for of in evaluation.things()] == [
        "drawn", "real training images (floor)", "training images under noise σ 0.3", "mean training image"
    ]  # fmt: skip
    best = min(run.measures(), key=lambda row: row["fcd"])
    assert evaluation.more["over_the_run"] == {
        "measure": "fcd", "best": best["fcd"], "best_at": best["images"], "final": run.measures()[-1]["fcd"]
    }  # fmt: skip
    assert "LeNet-96" in evaluation.network
    assert evaluation.images == 8
    assert run.evaluate().rows == evaluation.rows, "measured again, the same"
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


def test_another_network_may_judge(toy: ImageData, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    run = sfumato.train("gan", run=tmp_path / "run", opened=toy, evaluate=False, measure_every=10**6, **FIELDS)
    found = run.evaluate(toy, Judges("efficientnet_lite0"))
    assert "EfficientNet-Lite0" in found.network
    assert found.value("frechet", "floor") < found.value("frechet", "mean")
    with pytest.raises(SfumatoError, match="no such file"):
        run.evaluate(toy, Judges("nowhere.pth"))
    other = sfumato.train("stacked", run=tmp_path / "other", opened=toy, images=16, batch_size=8, evaluate=False)
    assert other.evaluate(toy, Judges("efficientnet_lite0")).value("frechet", "gaussian") > 0
    with pytest.raises(SfumatoError, match="inception x: is for what adversarial systems draw; autoencoders"):
        other.evaluate(toy, Judges(inception=Path("x")))
    monkeypatch.setattr(type(other.entry.family), "judges_drawings", False)
    with pytest.raises(SfumatoError, match="thorough: is for pictures that a system makes, and stacked makes none"):
        other.evaluate(toy, Judges(thorough=True))


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
    mine, others = ([{**row, "seconds": 0} for row in run.measures()] for run in (part, whole))
    assert mine == others


@pytest.mark.usefixtures("few")
def test_a_class_can_be_asked_for(toy: ImageData, tmp_path: Path) -> None:
    run = sfumato.train("cgan", run=tmp_path / "run", opened=toy, classes=2, **FIELDS)
    assert run.evaluation.has("accuracy")
    ones, zeros = run.sample(4, label=1), run.sample(4, label=0)
    assert ones.shape == (4, 1, 28, 28)
    assert not torch.equal(ones, zeros)
    with pytest.raises(SfumatoError, match="label 2: must lie between 0 and 1"):
        run.sample(1, label=2)


def test_latent_vectors_of_a_walk_lie_on_great_circles() -> None:
    system = gan.GAN(gan.Config())
    system.make = lambda latent: latent.norm(dim=1)[:, None, None, None]  # pyright: ignore[reportAttributeAccessIssue]
    lengths = 2 * drawing.walk(system, Runtime(torch.device("cpu"), "fp32"), 2, 5).flatten() - 1
    for row in lengths.view(2, 5):
        low, high = sorted((float(row[0]), float(row[-1])))
        assert low - 0.5 <= float(row.min()) <= float(row.max()) <= high + 0.5, "no dip towards the origin"


def test_a_walk_between_single_numbers_is_straight() -> None:
    images = drawing.walk(gan.GAN(gan.Config(latent=1)), Runtime(torch.device("cpu"), "fp32"), 1, 3)
    assert images.isfinite().all()


def test_each_class_comes_in_turn_however_many_are_drawn(monkeypatch: pytest.MonkeyPatch) -> None:
    system, asked = cgan.CGAN(cgan.Config(classes=3)), []

    def make(latent: torch.Tensor, labels: torch.Tensor) -> torch.Tensor:
        asked.append(labels)
        return torch.zeros(len(latent), 1, 28, 28)

    monkeypatch.setattr(system, "make", make)
    drawing.draw(system, 1100, Runtime(torch.device("cpu"), "fp32"))
    assert torch.equal(torch.cat(asked), torch.arange(1100) % 3)
    asked.clear()
    drawing.walk(system, Runtime(torch.device("cpu"), "fp32"), 4, 3)
    assert torch.cat(asked).view(4, 3).tolist() == [[0] * 3, [1] * 3, [2] * 3, [0] * 3]


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
    assert evaluation["names"]["ours"]["en"] == "drawn"
    assert "findings" in evaluation["more"]


def uneven(toy: ImageData) -> ImageData:
    """Three test images of the left for one of the right."""
    test = toy.test
    assert test.labels is not None
    left, right = ((test.labels == label).nonzero()[:, 0] for label in (0, 1))
    kept = torch.cat([left[:3], right[:1]])
    return replace(toy, test=Split(InMemory(test.pictures.take(kept)), test.labels[kept]))


def test_a_conditional_system_is_asked_for_the_labels_of_the_images_that_it_is_measured_against(
    toy: ImageData, runtime: Runtime, monkeypatch: pytest.MonkeyPatch
) -> None:
    data, asked = uneven(toy), []
    system = cgan.CGAN(cgan.Config(classes=2, hidden=(8,)))
    make = drawing.make

    def remembered(system: Any, latent: Any, runtime: Any, labels: Any = None) -> Any:
        asked.append(labels)
        return make(system, latent, runtime, labels)

    monkeypatch.setattr(drawing, "make", remembered)
    measures.measure(system, data, runtime)
    measures.glance(system, data, runtime)
    assert [labels.bincount().tolist() for labels in asked] == [[3, 1], [3, 1]], "not two of each"


def test_no_baseline_holds_an_image_of_the_reference(toy: ImageData, monkeypatch: pytest.MonkeyPatch) -> None:
    """What is disturbed is not what it is measured against: the distance would be that of the noise alone."""
    seen = []
    monkeypatch.setattr(measures, "disturbed", lambda images: seen.append(images) or images)
    monkeypatch.setattr(judges, "_JUDGES", {})
    with monkeypatch.context() as patch:
        patch.setattr(measures, "kept", lambda compute, *_: compute())
        measures.measure(gan.GAN(gan.Config(hidden=(8,))), toy, Runtime(torch.device("cpu"), "fp32"))
    (disturbed,) = seen
    assert float(torch.cdist(disturbed.flatten(1), toy.test.images().flatten(1)).min()) > 0.1


def test_digits_are_known_by_what_they_are(tmp_path: Path) -> None:
    for name in FILES:
        (tmp_path / name).touch()
    assert find("dcgan", (str(tmp_path),))[1] == "mnist"
    assert find("progan", (str(tmp_path),))[1] == "mnist"
    assert find("gan", (str(tmp_path),))[1] == "non_saturating"
    assert find("dcgan", ("digits",))[1] == "digits"
    assert find("dcgan", (str(tmp_path / "elsewhere"),))[1] == "photographs"
