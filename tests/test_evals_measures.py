"""Each measure against arithmetic done by hand, the ranking measures against ir_measures as well."""

from __future__ import annotations

import math
from dataclasses import replace

import ir_measures
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from evals import stats
from evals.measures import MEASURES, metrics, normalise, rows, token_f1
from evals.types import CitationResult, ItemResult, Place

BY_NAME = {measure.name: measure for measure in MEASURES}
CONTRACT = (
    "retrieval.recall@1 retrieval.recall@3 retrieval.recall@5 retrieval.recall@10 retrieval.mrr retrieval.ndcg@10 "
    "answer.em answer.f1 answer.contains citation.exact citation.precision citation.recall "
    "abstain.accuracy abstain.auroc abstain.aurc latency.p50 latency.p95"
).split()

ANSWERED = ItemResult(
    id="q",
    question="Who?",
    answerable=True,
    tags=(),
    answers=("the Maximum Resistance",),
    gold=(Place("d", 10, 20),),
    passages=(("d", 0, 15),),
    status="answered",
    text="It is “maximum resistance”. [1]",
    short_answer="maximum resistance",
    confidence=0.9,
    citations=(CitationResult("d", 0, 15, "quote", exact=True, gold=True),),
    seconds=0.5,
)
REFUSED = replace(ANSWERED, status="not_found", text="", short_answer="", confidence=0.2, citations=())
UNANSWERABLE = replace(REFUSED, answerable=False, answers=(), gold=())
INVENTED = replace(
    ANSWERED, answerable=False, answers=(), gold=(), citations=(replace(ANSWERED.citations[0], gold=False),)
)
FAILED = replace(REFUSED, status="failed", confidence=None, seconds=None, passages=(), error="ModelError: gone")
RETRIEVED = replace(REFUSED, status="retrieved", confidence=None, seconds=None)


def row(name: str, item: ItemResult) -> tuple[float, ...] | None:
    return BY_NAME[name].row(item)


def test_the_names_are_those_of_the_contract() -> None:
    assert [measure.name for measure in MEASURES] == CONTRACT


def test_normalisation_is_squads_and_takes_curly_quotes_and_markers_too() -> None:
    assert normalise("  The “Maximum\nResistance”, [2] an answer. ") == "maximum resistance answer"
    assert normalise("Theatre Anna") == "theatre anna"  # articles are whole words


def test_f1_by_hand() -> None:
    # 2 words in common of 3 and 2: precision 2/3, recall 1, F1 = 2*2/(3+2)
    assert token_f1("on 7 march", "7 march") == pytest.approx(0.8)
    # a repeated word counts as often as both have it: 1 of 2 and 1
    assert token_f1("no no", "no") == pytest.approx(2 / 3)
    assert token_f1("yes", "no") == 0


@pytest.mark.parametrize("name", ["answer.em", "answer.f1", "answer.contains", "citation.recall", "abstain.accuracy"])
def test_right_scores_1_a_refusal_and_a_failure_0(name: str) -> None:
    assert row(name, ANSWERED) == (1,)
    assert row(name, REFUSED) == (0,)
    assert row(name, FAILED) == (0,)
    assert row(name, RETRIEVED) is None


@pytest.mark.parametrize("name", ["answer.em", "answer.f1", "answer.contains", "citation.recall", "retrieval.mrr"])
def test_unanswerable_items_are_not_asked(name: str) -> None:
    assert row(name, UNANSWERABLE) is None
    assert row(name, INVENTED) is None


def test_refusing_is_right_exactly_when_unanswerable() -> None:
    assert row("abstain.accuracy", UNANSWERABLE) == (1,)
    assert row("abstain.accuracy", INVENTED) == (0,)
    assert row("abstain.accuracy", replace(UNANSWERABLE, status="failed")) == (0,)


def test_the_text_is_read_where_there_is_no_short_answer() -> None:
    item = replace(ANSWERED, short_answer=" ", text="Maximum resistance. [1]")
    assert row("answer.em", item) == (1,)
    assert row("answer.em", replace(item, text="It is maximum resistance.")) == (0,)
    # words: it is maximum resistance / maximum resistance: 2*2/(4+2)
    assert row("answer.f1", replace(item, text="It is maximum resistance.")) == pytest.approx((2 / 3,))


