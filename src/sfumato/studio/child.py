"""A child of the studio, which computes: `python -m sfumato.studio.child moves|work`.

It reads messages from standard input and answers each on standard output, in order, with the `id` of what was asked:
`result`; or `fault`, a line; before them any number of `progress`, two numbers. A message `cancel` names an id: what is
under way for it ends at its next progress. At the end of input it ends.
"""

import os
import queue
import sys
import threading
from collections.abc import Callable
from dataclasses import MISSING, field, make_dataclass
from functools import cache
from importlib import import_module
from inspect import Parameter, signature
from typing import IO, Any, get_type_hints

from .. import threads as _threads  # noqa: F401 - before torch: how threads wait
from ..errors import SfumatoError
from ..memory import exhausted
from ..strict import convert
from .frames import Message, packed, receive

KINDS = ("moves", "work")
Advance = Callable[[int, int], None]


class Cancelled(Exception):
    """Nobody wants the answer any more."""


class Requests:
    """What is asked, read by a thread of its own so that a cancelled request is known while it is under way."""

    def __init__(self, pipe: IO[bytes]) -> None:
        self.pipe, self.waiting = pipe, queue.SimpleQueue[Message | None]()
        self.cancelled: set[int] = set()
        threading.Thread(target=self._read, daemon=True).start()

    def _read(self) -> None:
        while (message := receive(self.pipe)) is not None:
            if "do" in message:
                self.waiting.put(message)
            else:
                self.cancelled.add(message["cancel"])
        self.waiting.put(None)
        # Nobody is there to answer to, whatever is under way.
        os._exit(0)


def serve(kind: str, source: IO[bytes], sink: IO[bytes]) -> None:
    requests = Requests(source)

    def send(message: Message) -> None:
        sink.write(packed(message))
        sink.flush()

    handlers: dict[str, Callable[..., Any]] = import_module(f"{__package__}.{kind}").HANDLERS
    send({"id": 0, "result": {}})
    while (asked := requests.waiting.get()) is not None:
        number = asked.pop("id")
        send(_answer(number, asked, handlers, requests.cancelled, send))
        requests.cancelled.discard(number)


def _answer(
    number: int, asked: Message, handlers: dict[str, Callable[..., Any]], cancelled: set[int],
    send: Callable[[Message], None],
) -> Message:  # fmt: skip
    def advance(done: int, total: int) -> None:
        if number in cancelled:
            raise Cancelled
        send({"id": number, "progress": [done, total]})

    try:
        advance(0, 0)
        do = asked.pop("do")
        values = convert(asked, asked_of(handlers[do]), do)
        return {"id": number, "result": handlers[do](advance, **vars(values))}
    except Cancelled:
        return {"id": number, "fault": "cancelled"}
    except SfumatoError as error:
        return {"id": number, "fault": str(error)}
    except Exception as error:
        if said := exhausted(error):
            return {"id": number, "fault": said}
        import traceback

        traceback.print_exc()
        return {"id": number, "fault": f"a bug of ours: {type(error).__name__}: {' '.join(str(error).split())[:200]}"}


@cache
def asked_of(handler: Callable[..., Any]) -> type[Any]:
    """What a handler takes behind `advance`, as a dataclass that values are read into."""
    kinds = get_type_hints(handler, include_extras=True)
    _, *given = signature(handler).parameters.values()
    return make_dataclass(handler.__name__, [
        (item.name, kinds[item.name], field(default=MISSING if item.default is Parameter.empty else item.default))
        for item in given
    ], kw_only=True)  # fmt: skip


def main() -> None:
    kind = sys.argv[1]
    assert kind in KINDS
    # Whatever prints must not print into the messages.
    sink = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)
    serve(kind, os.fdopen(os.dup(0), "rb"), sink)


if __name__ == "__main__":
    main()
