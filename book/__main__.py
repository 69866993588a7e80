"""Builds the book: `python -m book [--out site]`. English at the top, Chinese in `zh/`; any warning ends it with 1."""

import argparse
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
from html.parser import HTMLParser
from pathlib import Path, PurePosixPath
from urllib.parse import unquote

from .compose import DOCS, LANGUAGES, ROOT, compose, sources, title

ABOUT = {
    "en": ("Sfumato", "Learning to make and read images"),
    "zh": ("Sfumato", "学习生成与读懂图像"),
}
# The folders and pages of the book, in order. Pages without a translation are missing from the Chinese one.
CHAPTERS = (
    ("Start", "开始", ("index",)),
    ("How to", "怎样做", ("how-to", "going-on", "machines", "bringing-in", "elsewhere", "studio")),
    ("Systems", "系统", ("systems",)),
    ("Studies", "实验", ("studies",)),
    ("Reference", "参考", ("measured", "commands", "api", "data", "answers", "promises", "design")),
)


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m book", description=__doc__)
    parser.add_argument("--out", type=Path, default=ROOT / "site", help="the folder of the finished pages")
    out = parser.parse_args().out.resolve()
    shutil.rmtree(out, ignore_errors=True)
    with tempfile.TemporaryDirectory() as folder:
        for language in LANGUAGES:
            place = Path(folder) / language
            write(place, language)
            done = subprocess.run(
                [sys.executable, "-m", "zensical", "build", "--strict"], cwd=place, check=False, text=True,
                stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
            )  # fmt: skip
            if done.returncode or "Warning" in done.stdout:
                print(_complaints(done.stdout), file=sys.stderr)
                return 1
            shutil.copytree(place / "site", out if language == "en" else out / language)
    _join(out)
    faults = [f"{page}: {target}: leads nowhere" for page, target in dead_links(out)]
    print(*faults, sep="\n", file=sys.stderr)
    print(f"{out / 'index.html'}: {sum(1 for _ in out.rglob('*.html'))} pages")
    return int(bool(faults))


def _complaints(said: str) -> str:
    """Of what zensical printed: a line a warning, with the page and what stands there."""
    plain = re.sub(r"\x1b\[[0-9;]*m", "", said)
    found = re.findall(r"(?:Warning|Error): (.+)\n.*?\[ (.+?) \].*\n.*\n *\d+ │ (.*)", plain)
    return "\n".join(f"{where}: {what}: {line.strip()[:120]}" for what, where, line in found) or plain


def _join(out: Path) -> None:
    """Lets the choice of a language lead from a page to the same page."""
    for page in out.rglob("*.html"):
        name = page.relative_to(out)
        own = name.relative_to("zh") if name.parts[0] == "zh" else name
        text = page.read_text("utf-8")
        for language, there in {"en": out / own, "zh": out / "zh" / own}.items():
            if there.is_file():
                link = os.path.relpath(there, page.parent).replace(os.sep, "/")
                text = re.sub(rf'<a href="[^"]*" hreflang="{language}"', f'<a href="{link}" lang="{language}"', text)
        page.write_text(text, "utf-8")


def write(place: Path, language: str) -> None:
    """The project of one language, as zensical takes it."""
    pages = sources(language)
    for name, page in pages.items():
        target = place / "docs" / name
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_text(compose(page, language), "utf-8")
    shutil.copytree(DOCS / "images", place / "docs" / "images")
    shutil.copy(Path(__file__).with_name("book.css"), place / "docs" / "book.css")
    (place / "zensical.toml").write_text(_config(pages, language), "utf-8")


def _config(pages: dict[PurePosixPath, Path], language: str) -> str:
    name, about = ABOUT[language]
    text = Path(__file__).with_name("zensical.toml").read_text("utf-8")
    other = {"en": "./zh/", "zh": "../"}[language]
    links = {"en": "./" if language == "en" else other, "zh": "./" if language == "zh" else other}
    alternates = "".join(
        f'\n[[project.extra.alternate]]\nname = "{words}"\nlink = "{links[key]}"\nlang = "{key}"\n'
        for key, words in LANGUAGES.items()
    )
    head = f'[project]\nsite_name = "{name}"\nsite_description = "{about}"\nnav = {_navigation(pages, language)}\n'
    return f"{head}{text.replace('LANGUAGE', language)}{alternates}"


def _navigation(pages: dict[PurePosixPath, Path], language: str) -> str:
    """As TOML, whose inline tables are JSON's but for the sign between key and value. Raises ValueError for pages that
    no chapter has."""
    chapters, left = [], set(pages)
    for english, chinese, names in CHAPTERS:
        listed = [page for name in names for page in sorted(pages, key=_order) if name in (page.stem, page.parent.name)]
        left -= set(listed)
        entries = [f"{{{_quoted(title(pages[page]))} = {_quoted(str(page))}}}" for page in listed]
        chapters.append(f"{{{_quoted(chinese if language == 'zh' else english)} = [{', '.join(entries)}]}}")
    if left:
        raise ValueError(f"{', '.join(map(str, left))}: in no chapter")
    return f"[{', '.join(chapters)}]"


def _quoted(text: str) -> str:
    return json.dumps(text, ensure_ascii=False)


def _order(page: PurePosixPath) -> tuple[int, str]:
    """As the catalog and the list of studies have them; other pages by name, the first of a folder first."""
    from sfumato.runs.catalog import CATALOG
    from sfumato.studies.registry import STUDIES

    known = ["index", *CATALOG, *STUDIES]
    return known.index(page.stem) if page.stem in known else len(known), page.stem


class _Links(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.links: list[str] = []
        self.names: set[str] = set()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        for key, value in attrs:
            if key in ("href", "src") and value:
                self.links.append(value)
            elif key in ("id", "name") and value:
                self.names.add(value)


def dead_links(out: Path) -> list[tuple[str, str]]:
    """Links and pictures within the finished pages that lead nowhere."""
    read: dict[Path, _Links] = {}
    for page in out.rglob("*.html"):
        read[page] = _Links()
        read[page].feed(page.read_text("utf-8"))
    dead = []
    for page, found in read.items():
        if page.name == "404.html":  # its links are absolute: it is shown anywhere
            continue
        for link in found.links:
            if link.startswith(("http:", "https:", "data:", "mailto:")):
                continue
            path, _, part = link.partition("#")
            there = (page.parent / unquote(path)).resolve() if path else page
            there = there / "index.html" if there.is_dir() else there
            if not there.is_file() or (part and there in read and unquote(part) not in read[there].names):
                dead.append((page.relative_to(out).as_posix(), link))
    return dead


if __name__ == "__main__":
    sys.exit(main())