def test_contains_needs_whole_words() -> None:
    assert row("answer.contains", replace(ANSWERED, answers=("1",), text="In 11 days.")) == (0,)
    assert row("answer.contains", replace(ANSWERED, answers=("1", "11"), text="In 11 days.")) == (1,)


def test_recall_counts_facts_and_alternatives_once() -> None:
    gold = (Place("d", 0, 5, fact=0), Place("d", 50, 55, fact=1), Place("e", 0, 5, fact=1))
    item = replace(ANSWERED, gold=gold, passages=(("x", 0, 9), ("e", 0, 9), ("d", 5, 9), ("d", 4, 9)))
    # first none; e 0-9 is fact 1; d 5-9 only touches fact 0 (the end is exclusive); d 4-9 overlaps it
    assert row("retrieval.recall@1", item) == (0,)
    assert row("retrieval.recall@3", item) == (0.5,)
    assert row("retrieval.recall@5", item) == (1,)
    assert row("retrieval.mrr", item) == (1 / 2,)
    # fact 1 at rank 2, fact 0 at rank 4, ideal ranks 1 and 2
    ideal = 1 + 1 / math.log2(3)
    assert row("retrieval.ndcg@10", item) == pytest.approx(((1 / math.log2(3) + 1 / math.log2(5)) / ideal,))


def test_a_place_that_no_passage_covers_is_missed() -> None:
    item = replace(ANSWERED, passages=(("d", 0, 10), ("d", 20, 30), ("other", 10, 20)))
    for name in ("retrieval.recall@10", "retrieval.mrr", "retrieval.ndcg@10"):
        assert row(name, item) == (0,)


def test_two_facts_in_one_passage_are_at_most_perfect() -> None:
    item = replace(ANSWERED, gold=(Place("d", 0, 5, 0), Place("d", 6, 9, 1)), passages=(("d", 0, 9),))
    assert row("retrieval.recall@1", item) == row("retrieval.ndcg@10", item) == (1,)


@given(
    st.permutations([f"d{n}" for n in range(14)]), st.dictionaries(st.integers(0, 13), st.integers(1, 3), min_size=1)
)
def test_ranking_measures_agree_with_ir_measures(ranking: list[str], grades: dict[int, int]) -> None:
    """One fact a document is what ir_measures can express; there the figures must be its own."""
    gold = tuple(Place(f"d{n}", 0, 9, fact, grade) for fact, (n, grade) in enumerate(grades.items()))
    item = replace(ANSWERED, gold=gold, passages=tuple((doc, 0, 9) for doc in ranking[:10]))
    qrels = {"q": {f"d{n}": grade for n, grade in grades.items()}}
    found = {"q": {doc: float(-rank) for rank, doc in enumerate(ranking[:10])}}
    theirs = ir_measures.calc_aggregate(
        [
            ir_measures.R @ 1,
            ir_measures.R @ 3,
            ir_measures.R @ 5,
            ir_measures.R @ 10,
            ir_measures.RR,
            ir_measures.nDCG @ 10,
        ],
        qrels,
        found,
    )
    ours = {"R@1": "recall@1", "R@3": "recall@3", "R@5": "recall@5", "R@10": "recall@10", "RR": "mrr"}
    for measure, figure in theirs.items():
        name = "retrieval." + ours.get(str(measure), "ndcg@10")
        assert row(name, item) == pytest.approx((figure,)), name


def test_citation_shares_pool_the_footnotes_of_all_items() -> None:
    wrong = CitationResult("d", 90, 99, "x", exact=False, gold=False)
    three = replace(ANSWERED, citations=(ANSWERED.citations[0], wrong, wrong))
    found = metrics([three, ANSWERED, REFUSED, INVENTED])
    # gold: 1 of 3, 1 of 1, none shown, 0 of 1 under an answer that should not be → 2 of 5
    assert found["citation.precision"].value == pytest.approx(2 / 5)
    assert found["citation.precision"].n == 3
    # exact: 1 of 3, 1 of 1, 1 of 1
    assert found["citation.exact"].value == pytest.approx(3 / 5)


def test_precision_is_not_asked_where_no_gold_place_is_known() -> None:
    assert row("citation.precision", replace(ANSWERED, gold=())) is None


