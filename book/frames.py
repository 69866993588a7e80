"""What pages take from the code: a system's idea, its commands, its departures from the paper, its fields."""

import ast
import re
from functools import cache
from pathlib import Path

from sfumato.runs.catalog import CATALOG, TRAITS, Entry, describe

ROOT = Path(__file__).parents[1]
TRAITS_SAID = {
    "draws": ("draws pictures", "可生成图像"),
    "encodes": ("encodes pictures", "可编码图像"),
    "restyles": ("restyles pictures", "可迁移风格"),
    "conditional": ("can be asked for a class", "可指定类别"),
    "names_classes": ("knows classes", "识别类别"),
    "grows": ("grows while it is trained", "训练中逐步增长"),
    "styled": ("has styles", "有样式"),
    "translates": ("translates pictures", "可翻译图像"),
}
FOLLOW_UPS = {
    "draws": "sfumato sample {run} -n 64 -o samples.png",
    "encodes": "sfumato codes {run} -o codes/",
    "restyles": "sfumato stylize photo.jpg painting.jpg -o out.png --run {run}",
    "styled": "sfumato project {run} photo.jpg",
    "translates": "sfumato translate {run} photo.jpg -o out.png",
}
HEADS = {"en": ("field", "default", "what it is"), "zh": ("参数", "默认值", "含义")}


@cache
def chinese() -> dict[str, str]:
    """What help texts are in Chinese, as the studio has them."""
    text = (ROOT / "studio/src/lib/help.ts").read_text("utf-8")
    string = r"""('(?:[^'\\]|\\.)*'|"(?:[^"\\]|\\.)*")"""
    pairs = re.findall(rf"{string}\s*:\s*{string}", text.partition("export const help")[2])
    return {ast.literal_eval(english): ast.literal_eval(other) for english, other in pairs}


def said(text: str, language: str) -> str:
    return chinese().get(text, text) if language == "zh" else text


def idea(name: str, language: str) -> str:
    entry = CATALOG[name]
    traits = [TRAITS_SAID[trait][language == "zh"] for trait in TRAITS if getattr(entry.system_class, trait)]
    presets = ", ".join(f"`{preset}`" for preset in entry.presets)
    file = f"`sfumato/{entry.subject}/{entry.name}.py`"
    if language == "zh":
        return f"[论文]({entry.paper}) · {file} · 预设：{presets} · {'，'.join(traits)}"
    return f"{entry.idea}\n\n[Paper]({entry.paper}) · {file} · presets: {presets} · {', '.join(traits)}"


def command(name: str, language: str) -> str:
    entry = CATALOG[name]
    run = f"runs/{name}"
    lines = [f"sfumato train {name} --data {' '.join(entry.data)} --run {run}"]
    lines += [words.format(run=run) for trait, words in FOLLOW_UPS.items() if getattr(entry.system_class, trait)]
    if entry.subject == "recognition":
        lines.append(f"sfumato predict {run} photo.jpg -o out.png")
    lines += [f"sfumato evaluate {run}", f"sfumato resume {run}"]
    return "```bash\n" + "\n".join(lines) + "\n```"


def departures(name: str, language: str) -> str:
    """Those of the docstring, one a line. Raises ValueError where it has none."""
    _, _, said = CATALOG[name].departures.partition(": ")
    if not said:
        raise ValueError(f"{name}: its docstring names no departures")
    parts = re.split(r";\s+", said)
    return "\n".join(f"- {part}" for part in parts)


def fields(name: str, language: str) -> str:
    entry = CATALOG[name]
    lines = [f"| {' | '.join(HEADS[language])} |", "|---|---|---|"]
    first = next(iter(entry.presets))
    for field in describe(entry, first):
        words = said(field.text, language).replace("|", "\\|")
        lines.append(f"| `{field.name}` | {_values(entry, field.name)} | {words} |")
    return "\n".join(lines)


def _values(entry: Entry, field: str) -> str:
    """The value of the first preset, and those of others that differ."""
    values = {preset: getattr(config, field) for preset, config in entry.presets.items()}
    usual = next(iter(values.values()))
    others = [f"`{_shown(value)}` {preset}" for preset, value in values.items() if value != usual]
    return ", ".join([f"`{_shown(usual)}`", *others])


def _shown(value: object) -> str:
    if isinstance(value, tuple):
        return " ".join(map(str, value)) or "()"
    return '""' if value == "" else str(value)
