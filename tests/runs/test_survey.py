"""What `data check` counts is what was put in."""

import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from sfumato.data.dataset import LeftOut
from sfumato.data.sources import View, open_data
from sfumato.errors import SfumatoError
from sfumato.runs.survey import examples, problems, survey, write_survey

from ..conftest import Command, one_line
from ..data.test_folder import jpeg, tree


def labelled(root: Path) -> Path:
    counts = {
        ("train", "a"): 3,
        ("train", "b"): 5,
        ("val", "a"): 1,
        ("val", "b"): 2,
        ("test", "a"): 4,
        ("test", "c"): 1,
    }
    files = {f"{half}/{label}/{n}.jpg": jpeg(n) for (half, label), count in counts.items() for n in range(count)}
    return tree(root, files | {"train/a/broken.jpg": b"x", "train/b/cut.jpg": jpeg(0)[:150]})


def test_pictures_are_counted_by_class_and_half(tmp_path: Path) -> None:
    found = survey(open_data(str(labelled(tmp_path)), View(3, 16)))
    assert found.unit == "pictures"
    assert {half: dict(counts.classes) for half, counts in found.halves.items()} == {
        "train": {"a": 3, "b": 5, "c": 0}, "valid": {"a": 1, "b": 2, "c": 0}, "test": {"a": 4, "b": 0, "c": 1},
    }  # fmt: skip
    assert sum(problem.count for problem in found.problems) == 2


def test_objects_are_counted_and_empty_pictures(tmp_path: Path) -> None:
    rows = ["filename,class,xmin,ymin,xmax,ymax,split"]
    for n in range(6):
        Image.new("RGB", (40, 20), (n, 0, 0)).save(tmp_path / f"{n}.png")
        rows += [f"{n}.png,cat,0,0,10,10,{'train' if n < 4 else 'test'}"] * (n > 0)
        rows += [f"{n}.png,dog,5,5,25,15,{'train' if n < 4 else 'test'}"] * (n % 2)
    (tmp_path / "boxes.csv").write_text("\n".join(rows))
    found = survey(open_data(str(tmp_path), View(3, 32, target="boxes")))
    assert dict(found.halves["train"].classes) == {"cat": 3, "dog": 2}
    assert dict(found.halves["test"].classes) == {"cat": 2, "dog": 1}
    assert found.boxes["smallest"] == pytest.approx(10 / 40)
    assert found.boxes["largest"] == pytest.approx(10 / 20)


def test_pixels_are_counted_as_shares_of_the_known(tmp_path: Path) -> None:
    mask = np.zeros((20, 40), np.uint8)
    mask[:10] = 1
    mask[:, :20] = 255
    for name in "ab":
        for folder, pixels in (("images", np.zeros((20, 40, 3), np.uint8)), ("masks", mask)):
            (tmp_path / folder).mkdir(exist_ok=True)
            Image.fromarray(pixels).save(tmp_path / folder / f"{name}.png")
    found = survey(open_data(str(tmp_path), View(3, 20, target="masks")))
    assert dict(found.halves["train"].classes) == {"class 0": 0.5, "class 1": 0.5}


def test_problems_of_one_kind_are_one_line_with_a_count_and_five_examples() -> None:
    left_out = [LeftOut(f"{n}.jpg", f"box {n}, 2, 3, {n + 4}: encloses nothing") for n in range(9)]
    left_out += [LeftOut("x.jpg", "not an image in a format that can be read")]
    first, second = problems(left_out)
    assert (first.count, second.count) == (9, 1)
    assert list(first.examples) == [f"{n}.jpg" for n in range(5)]


@pytest.mark.parametrize("ending", ["png", "html"])
@pytest.mark.parametrize(("name", "target"), [("scenes", "boxes"), ("scenes", "masks"), ("digits", "labels")])
def test_examples_are_drawn(tmp_path: Path, name: str, target: str, ending: str) -> None:
    data = open_data(name, View(None if name == "digits" else 3, None, target=target))  # pyright: ignore[reportArgumentType]
    out = tmp_path / f"out.{ending}"
    write_survey(data, survey(data), out)
    content = out.read_bytes()
    assert content.startswith(b"\x89PNG" if ending == "png" else b"<!doctype html>")
    assert len(examples(data)) > 20_000


def test_another_ending_is_refused(tmp_path: Path) -> None:
    data = open_data("digits")
    with pytest.raises(SfumatoError, match=r"must end in \.png or \.html"):
        write_survey(data, survey(data), tmp_path / "out.gif")


def test_the_command_says_the_same(tmp_path: Path, sfumato: Command) -> None:
    source = labelled(tmp_path / "set")
    done = sfumato("data", "check", source, "--json", "-o", tmp_path / "x.html")
    assert done.returncode == 0, done.stderr
    said = json.loads(done.stdout)
    assert (said["train"], said["valid"], said["test"]) == (8, 3, 5)
    assert said["halves"]["test"]["classes"] == {"a": 4, "b": 0, "c": 1}
    assert "c (0 train, 0 valid, 1 test)" in said["reading"]
    assert len(said["left_out"]) == 2
    assert (tmp_path / "x.html").exists()


def test_convert_is_a_command(tmp_path: Path, sfumato: Command) -> None:
    (tmp_path / "in").mkdir()
    for name in "ab":
        Image.new("RGB", (40, 20)).save(tmp_path / f"in/{name}.png")
    (tmp_path / "in/boxes.csv").write_text("filename,class,xmin,ymin,xmax,ymax\na.png,x,0,0,9,9\nb.png,x,0,0,9,9\n")
    done = sfumato("data", "convert", tmp_path / "in", tmp_path / "out", "--to", "yolo")
    assert (done.returncode, done.stdout.strip()) == (0, f"{tmp_path / 'out'}: 2 pictures")
    one_line(sfumato("data", "convert", tmp_path / "in", tmp_path / "out", "--to", "yolo"), "is there already")
