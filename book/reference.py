"""The parts of the reference that the code writes: commands, systems, studies."""

import re

from sfumato.cli import app
from sfumato.runs.catalog import CATALOG
from sfumato.studies.registry import STUDIES

from .frames import said

FAMILIES = {
    "autoencoders": ("Autoencoders", "自编码器"),
    "gans": ("Adversarial networks", "生成对抗网络"),
    "style": ("Style", "风格"),
    "recognition": ("Recognition", "识别"),
    "translation": ("Translation", "翻译"),
}


def commands(name: str, language: str) -> str:
    """Every command with its options, as `--help` has them."""
    text = app.generate_docs(output_format="markdown")
    text = text[text.index("\n## Table of Contents") :].partition("\n## ")[2]
    body = text[text.index("\n## ") :]
    return re.sub(r"^(#+) sfumato ", r"\1 ", body, flags=re.MULTILINE).replace("<", "&lt;").strip()


def systems(name: str, language: str) -> str:
    """All systems by family: idea, paper."""
    lines: list[str] = []
    for family in dict.fromkeys(entry.subject for entry in CATALOG.values()):
        words = FAMILIES.get(family, (family, family))[language == "zh"]
        lines += ["", f"### {words}", ""]
        for entry in (found for found in CATALOG.values() if found.subject == family):
            paper = "论文" if language == "zh" else "paper"
            lines.append(
                f"- [`{entry.name}`](systems/{entry.name}.md): {said(entry.idea, language)} [{paper}]({entry.paper})"
            )
    return "\n".join(lines).strip()


def study(name: str, language: str) -> str:
    """How a study is run."""
    data = "NAME-OR-PATH ..." if len(STUDIES[name].data) > 1 else "NAME-OR-PATH"
    lines = [f"sfumato study {name} --scale quick --out {name}"]
    if language == "zh":
        lines.append(f"sfumato study {name} --scale quick --out {name} --language zh")
    lines.append(f"sfumato study {name} --scale full --data {data} --out {name}-full")
    return "```bash\n" + "\n".join(lines) + "\n```"


def studies(name: str, language: str) -> str:
    """All studies, by their titles."""
    titles = {key: entry.title.zh if language == "zh" else entry.title.en for key, entry in STUDIES.items()}
    return "\n".join(
        f"- [`{key}`](studies/{key}.md): {title.partition('：' if language == 'zh' else ': ')[2]}"
        for key, title in titles.items()
    )
