"""Messages through a pipe come out as they went in, or not at all."""

import io
import json
from typing import Any

import pytest

from sfumato.errors import SfumatoError
from sfumato.studio import frames
from sfumato.studio.frames import packed, receive, text_of, unpacked


@pytest.mark.parametrize(
    "message",
    [
        {},
        {"id": 1, "do": "decode", "x": -3.5, "mix": [["a", 0.25]], "label": None},
        {"bytes": bytes(range(256)) * 100, "text": "眼 \u202e \x00"},
        {"large": 2**64 - 1, "small": -(2**63)},
    ],
)
def test_messages_come_out_as_they_went_in(message: dict[str, Any]) -> None:
    pipe = io.BytesIO(packed(message) * 2)
    assert [receive(pipe), receive(pipe), receive(pipe)] == [message, message, None]


def test_a_torn_message_is_the_end() -> None:
    content = packed({"id": 1, "bytes": b"x" * 50})
    for length in range(len(content)):
        assert receive(io.BytesIO(content[:length])) is None


@pytest.mark.parametrize("content", [b"", b"\xc1", b"\x93\x01\x02\x03", b"\x81\x01\x02", b"{}"])
def test_what_is_no_message_is_an_error(content: bytes) -> None:
    with pytest.raises(SfumatoError):
        unpacked(content)


def test_too_large_a_message_is_not_sent(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(frames, "LARGEST", 100)
    packed({"bytes": b"x" * 80})
    with pytest.raises(SfumatoError, match="too large"):
        packed({"bytes": b"x" * 100})


@pytest.mark.parametrize("value", [2**64, -(2**63) - 1, "runs/\udcff", {"\ud800": 1}])
def test_what_cannot_be_passed_on_is_said(value: Any) -> None:
    with pytest.raises(SfumatoError, match="cannot be passed on"):
        packed({"value": value})


def test_a_page_gets_nothing_that_it_cannot_read_or_that_cannot_be_seen() -> None:
    text = text_of({"name": "a\u202eb\udcff\x1b\n", "loss": [float("nan"), float("inf"), 1.5]})
    assert json.loads(text) == {"name": "a%E2%80%AEb%FF\x1b\n", "loss": [None, None, 1.5]}
    assert text.isprintable()
