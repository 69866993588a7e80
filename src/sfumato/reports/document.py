"""One report, written twice: a self-contained HTML page and a Word document with the same content."""

from __future__ import annotations

import base64
import io
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from .. import files
from ..errors import SfumatoError
from ..files import write_bytes
from ..visible import visible
from .language import Language

if TYPE_CHECKING:
    from PIL.Image import Image

CJK_WORD_FONT = "Microsoft YaHei"
QUALITY = 86  # of the frames of films, in WebP
WIDTH = 900  # dots
FRAMES = 20
FRAME_MS, LAST_MS = 250, 2000  # how long each is shown in an animation


@dataclass(frozen=True)
class Heading:
    text: str
    level: int = 2


@dataclass(frozen=True)
class Paragraph:
    """`loud` sets it apart as a warning."""

    text: str
    loud: bool = False


@dataclass(frozen=True)
class Picture:
    """A PNG file with the caption that says what it shows, and its numbers."""

    name: str
    content: bytes
    caption: str


@dataclass(frozen=True)
class Table:
    """`rows` of text below `head`; `marks[i]` is True or False where row i met or missed something."""

    head: Sequence[str]
    rows: Sequence[Sequence[str]]
    caption: str = ""
    marks: Sequence[bool | None] = ()


@dataclass(frozen=True)
class Code:
    """Preformatted text."""

    text: str


@dataclass(frozen=True)
class Film:
    """Pictures of one size over time, each with a few words: a slider on the page, an animation in the folder of
    figures, the last picture in the Word document."""

    name: str
    frames: Sequence[Image]
    labels: Sequence[str]
    caption: str


Block = Heading | Paragraph | Picture | Film | Table | Code


@dataclass
class Report:
    """Blocks in order, whose texts are made visible. Figures and tables are numbered as they come."""

    title: str
    language: Language = "en"
    subtitle: str = ""
    blocks: list[Block] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.title, self.subtitle = visible(self.title), visible(self.subtitle)

    def heading(self, text: str) -> None:
        self.blocks.append(Heading(visible(text)))

    def say(self, text: str, loud: bool = False) -> None:
        self.blocks.append(Paragraph(visible(text), loud))

    def code(self, text: str) -> None:
        self.blocks.append(Code(visible(text)))

    def picture(self, name: str, content: bytes, caption: str) -> None:
        self.blocks.append(Picture(name, content, self._figure(caption)))

    def film(self, name: str, frames: Sequence[Image], labels: Sequence[str], caption: str) -> None:
        """`frames`: pictures of one size, in order; of many, `FRAMES` are kept, the first and the last among them."""
        count = min(len(frames), FRAMES)
        kept = [round(index * (len(frames) - 1) / max(1, count - 1)) for index in range(count)]
        chosen, words = [frames[index] for index in kept], [visible(labels[index]) for index in kept]
        self.blocks.append(Film(name, chosen, words, self._figure(caption)))

    def _figure(self, caption: str) -> str:
        count = sum(isinstance(block, Picture | Film) for block in self.blocks) + 1
        return f"{self._word('Figure', '图')} {count}. {visible(caption)}"

    def table(
        self, head: Sequence[str], rows: Sequence[Sequence[str]], caption: str, marks: Sequence[bool | None] = ()
    ) -> None:
        count = sum(isinstance(block, Table) for block in self.blocks) + 1
        caption = f"{self._word('Table', '表')} {count}. {visible(caption)}"
        cells = [[visible(cell) for cell in row] for row in rows]
        self.blocks.append(Table([visible(cell) for cell in head], cells, caption, marks))

    def _word(self, en: str, zh: str) -> str:
        return zh if self.language == "zh" else en

    def write_pictures(self, folder: Path) -> None:
        """Every figure as `folder/<name>.png`, every film as `folder/<name>.webp`."""
        for block in self.blocks:
            if isinstance(block, Picture):
                write_bytes(folder / f"{block.name}.png", block.content)
            elif isinstance(block, Film):
                write_bytes(folder / f"{block.name}.webp", _webp(block.frames))

    def html(self) -> str:
        """The page: one file, no outside request."""
        from jinja2 import Environment, PackageLoader

        environment = Environment(
            loader=PackageLoader("sfumato.reports", "."), autoescape=True, trim_blocks=True, lstrip_blocks=True
        )
        environment.filters["webp"] = lambda frame: _webp([frame])
        environment.filters["data_url"] = lambda content, kind="png": (
            f"data:image/{kind};base64," + base64.b64encode(content).decode("ascii")
        )
        blocks = [(type(block).__name__, block) for block in self.blocks]
        return environment.get_template("page.html.jinja").render(report=self, blocks=blocks)

    def docx(self) -> bytes:
        """The Word document."""
        from docx import Document
        from docx.oxml.ns import qn
        from docx.shared import Cm, Pt

        document = Document()
        section = document.sections[0]
        page, margin = Cm(21), Cm(2.2)
        section.page_width, section.page_height = page, Cm(29.7)
        section.left_margin = section.right_margin = margin
        normal = document.styles["Normal"]
        normal.font.name, normal.font.size = "Calibri", Pt(10.5)  # pyright: ignore[reportAttributeAccessIssue]
        if self.language == "zh":
            for style in document.styles:
                if (properties := style.element.find(qn("w:rPr"))) is not None:
                    properties.get_or_add_rFonts().set(qn("w:eastAsia"), CJK_WORD_FONT)
        document.core_properties.title = self.title
        document.core_properties.author = "Sfumato"
        document.add_heading(self.title, 0)
        if self.subtitle:
            document.add_paragraph(self.subtitle)
        width = page - 2 * margin
        for block in self.blocks:
            _add_to_docx(document, block, width)
        buffer = io.BytesIO()
        document.save(buffer)
        return buffer.getvalue()


