"""One report, written twice: a self-contained HTML page and a Word document with the same content."""

import base64
import io
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from .language import Language

CJK_WORD_FONT = "Microsoft YaHei"


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


Block = Heading | Paragraph | Picture | Table | Code


@dataclass
class Report:
    """Blocks in order. Figures and tables are numbered as they come."""

    title: str
    language: Language = "en"
    subtitle: str = ""
    blocks: list[Block] = field(default_factory=list)

    def heading(self, text: str) -> None:
        self.blocks.append(Heading(text))

    def say(self, text: str, loud: bool = False) -> None:
        self.blocks.append(Paragraph(text, loud))

    def code(self, text: str) -> None:
        self.blocks.append(Code(text))

    def picture(self, name: str, content: bytes, caption: str) -> None:
        count = sum(isinstance(block, Picture) for block in self.blocks) + 1
        self.blocks.append(Picture(name, content, f"{self._word('Figure', '图')} {count}. {caption}"))

    def table(
        self, head: Sequence[str], rows: Sequence[Sequence[str]], caption: str, marks: Sequence[bool | None] = ()
    ) -> None:
        count = sum(isinstance(block, Table) for block in self.blocks) + 1
        self.blocks.append(Table(head, rows, f"{self._word('Table', '表')} {count}. {caption}", marks))

    def _word(self, en: str, zh: str) -> str:
        return zh if self.language == "zh" else en

    def write_pictures(self, folder: Path) -> None:
        """Every figure as `folder/<name>.png`."""
        folder.mkdir(parents=True, exist_ok=True)
        for block in self.blocks:
            if isinstance(block, Picture):
                (folder / f"{block.name}.png").write_bytes(block.content)

    def html(self) -> str:
        """The page: one file, no outside request."""
        from jinja2 import Environment, PackageLoader

        environment = Environment(
            loader=PackageLoader("sfumato.reports", "."), autoescape=True, trim_blocks=True, lstrip_blocks=True
        )
        environment.filters["data_url"] = lambda content: (
            "data:image/png;base64," + base64.b64encode(content).decode("ascii")
        )
        blocks = [(type(block).__name__, block) for block in self.blocks]
        return environment.get_template("page.html.jinja").render(report=self, blocks=blocks)

    def write_docx(self, path: Path) -> None:
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
        document.save(str(path))


def _add_to_docx(document: Any, block: Block, width: int) -> None:
    from docx.enum.text import WD_ALIGN_PARAGRAPH
    from docx.shared import Pt
    from PIL import Image

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
