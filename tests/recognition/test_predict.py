"""Reading pictures with a run: any picture of the image contract, drawn, as words and as JSON."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

import sfumato
from sfumato.errors import SfumatoError
from sfumato.recognition.fields import fields_of
from sfumato.recognition.files import predict_files
from sfumato.recognition.measures import anchors_of
from sfumato.recognition.predict import Prediction
from tests.conftest import Command, one_line

SHORT: dict[str, Any] = {"images": 16, "batch_size": 8, "resolution": 64, "precision": "fp32", "evaluate": False}
KINDS = {
    "finetune": SHORT,
    "ssd": {**SHORT, "augmented": False},
    "fcn": {**SHORT, "crop": 32},
}


@pytest.fixture(scope="module", params=KINDS)
def run(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> sfumato.Run:
    return sfumato.train(request.param, run=tmp_path_factory.mktemp(request.param) / "run", **KINDS[request.param])


def pictures(folder: Path) -> dict[str, tuple[int, int]]:
    """Pictures as people have them, and their sizes."""
    folder.mkdir()
    made = {
        "rgb.jpg": Image.new("RGB", (90, 60), "teal"),
        "grey.png": Image.new("L", (33, 80), 90),
        "clear.png": Image.new("RGBA", (50, 50), (200, 10, 10, 60)),
        "palette.gif": Image.new("P", (40, 30)),
        "cmyk.jpg": Image.new("CMYK", (64, 40), (10, 200, 20, 0)),
        "deep.png": Image.fromarray(np.full((30, 70), 40_000, dtype=np.uint16)),
        "tiny.png": Image.new("RGB", (1, 1), "white"),
        "bits.png": Image.new("1", (20, 25), 1),
    }
    for name, image in made.items():
        image.save(folder / name)
    return {name: image.size for name, image in made.items()}


def answered(run: sfumato.Run, source: Path, *out: Path, **options: Any) -> list[Prediction]:
    found: list[Prediction] = []
    predict_files(run, source, out, say=found.append, **options)
    return found


def test_every_kind_of_picture_is_read_and_drawn_on(run: sfumato.Run, tmp_path: Path) -> None:
    sizes = pictures(tmp_path / "in")
    found = answered(run, tmp_path / "in", tmp_path / "out")
    assert [item.file.name for item in found] == sorted(sizes)
    for item in found:
        assert item.words
        json.dumps(item.values)
        drawn = tmp_path / "out" / (item.file.name if item.file.suffix != ".gif" else f"{item.file.name}.png")
        with Image.open(drawn) as picture:
            assert picture.width == sizes[item.file.name][0]
            assert picture.height >= sizes[item.file.name][1]


def test_a_mask_is_of_the_pictures_size_and_holds_class_numbers(run: sfumato.Run, tmp_path: Path) -> None:
    sizes = pictures(tmp_path / "in")
    if run.system_name != "fcn":
        with pytest.raises(SfumatoError, match="makes no masks"):
            answered(run, tmp_path / "in", tmp_path / "out", masks=True)
        return
    answered(run, tmp_path / "in", tmp_path / "out", masks=True)
    with pytest.raises(SfumatoError, match="ends in"):
        answered(run, tmp_path / "in" / "rgb.jpg", tmp_path / "out.jpg", masks=True)
    with pytest.raises(SfumatoError, match="needs an --out"):
        answered(run, tmp_path / "in", masks=True)
    with Image.open(tmp_path / "out" / "rgb.png") as mask:
        assert mask.mode == "P"
        assert mask.size == sizes["rgb.jpg"]
        assert np.asarray(mask).max() < 5


def test_pictures_that_are_no_files_are_read_alike(run: sfumato.Run, tmp_path: Path) -> None:
    pictures(tmp_path / "in")
    path = tmp_path / "in" / "clear.png"
    with Image.open(path) as picture:
        values = run.predict(picture).values
    assert {"file": str(path), **values} == run.predict(path).values
    with Image.open(path) as picture:
        colours = Image.alpha_composite(Image.new("RGBA", picture.size, "white"), picture.convert("RGBA"))
    numbers = torch.from_numpy(np.array(colours.convert("RGB"))).permute(2, 0, 1) / 255
    assert run.predict(numbers).values == values
    levels = np.array(colours.convert("RGB"))
    assert run.predict(levels).values == run.predict(levels / 255).values == values
    for wrong in (numbers[0], numbers * 255, levels * 1.0, levels[None], None):
        with pytest.raises(SfumatoError, match="must"):
            run.predict(wrong)


def test_a_damaged_picture_of_a_folder_is_left_out_and_alone_refused(
    run: sfumato.Run, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    pictures(tmp_path / "in")
    (tmp_path / "in" / "bad.jpg").write_bytes(b"no picture")
    assert len(answered(run, tmp_path / "in")) == 8
    assert "bad.jpg" in capsys.readouterr().err
    with pytest.raises(SfumatoError, match=r"bad\.jpg"):
        answered(run, tmp_path / "in" / "bad.jpg")
    with pytest.raises(SfumatoError, match="no such file"):
        answered(run, tmp_path / "none.png")
    with pytest.raises(SfumatoError, match="score 3"):
        answered(run, tmp_path / "in", score=3)


def test_an_answer_that_cannot_be_written_does_not_stop_a_folder(
    run: sfumato.Run, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "in").mkdir()
    for name in ("a.png", "b" * 251 + ".png", "g" * 251 + ".gif", "z.png"):
        Image.new("RGB", (40, 30)).save(tmp_path / "in" / name)
    Image.new("RGB", (16_383, 16_383 // 16 + 1)).save(tmp_path / "in" / "wide.webp")
    assert len(answered(run, tmp_path / "in", tmp_path / "out")) == 5
    assert len(list((tmp_path / "out").iterdir())) >= 3
    assert capsys.readouterr().err.count("too long") == 1


def test_the_command_says_it_in_a_line_or_as_json(run: sfumato.Run, tmp_path: Path, sfumato: Command) -> None:
    if run.system_name != "fcn":
        return
    Image.new("RGB", (40, 30), "teal").save(tmp_path / "a.png")
    said = sfumato("predict", run.path, "a.png", "-o", "b.png")
    assert said.returncode == 0, said.stderr
    assert said.stdout.startswith("a.png: ")
    assert (tmp_path / "b.png").is_file()
    values = json.loads(sfumato("predict", run.path, "a.png", "--json").stdout)
    assert values["file"] == "a.png"
    one_line(sfumato("predict", run.path, "a.png", "-o", "a.png"), "a.png")


def test_a_run_that_recognises_nothing_is_refused(tmp_path: Path, sfumato: Command) -> None:
    assert sfumato("train", "stacked", "--images", "64", "--run", "run").returncode == 0
    Image.new("RGB", (40, 30)).save(tmp_path / "a.png")
    one_line(sfumato("predict", "run", "a.png"), "stacked", "recognises nothing")
    one_line(sfumato("anchors", "run"), "stacked", "no anchors")


def test_recognition_runs_are_measured_beside_baselines(tmp_path: Path) -> None:
    names = {
        "finetune": ["network", "everything face", "right as often as it is sure"],
        "ssd": ["network", "no object anywhere", "the mean box, star"],
        "unet": ["network", "everything background"],
    }
    for system, rows in names.items():
        fields = {**SHORT, "evaluate": True, **({"crop": 32, "width": 4} if system == "unet" else {})}
        run = sfumato.train(system, run=tmp_path / system, **fields)
        assert [run.evaluation.called(of) for of in run.evaluation.things()] == rows
        assert run.evaluate() == run.evaluation
        assert run.config.classes == len(run.classes)
        page = (run.path / "report.html").read_text("utf-8")
        assert {"finetune": "says.", "ssd": "offsets lead", "unet": "of each class"}[system] in page
    pictures = list(anchors_of(sfumato.open(tmp_path / "ssd"), 2))
    assert [name for name, _ in pictures] == ["train-0", "train-1"]
    for system in ("ssd", "unet"):
        assert fields_of(sfumato.open(tmp_path / system)).startswith(b"\x89PNG")
    with pytest.raises(SfumatoError, match="a finetune run has no maps"):
        fields_of(sfumato.open(tmp_path / "finetune"))


def test_other_data_must_have_the_runs_classes(run: sfumato.Run, tmp_path: Path) -> None:
    if run.system_name != "finetune":
        return
    for name in ("cat", "face"):
        (tmp_path / "in" / name).mkdir(parents=True)
        for index in range(4):
            Image.new("RGB", (32, 32)).save(tmp_path / "in" / name / f"{index}.png")
    with pytest.raises(SfumatoError, match=r"has the classes cat, face, and .* tells apart face, no face"):
        run.open_data([str(tmp_path / "in")])
    with pytest.raises(SfumatoError, match="has the classes none"):
        run.open_data(["scenes"])


def test_the_number_of_classes_is_the_datas(tmp_path: Path) -> None:
    with pytest.raises(SfumatoError, match="classes 7: the data faces has 2"):
        sfumato.train("finetune", run=tmp_path / "a", classes=7)
    folder = tmp_path / "one"
    folder.mkdir()
    for name in "abcd":
        Image.new("RGB", (32, 32)).save(folder / f"{name}.png")
    with pytest.raises(SfumatoError, match="nothing to tell apart"):
        sfumato.train("finetune", data=str(folder), run=tmp_path / "b")