def _webp(frames: Sequence[Image]) -> bytes:
    """One picture, or an animation that stays for a while on its last frame."""
    buffer = io.BytesIO()
    more = {"save_all": True, "append_images": frames[1:], "loop": 0,
            "duration": [FRAME_MS] * (len(frames) - 1) + [LAST_MS]} if len(frames) > 1 else {}  # fmt: skip
    frames[0].save(buffer, "WEBP", quality=QUALITY, **more)
    return buffer.getvalue()


def enlarged(picture: Image) -> bytes:
    """PNG with each pixel as a square, wide enough to be seen on a page."""
    buffer, scale = io.BytesIO(), max(1, WIDTH // picture.width)
    picture.resize((picture.width * scale, picture.height * scale), 0).save(buffer, "PNG")
    return buffer.getvalue()


def opened(path: Path) -> Image:
    """The picture in a file, in colours. Raises SfumatoError if it cannot be read."""
    from PIL import Image as Pictures

    try:
        with files.opened(path) as file, Pictures.open(file, formats=["PNG"]) as picture:
            return picture.convert("RGB")
    except Exception as error:  # Pillow's decoders raise nearly anything on damaged files
        raise SfumatoError(f"{path}: not a picture that can be read ({type(error).__name__}): remove it") from None


def _add_to_docx(document: Any, block: Block, width: int) -> None:
    from docx.enum.text import WD_ALIGN_PARAGRAPH
    from docx.shared import Pt
    from PIL import Image

    if isinstance(block, Film):
        block = Picture(block.name, enlarged(block.frames[-1]), f"{block.caption} ({block.labels[-1]})")
    if isinstance(block, Heading):
        document.add_heading(block.text, block.level - 1)
    elif isinstance(block, Paragraph):
        document.add_paragraph().add_run(block.text).bold = block.loud
    elif isinstance(block, Code):
        run = document.add_paragraph().add_run(block.text)
        run.font.name, run.font.size = "Consolas", Pt(7.5)
    elif isinstance(block, Picture):
        with Image.open(io.BytesIO(block.content)) as image:
            natural = int(image.width / 150 * 914_400)  # figures are drawn at 150 dots an inch
        document.add_picture(io.BytesIO(block.content), width=min(natural, width))
        document.paragraphs[-1].alignment = WD_ALIGN_PARAGRAPH.CENTER
        document.paragraphs[-1].paragraph_format.keep_with_next = True
        document.add_paragraph(block.caption, style="Caption")
    else:
        caption = document.add_paragraph(block.caption, style="Caption")
        caption.paragraph_format.keep_with_next = True
        table = document.add_table(rows=1, cols=len(block.head), style="Light Grid Accent 1")
        for cell, text in zip(table.rows[0].cells, block.head, strict=True):
            cell.text = text
        table.autofit = False
        longest = [max(len(row[column]) for row in (block.head, *block.rows)) for column in range(len(block.head))]
        shares = [min(max(length, 8), 32) for length in longest]
        for row in block.rows:
            for cell, text in zip(table.add_row().cells, row, strict=True):
                cell.text = text
        widths = [int(width * share / sum(shares)) for share in shares]
        for column, wide in zip(table.columns, widths, strict=True):
            column.width = wide
        for row in table.rows:
            for cell, wide in zip(row.cells, widths, strict=True):
                cell.width = wide
                for run in cell.paragraphs[0].runs:
                    run.font.size = Pt(8.5)
        document.add_paragraph()
