"""Names that anybody may have chosen, made fit to be printed, drawn and written.

What cannot be seen or moves what stands around it (control characters, ends of lines, marks that turn the direction of
text), and what no UTF-8 holds, becomes its bytes as in an address: `%1B`, `%0A`, `%E2%80%AE`, `%FF`. That form is a
name of a file on every system, and `urllib.parse.unquote_to_bytes` leads back.
"""

import re

UNSEEN = "\x00-\x08\x0b-\x1f\x7f-\x9f\u2028-\u202e\u2066-\u2069\ud800-\udfff\ufffe\uffff"
TEXT, LINE, BROKEN = re.compile(f"[{UNSEEN}]"), re.compile(f"[\t\n{UNSEEN}]"), re.compile("[\ud800-\udfff]")


def visible(text: str) -> str:
    """`text`, in which line feeds and tabs stay."""
    return TEXT.sub(_bytes, text)


def one_line(text: str) -> str:
    """`text` in one line."""
    return LINE.sub(_bytes, text)


def whole(text: str) -> str:
    """`text` in what UTF-8 can hold; all else stays."""
    return text if text.isascii() else BROKEN.sub(_bytes, text)


def _bytes(found: re.Match[str]) -> str:
    letter = found.group()
    a_byte = "\udc80" <= letter <= "\udcff"  # of the name of a file
    return "".join(f"%{byte:02X}" for byte in letter.encode("utf-8", "surrogateescape" if a_byte else "surrogatepass"))
