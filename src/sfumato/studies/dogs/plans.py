"""What the dogs study is made on, and its runs."""

from ...data.sources import View, open_data
from ...errors import SfumatoError
from ...metrics.distance import Features
from ..plan import Plan, Settings, Setup, whole_epochs

LEVELS = (0.05, 0.1, 0.15)  # standard deviations of the noise on codes
NOISY = {
    **{f"noise-{level:.2f}": level for level in LEVELS},
    "variance-0.15": LEVELS[-1],
    "better": LEVELS[0],
}  # by run
FULL_EPOCHS = {"reference": 30, "noise": 30, "code-16": 25, "better": 40}
QUICK_IMAGES = {"reference": 15_000, "noise": 10_000, "code-16": 10_000, "better": 15_000}
MIN_IMAGES = 16  # of each split


def prepare(settings: Settings) -> Setup:
    """Raises SfumatoError for data with too few images, and for features that are no weights."""
    (source,) = settings.source
    data = open_data(source, View(channels=3, resolution=64))
    if min(len(data.train), len(data.test)) < MIN_IMAGES:
        raise SfumatoError(
            f"data {source!r}: the dogs study needs {MIN_IMAGES} training and {MIN_IMAGES} test images at least; "
            f"it has {len(data.train)} and {len(data.test)}"
        )
    Features(settings.features)  # refuses weights that are none, before anything is trained
    options = f" --features {settings.features.name}" if settings.features else ""
    return Setup(data, plans(len(data.train), settings.full), data.name, options=options)


def plans(count: int, full: bool) -> list[Plan]:
    """The runs on `count` training images."""

    def budget(kind: str) -> dict[str, int]:
        return {"images": FULL_EPOCHS[kind] * count if full else whole_epochs(QUICK_IMAGES[kind], count)}

    noisy = [
        Plan(f"noise-{level:.2f}", "convolutional:reference", {**budget("noise"), "latent_noise": level},
             f"reference, σ {level:g}", f"基准网络，σ {level:g}")
        for level in LEVELS
    ]  # fmt: skip
    return [
        Plan("reference", "convolutional:reference", budget("reference"), "reference", "基准网络"),
        *noisy,
        Plan("variance-0.15", "convolutional:reference",
             {**budget("noise"), "latent_noise": LEVELS[-1], "noise_is": "variance"},
             f"reference, σ² {LEVELS[-1]:g}", f"基准网络，σ² {LEVELS[-1]:g}"),
        Plan("code-16", "convolutional:reference-16", budget("code-16"), "reference, 16×16×16 code", "基准网络，16×16×16 编码"),
        Plan("better", "convolutional:better", budget("better"), "ours, σ 0.05", "我们的网络，σ 0.05"),
    ]  # fmt: skip
