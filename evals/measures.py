"""The measures of the contract, each a pure function of what happened to an item.

A measure gives None for an item it is not asked of; that is not 0, and 0 is never left out of a mean.
Definitions with their sources: docs/evals.md.
"""

from __future__ import annotations

import math
import re
import string
import unicodedata
from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass

import numpy as np

from evals import stats
from evals.types import ItemResult, Metric

DEPTH = 10  # passages asked for; nDCG and MRR look no further
Row = tuple[float, ...]


@dataclass(frozen=True)
class Measure:
    """`row` gives an item's figures (None: not asked), `statistic` the metric over the rows.

    `bounded`: the metric is a mean within 0..1, for which Wilson's interval serves; else the bootstrap does.
    """

    name: str
    row: Callable[[ItemResult], Row | None]
    statistic: stats.Statistic = stats.mean
    bounded: bool = True


def normalise(text: str) -> str:
    """SQuAD's normalisation: lower case, no punctuation, no articles, single spaces. Unicode's punctuation
    goes too, since articles are set with curly quotes; footnote markers like [1] go first."""
    text = re.sub(r"\[\d+\]", " ", text).lower()
    text = "".join(c for c in text if c not in string.punctuation and unicodedata.category(c)[0] != "P")
    return " ".join(re.sub(r"\b(a|an|the)\b", " ", text).split())


def token_f1(prediction: str, gold: str) -> float:
    """Harmonic mean of precision and recall over the bags of words of two normalised texts."""
    ours, theirs = prediction.split(), gold.split()
    common = sum((Counter(ours) & Counter(theirs)).values())
    if not common:
        return float(ours == theirs)  # both empty is a match, as in SQuAD's own script
    return 2 * common / (len(ours) + len(theirs))


def contains(item: ItemResult) -> bool:
    """Whether whole words of the answer's text are one of the gold answers."""
    text = f" {normalise(item.text)} "
    return item.status == "answered" and any(f" {gold} " in text for gold in _golds(item))


def _golds(item: ItemResult) -> list[str]:
    return [gold for gold in map(normalise, item.answers) if gold]


def _facts(item: ItemResult, passages: Iterable[tuple[str, int, int]]) -> set[int]:
    """The facts that these passages hold evidence for."""
    found = list(passages)
    return {place.fact for place in item.gold if any(place.overlaps(*passage) for passage in found)}


def _recall(k: int) -> Callable[[ItemResult], Row | None]:
    def row(item: ItemResult) -> Row | None:
        if not item.gold:
            return None
        return (len(_facts(item, item.passages[:k])) / len({place.fact for place in item.gold}),)

    return row


def _reciprocal_rank(item: ItemResult) -> Row | None:
    if not item.gold:
        return None
    ranks = (rank for rank, passage in enumerate(item.passages[:DEPTH], 1) if _facts(item, [passage]))
    return (1 / next(ranks, math.inf),)


def _ndcg(item: ItemResult) -> Row | None:
    """A fact gains its grade at the first passage that holds it; the ideal order has one fact a passage."""
    if not item.gold:
        return None
    grades = {fact: max(p.grade for p in item.gold if p.fact == fact) for fact in {p.fact for p in item.gold}}
    seen: set[int] = set()
    gain = 0.0
    for rank, passage in enumerate(item.passages[:DEPTH], 1):
        new = _facts(item, [passage]) - seen
        gain += sum(grades[fact] for fact in new) / math.log2(rank + 1)
        seen |= new
    best = sorted(grades.values(), reverse=True)[:DEPTH]
    ideal = sum(grade / math.log2(rank + 1) for rank, grade in enumerate(best, 1))
    return (min(1.0, gain / ideal),)  # one passage with two facts would beat the ideal


def _answer(score: Callable[[ItemResult], float]) -> Callable[[ItemResult], Row | None]:
    """Asked of answerable items with gold answers; a refusal or a failure scores 0."""

    def row(item: ItemResult) -> Row | None:
        if item.status == "retrieved" or not _golds(item):
            return None
        return (float(score(item)) if item.status == "answered" else 0.0,)

    return row


