"""Drafted sentences written by hand against a passage, some true and some a twist away (`evals/claims/*.jsonl`), and
with those to learn from (`train.jsonl`) questions on the passage.

A line holds a passage and its drafts. A passage that is not ours is not in the file: `source` names a file below DATA
(of SQuAD with "#article/paragraph") or of the project, `start` and `end` its characters, `sha256` the first digits of
its hash.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from rag.evidence.examples import Example

PROJECT = Path(__file__).parents[2]
CLAIMS = PROJECT / "evals" / "claims"


@dataclass(frozen=True)
class Written:
    """One draft: an answer to `question` from `passage`. `kind`: of twist, or of rewording where it is supported."""

    id: str
    question: str
    passage: str
    text: str
    supported: bool
    kind: str


def written(path: Path, data: Path) -> Iterator[Written]:
    """The drafts of a file, in order. Raises ValueError where a passage is no longer what it was."""
    for row, passage in _rows(path, data):
        for draft in row["drafts"]:
            yield Written(row["id"], draft["question"], passage, draft["text"], draft["supported"], draft["kind"])


def lessons(path: Path, data: Path) -> Iterator[Example]:
    """The questions and drafts of a file to learn from. An answer that stands more than once has its `context`, a piece
    of the passage that stands once. Raises ValueError where a passage is no longer what it was, or an answer's place
    is not told."""
    for row, passage in _rows(path, data):
        group = row["id"]
        for asked in row["answerable"]:
            start = _place(asked, passage, group)
            end = start + len(asked["answer"])
            yield Example("read", asked["question"], passage, "written", group, start, end, 1.0)
        for question in row["unanswerable"]:
            yield Example("read", question, passage, "written-unanswerable", group)
        for draft in row["drafts"]:
            source = f"written-{'true' if draft['supported'] else 'false'}"
            yield Example("support", draft["text"], passage, source, group, label=float(draft["supported"]))


def _rows(path: Path, data: Path) -> Iterator[tuple[dict[str, Any], str]]:
    """The lines of a file, each with its passage."""
    for line in path.read_text("utf-8").splitlines():
        row = json.loads(line)
        yield row, row["passage"] if "passage" in row else _passage(row, data)


def _place(asked: dict[str, str], passage: str, row: str) -> int:
    """Where an answer starts in its passage."""
    around = asked.get("context", asked["answer"])
    for part, whole in ((around, passage), (asked["answer"], around)):
        if whole.count(part) != 1:
            raise ValueError(f"{row}: {part!r} stands {whole.count(part)} times in {whole!r}, not once; give a context")
    return passage.index(around) + around.index(asked["answer"])


def _passage(row: dict[str, Any], data: Path) -> str:
    name, _, place = row["source"].partition("#")
    text = _text((PROJECT if name.startswith("seeds/") else data) / name, place)[row["start"] : row["end"]]
    if not hashlib.sha256(text.encode()).hexdigest().startswith(row["sha256"]):
        raise ValueError(f"{row['id']}: {row['source']} no longer holds its passage at {row['start']}:{row['end']}")
    return text


@cache
def _text(path: Path, place: str) -> str:
    if place:
        article, paragraph = map(int, place.split("/"))
        return str(_articles(path)[article]["paragraphs"][paragraph]["context"])
    with path.open(encoding="utf-8", newline="") as file:
        return file.read()


@cache
def _articles(path: Path) -> list[Any]:
    return list(json.loads(path.read_text("utf-8"))["data"])
