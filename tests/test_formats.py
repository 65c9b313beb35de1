"""HTML, PDF, DOCX and web addresses, made here by other programs than those that read them."""

from __future__ import annotations

import gzip
import io
import os
import re
import threading
import time
import zipfile
from collections.abc import Iterator
from contextlib import suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import docx
import pypdf
import pytest
from docx.document import Document as WordDocument
from docx.oxml import parse_xml
from fpdf import FPDF
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pypdf.generic import DecodedStreamObject, DictionaryObject, NameObject

from index import Document, Index, SourceError, fetch, readers, sources, tables
from index.chunk import sentences, split
from rag import retrieve

PROSE = "The lighthouse of Brennan Point was built by the engineer Ada Holm, who lived on the island for nine years. "
RUSSIAN = "Маяк в Осиновце был построен в 1910 году. Его высота составляет семьдесят метров. "
WORD = st.text("abcdefghijklmnopqrstuvwxyzäöüß", min_size=2, max_size=9)
PARAGRAPH = st.lists(WORD, min_size=8, max_size=40).map(lambda words: " ".join(words) + ".")
PARAGRAPHS = st.lists(PARAGRAPH, min_size=1, max_size=6)
FEW = settings(max_examples=20, deadline=None, suppress_health_check=list(HealthCheck))


def page(paragraphs: list[str], title: str = "The lighthouse") -> bytes:
    body = "".join(f"<p>{text}</p>" for text in paragraphs)
    return (
        f'<html><head><meta charset="utf-8"><title>{title}</title><meta name="author" content="Ida Berg">'
        f'<meta property="article:published_time" content="2021-05-04"></head><body><nav><a href="/">Menu</a></nav>'
        f"<article><h1>{title}</h1>{body}</article><footer>Imprint</footer></body></html>"
    ).encode()


def pdf(pages: list[list[str]], password: str = "") -> bytes:
    made = FPDF()
    made.set_title("A report")
    made.set_author("Ida Berg")
    made.set_font("Helvetica", size=11)
    for paragraphs in pages:
        made.add_page()
        for text in paragraphs:
            made.multi_cell(0, 6, text)
            made.ln(4)
    if password:
        made.set_encryption(owner_password="owner", user_password=password)
    return bytes(made.output())


def word(paragraphs: list[str], title: str = "") -> bytes:
    made = docx.Document()
    made.core_properties.title = title
    for text in paragraphs:
        made.add_paragraph(text)
    out = io.BytesIO()
    made.save(out)
    return out.getvalue()


def exact(document: Document) -> bool:
    """Chunks are slices of the text and cover all that can be seen of it."""
    covered, at = [], 0
    for chunk in split(document):
        assert chunk.text == document.text[chunk.start : chunk.end]
        covered.append(document.text[at : chunk.start])
        at = chunk.end
    return not "".join([*covered, document.text[at:]]).strip()


def words(text: str) -> list[str]:
    return re.findall(r"\w+", text)


def read(tmp_path: Path, name: str, data: bytes) -> Document:
    (tmp_path / name).write_bytes(data)
    return sources.read(tmp_path / name)


# ---- what comes back


@given(PARAGRAPHS)
@FEW
def test_every_word_of_a_pdf_comes_back_on_its_page(tmp_path: Path, paragraphs: list[str]) -> None:
    document = read(tmp_path, "a.pdf", pdf([paragraphs, paragraphs[:1]]))
    assert exact(document)
    assert list(document.pages) == sorted(document.pages)
    assert len(document.pages) == 2
    first, second = document.text[: document.pages[1]], document.text[document.pages[1] :]
    assert words(first) == words(" ".join(paragraphs))
    assert words(second) == words(paragraphs[0])


@given(PARAGRAPHS)
@FEW
def test_every_word_of_a_docx_comes_back(tmp_path: Path, paragraphs: list[str]) -> None:
    document = read(tmp_path, "a.docx", word(paragraphs))
    assert exact(document)
    assert words(document.text) == words(" ".join(paragraphs))


@given(st.lists(PARAGRAPH, min_size=4, max_size=7, unique=True))
@FEW
def test_every_word_of_an_article_on_a_page_comes_back(tmp_path: Path, paragraphs: list[str]) -> None:
    document = read(tmp_path, "a.html", page([PROSE * 2, *paragraphs]))
    assert exact(document)
    assert words(" ".join(paragraphs)) == words(document.text)[-len(words(" ".join(paragraphs))) :]


@given(st.lists(st.text(max_size=80), max_size=12), st.sampled_from(["\n", "\r\n", "\n\n", "\r\n\r\n"]))
@FEW
def test_any_text_is_kept_to_the_character(tmp_path: Path, lines: list[str], end: str) -> None:
    text = "Start. " + end.join(lines)
    if "\0" in text:
        return
    document = read(tmp_path, "a.md", text.encode("utf-8", "replace"))
    assert document.text == text.encode("utf-8", "replace").decode()
    assert exact(document)


def test_a_page_gives_its_article_without_its_menu(tmp_path: Path) -> None:
    document = read(tmp_path, "a.html", page([PROSE * 3, PROSE * 2]))
    assert (document.title, document.author, document.published) == ("The lighthouse", "Ida Berg", "2021-05-04")
    assert "Menu" not in document.text
    assert "# The lighthouse" in document.text


def test_a_word_document_keeps_headings_lists_and_tables_in_order(tmp_path: Path) -> None:
    made = docx.Document()
    made.core_properties.author = "Ida Berg"
    made.add_heading("Report", 0)
    made.add_heading("Costs", 2)
    made.add_paragraph("Bricks", style="List Bullet")
    table = made.add_table(1, 2)
    table.cell(0, 0).text, table.cell(0, 1).text = "Stone", "40 crowns"
    made.add_paragraph("That is all.")
    out = io.BytesIO()
    made.save(out)
    document = read(tmp_path, "a.docx", out.getvalue())
    assert document.text == "# Report\n\n## Costs\n\n- Bricks\n\nStone | 40 crowns\n\nThat is all."
    assert document.author == "Ida Berg"
    assert [chunk.headings for chunk in split(document)][-1] == ("Report", "Costs")


