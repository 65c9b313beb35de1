"""Bytes of HTML, PDF and DOCX → text with its structure. Each by a library; nothing here touches files or the net.

Headings come out as markdown's `# …` lines, which the splitter knows, so that a citation can name its heading.
"""

from __future__ import annotations

import codecs
import io
import itertools
import logging
import re
import zipfile
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from index import pdf as pages
from index import tables, word
from index.letters import plain, subscript, superscript
from index.pdf import Matrix, Piece
from index.tables import Cell
from index.types import SourceError

if TYPE_CHECKING:
    from docx.document import Document as WordDocument
    from pypdf import PageObject, PdfReader

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
    tree = trafilatura.load_html(page)
    text = trafilatura.extract(tree if tree is None else _readable(tree), url=url, output_format="markdown",
                               include_comments=False, include_tables=True, include_links=False, include_images=False,
                               include_formatting=True)  # fmt: skip
    if not text or not text.strip():
        raise SourceError("no article was found in the page; save its text as .txt and add that")
    known = trafilatura.extract_metadata(page, default_url=url)
    title, author, date = (getattr(known, name, None) or None for name in ("title", "author", "date"))
    return Extracted(plain(_unescaped(text)), title, author, date)


def _readable(tree: Any) -> Any:
    """The page with its raised and lowered figures as letters, its tables' rows as items of a list where their head is
    known, and without what is struck out: it is no longer said."""
    for struck in tree.xpath("//s | //del | //strike"):
        struck.drop_tree()
    for part in reversed(tree.xpath("//sup | //sub")):  # from the inside out
        text, tail = part.text_content(), part.tail
        part.clear()
        part.text, part.tail = superscript(text) if part.tag == "sup" else subscript(text), tail
        part.drop_tag()
    for table in tree.xpath("//table[not(.//table) and not(ancestor::table) and not(@role='presentation')]"):
        _list_table(table)
    return tree


# What only a table that marks its head may hold: else it arranges a page.
_LAYOUT = ".//h1 | .//h2 | .//h3 | .//ul | .//ol | .//form | .//p[string-length() > 300]"
_SHOWN = ".//text()[not(ancestor::*[self::script or self::style or contains(translate(@style,' ',''),'display:none')])]"
_BLOCKS = ".//br | .//p | .//div | .//li | .//dt | .//dd"


def _list_table(table: Any) -> None:
    """Make a table whose head is known a list, its caption and titles paragraphs before it."""
    rows, marked = _page_rows(table)
    grown = sum(len(text) for row in rows for text, _ in row)  # by cells that reach over very many rows
    arranges = not marked and table.xpath(_LAYOUT)
    listed = None if arranges or grown > 10 * len(table.text_content()) else tables.listed(rows, marked)
    if listed is None:
        return
    titles, items = listed
    for text in [*map(_page_text, table.xpath("./caption")), *titles]:
        table.addprevious(_element(table, "p", text))
    for around in table.xpath("ancestor::figure | ancestor::figure/figcaption"):
        around.tag = "p" if around.tag == "figcaption" else "div"  # of a figure the library keeps only a table
    for child in list(table):
        table.remove(child)
    table.tag, table.text = "ul", None
    table.extend(_element(table, "li", item) for item in items)


def _element(tree: Any, tag: str, text: str) -> Any:
    element = tree.makeelement(tag)
    element.text = text
    return element


def _page_rows(table: Any) -> tuple[list[list[Cell]], int]:
    """The rows, and how many of the first are heads."""
    rows = table.xpath("./tr | ./thead/tr | ./tbody/tr | ./tfoot/tr")
    down: dict[int, tuple[Cell, int]] = {}
    cells = [_page_row(row.xpath("./td | ./th"), down) for row in rows]
    return cells, len(list(itertools.takewhile(_is_head, rows)))


def _page_row(found: list[Any], down: dict[int, tuple[Cell, int]]) -> list[Cell]:
    """The cells of a row, with those above that reach into it; `down`: by column such a cell, and for how many rows."""
    waiting = [((_page_text(cell), _span(cell, "colspan")), _span(cell, "rowspan")) for cell in reversed(found)]
    row: list[Cell] = []
    column, further = 0, {}
    while waiting or column in down:
        cell, height = down[column] if column in down else waiting.pop()
        row.append(cell)
        if height > 1:
            further[column] = (cell, height - 1)
        column += cell[1]
    down.clear()
    down.update(further)
    return row


def _span(cell: Any, name: str) -> int:
    said = cell.get(name, "1").strip()
    return min(100, max(1, int(said))) if said.isdecimal() and len(said) < 5 else 1


