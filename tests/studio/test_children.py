"""A child that dies, hangs or answers with a fault: its asker gets a line, others their answers, and it is replaced."""

import asyncio
import os
import signal
import sys
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest

from sfumato.errors import SfumatoError
from sfumato.studio import children
from sfumato.studio.children import RESTARTS, Child, Gone

LIMIT = 60.0
Work = Callable[[Child], Awaitable[None]]


def faked(monkeypatch: pytest.MonkeyPatch, *more: str) -> list[str]:
    """Children are those of fake.py. The kinds that were started."""
    started, start = list[str](), asyncio.create_subprocess_exec

    async def fake(python: str, _m: str, module: str, kind: str, **about: Any) -> asyncio.subprocess.Process:
        assert (python, module) == (sys.executable, "sfumato.studio.child")
        started.append(kind)
        about["env"]["PYTHONPATH"] = os.pathsep.join([str(Path(__file__).parents[2]), *sys.path])
        return await start(python, "-m", "tests.studio.fake", kind, *more, **about)

    monkeypatch.setattr(asyncio, "create_subprocess_exec", fake)
    return started


def run(work: Work, child: Child | None = None) -> None:
    async def whole() -> None:
        asked = child or Child("moves")
        try:
            await asyncio.wait_for(work(asked), 120)
        finally:
            await asked.end()

    asyncio.run(whole())


