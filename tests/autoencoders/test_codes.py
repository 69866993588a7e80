"""Operations on the codes of a run, from Python and from the command line."""

from pathlib import Path
from typing import Any

import pytest
import torch
from PIL import Image

import sfumato
from sfumato.autoencoders.codes import OPERATIONS, STEPS, Codes, Options
from sfumato.data.dataset import ImageData
from sfumato.errors import SfumatoError
from sfumato.ops.codes import nearest
from tests.conftest import Command, one_line


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> sfumato.Run:
    path = tmp_path_factory.mktemp("codes") / "run"
    return sfumato.train(
        "convolutional:reference", data="patches", run=path, images=64, filters=(8, 8, 8), resolution=32,
        precision="fp32", evaluate=False,
    )  # fmt: skip


def test_codes_are_those_of_the_run_and_the_same_for_the_same_seed(run: sfumato.Run) -> None:
    space = Codes(run, 20, seed=3)
    assert space.codes.shape == (20, 16 * 4 * 4)
    assert space.maps(space.codes).shape == (20, 16, 4, 4)
    assert torch.equal(space.codes, Codes(run, 20, seed=3).codes)
    assert not torch.equal(space.codes, Codes(run, 20, seed=4).codes)
    assert torch.equal(space.draw(4), Codes(run, 20, seed=3).draw(4))
    facts = space.statistics()
    assert facts.low == 0
    assert 0 < facts.zeros < 1
    assert 0 < facts.shrinkage <= 1


def test_blends_perturbations_and_directions(run: sfumato.Run) -> None:
    space = Codes(run, 20)
    drawn = space.draw(5)
    assert torch.allclose(space.blends(drawn, 0.25, "row"), 0.25 * drawn + 0.75 * space.codes[:5], atol=1e-5)
    partner = space.codes[nearest(drawn, space.codes)]
    assert torch.equal(space.blends(drawn, 0.0, "nearest"), partner)
    moved = space.perturb(space.codes, 0.5) - space.codes
    assert float(moved.std()) == pytest.approx(0.5 * float(space.codes.square().mean().sqrt()), rel=0.05)
    ways = space.directions(2)
    assert [way.shape for way in ways] == [(STEPS, 256)] * 2
    assert torch.allclose(ways[0][STEPS // 2], space.codes.mean(0), atol=1e-5)
    images = space.decode(ways[1])
    assert images.shape == (STEPS, 3, 32, 32)
    assert 0 <= images.min() <= images.max() <= 1


def test_every_picture_is_made_by_the_command(run: sfumato.Run, tmp_path: Path, sfumato: Command) -> None:
    result = sfumato("codes", run.path, "--fit", "20", "--count", "4", "--out", tmp_path / "out")
    assert result.returncode == 0, result.stderr
    for name in OPERATIONS:
        with Image.open(tmp_path / "out" / f"{name}.png") as picture:
            assert picture.width > 300
    assert "Ledoit-Wolf" in result.stdout


def test_own_pictures_can_be_walked_between(run: sfumato.Run, tmp_path: Path, sfumato: Command) -> None:
    for name, colour in (("a.png", "red"), ("b.jpg", "blue")):
        Image.new("RGB", (50, 40), colour).save(tmp_path / name)
    options = ("codes", run.path, "interpolate", "--fit", "20")
    result = sfumato(*options, "--images", tmp_path / "a.png", tmp_path / "b.jpg")
    assert result.returncode == 0, result.stderr
    assert result.stdout.splitlines()[0].endswith("interpolate.png")
    one_line(sfumato(*options, "--images", tmp_path / "a.png"), "two pictures")
    alone = sfumato("codes", run.path, "--fit", "20", "--images", tmp_path / "a.png")
    assert alone.returncode == 0, alone.stderr
    assert "interpolate" not in alone.stdout
    (tmp_path / "c.png").write_bytes(b"no")
    one_line(sfumato(*options, "--images", tmp_path / "c.png"), "c.png", "not an image")
    one_line(sfumato("codes", run.path, "--share", "3", "--fit", "20"), "share 3.0")
    one_line(sfumato("codes", run.path, "dance"), "dance")


@pytest.mark.parametrize(
    ("fields", "word"),
    [({"count": 0}, "count 0"), ({"count": 1000}, "64"), ({"noise": float("nan")}, "noise"), ({"share": -1.0}, "share"),
     ({"own": [Path("a")] * 99}, "too many")],
)  # fmt: skip
def test_wrong_options_are_named(fields: dict[str, Any], word: str) -> None:
    with pytest.raises(SfumatoError, match=word):
        Options(**fields)


def test_a_vector_has_pictures_too(tmp_path: Path, toy: ImageData) -> None:
    run = sfumato.train("stacked", data="toy", opened=toy, run=tmp_path / "run", images=32, evaluate=False)
    run._data = toy
    space = Codes(run, 10)
    assert space.maps(space.codes).shape == (10, 2, 1, 1)
    assert space.decode(space.draw(3)).shape == (3, 1, 28, 28)
    with pytest.raises(SfumatoError, match="fit 1"):
        Codes(run, 1)
