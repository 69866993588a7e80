"""The page in a browser: what a learner does there, and what it shows. No network but the loopback."""

import hashlib
import io
import json
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pytest
from PIL import Image

import sfumato
from sfumato.data.photographs import photographs
from sfumato.data.pictures import to_picture

from ..conftest import CHROMIUM

pytest.importorskip("playwright.sync_api")
AXE = Path(__file__).parents[2] / "studio" / "node_modules" / "axe-core" / "axe.min.js"
PAGES = ("plane", "draw", "style", "see", "translate", "train", "train/new", "game", "theory")
pytestmark = [pytest.mark.slow, pytest.mark.skipif(CHROMIUM is None, reason="no Chromium is here")]
LATE = 60_000  # milliseconds: machines that are shared take their time


class Server:
    """A studio of its own. `url`: with the token."""

    def __init__(self, runs: Path) -> None:
        self.runs, self.log = runs, runs.parent / f"{runs.name}.log"
        self.clients = list[httpx.Client]()
        self.start()

    def start(self) -> None:
        command = [sys.executable, "-m", "sfumato", "studio", "--no-open", "--port", "0", "--runs", str(self.runs)]
        with self.log.open("wb") as log:
            self.process = subprocess.Popen(
                command, stdout=log, stderr=subprocess.STDOUT, env={**os.environ, "OMP_NUM_THREADS": "1"}
            )
        for _ in range(600):
            if "#token=" in (said := self.log.read_text()):
                break
            time.sleep(0.05)
        self.url = said.split()[0]
        self.base = self.url.partition("/#")[0]

    def client(self) -> httpx.Client:
        client = httpx.Client(base_url=self.base, headers={"origin": self.base, "x-sfumato": "1"}, timeout=60)
        assert (
            client.post("/api/login", headers={"x-sfumato-token": self.url.partition("token=")[2]}).status_code == 204
        )
        self.clients.append(client)
        return client

    def stop(self, number: int = signal.SIGTERM) -> None:
        if self.process.poll() is None:
            self.process.send_signal(number)
        self.process.wait(30)
        for client in self.clients:
            client.close()


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("studio")


@pytest.fixture(scope="module")
def server(place: Path) -> Iterator[Server]:
    runs = place / "runs"
    small = {"precision": "fp32", "evaluate": False}
    sfumato.train(
        "finetune", run=runs / "names", data="patches", images=64, batch_size=32, pretrained=False, frozen=0.0, **small
    )
    sfumato.train("ssd", run=runs / "boxes", images=64, batch_size=16, pretrained=False, **small)
    sfumato.train("cyclegan", run=runs / "inks", images=32, **small)
    server = Server(runs)
    yield server
    server.stop()


