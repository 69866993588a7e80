"""What is made for a page is what the library makes, step by step, and can be broken off at any of them."""

import io
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

import sfumato
from sfumato.data.paintings import painting
from sfumato.data.photographs import photographs
from sfumato.errors import SfumatoError
from sfumato.strict import convert
from sfumato.studio import work
from sfumato.studio.app import PREVIEW, SHIPPED
from sfumato.studio.child import Cancelled, asked_of
from sfumato.studio.work import HANDLERS, KEPT, example, examples, predict, project, stylize, translate

from .made import first, made
from .test_uploads import NO_PICTURES, jpeg


def nobody(*_: object) -> None:
    """Waits for no progress."""


def file_of(picture: Image.Image) -> bytes:
    file = io.BytesIO()
    picture.save(file, "PNG")
    return file.getvalue()


def opened(content: bytes) -> Image.Image:
    picture = Image.open(io.BytesIO(content))
    picture.load()
    return picture


def photo(width: int = 96, height: int = 72) -> Image.Image:
    return Image.linear_gradient("L").convert("RGB").resize((width, height)).rotate(7)


PHOTO, STYLE = file_of(photo()), file_of(painting("strokes", 1).resize((64, 64)))
OPTIONS = {"style_size": 64}


def test_there_is_something_to_begin_with() -> None:
    names = examples(nobody)
    assert {row["kind"] for row in names} == {"photo", "painting"}
    assert {row["name"] for row in names} > set(photographs())
    for row in (names[0], names[-1]):
        with opened(example(nobody, row["name"])["bytes"]) as picture:
            assert min(picture.size) >= 64
    for name in ("", "x", "../x", "strokes-", "strokes--1", "strokes-²", "x-1", "strokes-1.5"):
        with pytest.raises(SfumatoError, match="there is none of that name"):
            example(nobody, name)


@pytest.mark.parametrize("alpha", [0.0, 0.6, 1.0])
def test_a_styled_picture_is_the_librarys_pixel_for_pixel(alpha: float) -> None:
    found = stylize(nobody, PHOTO, [STYLE], options={**OPTIONS, "alpha": alpha})
    expected = sfumato.stylize(opened(PHOTO), opened(STYLE), device="cpu", alpha=alpha, **OPTIONS)
    with opened(found["bytes"]) as picture:
        assert picture.tobytes() == expected.tobytes()
        assert (found["width"], found["height"]) == picture.size == (96, 72)
        note = json.loads(picture.info["sfumato"])  # pyright: ignore[reportArgumentType]
    assert note["options"] == {**OPTIONS, "alpha": alpha}


def test_two_styles_by_weights_and_by_masks() -> None:
    other = file_of(painting("strokes", 2).resize((64, 64)))
    weighted = stylize(nobody, PHOTO, [STYLE, other], options={**OPTIONS, "weights": [0.3, 0.7]})
    expected = sfumato.stylize(
        opened(PHOTO), [opened(STYLE), opened(other)], device="cpu", weights=(0.3, 0.7), **OPTIONS
    )
    assert opened(weighted["bytes"]).tobytes() == expected.tobytes()
    left = Image.new("L", (96, 72))
    left.paste(255, (0, 0, 48, 72))
    masks = [left, left.point(lambda level: 255 - level)]
    masked = stylize(nobody, PHOTO, [STYLE, other], [file_of(mask) for mask in masks], OPTIONS)
    expected = sfumato.stylize(
        opened(PHOTO),
        [opened(STYLE), opened(other)],
        device="cpu",
        masks=[mask.convert("L") for mask in masks],
        **OPTIONS,
    )
    assert opened(masked["bytes"]).tobytes() == expected.tobytes()


def test_a_preview_is_small_and_of_the_same() -> None:
    large = file_of(photo(2 * PREVIEW, PREVIEW))
    found = stylize(nobody, large, [STYLE], options=OPTIONS, side=64)
    assert (found["width"], found["height"], found["format"]) == (64, 32, "jpeg")
    assert opened(found["bytes"]).format == "JPEG"
    thin = stylize(nobody, file_of(photo(800, 60)), [STYLE], options=OPTIONS, side=64)
    assert (thin["width"], thin["height"]) == (64, 8)


def test_what_is_transparent_stays_so() -> None:
    picture = photo().convert("RGBA")
    picture.putalpha(Image.linear_gradient("L").resize(picture.size))
    found = opened(stylize(nobody, file_of(picture), [STYLE], options=OPTIONS)["bytes"])
    assert found.mode == "RGBA"
    assert found.getchannel("A").tobytes() == picture.getchannel("A").tobytes()


def test_a_few_styles_are_kept_ready() -> None:
    work._ready.clear()
    for alpha in range(KEPT + 2):
        stylize(nobody, PHOTO, [STYLE], options={**OPTIONS, "alpha": alpha / 10})
    assert len(work._ready) == KEPT


@pytest.fixture(scope="module")
def names(tmp_path_factory: pytest.TempPathFactory) -> str:
    """A run that names pictures."""
    fields = {"images": 8, "batch_size": 4, "resolution": 32, "evaluate": False, "recoloured": False, "smallest": 1.0}
    folder = tmp_path_factory.mktemp("runs") / "names"
    sfumato.train("finetune", data="faces", run=folder, device="cpu", precision="fp32", **fields)
    return str(folder)


def test_a_picture_is_read_as_the_library_reads_it(names: str) -> None:
    run = sfumato.open(names, "cpu")
    found, expected = predict(nobody, names, PHOTO), run.predict(opened(PHOTO))
    assert found["values"] == expected.values
    assert (found["words"], found["size"], found["classes"]) == (expected.words, [96, 72], list(run.classes))
    assert "mask" not in found


