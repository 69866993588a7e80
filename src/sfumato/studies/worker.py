"""`python -m sfumato.studies.worker`: one process of a crew. It is told the study, then run after run to train.

Lines of JSON: first the settings, with `threads` and the `images` that each run may draw; then a name a line. It answers
{} when it is ready and after each run, {"images": n} on the way, {"failed": why} and {"stopped": images}.
"""

import json
import sys
import time
from pathlib import Path
from typing import Any, TextIO

import torch

from ..engine.runtime import choose
from ..errors import SfumatoError
from ..files import in_words
from ..runs.stopping import Stopped
from .plan import Settings, cut, obtain
from .registry import STUDIES

EVERY = 0.3  # seconds between two words


def main() -> None:
    words = sys.stdout
    sys.stdout = sys.stderr  # nothing else may come between
    order = json.loads(sys.stdin.readline())
    torch.set_num_threads(order.pop("threads"))
    images = order.pop("images")
    settings = Settings(**{
        **order, "out": Path(order["out"]), "source": tuple(order["source"]),
        "features": order["features"] and Path(order["features"]),
    })  # fmt: skip
    try:
        setup = cut(STUDIES[settings.name].part("plans").prepare(settings), images)
        runtime = choose(settings.device, settings.precision)
        plans = {plan.name: plan for plan in setup.plans}
        _answer(words)
        for line in sys.stdin:
            obtain(plans[json.loads(line)], settings, setup, runtime, _Told(words))
            _answer(words)
    except SfumatoError as error:
        _answer(words, failed=str(error))
    except Stopped as stopped:
        _answer(words, stopped=stopped.images)
    except BrokenPipeError:
        pass  # nobody listens any more: what was saved is saved
    except OSError as error:
        _answer(words, failed=in_words(error))


class _Told:
    """Says now and then how many images a run has drawn."""

    def __init__(self, words: TextIO) -> None:
        self.words, self.next = words, 0.0

    def __call__(self, images: int) -> None:
        if (now := time.monotonic()) >= self.next:
            self.next = now + EVERY
            _answer(self.words, images=images)


def _answer(words: TextIO, **values: Any) -> None:
    words.write(json.dumps(values) + "\n")
    words.flush()


if __name__ == "__main__":
    main()
