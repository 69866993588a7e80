"""What the adversarial study is made on, and its runs."""

from dataclasses import replace
from typing import Any

from ...data.dataset import ImageData
from ...data.sources import View, open_data
from ...errors import SfumatoError
from ..plan import Plan, Settings, Setup

FULL_IMAGES, QUICK_IMAGES = 2_400_000, 80_000
FULL_PICTURES, QUICK_PICTURES = 150_000, 6_000
AVERAGED = 120  # an averaged generator forgets half over a run divided by this
HALF_LIFE = 20_000  # the same for pictures, in images
R1 = 0.1  # its weight for the NSGAN that has it


def prepare(settings: Settings) -> Setup:
    """Raises SfumatoError for first data without classes."""
    source, other = settings.source
    data = open_data(source, View(channels=1, resolution=28))
    if len(data.classes) < 2 or data.test.labels is None:
        raise SfumatoError(f"data {source!r}: the first data set must have classes, as digits or mnist have")
    pictures = open_data(other, View(channels=3, resolution=64))
    data = replace(data, left_out=data.left_out + pictures.left_out)
    made = plans((source, data), (other, pictures), settings.full)
    return Setup(data, made, f"{data.name} {pictures.name}", others=(pictures,))


def plans(digits: tuple[str, ImageData], pictures: tuple[str, ImageData], full: bool) -> list[Plan]:
    """The runs on digits, and `dcgan` on pictures."""
    images = FULL_IMAGES if full else QUICK_IMAGES
    budget: dict[str, Any] = {"images": images, "half_life": images // AVERAGED}
    smooth = {**budget, "beta1": 0.5}
    classes = {"classes": len(digits[1].classes)}
    light = {"width": 32, "batch_size": 32, "half_life": HALF_LIFE, "images": FULL_PICTURES if full else QUICK_PICTURES}
    return [
        Plan("minimax", "gan:minimax", smooth, "GAN (minimax)", "GAN（极小极大）", digits),
        Plan("nsgan", "gan:non_saturating", smooth, "NSGAN", "NSGAN", digits),
        Plan("nsgan-r1", "gan:non_saturating", {**smooth, "r1": R1}, "NSGAN with R1", "NSGAN + R1", digits),
        Plan("lsgan", "gan:least_squares", smooth, "LSGAN", "LSGAN", digits),
        Plan("wgan", "wgan:mlp", budget, "WGAN", "WGAN", digits),
        Plan("wgan-gp", "wgan_gp:mlp", budget, "WGAN-GP", "WGAN-GP", digits),
        Plan("sngan", "sngan:mlp", budget, "SNGAN", "SNGAN", digits),
        Plan("cgan", "cgan:three_terms", {**smooth, **classes}, "CGAN", "CGAN", digits),
        Plan("cgan-two-terms", "cgan:two_terms", {**smooth, **classes}, "CGAN, two terms", "CGAN（两项）", digits),
        Plan("cgan-two-headed", "cgan:two_headed", {**smooth, **classes}, "CGAN, two heads", "CGAN（双头）", digits),
        Plan("wgan-gp-one-sided", "wgan_gp:mlp", {**budget, "one_sided": True}, "WGAN-GP, one-sided", "WGAN-GP（单侧）",
             digits),
        Plan("unconstrained", "wgan_gp:mlp", {**budget, "penalty_weight": 0.0}, "critic without constraint",
             "无约束的评论者", digits),
        Plan("sn-regularised", "sngan:mlp", {**budget, "method": "regularisation"}, "spectral regularisation",
             "谱正则化", digits),
        Plan("dcgan-digits", "dcgan:digits", budget, "DCGAN on digits", "DCGAN（数字）", digits),
        Plan("dcgan", "dcgan:photographs", light, "DCGAN", "DCGAN", pictures),
    ]  # fmt: skip
