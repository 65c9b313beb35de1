"""What benchmarks/found.py counts: an answer with its paragraph given, and with it to be found among all."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from benchmarks.found import Row, mean, run, scores, table

PARAGRAPHS = (
    ("The tower was built by Gustave Eiffel in 1889.", "Who built the tower?", "Gustave Eiffel"),
    ("The harbour of Bergen was opened by King Olav in 1931.", "When was the harbour of Bergen opened?", "1931"),
    ("Cats sleep for most of the day.", None, None),
)


def test_scores_are_of_the_gold_answer_that_fits_best() -> None:
    assert scores("the Eiffel", ["Gustave Eiffel", "Eiffel"]) == (1.0, 1.0)
    assert scores("Eiffel", ["Gustave Eiffel"]) == (pytest.approx(2 / 3), 0.0)
    assert scores("", ["Eiffel"]) == (0.0, 0.0)


def test_each_question_is_asked_of_all_paragraphs(tmp_path: Path) -> None:
    entries = [
        {
            "context": text,
            "qas": [{"question": question, "answers": [{"text": answer, "answer_start": text.index(answer)}]}]
            if question and answer
            else [{"question": "Do cats fly?", "answers": []}],
        }
        for text, question, answer in PARAGRAPHS
    ]
    (tmp_path / "squad2-half").mkdir()
    file = {"data": [{"title": "Town_things", "paragraphs": entries}]}
    (tmp_path / "squad2-half" / "dev-v2.0.json").write_text(json.dumps(file), encoding="utf-8")
    rows = run(tmp_path, limit=2)
    assert rows == [Row(1.0, 1.0, 1.0, 1.0, 1.0, read=True, home=True, answered=True)] * 2


def test_a_refusal_counts_nothing_where_it_is_shown_and_something_where_nothing_is_refused() -> None:
    refused = Row(1.0, 1.0, 0.0, 0.0, 0.5, read=True, home=False, answered=False)
    answered = Row(0.5, 0.0, 0.5, 0.0, 0.5, read=True, home=True, answered=True)
    shares = {name: float(figure.split()[0]) for name, figure, _ in table([refused, answered])}
    assert shares["token F1, paragraph given"] == 0.75
    assert shares["token F1, found among all"] == 0.25
    assert shares["token F1, found among all, nothing refused"] == 0.5
    assert shares["answered"] == 0.5
    assert mean([True, True]) == "1.000 (1.000-1.000), n 2"
