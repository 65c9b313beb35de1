"""What becomes of a language model's lies: how many unsupported sentences reach the reader. `make lies DATA=...`.

    python -m benchmarks.drafts --data DATA [--each 60]

A scripted model answers questions of the development half of SQuAD 2.0 with one sentence that cites the passage which
holds the answer, and the whole assistant judges it. Only the even articles are used: nothing was trained or fitted on
them. How many passages are read first was chosen there, and that 1% of unsupported development claims may pass, not 3%.
True sentences are the article's own, shortened, or made of the question and its answer. The lies are made of them by
program: one thing exchanged for another of the same passage, a name or number that the passage does not hold, a true
sentence with the footnote of another passage. A lie that falls is answered with the article's own words, or nothing.
"""

from __future__ import annotations

import argparse
import random
import tempfile
from collections import defaultdict
from collections.abc import Iterator, MutableMapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmarks.speed import report
from evals.stats import wilson
from index import Index
from rag import Assistant
from rag.answer import TOP_K
from rag.cite import drafts
from rag.evidence.calibrate import article_documents, invented, overlaps, squad_articles
from rag.evidence.claims import EDITS, sentences, stands_alone, statement, without_clause
from rag.retrieve import retrieve
from rag.types import Passage

QUESTIONS = 60  # of each article at most


class Scripted:
    """A model that says what it is told to."""

    name, small = "scripted", False
    reply = ""

    def stream(
        self, system: str, user: str, *, max_tokens: int = 0, usage: MutableMapping[str, int] | None = None
    ) -> Iterator[str]:
        yield self.reply


@dataclass(frozen=True)
class Case:
    """A drafted sentence of one kind: the question it answers, and the number of the passage it cites."""

    kind: str
    question: str
    claim: str
    marker: int


def true_claims(question: str, answer: str, passage: str, start: int) -> Iterator[tuple[str, str]]:
    """(kind, claim) that the passage supports and that holds the answer, which stands at `start`."""
    if made := statement(question, answer):
        yield "true, made of the question", made
    home = next(
        (s for s in sentences(passage) if answer in s and passage.find(s) <= start < passage.find(s) + len(s)), ""
    )
    if home and stands_alone(home):
        yield "true, to the letter", home
        if shorter := without_clause(home):
            yield "true, shortened", shorter


def cases(article: Any, index: Index, rng: random.Random) -> Iterator[Case]:
    """Cases of one article: for each question a true claim, one edit of each kind it allows, and inventions."""
    asked = [(f"p{at}", qa) for at, p in enumerate(article["paragraphs"]) for qa in p["qas"] if qa["answers"]]
    made = []
    for doc, qa in rng.sample(asked, min(QUESTIONS, len(asked))):
        gold = qa["answers"][0]
        place = (doc, gold["answer_start"], gold["answer_start"] + len(gold["text"]))
        found = retrieve(qa["question"], TOP_K, index)
        home = next((passage for passage in found if overlaps(passage, place)), None)
        if home is None:
            continue
        claims = list(true_claims(qa["question"], gold["text"], home.text, gold["answer_start"] - home.start))
        yield from (Case(kind, qa["question"], claim, home.rank) for kind, claim in claims)
        if claims:
            made.append((qa["question"], rng.choice(claims)[1], home, found))
    yield from lies(made, rng)


def lies(made: Sequence[tuple[str, str, Passage, Sequence[Passage]]], rng: random.Random) -> Iterator[Case]:
    for question, claim, home, found in made:
        for kind, edit in EDITS.items():
            lie = edit(claim, home.text, rng)
            if lie and lie != claim and lie.lower() not in home.text.lower():
                yield Case(f"{kind} exchanged", question, lie, home.rank)
        others = [p for p in found if p.rank != home.rank and claim not in p.text and p.doc_id != home.doc_id]
        if others:
            yield Case("another passage cited", question, claim, rng.choice(others).rank)
        for lie in invented(claim, home.text, rng.choice(made)[1]):
            yield Case("a name or number invented", question, lie, home.rank)


def shown(case: Case, assistant: Assistant, model: Scripted) -> tuple[bool, bool]:
    """(whether anything was answered, whether the draft, or a part of it if it was cut, reached the reader)."""
    model.reply = f"{case.claim.rstrip('.')} [{case.marker}]."
    answer = assistant.ask(case.question)
    answered = answer.outcome == "answered"
    return answered, answered and len(answer.dropped) < len(list(drafts([model.reply])))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--each", type=int, default=60, help="cases of each kind, over all articles")
    options = parser.parse_args()
    results = run(options.data, options.each)
    report("Drafts that lie", table(results))


def run(data: Path, each: int, seed: int = 1) -> dict[str, list[tuple[bool, bool]]]:
    """For each kind of draft, what `shown` gave for up to `each` cases."""
    results: dict[str, list[tuple[bool, bool]]] = defaultdict(list)
    articles = squad_articles(data / "squad2-half" / "dev-v2.0.json")[::2]
    for number, article in enumerate(articles):
        rng = random.Random(seed + number)
        with tempfile.TemporaryDirectory() as folder, Index.open(folder) as index:
            index.add_documents(article_documents(article))
            model = Scripted()
            assistant = Assistant(index, model)
            by_kind = defaultdict(list)
            for case in cases(article, index, rng):
                by_kind[case.kind].append(case)
            for kind, found in by_kind.items():
                share = -(-each // len(articles))
                results[kind] += [shown(case, assistant, model) for case in rng.sample(found, min(share, len(found)))]
    return results


def table(results: dict[str, list[tuple[bool, bool]]]) -> list[tuple[str, str, str]]:
    """Of each kind the share that reached the reader; of all lies, the share of the answers shown that hold one."""
    rows = []
    for kind, found in sorted(results.items()):
        rows.append((kind, interval([seen for _, seen in found]), "kept" if kind.startswith("true") else "passed"))
    told = [pair for kind, found in results.items() if not kind.startswith("true") for pair in found]
    rows.append(("answers shown that no cited sentence supports", interval([s for a, s in told if a]), "under 2%"))
    return rows


def interval(hits: Sequence[bool]) -> str:
    if not hits:
        return "none"
    share = sum(hits) / len(hits)
    low, high = wilson(share, len(hits))
    return f"{share:.3f} ({low:.3f}-{high:.3f}), n {len(hits)}"


if __name__ == "__main__":
    main()
