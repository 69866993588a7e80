"""`python -m tests.studio.soak --minutes 60`: a studio that is used for long: pictures moved, pages opened and closed,
trainings begun, stopped, killed, resumed, deleted and brought back, children killed. No process, file handle or
megabyte is left over."""

import argparse
import json
import os
import random
import signal
import sys
import tempfile
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from sfumato.studio.shelf import id_of

from .started import Server, started, until
from .test_uploads import jpeg, png

DRIFT = 50.0  # MB
SETTLED = 0.2  # of the time, after which memory should stay as it is
FIELDS = {"images": 100_000_000, "widths": [8], "batch_size": 16}


@dataclass
class Soak:
    """What is done, by a seed, and how often."""

    server: Server
    chance: random.Random = field(default_factory=lambda: random.Random(0))
    done: dict[str, int] = field(default_factory=dict)
    runs: list[str] = field(default_factory=list)
    megabytes: list[float] = field(default_factory=list)

    def count(self, name: str) -> None:
        self.done[name] = self.done.get(name, 0) + 1

    def moves(self) -> None:
        """A page is opened, moved over and closed, often before its last answer."""
        given = json.loads(self.server.ask("POST", "/api/pictures", jpeg(64, 48))[2])["id"]
        style = json.loads(self.server.ask("POST", "/api/pictures", png(64, 64))[2])["id"]
        with self.server.live() as page:
            page.send(json.dumps({"watch": [id_of(name) for name in self.runs]}))
            for number in range(100):
                page.send(json.dumps(self._move(number, given, style)))
                if number % 10 == 0:
                    page.recv(60)
            self.count("pages")

    def _move(self, number: int, given: str, style: str) -> dict[str, Any]:
        x, y = self.chance.uniform(-9, 9), self.chance.uniform(-9, 9)
        return [
            {"canvas": "plane", "do": "decode", "run": "shipped-plane", "x": x, "y": y},
            {"canvas": "draw", "do": "draw", "run": "shipped-digits", "seed": number, "around": number % 4},
            {"canvas": "code", "do": "encode", "run": "shipped-plane", "name": given},
            {"canvas": "odd", "do": "decode", "run": "shipped-plane", "x": []},
            {"canvas": "style", "do": "preview", "content": given, "styles": [style], "options": {"style_size": 64}},
        ][number % 5]

    def works(self) -> None:
        """A picture is made, or given up."""
        given = json.loads(self.server.ask("POST", "/api/pictures", jpeg(96, 96))[2])["id"]
        work = {"do": "stylize", "content": given, "styles": [given], "options": {"style_size": 64}}
        status, said = self.server.post("/api/work", work)
        if status == 202 and self.chance.random() < 0.5:
            self.server.ask("DELETE", f"/api/work/{said['id']}")
        self.count("works")
        self.server.ask("POST", "/api/pictures", bytes(33 * 2**20))
        self.server.ask("POST", "/api/pictures", png(9000, 9000))

    def trains(self) -> None:
        """A training is begun, ended in one way or another, resumed, ended, deleted, sometimes brought back."""
        name = f"run-{len(self.runs)}"
        form = {"system": "stacked", "preset": "digits", "name": name, "data": ["digits"], "fields": FIELDS}
        if self.server.post("/api/runs", form)[0] != 201:
            return
        self.runs.append(name)
        place = f"/api/runs/{id_of(name)}"
        until(lambda: self.server.rows().get(name, {}).get("state") == "running", f"{name} running")
        assert self.server.ask("DELETE", place)[0] == 422
        self.server.post(f"{place}/{self.chance.choice(['stop', 'kill'])}")
        until(self.server.stands(name, "stopped", "failed"), f"{name} stopped")
        self.server.post(f"{place}/resume", {})
        until(self.server.stands(name, "running", "failed"), f"{name} resumed")
        self.server.post(f"{place}/kill")
        until(self.server.stands(name, "stopped", "failed"), f"{name} killed")
        assert self.server.ask("DELETE", place)[0] == 200
        if self.chance.random() < 0.5:
            assert self.server.post(f"{place}/restore")[0] == 200
            until(lambda: name in self.server.rows(), f"{name} brought back")
            assert self.server.ask("DELETE", place)[0] == 200
        until(lambda: name not in self.server.rows(), f"{name} gone")
        self.count("trainings")

    def kills(self) -> None:
        """A child dies; the next move brings up another."""
        for pid in self.server.family()[1:]:
            if b"sfumato.studio.child" in Path(f"/proc/{pid}/cmdline").read_bytes():
                os.kill(pid, signal.SIGKILL)
                break
        self.settle()
        self.count("children killed")

    def settle(self) -> None:
        """Waits until both children are there and nothing is under way."""
        until(self._answers, "both children")

    def _answers(self) -> bool:
        with self.server.live() as page:
            page.send(json.dumps({"canvas": "a", "do": "decode", "run": "shipped-plane", "x": 0, "y": 0}))
            while isinstance(said := page.recv(120), str) and json.loads(said).get("canvas") != "a":
                pass
            return not isinstance(said, str) and self.server.ask("GET", "/api/examples")[0] == 200


def soak(minutes: float) -> tuple[str, list[str]]:
    """What was done and measured, and what is wrong."""
    with tempfile.TemporaryDirectory() as folder, started(Path(folder) / "runs") as server:
        server.ready()
        whole = Soak(server)
        whole.moves()
        whole.works()
        whole.settle()
        until(lambda: server.handles() < 30, "quiet")
        processes, handles = len(server.family()), server.handles()
        began, last = time.monotonic(), 0.0
        while (spent := (time.monotonic() - began) / 60) < minutes:
            whole.trains()
            for _ in range(5):
                whole.moves()
            whole.works()
            if spent - last > min(2.0, minutes / 2):
                whole.kills()
                last = spent
            whole.megabytes.append(server.megabytes())
        whole.settle()
        until(lambda: server.handles() <= handles, "the end of its sockets", 60)
        whole.megabytes.append(server.megabytes())
        ends = len(server.family()), server.handles()
        said = server.said.read_text()
    drift = whole.megabytes[-1] - whole.megabytes[int(SETTLED * len(whole.megabytes))]
    faults = [f"memory grew by {drift:.1f} MB"] * (drift > DRIFT)
    faults += [f"{ends[0]} processes, {processes} at the start"] * (ends[0] != processes)
    faults += [f"{ends[1]} handles, {handles} at the start"] * (ends[1] > handles)
    faults += ["a traceback in the terminal"] * ("Traceback" in said)
    done = ", ".join(f"{count} {name}" for name, count in whole.done.items())
    memory = f"memory {whole.megabytes[0]:.0f} to {whole.megabytes[-1]:.0f} MB, drift {drift:+.1f}"
    return f"{spent:.1f} minutes: {done}; {memory}; {ends[0]} processes, {ends[1]} handles", faults


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description="Uses a studio for long.")
    parser.add_argument("--minutes", type=float, default=60.0)
    line, wrong = soak(parser.parse_args().minutes)
    print(line, *wrong, sep="\n")
    sys.exit(bool(wrong))
