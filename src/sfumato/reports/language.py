"""Two languages side by side in the code that speaks: `say("Loss", "损失")`."""

from dataclasses import dataclass
from functools import cache
from typing import Literal

Language = Literal["en", "zh"]

CJK_FONTS = (
    "Noto Sans CJK SC", "Noto Sans SC", "Source Han Sans SC", "Source Han Sans CN", "Microsoft YaHei", "PingFang SC",
    "Hiragino Sans GB", "WenQuanYi Micro Hei", "WenQuanYi Zen Hei", "SimHei", "Noto Sans CJK JP", "Arial Unicode MS",
)  # fmt: skip


@cache
def cjk_font() -> str | None:
    """The installed font that figures can write Chinese with, or None."""
    from matplotlib import font_manager

    there = {font.name for font in font_manager.fontManager.ttflist}
    return next((name for name in CJK_FONTS if name in there), None)


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
