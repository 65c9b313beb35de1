"""Document text → exact spans of sentences → Chunks. Pure: no files, no models.

Three guarantees, tested as properties: a chunk's text is `text[start:end]`; chunks come in order and do not
overlap; every non-space character lies in exactly one. Spans are found while walking the text once, never by
searching for a chunk's words, so that repeated paragraphs keep their own places.
"""

from __future__ import annotations

import bisect
import hashlib
import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from index.types import Chunk, Document

Span = tuple[int, int]

MAX_CHARS = 1000  # about 220 word pieces of English: within the 256 that all-MiniLM-L6-v2 reads
MIN_CHARS = 200  # a shorter paragraph is joined to the next: a caption or a one-line reply says little alone
MAX_SENTENCE = 600  # a longer "sentence" is a table, a list or a text without full stops; cut at a space
WRAP = 160  # nobody wraps lines beyond this width, so next to a longer line a line break ends a paragraph
VERSION = f"sentences-3/{MAX_CHARS}/{MIN_CHARS}/{MAX_SENTENCE}/{WRAP}"

# Atomic, lest one "\r\n" be taken for two line ends.
_PARAGRAPH = re.compile(r"(?>\r\n|\r|\n)[^\S\r\n]*(?>\r\n|\r|\n)\s*")
_LINE = re.compile(r"[^\r\n]+")
_HEADING = re.compile(r"(#{1,6})[ \t]+(\S.*)")
_LIST_ITEM = re.compile(r"\s*(?:[-*+•◦▪‣·–—>|]|\(?(?:\d{1,3}|[a-z]|[ivx]{1,4})[.)]|\(\d{1,3}\))\s")
_FENCE = re.compile(r"\s*(?:```|~~~)")
# A sentence ends after . ! ? … with any closing quotes or brackets and notes ("[7]", "[citation needed]"), when space
# follows; or after a CJK full stop. A row of dots is tried once, from its first one: a line of them takes no quadratic
# time.
_END = re.compile(r"(?<![.!?…])[.!?…]++[\"'”’»)\]]*+(?:\[[^\[\]\s][^\[\]\r\n]{0,24}\])*+(?=\s)|[。！？]+[」』”’）]*")
_NEXT_STARTS_LOWER = re.compile(r"\s+[\"'“‘«(\[]*[a-zà-öø-ÿ]")
LAST_WORD = 30  # characters looked back for what may be an abbreviation
# A full stop after one of these ends no sentence: a name follows; after the second kind only where a number does.
_ABBREVIATIONS = frozenset(
    "mr mrs ms dr prof st sr jr gen col maj capt lt sgt cmdr adm rev hon pres gov sen rep amb "
    "vs ed eds cf al e.g i.e approx ca c dept est inc ltd co corp bros "
    "jan feb mar apr jun jul aug sep sept oct nov dec mt ft".split()
)
_NUMBERED = frozenset("no nos vol fig figs eq p pp sec ch art r d b fl op".split())
# "in the U.S. The court" ends a sentence and "the U.S. Army" does not: only these words after an acronym tell.
_STARTERS = re.compile(r"\s+[\"“‘(]*(?:The|A|An|He|She|It|They|We|I|You|In|On|At|But|And|This|That|These|However)\s")
_NUMBER_NEXT = re.compile(r"\s+\d")
_OPENERS = "\"'“‘«([{*_"


@dataclass(frozen=True)
class Block:
    """A paragraph, heading or list item, with the headings it stands under."""

    start: int
    end: int
    headings: tuple[str, ...]
    is_heading: bool = False
    is_item: bool = False


def _ends_sentence(text: str, start: int, match: re.Match[str]) -> bool:
    if text[match.start()] in "。！？":
        return True
    if _NEXT_STARTS_LOWER.match(text, match.end()):
        return False
    if match.group()[0] != "." or match.group().startswith(".."):
        return True
    low = max(start, match.start() - LAST_WORD)
    words = text[low : match.start()].split()
    if not words or text[match.start() - 1].isspace():
        return False
    bare = words[-1].lstrip(_OPENERS)
    if match.start() - len(words[-1]) == start and (bare.isdigit() or _LIST_ITEM.match(text, start, match.end() + 1)):
        return False  # "3. Apply the paint": the number of a list item
    if "." in bare and bare.replace(".", "").isalpha() and len(bare) <= 5:
        return bool(_STARTERS.match(text, match.end()))
    is_initial = len(bare) == 1 and bare.isalpha() and bare.isupper() and bare != "I"
    numbered = bare.lower() in _NUMBERED and bool(_NUMBER_NEXT.match(text, match.end()))
    return not is_initial and not numbered and bare.lower() not in _ABBREVIATIONS


def _strip(text: str, start: int, end: int) -> Span:
    while start < end and text[start].isspace():
        start += 1
    while end > start and text[end - 1].isspace():
        end -= 1
    return start, end


