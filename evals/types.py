"""The records of an evaluation: a set and its items, what happened to each item, a run, a comparison.

Knows nothing of how answers are made. Gold is a place in a document, so that cutting the documents into other
chunks does not break a set. Spans count code points, `end` exclusive.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from index.types import Document, FootnoteError

Kind = Literal["jsonl", "squad", "beir"]
Status = Literal["answered", "not_found", "failed", "retrieved"]  # retrieved: only passages were asked for


class EvalSetError(FootnoteError):
    """A set cannot be used as it is; the message names the file, the line or item, and the next step."""


class RunError(FootnoteError):
    """A saved run cannot be written, read or compared."""


@dataclass(frozen=True)
class Place:
    """A stretch of a document that holds the evidence for `fact`.

    Places with the same `fact` are alternatives: any one of them will do. `grade` is the relevance that a BEIR
    set gives the document, 1 elsewhere.
    """

    doc_id: str
    start: int
    end: int
    fact: int = 0
    grade: int = 1

    def overlaps(self, doc_id: str, start: int, end: int) -> bool:
        """Whether the two spans share at least one character."""
        return self.doc_id == doc_id and self.start < end and start < self.end


@dataclass(frozen=True)
class Reference:
    """A place as our JSONL writes it: `doc` is an id, title, file name or source; `at` a quote or (start, end)."""

    doc: str
    at: str | tuple[int, int]
    fact: int
    line: int


@dataclass(frozen=True)
class EvalItem:
    """One question. `answers` are alternatives; both `answers` and `evidence` are empty when unanswerable."""

    id: str
    question: str
    answers: tuple[str, ...]
    evidence: tuple[Place | Reference, ...]
    answerable: bool = True
    tags: tuple[str, ...] = ()


@dataclass(frozen=True)
class EvalSet:
    """Questions, and the `documents` they are asked about where the set brings them (SQuAD, BEIR).

    `sha256` is that of the files' bytes: runs with the same one asked the same questions. `path`: where it was read,
    for messages.
    """

    name: str
    kind: Kind
    sha256: str
    items: tuple[EvalItem, ...]
    documents: tuple[Document, ...] = ()
    path: str = ""


@dataclass(frozen=True)
class CitationResult:
    """A footnote that was shown. `exact`: the document has `quote` at that span; `gold`: it overlaps a gold place."""

    doc_id: str
    start: int
    end: int
    quote: str
    exact: bool
    gold: bool


@dataclass(frozen=True)
class ItemResult:
    """What was asked, what should have come and what came; every measure is computed from this record alone.

    `passages` are the (doc_id, start, end) found, best first; `confidence` is 0..1, `seconds` the wall-clock
    time of the answer; both are None where no answer was asked for, `seconds` also where it failed.
    """

    id: str
    question: str
    answerable: bool
    tags: tuple[str, ...]
    answers: tuple[str, ...]
    gold: tuple[Place, ...]
    passages: tuple[tuple[str, int, int], ...]
    status: Status
    text: str = ""
    short_answer: str = ""
    confidence: float | None = None
    citations: tuple[CitationResult, ...] = ()
    seconds: float | None = None
    error: str | None = None


@dataclass(frozen=True)
class Metric:
    """A figure with its 95% interval over `n` items (those the measure was asked of)."""

    value: float
    low: float
    high: float
    n: int


@dataclass(frozen=True)
class EvalRun:
    """A run with everything that could move a figure: `settings` holds models, hashes and versions as text."""

    set: str
    set_sha256: str
    created: str
    seed: int
    limit: int | None
    settings: Mapping[str, str]
    metrics: Mapping[str, Metric]
    items: tuple[ItemResult, ...]

    @property
    def failures(self) -> tuple[ItemResult, ...]:
        """Items that ended in an error; they count as wrong."""
        return tuple(item for item in self.items if item.error)


@dataclass(frozen=True)
class Difference:
    """`b` minus `a` of one metric over the same items, with its 95% interval and a two-sided p."""

    a: float
    b: float
    difference: float
    low: float
    high: float
    p: float
    n: int


@dataclass(frozen=True)
class Comparison:
    """Two runs of one set over the `n` items both asked; `changed` are the settings that differ, as (a, b)."""

    set: str
    n: int
    only_a: int
    only_b: int
    changed: Mapping[str, tuple[str, str]]
    differences: Mapping[str, Difference]
