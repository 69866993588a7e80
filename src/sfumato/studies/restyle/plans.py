"""What the restyle study is made on, and its run."""

from ...data.sources import View, open_data
from ...errors import SfumatoError
from ..plan import Plan, Settings, Setup

SIDE = 256
FULL_IMAGES, QUICK_IMAGES = 80_000, 2_400  # 10,000 steps and 300


def prepare(settings: Settings) -> Setup:
    """Raises SfumatoError for data with fewer than two held-out contents or styles."""
    data = open_data(settings.source, View(channels=3, resolution=SIDE, fit="short"))
    assert data.second is not None
    for split, kind in ((data.test, "content"), (data.second.test, "style")):
        if len(split) < 2:
            raise SfumatoError(f"data {' '.join(settings.source)}: needs two {kind} test images at least")
    images = FULL_IMAGES if settings.full else QUICK_IMAGES
    names = f"{data.name.removesuffix(f' and {data.second.name}')} {data.second.name}"
    return Setup(data, [Plan("adain", "adain:sfumato", {"images": images}, "AdaIN", "AdaIN")], names)