def test_a_citation_knows_its_page(index: Index, tmp_path: Path) -> None:
    first = "The lamp of the tower was lit with whale oil until the year 1911. " * 4
    (tmp_path / "a.pdf").write_bytes(pdf([[first], [PROSE * 3], ["The keeper was Nils Roe."]]))
    index.add([tmp_path])
    (passage, *_) = retrieve("who was the keeper Nils Roe", 1, index)
    at = passage.text.index("The keeper")
    assert passage.chunk.page(passage.start + at) == 3


@pytest.mark.parametrize(
    ("data", "charset", "text"),
    [
        ("<p>£5".encode(), "windows-1251", "<p>£5"),  # what is UTF-8 is, whatever is said
        (b"\xef\xbb\xbf<p>\xc2\xa35", None, "<p>£5"),
        (b"<p>\xa35 \x93no\x94", None, "<p>£5 “no”"),
        (b"<p>\xa35 \x93no\x94", "ISO-8859-1", "<p>£5 “no”"),
        (b"<p>\xa35 \x81", None, "<p>£5 \N{REPLACEMENT CHARACTER}"),
        (b'<meta charset="cp1251"><p>\xcc\xe0\xff\xea', None, '<meta charset="cp1251"><p>Маяк'),
        (b'<meta charset="cp1252"><p>\xcc\xe0\xff\xea', "cp1251", '<meta charset="cp1252"><p>Маяк'),
        (b'<?xml encoding="cp1251"?><p>\xcc', "no such charset", '<?xml encoding="cp1251"?><p>М'),
        (b'<p>\xa35 <meta charset="cp1251">', "hex", '<p>£5 <meta charset="cp1251">'.replace("£", "Ј")),
        (b'<body><p>\xa35 <meta charset="cp1251">', None, '<body><p>£5 <meta charset="cp1251">'),
        ("横浜".encode("iso-2022-jp"), "ISO-2022-JP", "横浜"),
        ("<p>£5".encode("utf-16"), None, "<p>£5"),
        (b'<meta charset="utf-16"><p>5', None, '<meta charset="utf-16"><p>5'),
    ],
)
def test_bytes_become_the_letters_that_a_browser_shows(data: bytes, charset: str | None, text: str) -> None:
    assert readers.decoded(data, charset) == text


@pytest.mark.parametrize("before", ["", '<?xml version="1.0" encoding="windows-1252"?>\n'])
@pytest.mark.parametrize("charset", ["utf-8", "windows-1252", ""])
def test_a_page_in_windows_1252_keeps_its_pounds(tmp_path: Path, before: str, charset: str) -> None:
    text = before + page([PROSE * 3 + "It cost £23,000 in all."]).decode().replace("utf-8", charset)
    data = text.encode("utf-8" if charset == "utf-8" else "cp1252")
    assert "It cost £23,000 in all." in read(tmp_path, "a.html", data).text


def test_rows_and_cells_of_a_table_in_content_controls_are_read(tmp_path: Path) -> None:
    def cell(text: str, properties: str = "") -> str:
        return f"<w:tc><w:tcPr>{properties}</w:tcPr><w:p>{run_of(text)}</w:p></w:tc>"

    def control(xml: str) -> str:
        return f"<w:sdt><w:sdtContent>{xml}</w:sdtContent></w:sdt>"

    rows = [
        cell("Costs of the bridge", '<w:gridSpan w:val="3"/>'),
        cell("1911", '<w:vMerge w:val="restart"/>') + cell("stone") + control(cell("40 crowns")),
        cell("", "<w:vMerge/>") + cell("wood") + cell("9 crowns"),
    ]
    table = "".join(f"<w:tr>{row}</w:tr>" for row in rows) + control(f"<w:tr>{cell('Builder')}{cell('Lenz')}</w:tr>")
    document = read(tmp_path, "a.docx", word_with(f"<w:tbl>{table}</w:tbl>"))
    assert document.text.splitlines() == [
        "Costs of the bridge", "1911 | stone | 40 crowns", "1911 | wood | 9 crowns", "Builder | Lenz"]  # fmt: skip


# ---- bad input


@pytest.mark.parametrize(
    ("name", "data", "reason"),
    [
        ("a.pdf", b"%PDF-1.7 and then nothing of use", "damaged"),
        ("a.pdf", b"", "damaged"),
        ("a.pdf", pdf([["Secret."]], password="x"), "locked by a password"),
        ("a.pdf", pdf([[]]), "recognition"),
        ("a.docx", b"PK but no package", "damaged"),
        ("a.docx", b"\xd0\xcf\x11\xe0" + b"\0" * 600, "locked by a password or in the format of Word 2003"),
        ("a.docx", word([]), "empty"),
        ("a.html", b"", "no article"),
        ("a.html", b"<html><body></body></html>", "no article"),
        ("a.html", b"<p>x</p>" * 1_300_000, "larger than 10 MB"),
    ],
)
def test_what_cannot_be_read_is_named(tmp_path: Path, name: str, data: bytes, reason: str) -> None:
    with pytest.raises(SourceError, match=reason):
        read(tmp_path, name, data)


def test_a_pdf_with_an_empty_password_opens(tmp_path: Path) -> None:
    writer = pypdf.PdfWriter(clone_from=io.BytesIO(pdf([[PROSE]])))
    writer.encrypt(user_password="", owner_password="owner", algorithm="AES-128")
    out = io.BytesIO()
    writer.write(out)
    assert "lighthouse" in read(tmp_path, "a.pdf", out.getvalue()).text


def test_a_zip_bomb_is_not_opened(tmp_path: Path) -> None:
    out = io.BytesIO(word([PROSE]))
    with zipfile.ZipFile(out, "a", zipfile.ZIP_DEFLATED) as package:
        package.writestr("word/media/bomb.xml", b"\0" * 30_000_000)
    with pytest.raises(SourceError, match="zip bomb"):
        read(tmp_path, "a.docx", out.getvalue())