def test_it_answers_with_what_it_made_a_fault_or_a_bug(
    monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    started = faked(monkeypatch)

    async def work(child: Child) -> None:
        async def fault(**message: Any) -> str:
            with pytest.raises(SfumatoError) as said:
                await child.ask(message, LIMIT)
            assert "\n" not in str(said.value)
            return str(said.value)

        assert child.state == "starting"
        assert (await child.ask({"do": "echo", "value": [1, "眼"], "bytes": b"\x00"}, LIMIT))["value"] == [1, "眼"]
        assert child.state == "ready"
        assert await child.ask({"do": "typed", "count": 3, "pairs": [["a", 1]]}, LIMIT) == "3 [('a', 1.0)]"
        assert await fault(do="typed") == "typed: missing entries: count"
        assert await fault(do="typed", count=1, path="/etc") == "typed: unknown entries: path"
        assert await fault(do="typed", count=True) == "typed: count: expected int, got bool"
        assert await fault(do="typed", count=4) == "typed: count: expected int <= 3"
        assert await fault(do="typed", count=1, pairs=[["a"]]) == "typed: pairs[0]: expected array of length 2, got 1"
        assert await fault(do="refuse", line="a\nb\u202e") == "a\\nb\\u202e"
        assert await child.ask({"do": "typed", "count": 0, "id": 7}, LIMIT) == "0 ()"  # its own id
        assert await fault(do="typed", count=1, cancel=1) == "typed: unknown entries: cancel"
        assert await fault(do="bug") == "a bug of ours: ZeroDivisionError: of ours"
        assert "memory" in await fault(do="full")
        assert "cannot be passed on" in await fault(do="echo", value=2**70)
        assert await child.ask({"do": "noise"}, LIMIT) == {}
        assert child.deaths == 0
        assert not child.waiting

    run(work)
    assert started == ["moves"]
    assert "a line that nobody asked for" in capfd.readouterr().err


def test_one_that_dies_is_replaced_and_all_who_wait_are_told(
    monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    started = faked(monkeypatch)

    async def work(child: Child) -> None:
        first = (await child.ask({"do": "echo"}, LIMIT))["pid"]
        asks = [child.ask({"do": do}, LIMIT) for do in ("die", "echo", "echo")]
        for said in await asyncio.gather(*asks, return_exceptions=True):
            assert isinstance(said, Gone)
            assert "started anew" in str(said)
        second = (await child.ask({"do": "echo"}, LIMIT))["pid"]
        os.kill(second, signal.SIGKILL)
        for _ in range(3):  # the first may still be told that the pipe is broken
            try:
                third = (await child.ask({"do": "echo"}, LIMIT))["pid"]
                break
            except Gone:
                await asyncio.sleep(0.1)
        assert len({first, second, third}) == 3
        assert not child.waiting

    run(work)
    assert len(started) == 3
    said = capfd.readouterr().err
    assert "moves ended with 3 and is started anew" in said
    assert "moves ended with -9 and is started anew" in said


def test_one_that_hangs_is_ended_at_its_limit(
    monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    faked(monkeypatch)

    async def work(child: Child) -> None:
        await child.start()
        with pytest.raises(Gone, match="did not answer for 1 seconds"):
            await child.ask({"do": "sleep", "seconds": 600.0}, 1.0)
        await asyncio.sleep(0.2)
        assert (await child.ask({"do": "echo", "value": 1}, LIMIT))["value"] == 1

    run(work)
    assert "did not answer for 1 seconds and is started anew" in capfd.readouterr().err


@pytest.mark.slow
def test_who_waits_behind_others_waits_for_as_long_as_something_goes_on(monkeypatch: pytest.MonkeyPatch) -> None:
    """The limit is of silence: neither a long work with progress nor what waits behind it is ended."""
    started = faked(monkeypatch)

    async def work(child: Child) -> None:
        await child.start()
        seen: list[tuple[int, int]] = []
        long = child.ask({"do": "steps", "count": 80, "pause": 0.1}, 6.0, lambda *step: seen.append(step))
        made = await asyncio.gather(long, *(child.ask({"do": "echo", "value": n}, 6.0) for n in range(3)))
        assert made[0] == {"steps": 80}
        assert [row["value"] for row in made[1:]] == [0, 1, 2]
        assert seen == [(0, 0), *((step, 80) for step in range(1, 81))]

    run(work)
    assert started == ["moves"]


def test_what_is_cancelled_ends_at_its_next_step(monkeypatch: pytest.MonkeyPatch) -> None:
    started = faked(monkeypatch)

    async def work(child: Child) -> None:
        begun = asyncio.Event()
        long = asyncio.create_task(child.ask({"do": "steps", "count": 10**6}, LIMIT, lambda *_: begun.set()))
        await begun.wait()
        long.cancel()
        with pytest.raises(asyncio.CancelledError):
            await long
        assert await child.ask({"do": "steps", "count": 1}, LIMIT) == {"steps": 1}

    run(work)
    assert started == ["moves"]


def test_one_that_does_not_heed_is_ended(monkeypatch: pytest.MonkeyPatch) -> None:
    started = faked(monkeypatch)
    monkeypatch.setattr(children, "GRACE", 0.3)

    async def work(child: Child) -> None:
        for _ in range(RESTARTS + 2):  # however often: that is no fault of the child
            begun = asyncio.Event()
            deaf = asyncio.create_task(child.ask({"do": "sleep", "seconds": 600.0}, LIMIT, lambda *_, e=begun: e.set()))
            await begun.wait()
            deaf.cancel()
            with pytest.raises(asyncio.CancelledError):
                await deaf  # and the next is asked at once: what is dying is not asked
        assert (await child.ask({"do": "echo", "value": 1}, LIMIT))["value"] == 1

    run(work)
    assert len(started) == RESTARTS + 3


def test_a_cancelled_one_that_waits_takes_nothing_from_the_one_before(monkeypatch: pytest.MonkeyPatch) -> None:
    started = faked(monkeypatch)
    monkeypatch.setattr(children, "GRACE", 0.1)

    async def work(child: Child) -> None:
        begun = asyncio.Event()
        long = asyncio.create_task(child.ask({"do": "sleep", "seconds": 1.0}, LIMIT, lambda *_: begun.set()))
        await begun.wait()
        behind = asyncio.create_task(child.ask({"do": "sleep", "seconds": 600.0}, LIMIT))
        await asyncio.sleep(0.05)
        behind.cancel()
        assert await long == {}
        assert (await child.ask({"do": "echo", "value": 2}, LIMIT))["value"] == 2

    run(work)
    assert started == ["moves"]


def test_one_that_never_comes_up_is_tried_a_few_times(
    monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    started = faked(monkeypatch, "stillborn")

    async def work(child: Child) -> None:
        for _ in range(RESTARTS + 4):
            with pytest.raises(Gone):
                await child.ask({"do": "echo"}, LIMIT)
        assert child.state == "failed"

    run(work)
    assert len(started) == RESTARTS + 1
    assert "moves ended with 4" in capfd.readouterr().err


def test_one_that_takes_too_long_to_come_up_is_ended(monkeypatch: pytest.MonkeyPatch) -> None:
    faked(monkeypatch)
    monkeypatch.setattr(children, "START", 0.0)

    async def work(child: Child) -> None:
        with pytest.raises(Gone, match="did not start within 0 seconds"):
            await child.ask({"do": "echo"}, LIMIT)

    run(work)


def test_one_that_says_what_is_no_message_is_replaced(monkeypatch: pytest.MonkeyPatch) -> None:
    faked(monkeypatch)

    async def work(child: Child) -> None:
        with pytest.raises(Gone):
            await child.ask({"do": "forge"}, LIMIT)
        assert (await child.ask({"do": "echo", "value": 1}, LIMIT))["value"] == 1

    run(work)


def test_it_ends_with_the_studio_and_with_its_pipe(monkeypatch: pytest.MonkeyPatch) -> None:
    faked(monkeypatch)

    async def work(child: Child) -> None:
        await child.start()
        process = child.process
        assert process
        assert process.stdin
        first = Path((await child.ask({"do": "keep"}, LIMIT))["path"])
        assert first.is_file()
        process.stdin.close()
        assert await asyncio.wait_for(process.wait(), 30) == 0
        while child.process is process:
            await asyncio.sleep(0.02)
        assert not first.parent.exists()
        await child.start()
        process = child.process
        assert process
        second = Path((await child.ask({"do": "keep"}, LIMIT))["path"])
        assert second.is_file()
        await child.end()
        assert not second.parent.exists()
        assert process.returncode == -signal.SIGKILL
        with pytest.raises(Gone):
            await child.ask({"do": "echo"}, LIMIT)

    run(work)