class Tab:
    """A page that is logged in; what it asked for elsewhere, and what went wrong in it, is kept."""

    def __init__(self, browser: Any, url: str, **context: Any) -> None:
        self.context = browser.new_context(**{"locale": "en-US", "viewport": {"width": 1280, "height": 900}, **context})
        self.page = self.context.new_page()
        self.asked, self.faults = list[str](), list[str]()
        self.page.on("request", lambda request: self.asked.append(request.url))
        self.page.on("pageerror", lambda error: self.faults.append(str(error)))
        self.page.on("console", lambda said: self.faults.append(said.text) if said.type == "error" else None)
        self.page.set_default_timeout(LATE)
        self.page.goto(url)

    def go(self, place: str) -> Any:
        self.page.evaluate("place => { location.hash = '#/' + place }", place)
        return self.page

    def ready(self) -> Any:
        self.wait("document.querySelector('main *') !== null")  # it is logged in
        self.wait("fetch('/api/state').then(got => got.ok && got.json()).then(said => said.ready === 'ready')")
        return self.page

    def wait(self, there: str) -> None:
        """Until an expression is true in the page, whose policy forbids Playwright's own way of waiting."""
        for _ in range(LATE // 50):
            if self.page.evaluate(there):
                return
            self.page.wait_for_timeout(50)
        raise AssertionError(f"never: {there}")

    def pixels(self, label: str) -> np.ndarray[Any, Any]:
        """The red channel of a canvas in the element with that label."""
        flat = self.page.evaluate(
            'label => { const c = document.querySelector(`[aria-label^="${label}"] canvas`);'
            "const { data } = c.getContext('2d').getImageData(0, 0, c.width, c.height);"
            "return [c.width, c.height, ...data.filter((_, i) => i % 4 === 0)] }",
            label,
        )
        return np.array(flat[2:]).reshape(flat[1], flat[0])


@pytest.fixture
def tab(server: Server, browser: Any) -> Iterator[Tab]:
    tab = Tab(browser, server.url)
    yield tab
    outside = [url for url in tab.asked if not url.startswith((server.base, "blob:", "data:"))]
    assert outside == []
    assert tab.faults == []
    tab.context.close()


def at(page: Any) -> tuple[float, float]:
    """The coordinates that the plane's page says."""
    found = re.search(r"x (-?[\d.]+)\s+y (-?[\d.]+)", page.inner_text("main"))
    assert found
    return float(found[1]), float(found[2])


def test_the_address_lets_in_once_and_is_cleaned(server: Server, browser: Any) -> None:
    tab = Tab(browser, server.url)
    tab.wait("!location.hash.includes('token')")
    (cookie,) = tab.context.cookies()
    assert cookie["httpOnly"]
    assert cookie["sameSite"] == "Strict"
    assert tab.page.evaluate("document.cookie") == ""
    stranger = Tab(browser, server.base + "/")
    stranger.page.get_by_text("this page has no key").wait_for()
    assert not any("/live" in url for url in stranger.asked)
    tab.context.close()
    stranger.context.close()


def test_something_plays_before_torch_is_there(place: Path, browser: Any) -> None:
    server = Server(place / "empty")
    try:
        tab = Tab(browser, server.url)
        tab.wait(
            "() => { const c = document.querySelector('canvas.decoded'); return c &&"
            "c.getContext('2d').getImageData(0, 0, c.width, c.height).data.some((v, i) => i % 4 === 0 && v > 128) }"
        )
        assert "computed in this page" in tab.page.inner_text("main")
        tab.go("draw")
        tab.page.get_by_role("group", name="Class").get_by_role("button", name="8").wait_for()
        tab.context.close()
    finally:
        server.stop()


def test_the_plane_follows_the_pointer_and_the_keys(tab: Tab) -> None:
    page = tab.ready()
    plane = page.get_by_role("application")
    page.get_by_text("computed by stacked").wait_for()
    box = plane.locator("canvas").bounding_box()
    page.mouse.move(box["x"] + 10, box["y"] + 10)
    for step in range(60):
        page.mouse.move(box["x"] + 10 + 4 * step, box["y"] + 10 + 5 * step)
    page.wait_for_timeout(500)
    there, shown = at(page), tab.pixels("The picture of this point")
    run = sfumato.open(Path(sfumato.__file__).parent / "weights/shipped/studio/plane", "cpu")
    import torch

    made = run.draw(torch.tensor([there]))[0, 0].numpy() * 255
    assert np.abs(made - shown).max() < 6  # coordinates are shown with two digits
    plane.focus()
    top = page.evaluate("scrollY")
    before = at(page)
    for _ in range(10):
        page.keyboard.press("ArrowRight")
    page.wait_for_timeout(300)
    assert at(page)[0] > before[0]
    assert page.evaluate("scrollY") == top
    assert not np.array_equal(tab.pixels("The picture of this point"), shown)


def draw_a_one(page: Any) -> None:
    """On the pad of digits."""
    pad = page.get_by_role("img", name="Draw a digit here").locator("canvas")
    pad.scroll_into_view_if_needed()
    box = pad.bounding_box()
    page.mouse.move(box["x"] + 98, box["y"] + 30)
    page.mouse.down()
    for step in range(20):
        page.mouse.move(box["x"] + 98, box["y"] + 30 + 7 * step)
    page.mouse.up()


def test_a_drawn_digit_comes_back(tab: Tab) -> None:
    page = tab.ready()
    page.get_by_text("computed by stacked").wait_for()
    draw_a_one(page)
    page.get_by_text("read as 1").wait_for()
    seen, back = tab.pixels("as it is seen"), tab.pixels("what comes back")
    assert seen.max() > 200
    assert np.corrcoef(seen.flatten(), back.flatten())[0, 1] > 0.6


def test_a_drawn_digit_is_named_by_what_comes_with_the_studio(tab: Tab) -> None:
    tab.ready()
    page = tab.go("see")
    names = page.get_by_label("Model").locator("option").all_inner_texts()
    page.get_by_label("Model").select_option(label=next(name for name in names if name.startswith("reader")))
    draw_a_one(page)
    page.get_by_role("button", name="Download as JSON").wait_for()
    assert page.locator("table th").first.inner_text() == "1"
    page.get_by_label("Model").select_option(label=next(name for name in names if name.startswith("boxes")))
    page.get_by_role("img", name="Draw a digit here").wait_for(state="detached")


def photograph(turned: bool = False) -> bytes:
    """A JPEG; if `turned`, stored on its side with the EXIF entry that says so."""
    picture = to_picture(photographs()["coffee"].float() / 255).resize((300, 200))
    exif, file = Image.Exif(), io.BytesIO()
    if turned:
        exif[0x0112] = 6
        picture = picture.transpose(Image.Transpose.ROTATE_90)
    picture.save(file, "JPEG", quality=95, exif=exif)
    return file.getvalue()


def test_a_turned_photograph_is_upright(tab: Tab) -> None:
    page = tab.ready()
    page.get_by_text("computed by stacked").wait_for()
    seen = []
    for turned in (False, True):
        file = {"name": "a.jpg", "mimeType": "image/jpeg", "buffer": photograph(turned)}
        page.locator("input[type=file]").first.set_input_files([file])
        page.get_by_text(re.compile(r"^[\d.]+ dB")).wait_for()
        page.wait_for_timeout(800)
        seen.append(tab.pixels("as it is seen"))
    assert np.abs(seen[0] - seen[1]).mean() < 4


@pytest.mark.parametrize("content", [b"", b"<svg xmlns='http://www.w3.org/2000/svg'/>", b"<html>", photograph()[:300]])
def test_what_is_no_picture_is_one_line(server: Server, browser: Any, content: bytes) -> None:
    tab = Tab(browser, server.url)
    tab.ready()
    page = tab.go("style")
    page.locator("input[type=file]").first.set_input_files([{"name": "a", "mimeType": "image/png", "buffer": content}])
    alert = page.get_by_role("alert").first
    alert.wait_for()
    assert "\n" not in alert.inner_text().strip()
    tab.context.close()


def test_a_seed_draws_the_same_and_classes_differ(tab: Tab) -> None:
    tab.ready()
    page = tab.go("draw")
    pictures = []
    for label, seed in (("8", "3"), ("3", "3"), ("8", "4"), ("8", "3")):
        page.get_by_role("group", name="Class").get_by_role("button", name=label, exact=True).click()
        page.get_by_label("Seed", exact=True).fill(seed)
        page.wait_for_timeout(700)
        pictures.append(tab.pixels("Picture of seed"))
    assert np.array_equal(pictures[0], pictures[3])
    assert not np.array_equal(pictures[0], pictures[1])
    assert not np.array_equal(pictures[0], pictures[2])


def test_a_walk_moves_and_ends_with_the_page(tab: Tab) -> None:
    page = tab.ready()
    page.get_by_text("computed by stacked").wait_for()
    plane = page.get_by_role("application").locator("canvas")
    box = plane.bounding_box()
    for name, share in (("Set A", 0.3), ("Set B", 0.7)):
        page.mouse.move(box["x"] + share * box["width"], box["y"] + 0.5 * box["height"])
        page.get_by_role("button", name=name).focus()
        page.keyboard.press("Enter")
    page.evaluate(
        "() => { window.painted = 0; const real = CanvasRenderingContext2D.prototype.putImageData;"
        "CanvasRenderingContext2D.prototype.putImageData = function (...a) {"
        "window.painted++; return real.apply(this, a) } }"
    )
    page.get_by_role("button", name="Walk A → B").click()
    page.wait_for_timeout(3000)
    assert page.evaluate("window.painted") >= 20
    tab.go("train")
    page.get_by_text("New training").wait_for()
    page.wait_for_timeout(300)
    before = page.evaluate("window.painted")
    page.wait_for_timeout(700)
    assert page.evaluate("window.painted") == before


def full_size(page: Any, client: httpx.Client) -> Image.Image:
    """What the page's button makes."""
    page.get_by_role("button", name="Full size").click()
    link = page.get_by_role("link", name="Download")
    link.wait_for()
    content = client.get(link.get_attribute("href"))
    assert content.headers["content-type"] == "image/png"
    picture = Image.open(io.BytesIO(content.content))
    assert "sfumato" in picture.text
    return picture


def slide(page: Any, label: str, value: float) -> None:
    page.get_by_label(label).evaluate(
        "(item, value) => { item.value = value; item.dispatchEvent(new Event('input', { bubbles: true })) }", str(value)
    )


def given_styles(page: Any, count: int) -> list[bytes]:
    """Takes away what lies there, and gives a photograph and paintings."""
    page.get_by_role("button", name="Remove").first.wait_for()
    while page.get_by_role("button", name="Remove").count():
        page.get_by_role("button", name="Remove").first.click()
    noise = np.random.default_rng(0).integers(0, 255, (count, 48, 48, 3), np.uint8)
    files = [photograph()]
    for pixels in noise:
        file = io.BytesIO()
        Image.fromarray(pixels).resize((96, 96)).save(file, "PNG")
        files.append(file.getvalue())
    page.get_by_role("group", name="Photograph").locator("input[type=file]").first.set_input_files(
        [{"name": "a.jpg", "mimeType": "image/jpeg", "buffer": files[0]}]
    )
    page.get_by_role("button", name="Full size (300×200)").wait_for()
    for number, content in enumerate(files[1:], 1):
        page.get_by_role("group", name="Add a painting").locator("input[type=file]").first.set_input_files(
            [{"name": "a.png", "mimeType": "image/png", "buffer": content}]
        )
        page.get_by_role("img", name=f"Painting {number}").wait_for()
    return files


def pictures(files: list[bytes]) -> list[Image.Image]:
    return [Image.open(io.BytesIO(content)) for content in files]


def test_a_style_of_the_page_is_that_of_the_library(tab: Tab, server: Server) -> None:
    tab.ready()
    page, client = tab.go("style"), server.client()
    photo, *styles = pictures(given_styles(page, 2))
    for value in np.linspace(0, 1, 9):
        slide(page, "Strength", value)
        page.wait_for_timeout(60)
    page.get_by_text(re.compile(r"preview \d+ ms")).wait_for()
    slide(page, "Strength", 0.6)
    for fieldset, weight in zip(page.get_by_label("Weight").all(), (0.3, 0.7), strict=True):
        fieldset.evaluate(
            "(item, value) => { item.value = value; item.dispatchEvent(new Event('input', { bubbles: true })) }",
            str(weight),
        )
    made = full_size(page, client)
    owed = sfumato.stylize(photo, styles, alpha=0.6, weights=[0.3, 0.7], device="cpu")
    assert np.abs(np.asarray(made.convert("RGB"), int) - np.asarray(owed, int)).max() <= 1
    slide(page, "Strength", 0)
    nothing = full_size(page, client)
    assert np.array_equal(np.asarray(nothing.convert("RGB")), np.asarray(sfumato.stylize(photo, styles, alpha=0.0)))


def test_a_clip_is_restyled(tab: Tab, server: Server) -> None:
    av = pytest.importorskip("av")
    tab.ready()
    page, client = tab.go("style"), server.client()
    given_styles(page, 1)
    file = io.BytesIO()
    with av.open(file, "w", format="mp4") as container:
        stream = container.add_stream("mpeg4", 10)
        stream.width, stream.height, stream.pix_fmt = 64, 48, "yuv420p"
        for level in range(4):
            frame = av.VideoFrame.from_ndarray(np.full((48, 64, 3), 60 * level, np.uint8))
            container.mux(stream.encode(frame))
        container.mux(stream.encode())
    page.locator("input[accept='video/*']").set_input_files(
        [{"name": "a.mp4", "mimeType": "video/mp4", "buffer": file.getvalue()}]
    )
    link = page.get_by_role("link", name="Download")
    link.wait_for()
    made = client.get(link.get_attribute("href"))
    assert made.headers["content-type"] == "video/mp4"
    with av.open(io.BytesIO(made.content)) as container:
        assert sum(1 for _ in container.decode(video=0)) == 4


def test_masks_are_painted_by_finger(server: Server, browser: Any) -> None:
    tab = Tab(browser, server.url, has_touch=True, viewport={"width": 360, "height": 740})
    tab.ready()
    page, client = tab.go("style"), server.client()
    photo, _ = pictures(given_styles(page, 1))
    page.get_by_label("Paint where each style goes").check()
    canvas = page.get_by_role("img", name="Paint where Painting 1 goes").locator("canvas")
    canvas.scroll_into_view_if_needed()
    page.wait_for_timeout(300)
    top, box = page.evaluate("scrollY"), canvas.bounding_box()
    touch = page.context.new_cdp_session(page)
    for kind, share in (("touchStart", 0.2), ("touchMove", 0.4), ("touchMove", 0.6), ("touchEnd", None)):
        points = [] if share is None else [{"x": box["x"] + share * box["width"], "y": box["y"] + 0.5 * box["height"]}]
        touch.send("Input.dispatchTouchEvent", {"type": kind, "touchPoints": points})
    page.wait_for_timeout(500)
    assert page.evaluate("scrollY") == top  # painting does not pan
    made = np.asarray(full_size(page, client).convert("RGB"), int)
    plain = np.asarray(photo, int)
    changed = np.abs(made - plain).max(2) > 8
    assert changed[90:110, 80:160].mean() > 0.5
    assert changed[:20].mean() < 0.02
    tab.context.close()


def test_a_giant_can_be_cancelled_while_the_plane_answers(tab: Tab, server: Server) -> None:
    tab.ready()
    page, client = tab.go("style"), server.client()
    given_styles(page, 1)
    file = io.BytesIO()
    Image.open(io.BytesIO(photograph())).resize((6000, 4000)).save(file, "JPEG", quality=80)
    page.get_by_role("group", name="Photograph").locator("input[type=file]").first.set_input_files(
        [{"name": "a.jpg", "mimeType": "image/jpeg", "buffer": file.getvalue()}]
    )
    page.get_by_role("button", name="Full size (6000×4000)").click()
    page.get_by_role("button", name="Cancel").wait_for()
    page.wait_for_timeout(1500)
    page.get_by_role("button", name="Cancel").click()
    page.get_by_text("Cancelled.").wait_for()
    tab.go("plane")
    page.get_by_text("computed by stacked").wait_for()
    assert client.get("/api/state").json()["ready"] == "ready"


def test_names_and_boxes_are_those_of_predict(tab: Tab, server: Server) -> None:
    tab.ready()
    page = tab.go("see")
    for name in ("names", "boxes"):
        run = sfumato.open(server.runs / name, "cpu")
        page.get_by_label("Model").select_option(label=next(
            text for text in page.get_by_label("Model").locator("option").all_inner_texts() if text.startswith(name)
        ))  # fmt: skip
        page.locator("input[type=file]").first.set_input_files(
            [{"name": "a.jpg", "mimeType": "image/jpeg", "buffer": photograph()}]
        )
        page.get_by_role("button", name="Download as JSON").wait_for()
        page.wait_for_timeout(1500)
        seen = run.predict(Image.open(io.BytesIO(photograph())), score=0.1)
        if name == "names":
            best = seen.values["classes"][0]
            assert f"{100 * best['probability']:.1f} %" in page.inner_text("table")
        else:
            page.get_by_label("Sure of a box from").evaluate(
                "item => { item.value = 0.1; item.dispatchEvent(new Event('input', { bubbles: true })) }"
            )
            rects = page.locator("svg rect").count()
            assert rects == len([one for one in seen.values["objects"] if one["score"] >= 0.1])


def test_a_picture_is_translated_and_brought_back(tab: Tab) -> None:
    tab.ready()
    page = tab.go("translate")
    page.get_by_label("Model").wait_for()
    page.locator("input[type=file]").first.set_input_files(
        [{"name": "a.jpg", "mimeType": "image/jpeg", "buffer": photograph()}]
    )
    page.get_by_role("img", name="and back again").wait_for()
    sizes = page.evaluate("[...document.querySelectorAll('figure img')].map(i => [i.naturalWidth, i.naturalHeight])")
    page.wait_for_timeout(500)
    assert sizes == [[300, 200], [300, 200]]


def begin(page: Any, name: str, images: int, **fields: str) -> None:
    """A training from the form."""
    page.get_by_role("combobox", name="System").select_option("stacked")
    page.get_by_label("images", exact=True).wait_for()
    page.get_by_label("Name", exact=True).fill(name)
    page.get_by_label("images", exact=True).fill(str(images))
    for field, value in fields.items():
        page.get_by_label(field, exact=True).fill(value)
    page.get_by_role("button", name="Start").click()


def state_of(client: httpx.Client, name: str) -> str:
    return next((run["state"] for run in client.get("/api/runs").json() if run["name"] == name), "")


def until(client: httpx.Client, name: str, *states: str) -> str:
    for _ in range(1200):
        if (state := state_of(client, name)) in states:
            return state
        time.sleep(0.1)
    raise AssertionError(f"{name} is {state}")


def test_a_training_runs_from_the_form_to_its_report(tab: Tab, server: Server) -> None:
    tab.ready()
    page, client = tab.go("train/new"), server.client()
    begin(page, "whole", 20_000)
    page.get_by_role("heading", name=re.compile("whole · stacked")).wait_for()
    until(client, "whole", "finished")
    page.get_by_role("heading", name=re.compile("finished")).wait_for()
    assert len((server.runs / "whole" / "metrics.jsonl").read_text().splitlines()) >= 10
    page.get_by_role("heading", name="Measured at the end").wait_for()
    assert page.locator("img.samples").evaluate("i => i.naturalWidth") > 0
    with page.context.expect_page() as opened:
        page.get_by_role("link", name="Report").click()
    report = opened.value
    report.wait_for_load_state()
    assert report.evaluate("origin") == "null"  # sandboxed
    assert "stacked" in report.inner_text("body")
    report.close()


def test_a_bad_value_is_said_beside_its_field(server: Server, browser: Any) -> None:
    tab = Tab(browser, server.url)
    tab.ready()
    page = tab.go("train/new")
    begin(page, "never", 1000, bottleneck="-1")
    field = page.locator(".field", has=page.get_by_label("bottleneck", exact=True))
    field.get_by_role("alert").wait_for()
    assert "bottleneck -1: must lie between 1 and 8,192" in field.inner_text()
    assert not (server.runs / "never").exists()
    tab.context.close()


def test_what_is_stopped_goes_on_bitwise(tab: Tab, server: Server) -> None:
    tab.ready()
    page, client = tab.go("train/new"), server.client()
    begin(page, "stopped", 150_000)
    until(client, "stopped", "running")
    page.wait_for_timeout(2500)
    page.get_by_role("button", name="Stop").click()
    assert until(client, "stopped", "stopped", "finished") == "stopped"
    page.get_by_role("button", name="Go on").click()
    until(client, "stopped", "finished")
    rows = [json.loads(line)["images"] for line in (server.runs / "stopped" / "metrics.jsonl").read_text().splitlines()]
    assert rows == sorted(set(rows))
    config = json.loads((server.runs / "stopped" / "config.json").read_text())
    whole = server.runs.parent / "whole"
    sfumato.train("stacked:digits", run=whole, images=150_000, precision=config["precision"], device="cpu",
                  threads=config["threads"], evaluate=False)  # fmt: skip
    digests = {hashlib.sha256(max((run / "checkpoints").glob("[0-9]*.safetensors")).read_bytes()).hexdigest()
               for run in (whole, server.runs / "stopped")}  # fmt: skip
    assert len(digests) == 1


def test_a_training_outlives_the_studio_and_is_found_again(place: Path, browser: Any) -> None:
    server = Server(place / "again")
    client = server.client()
    try:
        until_ready(client)
        made = client.post(
            "/api/runs",
            json={"system": "stacked", "preset": "digits", "name": "long", "data": [], "fields": {"images": 3_000_000}},
        )
        assert made.status_code == 201
        until(client, "long", "running")
        server.stop(signal.SIGKILL)
        server.start()
        client = server.client()
        until(client, "long", "running")
        assert client.delete(f"/api/runs/{made.json()['id']}").status_code == 422
        tab = Tab(browser, server.url)
        tab.ready()
        page = tab.go(f"train/{made.json()['id']}")
        page.get_by_role("button", name="Stop").click()
        page.get_by_role("heading", name=re.compile("stopped")).wait_for()
        page.get_by_role("button", name="Delete").click()
        page.get_by_role("button", name="Delete it").click()
        page.get_by_role("button", name="Undo").wait_for()
        assert not (server.runs / "long").exists()
        page.get_by_role("button", name="Undo").click()
        page.get_by_role("link", name="long").wait_for()
        assert (server.runs / "long" / "config.json").is_file()
        tab.context.close()
    finally:
        server.stop()


def until_ready(client: httpx.Client) -> None:
    for _ in range(600):
        if client.get("/api/state").json()["ready"] == "ready":
            return
        time.sleep(0.1)


def test_ctrl_c_ends_the_children_and_names_the_trainings(place: Path) -> None:
    server = Server(place / "ending")
    client = server.client()
    until_ready(client)
    client.post(
        "/api/runs",
        json={"system": "stacked", "preset": "digits", "name": "on", "data": [], "fields": {"images": 3_000_000}},
    )
    until(client, "on", "running")
    children = Path(f"/proc/{server.process.pid}/task/{server.process.pid}/children").read_text().split()
    server.stop(signal.SIGINT)
    said = server.log.read_text()
    assert "on goes on; to stop it: kill " in said
    training = said.rpartition("kill ")[2].strip()
    for child in children:
        command = Path(f"/proc/{child}/cmdline")
        assert child == training or not command.exists() or not command.read_bytes()
    os.kill(int(training), signal.SIGTERM)


def test_names_that_are_scripts_are_text(place: Path, browser: Any) -> None:
    name = "<img src=x onerror=alert(1)>"
    runs = place / "scripts"
    sfumato.train("stacked", run=runs / name, images=64, evaluate=False)
    server = Server(runs)
    try:
        tab = Tab(browser, server.url)
        said = list[str]()
        tab.page.on("dialog", lambda dialog: (said.append(dialog.message), dialog.dismiss()))
        tab.ready()
        tab.go("train")
        tab.page.get_by_role("link", name=name).click()
        tab.page.get_by_role("heading", name=re.compile("img src")).wait_for()
        assert said == tab.faults == []
        tab.context.close()
    finally:
        server.stop()


@pytest.mark.parametrize("language", ["en-US", "zh-CN"])
@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [1280, 360])
def test_every_page_can_be_used_by_everybody(
    server: Server, browser: Any, language: str, scheme: str, width: int
) -> None:
    tab = Tab(
        browser,
        server.url,
        locale=language,
        color_scheme=scheme,
        has_touch=width < 500,
        viewport={"width": width, "height": 740},
    )
    tab.ready()
    assert tab.page.evaluate("document.documentElement.lang") == ("zh-Hans" if language == "zh-CN" else "en")
    for place in PAGES:
        page = tab.go(place)
        page.wait_for_timeout(900)
        assert page.evaluate("document.documentElement.scrollWidth") <= width, place
        if AXE.is_file():
            page.evaluate(AXE.read_text())
            found = page.evaluate("async () => (await axe.run()).violations.map(v => `${v.id}: ${v.nodes[0].html}`)")
            assert found == [], place
        if width < 500:
            small = page.evaluate(
                "[...document.querySelectorAll('button, select, input, a.button')]"
                ".filter(e => e.offsetParent && !e.matches('[type=checkbox], [type=radio], .unseen'))"
                ".filter(e => e.getBoundingClientRect().height < 43.5).map(e => e.outerHTML.slice(0, 90))"
            )
            assert small == [], place
    assert tab.faults == []
    tab.context.close()


