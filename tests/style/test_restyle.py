"""`sfumato.stylize`: what it is given and gives back, and its three methods."""

from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

import sfumato
from sfumato.data.paintings import painting
from sfumato.data.pictures import layers_of
from sfumato.engine.runtime import Runtime
from sfumato.errors import SfumatoError
from sfumato.style.options import METHODS, having, options_for
from sfumato.style.restyle import Styles, mask_of

from .conftest import SIZE


def test_python_gives_back_what_it_was_given(photo: Image.Image) -> None:
    picture = sfumato.stylize(photo, painting("blocks", 0, 64), style_size=64)
    assert isinstance(picture, Image.Image)
    assert picture.size == SIZE
    tensor = torch.rand(3, 40, 48)
    result = sfumato.stylize(tensor, [torch.rand(3, 32, 32), painting("points", 0, 64)], weights=(0.3, 0.7))
    assert result.shape == tensor.shape
    assert 0 <= float(result.min()) <= float(result.max()) <= 1
    with pytest.raises(SfumatoError, match="unknown options colour"):
        sfumato.stylize(photo, photo, colour="luma")
    for wrong in (torch.rand(1, 3, 40, 48), torch.rand(1, 40, 48), torch.zeros(3, 40, 48, dtype=torch.uint8)):
        with pytest.raises(SfumatoError, match=r"must be \(3, h, w\), floats"):
            sfumato.stylize(wrong, photo)


def test_python_keeps_the_image_contract_too(photo: Image.Image, tmp_path: Path) -> None:
    exif = Image.Exif()
    exif[0x0112] = 6
    photo.save(tmp_path / "turned.jpg", exif=exif)
    with Image.open(tmp_path / "turned.jpg") as turned:
        assert sfumato.stylize(turned, photo, style_size=64).size == SIZE[::-1]
    clear = photo.copy()
    clear.putalpha(Image.linear_gradient("L").resize(SIZE))
    assert sfumato.stylize(clear, photo, style_size=64, crop=True).getchannel("A").size == (43, 43)


def test_what_a_mask_does_not_cover_is_black() -> None:
    layer = Image.new("RGBA", (4, 2), (255, 255, 255, 0))
    layer.putpixel((3, 1), (255, 255, 255, 255))
    assert list(mask_of(*layers_of(layer)).get_flattened_data()) == [0] * 7 + [255]


def test_fine_goes_on_from_the_draft(photo: Image.Image, tmp_path: Path) -> None:
    draft = sfumato.stylize(photo, painting("glass", 0, 64), style_size=64)
    fine = sfumato.stylize(photo, painting("glass", 0, 64), style_size=64, preset="fine", steps=3)
    difference = np.abs(np.asarray(draft).astype(int) - np.asarray(fine).astype(int)).mean()
    assert 0 < difference < 40


def test_each_kind_of_line_is_said_once(photo: Image.Image, runtime: Runtime) -> None:
    said: list[str] = []
    chosen = options_for(preset="fine", tile=32, steps=1, recipe="d2l", style_size=32)
    styles = Styles([photo], chosen, runtime, note=said.append)
    for size in ((24, 16), (800, 40), (780, 44)):
        styles.lay(photo.resize(size))
    assert [line.split()[:3] for line in said] == [["800×40", "pixels:", "in"], ["800×40", "pixels:", "painted"]]


def test_gatys_starts_from_what_it_is_told(photo: Image.Image, tmp_path: Path) -> None:
    painting("glass", 0, 64).save(tmp_path / "start.png")
    results = [
        np.asarray(sfumato.stylize(photo, photo, method="gatys", steps=1, recipe="d2l", init=init)).astype(int)
        for init in ("content", "noise", str(tmp_path / "start.png"))
    ]
    assert min(np.abs(results[0] - results[1]).mean(), np.abs(results[0] - results[2]).mean()) > 10


@pytest.mark.parametrize("keep", [None, "coral"])
@pytest.mark.parametrize("kind", METHODS)
def test_styles_are_laid_on_one_content_after_another(
    kind: type, keep: str | None, photo: Image.Image, runtime: Runtime
) -> None:
    steps = {"recipe": "d2l", "steps": 1} if kind in having("steps") else {}
    chosen = options_for(kind.method, kind.preset, style_size=32, keep_color=keep, **steps)
    styles, anew = (Styles([painting("glass", 0, 64)], chosen, runtime) for _ in range(2))
    told: list[tuple[int, int]] = []
    styles.lay(photo.rotate(180))
    assert styles.lay(photo, lambda *parts: told.append(parts)).tobytes() == anew.lay(photo).tobytes()
    assert told == [(1, 1)] * (1 + (kind.preset == "fine"))
    assert styles.digest() == anew.digest() != Styles([photo], chosen, runtime).digest()
