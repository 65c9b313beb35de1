"""The records of a question's way: passages found, citations, the answer, and the events of a stream.

Knows nothing of models, indexes or pages. Spans count code points, `end` exclusive.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

from index.types import Chunk, FootnoteError

Outcome = Literal["answered", "not_found"]


class QuestionError(FootnoteError):
    """The question cannot be asked as it is: empty, or too long."""


class ModelError(FootnoteError):
    """A model could not be loaded, cannot do its job or did not answer; the message says what to do."""


@dataclass(frozen=True)
class Passage:
    """A chunk as an answer to one question: `rank` from 1, `ranks` and `signals` by method, as evidence of why."""

    chunk: Chunk
    title: str
    source: str
    score: float
    rank: int
    ranks: Mapping[str, int] = field(default_factory=dict)
    signals: Mapping[str, float] = field(default_factory=dict)

    @property
    def doc_id(self) -> str:
        return self.chunk.doc_id

    @property
    def start(self) -> int:
        return self.chunk.start

    @property
    def end(self) -> int:
        return self.chunk.end

    @property
    def text(self) -> str:
        return self.chunk.text


@dataclass(frozen=True)
class Citation:
    """A footnote: `document.text[start:end] == quote`. `answer_start:answer_end` is the sentence of the
    answer that it supports; `page` and `headings` say where a person finds it in the source."""

    marker: int
    doc_id: str
    title: str
    source: str
    start: int
    end: int
    quote: str
    answer_start: int = 0
    answer_end: int = 0
    page: int | None = None
    headings: tuple[str, ...] = ()


@dataclass(frozen=True)
class Dropped:
    """A sentence that a model drafted and the reader does not get, with the reason."""

    text: str
    reason: str


@dataclass(frozen=True)
class Answer:
    """What the reader gets, with all that it rests on."""

    question: str
    outcome: Outcome
    text: str
    short_answer: str
    confidence: float
    citations: tuple[Citation, ...]
    passages: tuple[Passage, ...]
    dropped: tuple[Dropped, ...]
    models: Mapping[str, str]
    seconds: Mapping[str, float]
    usage: Mapping[str, int] = field(default_factory=dict)


@dataclass(frozen=True)
class Found:
    """Event: retrieval is done; these are the passages that the answer may cite."""

    passages: tuple[Passage, ...]


@dataclass(frozen=True)
class Sentence:
    """Event: a sentence of the answer that has passed its check, with its footnotes.

    `text` ends with its markers (`… [1][2]`); joining the texts of a stream with spaces gives the answer.
    """

    text: str
    citations: tuple[Citation, ...]


Event = Found | Sentence | Dropped | Answer
