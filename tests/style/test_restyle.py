"""`sfumato.stylize`: what it is given and gives back, and its three methods."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from PIL import Image

import sfumato
from sfumato.data.paintings import painting
from sfumato.data.pictures import layers_of
from sfumato.engine.runtime import Runtime
from sfumato.errors import SfumatoError
from sfumato.style.gatys import PictureTick
from sfumato.style.options import METHODS, options_for
from sfumato.style.restyle import Interrupted, Styles, mask_of, regions

from .conftest import SIZE

PAPER = {"method": "gatys", "preset": "paper", "recipe": "d2l", "encoder": "sfumato", "steps": 1, "style_size": 32}


def least(kind: type) -> dict[str, Any]:
    """Options with which a method does the least."""
    if "steps" in kind.__dataclass_fields__:
        return {name: value for name, value in PAPER.items() if name not in ("method", "preset")}
    return {"style_size": 32} | ({"effort": 0.1} if "effort" in kind.__dataclass_fields__ else {})


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


def levels(picture: Image.Image) -> NDArray[np.int64]:
    return np.asarray(picture).astype(int)


def test_fine_goes_on_from_the_draft(photo: Image.Image) -> None:
    draft, fine = (
        sfumato.stylize(photo, painting("glass", 0, 64), style_size=64, **chosen)
        for chosen in ({}, {"preset": "fine", "effort": 0.1})
    )
    assert 0 < np.abs(levels(draft) - levels(fine)).mean() < 60


def test_each_kind_of_line_is_said_once(photo: Image.Image, runtime: Runtime) -> None:
    said: list[str] = []
    chosen = options_for("gatys", "paper", encoder="sfumato", steps=1, recipe="d2l", style_size=32)
    styles = Styles([photo], chosen, runtime, note=said.append)
    for size in ((24, 16), (800, 40), (780, 44)):
        styles.lay(photo.resize(size))
    assert [line.split()[:3] for line in said] == [["800×40", "pixels:", "painted"]]


def test_gatys_starts_from_what_it_is_told(photo: Image.Image, tmp_path: Path) -> None:
    painting("glass", 0, 64).save(tmp_path / "start.png")
    results = [
        levels(sfumato.stylize(photo, photo, init=init, **PAPER))
        for init in ("content", "noise", str(tmp_path / "start.png"))
    ]
    assert min(np.abs(results[0] - results[1]).mean(), np.abs(results[0] - results[2]).mean()) > 10


@pytest.mark.parametrize("kind", METHODS)
def test_without_strength_it_is_the_content(kind: type, photo: Image.Image) -> None:
    given = {"method": kind.method, "preset": kind.preset, **least(kind)}
    assert sfumato.stylize(photo, painting("glass", 0, 64), alpha=0.0, **given).tobytes() == photo.tobytes()
    little, much = (
        np.abs(levels(sfumato.stylize(photo, painting("glass", 0, 64), alpha=alpha, **given)) - levels(photo)).mean()
        for alpha in (0.1, 1.0)
    )
    assert 0 < little < 0.5 * much


@pytest.mark.parametrize("kind", METHODS)
def test_outside_a_mask_are_the_contents_own_pixels(kind: type, photo: Image.Image) -> None:
    mask = Image.new("L", SIZE)
    mask.paste(255, (0, 0, SIZE[0] // 2, SIZE[1]))
    result = sfumato.stylize(
        photo, painting("glass", 0, 64), masks=[mask], method=kind.method, preset=kind.preset, feather=4, **least(kind)
    )
    changed = (levels(result) != levels(photo)).any(2)
    assert not changed[:, SIZE[0] // 2 :].any()
    assert changed[:, : SIZE[0] // 2 - 4].mean() > 0.9


def test_a_mask_has_an_edge_of_the_width_that_is_asked_for() -> None:
    mask = torch.zeros(1, 1, 40, 60, dtype=torch.uint8)
    mask[..., :30] = 255
    for feather in (0, 5, 12):
        row = regions([mask], (40, 60), feather)[0, 0, 20]
        assert row[30:].max() == 0
        assert row[: 30 - feather].min() == 1
        assert ((row > 0) & (row < 1)).sum() == feather
    both = regions([mask, 255 - mask], (40, 60), 8)
    torch.testing.assert_close(both.sum(0), torch.ones(1, 40, 60))


def test_the_best_so_far_is_kept_when_it_is_stopped(photo: Image.Image, runtime: Runtime) -> None:
    steps: list[int] = []

    def stop(tick: PictureTick) -> None:
        steps.append(tick.images)
        if len(steps) == 3:
            raise KeyboardInterrupt

    styles = Styles([painting("glass", 0, 64)], options_for("gatys", style_size=64), runtime, follow=stop)
    with pytest.raises(Interrupted) as stopped:
        styles.lay(photo)
    assert stopped.value.finished.size == SIZE
    assert np.abs(levels(stopped.value.finished) - levels(photo)).mean() > 0


@pytest.mark.parametrize("keep", [None, "coral"])
@pytest.mark.parametrize("kind", METHODS)
def test_styles_are_laid_on_one_content_after_another(
    kind: type, keep: str | None, photo: Image.Image, runtime: Runtime
) -> None:
    chosen = options_for(kind.method, kind.preset, keep_color=keep, **least(kind))
    styles, anew = (Styles([painting("glass", 0, 64)], chosen, runtime) for _ in range(2))
    told: list[tuple[int, int]] = []
    styles.lay(photo.rotate(180))
    assert styles.lay(photo, lambda *parts: told.append(parts)).tobytes() == anew.lay(photo).tobytes()
    assert told[-1][0] == told[-1][1]
    assert styles.digest() == anew.digest() != Styles([photo], chosen, runtime).digest()


def test_python_takes_every_kind_of_picture(photo: Image.Image, style: Path, tmp_path: Path) -> None:
    photo.save(tmp_path / "photo.png")
    levels = np.asarray(photo)
    wanted = np.asarray(sfumato.stylize(photo, style, style_size=64))
    for content in (tmp_path / "photo.png", str(tmp_path / "photo.png"), levels):
        for one in (str(style), [style], np.asarray(Image.open(style).convert("RGB"))):
            assert np.array_equal(np.asarray(sfumato.stylize(content, one, style_size=64)), wanted)
    floats = sfumato.stylize((levels / 255).astype(np.float32), style, style_size=64)
    assert floats.dtype == np.float32
    assert np.array_equal((floats * 255).round(), wanted)
    mask = np.zeros(levels.shape[:2], np.uint8)
    kept = sfumato.stylize(levels, style, style_size=64, masks=mask)
    assert np.array_equal(kept, levels)
    for content, one in (
        (photo, None),
        (None, photo),
        (levels * 1.0, photo),
        (photo, [photo, torch.rand(3, 9, 9) * 255]),
    ):
        with pytest.raises(SfumatoError, match="must"):
            sfumato.stylize(content, one)
