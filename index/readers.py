"""Bytes of HTML, PDF and DOCX → text with its structure. Each by a library; nothing here touches files or the net.

Headings come out as markdown's `# …` lines, which the splitter knows, so that a citation can name its heading.
"""

from __future__ import annotations

import codecs
import io
import logging
import re
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from index.types import SourceError

if TYPE_CHECKING:
    from docx.document import Document as WordDocument
    from docx.text.paragraph import Paragraph
    from pypdf import PdfReader

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


# What browsers read a charset as, where that is another than Python's of the same name.
_BROWSERS = {"ascii": "cp1252", "iso8859-1": "cp1252", "iso8859-9": "cp1254", "shift_jis": "cp932", "gb2312": "gb18030",
             "gbk": "gb18030", "euc_kr": "cp949"}  # fmt: skip
# A head that can be read so is not in UTF-16, whatever it says.
_DECLARED = re.compile(
    rb"""<(?:meta\b[^<>]*?\bcharset|\?xml\b[^<>]*?\bencoding)\s*=[\s"']*(?!utf-?16)(\w[\w.:-]*)""", re.I
)


def decoded(data: bytes, charset: str | None = None) -> str:
    """A page as browsers read it: UTF-8 where it is that, else in `charset` (what the server says), else in what its
    head says, else in windows-1252. A byte without a character there becomes U+FFFD."""
    if data.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        return data.decode("utf-16", "replace")
    if not data.isascii():  # the letters of some Japanese pages are all ASCII's
        try:
            return data.decode("utf-8-sig")
        except UnicodeDecodeError:
            pass  # not swallowed: it is in another charset
    declared = _DECLARED.search(re.split(rb"(?i)</head|<body", data, maxsplit=1)[0])
    names = (charset, declared[1].decode("ascii", "replace") if declared else None)
    return data.decode(next(filter(None, map(_codec, names)), "cp1252"), "replace")


def _codec(name: str | None) -> str | None:
    """Python's name of a charset's decoder, None for a charset that there is not."""
    try:
        known = codecs.lookup(name or "").name
        b"\xff-\xff".decode(known, "replace")  # some codecs are not of text, and some not of any bytes
    except (LookupError, ValueError):
        return None
    return _BROWSERS.get(known, known)


def html(data: bytes, url: str | None = None, charset: str | None = None) -> Extracted:
    """The main text of a page, without menus and comments; `charset`: see `decoded`. Raises SourceError where there is
    none."""
    import trafilatura

    if len(data) > MAX_HTML:
        raise SourceError(f"the page is larger than {MAX_HTML // 1_000_000} MB; split it, or save its text")
    logging.getLogger("trafilatura").setLevel(logging.CRITICAL)  # what it says goes to nobody; we say it below
    # Decoded here, since the library guesses, and without the line of an XML page that names another encoding.
    page = re.sub(r"\A\s*<\?xml[^>]*>", "", decoded(data, charset))
    text = trafilatura.extract(page, url=url, output_format="markdown", include_comments=False, include_tables=True,
                               include_links=False, include_images=False, include_formatting=True)  # fmt: skip
    if not text or not text.strip():
        raise SourceError("no article was found in the page; save its text as .txt and add that")
    known = trafilatura.extract_metadata(page, default_url=url)
    title, author, date = (getattr(known, name, None) or None for name in ("title", "author", "date"))
    return Extracted(text, title, author, date)


# ---- PDF


def pdf(data: bytes) -> Extracted:
    """The text of a PDF, a blank line between pages, or a line end where a sentence goes on.

    Raises SourceError for one that is damaged, locked by a password, of more than MAX_PAGES, or of pictures alone.
    """
    import pypdf

    logging.getLogger("pypdf").setLevel(logging.CRITICAL)  # it logs every oddity of a file that it then reads
    try:
        reader = pypdf.PdfReader(io.BytesIO(data))
        if reader.is_encrypted and not reader.decrypt(""):
            raise SourceError("it is locked by a password; save a copy without one and add that")
        if len(reader.pages) > MAX_PAGES:
            raise SourceError(f"it has more than {MAX_PAGES:,} pages; split it")
        texts = [_plain(page.extract_text() or "") for page in reader.pages]
        title, author, made = (_known(reader, name) for name in ("title", "author", "creation_date"))
    except SourceError:
        raise
    except Exception as exc:
        # Any: on damaged files pypdf raises its own errors and, from deep inside, nearly every one of Python's.
        raise SourceError(f"the PDF is damaged ({_reason(exc)}); open it and save it anew") from exc
    if not any(text.strip() for text in texts):
        raise SourceError("the PDF holds no text, only pictures of it or nothing; run text recognition (OCR) first")
    text, starts = _joined(texts)
    return Extracted(text, _fact(title), _fact(author), made.date().isoformat() if made else None, starts)


