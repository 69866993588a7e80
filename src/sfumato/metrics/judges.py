"""Who judges made images of a set of data."""

from ..data.dataset import ImageData
from ..engine.runtime import Runtime
from .digit_reader import can_be_read, reader_for
from .distance import Features
from .generation import DigitJudge, Judge, PictureJudge

SEED = 0
_JUDGES: dict[tuple[str, str, int, str], Judge] = {}  # a study's runs share them


def judge_of(data: ImageData, runtime: Runtime, count: int, features: str = "") -> Judge:
    """What measures made images against `count` test images: a digit reader for 28×28 grey images with classes, else
    the network that comes with the package. `features`: another network, by its name or file."""
    key = (data.fingerprint, str(data.shape), count, features)
    if key not in _JUDGES:
        real = data.test.images(data.test.spread(count))
        if not features and can_be_read(data):
            _JUDGES[key] = DigitJudge(*reader_for(data, runtime, SEED), real)
        else:
            _JUDGES[key] = PictureJudge(Features(features).to(runtime.device), real)
    return _JUDGES[key]
