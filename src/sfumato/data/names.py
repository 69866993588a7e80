"""Names and texts as other systems wrote them: code pages, backslashes, accents in two pieces, folders nobody made."""

import codecs
import re
from collections.abc import Iterable
from unicodedata import normalize

from ..errors import SfumatoError
from ..visible import one_line

SYSTEM = frozenset(
    {"__macosx", "@eadir", "#recycle", "@recycle", "#snapshot", "$recycle.bin", "system volume information",
     "lost+found", ".ipynb_checkpoints", ".trashes", "found.000"}
)  # fmt: skip
MARKS = ((codecs.BOM_UTF8, "utf-8-sig"), (codecs.BOM_UTF16_LE, "utf-16"), (codecs.BOM_UTF16_BE, "utf-16"))
DECLARED = re.compile(rb"""<\?xml[^>]{0,80}encoding\s*=\s*["']([A-Za-z0-9._-]{1,40})["']""")
IDEOGRAPHS, KANA, WIDE = r"\u4e00-\u9fff", r"\u3040-\u30ff", r"\u3000-\u303f\uff01-\uff5e"  # letters, and their marks
TWO = re.compile(rb"[\x80-\xff]{2}")
PAGES = {
    "gb2312": re.compile(f"[\x00-\x7f{IDEOGRAPHS}{WIDE}]*"),
    "cp932": re.compile(f"[\x00-\x7f{IDEOGRAPHS}{KANA}{WIDE}]*"),
    "gb18030": re.compile(f"[\x00-\x7f{IDEOGRAPHS}{WIDE}]*"),
    "cp1252": re.compile("(?:[\x00-\x7f]|[À-ÖØ-öø-ÿŠšŽžŒœŸ]{1,2}(?=[\x00-\x7f]|$))*"),
}  # of code pages: what a text in them looks like. Of Latin letters with accents no three stand together


def plain(name: str) -> str:
    """A path with slashes between its parts and each letter in one piece (NFC). Bytes that are no UTF-8 become what
    their code page says, if it is known; what else cannot be seen or written is made visible."""
    raw = name.encode("utf-8", "surrogateescape")
    page = page_of(raw)
    return one_line(normalize("NFC", (raw.decode(page) if page else name).replace("\\", "/")))


def is_system(part: str) -> bool:
    """Whether a folder of this name is made by an operating system, a network drive or a notebook."""
    return part.lower() in SYSTEM


def page_of(content: bytes) -> str | None:
    """The code page that `content` is written in; None if none is known to fit, or more than one does."""
    if _fits(content, "utf-8"):
        return "utf-8"
    fitting = [page for page in PAGES if _fits(content, page)]
    if "gb2312" in fitting:
        return "gb2312"
    if "cp1252" in fitting and not TWO.search(content):  # two bytes for each letter would stand together somewhere
        return "cp1252"
    if "cp932" in fitting and re.search(f"[{KANA}]", content.decode("cp932")):
        return "cp932"
    return fitting[0] if len(fitting) == 1 else None


def _fits(content: bytes, page: str) -> bool:
    try:
        text = content.decode(page)
    except (UnicodeDecodeError, LookupError):
        return False
    return page not in PAGES or PAGES[page].fullmatch(text) is not None


def decoded(content: bytes) -> str:
    """The text of a file: as its byte order mark or its XML declaration says, in UTF-8, or in a code page that its
    letters tell. Raises SfumatoError if they do not."""
    marked = next((page for mark, page in MARKS if content.startswith(mark)), None)
    said = DECLARED.match(content)
    page = marked or (said and said.group(1).decode())
    if not (page and _fits(content, page)):
        page = page_of(content)
    if page is None:
        raise SfumatoError("neither in UTF-8 nor in a code page that its letters tell: save it as UTF-8")
    return normalize("NFC", content.decode(page))


def unpacked_names(raw: Iterable[bytes]) -> dict[bytes, str | None]:
    """Names of an archive's members as text: all in the one code page that fits them all. None if there is none."""
    names = list(raw)
    page = page_of(b"\n".join(names))
    return {name: name.decode(page or "ascii") if page or name.isascii() else None for name in names}
