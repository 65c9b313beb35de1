"""Text → its blocks: paragraphs, headings, list items, rows of tables, comments. Pure.

What of markdown tells where something begins and ends is known here; plain text is read in the same way.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import pairwise
from typing import Literal, NamedTuple

from index.sentences import LIST_ITEM

Span = tuple[int, int]
Place = tuple[str, int]  # what an item's mark is like, and its place in a count

WRAP = 160  # nobody wraps lines beyond this width, so next to a longer line a line break ends a paragraph

# Atomic, lest one "\r\n" be taken for two line ends.
PARAGRAPH = re.compile(r"(?>\r\n|\r|\n)[^\S\r\n]*(?>\r\n|\r|\n)\s*")
_LINE = re.compile(r"([^\r\n]*)(?>\r\n|\r|\n|\Z)")
# Markdown as CommonMark has it: indented by four spaces or more it is code.
_HEADING = re.compile(r" {0,3}(#{1,6})[ \t]+(\S.*)")
_UNDERLINE = re.compile(r" {0,3}(={3,}|-{3,})[ \t]*")  # of a heading; of one or two signs it is mostly something else
_FENCE = re.compile(r" {0,3}(`{3,}(?=[^`]*$)|~{3,})(.*)")
DELIMITER = re.compile(r"\s*\|(?=[:| \t]*-)[-:| \t]*+")  # the line below the header of a table
# What opens a markdown file: fields between two lines of signs (not a text that merely begins with a rule).
_FRONT_MATTER = re.compile(
    r"(---|\+\+\+)[ \t]*[\r\n](?=\s*(?:#[^\r\n]*[\r\n]\s*)*[\w\"'][^:=\r\n]*[:=])"
    r"(.*?)(?<=[\r\n])(?:\1|\.\.\.)[ \t]*(?=[\r\n]|\Z)",
    re.S,
)
_CLOSERS = "*_\"'”’»“)] \t"  # what may stand behind the end of a sentence
_COUNTED = re.compile(r"\d+|[a-z]+")
_ROMAN = ("i", "ii", "iii", "iv", "v", "vi", "vii", "viii", "ix", "x", "xi", "xii", "xiii", "xiv", "xv", "xvi")

# "caption": an item that is the title of the text below it. "header": the first row of a table, with |---|.
Kind = Literal["blank", "text", "heading", "underline", "item", "caption", "row", "delimiter", "header", "comment"]


class Line(NamedTuple):
    """A line without its end, and what it is by its own words; a comment, or what one leaves of a line, is a line."""

    start: int
    end: int
    kind: Kind


@dataclass(frozen=True)
class Block:
    """A paragraph, heading, list item, row of a table or comment, with the headings it stands under."""

    start: int
    end: int
    kind: Kind
    headings: tuple[str, ...]


def stripped(text: str, start: int, end: int) -> Span:
    """The span without the space at its ends."""
    while start < end and text[start].isspace():
        start += 1
    while end > start and text[end - 1].isspace():
        end -= 1
    return start, end


def blocks(text: str, start: int, end: int) -> list[Block]:
    """The blocks of the text, and the headings each stands under; a heading stands under itself."""
    found: list[Block] = []
    path: list[tuple[int, str]] = []
    for lines in _paragraphs(_lines(text, start, end)):
        for kind, low, high in _groups(text, lines):
            if kind == "heading":
                level, name = _heading(text[low:high])
                path = [(depth, above) for depth, above in path if depth < level] + [(level, name)]
            found.append(Block(*stripped(text, low, high), kind, tuple(name for _, name in path)))
    return [block for block in found if block.start < block.end]


def front_matter(text: str) -> re.Match[str] | None:
    """The front matter with which a text begins: (1) its signs, `---` or `+++`, (2) its fields."""
    return _FRONT_MATTER.match(text)


def _lines(text: str, start: int, end: int) -> Iterator[Line]:
    """The lines of the text; a comment is one, however long, and so is what stands before or behind it."""
    front = front_matter(text) if start == 0 else None
    at, fence, fields = start, "", front.end() if front else start
    closed = text.rfind("-->", start, end)
    for match in _LINE.finditer(text, start, end):
        low, high = max(at, match.start()), match.end(1)
        if high < at:  # within a comment
            continue
        while not fence and low >= fields and (comment := _comment(text, low, high, closed)):
            yield Line(low, comment[0], _kind(text[low : comment[0]], plain=False))
            yield Line(*comment, "comment")
            low = at = comment[1]
        line = text[low : max(low, high)]
        was, fence = fence, _fence(line, fence) if low >= fields else ""
        yield Line(low, max(low, high), _kind(line, plain=bool(was or fence) or low < fields))
        if front and high == fields:
            yield Line(high, high, "blank")


def _comment(text: str, low: int, high: int, closed: int) -> Span | None:
    """The first HTML comment of a line, if it stands at the line's beginning or behind a sentence: within one it is
    left there. `closed`: where the last comment ends."""
    at = text.find("<!--", low, high)
    if at < 0 or at + 4 > closed or text[low:at].rstrip(_CLOSERS)[-1:] not in ("", *".!?:;…"):
        return None
    return at, text.index("-->", at + 4) + 3


def _fence(line: str, fence: str) -> str:
    """The marks that opened the block of code in which the next line stands; "" for none."""
    match = _FENCE.fullmatch(line)
    if not fence:
        return match[1] if match else ""
    closes = match and match[1].startswith(fence) and not match[2].strip()
    return "" if closes else fence


def _kind(line: str, plain: bool) -> Kind:
    """What a line is by its own words. `plain`: it stands in code or front matter, where no heading is."""
    bare = line.strip()
    if not bare:
        return "blank"
    if not plain and _HEADING.match(line):
        return "heading"
    if not plain and _UNDERLINE.fullmatch(line):
        return "underline"
    if DELIMITER.fullmatch(line):
        return "delimiter"
    if bare[0] == "|" and (bare[1:2].isspace() or bare.endswith("|")):
        return "row"
    return "item" if LIST_ITEM.match(line) else "text"


def _paragraphs(lines: Iterable[Line]) -> Iterator[list[Line]]:
    """Lines that belong together: what blank lines, headings and comments part."""
    held: list[Line] = []
    for line in lines:
        if line.kind not in ("blank", "heading", "comment"):
            held.append(line)
            continue
        yield from filter(None, (held, [line] if line.kind != "blank" else []))
        held = []
    yield from filter(None, (held,))


def _groups(text: str, lines: list[Line]) -> Iterator[tuple[Kind, int, int]]:
    """A paragraph cut at a heading that is underlined, list items, rows of a table and very long lines."""
    if _is_underlined(text, lines):
        yield "heading", lines[0].start, lines[1].end
        lines = lines[2:]
    lines = _without_wrapped(text, lines)
    longest = max((line.end - line.start for line in lines), default=0)
    kind: Kind = "blank"
    start = end = 0
    for before, line in pairwise([Line(0, 0, "blank"), *lines]):
        captioned = _is_captioned(text, before, line, longest)
        if captioned or _opens(before, line):
            yield "caption" if captioned else kind, start, end
            kind, start = line.kind, line.start
        elif line.kind == "delimiter" and kind == "row":
            kind = "header"
        end = line.end
    yield kind, start, end


def _is_underlined(text: str, lines: list[Line]) -> bool:
    """Whether a paragraph begins with a heading of one line, underlined. Behind a sentence `---` is rather a rule."""
    if [line.kind for line in lines[:2]] != ["text", "underline"]:
        return False
    title, under = (text[line.start : line.end] for line in lines[:2])
    return not title.startswith(("    ", "\t")) and ("=" in under or title.rstrip()[-1] not in ".:;,")


def _opens(before: Line, line: Line) -> bool:
    """Whether a line begins a block: the first one of a paragraph, an item, a row, what stands below a table, and what
    is too long to be wrapped or stands below such."""
    if line.kind == "delimiter" and before.kind == "row":
        return False
    if before.kind in ("blank", "row", "delimiter") or line.kind in ("item", "row"):
        return True
    return max(before.end - before.start, line.end - line.start) > WRAP


def _is_captioned(text: str, before: Line, line: Line, longest: int) -> bool:
    """Whether a numbered item is a title of the text below ("1. Apologies"): no sentence, and not wrapped either, since
    the next word, a capitalised one, would have had room behind it."""
    if (before.kind, line.kind) != ("item", "text") or not text[line.start].isupper():
        return False
    mark, *said = text[before.start : before.end].split()
    if not _COUNTED.search(mark) or not said or said[-1][-1] in ".:;?!,…-–":
        return False
    return before.end - before.start + 1 + len(text[line.start : line.end].split()[0]) <= longest


def _without_wrapped(text: str, lines: list[Line]) -> list[Line]:
    """The lines of a paragraph, those that begin like an item only because the text was wrapped there ("p. 12") as
    text."""
    places = [_places(text, line) for line in lines]
    every = set().union(*places)
    counted: set[Place] = set()
    kept: list[Line] = []
    for line, own in zip(lines, places, strict=True):
        if kept and own and not (_is_marked(text, kept[-1], own) or _is_counted(kept[-1], own, counted, every)):
            line = line._replace(kind="text")
        else:
            counted |= own
        kept.append(line)
    return kept


def _is_marked(text: str, before: Line, own: set[Place]) -> bool:
    """Whether a line that begins like an item has a bullet, or stands behind the end of a sentence."""
    return ("bullet", 0) in own or text[before.start : before.end].rstrip(_CLOSERS)[-1:] in tuple(".:;?!")


def _is_counted(before: Line, own: set[Place], counted: set[Place], every: set[Place]) -> bool:
    """Whether a line that begins like an item goes on with a count, or begins one that goes on or stands below an item.

    `counted`: the places of the paragraph's items so far; `every`: those of all its lines that begin like one."""
    return any(
        (mark, at) in counted
        or (mark, at - 1) in counted
        or (at == 1 and (before.kind == "item" or (mark, 2) in every))
        for mark, at in own
    )


def _places(text: str, line: Line) -> set[Place]:
    """The place of an item, both where "i." may be a letter or a number; none for a line that is no item."""
    match = LIST_ITEM.match(text, line.start, line.end) if line.kind == "item" else None
    if not match:
        return set()
    mark = match["mark"]
    if not (counter := _COUNTED.search(mark)):
        return {(mark, 0) if mark in "–—" else ("bullet", 0)}
    shape, value = _COUNTED.sub("1" if counter[0].isdigit() else "a", mark), counter[0]
    numbers = [int(value)] if value.isdigit() else [ord(value) - 96] if len(value) == 1 else []
    return {(shape, number) for number in [*numbers, *(at + 1 for at, roman in enumerate(_ROMAN) if roman == value)]}


def _heading(line: str) -> tuple[int, str]:
    """The level of a heading, and its name without the number signs that may close it."""
    if match := _HEADING.match(line):
        name = match[2].rstrip(" \t")
        return len(match[1]), name.rstrip("#").rstrip(" \t") or name
    name, under = re.split(r"[\r\n]+", line)
    return 1 if "=" in under else 2, name.strip()
