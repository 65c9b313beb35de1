"""Bytes of HTML, PDF and DOCX → text with its structure. Each by a library; nothing here touches files or the net.

Headings come out as markdown's `# …` lines, which the splitter knows, so that a citation can name its heading.
"""

from __future__ import annotations

import io
import logging
import re
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

from index.types import SourceError

if TYPE_CHECKING:
    from docx.document import Document as WordDocument
    from docx.table import Table
    from docx.text.paragraph import Paragraph

MAX_HTML = 10_000_000  # bytes; an article's page has some 100 kB, and the extraction of more takes minutes
MAX_PAGES = 5_000  # of a PDF; the longest books have about 2,000
MAX_UNPACKED = 200_000_000  # bytes of a DOCX's members together: pictures included, a long report has 50 MB
MAX_RATIO = 200  # of a member's sizes; XML packs to a tenth or a twentieth, a bomb to a thousandth
_OFFICE_2003 = b"\xd0\xcf\x11\xe0"


@dataclass(frozen=True)
class Extracted:
    """Text as it is stored, with what the source says of itself. `pages`: where each page begins in the text."""

    text: str
    title: str | None = None
    author: str | None = None
    published: str | None = None
    pages: tuple[int, ...] = ()


# ---- HTML


def html(data: bytes, url: str | None = None) -> Extracted:
    """The main text of a page, without menus and comments. Raises SourceError where there is none."""
    import trafilatura

    if len(data) > MAX_HTML:
        raise SourceError(f"the page is larger than {MAX_HTML // 1_000_000} MB; split it, or save its text")
    logging.getLogger("trafilatura").setLevel(logging.CRITICAL)  # what it says goes to nobody; we say it below
    text = trafilatura.extract(data, url=url, output_format="markdown", include_comments=False, include_tables=True,
                               include_links=False, include_images=False, include_formatting=True)  # fmt: skip
    if not text or not text.strip():
        raise SourceError("no article was found in the page; save its text as .txt and add that")
    known = trafilatura.extract_metadata(data, default_url=url)
    title, author, date = (getattr(known, name, None) or None for name in ("title", "author", "date"))
    return Extracted(text, title, author, date)


# ---- PDF


def pdf(data: bytes) -> Extracted:
    """The text of a PDF, a blank line between pages. Raises SourceError for one that is damaged, locked by a password,
    of more than MAX_PAGES, or holds pictures of text only."""
    import pypdf

    logging.getLogger("pypdf").setLevel(logging.CRITICAL)  # it logs every oddity of a file that it then reads
    try:
        reader = pypdf.PdfReader(io.BytesIO(data))
        if reader.is_encrypted and not reader.decrypt(""):
            raise SourceError("it is locked by a password; save a copy without one and add that")
        if len(reader.pages) > MAX_PAGES:
            raise SourceError(f"it has more than {MAX_PAGES:,} pages; split it")
        texts = [_plain(page.extract_text() or "") for page in reader.pages]
        known = reader.metadata
        facts = (known.title, known.author, known.creation_date) if known else (None, None, None)
    except SourceError:
        raise
    except Exception as exc:
        # Any: on damaged files pypdf raises its own errors and, from deep inside, nearly every one of Python's.
        raise SourceError(f"the PDF is damaged ({_reason(exc)}); open it and save it anew") from exc
    if not any(text.strip() for text in texts):
        raise SourceError("the PDF holds no text, only pictures of it or nothing; run text recognition (OCR) first")
    title, author, made = facts
    return Extracted("\n\n".join(texts), _fact(title), _fact(author), made.date().isoformat() if made else None,
                     _starts(texts))  # fmt: skip


def _plain(text: str) -> str:
    """Without surrogates and NULs, which some fonts' tables give."""
    return text.encode("utf-8", "replace").decode("utf-8").replace("\0", "")


def _starts(texts: list[str]) -> tuple[int, ...]:
    """Where each text begins when all are joined by a blank line."""
    starts, at = [], 0
    for text in texts:
        starts.append(at)
        at += len(text) + 2
    return tuple(starts)


def _fact(value: object) -> str | None:
    return _plain(str(value)).strip() or None if value else None


# ---- DOCX


def docx(data: bytes) -> Extracted:
    """Paragraphs, lists and tables in their order. Raises SourceError for a file that is damaged, locked or a bomb."""
    if data.startswith(_OFFICE_2003):
        raise SourceError("it is locked by a password or in the format of Word 2003; save it as .docx without one")
    try:
        _check_sizes(zipfile.ZipFile(io.BytesIO(data)))
        import docx as library

        document = library.Document(io.BytesIO(data))
        text = "\n\n".join(_word_blocks(document))
        facts = document.core_properties
        made = facts.created
    except SourceError:
        raise
    except Exception as exc:
        # Any: a damaged package gives errors of zipfile, of lxml, and KeyError or AttributeError from the library.
        raise SourceError(f"the document is damaged ({_reason(exc)}); open it and save it anew") from exc
    return Extracted(text, _fact(facts.title), _fact(facts.author), made.date().isoformat() if made else None)


def _check_sizes(package: zipfile.ZipFile) -> None:
    members = package.infolist()
    ratio = max((member.file_size / max(1, member.compress_size) for member in members), default=0)
    if sum(member.file_size for member in members) > MAX_UNPACKED or (
        ratio > MAX_RATIO and max(member.file_size for member in members) > 1_000_000
    ):
        raise SourceError("unpacked it would be far larger than any document (a zip bomb?); it was not opened")


def _word_blocks(document: WordDocument) -> Iterator[str]:
    from docx.table import Table

    for block in document.iter_inner_content():
        text = _rows(block) if isinstance(block, Table) else _paragraph(block)
        if text.strip():
            yield text


def _paragraph(paragraph: Paragraph) -> str:
    """A heading as `# …`, a list item as `- …`."""
    style = (paragraph.style.name if paragraph.style else "") or ""
    text = _plain(paragraph.text).strip()
    level = 1 if style == "Title" else int(match[1]) if (match := re.match(r"Heading (\d)$", style)) else 0
    if not text or (not level and not style.startswith("List")):
        return text
    return f"{'#' * min(level, 6)} {' '.join(text.split())}" if level else f"- {text}"


def _rows(table: Table) -> str:
    return "\n".join(" | ".join(" ".join(_plain(cell.text).split()) for cell in row.cells) for row in table.rows)


def _reason(exc: Exception) -> str:
    return (next(iter(str(exc).strip().splitlines()), "") or type(exc).__name__)[:120]
