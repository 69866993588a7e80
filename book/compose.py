"""A page as zensical reads it: placeholders filled in, formulas as MathML, diagrams as SVG.

A placeholder is a line `{{ WORD ARGUMENTS }}`. A page's own name says which system or study it is about.
"""

import os
import re
from collections.abc import Callable
from pathlib import Path, PurePosixPath

from latex2mathml.converter import convert

from . import diagrams, frames, measured, reference

LANGUAGES = {"en": "English", "zh": "中文"}
ROOT = Path(__file__).parents[1]
DOCS = ROOT / "docs"

Filler = Callable[..., str]
FILLERS: dict[str, Filler] = {
    "idea": frames.idea,
    "command": frames.command,
    "departures": frames.departures,
    "fields": frames.fields,
    "measured": measured.system_table,
    "study": reference.study,
    "rows": lambda name, language, file: measured.study_table(file, language),
    "commands": reference.commands,
    "systems": reference.systems,
    "studies": reference.studies,
    "everything": measured.everything,
}
FENCE = re.compile(r"^(?P<fence>`{3,})(?P<kind>[^\n`]*)\n(?P<body>.*?)^(?P=fence)[ ]*$", re.DOTALL | re.MULTILINE)
PLACE = re.compile(r"^\{\{ (?P<word>\w+)(?P<rest>[^}]*) \}\}$", re.MULTILINE)
DISPLAY = re.compile(r"\$\$(?P<formula>.+?)\$\$", re.DOTALL)
INLINE = re.compile(r"(?<![\\$`\w])\$(?P<formula>[^$\n]+?)\$(?![\w$])")
CODE = re.compile(r"`[^`\n]+`")
LINK = re.compile(r"(!?\[[^\]]*\]\()(?P<target>[^)#\s]+)(?P<rest>[^)]*\))")


def compose(page: Path, language: str) -> str:
    """The Markdown of one page of `sources(language)`. Raises ValueError, KeyError for what cannot be filled in."""
    text = page.read_text("utf-8")
    text = PLACE.sub(lambda found: _filled(page.stem, language, found), text)
    text = LINK.sub(lambda found: _relinked(page, language, found), _outside_code(text))
    return f"{text.rstrip()}\n"


def sources(language: str) -> dict[PurePosixPath, Path]:
    """The pages of one language: where each stands in its book, and its file."""
    folder = DOCS if language == "en" else DOCS / language
    return {
        PurePosixPath(path.relative_to(folder).as_posix()): path
        for path in sorted(folder.rglob("*.md"))
        if language != "en" or path.relative_to(DOCS).parts[0] not in LANGUAGES
    }


def title(page: Path) -> str:
    """What stands in its first heading."""
    found = re.search(r"^# (.+)$", page.read_text("utf-8"), re.MULTILINE)
    if not found:
        raise ValueError(f"{page}: has no title")
    return found[1].replace("`", "")


def _filled(name: str, language: str, found: re.Match[str]) -> str:
    return FILLERS[found["word"]](name, language, *found["rest"].split())


def _outside_code(text: str) -> str:
    """Formulas become MathML everywhere but in blocks of code; those called `diagram` are drawn."""
    parts, at = [], 0
    for found in FENCE.finditer(text):
        parts.append(_formulas(text[at : found.start()]))
        kind = found["kind"].split()[0] if found["kind"].strip() else ""
        block = f"{found['fence']}{kind}\n{found['body']}{found['fence']}"
        parts.append(diagrams.svg(found["body"]) if kind == "diagram" else block)
        at = found.end()
    return "".join([*parts, _formulas(text[at:])])


def _formulas(text: str) -> str:
    kept: list[str] = []

    def keep(html: str) -> str:
        kept.append(html)
        return f"\0{len(kept) - 1}\0"

    text = CODE.sub(lambda found: keep(found[0]), text)
    text = DISPLAY.sub(lambda found: keep(f'<div class="formula">{_mathml(found["formula"], "block")}</div>'), text)
    text = INLINE.sub(lambda found: keep(_mathml(found["formula"], "inline")), text)
    while "\0" in text:
        text = re.sub(r"\0(\d+)\0", lambda found: kept[int(found[1])], text)
    return text


def _mathml(formula: str, display: str) -> str:
    return convert(" ".join(formula.split()), display=display)


def _relinked(page: Path, language: str, found: re.Match[str]) -> str:
    """Links to files outside of the book lead nowhere in it: their words stay, as code. Pictures lie once, for both."""
    target = found["target"]
    if re.match(r"[a-z]+:", target) or target.startswith("/"):
        return found[0]
    there = Path(os.path.normpath(page.parent / target))
    own = DOCS if language == "en" else DOCS / language
    if there.is_relative_to(DOCS / "images"):
        depth = len(page.relative_to(own).parts) - 1
        return f"{found[1]}{'../' * depth}images/{there.relative_to(DOCS / 'images').as_posix()}{found['rest']}"
    if there.is_relative_to(own) and there.suffix == ".md":
        return found[0]
    words = found[1][1:-2]
    return words if words.startswith("`") else f"{words} (`{_shown(there)}`)"


def _shown(there: Path) -> str:
    return there.relative_to(ROOT).as_posix() if there.is_relative_to(ROOT) else there.name
