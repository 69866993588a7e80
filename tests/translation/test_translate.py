"""Pictures of any size and kind through a run: whole and in tiles, alone, in folders and as clips."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from torch import nn

from sfumato.data.pictures import to_picture
from sfumato.engine.runtime import Runtime
from sfumato.errors import SfumatoError
from sfumato.translation import cyclegan, discogan
from sfumato.translation.cyclegan import CycleGAN
from sfumato.translation.tiles import TiledGenerator
from sfumato.translation.translate import Translation, translate_files
from sfumato.translation.translator import Translator


@dataclass
class Opened:
    """A run as the command sees it."""

    system: Any
    path: Path = Path("run")
    data: Any = None
    system_name: str = "cyclegan"
    classes: tuple[str, ...] = ()
    runtime: Runtime = field(default_factory=lambda: Runtime(torch.device("cpu"), "fp32"))


def run(**fields: Any) -> Opened:
    torch.manual_seed(0)
    wanted = {"resolution": 32, "width": 4, "blocks": 2, "patch": 16, **fields}
    system = CycleGAN(cyclegan.Config(**wanted)).eval()
    for layer in system.modules():  # as loud as trained ones
        if isinstance(layer, nn.Conv2d | nn.ConvTranspose2d):
            nn.init.normal_(layer.weight, 0, 0.1)
    return Opened(system)


def photo(width: int, height: int) -> Image.Image:
    generator = torch.Generator().manual_seed(0)
    coarse = torch.rand(1, 3, 9, 9, generator=generator)
    return to_picture(nn.functional.interpolate(coarse, size=(height, width), mode="bicubic")[0].clamp(0, 1))


@pytest.mark.parametrize("enlarging", ["transposed", "resized"])
@pytest.mark.parametrize("size", [(96, 72), (75, 131), (40, 33)])
@pytest.mark.parametrize("side", [32, 20])
def test_tiles_are_the_whole_within_a_level(enlarging: str, size: tuple[int, int], side: int) -> None:
    system: Translator = run(enlarging=enlarging).system
    width, height = size
    image = torch.rand(1, 3, height, width, generator=torch.Generator().manual_seed(1)) * 2 - 1
    parts, runtime = system.parts_to("b"), Runtime(torch.device("cpu"), "fp32")
    assert parts is not None
    told: list[tuple[int, int]] = []
    tiled = TiledGenerator(parts, runtime, side, lambda *done: told.append(done))(image)
    whole = TiledGenerator(parts, runtime, 1024)(image)
    assert tiled.shape == whole.shape == image.shape
    assert float((tiled - whole).abs().max()) * 127.5 < 1
    assert told[-1][0] == told[-1][1] > 20
    if not (width % 4 or height % 4):
        with torch.no_grad():
            assert float((whole - system.to_b(image)).abs().max()) * 127.5 < 0.1


def test_a_picture_keeps_its_kind_its_size_and_its_transparency() -> None:
    translation, picture = Translation(run()), photo(50, 37)
    assert translation.translate(picture).size == (50, 37)
    picture.putalpha(77)
    result = translation.translate(picture)
    assert result.getchannel("A").getextrema() == (77, 77)
    assert translation.translate(picture.convert("L")).mode == "RGB"
    tensor = torch.rand(3, 37, 50)
    assert translation.translate(tensor).shape == (3, 37, 50)
    assert not torch.allclose(translation.translate(tensor), Translation(run(), "a").translate(tensor))
    assert Translation(run(), size=20).translate(picture).size == (50, 37)


def test_files_and_arrays_are_translated_like_pictures(tmp_path: Path) -> None:
    translation, picture = Translation(run()), photo(50, 37)
    picture.save(tmp_path / "photo.png")
    levels, wanted = np.asarray(picture), np.asarray(translation.translate(picture))
    assert np.array_equal(translation.translate(levels), wanted)
    assert np.array_equal((translation.translate(levels / 255) * 255).round(), wanted)
    for path in (tmp_path / "photo.png", str(tmp_path / "photo.png")):
        assert np.array_equal(np.asarray(translation.translate(path)), wanted)
    for wrong in (levels * 1.0, torch.rand(3, 9, 9) * 255, torch.full((3, 9, 9), torch.nan), None, levels[None]):
        with pytest.raises(SfumatoError, match="must"):
            translation.translate(wrong)  # pyright: ignore[reportArgumentType]


def test_networks_of_one_size_get_the_picture_in_theirs() -> None:
    torch.manual_seed(0)
    system = discogan.DiscoGAN(discogan.Config(resolution=32, width=4)).eval()
    assert Translation(Opened(system)).translate(photo(61, 45)).size == (61, 45)


@pytest.mark.parametrize("size", [(1, 1), (12000, 10), (3, 900)])
def test_the_narrowest_pictures_are_translated(size: tuple[int, int]) -> None:
    assert Translation(run(), tile=256).translate(photo(*size)).size == size


def test_a_folder_is_translated_and_what_cannot_be_read_is_named(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "in").mkdir()
    for name in ("a.png", "b.jpg"):
        photo(40, 30).save(tmp_path / "in" / name)
    (tmp_path / "in" / "c.png").write_bytes(b"no picture")
    written = list(translate_files(run(), tmp_path / "in", tmp_path / "out"))  # pyright: ignore[reportArgumentType]
    assert [path.name for path in written] == ["a.png", "b.jpg"]
    assert "left out: " in capsys.readouterr().err
    with Image.open(written[0]) as picture:
        assert picture.size == (40, 30)


def test_what_cannot_be_written_is_refused_before_the_work_and_does_not_stop_a_folder(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "in").mkdir()
    Image.new("RGB", (17_000, 16)).save(tmp_path / "wide.png")
    for name in ("a.png", "b" * 251 + ".png", "g" * 251 + ".gif", "z.png"):
        photo(20, 20).save(tmp_path / "in" / name)
    written = list(translate_files(run(), tmp_path / "in", tmp_path / "out"))  # pyright: ignore[reportArgumentType]
    assert [path.name[0] for path in written] == ["a", "b", "z"]
    assert capsys.readouterr().err.count("too long") == 1
    monkeypatch.setattr(Translation, "lay", None)
    for name, words in (("out.webp", "at most 16,383 pixels"), ("x" * 252 + ".png", "too long")):
        with pytest.raises(SfumatoError, match=words):
            list(translate_files(run(), tmp_path / "wide.png", tmp_path / name))  # pyright: ignore[reportArgumentType]


def test_a_clip_has_as_many_frames_as_before(tmp_path: Path) -> None:
    av = pytest.importorskip("av")
    with av.open(str(tmp_path / "in.mp4"), "w") as container:
        stream = container.add_stream("h264", rate=10)
        stream.width, stream.height, stream.pix_fmt = 48, 32, "yuv420p"
        for shade in (0, 80, 160, 240):
            container.mux(stream.encode(av.VideoFrame.from_image(Image.new("RGB", (48, 32), (shade, 90, 30)))))
        container.mux(stream.encode(None))
    (out,) = translate_files(run(), tmp_path / "in.mp4", tmp_path / "out.mp4")  # pyright: ignore[reportArgumentType]
    with av.open(str(out)) as container:
        assert sum(1 for _ in container.decode(video=0)) == 4
    assert sorted(path.name for path in tmp_path.iterdir()) == ["in.mp4", "out.mp4"]


@pytest.mark.parametrize(
    ("fields", "words"),
    [({"to": "c"}, "to 'c': must be a or b"), ({"size": 3}, "size 3: must be 16"), ({"tile": 0}, "tile 0: must be 16")],
)
def test_what_cannot_be_is_refused(fields: dict[str, Any], words: str) -> None:
    with pytest.raises(SfumatoError, match=words):
        Translation(run(), **fields)


@pytest.mark.parametrize("size", [100_000, 10**20])
def test_a_giant_is_refused_before_it_is_made(size: int) -> None:
    with pytest.raises(SfumatoError, match=f"size {size}: .* pixels would be too many"):
        Translation(run(), size=size).translate(photo(70, 50))


def test_a_run_of_another_kind_translates_nothing() -> None:
    with pytest.raises(SfumatoError, match="a gan run translates nothing"):
        Translation(Opened(nn.Identity(), system_name="gan"))
