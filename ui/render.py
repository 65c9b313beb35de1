"""Records to HTML, and nothing else: no Gradio, no files, no models.

Every piece of text that comes from a reader, a document or a model goes through `escape`, and only
here is HTML made. `tests/test_ui_render.py` holds both.
"""

from __future__ import annotations

import html
import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import PureWindowsPath

from index.types import Document, DocumentInfo
from rag.types import Answer, Citation, Dropped, Event, Found, Passage, Sentence

# A question is shown up to here; a page of a hundred thousand characters helps nobody.
SHOWN_QUESTION = 2_000
# A nearest passage is shown up to here; the whole of it is one click away, in its article.
SHOWN_PASSAGE = 240

# A last word up to here stays on a line with its footnote numbers; a longer one (an address) must be able to break.
LONGEST_KEPT = 24

_GAP = re.compile(r"\n[^\S\n]*\n\s*")
_MARKERS = re.compile(r"(?:\s+(?:\[\d{1,4}\])+)?\s*\Z")  # behind a space, or "argv[1] [1]" had two
_MARKER = re.compile(r"\[(\d{1,4})\]")
_LONE_CR = re.compile(r"&#13;(?!\n)")


@dataclass(frozen=True)
class Turn:
    """One question of a conversation and as much of its answer as there is; `answer` or `error` ends it."""

    question: str
    passages: int | None = None
    sentences: tuple[Sentence, ...] = ()
    dropped: tuple[Dropped, ...] = ()
    answer: Answer | None = None
    error: str | None = None

    def after(self, event: Event) -> Turn:
        """The turn with one more event of the stream in it."""
        match event:
            case Found():
                return replace(self, passages=len(event.passages))
            case Sentence():
                return replace(self, sentences=(*self.sentences, event))
            case Dropped():
                return replace(self, dropped=(*self.dropped, event))
            case Answer():
                return replace(self, answer=event)


@dataclass(frozen=True)
class Place:
    """A span of an article to show, and the words that must stand there. `cited` is false for a near miss."""

    start: int
    end: int
    quote: str
    cited: bool = True


def escape(text: str) -> str:
    """Text as HTML, for content and for quoted attributes alike.

    Carriage returns are written as references, or the browser would turn them into newlines and the
    text on the page would no longer be the text of the document.
    """
    return html.escape(text, quote=True).replace("\r", "&#13;")


def head() -> str:
    """The line above the conversation; the page shows each button where it has a use."""
    return (
        '<header class="head"><h1>Footnote</h1><button type="button" class="narrow" data-shelf>Articles</button>'
        '<button type="button" class="again" data-again>New conversation</button></header>'
    )


def welcome(examples: Sequence[str]) -> str:
    """What stands there before the first question: what this is, and questions to start with."""
    items = "".join(
        f'<li><button type="button" class="example" dir="auto" data-ask="{escape(q)}">{escape(q)}</button></li>'
        for q in examples
    )
    start = f'<h2>To start with</h2><ul class="examples">{items}</ul>' if items else ""
    return (
        '<div class="introduction"><p>Ask your articles. Every sentence of an answer carries a footnote, '
        f"and every footnote opens at the words it rests on.</p>{start}</div>"
    )


def waiting() -> str:
    """Where the page lists the questions that wait for the end of an answer."""
    return '<ul class="waiting" aria-label="Questions that wait"></ul>'


def log(turns: Sequence[Turn]) -> str:
    """The finished turns of a conversation that has begun."""
    return "".join(map(turn, turns))


def turn(it: Turn) -> str:
    """A question and what there is of its answer; what is said aloud by a screen reader comes before the notes."""
    asked = it.question if len(it.question) <= SHOWN_QUESTION else it.question[:SHOWN_QUESTION] + "…"
    said, below = _reply(it)
    return (
        f'<section class="turn"><h2 class="question" dir="auto">{escape(asked)}</h2>'
        f'<div class="said" aria-live="polite">{said}</div>{below}</section>'
    )


def _reply(it: Turn) -> tuple[str, str]:
    if it.error is not None:
        return f'<p class="error">{escape(it.error)}</p>', ""
    if it.answer is None:
        step = "Looking in the articles…" if it.passages is None else "Reading and checking…"
        return _words([(s.text, s.citations) for s in it.sentences]) + f'<p class="step">{step}</p>', ""
    if it.answer.outcome == "not_found":
        return '<p class="silent">The articles do not say.</p>', _nearest(it.answer.passages) + _ending(it.answer)
    return _words(sentences(it.answer)), _footnotes(it.answer.citations) + _ending(it.answer)


