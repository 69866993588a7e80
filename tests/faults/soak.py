"""A long run, stopped and resumed again and again in one process: its memory stays, its rows are whole and bounded."""

import json
import os
import signal
import tempfile
import time
from pathlib import Path

import torch

import sfumato
from sfumato.runs.stopping import Stopped
from sfumato.runs.training import ROWS

from ..test_conformance import cases
from .kills import toy_of

BATCH = 8
LONG, QUICK = (100_000, 50), (400, 3)  # steps, stops
DRIFT = 20.0  # MB
SETTLED = 0.2  # of the stops, after which memory should stay as it is


def soak(long: bool) -> tuple[str, list[str]]:
    """Stopped by SIGTERM at even distances."""
    torch.set_num_threads(1)
    steps, stops = LONG if long else QUICK
    case = next(case for case in cases().values() if case.entry.name == "stacked")
    data, total = toy_of(case), steps * BATCH
    every = total // (stops + 1)
    fields = {"widths": (8,), "batch_size": BATCH, "images": total, "precision": "fp32"}
    grown, began = list[float](), time.monotonic()
    with tempfile.TemporaryDirectory() as folder:
        run = Path(folder) / "run"

        def stop(images: int) -> None:
            if images < total and images % every < BATCH:
                os.kill(os.getpid(), signal.SIGTERM)

        for _ in range(stops + 2):
            try:
                if run.exists():
                    sfumato.resume(run, opened=data, evaluate=False, watch=stop)
                else:
                    sfumato.train("stacked", run=run, opened=data, evaluate=False, watch=stop, device="cpu", **fields)
                break
            except Stopped:
                grown.append(_megabytes())
        rows = [json.loads(line)["images"] for line in (run / "metrics.jsonl").read_text("utf-8").splitlines()]
        state = json.loads((run / "state.json").read_text("utf-8"))
    drift = grown[-1] - grown[int(SETTLED * len(grown))]
    faults = [f"memory grew by {drift:.1f} MB"] * (drift > DRIFT) + [f"{len(rows)} rows"] * (len(rows) > ROWS + 1)
    faults += ["rows are missing or twice"] * (rows != sorted(set(rows)) or rows[-1] != total)
    faults += [f"ended after {state['images']} images"] * (state["images"] != total)
    faults += [f"stopped {len(grown)} times"] * (len(grown) < stops)
    seconds = time.monotonic() - began
    return f"{steps:,} steps, {len(grown)} stops, {len(rows)} rows, memory {drift:+.1f} MB, {seconds:.0f} s", faults


def _megabytes() -> float:
    """Resident memory of this process."""
    pages = int(Path("/proc/self/statm").read_text("utf-8").split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE") / 1e6
