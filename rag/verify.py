"""Is a claim supported by the passage it cites? Rules a person can follow and the evidence model, joined by a fit.

Each rule (`rag/rules.py`) is also the reason that is given when a claim falls; or the claim's rival (`rag/rivals.py`)
that the passage supports is.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise

from index.chunk import MAX_CHARS, Span, lead_in, sentences
from rag.claims import claims_of
from rag.evidence import Evidence
from rag.fit import Fit, logit, probability
from rag.rivals import rivals
from rag.rules import invented_names, lacks_number, other_units, strong, turned, unsaid, unseen

UNSUPPORTED = "the cited passage does not support it"  # the reason where no rule gives a better one
# What fails a claim however sure the model is (docs/decisions.md).
VETOES = ("numbers", "units", "strong", "scope")


@dataclass(frozen=True)
class Verdict:
    """Probability that the passage supports the claim, the span of it that does best, and why not if not."""

    probability: float
    span: Span
    reason: str


@dataclass(frozen=True)
class Judged:
    """The model's probability that a passage supports a claim: judged by the passage as a `whole`, and the `best` of
    the whole and its parts. `span`: the part that does best."""

    best: float
    whole: float
    span: Span


def check_claims(sentence: str, passages: Sequence[str], evidence: Evidence, fit: Fit) -> list[list[Verdict]]:
    """The verdicts on each claim of a sentence; a sentence that a passage repeats to the letter is one claim."""
    copied = any(_copied(sentence, text) for text in passages)
    return [check(claim, passages, evidence, fit) for claim in ([sentence] if copied else claims_of(sentence))]


def check(claim: str, passages: Sequence[str], evidence: Evidence, fit: Fit) -> list[Verdict]:
    """Judge one claim against each passage text. Spans count from the passage's start.

    Where none supports it, the best one's reason names what that passage supports instead, if it is found.
    """
    (scored,) = model_support([(claim, passages)], evidence)
    verdicts = []
    for text, judged in zip(passages, scored, strict=True):
        copied = _copied(claim, text)
        if copied:
            verdicts.append(Verdict(1.0, copied, ""))
            continue
        found = features(claim, text, judged)
        verdicts.append(Verdict(supported(found, fit.support), judged.span, reason(found)))
    best = max(range(len(verdicts)), key=lambda at: verdicts[at].probability, default=None)
    if best is not None and verdicts[best].probability < fit.support_at and verdicts[best].reason == UNSUPPORTED:
        verdicts[best] = _beside_rivals(claim, passages[best], verdicts[best], evidence, fit)
    return verdicts


def _beside_rivals(claim: str, text: str, verdict: Verdict, evidence: Evidence, fit: Fit) -> Verdict:
    """The verdict with the best supported rival of the claim as its reason, when one is supported."""
    listed = rivals(claim, text)
    scores = evidence.support([(rival, text[slice(*verdict.span)]) for rival in listed]) if listed else []
    score, rival = max(zip(scores, listed, strict=True), default=(0.0, ""))
    if supported(features(rival, text, Judged(score, score, verdict.span)), fit.support) < fit.support_at:
        return verdict
    return replace(verdict, reason=f"the cited passage rather supports: {rival}")


def _copied(claim: str, text: str) -> Span | None:
    """The whole sentence, or two in a row, that the claim repeats to the letter. Part of one may say the opposite."""
    words = claim.split()
    return next((span for span in _windows(text) if text[slice(*span)].split() == words), None) if words else None


def model_support(claims: Sequence[tuple[str, Sequence[str]]], evidence: Evidence) -> list[list[Judged]]:
    """For each claim and each of its passages what the model says, in their order.

    The parts are the passage's sentences and pairs of sentences: small readers are surest of short texts, and the
    whole sees when a part says it of something else. Of equal parts the shorter one is the place.
    """
    windows = [[[(0, len(text)), *_windows(text)] for text in passages] for _, passages in claims]
    pairs = [
        (claim, text[low:high])
        for (claim, passages), own in zip(claims, windows, strict=True)
        for text, spans in zip(passages, own, strict=True)
        for low, high in spans
    ]
    scores = iter(evidence.support(pairs))
    return [[_best([(next(scores), span) for span in spans]) for spans in own] for own in windows]


def _best(scored: Sequence[tuple[float, Span]]) -> Judged:
    (whole, place), *parts = scored
    score, span = max(parts, key=lambda item: (item[0], item[1][0] - item[1][1]), default=(whole, place))
    return Judged(max(score, whole), whole, span)


def _windows(text: str) -> list[Span]:
    """Each sentence, and each two in a row: the places a claim may rest on. An item of a list brings what introduces
    the list."""
    plain = sentences(text, longest=MAX_CHARS)
    spans = [(plain[lead_in(text, plain, at)][0], end) for at, (_, end) in enumerate(plain)]
    return [*spans, *((first[0], second[1]) for first, second in pairwise(spans))]


def features(claim: str, source: str, judged: Judged) -> dict[str, float]:
    """What the model says, and what of the claim the source, or the place it rests on, lacks."""
    return {
        "model": logit(judged.best),
        "whole": logit(judged.whole),
        "unseen": unseen(claim, source),
        "names": float(min(2, len(invented_names(claim, [source])))),
        "negation": float(turned(claim, source)),
        "numbers": float(lacks_number(claim, source)),
        "units": float(other_units(claim, source)),
        "strong": float(strong(claim, source[slice(*judged.span)])),
        "scope": float(unsaid(claim, source)),
    }


def supported(found: Mapping[str, float], weights: Mapping[str, float]) -> float:
    """The probability that a claim with these features is supported; 0, however sure the model is, for a vetoed one."""
    return 0.0 if any(found[name] for name in VETOES) else probability(weights, found)


def reason(found: Mapping[str, float]) -> str:
    """Why a claim with these features fell, for a person."""
    if found["numbers"]:
        return "a number in it is not in the cited passage"
    if found["units"]:
        return "a number in it stands in the cited passage with another unit"
    if found["names"]:
        return "a name in it is not in the cited passage"
    if found["strong"]:
        return "it claims more than the cited passage says"
    if found["scope"]:
        return "the cited passage says it under a condition, in doubt, as a plan or as somebody's claim"
    if found["negation"]:
        return "it denies what the cited passage affirms, or affirms what it denies"
    if found["unseen"] > 0.5:
        return "the cited passage says nothing about it"
    return UNSUPPORTED
