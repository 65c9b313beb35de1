"""The records of the index and its errors.

Knows nothing of files, SQLite, Chroma or models. Every `start` and `end` in this program counts
Unicode code points in `Document.text`, and `end` is exclusive.
"""

from __future__ import annotations

from dataclasses import dataclass


class FootnoteError(Exception):
    """What went wrong, with what, and the next step, in one line a person can act on."""


class SourceError(FootnoteError):
    """One file could not be read; the others of the same call still are."""


class IndexStateError(FootnoteError):
    """The index cannot be opened or used as it is; the message names the command that mends it."""


class NotFoundError(FootnoteError):
    """No document has this id."""


@dataclass(frozen=True)
class Document:
    """An article as it was read. `text` never changes under an id and hash: offsets refer to it."""

    id: str
    title: str
    text: str
    source: str
    sha256: str
    published: str | None = None
    author: str | None = None


@dataclass(frozen=True)
class Chunk:
    """A piece of a document that is embedded and retrieved: `text == document.text[start:end]`."""

    id: str
    doc_id: str
    start: int
    end: int
    text: str
    headings: tuple[str, ...] = ()


@dataclass(frozen=True)
class DocumentInfo:
    """A line of `footnote list`."""

    doc_id: str
    title: str
    source: str
    sha256: str
    chunks: int


@dataclass(frozen=True)
class Manifest:
    """What an index was built with. Vectors of another embedder or splitter do not mix with it."""

    format: int
    embedder: str
    weights: str
    dimension: int
    splitter: str


@dataclass(frozen=True)
class Failure:
    """A source that was not added, and why."""

    source: str
    reason: str


@dataclass(frozen=True)
class IndexReport:
    """What one `add` or `remove` did, by document id; failures and duplicates by source."""

    added: tuple[str, ...] = ()
    replaced: tuple[str, ...] = ()
    unchanged: tuple[str, ...] = ()
    removed: tuple[str, ...] = ()
    failed: tuple[Failure, ...] = ()
    duplicates: tuple[Failure, ...] = ()