def _known(reader: PdfReader, name: str) -> Any:
    """What the file says of itself, None where that cannot be read: it keeps nobody from reading the text."""
    try:
        return getattr(reader.metadata, name, None)
    except Exception:  # noqa: BLE001 (any: a date may be in any words, a title in any encoding)
        return None


# A page that ends within a sentence, and one that begins within one.
_UNFINISHED = re.compile(r"[^\s.!?…:;\"”’»)\]][ \t]*\Z|[,;(–-][ \t]*\Z")
_LOWER = re.compile(r"[ \t]*[a-zà-öø-ÿ]")


def _plain(text: str) -> str:
    """Without surrogates and NULs, which some fonts' tables give."""
    return text.encode("utf-8", "replace").decode("utf-8").replace("\0", "")


def _joined(texts: list[str]) -> tuple[str, tuple[int, ...]]:
    """The pages as one text, and where each begins."""
    whole = ""
    starts: list[int] = []
    for text in texts:
        goes_on = _UNFINISHED.search(whole) and _LOWER.match(text)
        whole += ("\n" if goes_on else "\n\n") if starts else ""
        starts.append(len(whole))
        whole += text
    return whole, tuple(starts)


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
    from docx.oxml.ns import qn
    from docx.text.paragraph import Paragraph

    for element in _elements(document.element.body, "w:p", "w:tbl"):
        text = _rows(element) if element.tag == qn("w:tbl") else _paragraph(Paragraph(element, document))
        if text.strip():
            yield text


def _elements(parent: Any, *tags: str) -> Iterator[Any]:
    """Elements of these kinds in their order, also those in content controls."""
    from docx.oxml.ns import qn

    for child in parent:
        if child.tag in map(qn, tags):
            yield child
        elif child.tag in (qn("w:sdt"), qn("w:sdtContent"), qn("w:ins"), qn("w:customXml"), qn("w:smartTag")):
            yield from _elements(child, *tags)


def _words(paragraph: Any) -> str:
    """All that a reader of the page sees: also what was inserted while changes were tracked, and what stands in fields
    and content controls, which `Paragraph.text` leaves out ("not" among it); nothing that was deleted."""
    from docx.oxml.ns import qn

    gone = {qn("w:del"), qn("w:moveFrom"), qn("w:txbxContent")}
    shown = {qn("w:tab"): "\t", qn("w:br"): "\n", qn("w:cr"): "\n", qn("w:noBreakHyphen"): "-"}

    def parts(element: Any) -> Iterator[str]:
        for child in element:
            if child.tag == qn("w:t"):
                yield child.text or ""
            elif child.tag in shown and element.tag == qn("w:r"):
                yield shown[child.tag]
            elif child.tag not in gone:
                yield from parts(child)

    return "".join(parts(paragraph))


def _paragraph(paragraph: Paragraph) -> str:
    """A heading as `# …`, a list item as `- …`."""
    style = (paragraph.style.name if paragraph.style else "") or ""
    text = _plain(_words(paragraph._p)).strip()
    level = 1 if style == "Title" else int(match[1]) if (match := re.match(r"Heading (\d)$", style)) else 0
    if not text or (not level and not style.startswith("List")):
        return text
    return f"{'#' * min(level, 6)} {' '.join(text.split())}" if level else f"- {text}"


def _rows(table: Any) -> str:
    """A line for each row. A cell over several columns stands there once, one over several rows in each of them."""
    above: dict[int, str] = {}  # first column of a cell → its text
    lines = []
    for row in _elements(table, "w:tr"):
        column, cells = int(row.xpath("sum(w:trPr/w:gridBefore/@w:val)")), []
        for cell in _elements(row, "w:tc"):
            if cell.vMerge != "continue":
                above[column] = _cell(cell)
            cells.append(above.get(column, ""))
            column += cell.grid_span
        lines.append(" | ".join(cells))
    return "\n".join(lines)


def _cell(cell: Any) -> str:
    words = " ".join(_words(element) for element in cell.iter() if element.tag.endswith("}p"))
    return " ".join(_plain(words).split())


def _reason(exc: Exception) -> str:
    return (next(iter(str(exc).strip().splitlines()), "") or type(exc).__name__)[:120]