def test_the_keyboard_reaches_everything_and_closes_dialogs(tab: Tab, server: Server) -> None:
    tab.ready()
    page = tab.go("draw")
    page.get_by_label("Seed", exact=True).wait_for()
    page.evaluate("document.activeElement.blur()")
    reached = set()
    for _ in range(80):
        page.keyboard.press("Tab")
        reached.add(page.evaluate("document.activeElement.outerHTML.slice(0, 200)"))
    controls = page.evaluate(
        "[...document.querySelectorAll('main button, main select, main input, nav a')]"
        ".filter(e => e.offsetParent && !e.disabled && e.tabIndex >= 0).map(e => e.outerHTML.slice(0, 200))"
    )
    assert set(controls) <= reached
    found = next(run for run in server.client().get("/api/runs").json() if run["name"] == "names")
    tab.go(f"train/{found['id']}")
    page.get_by_role("button", name="Delete").click()
    page.keyboard.press("Escape")
    page.wait_for_timeout(200)
    assert not page.get_by_role("button", name="Delete it").is_visible()


def test_a_reload_leads_to_the_same_place_and_pages_keep_what_lies_there(tab: Tab, server: Server) -> None:
    tab.ready()
    page = tab.go("style")
    given_styles(page, 1)
    tab.go("game")
    page.wait_for_timeout(300)
    tab.go("style")
    page.get_by_role("img", name="Painting 1").wait_for()
    found = next(run for run in server.client().get("/api/runs").json() if run["name"] == "names")
    tab.go(f"train/{found['id']}")
    page.wait_for_timeout(300)
    page.reload()
    page.get_by_role("heading", name=re.compile("names · finetune")).wait_for()


