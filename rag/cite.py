"""Drafted text with markers → sentences, claims and citations. Pure.

A draft cites passages by number, `… in 1998 [2].` What is shown cites exact spans of documents, numbered anew in
the order in which they appear, so a number that a model made up can never reach the reader.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace

from index.chunk import sentences
from rag.plain import apart, together, unmarked, without_line_mark
from rag.types import Citation, Passage, Sentence

# [2], [2, 3], [2-4], [2 and 3], and the same in forms that some models write: [^2], [source 2], 【2】.
_NUMBERS = r"(?:(?:sources?|passages?)\s*)?\^?\d{1,4}(?:\s*(?:[,;–-]|and|&)\s*\^?\d{1,4})*"
_BRACKETS = rf"\s*[\[【]\s*{_NUMBERS}\s*[\]】]"
_MARKER = re.compile(_BRACKETS, re.I)
_EMPTIED = re.compile(r"\s*[\[【(]\s*(?:see|cf\.?)?\s*[\])】]|(?<=\w)\s*[–-]+(?=[.!?…]?$)", re.I)
_RAISED = re.compile(r"(?<=[.!?…])[⁰¹²³⁴-⁹]+")  # a note's number behind the full stop: of no passage of ours
# A marker that a model wrote as code; any other code keeps its brackets: `argv[1]`.
_TICKED = re.compile(rf"`(\s*(?:{_BRACKETS})+\s*)`", re.I)
# "… in 1998. [2] Then …": the marker after the full stop belongs to the sentence before it.
_MARKER_AFTER = re.compile(rf"([.!?…]+[\"'”’)]*)((?:{_BRACKETS})+)", re.I)


@dataclass(frozen=True)
class Draft:
    """One sentence of a model: the claim without markers, and the passage numbers it cites."""

    text: str
    markers: tuple[int, ...]


def drafts(pieces: Iterable[str]) -> Iterator[Draft]:
    """Sentences of a streamed draft, each as soon as the next one has begun."""
    buffer = ""
    for piece in pieces:
        buffer += piece
        *whole, rest = _sentences(buffer) or [""]
        if whole and not rest.startswith("["):  # a marker under way may still belong to the sentence before it
            yield from map(parse, whole)
            buffer = rest
    yield from map(parse, _sentences(buffer))


def _sentences(text: str) -> list[str]:
    text = _MARKER_AFTER.sub(r"\2\1", text)
    spans = sentences(text)
    trailing = text[spans[-1][1] :] if spans else text
    parts = [text[start:end] for start, end in spans]
    if parts:
        parts[-1] += trailing
    return parts


def parse(sentence: str) -> Draft:
    """Take the markers out of a sentence: `A [1], B [2, 3].` → `A, B.` and 1, 2, 3; also those that appear when others
    were taken out. Marks of markdown go too: the claim is what is judged and shown."""
    markers: list[int] = []
    prose, codes = apart(_TICKED.sub(r"\1", sentence))
    prose = unmarked(without_line_mark(prose))
    while found := _MARKER.findall(prose):
        markers += [number for group in found for number in _numbers(group)]
        prose = _MARKER.sub("", prose)
    text = _RAISED.sub("", _EMPTIED.sub("", prose) if markers else prose)
    return Draft(" ".join(together(text, codes).split()), tuple(dict.fromkeys(markers)))


def _numbers(group: str) -> list[int]:
    """The numbers of a marker; a range gives all of them: [2-4] → 2, 3, 4."""
    found: list[int] = []
    for first, last in re.findall(r"(\d+)(?:\s*[–-]\s*\^?(\d+))?", group):
        found += range(int(first), min(int(last), int(first) + 20) + 1) if last else [int(first)]
    return found


def citation(passage: Passage, start: int, end: int) -> Citation:
    """The citation of `start:end` of the passage's document, which must lie inside the passage."""
    inside = slice(start - passage.start, end - passage.start)
    chunk = passage.chunk
    return Citation(0, passage.doc_id, passage.title, passage.source, start, end, passage.text[inside],
                    page=chunk.page(start), headings=chunk.headings)  # fmt: skip


class Numbering:
    """Gives each distinct span its number, in the order of first use."""

    def __init__(self) -> None:
        self._numbers: dict[tuple[str, int, int], int] = {}

    def sentence(self, text: str, citations: Sequence[Citation]) -> Sentence:
        """A sentence of the answer with its footnotes: `text [1][2]`. Offsets are set by `place`."""
        numbered = [
            replace(item, marker=self._numbers.setdefault((item.doc_id, item.start, item.end), len(self._numbers) + 1))
            for item in citations
        ]
        marks = "".join(f"[{item.marker}]" for item in numbered)
        return Sentence(f"{text} {marks}", tuple(numbered))


def place(parts: Sequence[Sentence]) -> tuple[str, tuple[Citation, ...]]:
    """The whole answer, its sentences joined by a space, and all citations with their places in it."""
    at = 0
    placed: list[Citation] = []
    for part in parts:
        end = at + len(part.text)
        placed.extend(replace(item, answer_start=at, answer_end=end) for item in part.citations)
        at = end + 1
    return " ".join(part.text for part in parts), tuple(placed)
