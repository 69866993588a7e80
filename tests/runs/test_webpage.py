"""Pages that compute a model, in a browser without a network but the loopback: what comes out is what PyTorch makes."""

import functools
import http.server
import re
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

import sfumato
from sfumato.data.pictures import to_picture
from sfumato.errors import SfumatoError
from sfumato.ops.colour import transported
from sfumato.ops.strokes import CELL
from sfumato.runs.webpage import kind_of, write_page
from sfumato.style.network import FLOOR, prepared, shipped

from ..conftest import CHROMIUM

pytest.importorskip("playwright.sync_api")
pytest.importorskip("onnxruntime")
in_chromium = pytest.mark.skipif(CHROMIUM is None, reason="no Chromium is here")
SMALL = {"images": 32, "evaluate": False, "precision": "fp32", "device": "cpu"}
LATE = 120_000  # milliseconds
DOCS = Path(__file__).parents[2] / "docs" / "elsewhere.md"


class Quiet(http.server.SimpleHTTPRequestHandler):
    def log_message(self, format: str, *args: Any) -> None:
        """Nothing."""


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("pages")


@pytest.fixture(scope="module")
def site(place: Path) -> Iterator[str]:
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), functools.partial(Quiet, directory=str(place)))
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    server.server_close()


@pytest.fixture
def opened(browser: Any, site: str) -> Iterator[Any]:
    """Opens the page in a folder, and holds that it asked for nothing elsewhere and that nothing went wrong."""
    asked, faults, contexts = list[str](), list[str](), list[Any]()

    def go(name: str, base: str = site, **options: Any) -> Any:
        contexts.append(browser.new_context(**{"locale": "en-US", **options}))
        page = contexts[-1].new_page()
        page.set_default_timeout(LATE)
        page.on("request", lambda request: asked.append(request.url))
        page.on("pageerror", lambda error: faults.append(str(error)))
        page.on("console", lambda said: faults.append(said.text) if said.type == "error" else None)
        page.goto(f"{base}/{name}/index.html")
        page.evaluate("ready")
        return page

    yield go
    for context in contexts:
        context.close()
    assert [url for url in asked if not url.startswith((site, "file:", "data:", "blob:"))] == []
    assert faults == []


def near(found: Any, owed: torch.Tensor) -> None:
    assert np.abs(np.array(found) - owed.flatten().numpy()).max() < 1e-3


def square(place: Path, side: int) -> Path:
    """A picture of a run's own size, so that nobody resizes it."""
    path = place / f"{side}.png"
    coarse = torch.rand(1, 3, 8, 8, generator=torch.Generator().manual_seed(side))
    to_picture(torch.nn.functional.interpolate(coarse, (side, side), mode="bicubic")[0].clamp(0, 1)).save(path)
    return path


@in_chromium
@pytest.mark.slow
def test_a_plane_by_pointer_and_keys_and_from_the_disk(place: Path, opened: Any) -> None:
    run = sfumato.train("stacked", run=place / "run-plane", **{**SMALL, "images": 2_000})
    list(write_page(run, place / "plane"))
    page = opened("plane")
    codes = torch.tensor([[0.3, -0.8], [2.0, 1.0]])
    made = page.evaluate(
        "codes => compute('decoder', { codes: [Float32Array.from(codes), [2, 2]] }).then(o => [...o.images.data])",
        codes.flatten().tolist(),
    )
    near(made, run.draw(codes))
    said = page.locator("p.quiet").first
    before = said.inner_text()
    page.locator("canvas.plane").click(position={"x": 30, "y": 40})
    there = said.inner_text()
    assert there != before
    page.locator("input[type=range]").first.press("ArrowRight")
    assert said.inner_text() != there
    assert page.evaluate("MODEL.plane.points.length") > 200
    (block,) = re.findall(r"```js\n(.*?)```", DOCS.read_text("utf-8"), re.DOTALL)
    page.evaluate(f"(async () => {{ {block} }})()")
    page.locator("#language").click()
    assert "关于此模型" in page.inner_text("body")
    narrow = opened("plane", base=f"file://{place}", viewport={"width": 390, "height": 844}, locale="zh-CN")
    assert "就绪" in narrow.inner_text("#state")
    assert narrow.evaluate("document.documentElement.scrollWidth") == 390


@in_chromium
@pytest.mark.slow
def test_drawn_pictures_by_seed_class_and_slider(place: Path, opened: Any) -> None:
    run = sfumato.train("cgan", run=place / "run-draw", batch_size=16, **SMALL)
    list(write_page(run, place / "draw"))
    page = opened("draw")
    latents, labels = torch.randn(3, run.config.latent), torch.tensor([0, 4, 9])
    made = page.evaluate(
        "([z, k]) => compute('whole', { latents: [Float32Array.from(z), [3, z.length / 3]],"
        " labels: [BigInt64Array.from(k, BigInt), [3]] }).then(o => [...o.images.data])",
        [latents.flatten().tolist(), labels.tolist()],
    )
    near(made, run.draw(latents, labels))
    large = "document.querySelector('canvas.square').toDataURL()"
    before = page.evaluate(large)
    page.get_by_role("button", name="7", exact=True).click()
    for _ in range(100):
        if page.evaluate(large) != before:
            break
        page.wait_for_timeout(100)
    assert page.evaluate(large) != before
    page.locator(".sliders input").first.press("End")
    assert page.get_by_role("button", name=re.compile(r"^Picture \d+$")).count() == 24


