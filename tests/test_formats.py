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
from docx.oxml import parse_xml
from fpdf import FPDF
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from index import Document, Index, SourceError, fetch, readers, sources
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
