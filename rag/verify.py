"""Is a claim supported by the passage it cites? Rules a person can follow and the evidence model, joined by a fit.

Each rule is also the reason that is given when a claim falls: a number that the passage does not hold, a name that it
does not hold, a negation turned, words about something else; or the claim's rival (`rag/rivals.py`) that it supports.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise

from index.catalog import STOPWORDS
from index.chunk import MAX_CHARS, Span, lead_in, sentences
from rag.claims import claims_of
from rag.evidence import Evidence
from rag.fit import Fit, logit, probability
from rag.rivals import rivals

_NUMBER = re.compile(r"(?:(?<![\w.)\]])[-−–])?\d[\d,]*(?:\.\d+)?")
_WORD = re.compile(r"[^\W\d_]+(?:[-'’][^\W\d_]+)*")
_NEGATION = re.compile(
    r"\b(?:not|no|never|none|neither|nor|without|cannot|nobody|nothing|den(?:y|ies|ied|ying)|reject\w*|refus\w*|fail\w*)\b"
    r"|n[’']t\b",
    re.I,
)
# Words under which a sentence says a thing without saying that it is so: a condition, a doubt, a plan, a mere claim.
_SCOPE = re.compile(
    r"\b(?:[Ii]f|[Uu]nless|[Ww]hether|[Aa]lleg\w+|[Rr]umou?r\w*|[Ss]uppos\w+|[Rr]eportedly|may|might|nearly|almost|planned"
    r"|claims?|claimed|conclud\w+|argued|believed|falsely|untrue|invention|hoax|myth|legend)\b"
)
_POSSESSIVE = re.compile("['’]s?$")
_NUMBER_WORDS = dict(
    zip(
        "one two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen sixteen seventeen "
        "eighteen nineteen twenty thirty forty fifty sixty seventy eighty ninety hundred".split(),
        [*map(str, range(1, 21)), "30", "40", "50", "60", "70", "80", "90", "100"],
        strict=True,
    )
)
UNSUPPORTED = "the cited passage does not support it"  # the reason where no rule gives a better one
STEM = 5  # letters compared: "Iranian" is in a text about Iran, "negotiate" in one on negotiations


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
        found = features(claim, text, judged.best, judged.whole)
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
    if supported(features(rival, text, score, score), fit.support) < fit.support_at:
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


def features(claim: str, source: str, best: float, whole: float) -> dict[str, float]:
    """Signals of support: what the model says (`Judged`), and what of the claim the source does not hold."""
    source_stems = {_stem(word) for word in _WORD.findall(source)}
    nearest = _nearest(claim, source)
    content = [word for word in _WORD.findall(claim) if word.lower() not in STOPWORDS]
    missing = [word for word in content if _stem(word) not in source_stems]
    names = [word for word in names_of(claim) if _stem(word) not in source_stems]
    return {
        "model": logit(best),
        "whole": logit(whole),
        "numbers": float(min(2, len(numbers_of(claim) - numbers_of(source)))),
        "names": float(min(2, len(names))),
        "words": len(missing) / len(content) if content else 1.0,
        "negation": float(bool(_NEGATION.search(claim)) != bool(_NEGATION.search(nearest))),
        "scope": float(bool(_scopes(nearest) - _scopes(claim))),
    }


def supported(found: Mapping[str, float], weights: Mapping[str, float]) -> float:
    """The probability that a claim with these features is supported. 0, however sure the model is, for one with a
    number that the source does not hold, and for one that the source says only under a condition, as a plan or as
    somebody's claim, where the claim does not (docs/decisions.md)."""
    return 0.0 if found["numbers"] or found["scope"] else probability(weights, found)


def _stem(word: str) -> str:
    """The first letters of a word, "Iran's" as "Iran"."""
    return _POSSESSIVE.sub("", word).lower()[:STEM]


def _scopes(text: str) -> set[str]:
    return {word.lower()[:STEM] for word in _SCOPE.findall(text)}


def numbers_of(text: str) -> set[str]:
    """Numbers, without thousands' commas, number words as digits (except "one", which is mostly a pronoun); raised
    digits and fractions each for itself."""
    digits = {re.sub("[−–]", "-", number.replace(",", "").rstrip(".")) for number in _NUMBER.findall(text)}
    digits |= {char for char in text if unicodedata.category(char) in ("No", "Nl")}
    words = {_NUMBER_WORDS[word] for word in map(str.lower, _WORD.findall(text)) if word in _NUMBER_WORDS}
    return digits | (words - {"1"})


def names_of(text: str) -> list[str]:
    """Capitalised words that do not merely begin the sentence; single letters, which are initials, left out."""
    return [
        match.group()
        for match in _WORD.finditer(text)
        if match.group()[0].isupper()
        and match.start() > 0
        and len(match.group()) > 1
        and match.group().lower() not in STOPWORDS
    ]


def invented_names(claim: str, texts: Sequence[str]) -> list[str]:
    """Names of the claim that stand in none of the texts, compared by their first letters."""
    known = {_stem(word) for text in texts for word in _WORD.findall(text)}
    return [name for name in names_of(claim) if _stem(name) not in known]


def _nearest(claim: str, source: str) -> str:
    """The sentence of the source that shares most words with the claim."""
    own = {_stem(word) for word in _WORD.findall(claim)} - {word[:STEM] for word in STOPWORDS}
    parts = [source[start:end] for start, end in sentences(source)] or [source]
    return max(parts, key=lambda part: len(own & {_stem(word) for word in _WORD.findall(part)}))


def reason(found: dict[str, float]) -> str:
    """Why a claim with these features fell, for a person."""
    if found["numbers"]:
        return "a number in it is not in the cited passage"
    if found["names"]:
        return "a name in it is not in the cited passage"
    if found["scope"]:
        return "the cited passage says it under a condition, in doubt, as a plan or as somebody's claim"
    if found["negation"]:
        return "it denies what the cited passage affirms, or affirms what it denies"
    if found["words"] > 0.5:
        return "the cited passage says nothing about it"
    return UNSUPPORTED