@in_chromium
@pytest.mark.slow
def test_the_stylizer_paints_as_it_does_here(place: Path, opened: Any) -> None:
    list(write_page(None, place / "style"))
    page = opened("style")
    content, style = torch.rand(2, 1, 3, 48, 32, generator=torch.Generator().manual_seed(1))
    content = torch.nn.functional.avg_pool2d(content, 5, 1, 2)
    seeds = torch.tensor([7])
    cells = torch.randn(4, 48 // CELL, 32 // CELL, generator=torch.Generator().manual_seed(7))
    given = [content.flatten().tolist(), style.flatten().tolist(), cells.flatten().tolist()]
    pictures = "const [c, s] = given.map(data => ({ data: Float32Array.from(data), w: 32, h: 48 })),"
    pictures += " cells = Float32Array.from(given[2]);"
    ready = page.evaluate(
        f"given => {{ {pictures} return [...prepared(c, s, cells, MODEL.parts.whole.settings).data] }}", given
    )
    owed = prepared(content, style, seeds)[1]
    near(ready, owed)
    made = page.evaluate(f"given => {{ {pictures} return restyled(c, s, cells).then(o => [...o.data]) }}", given)
    with torch.no_grad():
        near(made, transported(shipped().passes(owed, style), style, FLOOR).clamp(0, 1))
    assert "pixels in" in page.inner_text("#state")
    page.locator("input[type=range]").press("Home")
    with page.expect_download() as kept:
        page.get_by_role("button", name="Download").click()
    assert kept.value.suggested_filename == "restyled.png"


@in_chromium
@pytest.mark.slow
def test_a_picture_is_named_and_no_name_is_code(place: Path, opened: Any) -> None:
    data = place / "data"
    names = ("<img src=x onerror=alert(1)>", "b")
    for number, name in enumerate(names):
        (data / name.replace("/", "")).mkdir(parents=True)
        for index in range(8):
            picture = to_picture(torch.rand(3, 64, 64, generator=torch.Generator().manual_seed(9 * number + index)))
            picture.save(data / name / f"{index}.png")
    run = sfumato.train(
        "finetune", data=str(data), run=place / "run-names", batch_size=8, pretrained=False, resolution=64, **SMALL
    )
    list(write_page(run, place / "names"))
    page = opened("names")
    file = data / "b" / "0.png"
    page.set_input_files("input[type=file]", file)
    page.locator(".bars meter").first.wait_for()
    said = page.locator(".bars span:first-child").all_inner_texts()
    found = dict(zip(said, page.locator(".bars meter").evaluate_all("all => all.map(one => one.value)"), strict=True))
    told = {each["name"]: each["probability"] for each in run.predict(file).values["classes"]}
    assert found == pytest.approx(told, abs=1e-3)
    assert page.locator("main img").count() == 0


@in_chromium
@pytest.mark.slow
def test_a_picture_is_translated_as_it_is_here(place: Path, opened: Any) -> None:
    run = sfumato.train("cyclegan", run=place / "run-sides", resolution=32, width=8, batch_size=8, **SMALL)
    list(write_page(run, place / "sides"))
    page = opened("sides")
    file = square(place, 32)
    page.set_input_files("input[type=file]", file)
    page.get_by_role("button", name="Download").click(trial=True)  # once it can be
    width, height, *levels = page.evaluate(
        "() => { const c = document.querySelector('canvas.whole');"
        " const { data } = c.getContext('2d').getImageData(0, 0, c.width, c.height);"
        " return [c.width, c.height, ...data.filter((_, i) => i % 4 < 3)] }"
    )
    owed = np.asarray(run.translate(file, to=page.locator("select option").first.inner_text().split()[-1].lower()))
    assert np.abs(np.array(levels).reshape(height, width, 3) - owed.astype(int)).max() <= 1


@in_chromium
@pytest.mark.slow
def test_objects_of_a_picture_are_those_found_here(place: Path, opened: Any) -> None:
    run = sfumato.train("ssd", run=place / "run-boxes", batch_size=8, **SMALL)
    list(write_page(run, place / "boxes"))
    page = opened("boxes")
    file = square(place, run.config.resolution)
    page.locator("input[type=range]").first.evaluate(
        "item => { item.value = 0.05; item.dispatchEvent(new Event('input')) }"
    )
    page.set_input_files("input[type=file]", file)
    page.get_by_text("the picture stays on this device").wait_for()
    names = page.locator(".bars > div span:first-child").all_inner_texts()
    chances = page.locator(".bars > div span:nth-child(2)").all_inner_texts()
    told = sorted(run.predict(file, score=0.05).values["objects"], key=lambda one: -one["score"])[:5]
    assert told
    assert names[: len(told)] == [one["name"] for one in told]
    assert chances[: len(told)] == [f"{100 * one['score']:.1f} %" for one in told]


@in_chromium
@pytest.mark.slow
def test_pixels_of_a_picture_are_named_as_here(place: Path, opened: Any) -> None:
    run = sfumato.train("fcn", run=place / "run-pixels", data="scenes", resolution=64, crop=64, batch_size=8, **SMALL)
    list(write_page(run, place / "pixels"))
    page = opened("pixels")
    file = square(place, 64)
    page.set_input_files("input[type=file]", file)
    page.get_by_text("the picture stays on this device").wait_for()
    mask = run.predict(file).mask
    assert mask is not None
    named = set(page.locator(".legend li").all_inner_texts()) - {""}
    assert named == {run.classes[index] for index in np.unique(mask)}


def test_what_cannot_be_a_page_is_one_line(tmp_path: Path) -> None:
    run = sfumato.train("gan", run=tmp_path / "run", batch_size=16, **SMALL)
    assert kind_of(run, run.system.portable()) == "draw"
    with pytest.raises(SfumatoError, match="gan cannot be a page"):
        kind_of(run, ())
    with pytest.raises(SfumatoError, match="--int8 is measured on a run's data"):
        list(write_page(None, tmp_path / "page", int8=True))