def _words(said: Sequence[tuple[str, Sequence[Citation]]]) -> str:
    words = " ".join(sentence(text, cited) for text, cited in said)
    return f'<p class="answer" dir="auto">{words}</p>' if words else ""


def _ending(answer: Answer) -> str:
    return _left_out(answer.dropped) + _meta(answer)


def sentences(answer: Answer) -> list[tuple[str, tuple[Citation, ...]]]:
    """The answer's text cut at the ends of its cited sentences, each with the citations that support it."""
    ends = sorted({c.answer_end for c in answer.citations} | {len(answer.text)})
    return [
        (answer.text[start:end], tuple(c for c in answer.citations if c.answer_end == end))
        for start, end in zip([0, *ends], ends, strict=False)
    ]


def sentence(text: str, citations: Sequence[Citation]) -> str:
    """A sentence whose closing markers are buttons.

    Only closing markers that are among its citations: an article's own `[3]` inside the words stays text.
    """
    markers = _MARKERS.search(text)
    cut = markers.start() if markers else len(text)
    by_number = {c.marker: c for c in citations}
    numbers = "".join(
        _number(by_number[int(m[1])]) if int(m[1]) in by_number else f" {escape(m[0])}"
        for m in _MARKER.finditer(text, cut)
    )
    words = text[:cut].strip()
    lead = "<br>" if "\n" in text[: len(text) - len(text.lstrip())] else ""
    if not numbers:
        return lead + _broken(words)
    last = words.split()[-1] if words else ""
    css = "last" if len(last) <= LONGEST_KEPT else "long"
    return f'{lead}{_broken(words.removesuffix(last))}<span class="{css}">{escape(last)}{numbers}</span>'


def _broken(words: str) -> str:
    """Words whose lines (of code, of a list) stay lines, with the space that opens them."""
    lines = (escape(line) for line in words.split("\n"))
    return "<br>".join(line.replace(" ", "\u00a0", len(line) - len(line.lstrip(" "))) for line in lines)


def where(c: Citation) -> str:
    """Title with the page, or with the heading, that a footnote stands under."""
    if c.page:
        return f"{c.title}, page {c.page}"
    return f"{c.title}, {c.headings[-1]}" if c.headings and c.headings[-1] != c.title else c.title


def _number(c: Citation) -> str:
    label = f"Footnote {c.marker}: show its place in {where(c)}"
    return f"<sup>{_opens(c, 'number', str(c.marker), label)}</sup>"


def _opens(at: Citation | Passage, css: str, inside: str, label: str = "") -> str:
    """A button that opens an article at a place; `inside` is HTML."""
    quote = at.quote if isinstance(at, Citation) else at.text
    named = f' aria-label="{escape(label)}"' if label else ""
    return (
        f'<button type="button" class="{css}" data-doc="{escape(at.doc_id)}" data-start="{at.start}" '
        f'data-end="{at.end}" data-quote="{escape(quote)}" data-cited="{int(isinstance(at, Citation))}"'
        f"{named}>{inside}</button>"
    )


def _footnotes(citations: Sequence[Citation]) -> str:
    first = {(c.marker, c.doc_id, c.start, c.end): c for c in reversed(citations)}
    notes = sorted(first.values(), key=lambda c: (c.marker, c.start))
    items = "".join(f"<li>{_opens(c, 'note', _note(c))}</li>" for c in notes)
    return f'<ol class="notes" aria-label="Footnotes">{items}</ol>' if items else ""


def _note(c: Citation) -> str:
    return (
        f'<span class="index"><span class="unseen">Footnote </span>{c.marker}</span>'
        f'<span class="quote" dir="auto">{escape(c.quote)}</span>'
        f'<span class="title" dir="auto">{escape(where(c))}</span>'
    )


def _nearest(passages: Sequence[Passage]) -> str:
    if not passages:
        return ""
    items = "".join(f"<li>{_opens(p, 'note near', _near(p))}</li>" for p in passages)
    return f'<p class="aside">Nearest passages, which do not answer it:</p><ol class="notes">{items}</ol>'


def _near(p: Passage) -> str:
    text = " ".join(p.text.split())
    shown = text if len(text) <= SHOWN_PASSAGE else text[:SHOWN_PASSAGE].rsplit(" ", 1)[0] + " …"
    return (
        f'<span class="quote" dir="auto">{escape(shown)}</span><span class="title" dir="auto">{escape(p.title)}</span>'
    )


