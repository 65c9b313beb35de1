"""What finding costs: answers with the right paragraph given, and with it to be found among all. `make found DATA=...`.

    python -m benchmarks.found --data DATA [--limit 600]

Answerable questions of the development half of SQuAD 2.0, all its paragraphs in one index. Given: the reader's best
span in the right paragraph. Found: `short_answer` as the reader of an answer sees it, a refusal counting 0; and what of
the loss is a paragraph not among those read, a question refused, and another place preferred.
"""

from __future__ import annotations

import argparse
import random
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.speed import report
from evals.measures import normalise, token_f1
from evals.stats import bootstrap
from index import Document, Index
from rag import Assistant
from rag.evidence.calibrate import squad_articles
from rag.read import read


@dataclass(frozen=True)
class Row:
    """One question: token F1 and exact match given the paragraph and as found, and F1 were nothing refused.

    `read`: whether the paragraph is among the passages read; `home`: whether the best quote lies in it."""

    given: float
    given_exact: float
    found: float
    found_exact: float
    unrefused: float
    read: bool
    home: bool
    answered: bool


def scores(prediction: str, golds: list[str]) -> tuple[float, float]:
    """(token F1, exact match) against the gold answer that fits best, as SQuAD counts them."""
    plain = normalise(prediction)
    wanted = [normalise(gold) for gold in golds]
    return max(token_f1(plain, gold) for gold in wanted), float(plain in wanted)


def documents(articles: list[Any]) -> Iterator[Document]:
    for number, article in enumerate(articles):
        for at, paragraph in enumerate(article["paragraphs"]):
            name = f"{number}-{at}"
            yield Document(name, article["title"].replace("_", " "), paragraph["context"], name, name)


def asked(doc: str, qa: Any, assistant: Assistant) -> Row:
    golds = [answer["text"] for answer in qa["answers"]]
    text = assistant.index.document(doc).text
    reading = assistant.evidence.read(qa["question"], [text])[0]
    given = scores(text[reading.spans[0].start : reading.spans[0].end] if reading.spans else "", golds)
    answer = assistant.ask(qa["question"])
    quotes = read(qa["question"], answer.passages, assistant.evidence, assistant.fit).quotes
    found = scores(answer.short_answer, golds) if answer.outcome == "answered" else (0.0, 0.0)
    return Row(
        *given,
        *found,
        scores(quotes[0].short, golds)[0] if quotes else 0.0,
        any(passage.doc_id == doc for passage in answer.passages),
        bool(quotes) and quotes[0].passage.doc_id == doc,
        answer.outcome == "answered",
    )


def run(data: Path, limit: int, seed: int = 0) -> list[Row]:
    articles = squad_articles(data / "squad2-half" / "dev-v2.0.json")
    questions = [
        (f"{number}-{at}", qa)
        for number, article in enumerate(articles)
        for at, paragraph in enumerate(article["paragraphs"])
        for qa in paragraph["qas"]
        if qa["answers"]
    ]
    with tempfile.TemporaryDirectory() as folder, Index.open(folder) as index:
        index.add_documents(documents(articles))
        assistant = Assistant(index)
        return [
            asked(doc, qa, assistant) for doc, qa in random.Random(seed).sample(questions, min(limit, len(questions)))
        ]


def table(rows: list[Row]) -> list[tuple[str, str, str]]:
    return [
        ("token F1, paragraph given", mean([row.given for row in rows]), "0.82"),
        ("exact match, paragraph given", mean([row.given_exact for row in rows]), "0.70"),
        ("token F1, found among all", mean([row.found for row in rows]), "within 0.03 of the given"),
        ("exact match, found among all", mean([row.found_exact for row in rows]), ""),
        ("token F1, found among all, nothing refused", mean([row.unrefused for row in rows]), ""),
        ("paragraph among those read", mean([row.read for row in rows]), ""),
        ("paragraph of the best quote", mean([row.home for row in rows]), ""),
        ("answered", mean([row.answered for row in rows]), ""),
    ]


def mean(values: list[float] | list[bool]) -> str:
    figures = np.asarray(values, np.float64)
    low, high = bootstrap(lambda drawn: float(figures[drawn].mean()), len(figures))
    return f"{figures.mean():.3f} ({low:.3f}-{high:.3f}), n {len(figures)}"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--limit", type=int, default=600, help="questions, drawn with seed 0")
    options = parser.parse_args()
    report("Found among all", table(run(options.data, options.limit)))


if __name__ == "__main__":
    main()