def _is_head(row: Any) -> bool:
    """Whether a row stands in the head, or its cells are all heads or wholly bold."""
    cells = row.xpath("./td | ./th")
    bold = [_page_text(cell) == _squeezed("".join(cell.xpath(".//b//text() | .//strong//text()"))) for cell in cells]
    return row.getparent().tag == "thead" or all(cell.tag == "th" or b for cell, b in zip(cells, bold, strict=True))


def _page_text(element: Any) -> str:
    """What is seen of it, on one line."""
    for block in element.xpath(_BLOCKS):
        block.text, block.tail = f" {block.text or ''}", f" {block.tail or ''}"
    return _squeezed("".join(element.xpath(_SHOWN)))


def _squeezed(text: str) -> str:
    return " ".join(text.split())


# The library's backslashes before what would be a mark of markdown; code it leaves as it is.
_CODE = re.compile(r"(^```.*?^```|(?<!\\)`[^`\n]+`)", re.M | re.S)
_ESCAPED = re.compile(r"(?<!\\)(\\*)\\([`*_\[\]<~|])")
_ESCAPED_START = re.compile(r"^(\s*\d{0,9})\\([-+>.)])", re.M)


def _unescaped(text: str) -> str:
    """Markdown without its escapes: the text is shown and searched as it stands."""
    parts = _CODE.split(text)
    for at in range(0, len(parts), 2):
        prose = _ESCAPED.sub(lambda match: match[1][len(match[1]) // 2 :] + match[2], parts[at])
        parts[at] = _ESCAPED_START.sub(r"\1\2", prose)
    return "".join(parts)


# ---- PDF


def pdf(data: bytes) -> Extracted:
    """The text of a PDF, page by page, without running heads; what becomes of it is in `index.pdf`.

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
        read = [_pieces(page) for page in reader.pages]
        title, author, made = (_known(reader, name) for name in ("title", "author", "creation_date"))
    except SourceError:
        raise
    except Exception as exc:
        # Any: on damaged files pypdf raises its own errors and, from deep inside, nearly every one of Python's.
        raise SourceError(f"the PDF is damaged ({_reason(exc)}); open it and save it anew") from exc
    if not any(at.text.strip() for page in read for at in page):
        raise SourceError("the PDF holds no text, only pictures of it or nothing; run text recognition (OCR) first")
    texts = pages.without_running_heads(pages.parted([pages.raised(page) for page in read]))
    text, starts = pages.joined(pages.without_hyphens([pages.with_headings(page) for page in texts]))
    return Extracted(text, _fact(title), _fact(author), made.date().isoformat() if made else None, starts)


def _known(reader: PdfReader, name: str) -> Any:
    """What the file says of itself, None where that cannot be read: it keeps nobody from reading the text."""
    try:
        return getattr(reader.metadata, name, None)
    except Exception:  # noqa: BLE001 (any: a date may be in any words, a title in any encoding)
        return None


def _pieces(page: PageObject) -> list[Piece]:
    """The text of a page with its sizes; as one piece where the library's pieces are not the text that it gives."""
    found: list[Piece] = []
    rise = pages.Rise()

    def visit(text: str, of_page: Matrix, of_line: Matrix, _: object, size: float) -> None:
        found.append(pages.piece(plain(text), of_page, of_line, size, rise.shown))

    text = plain(page.extract_text(visitor_operand_before=rise.follow, visitor_text=visit) or "")
    return found if "".join(at.text for at in found) == text else [Piece(text, 0, 0)]


def _fact(value: object) -> str | None:
    return plain(str(value)).strip() or None if value else None


# ---- DOCX


def docx(data: bytes) -> Extracted:
    """Paragraphs, lists and tables in their order, then the notes (`index.word`). Raises SourceError for a file that is
    damaged, locked or a bomb."""
    if data.startswith(_OFFICE_2003):
        raise SourceError("it is locked by a password or in the format of Word 2003; save it as .docx without one")
    try:
        _check_sizes(zipfile.ZipFile(io.BytesIO(data)))
        import docx as library
        from docx.text.paragraph import Paragraph

        document = library.Document(io.BytesIO(data))
        parts = {name: _part(document, name) for name in word.PARTS}
        text = "\n\n".join(word.blocks(document.element.body, lambda p: Paragraph(p, document).style, parts))
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


def _part(document: WordDocument, name: str) -> Any:
    """The root of a part that the document names so ("numbering"), None where it has none."""
    from docx.oxml import parse_xml

    links = document.part.rels.values()
    found = (link for link in links if link.reltype.endswith(f"/{name}") and not link.is_external)
    link = next(found, None)
    return None if link is None else parse_xml(link.target_part.blob)


def _reason(exc: Exception) -> str:
    return (next(iter(str(exc).strip().splitlines()), "") or type(exc).__name__)[:120]