def _left_out(dropped: Sequence[Dropped]) -> str:
    if not dropped:
        return ""
    items = "".join(f'<li><span dir="auto">{escape(d.text)}</span> <em>{escape(d.reason)}</em></li>' for d in dropped)
    count = "1 sentence" if len(dropped) == 1 else f"{len(dropped)} sentences"
    return f'<details class="dropped"><summary>{count} left out: unsupported</summary><ul>{items}</ul></details>'


def _meta(answer: Answer) -> str:
    parts = [f"confidence {answer.confidence:.0%}"] if answer.outcome == "answered" else []
    if "total" in answer.seconds:
        parts.append(f"{answer.seconds['total']:.1f} s")
    return f'<p class="meta">{escape(" · ".join(parts))}</p>' if parts else ""


def article(
    documents: Sequence[DocumentInfo],
    document: Document | None = None,
    place: Place | None = None,
    notice: str | None = None,
    asked: str = "",
) -> str:
    """The list of articles and, under it, the chosen one with its place marked.

    The marks' text, joined, is `document.text[place.start:place.end]`. Where that is not the place's quote,
    nothing is marked and a notice says so. `asked` goes back to the page, which knows by it what this is a reply to.
    """
    if document and place and document.text[place.start : place.end] != place.quote:
        place, notice = None, "This article has changed since the answer was given. Ask again to see the place."
    said = f'<p class="error" role="alert">{escape(notice)}</p>' if notice else ""
    shelf = _shelf(documents, document.id if document else "", asked)
    if document:
        return shelf + said + _document(document, place)
    return shelf + (said or _none_open(documents))


def _none_open(documents: Sequence[DocumentInfo]) -> str:
    if documents:
        return '<p class="aside">Choose an article to read, or click a footnote.</p>'
    return '<p class="aside">There are no articles yet. Add some with <code>footnote add PATH</code>.</p>'


def _shelf(documents: Sequence[DocumentInfo], chosen: str, asked: str) -> str:
    options = "".join(f'<option value="{escape(d.doc_id)}">{escape(d.title or d.source)}</option>' for d in documents)
    return (
        '<div class="shelf"><button type="button" class="narrow" data-back>Back</button>'
        f'<label><span>Articles</span><select data-chosen="{escape(chosen)}" data-asked="{escape(asked)}">'
        f'<option value="" disabled>{len(documents)} to choose from</option>{options}</select></label></div>'
    )


def _document(document: Document, place: Place | None) -> str:
    known = " · ".join(escape(part) for part in (document.author, document.published) if part)
    return (
        f'<article class="document" tabindex="0" aria-label="{escape(document.title)}">'
        f'<h2 dir="auto">{escape(document.title)}</h2>'
        f'<p class="source">{f"{known} · " if known else ""}{_source(document.source)}</p>'
        f'<div class="text">{_paragraphs(document.text, place)}</div></article>'
    )


def _source(source: str) -> str:
    """A web address as a link; of a path the file's name. `javascript:` and its kin are no web address."""
    if re.match(r"https?://", source, re.IGNORECASE):
        return f'<a href="{escape(source)}" target="_blank" rel="noopener noreferrer">{escape(source)}</a>'
    return f'<span title="{escape(source)}">{escape(PureWindowsPath(source).name or source)}</span>'


def _paragraphs(text: str, place: Place | None) -> str:
    """The whole text, character for character; blank lines between paragraphs are there but hidden."""
    parts, start = [], 0
    for gap in [*_GAP.finditer(text), None]:
        end, after = gap.span() if gap else (len(text), len(text))
        hidden = f"<span hidden>{_marked(text, end, after, place)}</span>" if after > end else ""
        if after > start:
            parts.append(f'<p dir="auto">{_marked(text, start, end, place)}{hidden}</p>')
        start = after
    return "".join(parts)


def _marked(text: str, start: int, end: int, place: Place | None) -> str:
    low, high = (max(start, place.start), min(end, place.end)) if place else (end, end)
    if not place or low >= high:
        return _lines(text, start, end)
    css = "cited" if place.cited else "near"
    mark = f'<mark class="{css}">{_lines(text, low, high)}</mark>'
    return _lines(text, start, low) + mark + _lines(text, high, end)


def _lines(text: str, start: int, end: int) -> str:
    """A part of an article as HTML. Browsers show no carriage return: one that ends a line alone gets a break."""
    shown = _LONE_CR.sub("&#13;<br>", escape(text[start:end]))
    return shown.removesuffix("<br>") if text.startswith("\n", end) else shown