@pytest.mark.slow
@pytest.mark.parametrize("name", ["unet", "ssd"])
def test_masks_and_boxes_too(tmp_path: Path, name: str) -> None:
    path = str(made(first(name), tmp_path / "run"))
    found, expected = predict(nobody, path, PHOTO, 0.1), sfumato.open(path, "cpu").predict(opened(PHOTO), 0.1)
    assert found["values"] == expected.values
    if expected.mask is not None:
        picture = opened(found["mask"])
        assert picture.mode == "P"
        assert picture.tobytes() == Image.fromarray(expected.mask).tobytes()


@pytest.mark.slow
def test_a_picture_is_translated_there_and_back(tmp_path: Path) -> None:
    path = str(made(first("cyclegan"), tmp_path / "run"))
    run = sfumato.open(path, "cpu")
    for to, back in (("a", "b"), ("b", "a")):
        found = translate(nobody, path, PHOTO, to)
        there = run.translate(opened(PHOTO), to)
        assert opened(found["bytes"]).tobytes() == there.tobytes()
        assert opened(found["back"]).tobytes() == run.translate(there, back).tobytes()


@pytest.mark.slow
def test_a_picture_is_projected_with_progress(tmp_path: Path) -> None:
    path, seen = str(made("stylegan2-digits", tmp_path / "run")), list[tuple[int, int]]()
    found = project(lambda *step: seen.append(step), path, PHOTO, 3)
    assert [step for step, _ in seen] == list(range(1, len(seen) + 1))
    assert seen[-1][0] == seen[-1][1]
    assert opened(found["bytes"]).size == opened(found["one"]).size
    assert found["distances"] == sorted(found["distances"], reverse=True)


@pytest.mark.parametrize("do", [predict, translate, project])
def test_a_run_of_another_kind_is_a_line(do: Callable[..., Any]) -> None:
    with pytest.raises(SfumatoError) as said:
        do(nobody, str(SHIPPED / "plane"), PHOTO)
    assert "stacked" in str(said.value)


@pytest.mark.parametrize("content", NO_PICTURES.values(), ids=NO_PICTURES)
def test_what_is_no_picture_is_a_line(content: bytes) -> None:
    for ask in (lambda: stylize(nobody, content, [STYLE]), lambda: stylize(nobody, PHOTO, [content], options=OPTIONS)):
        with pytest.raises(SfumatoError):
            ask()


@pytest.mark.parametrize(
    "options", [{"alpha": 2}, {"alpha": "x"}, {"x": 1}, {"weights": [1, 2]}, {"style_size": 1}, {"method": "x"},
                {"tile": 7}, {"weights": []}, {"seed": 10**30}, {"keep_color": "/etc"}, {"preset": []},
                {"content_size": 4097}, {"style_size": 100_000}]
)  # fmt: skip
def test_options_are_judged(options: dict[str, Any]) -> None:
    if options == {"weights": []}:
        stylize(nobody, PHOTO, [STYLE], options={**OPTIONS, **options})
        return
    with pytest.raises(SfumatoError):
        stylize(nobody, PHOTO, [STYLE], options={**OPTIONS, **options})


def test_work_is_broken_off_by_its_progress() -> None:
    done = list[int]()

    def advance(step: int, _: int) -> None:
        done.append(step)
        if len(done) == 2:
            raise Cancelled

    large = file_of(photo(160, 160))
    with pytest.raises(Cancelled):
        stylize(advance, large, [STYLE], options={**OPTIONS, "tile": 64})
    assert len(done) == 2
    after = stylize(
        nobody, large, [STYLE], options={**OPTIONS, "tile": 64}
    )  # what was broken off leaves nothing behind
    expected = sfumato.stylize(opened(large), opened(STYLE), device="cpu", tile=64, **OPTIONS)
    assert opened(after["bytes"]).tobytes() == expected.tobytes()


BAD: dict[str, list[dict[str, Any]]] = {
    "stylize": [{}, {"content": PHOTO}, {"styles": [STYLE]}, {"content": PHOTO, "styles": 3}, {"content": PHOTO,
                "styles": [], "path": "x"},
                {"content": PHOTO, "styles": [STYLE], "side": "x"}, {"content": PHOTO, "styles": [STYLE], "side": 0},
                {"content": PHOTO, "styles": [STYLE], "options": []}],
    "predict": [{}, {"path": "x"}, {"path": "x", "content": PHOTO, "score": "x"}, {"path": 3, "content": PHOTO}],
    "translate": [{"path": "x", "content": PHOTO, "to": "c"}, {"path": "x", "content": PHOTO, "to": ["a"]}],
    "project": [{"path": "x", "content": PHOTO, "steps": 10**9}, {"path": "x", "content": PHOTO, "steps": 0}],
    "example": [{}, {"name": 3}, {"name": ["a"]}],
}  # fmt: skip


@pytest.mark.parametrize(("do", "values"), [(do, values) for do, rows in BAD.items() for values in rows])
def test_what_is_asked_has_types_and_bounds(do: str, values: dict[str, Any]) -> None:
    with pytest.raises(SfumatoError, match=f"^{do}: "):
        convert(values, asked_of(HANDLERS[do]), do)


def test_a_photograph_lies_upright() -> None:
    found = stylize(nobody, jpeg(80, 64, orientation=6), [STYLE], options=OPTIONS)
    assert (found["width"], found["height"]) == (64, 80)
