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


class BusyError(IndexStateError):
    """Another process is writing."""


class NotFoundError(FootnoteError):
    """No document has this id."""


@dataclass(frozen=True)
class Document:
    """An article as it was read. `text` never changes under an id and hash: offsets refer to it.

    `pages`: where each page begins in the text, page 1 first; empty for a source without pages.
    """

    id: str
    title: str
    text: str
    source: str
    sha256: str
    published: str | None = None
    author: str | None = None
    pages: tuple[int, ...] = ()


@dataclass(frozen=True)
class Chunk:
    """A piece of a document that is embedded and retrieved: `text == document.text[start:end]`.

    `pages`: (where it begins in the document, its number) of each page that the chunk touches.
    """

    id: str
    doc_id: str
    start: int
    end: int
    text: str
    headings: tuple[str, ...] = ()
    pages: tuple[tuple[int, int], ...] = ()

    def page(self, at: int) -> int | None:
        """The page on which the character `at` of the document stands; None for a source without pages."""
        return max((number for begins, number in self.pages if begins <= at), default=None)


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
    """What one `add` or `remove` did, by document id; failures and duplicates by source.

    `gone`: documents below the folders added whose file is no longer there; they stay, and go on answering.
    """

    added: tuple[str, ...] = ()
    replaced: tuple[str, ...] = ()
    unchanged: tuple[str, ...] = ()
    removed: tuple[str, ...] = ()
    failed: tuple[Failure, ...] = ()
    duplicates: tuple[Failure, ...] = ()
    gone: tuple[DocumentInfo, ...] = ()


@dataclass(frozen=True)
class Problem:
    """One thing that is wrong with an index. `kind`: catalog, manifest, journal, store, missing_vector,
    stray_vector, lost_vector, recall, word_index or offsets."""

    kind: str
    detail: str


@dataclass(frozen=True)
class DoctorReport:
    """What an examination found, and what it mended. `problems`: those that are left after mending.

    `recall`: share of the true ten nearest chunks that approximate search finds, None for an empty index; `checked`:
    how many chunks were searched for by their own vector; `repaired`: what was done, one line each; `gone`: documents
    whose file is no longer there, which may be meant and is no problem.
    """

    documents: int
    chunks: int
    problems: tuple[Problem, ...] = ()
    repaired: tuple[str, ...] = ()
    recall: float | None = None
    checked: int = 0
    gone: tuple[DocumentInfo, ...] = ()

    @property
    def ok(self) -> bool:
        return not self.problems
