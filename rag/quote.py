"""A span of a passage → the sentences to quote, and the short answer. Pure.

What the reader marks is the answer; what a person needs is the answer with what makes it one: the question it replies
to, the list it is an item of, the sentence that says so. All of it lies in the passage, so a quotation is never longer.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from index.catalog import query_words
from index.chunk import MAX_CHARS, Span, is_item, lead_in, sentences
from rag.plain import COMMENT, code_spans, shown
from rag.rules import STEM

_PRONOUN = re.compile(r"[\"“‘(]*(?:He|She|They|It|His|Her|Their|Its|This|These|Those|That)\b")
_HEADING = re.compile(r"#{1,6}\s|[^\n]+\n\s*(?:={3,}|-{3,})\s*$")
_HEADER = re.compile(r"\|.*\|\s*\|?[\s:|-]*-{2,}[\s:|-]*$", re.S)  # the names of columns, with the rule under them
_SAID = re.compile(r"[.!?…:;,][\"'”’»)*_]*$")
_REPLY = re.compile(r"\**(?:[A-Z]{1,3}\**:|[\"“‘*]*(?:Yes|No|Not)\b)")
SHORT_REPLY = 4  # words of its own; "In March 2016." says nothing without its question
LONGEST_ITEM = 2  # sentences; of minutes or chapters, numbered too, one is enough

# Questions that ask for several things or steps: the list that holds the answer is the answer.
_SEVERAL = re.compile(
    r"\W*(?:list\b|name (?:the|all|every)\b|how (?:to|(?:do|can|should|must|could) (?:i|we|you|one))\b"
    r"|(?:what|which) (?:[\w-]+ ){0,4}(?:are|were|have)\b"
    r"|what (?:was|is|has been|got) (?:\w+ )?(?:added|changed|removed|fixed|deprecated|new)\b|.*\bsteps\b)",
    re.I,
)
# Front matter: lines of "key: value" between two rows of dashes at the head of a document; open where it is cut off.
_FRONT = re.compile(
    r"\s*(---|\+\+\+)[ \t\r]*\n(?=[\w-]+[ \t]*[:=])"
    r"(?:(?:[\w-]+[ \t]*[:=][^\n]*|[ \t#-][^\n]*|\r?)(?:\n|\Z))*?(?:\1[ \t\r]*(?:\n|\Z)|\Z)"
)
_HALF = re.compile(r"(?<!\w)\*\*|\*\*(?!\w)")  # of a pair that the span was cut out of
_INCHES = re.compile(r"\d\"$")
_QUOTES = (('"', '"'), ("“", "”"), ("«", "»"))


@dataclass(frozen=True)
class Widened:
    """`start:end` of the passage is to be quoted; `short` is the answer as it is shown, "" where it holds no word."""

    start: int
    end: int
    short: str


def widened(question: str, text: str, span: Span, at_head: bool = False) -> Widened | None:
    """The sentences of the passage `text` that hold the span, with those they need. `at_head`: it begins a document.

    None for a span that answers nothing: of a heading or a question with nothing behind it, of the head of a table, of
    front matter, of a comment.
    """
    hidden = _hidden(text, at_head)
    page = _Page(text, sentences(text, longest=MAX_CHARS))
    held = [at for at, (start, end) in enumerate(page.spans) if start < span[1] and end > span[0]]
    if not held or any(low < span[1] and span[0] < high for low, high in hidden):
        return None
    if all(_HEADER.match(page.words(at)) for at in held):
        return None
    said = [at for at in held if not page.only_asks(at) or ";" in text[span[1] : page.spans[at][1]]]
    first, last = page.whole(question, held, said)
    if last == len(page.spans):
        return None
    first, last = page.before(first), page.after(question, first, last)
    short = _short(text, max(span[0], page.spans[said[0]][0]) if said else span[0], span[1])
    if not said and stems(short) <= stems(question):
        short = _short(text, page.spans[page.following(held[-1])][0], page.spans[last][1])
    start, end = _outside(text, hidden, page.spans[first][0], page.spans[last][1])
    return Widened(start, end, short) if re.search(r"\w", text[start:end]) else None


@dataclass(frozen=True)
class _Page:
    """A passage with the spans of its sentences, which go by their numbers."""

    text: str
    spans: Sequence[Span]

    def words(self, at: int) -> str:
        return self.text[slice(*self.spans[at])]

    def asks(self, at: int) -> bool:
        return self.words(at).rstrip("*_) ").endswith(("?", "؟", "？"))

    def heading(self, at: int) -> bool:
        """A heading of markdown, or a line in capitals that ends like no sentence."""
        words, (start, end) = self.words(at), self.spans[at]
        if any(low <= start < high for low, high in code_spans(self.text)):
            return False
        alone = not self.text[:start].rstrip(" \t")[-1:].strip() and not self.text[end:].lstrip(" \t")[:1].strip()
        title = words.isupper() and " " in words and not _SAID.search(words) and not is_item(self.text, (start, end))
        return bool(_HEADING.match(words)) or (alone and title)

    def only_asks(self, at: int) -> bool:
        """Whether a sentence is a question or a heading, and so answers nothing by itself."""
        return self.asks(at) or self.heading(at)

    def following(self, at: int) -> int:
        """The next sentence that says something, or the number behind the last."""
        return next((n for n in range(at + 1, len(self.spans)) if not self.only_asks(n)), len(self.spans))

    def whole(self, question: str, held: Sequence[int], said: Sequence[int]) -> tuple[int, int]:
        """The first and the last sentence of the answer: what holds the span; the list of it, for who asks for several
        things; with a heading or a question alone what follows it, whose number is beyond the last where none does."""
        if said:
            first, last = (_SEVERAL.match(question) and self.several(said[0])) or (held[0], held[-1])
            return min(first, held[0]), max(last, held[-1])
        last = self.following(held[-1])
        if last < len(self.spans):
            introduces = last + 1 < len(self.spans) and self.words(last).rstrip("*_ ").endswith(":")
            last = (self.listed(last + introduces) or (last, last))[1]
        return held[0], last

    def parted(self, at: int) -> bool:
        """Whether a blank line stands before a sentence, or nothing."""
        return at == 0 or len(self.text[self.spans[at - 1][1] : self.spans[at][0]].splitlines()) > 1

    def item(self, at: int) -> int | None:
        """The sentence that opens the item of a list which holds this one; none for rows of a table."""
        while not is_item(self.text, self.spans[at]):
            if self.parted(at) or self.heading(at):
                return None
            at -= 1
        return None if self.words(at)[0] in "|>" else at

    def listed(self, at: int) -> tuple[int, int] | None:
        """The first and the last sentence of the list that holds this one."""
        first = self.item(at)
        if first is None:
            return None
        last = at
        while first > 0 and (before := self.item(first - 1)) is not None:
            first = before
        while last + 1 < len(self.spans) and self.item(last + 1) is not None:
            last += 1
        return first, last

    def several(self, at: int) -> tuple[int, int] | None:
        """The list that holds this sentence, if it is one of short items, and not of numbered sections."""
        first, last = self.listed(at) or (at, at)
        items = sum(is_item(self.text, span) for span in self.spans[first : last + 1])
        return (first, last) if items > 1 and last - first < LONGEST_ITEM * items else None

    def before(self, first: int) -> int:
        """Where a quotation begins that must open with this sentence: with the one before a pronoun ("He said so"
        answers nothing by itself), with the question before a reply, with what introduces a list."""
        if first > 0 and _PRONOUN.match(self.words(first)):
            first -= 1
        if first > 0 and self.asks(first - 1):
            reply = self.words(first)
            if _REPLY.match(reply) or len(query_words(reply)) < SHORT_REPLY:
                return first - 1
        # The head of a table is cited beside its row (rag/answer.py), without the rows between them.
        return first if self.words(first).startswith("|") else lead_in(self.text, self.spans, first)

    def after(self, question: str, first: int, last: int) -> int:
        """Where it ends: with the next sentence where that holds what the question asks and these do not."""
        following = last + 1
        if following == len(self.spans) or self.only_asks(following) or is_item(self.text, self.spans[following]):
            return last
        asked = stems(question)
        missing = asked - stems(self.text[self.spans[first][0] : self.spans[last][1]])
        gained = missing & stems(self.words(following))
        goes_on = gained and _PRONOUN.match(self.words(following))
        return following if goes_on or 0 < len(asked) <= 2 * len(gained) else last


def stems(text: str) -> set[str]:
    """The words of a text by their first letters, without those that every text holds."""
    return {word[:STEM] for word in query_words(text, limit=1000)}


def _hidden(text: str, at_head: bool) -> list[Span]:
    """What of a passage nobody is meant to read: comments, and front matter."""
    code = code_spans(text)
    comments = [match.span() for match in COMMENT.finditer(text)]
    hidden = [span for span in comments if not any(low <= span[0] < high for low, high in code)]
    front = _FRONT.match(text) if at_head else None
    return [front.span(), *hidden] if front else hidden


def _outside(text: str, hidden: Sequence[Span], start: int, end: int) -> Span:
    """A span without what is hidden at its edges, and without the space there."""
    for low, high in hidden:
        start = high if low <= start < high else start
        end = low if low < end <= high else end
    inside = text[start:end]
    return end - len(inside.lstrip()), start + len(inside.rstrip())


def _short(text: str, start: int, end: int) -> str:
    """The short answer as it is shown, on one line: quotation marks in pairs, "" where it holds no word."""
    short = _HALF.sub("", " ".join(shown(text, *_paired(text, start, end)).split()))
    for opening, closing in _QUOTES:
        if _unclosed(short, opening, closing) > 0:
            short = short.removeprefix(opening)
        if _unclosed(short, opening, closing) and not _INCHES.search(short):
            short = short.removesuffix(closing)
    return short if re.search(r"\w", short) else ""


def _paired(text: str, start: int, end: int) -> Span:
    """A span with the quotation mark next to it that it lacks."""
    for opening, closing in _QUOTES:
        more = _unclosed(text[start:end], opening, closing)
        if more > 0 and text.startswith(closing, end):
            end += 1
        elif more and (more < 0 or opening == closing) and text.endswith(opening, 0, start):
            start -= 1
    return start, end


def _unclosed(text: str, opening: str, closing: str) -> int:
    """How many quotation marks are open; below 0: how many closed without having been opened."""
    if opening == closing:
        return text.count(opening) % 2
    return text.count(opening) - text.count(closing)
