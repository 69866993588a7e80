"""What the handwriting study is made on, and its runs."""

from typing import Any

from ...data.sources import View, open_data
from ...errors import SfumatoError
from ..plan import Plan, Settings, Setup, whole_epochs

QUICK_IMAGES = 180_000
QUICK_ABLATION_IMAGES = 90_000
WEIGHT_DECAY = 1e-4
NORM_PENALTY = 3e-4
SMALL = 10_000  # training images; below, quick takes batches of 64


def prepare(settings: Settings) -> Setup:
    """Raises SfumatoError for data without test images of ten classes."""
    (source,) = settings.source
    data = open_data(source, View(channels=1, resolution=28))
    if data.train.labels is None or len(data.classes) != 10:
        raise SfumatoError(f"data {source!r}: the handwriting study needs ten classes; it has {len(data.classes)}")
    assert data.test.labels is not None
    if len(data.test.labels.unique()) < len(data.classes):
        raise SfumatoError(f"data {source!r}: the handwriting study needs test images of every class")
    return Setup(data, plans(len(data.train), settings.full), data.name)


def plans(count: int, full: bool) -> list[Plan]:
    """The runs on `count` training images."""
    main, noisy, ablation = (epochs * count for epochs in (100, 120, 100))
    if not full:
        main = noisy = whole_epochs(QUICK_IMAGES, count)
        ablation = whole_epochs(QUICK_ABLATION_IMAGES, count)
    common: dict[str, Any] = {"batch_size": 256 if full or count >= SMALL else 64}
    base, short = {**common, "images": main}, {**common, "images": ablation}
    # What an ablation is held against must have had the same budget.
    reference = [] if main == ablation else [Plan("reference", "stacked:mnist", short, "reference", "基准")]
    return [
        Plan("autoencoder", "stacked:mnist", base, "autoencoder", "自编码器"),
        Plan("denoising", "denoising:mnist", {**common, "images": noisy}, "denoising", "去噪自编码器"),
        Plan("weight-decay", "stacked:mnist", {**base, "weight_decay": WEIGHT_DECAY}, "L2: weight decay", "L2：权重衰减"),
        Plan("norm-penalty", "stacked:mnist", {**base, "norm_penalty": NORM_PENALTY}, "L2: sum of norms", "L2：范数之和"),
        *reference,
        Plan("bottleneck-128", "stacked:mnist", {**short, "bottleneck": 128, "widths": (512, 256)}, "bottleneck 128", "瓶颈 128"),
        Plan("mse", "stacked:mnist", {**short, "loss": "mse"}, "MSE", "MSE"),
        Plan("relu", "stacked:mnist", {**short, "activation": "relu"}, "ReLU + sigmoid", "ReLU + sigmoid"),
        Plan("all-sigmoid", "stacked:mnist", {**short, "activation": "sigmoid"}, "all sigmoid", "全 sigmoid"),
        Plan("cnn", "convolutional:mnist", short, "CNN", "卷积网络"),
        Plan("denoising-cnn", "convolutional:denoising", short, "denoising CNN", "去噪卷积网络"),
        Plan("vae", "vae:plane", {**common, "images": main if full else 2 * main}, "VAE", "变分自编码器"),
    ]  # fmt: skip
