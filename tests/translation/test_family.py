"""A translation run, whole: from the fewest pictures to its page, and what is measured of it."""

from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

import sfumato
from sfumato.data.dataset import InMemory, Split
from sfumato.data.inks import read_inks
from sfumato.errors import SfumatoError
from sfumato.family import Judges
from sfumato.translation.measures import as_digits, recoloured
from sfumato.translation.palette import named, palette_of

SMALL = {"resolution": 32, "width": 4, "blocks": 1, "patch": 16, "pool": 8, "batch_size": 4, "images": 8}


def folders(root: Path, counts: tuple[int, int]) -> Path:
    random = np.random.default_rng(0)
    for side, count in zip("AB", counts, strict=True):
        (root / side).mkdir(parents=True)
        for number in range(count):
            levels = random.integers(0, 256, (40, 40), dtype=np.uint8)
            Image.fromarray(levels).save(root / side / f"{number}.png")
    return root


def test_few_grey_pictures_in_unequal_number_make_a_run(tmp_path: Path) -> None:
    """With one test picture on a side there is no distance, and everything else."""
    data = folders(tmp_path / "few", (5, 7))
    run = sfumato.train("cyclegan", data=str(data), run=tmp_path / "run", watch=lambda _: None, **SMALL)  # pyright: ignore[reportArgumentType]
    assert run.evaluation.row("frechet_to_b").value is None
    assert run.evaluation.value("cycle_a") > 0
    assert run.evaluation.value("content_to_b", "untouched") == pytest.approx(0, abs=1e-6)
    page = (tmp_path / "run" / "report.html").read_text()
    assert "What the cycle hides" in page
    picture = Image.new("RGB", (50, 37), "red")
    assert run.translate(picture, to="a").size == picture.size
    with pytest.raises(SfumatoError, match="a cyclegan run recognises nothing"):
        run.predict(picture)


def test_pairs_that_are_none_are_refused(tmp_path: Path) -> None:
    with pytest.raises(SfumatoError, match="are not pairs; --paired wants one source"):
        sfumato.train("cyclegan", data=("photographs", "paintings"), run=tmp_path / "run", paired=True)


def test_digits_in_any_ink_are_white_on_black_to_the_reader() -> None:
    data = read_inks(32)
    assert data.second is not None
    first, second = (as_digits(side.test.images(range(40))) for side in (data, data.second))
    torch.testing.assert_close(first, second, atol=0.02, rtol=0)
    flat = torch.full((1, 3, 32, 32), 0.4)
    assert as_digits(flat).abs().max() == 0


def test_recolouring_takes_one_side_s_colours_to_the_other_s() -> None:
    generator = torch.Generator().manual_seed(0)
    first, second = (
        Split(InMemory(torch.randint(low, high, (40, 3, 16, 16), dtype=torch.uint8, generator=generator)))
        for low, high in ((20, 90), (100, 200))
    )
    found, wanted = recoloured(first.images(), first, second), second.images()
    torch.testing.assert_close(found.mean((0, 2, 3)), wanted.mean((0, 2, 3)), atol=0.002, rtol=0)
    torch.testing.assert_close(found.std((0, 2, 3)), wanted.std((0, 2, 3)), atol=0.002, rtol=0)


def test_a_map_of_few_colours_is_told_from_a_photograph() -> None:
    colours = torch.tensor([[0, 0, 170], [255, 85, 0], [0, 170, 255]], dtype=torch.uint8)
    classes = torch.randint(3, (6, 8, 8), generator=torch.Generator().manual_seed(0)).repeat_interleave(4, 1)
    maps = colours[classes.repeat_interleave(4, 2)].permute(0, 3, 1, 2)
    palette = palette_of(Split(InMemory(maps)))
    assert palette is not None
    assert len(palette) == 3
    found = named(maps.float() / 255, palette)
    assert len(torch.stack([found.flatten(), classes.repeat_interleave(4, 2).flatten()]).unique(dim=1)[0]) == 3
    noise = torch.randint(256, (6, 3, 32, 32), dtype=torch.uint8, generator=torch.Generator().manual_seed(1))
    assert palette_of(Split(InMemory(noise))) is None


def test_what_is_for_drawn_images_is_refused(tmp_path: Path) -> None:
    data = folders(tmp_path / "few", (5, 7))
    run = sfumato.train(
        "cyclegan", data=str(data), run=tmp_path / "run", watch=lambda _: None, evaluate=False, **SMALL
    )  # fmt: skip
    with pytest.raises(SfumatoError, match="thorough: is for what adversarial systems draw; translations"):
        run.evaluate(judges=Judges(thorough=True))
