"""The lies that benchmarks/drafts.py puts in a model's mouth, and how their fate is counted."""

from __future__ import annotations

import random

import pytest

from benchmarks.drafts import Case, Scripted, cases, interval, shown, table, true_claims
from index import Index
from rag import Assistant
from rag.evidence.calibrate import article_documents, invented

PASSAGE = (
    "Anna Berg defeated Karl Lund in 1905. The old bridge over the river, which is made of stone, stands in Oslo. "
    "It was opened by Karl Lund in May."
)
ARTICLE = {
    "title": "Oslo",
    "paragraphs": [
        {
            "context": PASSAGE,
            "qas": [{"question": "Who defeated Karl Lund?", "answers": [{"text": "Anna Berg", "answer_start": 0}]}],
        },
        {"context": "The harbour of the town is used by ships from Bergen and by fishing boats.", "qas": []},
    ],
}


def test_true_claims_are_made_of_the_question_and_of_the_sentence_that_answers_it() -> None:
    assert list(true_claims("Who defeated Karl Lund?", "Anna Berg", PASSAGE, 0)) == [
        ("true, made of the question", "Anna Berg defeated Karl Lund."),
        ("true, to the letter", "Anna Berg defeated Karl Lund in 1905."),
    ]
    kinds = dict(true_claims("Where is the bridge?", "Oslo", PASSAGE, PASSAGE.index("Oslo")))
    assert kinds["true, shortened"] == "The old bridge over the river stands in Oslo."


def test_an_invention_is_of_another_text_and_not_in_the_passage() -> None:
    assert list(invented("In 1905 Anna came.", "In 1905 Anna came.", "In 1811 Bertil left.")) == [
        "In 1905 Bertil came.",
        "In 1811 Anna came.",
    ]
    assert not list(invented("In 1905 Anna came.", "In 1905 Anna came.", "In 1905 Anna left."))


def test_every_lie_is_untrue_and_cites_a_passage_that_is_there(index: Index) -> None:
    index.add_documents(article_documents(ARTICLE))
    found = list(cases(ARTICLE, index, random.Random(1)))
    kinds = {case.kind for case in found}
    assert {"true, to the letter", "roles exchanged", "name exchanged", "another passage cited"} <= kinds
    for case in found:
        assert 1 <= case.marker <= 2
        assert (case.claim in PASSAGE) <= (case.kind.startswith("true") or case.kind == "another passage cited")


def test_a_drafted_copy_is_shown_and_a_gross_lie_is_not(index: Index) -> None:
    index.add_documents(article_documents(ARTICLE))
    model = Scripted()
    assistant = Assistant(index, model)
    copy = Case("true", "Who defeated Karl Lund?", "Anna Berg defeated Karl Lund in 1905.", 1)
    lie = Case("lie", copy.question, "Napoleon defeated Karl Lund in 1999.", 1)
    assert shown(copy, assistant, model) == (True, True)
    assert shown(lie, assistant, model) == (True, False)


def test_only_lies_that_were_answered_count_in_the_last_row() -> None:
    rows = {
        name: measured for name, measured, _ in table({"true": [(True, True)], "lie": [(True, True), (True, False)]})
    }
    assert rows["true"].startswith("1.000")
    assert rows["answers shown that no cited sentence supports"].startswith("0.500")
    assert table({"lie": [(False, False)]})[-1][1] == "none"


@pytest.mark.parametrize(("hits", "said"), [([], "none"), ([True, True], "1.000 (0.342-1.000), n 2")])
def test_an_interval_says_its_n(hits: list[bool], said: str) -> None:
    assert interval(hits) == said