def test_pipes_loops_and_changing_files_are_named_and_stop_nothing(
    index: Index, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "articles"
    folder.mkdir()
    os.mkfifo(folder / "pipe.txt")
    (folder / "loop").symlink_to(folder)
    (folder / "self.txt").symlink_to(folder / "self.txt")
    (folder / "good.txt").write_text(PROSE)
    (folder / os.fsdecode(b"caf\xe9.txt")).write_text("Coffee came to the island in 1700.")
    growing = folder / "growing.txt"
    growing.write_text("x")
    real = Path.read_bytes

    def appended(path: Path) -> bytes:
        data = real(path)
        if path.name == growing.name:
            with path.open("a") as file:
                file.write("x")
        return data

    monkeypatch.setattr(Path, "read_bytes", appended)
    report = index.add([folder])
    reasons = {Path(failure.source).name: failure.reason for failure in report.failed}
    assert set(reasons) == {"pipe.txt", "self.txt", "growing.txt"}
    assert "no file" in reasons["pipe.txt"]
    assert "changes while it is read" in reasons["growing.txt"]
    assert len(report.added) == 2
    assert any("caf" in info.source for info in index.documents())
    assert index.add([folder]).unchanged == report.added


# ---- the web


class Site(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        pages = {"/page": ("text/html; charset=utf-8", page([PROSE * 3])), "/text": ("text/plain", PROSE.encode()),
                 "/image": ("image/png", b"\x89PNG"), "/pdf": ("application/pdf", pdf([[PROSE]])),
                 "/russian": ("text/html; charset=windows-1251", page([PROSE * 3, RUSSIAN]).decode().encode("cp1251")),
                 "/russian.txt": ('text/plain; charset="KOI8-R"', RUSSIAN.encode("koi8-r")),
                 "/unnamed.txt": ("text/plain", RUSSIAN.encode("koi8-r")),
                 "/misnamed.txt": ("text/plain; charset=utf-8", RUSSIAN.encode("koi8-r"))}  # fmt: skip
        if self.path in pages:
            self.answer(200, *pages[self.path])
        elif self.path == "/moved":
            self.answer(302, "text/plain", b"", location="/page")
        elif self.path == "/round":
            self.answer(302, "text/plain", b"", location="/round")
        elif self.path == "/inside":
            self.answer(302, "text/plain", b"", location="file:///etc/passwd")
        elif self.path == "/bomb":
            self.answer(200, "text/plain", gzip.compress(b"x" * (fetch.MAX_BYTES + 1)), encoding="gzip")
        elif self.path == "/drip":
            self.send_response(200)
            self.end_headers()
            self.drip()
        elif self.path == "/headers":
            self.wfile.write(b"HTTP/1.1 200 OK\r\nX-Long: ")
            self.drip()
        elif self.path == "/slow":
            self.server.stopped.wait(0.1)  # type: ignore[attr-defined]
            self.answer(302, "text/plain", b"", location="/slow")
        else:
            self.answer(404, "text/plain", b"")

    def drip(self) -> None:
        with suppress(ConnectionError):  # the reader has gone, as it should
            while not self.server.stopped.wait(0.05):  # type: ignore[attr-defined]
                self.wfile.write(b"x")
                self.wfile.flush()

    def answer(self, status: int, type_: str, body: bytes, location: str = "", encoding: str = "") -> None:
        self.send_response(status)
        headers = {"Content-Type": type_, "Content-Length": str(len(body)), "Location": location,
                   "Content-Encoding": encoding}  # fmt: skip
        for name, value in headers.items():
            if value:
                self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        """Tests are silent."""


@pytest.fixture(scope="module")
def site() -> Iterator[str]:
    server = ThreadingHTTPServer(("127.0.0.1", 0), Site)
    server.stopped = threading.Event()  # type: ignore[attr-defined]
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.stopped.set()  # type: ignore[attr-defined]
    server.shutdown()
    server.server_close()
    thread.join()


@pytest.mark.parametrize("path", ["/page#part", "/moved", "/text", "/pdf"])
def test_a_web_page_is_read_by_what_it_is(site: str, path: str) -> None:
    document = sources.read(site + path, allow_private=True)
    assert "Ada Holm" in document.text
    assert document.source == site + path.split("#")[0]
    assert exact(document)


@pytest.mark.parametrize(
    ("path", "reason"),
    [("/none", "answers 404"), ("/image", "it is image/png"), ("/round", "leads on more than"),
     ("/inside", "no web address"), ("/bomb", "larger than 20 MB"), ("/unnamed.txt", "not UTF-8 .*; save the page"),
     ("/misnamed.txt", "not UTF-8 .*; save the page")],
)  # fmt: skip
def test_what_the_web_gives_that_is_no_article(site: str, path: str, reason: str) -> None:
    with pytest.raises(SourceError, match=reason):
        sources.read(site + path, allow_private=True)


@pytest.mark.parametrize("path", ["/russian", "/russian.txt"])
def test_a_page_is_read_in_the_charset_that_its_server_names(site: str, path: str) -> None:
    assert RUSSIAN.strip() in sources.read(site + path, allow_private=True).text


@pytest.mark.parametrize("path", ["/drip", "/headers", "/slow"])
def test_a_server_that_drips_or_leads_on_slowly_is_left(site: str, monkeypatch: pytest.MonkeyPatch, path: str) -> None:
    monkeypatch.setattr(fetch, "SECONDS", 0.3)
    with pytest.raises(SourceError, match="takes longer than"):
        sources.read(site + path, allow_private=True)


def test_a_server_that_never_answers_is_left(monkeypatch: pytest.MonkeyPatch) -> None:
    import socket

    monkeypatch.setattr(fetch, "SECONDS", 0.3)
    with socket.create_server(("127.0.0.1", 0)) as silent:
        began = time.monotonic()
        with pytest.raises(SourceError, match="could not be fetched"):
            sources.read(f"http://127.0.0.1:{silent.getsockname()[1]}/", allow_private=True)
        assert time.monotonic() - began < 30


@pytest.mark.parametrize("address", ["127.0.0.1", "10.0.0.7", "169.254.169.254", "::1", "::ffff:192.168.0.1", "0.0.0.0",
                                     "224.0.0.1", "fe80::1%eth0"])  # fmt: skip
def test_a_name_that_leads_inside_is_never_asked(monkeypatch: pytest.MonkeyPatch, address: str) -> None:
    monkeypatch.setattr(fetch, "_addresses", lambda host, port: iter(["93.184.216.34", address]))
    with pytest.raises(SourceError, match="own network"):
        sources.read("http://example.com/")


@pytest.mark.parametrize("url", ["ftp://example.com/a", "file:///etc/passwd", "http://user:pw@example.com/", "http://"])
def test_other_kinds_of_addresses_are_refused(url: str) -> None:
    with pytest.raises(SourceError, match=r"only http|user name"):
        sources.read(url)


def test_the_connection_goes_to_the_address_that_was_looked_at(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fetch, "_addresses", lambda host, port: iter(["93.184.216.34"]))
    asked = fetch._pinned("https://example.com/a?b=c", allow_private=False)
    assert asked["url"] == "https://93.184.216.34:443/a?b=c"
    assert asked["headers"] == {"Host": "example.com"}
    assert asked["extensions"] == {"sni_hostname": "example.com"}


def test_a_failed_address_is_in_the_report_and_the_rest_is_added(index: Index, tmp_path: Path, site: str) -> None:
    (tmp_path / "good.txt").write_text(PROSE)
    report = index.add([site + "/page", tmp_path])
    assert len(report.added) == 1
    assert [failure.source for failure in report.failed] == [site + "/page"]
    assert "own network" in report.failed[0].reason


def word_with(*paragraphs: str) -> bytes:
    """A DOCX whose body holds this XML."""
    made = docx.Document()
    space = "http://schemas.openxmlformats.org/wordprocessingml/2006/main"
    for xml in reversed(paragraphs):
        made.element.body.insert(0, parse_xml(f'<w:body xmlns:w="{space}">{xml}</w:body>')[0])
    out = io.BytesIO()
    made.save(out)
    return out.getvalue()


def run_of(text: str) -> str:
    return f'<w:r><w:t xml:space="preserve">{text}</w:t></w:r>'


@pytest.mark.parametrize(
    "inserted",
    [
        f"<w:ins>{run_of('not ')}</w:ins>",
        f"<w:smartTag>{run_of('not ')}</w:smartTag>",
        f'<w:fldSimple w:instr="X">{run_of("not ")}</w:fldSimple>',
        f"<w:sdt><w:sdtContent>{run_of('not ')}</w:sdtContent></w:sdt>",
        f'<w:hyperlink w:anchor="x">{run_of("not ")}</w:hyperlink>',
    ],
)
def test_what_is_inserted_or_wrapped_in_a_docx_is_read(inserted: str, tmp_path: Path) -> None:
    gone = "<w:del><w:r><w:delText>really </w:delText></w:r></w:del>"
    rest = f"{run_of('closed in')}<w:r><w:tab/></w:r>{run_of('May.')}"
    paragraph = f"<w:p>{run_of('The bridge was ')}{inserted}{gone}{rest}</w:p>"
    control = f"<w:sdt><w:sdtContent><w:p>{run_of('A paragraph in a control.')}</w:p></w:sdtContent></w:sdt>"
    document = read(tmp_path, "a.docx", word_with(paragraph, control))
    assert document.text == "The bridge was not closed in\tMay.\n\nA paragraph in a control."


def test_a_sentence_over_two_pages_stays_one(tmp_path: Path) -> None:
    pages = [["The members found no evidence that"], ["the harbour master had taken the money."], ["Another page."]]
    document = read(tmp_path, "a.pdf", pdf(pages))
    assert document.text == (
        "The members found no evidence that\nthe harbour master had taken the money.\n\nAnother page."
    )
    assert [document.text[at : at + 3] for at in document.pages] == ["The", "the", "Ano"]
    start, end = sentences(document.text)[0]
    assert document.text[start:end].endswith("the money.")


def test_a_pdf_that_says_odd_things_of_itself_is_read(tmp_path: Path) -> None:
    writer = pypdf.PdfWriter(clone_from=io.BytesIO(pdf([["The text can be read."]])))
    writer.add_metadata({"/CreationDate": "Monday, 3 May 1999"})
    out = io.BytesIO()
    writer.write(out)
    document = read(tmp_path, "a.pdf", out.getvalue())
    assert (document.text, document.title, document.published) == ("The text can be read.", "A report", None)


# ---- raised figures, struck text, ligatures


def runs(*parts: tuple[str, str]) -> bytes:
    """A DOCX of one paragraph: texts with "superscript", "subscript" or ""."""
    made = docx.Document()
    paragraph = made.add_paragraph()
    for text, place in parts:
        run = paragraph.add_run(text)
        if place:
            setattr(run.font, place, True)
    return saved(made)


def saved(made: WordDocument) -> bytes:
    out = io.BytesIO()
    made.save(out)
    return out.getvalue()


def test_raised_and_lowered_figures_of_a_docx_do_not_change_the_figures_beside_them() -> None:
    data = runs(("€5m in 2023", ""), ("1", "superscript"), (", CO", ""), ("2", "subscript"), (" at 10", ""),
                ("-6", "superscript"), (", the 3", ""), ("rd", "superscript"), (" time", ""),
                ("2, 3", "superscript"))  # fmt: skip
    assert readers.docx(data).text == "€5m in 2023¹, CO₂ at 10⁻⁶, the 3rd time², ³"


def article(html: str) -> str:
    """The text of a page with this between two paragraphs, without them."""
    text = readers.html(page([PROSE * 3]).replace(b"</article>", f"{html}<p>{PROSE * 2}</p></article>".encode())).text
    return text.split(PROSE.strip())[3].strip()


@pytest.mark.parametrize(
    ("html", "text"),
    [
        ("<p>In 2023<sup>1</sup> NO<sub>2</sub> fell to 9 µg/m<sup>3</sup>.</p>", "In 2023¹ NO₂ fell to 9 µg/m³."),
        ('<p>It fell.<a href="#n"><sup>[1]</sup></a> PM<sub>2.5</sub> rose.</p>', "It fell.[1] PM2.5 rose."),
        ('<p>It fell in 2023<sup><a href="#n">1</a></sup>, the 3<sup>rd</sup> time.</p>',
         "It fell in 2023¹, the 3rd time."),
        ("<p>x<sup>2<sup>3</sup></sup> is large, they all said so.</p>", "x2³ is large, they all said so."),
        ("<p>The line is free. <s>It costs 1 euro.</s> <del>Or 2.</del> <strike>Or 3.</strike> Call it.</p>",
         "The line is free. Call it."),
        ("<p>[2] With p &lt; 0.001, a_b and 5 * 3 * 2 in C:\\_x, they said.</p>",
         "[2] With p < 0.001, a_b and 5 * 3 * 2 in C:\\_x, they said."),
        ("<p>1. The ﬁrst oﬃce of the ﬂeet was in the old harbour.</p>",
         "1. The first office of the fleet was in the old harbour."),
        ("<p>They write <code>a\\[1]</code> for it, <code>x_y</code> too.</p>",
         "They write `a\\[1]` for it, `x_y` too."),
    ],
)  # fmt: skip
def test_a_page_is_read_without_marks_of_layout(html: str, text: str) -> None:
    assert article(html) == text


# ---- notes and lists of Word


def with_notes(body: str, **notes: str) -> bytes:
    """A DOCX with this body, and parts of "footnotes" and "endnotes" that hold this XML."""
    kind = "http://schemas.openxmlformats.org/officeDocument/2006/relationships/"
    space = "http://schemas.openxmlformats.org/wordprocessingml/2006/main"
    out = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(word_with(body))) as old, zipfile.ZipFile(out, "w") as new:
        for name in old.namelist():
            data = old.read(name)
            if name == "word/_rels/document.xml.rels":
                links = "".join(
                    f'<Relationship Id="n{part}" Type="{kind}{part}" Target="{part}.xml"/>' for part in notes
                )
                data = data.replace(b"</Relationships>", f"{links}</Relationships>".encode())
            new.writestr(name, data)
        for part, xml in notes.items():
            new.writestr(f"word/{part}.xml", f'<w:{part} xmlns:w="{space}">{xml}</w:{part}>')
    return out.getvalue()


def test_notes_of_a_docx_are_read_at_its_end_under_their_marks() -> None:
    def mark(kind: str, number: int) -> str:
        properties = '<w:rPr><w:vertAlign w:val="superscript"/></w:rPr>'
        return f'<w:r>{properties}<w:{kind}Reference w:id="{number}"/></w:r>'

    def note(kind: str, number: int, *texts: str) -> str:
        paragraphs = "".join(f"<w:p><w:r><w:{kind}Ref/></w:r>{run_of(text)}</w:p>" for text in texts)
        return f'<w:{kind} w:id="{number}">{paragraphs}</w:{kind}>'

    body = (
        f"<w:p>{run_of('It rose.')}{mark('endnote', 4)}{run_of(' It fell')}{mark('footnote', 7)}{run_of('.')}"
        f"<w:del>{mark('footnote', 8)}</w:del>{mark('footnote', 99)}</w:p>"
    )
    separator = '<w:footnote w:type="separator" w:id="-1"><w:p><w:r><w:separator/></w:r></w:p></w:footnote>'
    data = with_notes(
        body,
        footnotes=separator + note("footnote", 7, " Not in May.", "Nor later.") + note("footnote", 8, " Gone."),
        endnotes=note("endnote", 4, " By 3%."),
    )
    assert readers.docx(data).text == "It rose.[1] It fell[2].\n\n[1] By 3%.\n\n[2] Not in May.\n\nNor later."


def test_numbered_items_of_a_docx_have_their_numbers() -> None:
    made = docx.Document()
    for text, style in (("Sign", "List Number"), ("Pay", "List Number"), ("That is all.", "Normal"),
                        ("Leave", "List Number"), ("Bricks", "List Bullet")):  # fmt: skip
        made.add_paragraph(text, style=style)
    assert readers.docx(saved(made)).text == "1. Sign\n\n2. Pay\n\nThat is all.\n\n3. Leave\n\n- Bricks"


def test_levels_and_restarts_of_numbered_lists_are_counted_as_in_word() -> None:
    made = docx.Document()
    level = '<w:lvl w:ilvl="{}"><w:start w:val="1"/><w:numFmt w:val="{}"/><w:lvlText w:val="{}"/></w:lvl>'
    levels = (
        level.format(0, "decimal", "Clause %1.")
        + level.format(1, "lowerLetter", "(%2)")
        + level.format(2, "bullet", "·")
    )
    levels += level.format(3, "upperRoman", "%1.%4")
    space = 'xmlns:w="http://schemas.openxmlformats.org/wordprocessingml/2006/main"'
    anew = '<w:lvlOverride w:ilvl="0"><w:startOverride w:val="5"/></w:lvlOverride>'
    numbering = made.part.numbering_part.element
    for xml in (f'<w:abstractNum {space} w:abstractNumId="77">{levels}</w:abstractNum>',
                f'<w:num {space} w:numId="77"><w:abstractNumId w:val="77"/></w:num>',
                f'<w:num {space} w:numId="78"><w:abstractNumId w:val="77"/>{anew}</w:num>'):  # fmt: skip
        numbering.append(parse_xml(xml))
    for number, depth in ((77, 0), (77, 1), (77, 1), (77, 2), (77, 3), (77, 0), (77, 1), (78, 0), (0, 0), (77, 0)):
        properties = made.add_paragraph("x")._p.get_or_add_pPr().get_or_add_numPr()
        properties.get_or_add_numId().val, properties.get_or_add_ilvl().val = number, depth
    assert readers.docx(saved(made)).text.split("\n\n") == [
        "Clause 1. x", "(a) x", "(b) x", "- x", "1.I x", "Clause 2. x", "(a) x", "Clause 5. x", "x", "Clause 3. x",
    ]  # fmt: skip


# ---- tables


def cells(*rows: str) -> list[list[tuple[str, int]]]:
    """Rows as "a | b"; "a ||| b" is a cell over three columns."""
    parts = [re.findall(r"([^|]+)(\|*)", row) for row in rows]
    return [[(text.strip(), max(1, len(bars))) for text, bars in row] for row in parts]


@pytest.mark.parametrize(
    ("rows", "marked", "listed"),
    [
        (("Firm | Sites | Sales", "Lenz | 9 | 121", "Roe | 5 | "), 0,
         ([], ["Firm Lenz: Sites: 9; Sales: 121", "Firm Roe: Sites: 5"])),
        ((" | 2022 | 2023", "Profit | 5.1 | 6.4"), 0, ([], ["Profit: 2022: 5.1; 2023: 6.4"])),
        ((" | 2023", "Profit | 6.4"), 0, ([], ["Profit: 2023: 6.4"])),
        (("Part | Least | Advised", "RAM | 2 GB | 8 GB", "Kernel | 5.4 | any"), 0,
         ([], ["Part RAM: Least: 2 GB; Advised: 8 GB", "Part Kernel: Least: 5.4; Advised: any"])),
        (("Plan | Channel | Hours", "Pro | mail | always"), 1, ([], ["Plan Pro: Channel: mail; Hours: always"])),
        (("Plan | Price", "Pro | € 5"), 1, ([], ["Plan Pro: Price: € 5"])),
        # Of more columns under one head, of a title above it, and of a row that heads others.
        (("Site | 2022 || 2023", " | Q1 | Q2 | Q1", "A | 1 | 2 | 3", "B | closed || 4", "South |||| ",
          "C | 5 | 6 | 7"), 2,
         ([], ["Site A: 2022 Q1: 1; 2022 Q2: 2; 2023 Q1: 3", "Site B: 2022 Q1, 2022 Q2: closed; 2023 Q1: 4", "South",
               "Site C: 2022 Q1: 5; 2022 Q2: 6; 2023 Q1: 7"])),
        (("Costs, in crowns |||", "What | 1911 | 1912", "Stone | 40 | 41"), 0,
         (["Costs, in crowns"], ["What Stone: 1911: 40; 1912: 41"])),
        # Keys and values, whose first row is no head.
        (("Name | Anna Roe", "Born: | 1950", "Died | "), 0, ([], ["Name: Anna Roe", "Born: 1950", "Died"])),
        # No head that could be told: left as they are.
        (("Stone | 40 crowns",), 0, None),
        (("red | green | blue", "one | two | three"), 0, None),
        (("1911 | stone | 40", "1912 | wood | 9"), 0, None),
        (("Anna | Paris | 34", "Bob | Rome | 51"), 0, None),
        (("A | B | A", "1 | 2 | 3"), 0, None),
        (("Name | Anna", "Name | Bob"), 0, None),
        (("Le pont fut construit par l'ingénieur Lenz entre mai et août 1911. | Lenz built the bridge.", "x | y"), 0,
         None),
        (("Plan | Price",), 1, None),
        ((" | ", "Plan | Price", "Pro | 5"), 2, ([], ["Plan Pro: Price: 5"])),
        (("", "", "Plan | Price", "Pro | 5"), 3, ([], ["Plan Pro: Price: 5"])),
        ((), 0, None),
    ],
)  # fmt: skip
def test_each_row_of_a_table_says_what_its_cells_are_of(
    rows: tuple[str, ...], marked: int, listed: tuple[list[str], list[str]] | None
) -> None:
    assert tables.listed(cells(*rows), marked) == listed


def test_a_head_of_more_text_than_its_table_is_not_repeated() -> None:
    head, row = "Plan | " + "Price " * 1000, "Pro | 5"
    assert tables.listed(cells(head, *[row] * 5), 1) is None


def test_a_row_of_a_docx_table_is_a_sentence_that_names_its_columns(tmp_path: Path) -> None:
    made = docx.Document()
    for rows in (
        [("Firm", "Sites", "Sales"), ("Lenz", "9", "121"), ("Roe", "5", "74")],
        [("Name", "Anna"), ("Born", "1950")],
    ):
        table = made.add_table(len(rows), len(rows[0]))
        for row, texts in zip(table.rows, rows, strict=True):
            for cell, text in zip(row.cells, texts, strict=True):
                cell.text = text
    text = read(tmp_path, "a.docx", saved(made)).text
    lines = ["- Firm Lenz: Sites: 9; Sales: 121", "- Firm Roe: Sites: 5; Sales: 74", "- Name: Anna", "- Born: 1950"]
    assert [text[slice(*span)] for span in sentences(text)] == lines


@pytest.mark.parametrize(
    "head",
    ["<w:trPr><w:tblHeader/></w:trPr>{}", '<w:trPr><w:tblHeader w:val="0"/></w:trPr>{}', "{}"],
)
def test_a_row_that_word_repeats_on_each_page_is_a_head(head: str) -> None:
    def row(*texts: str) -> str:
        return "".join(f"<w:tc><w:p>{run_of(text)}</w:p></w:tc>" for text in texts)

    first, second = head.format(row("Plan", "Channel", "Hours")), row("Pro", "mail", "all")
    xml = f"<w:tbl><w:tr>{first}</w:tr><w:tr>{second}</w:tr></w:tbl>"
    marked = "<w:tblHeader/>" in head
    expected = "- Plan Pro: Channel: mail; Hours: all" if marked else "Plan | Channel | Hours\nPro | mail | all"
    assert readers.docx(word_with(xml)).text == expected
    bold = xml.replace("<w:r>", "<w:r><w:rPr><w:b/></w:rPr>", 3)
    assert readers.docx(word_with(bold)).text == "- Plan Pro: Channel: mail; Hours: all"


def test_a_docx_table_in_a_table_is_left_as_it_is() -> None:
    made = docx.Document()
    table = made.add_table(2, 2)
    for at, text in enumerate(("Name", "Anna", "Born", "1950")):
        table.cell(at // 2, at % 2).text = text
    table.cell(1, 1).add_table(1, 1).cell(0, 0).text = "in May"
    assert readers.docx(saved(made)).text == "Name | Anna\nBorn | 1950 in May"


@pytest.mark.parametrize(
    ("rows", "lines"),
    [
        ("<tr><th>Plan<th>Price<tr><td>Pro<td>5<tr><td>Max<td>9", ["- Plan Pro: Price: 5", "- Plan Max: Price: 9"]),
        ("<caption>Prices in euros</caption><thead><tr><td>Plan<td>Price</thead><tr><td>Pro<td>5<sup>1</sup>",
         ["Prices in euros", "- Plan Pro: Price: 5¹"]),
        ("<tr><td><b>Plan</b><td><strong>Hours</strong><tr><td>Pro<td>all", ["- Plan Pro: Hours: all"]),
        ("<tr><th colspan=2>Brennan Point<tr><th>Built<td>1911<tr><th>Height<td>40 m",
         ["Brennan Point", "- Built: 1911", "- Height: 40 m"]),
        ("<tr><th rowspan=2>Area<th colspan=2>2022<tr><th>Q1<th>Q2<tr><td rowspan=2>North<td>1<td>2<tr><td>3<td>4",
         ["- Area North: 2022 Q1: 1; 2022 Q2: 2", "- Area North: 2022 Q1: 3; 2022 Q2: 4"]),
        ("<tr><th>Plan<th>Phone<tr><td>Pro<td><p>07 11</p><p>07 12<br>07 13</p><span style='display: none'>9</span>",
         ["- Plan Pro: Phone: 07 11 07 12 07 13"]),
        ("<tr><td>red<td>green<td>blue<tr><td>one<td>two<td>three",
         ["| red | green | blue |", "| one | two | three |"]),
        ("<tr><td>Menu<td>The news<tr><td>Home<td><h2>Fire in the harbour</h2>",
         ["| Menu | The news |", "| Home | Fire in the harbour |"]),
        ("<tr><td rowspan=x colspan=-2>Stone<td>40<tr><td>Wood<td>9", ["- Stone: 40", "- Wood: 9"]),
    ],
)  # fmt: skip
def test_each_row_of_a_table_on_a_page_says_what_its_cells_are_of(rows: str, lines: list[str]) -> None:
    for html in (f"<table>{rows}</table>", f"<figure><table>{rows}</table></figure>"):
        assert [line.strip() for line in article(html).splitlines() if line.strip()] == lines


def test_the_caption_of_a_table_in_a_figure_is_read() -> None:
    html = "<figure><table><tr><th>Plan<th>Price<tr><td>Pro<td>5</table><figcaption>In euros.</figcaption></figure>"
    assert article(html).split() == "- Plan Pro: Price: 5 In euros.".split()


def test_a_table_in_a_table_of_a_page_stays_one() -> None:
    inner = "<table><tr><th>Plan<th>Price<tr><td>Pro<td>5</table>"
    text = article(f"<table><tr><td>{inner}<td>Beside it.<tr><td>Below<td>it.</table>")
    assert {"Plan", "Price", "Pro", "5", "Beside", "Below"} <= set(words(text))
    assert "Plan Pro" not in text


# ---- PDF: what only a page needs, and what only a page shows


def printed(*pages: str, size: float = 11, head: str = "", foot: str = "") -> bytes:
    """A PDF with a line for each line; `{}` in head and foot is the number of the page."""
    made = FPDF()
    made.set_auto_page_break(False)
    for number, text in enumerate(pages, 1):
        made.add_page()
        for line in filter(None, [head.format(number), *text.split("\n"), foot.format(number)]):
            made.set_font("Helvetica", size=size)
            made.cell(0, 6, line, new_x="LMARGIN", new_y="NEXT")
    return bytes(made.output())


def test_running_heads_and_feet_stand_in_no_sentence_and_pages_keep_their_places(tmp_path: Path) -> None:
    pages = ["The review was", "postponed to May.\nIt is late.", "The last page.", "An annex."]
    document = read(tmp_path, "a.pdf", printed(*pages, head="Northbank - Q3/2024", foot="Page {} of 4"))
    assert document.text == (
        "Northbank - Q3/2024\n\nThe review was\npostponed to May.\nIt is late.\n\nThe last page.\n\nAn annex."
    )
    assert [document.text[at : at + 4] for at in document.pages] == ["Nort", "post", "The ", "An a"]


def test_heads_of_odd_and_of_even_pages_are_running_heads() -> None:
    pages = [f"{name} {number}\nText {word}." for number, (name, word) in enumerate(
        zip(["A book", "A chapter"] * 3, ["one", "two", "three", "four", "five", "six"], strict=True), 12)]  # fmt: skip
    text = readers.pdf(printed(*pages)).text
    assert text.split("\n\n") == ["Text one.", "Text two.", "Text three.", "Text four.", "Text five.", "Text six."]


@pytest.mark.parametrize(
    "pages",
    [
        ["Same head\nOne.", "Same head\nTwo."],  # two pages tell nothing
        ["12 40 33\nOne.", "11 94 51\nTwo.", "38 20 99\nThree."],  # figures of a long table
        ["0 0 0\nOne.", "0 0 0\nTwo.", "0 0 0\nThree."],
        ["Room 12\nOne.", "Room 40\nTwo.", "Room 3\nThree."],
        ["Same head\nOne.", "Same head\nTwo.", "Three.", "Four.", "Five.", "Six."],
    ],
)
def test_lines_that_do_not_run_on_are_kept(pages: list[str]) -> None:
    assert readers.pdf(printed(*pages)).text == "\n\n".join(pages)


def test_a_numbered_heading_of_a_pdf_is_a_paragraph() -> None:
    lines = ["It was 100%.", "2. Loan book", "2.1 Types", "Loan type Share", "Credit cards 5%"]
    assert readers.pdf(printed("\n".join(lines))).text == (
        "It was 100%.\n\n2. Loan book\n\n2.1 Types\n\nLoan type Share\nCredit cards 5%"
    )


@pytest.mark.parametrize(
    "text",
    [
        "He lived at number\n12. The house\nMay be sold.",  # within a sentence
        "Do this:\n1. Sign the contract\n2. Pay the deposit\n3. Leave the house",  # a list
        "It ended.\n12. The house was old. It\nStood in May.",
        "It ended.\n12 July 1911, in the\nMorning.",
        "It ended.\n3. then came\nMay.",
    ],
)
def test_other_numbered_lines_part_nothing(text: str) -> None:
    assert readers.pdf(printed(text)).text == text


def test_many_numbered_lines_are_read() -> None:
    lines = "\n".join(f"1. A part\n1.{number % 90} Another" for number in range(30))
    assert words(readers.pdf(printed(*[lines] * 2)).text) == words(f"{lines} {lines}")


def test_lines_of_another_size_are_a_paragraph_unless_a_sentence_goes_on() -> None:
    made = FPDF()
    made.add_page()
    for size, line in ((18, "A long title over"), (18, "Two lines"), (11, "The text begins."), (8, "Table Share"),
                       (8, "Cards 5%"), (11, "It goes on and"), (8, "on in a smaller size."),
                       (8.5, "It ends.")):  # fmt: skip
        made.set_font("Helvetica", size=size)
        made.cell(0, 8, line, new_x="LMARGIN", new_y="NEXT")
    assert readers.pdf(bytes(made.output())).text == (
        "A long title over\nTwo lines\n\nThe text begins.\n\nTable Share\nCards 5%\n\n"
        "It goes on and\non in a smaller size.\nIt ends."
    )


def test_words_that_a_line_end_cuts_are_whole_and_lines_stay_short() -> None:
    text = ("The Ems flooded 3,200 house-\nholds in Decem-\nber 2023. The well-\nknown self-\ngoverning towns, a "
            "30-\nday wait; a well-known rule,\nthe Franco-\nGerman border (munici-\npalities).")  # fmt: skip
    assert readers.pdf(printed(text)).text == (
        "The Ems flooded 3,200 households\nin December\n2023. The well-known\nself-governing\ntowns, a 30-day\n"
        "wait; a well-known rule,\nthe Franco-\nGerman border (municipalities)."
    )


@given(st.lists(PARAGRAPH, min_size=1, max_size=4), st.integers(7, 14))
@FEW
def test_a_pdf_without_any_of_these_is_the_text_that_pypdf_reads(paragraphs: list[str], size: int) -> None:
    made = FPDF()
    made.set_font("Helvetica", size=size)
    for _ in range(2):
        made.add_page()
        made.multi_cell(0, 6, "\n".join(paragraphs) + " 10, 12,5 and 2023 1.", align="J")
    data = bytes(made.output())
    plain = [page.extract_text() for page in pypdf.PdfReader(io.BytesIO(data)).pages]
    assert readers.pdf(data).text == "\n\n".join(plain)


def streamed(*operators: str) -> bytes:
    """A PDF of one page that is drawn so, with the fonts /F."""
    writer = pypdf.PdfWriter()
    sheet = writer.add_blank_page(595, 842)
    font = DictionaryObject({NameObject("/Type"): NameObject("/Font"), NameObject("/Subtype"): NameObject("/Type1"),
                             NameObject("/BaseFont"): NameObject("/Helvetica")})  # fmt: skip
    fonts = DictionaryObject({NameObject("/F"): font})
    sheet[NameObject("/Resources")] = DictionaryObject({NameObject("/Font"): fonts})
    stream = DecodedStreamObject()
    stream.set_data("\n".join(operators).encode())
    sheet[NameObject("/Contents")] = writer._add_object(stream)
    out = io.BytesIO()
    writer.write(out)
    return out.getvalue()


@pytest.mark.parametrize(
    ("operators", "text"),
    [
        # As TeX, as Word, as Chromium (upside down) and as InDesign set a note's mark.
        ("BT /F 10 Tf 72 700 Td [(in 2023)] TJ /F 7 Tf 32.8 3.6 Td [(1)] TJ /F 10 Tf 4 -3.6 Td [( it)] TJ ET",
         "in 2023¹ it"),
        ("BT /F 10 Tf 1 0 0 1 72 700 Tm (in 2023) Tj ET BT /F 7 Tf 1 0 0 1 104.8 703.6 Tm (1,2) Tj ET", "in 2023¹,²"),
        ("q .5 0 0 -.5 0 800 cm BT /F 20 Tf 1 0 0 -1 9 200 Tm (CHF 88) Tj /F 14 Tf 1 0 0 -1 77.9 192 Tm (2) Tj ET Q",
         "CHF 88²"),
        ("BT /F 10 Tf 72 700 Td (in 2023) Tj /F 7 Tf 3.6 Ts (1) Tj /F 10 Tf 0 Ts ( it) Tj ET", "in 2023¹ it"),
        ("BT /F 10 Tf 72 700 Td (in 2023) Tj ET q BT 104.8 700 Td /F 7 Tf 3.6 Ts (1) Tj ET Q "
         "BT 108.8 700 Td ( and) Tj ET",
         "in 2023¹ and"),
        # Smaller but not raised; raised but not smaller; no figure; after a space; lowered; a figure of its own line.
        ("BT /F 10 Tf 72 700 Td (CHF 2) Tj /F 7 Tf 28.3 0 Td (023) Tj ET", "CHF 2023"),
        ("BT /F 10 Tf 72 700 Td (CHF 2) Tj /F 9.5 Tf 28.3 3 Td (023) Tj ET", "CHF 2023"),
        ("BT /F 10 Tf 72 700 Td (the 3) Tj /F 7 Tf 22.2 3.6 Td (rd) Tj ET", "the 3rd"),
        ("BT /F 10 Tf 72 700 Td (CHF ) Tj /F 7 Tf 24.5 3.6 Td (88) Tj ET", "CHF 88"),
        ("BT /F 10 Tf 72 700 Td (CO) Tj /F 7 Tf 15 -2 Td (2) Tj ET", "CO2"),
        ("BT /F 10 Tf 72 700 Td (CHF 88) Tj /F 7 Tf 0 14 Td (12) Tj ET", "CHF 88\n\n12"),
        ("BT /F 10 Tf x Ts Ts 72 700 Td (CHF 88) Tj ET Q Q", "CHF 88"),
    ],
)  # fmt: skip
def test_raised_figures_of_a_pdf_do_not_change_the_figures_beside_them(operators: str, text: str) -> None:
    assert readers.pdf(streamed(operators)).text == text