def test_a_link_within_a_page_leads_to_its_run_and_back(tab: Tab, server: Server) -> None:
    tab.ready()
    names = {run["name"]: run["id"] for run in server.client().get("/api/runs").json()}
    for name in ("names", "boxes"):
        page = tab.go(f"see/{names[name]}")
        tab.wait(f"document.querySelector('select')?.value === '{names[name]}'")
    page.get_by_label("Model").select_option(value=names["names"])
    tab.wait(f"location.hash === '#/see/{names['names']}'")
    tab.go(f"see/{names['boxes']}")
    tab.wait(f"document.querySelector('select').value === '{names['boxes']}'")


def test_two_pages_are_live_at_once_and_the_ninth_is_refused(server: Server, browser: Any) -> None:
    tabs = [Tab(browser, server.url) for _ in range(8)]
    for tab in tabs[:2]:
        tab.ready()
        tab.page.get_by_text("computed by stacked").wait_for()
    for tab in tabs[2:]:
        tab.page.wait_for_timeout(400)
    ninth = Tab(browser, server.url)
    ninth.page.get_by_text("8 pages are open already").wait_for()
    for tab in (*tabs, ninth):
        tab.context.close()


@pytest.mark.parametrize(("preset", "low", "high"), [("collapse", 0, 3), ("balanced", 7, 8)])
def test_the_game_collapses_and_balances(tab: Tab, preset: str, low: int, high: int) -> None:
    page = tab.go(f"game/{preset}")
    page.get_by_role("button", name="500 steps").wait_for()
    page.get_by_role("button", name="Begin anew").click()
    if page.get_by_role("button", name="Pause").count():
        page.get_by_role("button", name="Pause").click()
        page.get_by_role("button", name="Begin anew").click()
    for step in range(1, 5):
        page.get_by_role("button", name="500 steps").click()
        page.get_by_role("row", name=f"Step {500 * step}", exact=True).wait_for()
    found = re.search(r"Modes hit\s+(\d) of 8", page.inner_text("main"))
    assert found
    assert low <= int(found[1]) <= high


def test_the_page_is_small() -> None:
    import gzip

    folder = Path(sfumato.__file__).parent / "studio" / "static"
    start = [(folder / name).read_bytes() for name in ("index.html", "studio.js", "studio.css")]
    assert sum(map(len, start)) <= 250_000
    assert sum(len(gzip.compress(content)) for content in start) <= 80_000
