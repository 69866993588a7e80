"""How soon the studio answers: `python -m benchmarks.studio`, with Chromium and the extras `studio` and `browser`.

Measured in the page, in a closed loop: from before a move is sent to after its picture stands on the canvas; 28×28 by
the shipped plane, 64×64 and 256×256 by untrained autoencoders of one hidden layer. Then how many previews a second a
slider of strength gets at 256 pixels, and the seconds from the command to the address, to the first picture, and to the
child that computes; those of the first training, from the click to its first row and to its end.
"""

import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import sfumato
from sfumato.engine.runtime import hardware

MOVES, TIMES = 300, 3
LOOP = """async ([run, low, high, count]) => {
  const canvas = document.createElement('canvas'), context = canvas.getContext('2d')
  const socket = new WebSocket(`ws://${location.host}/live`); socket.binaryType = 'arraybuffer'
  await new Promise(done => { socket.onopen = done })
  const ask = message => new Promise((done, fail) => {
    socket.onmessage = ({ data }) => {
      if (typeof data === 'string') { const said = JSON.parse(data); if (said.canvas) fail(Error(said.fault)); return }
      const length = new DataView(data).getUint32(0, true)
      done([JSON.parse(new TextDecoder().decode(new Uint8Array(data, 4, length))), new Uint8Array(data, 4 + length)])
    }
    socket.send(JSON.stringify({ canvas: 'bench', ...message }))
  })
  const paint = async (head, bytes) => {
    canvas.width = head.width; canvas.height = head.height
    if (head.format === 'jpeg') {
      const bitmap = await createImageBitmap(new Blob([bytes], { type: 'image/jpeg' }))
      context.drawImage(bitmap, 0, 0); bitmap.close(); return
    }
    const image = context.createImageData(head.width, head.height), step = head.format === 'grey' ? 1 : 3
    for (let i = 0, j = 0; j < image.data.length; i += step, j += 4) {
      image.data[j] = bytes[i]; image.data[j + 1] = bytes[i + (step > 1)]; image.data[j + 2] = bytes[i + 2 * (step > 1)]
      image.data[j + 3] = 255
    }
    context.putImageData(image, 0, 0)
  }
  const taken = []
  for (let move = 0; move < count; move++) {
    const share = move / count, began = performance.now()
    const x = low + share * (high - low), y = high - share * (high - low)
    const [head, bytes] = await ask({ do: 'decode', run, x, y })
    await paint(head, bytes)
    taken.push(performance.now() - began)
  }
  socket.close()
  taken.sort((a, b) => a - b)
  return [taken[count >> 1], taken[Math.floor(0.95 * count)]]
}"""
PREVIEWS = """async ([photo, painting]) => {
  const give = async name => (await (await fetch('/api/examples', { method: 'POST', headers: { 'X-Sfumato': '1' },
    body: JSON.stringify({ name }) })).json()).id
  const content = await give(photo), style = await give(painting)
  const socket = new WebSocket(`ws://${location.host}/live`); socket.binaryType = 'arraybuffer'
  await new Promise(done => { socket.onopen = done })
  let count = 0, began = 0
  return await new Promise((done, fail) => {
    const ask = () => socket.send(JSON.stringify({ canvas: 'bench', do: 'preview', content, styles: [style],
      options: { alpha: (count % 20) / 20 + 0.04, style_size: 256 } }))
    socket.onmessage = ({ data }) => {
      if (typeof data === 'string') { const said = JSON.parse(data); if (said.canvas) fail(Error(said.fault)); return }
      if (count++ === 0) began = performance.now()
      const seconds = (performance.now() - began) / 1000
      if (seconds > 4) { socket.close(); done((count - 1) / seconds) } else ask()
    }
    ask()
  })
}"""


def _train(page: Any, log: Path) -> dict[str, float]:
    """Seconds from the click on "Train the first", as a newcomer's page has it, to its first row and to its end."""
    began, found = time.perf_counter(), {}
    page.evaluate("""fetch('/api/runs', { method: 'POST', headers: { 'X-Sfumato': '1' }, body: JSON.stringify(
      { system: 'stacked', preset: 'digits', name: 'first', data: [], fields: { images: 60000 } }) })""")
    for name, done in (("first_row_s", log.is_file), ("end_s", (log.parent / "report.html").is_file)):
        while not done():
            time.sleep(0.05)
        found[name] = round(time.perf_counter() - began, 1)
    return found


def measure(place: Path) -> dict[str, Any]:
    from playwright.sync_api import sync_playwright

    runs, small = place / "runs", {"images": 64, "batch_size": 32, "precision": "fp32", "evaluate": False}
    for side, width in ((64, 500), (256, 64)):
        shape: dict[str, Any] = {"resolution": side, "channels": 3, "widths": (width,)}
        sfumato.train("stacked", run=runs / f"side-{side}", data="patches", device="cpu", **shape, **small)
    command = [sys.executable, "-m", "sfumato", "studio", "--no-open", "--port", "0", "--runs", str(runs)]
    began, log = time.perf_counter(), place / "log"
    with log.open("wb") as file:
        server = subprocess.Popen(
            command, stdout=file, stderr=subprocess.STDOUT, env={**os.environ, "OMP_NUM_THREADS": "1"}
        )
    found: dict[str, Any] = {"hardware": hardware(), "load": os.getloadavg()[0], "moves": MOVES}
    try:
        while "#token=" not in log.read_text():
            time.sleep(0.01)
        found["address_s"] = round(time.perf_counter() - began, 2)
        with sync_playwright() as started:
            browser = started.chromium.launch(executable_path=shutil.which("chromium"), args=["--no-sandbox"])
            page = browser.new_page()
            page.goto(log.read_text().split()[0])
            for name, there in (
                ("first_picture_s", "/[\\d.]+ ms/.test(document.body.innerText)"),
                ("child_ready_s", "fetch('/api/state').then(got => got.json()).then(said => said.ready === 'ready')"),
            ):
                while not page.evaluate(there):
                    time.sleep(0.02)
                found[name] = round(page.evaluate("performance.now()") / 1000, 2)
            listed = {run["name"]: run["id"] for run in page.evaluate("async () => (await fetch('/api/runs')).json()")}
            for side, name in ((28, "plane"), (64, "side-64"), (256, "side-256")):
                tries = [page.evaluate(LOOP, [listed[name], -2, 2, MOVES]) for _ in range(TIMES)]
                best = min(tries)
                found[f"{side}x{side}"] = {"median_ms": round(best[0], 2), "p95_ms": round(best[1], 2)}
            found["previews_per_s"] = round(page.evaluate(PREVIEWS, ["coffee", "strokes-1"]), 1)
            found["first_training"] = _train(page, runs / "first" / "metrics.jsonl")
            browser.close()
    finally:
        server.terminate()
        server.wait()
    files = Path(sfumato.__file__).parent / "studio" / "static"
    found["bytes"] = {path.name: path.stat().st_size for path in sorted(files.iterdir())}
    return found


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as folder:
        print(re.sub(r"\n +([\"}])", r" \1", json.dumps(measure(Path(folder)), indent=1)))
