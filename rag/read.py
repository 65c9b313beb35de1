"""Question and passages → the sentences that answer it, and the probability that they do.

The reader scores spans in each passage; those scores and the retrieval's are joined by a fit (`rag/fit.json`, made by
`rag/evidence/calibrate.py`), because a reader alone is too sure of a passage about something else.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from index.catalog import query_words
from index.chunk import MAX_CHARS, lead_in, sentences
from rag.evidence import Evidence, Span
from rag.fit import Fit, probability
from rag.types import Passage

_PRONOUN = re.compile(r"[\"“‘(]*(?:He|She|They|It|His|Her|Their|Its|This|These|Those|That)\b")

# A question for yes or no: what denies may lie further from its words than what affirms.
_DECIDED = re.compile(r"(?:is|are|was|were|do|does|did|has|have|had|can|could|will|would|must|should)\b", re.I)
DECIDED_MARGIN = 2  # times the margin of other questions: 4 points (docs/decisions.md)

FIRST = 2  # passages read before the others; with them alone where they are sure, as many are right (docs/log.md)
TOPIC = 4.0  # points of joint score; of another person's life a passage lay 9 points behind (docs/log.md)
MAX_QUOTES = 3  # an answer in more places than three is a topic, not an answer


@dataclass(frozen=True)
class Quote:
    """A sentence of a document (`start:end`, in the document) that holds `short`, the answer as the reader read it."""

    passage: Passage
    start: int
    end: int
    short: str
    score: float


@dataclass(frozen=True)
class Findings:
    """`confidence`: probability that the passages answer the question. `quotes`: the best first."""

    confidence: float
    quotes: tuple[Quote, ...]


def read(question: str, passages: Sequence[Passage], evidence: Evidence, fit: Fit) -> Findings:
    """Read the passages for the answer, the best ones first, and the others only when these leave a doubt.

    No quotes and confidence 0 when no passage holds a span.
    """
    # Scores of retrieval count from the best one: their scale varies with the size of the index.
    top = max((passage.score for passage in passages), default=0.0)
    found = candidates(question, passages[:FIRST], evidence, fit, top)
    if _confidence(found, fit) < fit.sure_at:
        found = _ordered([*found, *candidates(question, passages[FIRST:], evidence, fit, top)])
    margin = fit.margin * (DECIDED_MARGIN if _DECIDED.match(question) else 1)
    close = [quote for quote in found if quote.score >= found[0].score - margin]
    return Findings(_confidence(found, fit), _distinct(close))


def on_topic(before: str, passages: Sequence[Passage], evidence: Evidence, fit: Fit) -> list[Passage]:
    """The passages that speak of what the earlier questions did: those of the document that answers them best, and
    others that do nearly as well. "When did he die?" is answered by whatever life one has before one."""
    top = max((passage.score for passage in passages), default=0.0)
    found = candidates(before, passages, evidence, fit, top)
    near = {quote.passage.chunk.id for quote in found if quote.score >= found[0].score - TOPIC}
    return [p for p in passages if not found or p.doc_id == found[0].passage.doc_id or p.chunk.id in near]


def candidates(
    question: str, passages: Sequence[Passage], evidence: Evidence, fit: Fit, top: float = 0.0
) -> list[Quote]:
    """Every span the reader found, widened to its sentence, by joint score; ties by place. `top`: the best score of
    retrieval."""
    readings = evidence.read(question, [passage.text for passage in passages]) if passages else []
    return _ordered([
        quote(passage, span, span.score + fit.retrieval * (passage.score - top))
        for passage, reading in zip(passages, readings, strict=True)
        for span in reading.spans
    ])  # fmt: skip


def _ordered(quotes: Sequence[Quote]) -> list[Quote]:
    return sorted(quotes, key=lambda item: (-item.score, item.passage.rank, item.start))


def _confidence(found: Sequence[Quote], fit: Fit) -> float:
    return probability(fit.confidence, confidence_features(found[0])) if found else 0.0


def quote(passage: Passage, span: Span, score: float) -> Quote:
    """The sentence, or the run of sentences, of the passage that holds the span.

    A sentence that opens with a pronoun brings the one before it: "He said so" answers nothing by itself. So does an
    item of a list with what introduces the list.
    """
    spans = sentences(passage.text, longest=MAX_CHARS)
    held = [at for at, (start, end) in enumerate(spans) if start < span.end and end > span.start]
    if held and held[0] > 0 and _PRONOUN.match(passage.text, spans[held[0]][0]):
        held.insert(0, held[0] - 1)
    first = lead_in(passage.text, spans, held[0]) if held else 0
    start, end = (spans[first][0], spans[held[-1]][1]) if held else (span.start, span.end)
    short = " ".join(passage.text[span.start : span.end].split())
    return Quote(passage, passage.start + start, passage.start + end, short, score)


def confidence_features(best: Quote) -> dict[str, float]:
    """What tells an answerable question: how sure the reader is, and how near the question is to the passage and to
    its nearest sentence. Shares of words, the lead over the next passage and the support of the answer put as a
    claim added nothing (docs/log.md)."""
    signals = best.passage.signals
    return {"reader": best.score, "dense": signals.get("dense", 0.0), "sentence": signals.get("sentence", 0.0)}


def _distinct(quotes: Sequence[Quote]) -> tuple[Quote, ...]:
    """The best quotes that overlap no better one and say another thing: the same answer twice is one answer."""
    kept: list[Quote] = []
    for item in quotes:
        overlaps = any(
            item.passage.doc_id == other.passage.doc_id and item.start < other.end and other.start < item.end
            for other in kept
        )
        if not overlaps and _key(item.short) not in {_key(other.short) for other in kept}:
            kept.append(item)
    return tuple(kept[:MAX_QUOTES])


def _key(short: str) -> str:
    return " ".join(query_words(short))
