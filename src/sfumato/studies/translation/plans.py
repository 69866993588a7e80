"""What the translation study is made on, and its runs."""

from typing import Any

from ...data.dataset import ImageData
from ...engine.fields import build
from ...errors import SfumatoError
from ...runs.catalog import find, open_for
from ..plan import Plan, Settings, Setup

On = tuple[str, ImageData]
QUICK, FULL = 5_000, 60_000  # images of each run on digits,
PICTURES = 60_000  # and on pictures
SMALL: dict[str, Any] = {"learning_rate": 4e-4}  # of runs on pictures: their batches are of four
QUICKER = 2  # a DiscoGAN draws so many times as many images in the same time
TURNS = 3  # a DualGAN draws so many batches in a step
EAGER: dict[str, Any] = {"cycle": 40.0, "learning_rate": 1e-3}  # for what comes back: to see soon what is hidden
NOISE = 8.0  # levels, within the cycle of the run that shall hide nothing
INKS, PHOTOGRAPHS = "cyclegan:inks", "cyclegan:photographs"


def prepare(settings: Settings) -> Setup:
    """Raises SfumatoError for data that are not what their place asks for."""
    opened: list[On] = []
    for source in settings.source[:2]:
        data = opened_for(INKS, source)
        if data.train.labels is None or not data.classes:
            raise SfumatoError(f"data {source!r}: must be digits whose partners are known, as inks and papers are")
        opened.append((source, data))
    made = digits(opened[0], opened[1], settings.full)
    for name, source in zip(("pictures", "pairs"), settings.source[2:], strict=False):
        paired = {"paired": name == "pairs"}
        opened.append((source, opened_for(PHOTOGRAPHS, source, **paired)))
        made += on_pictures(name, opened[-1], {**paired, **SMALL})
    (_, first), *others = opened
    names = " ".join(data.name for _, data in opened)
    return Setup(first, made, names, tuple(data for _, data in others))


def opened_for(system: str, source: str, **fields: Any) -> ImageData:
    """The two sides of `source`, as that preset with these fields reads them."""
    entry, preset = find(system)
    config = build(entry.config_class, fields, entry.name, base=entry.presets[preset])
    data = open_for(entry, config, (source,))
    entry.family.settle(config, data, entry.name)
    return data


def digits(inks: On, papers: On, full: bool) -> list[Plan]:
    images = FULL if full else QUICK
    budget = {"images": images, "measure_every": images}  # that is, not on the way
    watched, quick, turns = (
        {"images": times * images, "measure_every": times * images // 6} for times in (1, QUICKER, TURNS)
    )
    found = [
        Plan("cyclegan", INKS, watched, "CycleGAN", "CycleGAN"),
        Plan("game", INKS, {**budget, "cycle": 0.0}, "the game alone", "仅对抗"),
        Plan("cycle", INKS, {**budget, "adversarial": 0.0}, "the cycle alone", "仅循环"),
        Plan("identity", INKS, {**budget, "identity": 0.5}, "with identity", "加恒等损失"),
        Plan("whole", INKS, {**budget, "verdict": "whole"}, "whole-image verdict", "整图判别"),
        Plan("discogan", "discogan:inks", quick, "DiscoGAN", "DiscoGAN"),
        Plan("dualgan", "dualgan:inks", turns, "DualGAN", "DualGAN"),
        Plan("hidden", INKS, {**budget, **EAGER}, "ruled paper", "条纹纸", papers),
        Plan("noisy", INKS, {**budget, **EAGER, "cycle_noise": NOISE}, "ruled paper, noise", "条纹纸，加噪", papers),
    ]
    if full:
        found.append(Plan("averaged", INKS, {**budget, "verdict": "averaged"}, "averaged verdict", "平均判别"))
        found.append(Plan("poolless", INKS, {**budget, "pool": 0}, "no pool", "无图像池"))
    return [plan if plan.on else Plan(plan.name, plan.system, plan.fields, plan.en, plan.zh, inks) for plan in found]


def on_pictures(name: str, on: On, fields: dict[str, Any]) -> list[Plan]:
    """Of two kinds of pictures, or of pairs: as they come, and with identity."""
    budget = {**fields, "images": PICTURES, "measure_every": PICTURES // 10}
    title = on[1].name
    return [
        Plan(name, PHOTOGRAPHS, budget, title, title, on),
        Plan(f"{name}-identity", PHOTOGRAPHS, {**budget, "identity": 0.5}, f"{title}, identity", f"{title}，恒等", on),
    ]