def _cut_long(text: str, start: int, end: int, limit: int) -> Iterator[Span]:
    """Cut a span at the last space before `limit` characters, or at `limit` where there is none."""
    while end - start > limit:
        space = max(text.rfind(gap, start + 1, start + limit) for gap in " \t\n\r")
        at = space if space > start else start + limit
        yield _strip(text, start, at)
        start, _ = _strip(text, at, end)
    if start < end:
        yield start, end


def sentences(text: str, start: int = 0, end: int | None = None, longest: int = MAX_SENTENCE) -> list[Span]:
    """Spans of the sentences in `text[start:end]`, without surrounding space, at most `longest` characters each.

    Markdown emphasis and list marks stay inside their sentence; a heading or list line is a sentence of its own.
    """
    end = len(text) if end is None else end
    spans: list[Span] = []
    for block in _blocks(text, start, end):
        at = block.start
        for match in _END.finditer(text, block.start, block.end):
            if match.end() < block.end and _ends_sentence(text, at, match):
                spans.extend(_cut_long(text, *_strip(text, at, match.end()), longest))
                at, _ = _strip(text, match.end(), block.end)
        spans.extend(_cut_long(text, *_strip(text, at, block.end), longest))
    return [span for span in spans if span[0] < span[1]]


def lead_in(text: str, spans: Sequence[Span], at: int) -> int:
    """The sentence with which `spans[at]` must be read: for an item of a list the one before the list that ends with a
    colon ("None of these is true:"), else itself. `spans`: the sentences of the text, in order."""
    first = at
    while first > 0 and not is_item(text, spans[first]) and not _parted(text, spans, first):
        first -= 1  # a later sentence of an item
    if not is_item(text, spans[first]):
        return at
    for before in range(first - 1, -1, -1):
        item = is_item(text, spans[before])
        if text[slice(*spans[before])].rstrip("*_ ").endswith(":"):
            return lead_in(text, spans, before) if item else before
        if not item and _parted(text, spans, before):
            break
    return at


def is_item(text: str, span: Span) -> bool:
    """Whether an item of a list begins there."""
    return bool(_LIST_ITEM.match(text, *span))


def _parted(text: str, spans: Sequence[Span], at: int) -> bool:
    """Whether a sentence begins a paragraph."""
    return at == 0 or bool(_PARAGRAPH.search(text, spans[at - 1][1], spans[at][0]))


def _paragraphs(text: str, start: int, end: int) -> Iterator[Span]:
    at = start
    for gap in _PARAGRAPH.finditer(text, start, end):
        yield _strip(text, at, gap.start())
        at = gap.end()
    yield _strip(text, at, end)


def _blocks(text: str, start: int, end: int) -> list[Block]:
    """Paragraphs cut further at headings and list items; a fenced block of code has no headings."""
    blocks: list[Block] = []
    path: list[tuple[int, str]] = []
    fenced = False
    for low, high in _paragraphs(text, start, end):
        at, width, in_item = low, 0, False
        for line in _LINE.finditer(text, low, high):
            fenced ^= bool(_FENCE.match(line.group()))
            heading = None if fenced else _HEADING.match(line.group())
            item = bool(_LIST_ITEM.match(line.group()))
            if heading or item or max(width, len(line.group())) > WRAP:
                blocks.append(Block(*_strip(text, at, line.start()), _names(path), is_item=in_item))
                at, in_item = line.start(), item
            if heading:
                level = len(heading.group(1))
                path = [(depth, name) for depth, name in path if depth < level] + [(level, _title(heading.group(2)))]
                blocks.append(Block(*_strip(text, line.start(), line.end()), _names(path), is_heading=True))
                at = line.end()
            width = len(line.group())
        blocks.append(Block(*_strip(text, at, high), _names(path), is_item=in_item))
    return [block for block in blocks if block.start < block.end]


def _title(line: str) -> str:
    """A heading without the number signs that may close it."""
    return line.rstrip(" \t").rstrip("#").rstrip(" \t") or line


def _names(path: Iterable[tuple[int, str]]) -> tuple[str, ...]:
    return tuple(name for _, name in path)


def _pack(document: Document) -> Iterator[tuple[int, int, tuple[str, ...]]]:
    """Join whole sentences of a paragraph up to `MAX_CHARS`.

    A paragraph is joined to the one before it only where that is a heading or shorter than `MIN_CHARS`: a
    passage about one thing is found more surely. A heading opens a new chunk and stays with what follows it, and so
    does what introduces a list: an item may say the opposite without it.
    """
    text = document.text
    start = end = 0
    headings: tuple[str, ...] = ()
    after_heading = listing = False
    for block in _blocks(text, 0, len(text)):
        listing = block.is_item and (listing or text[start:end].endswith(":"))
        joins = after_heading or listing or (end - start < MIN_CHARS and not block.is_heading)
        for low, high in sentences(text, block.start, block.end):
            if end > start and not (joins and high - start <= MAX_CHARS):
                yield start, end, headings
                start = end = low
            if start == end:
                start, headings = low, block.headings
            elif after_heading:
                headings = block.headings
            end, joins = high, True
        after_heading = block.is_heading
    if end > start:
        yield start, end, headings


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