def _prediction(item: ItemResult) -> str:
    return normalise(item.short_answer if item.short_answer.strip() else item.text)


def _exact_match(item: ItemResult) -> float:
    return float(_prediction(item) in _golds(item))


def _best_f1(item: ItemResult) -> float:
    return max(token_f1(_prediction(item), gold) for gold in _golds(item))


def _citations_exact(item: ItemResult) -> Row | None:
    return (sum(c.exact for c in item.citations), len(item.citations)) if item.citations else None


def _citations_gold(item: ItemResult) -> Row | None:
    """Footnotes under an answer to an unanswerable question are wrong; without any gold place nobody can say."""
    if not item.citations or (item.answerable and not item.gold):
        return None
    return (sum(c.gold for c in item.citations), len(item.citations))


def _gold_cited(item: ItemResult) -> Row | None:
    if item.status == "retrieved" or not item.gold:
        return None
    return (float(any(c.gold for c in item.citations)),)


def _right_to_answer(item: ItemResult) -> Row | None:
    if item.status == "retrieved":
        return None
    return (float(item.status != "failed" and (item.status == "answered") == item.answerable),)


def _confidence(item: ItemResult) -> float:
    """A failure is as wrong as can be: certain where nothing can be answered, in doubt where something can."""
    if item.status == "failed" or item.confidence is None:
        return float(not item.answerable)
    return item.confidence


def _confidence_and_answerable(item: ItemResult) -> Row | None:
    return None if item.status == "retrieved" else (_confidence(item), float(item.answerable))


def _confidence_and_loss(item: ItemResult) -> Row | None:
    """Loss 0 only where an answer with a gold answer in it was given; nothing said of an unanswerable is right."""
    if item.status == "retrieved" or (item.answerable and not _golds(item)):
        return None
    return (_confidence(item), float(not contains(item)))


def _seconds(item: ItemResult) -> Row | None:
    return None if item.seconds is None else (item.seconds,)


MEASURES = (
    *(Measure(f"retrieval.recall@{k}", _recall(k)) for k in (1, 3, 5, 10)),
    Measure("retrieval.mrr", _reciprocal_rank),
    Measure("retrieval.ndcg@10", _ndcg),
    Measure("answer.em", _answer(_exact_match)),
    Measure("answer.f1", _answer(_best_f1)),
    Measure("answer.contains", _answer(contains)),
    Measure("citation.exact", _citations_exact, stats.share),
    Measure("citation.precision", _citations_gold, stats.share),
    Measure("citation.recall", _gold_cited),
    Measure("abstain.accuracy", _right_to_answer),
    Measure("abstain.auroc", _confidence_and_answerable, stats.auroc, bounded=False),
    Measure("abstain.aurc", _confidence_and_loss, stats.aurc, bounded=False),
    Measure("latency.p50", _seconds, stats.percentile(50), bounded=False),
    Measure("latency.p95", _seconds, stats.percentile(95), bounded=False),
)


def rows(measure: Measure, items: Iterable[ItemResult]) -> stats.Rows:
    """Float array (items, 1 or 2): what the measure says of each item, NaN where it is not asked."""
    said = [measure.row(item) for item in items]
    width = max((len(row) for row in said if row is not None), default=1)
    return np.array([row if row is not None else (math.nan,) * width for row in said], np.float64).reshape(-1, width)


def metrics(items: Iterable[ItemResult]) -> dict[str, Metric]:
    """The metrics that apply, by name: one that no item was asked, or that is not defined (the AUROC of
    answerable items only), is left out."""
    results = list(items)
    all_metrics = {measure.name: _metric(measure, rows(measure, results)) for measure in MEASURES}
    return {name: metric for name, metric in all_metrics.items() if metric is not None}


def _metric(measure: Measure, table: stats.Rows) -> Metric | None:
    asked = table[~np.isnan(table[:, 0])]
    figure = stats.value(measure.statistic, asked)
    if math.isnan(figure):
        return None
    if measure.bounded:
        low, high = stats.wilson(figure, len(asked))
    else:
        low, high = stats.bootstrap(lambda drawn: stats.value(measure.statistic, asked[drawn]), len(asked))
    return Metric(figure, low, high, len(asked))
