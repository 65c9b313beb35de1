"""Passages that rival the right one: what retrieval finds beside it when all articles are asked at once.

    python -m rag.evidence.mine --data DATA --out RIVALS.jsonl [--articles 120] [--questions 16000]

SQuAD's training questions are asked of one index of their articles, as an answer is found. Those questions are kept
for which another passage scores best or nearly so, each with the two best that do not hold the answer's words: for the
others there is nothing to choose.
"""

from __future__ import annotations

import argparse
import json
import random
import tempfile
from collections import defaultdict
from pathlib import Path
from typing import Any

from index import Document, Index
from rag.answer import TOP_K
from rag.evidence.data import is_dev, squad_paragraphs
from rag.evidence.examples import Paragraph
from rag.retrieve import retrieve

KEPT = 0.3  # share of the questions, those by whose passages retrieval is least sure
RIVALS_EACH = 2


def paragraphs_of(data: Path, articles: int, rng: random.Random) -> list[Paragraph]:
    """The paragraphs of so many training articles."""
    members: dict[str, list[Paragraph]] = defaultdict(list)
    for paragraph in squad_paragraphs(data):
        if not is_dev(paragraph.article):
            members[paragraph.article].append(paragraph)
    drawn = rng.sample(sorted(members), min(articles, len(members)))
    return [paragraph for name in drawn for paragraph in members[name]]


def mined(paragraphs: list[Paragraph], limit: int, rng: random.Random, kept: float = KEPT) -> list[dict[str, Any]]:
    """One row a question: `question`, `article`, `passage` with the answer at `start:end` in it, `rivals`; the least
    sure first, and of them the share `kept`."""
    asked = [(at, question) for at, p in enumerate(paragraphs) for question in p.questions if question[1] >= 0]
    rows: list[dict[str, Any]] = []
    with tempfile.TemporaryDirectory() as folder, Index.open(folder) as index:
        index.add_documents(
            Document(str(at), p.article.replace("_", " "), p.text, str(at), str(at)) for at, p in enumerate(paragraphs)
        )
        for at, (question, start, end) in rng.sample(asked, min(limit, len(asked))):
            home, answer = paragraphs[at], paragraphs[at].text[start:end].lower()
            found = retrieve(question, TOP_K, index)
            others = [p for p in found if p.doc_id != str(at) and answer not in p.text.lower()]
            if len(others) >= RIVALS_EACH:
                lead = max((p.score for p in found if p.doc_id == str(at)), default=0.0) - others[0].score
                rows.append({"lead": round(lead, 4), "question": question, "article": home.article,
                             "passage": home.text, "start": start, "end": end,
                             "rivals": [p.text for p in others[:RIVALS_EACH]]})  # fmt: skip
    return sorted(rows, key=lambda row: row["lead"])[: round(kept * len(rows))]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--articles", type=int, default=120)
    parser.add_argument("--questions", type=int, default=16_000)
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    rng = random.Random(options.seed)
    paragraphs = paragraphs_of(options.data, options.articles, rng)
    with options.out.open("w", encoding="utf-8") as file:
        file.writelines(json.dumps(row, ensure_ascii=False) + "\n" for row in mined(paragraphs, options.questions, rng))


if __name__ == "__main__":
    main()