def test_auroc_by_hand() -> None:
    # positives .9 .5, negatives .5 .1: pairs won 1, 1, tied .5, won 1 → 3.5 of 4
    table = np.array([(0.9, 1), (0.5, 1), (0.5, 0), (0.1, 0)])
    assert stats.auroc(table) == pytest.approx(3.5 / 4)
    assert math.isnan(stats.auroc(table[:2]))


def test_aurc_by_hand_and_blind_to_the_order_of_ties() -> None:
    # by confidence .9 .5 .1 with losses 0 1 0: risks 0, 1/2, 1/3
    assert stats.aurc(np.array([(0.1, 0), (0.9, 0), (0.5, 1)])) == pytest.approx((0 + 1 / 2 + 1 / 3) / 3)
    # all tied, one loss in two: risk 1/2 at each coverage, in either order
    for tied in ([(0.5, 1), (0.5, 0)], [(0.5, 0), (0.5, 1)]):
        assert stats.aurc(np.array(tied, float)) == pytest.approx(0.5)


def test_a_failure_is_worst_for_auroc_and_aurc() -> None:
    unasked = replace(UNANSWERABLE, status="failed", confidence=None)
    assert row("abstain.auroc", FAILED) == (0, 1)
    assert row("abstain.auroc", unasked) == (1, 0)
    assert row("abstain.aurc", unasked) == (1, 1)
    assert row("abstain.aurc", ANSWERED) == (0.9, 0)
    assert row("abstain.aurc", INVENTED) == (0.9, 1)


def test_latency_is_of_answers_in_seconds() -> None:
    items = [replace(ANSWERED, seconds=s) for s in (1.0, 2.0, 3.0)]
    found = metrics([*items, FAILED])
    assert (found["latency.p50"].value, found["latency.p50"].n) == (2, 3)
    # numpy's linear interpolation: rank .95 * 2 = 1.9 → 2 + .9 * (3 - 2)
    assert found["latency.p95"].value == pytest.approx(2.9)


def test_metrics_that_do_not_apply_are_left_out_not_zero() -> None:
    assert set(metrics([RETRIEVED])) == {name for name in CONTRACT if name.startswith("retrieval.")}
    assert "abstain.auroc" not in metrics([ANSWERED, REFUSED])  # nothing unanswerable to tell apart
    assert metrics([]) == {}


def test_nothing_leaves_the_mean() -> None:
    found = metrics([ANSWERED, REFUSED, FAILED, UNANSWERABLE])["answer.f1"]
    assert (found.value, found.n) == (pytest.approx(1 / 3), 3)


def test_wilson_by_hand_and_at_the_ends() -> None:
    # 9 of 10 at z = 1.96: the textbook interval is 0.5958 to 0.9821
    assert stats.wilson(0.9, 10) == pytest.approx((0.5958, 0.9821), abs=1e-4)
    low, high = stats.wilson(1.0, 47)
    assert high == 1 and low == pytest.approx(47 / (47 + 1.959964**2))
    assert stats.wilson(0.0, 5)[0] == 0


def test_every_interval_is_the_same_again_and_holds_its_value() -> None:
    items = [replace(ANSWERED, seconds=0.1 * n, confidence=0.05 * n) for n in range(1, 10)]
    items += [replace(UNANSWERABLE, seconds=None, confidence=0.07 * n) for n in range(9)]
    first = metrics(items)
    assert first == metrics(items)
    assert all(metric.low <= metric.value <= metric.high for metric in first.values())
    assert first["latency.p50"].low < first["latency.p50"].high


def test_swap_test_by_hand() -> None:
    # three pairs that all gain 1: of the 8 swaps, +++ and --- are as far from 0, so p is near 2/8
    a, b = np.zeros((3, 1)), np.ones((3, 1))
    assert stats.swap_test(stats.mean, a, b) == pytest.approx(0.25, abs=0.03)
    assert stats.swap_test(stats.mean, a, a) == 1


def test_rows_are_nan_where_an_item_is_not_asked() -> None:
    table = rows(BY_NAME["citation.exact"], [ANSWERED, REFUSED])
    assert table[0].tolist() == [1, 1] and np.isnan(table[1]).all()
