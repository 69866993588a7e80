"""What the StyleGAN study is made on, and its runs."""

from itertools import product
from typing import Any

from ...data.sources import SOURCES, View, alike, open_data
from ..plan import Plan, Settings, Setup

DIGITS, PICTURES = View(channels=1, resolution=32), View(channels=3, resolution=64)
QUICK, FULL = 32_000, 600_000  # images of each run
EAGER = 4  # at quick scale what is regularised in every step has so many times fewer: it is there for what it costs
GROWING = 16  # a run grows in stages of this part of its images
AVERAGED = 40  # an averaged generator forgets half over a run divided by this
ARCHITECTURES = ("plain", "skip", "residual")


def prepare(settings: Settings) -> Setup:
    (source,) = settings.source
    grey = "digits" in alike(source) or (source in SOURCES and SOURCES[source].fetched)
    data = open_data(source, DIGITS if grey else PICTURES)
    return Setup(data, plans("digits" if grey else "photographs", settings.full), data.name)


def plans(preset: str, full: bool) -> list[Plan]:
    images = FULL if full else QUICK
    budget: dict[str, Any] = {"images": images, "half_life": images // AVERAGED, "measure_every": images // 8}
    grown = {**budget, "growth": images // GROWING}
    second = f"stylegan2:{preset}"
    short = budget if full else {**budget, "images": images // EAGER, "measure_every": images // EAGER // 2}
    found = [
        Plan("progan", f"progan:{preset}", grown, "ProGAN", "ProGAN"),
        Plan("stylegan", f"stylegan:{preset}", grown, "StyleGAN", "StyleGAN"),
        Plan("fixed", f"stylegan:{preset}", {**budget, "grown": False}, "StyleGAN, not grown", "StyleGAN（不增长）"),
        Plan("stylegan2", second, budget, "StyleGAN2", "StyleGAN2"),
        Plan("eager", second, {**short, "r1_every": 1, "path_every": 1}, "StyleGAN2, eager", "StyleGAN2（每步正则）"),
        Plan("free", second, {**budget, "path_weight": 0.0}, "StyleGAN2, paths free", "StyleGAN2（无路径正则）"),
    ]
    for generator, discriminator in product(ARCHITECTURES, ARCHITECTURES) if full else ():
        if (generator, discriminator) != ("skip", "residual"):  # the paper's choice, and `stylegan2` above
            fields = {**budget, "generator_network": generator, "discriminator_network": discriminator}
            name = f"{generator}-{discriminator}"
            found.append(
                Plan(name, second, fields, f"StyleGAN2, {generator} G, {discriminator} D", f"StyleGAN2（{name}）")
            )
    return found
