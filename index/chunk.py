"""Document text → exact spans of sentences → Chunks. Pure: no files, no models.

Three guarantees, tested as properties: a chunk's text is `text[start:end]`; chunks come in order and do not
overlap; every non-space character lies in exactly one. Spans are found while walking the text once, never by
searching for a chunk's words, so that repeated paragraphs keep their own places.
"""

from __future__ import annotations

import bisect
import hashlib
from collections.abc import Iterator, Sequence

from index.blocks import DELIMITER, PARAGRAPH, WRAP, Block, Kind, blocks, stripped
from index.blocks import Span as Span
from index.sentences import LIST_ITEM, ends
from index.types import Chunk, Document

MAX_CHARS = 1000  # about 220 word pieces of English: within the 256 that all-MiniLM-L6-v2 reads
MIN_CHARS = 200  # a shorter paragraph is joined to the next: a caption or a one-line reply says little alone
MAX_SENTENCE = 600  # a longer "sentence" is a table, a list or a text without full stops; cut at a space
VERSION = f"sentences-4/{MAX_CHARS}/{MIN_CHARS}/{MAX_SENTENCE}/{WRAP}"
_WHOLE = ("row", "header", "comment")  # one sentence each, whatever full stops stand in it


def _cut_long(text: str, start: int, end: int, limit: int) -> Iterator[Span]:
    """Cut a span at the last space before `limit` characters, or at `limit` where there is none."""
    while end - start > limit:
        space = max(text.rfind(gap, start + 1, start + limit) for gap in " \t\n\r")
        at = space if space > start else start + limit
        yield stripped(text, start, at)
        start, _ = stripped(text, at, end)
    if start < end:
        yield start, end


def sentences(text: str, start: int = 0, end: int | None = None, longest: int = MAX_SENTENCE) -> list[Span]:
    """Spans of the sentences in `text[start:end]`, without surrounding space, at most `longest` characters each.

    Markdown emphasis and list marks stay inside their sentence; a heading, a list item's line, a row of a table (the
    first one with the |---| below it) and an HTML comment is a sentence of its own.
    """
    found = blocks(text, start, len(text) if end is None else end)
    return [span for block in found for span in _within(text, block, longest)]


def _within(text: str, block: Block, longest: int = MAX_SENTENCE) -> Iterator[Span]:
    """The sentences of a block."""
    at = block.start
    inner = () if block.kind in _WHOLE else ends(text, block.start, block.end)
    for end in (*inner, block.end):
        yield from _cut_long(text, *stripped(text, at, end), longest)
        at = end


# ---- What a sentence must be read with


def lead_in(text: str, spans: Sequence[Span], at: int) -> int:
    """The sentence with which `spans[at]` must be read: for an item of a list the one before the list that ends with a
    colon ("None of these is true:"), for a row of a table its header, or what so introduces that, else itself.
    `spans`: the sentences of the text, in order."""
    first = at
    while first > 0 and not is_item(text, spans[first]) and not _parted(text, spans, first):
        first -= 1  # a later sentence of an item
    if not is_item(text, spans[first]):
        return at
    if (header := _header(text, spans, first)) < first:
        return lead_in(text, spans, header)
    for before in range(first - 1, -1, -1):
        item = is_item(text, spans[before])
        if text[slice(*spans[before])].rstrip("*_ ").endswith(":"):
            return lead_in(text, spans, before) if item else before
        if not item and _parted(text, spans, before):
            break
    return at


def is_item(text: str, span: Span) -> bool:
    """Whether an item of a list, or a row of a table, begins there."""
    return text.startswith("|", *span) or bool(LIST_ITEM.match(text, *span))


def _header(text: str, spans: Sequence[Span], at: int) -> int:
    """The header of the table in which `spans[at]` is a row; itself where there is none."""
    for before in range(at, -1, -1):
        if not text.startswith("|", *spans[before]):
            break
        if any(DELIMITER.fullmatch(line) for line in text[slice(*spans[before])].splitlines()[1:]):
            return before
        if PARAGRAPH.search(text, spans[before - 1][1] if before else 0, spans[before][0]):
            break
    return at


def _parted(text: str, spans: Sequence[Span], at: int) -> bool:
    """Whether a sentence begins a paragraph, or stands behind a table, a comment or a line of signs."""
    before = spans[at - 1]
    return (
        at == 0
        or bool(PARAGRAPH.search(text, before[1], spans[at][0]))
        or text.endswith(("|", "-->", "---", "===", "+++"), *before)
    )


# ---- Blocks → chunks


def _pack(document: Document) -> Iterator[tuple[int, int, tuple[str, ...]]]:
    """Join whole sentences of a paragraph up to `MAX_CHARS`.

    A paragraph is joined to the one before it only where that is a heading or shorter than `MIN_CHARS`: a
    passage about one thing is found more surely. A heading opens a new chunk and stays with what follows it, and so
    does what introduces a list: an item may say the opposite without it. A table stays whole where it fits.
    """
    text = document.text
    start = end = 0
    headings: tuple[str, ...] = ()
    found = blocks(text, 0, len(text))
    listing = False
    before: Kind = "blank"
    for at, block in enumerate(found):
        listing = block.kind in ("item", "caption", "row", "header") and (listing or text[start:end].endswith(":"))
        titled = before in ("heading", "caption")
        small = end - start < MIN_CHARS and block.kind != "heading"
        joins = titled or listing or small or (block.kind == "row" and before in ("row", "header"))
        reach = 0 if titled or listing else _table_end(text, found, at)
        for low, high in _within(text, block):
            if end > start and not (joins and max(high, reach) - start <= MAX_CHARS):
                yield start, end, headings
                start = end = low
            if start == end:
                start, headings = low, block.headings
            elif titled:
                headings = block.headings
            end, joins = high, True
        before = block.kind
    if end > start:
        yield start, end, headings


def _table_end(text: str, found: Sequence[Block], at: int) -> int:
    """Where the table ends that a block begins, or introduces with a colon; 0 where that is too long for a chunk."""
    last = at + int(found[at].kind == "text" and text[found[at].end - 1] == ":")
    if last == len(found) or found[last].kind != "header":
        return 0
    while last + 1 < len(found) and found[last + 1].kind == "row":
        last += 1
    return found[last].end if found[last].end - found[at].start <= MAX_CHARS else 0


def split(document: Document) -> list[Chunk]:
    """All chunks of a document, in order; none for a text without a visible character."""
    return [
        Chunk(
            chunk_id(document.sha256, start, end), document.id, start, end, document.text[start:end], headings,
            pages_of(document, start, end),
        )
        for start, end, headings in _pack(document)
    ]  # fmt: skip


def pages_of(document: Document, start: int, end: int) -> tuple[tuple[int, int], ...]:
    """(where it begins, its number) of each page that `text[start:end]` touches."""
    first = bisect.bisect_right(document.pages, start) - 1
    last = bisect.bisect_left(document.pages, end)
    return tuple((document.pages[at], at + 1) for at in range(max(0, first), last))


def chunk_id(sha256: str, start: int, end: int) -> str:
    """Content-addressed: 32 hex digits from the document's hash, the place and the splitter's version."""
    return hashlib.sha256(f"{sha256}:{start}:{end}:{VERSION}".encode()).hexdigest()[:32]
