"""Two languages side by side in the code that speaks: `say("Loss", "损失")`."""

from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Literal

Language = Literal["en", "zh"]

CJK_FONTS = (
    "Noto Sans CJK SC", "Noto Sans SC", "Source Han Sans SC", "Source Han Sans CN", "Microsoft YaHei", "PingFang SC",
    "Hiragino Sans GB", "WenQuanYi Micro Hei", "WenQuanYi Zen Hei", "SimHei", "Noto Sans CJK JP", "Arial Unicode MS",
)  # fmt: skip

CJK = "\u2e80"  # letters from here on are wide, and in few fonts
CJK_FILES = ("cjk", "notosanssc", "sourcehan", "wqy", "msyh", "pingfang", "hiragino", "simhei", "arialuni")


@cache
def cjk_font() -> str | None:
    """The installed font that figures can write Chinese with, or None."""
    from matplotlib import font_manager

    def find() -> str | None:
        there = {font.name for font in font_manager.fontManager.ttflist}
        return next((name for name in CJK_FONTS if name in there), None)

    if found := find():
        return found
    # matplotlib keeps a list of fonts from its first use; one installed since is not on it.
    known = {font.fname for font in font_manager.fontManager.ttflist}
    for path in font_manager.findSystemFonts():
        if path not in known and any(part in Path(path).stem.lower() for part in CJK_FILES):
            font_manager.fontManager.addfont(path)
    return find()


@dataclass(frozen=True)
class Speaker:
    """Chooses between an English and a Chinese text. `figure` falls back to English where no font could show it."""

    language: Language

    def __call__(self, en: str, zh: str) -> str:
        return zh if self.language == "zh" else en

    def figure(self, en: str, zh: str) -> str:
        return zh if self.language == "zh" and cjk_font() else en

    @property
    def lacks_font(self) -> bool:
        return self.language == "zh" and cjk_font() is None
