"""Question and passages → the sentences that answer it, and the probability that they do.

The reader scores spans in each passage; those scores and the retrieval's are joined by a fit (`rag/fit.json`, made by
`rag/evidence/calibrate.py`), because a reader alone is too sure of a passage about something else.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from index.catalog import query_words
from rag.evidence import Evidence, Span
from rag.fit import Fit, probability
from rag.quote import stems, widened
from rag.types import Passage

# A question for yes or no: what denies may lie further from its words than what affirms.
_DECIDED = re.compile(r"(?:is|are|was|were|do|does|did|has|have|had|can|could|will|would|must|should)\b", re.I)
DECIDED_MARGIN = 2  # times the margin of other questions: 4 points (docs/decisions.md)

FIRST = 2  # passages read before the others; with them alone where they are sure, as many are right (docs/log.md)
TOPIC = 4.0  # points of joint score; of another person's life a passage lay 9 points behind (docs/log.md)
MAX_QUOTES = 3  # an answer in more places than three is a topic, not an answer


@dataclass(frozen=True)
class Quote:
    """Sentences of a document (`start:end`, in the document) with `short`, the answer as the reader read it and as it
    is shown; "" where that holds no word."""

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


def more_than(earlier: str, found: Findings, passages: Sequence[Passage], evidence: Evidence, fit: Fit) -> Findings:
    """What was found for a question word that takes up an earlier question ("When?"): nothing, where the best quotation
    shares no word with that one, or says only what answered it."""
    if not found.quotes:
        return found
    best = found.quotes[0]
    said = best.passage.text[best.start - best.passage.start : best.end - best.passage.start]
    # A reader answers "Was he arrested?" with why or where he was, so that may be said again.
    asked = [] if _DECIDED.match(earlier) else candidates(earlier, passages, evidence, fit)[:1]
    old, new = stems(" ".join(quote.short for quote in asked)), stems(best.short)
    same = bool(old) and (old <= new or new <= old)
    return found if stems(said) & stems(earlier) and not same else Findings(0.0, ())


def candidates(
    question: str, passages: Sequence[Passage], evidence: Evidence, fit: Fit, top: float = 0.0
) -> list[Quote]:
    """Every span the reader found, widened to its sentence, by joint score; ties by place. `top`: the best score of
    retrieval."""
    readings = evidence.read(question, [passage.text for passage in passages]) if passages else []
    made = [
        quote(question, passage, span, span.score + fit.retrieval * (passage.score - top))
        for passage, reading in zip(passages, readings, strict=True)
        for span in reading.spans
    ]
    return _ordered([each for each in made if each])


def _ordered(quotes: Sequence[Quote]) -> list[Quote]:
    return sorted(quotes, key=lambda item: (-item.score, item.passage.rank, item.start))


def _confidence(found: Sequence[Quote], fit: Fit) -> float:
    return probability(fit.confidence, confidence_features(found[0])) if found else 0.0


def quote(question: str, passage: Passage, span: Span, score: float) -> Quote | None:
    """The sentences of the passage that hold the span, with those they need (rag/quote.py); none for a span that
    answers nothing."""
    made = widened(question, passage.text, (span.start, span.end), at_head=passage.start == 0)
    if made is None:
        return None
    return Quote(passage, passage.start + made.start, passage.start + made.end, made.short, score)


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
        if not overlaps and (not item.short or _key(item.short) not in {_key(other.short) for other in kept}):
            kept.append(item)
    return tuple(kept[:MAX_QUOTES])


def _key(short: str) -> str:
    return " ".join(query_words(short))
