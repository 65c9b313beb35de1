"""What one `add` writes: which documents are new, changed, renamed or duplicates, and their way in, batch by batch."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from index import chunk as chunking
from index import sources
from index.catalog import Embedded
from index.embed import Embedder
from index.types import Chunk, Document, Failure, IndexReport, SourceError
from index.vectors import VectorStore

if TYPE_CHECKING:
    from index.build import Index

SURROGATE = re.compile("[\ud800-\udfff]")
BATCH_CHUNKS = 512  # documents are written together up to this many chunks: one commit, full embedding batches


class Writer:
    """One `add`: collects documents until a batch is full, then writes it."""

    def __init__(self, index: Index) -> None:
        self.index = index
        self.batch: list[tuple[Document, list[Chunk]]] = []
        self.seen: dict[str, str] = {}  # sha256 → source, of the documents in the batch
        self.gone: list[str] = []  # ids of documents that go with the batch, since their file is gone
        # Documents whose text another one has in the index: that one may have changed too, and not been read yet.
        self.waiting: dict[str, Document] = {}
        self.sets: dict[str, list[str]] = {"added": [], "replaced": [], "unchanged": [], "removed": []}
        self.duplicates: list[Failure] = []

    def take(self, document: Document) -> None:
        check_text(document)
        if any(document.id == other.id for other, _ in self.batch):  # a file that was named twice
            self.flush()
        if self._stored(document) == (document.sha256, document.title, document.published, document.author):
            self.sets["unchanged"].append(document.id)
        elif document.sha256 in self.seen:
            self._skip_duplicate(document, self.seen[document.sha256])
        elif twin := self._twin(document):
            if sources.is_gone(*twin):
                self._take_over(document, twin[0])
            else:
                self.waiting[document.id] = document
        else:
            self.put(document)

    def finish(self) -> None:
        """Write what is left."""
        self.flush()
        while self.waiting:
            chain, twin = self._chain(next(iter(self.waiting)))
            circle = twin is not None and twin[0] in {document.id for document in chain}
            for document in chain:
                if document.sha256 in self.seen:
                    self._skip_duplicate(document, self.seen[document.sha256])
                elif twin and not circle and document is chain[0]:
                    self._skip_duplicate(document, twin[1])
                else:
                    self.put(document, flush=not circle)  # texts that changed places do so in one transaction
        self.flush()

    def _chain(self, doc_id: str) -> tuple[list[Document], tuple[str, str] | None]:
        """Waiting documents, each behind the one that gives up its text to it, and what gives up none to the first."""
        chain: list[Document] = []
        twin: tuple[str, str] | None = None
        while doc_id in self.waiting:
            chain.append(self.waiting.pop(doc_id))
            twin = self._twin(chain[-1])
            doc_id = twin[0] if twin else ""
        return chain[::-1], twin

    def _stored(self, document: Document) -> tuple[object, ...] | None:
        return self.index.catalog.known(document.id)

    def _twin(self, document: Document) -> tuple[str, str] | None:
        """Id and source of another document in the index with the same text, unless the batch gives it another one."""
        twin = self.index.catalog.with_hash(document.sha256)
        changing = {document.id, *self.gone, *(other.id for other, _ in self.batch)} if twin else ()
        return twin if twin and twin[0] not in changing else None

    def _take_over(self, document: Document, old: str) -> None:
        """A file that was renamed: the document of its old name goes in the same transaction."""
        self.gone.append(old)
        self.sets["removed"].append(old)
        self.put(document)

    def put(self, document: Document, flush: bool = True) -> None:
        self.sets["replaced" if self._stored(document) else "added"].append(document.id)
        self.seen[document.sha256] = document.source
        self.batch.append((document, chunking.split(document)))
        if flush and sum(len(chunks) for _, chunks in self.batch) >= BATCH_CHUNKS:
            self.flush()

    def _skip_duplicate(self, document: Document, twin: str) -> None:
        self.duplicates.append(Failure(document.source, f"the same text as {twin}, which is in the index"))
        if self._stored(document):  # its older, different version no longer exists
            self.flush()
            self.index._drop([document.id])
            self.sets["removed"].append(document.id)

    def flush(self) -> None:
        """Write the batch: new vectors, the flip, old vectors."""
        if not self.batch:
            return
        index, batch = self.index, self.batch
        index.ensure_manifest()
        embedded = embed_chunks(index.embedder, [chunk for _, chunks in batch for chunk in chunks])
        ids = [*self.gone, *(document.id for document, _ in batch)]
        old = {chunk_id for doc_id in ids for chunk_id in index.catalog.chunk_ids(doc_id)} - embedded.keys()
        with index._mutex:  # a thread that searches must not open the store anew in the middle
            self._write(index.vectors, ids, embedded, sorted(old))
        self.batch, self.seen, self.gone = [], {}, []

    def _write(self, store: VectorStore, ids: list[str], embedded: dict[str, Embedded], old: list[str]) -> None:
        catalog = self.index.catalog
        with catalog.transaction():
            catalog.note([*embedded, *old])
        if embedded:
            store.add(list(embedded), np.stack([item.vectors[0] for item in embedded.values()]))
        with catalog.transaction():
            for doc_id in ids:  # all first: one may take over the text, and so the chunks, of another
                catalog.delete(doc_id)
            for document, chunks in self.batch:
                catalog.put(document, [embedded[chunk.id] for chunk in chunks])
        self.index._settle(store, old)

    def report(self) -> IndexReport:
        added, replaced, unchanged, removed = (tuple(ids) for ids in self.sets.values())
        return IndexReport(added, replaced, unchanged, removed, duplicates=tuple(self.duplicates))


def embed_chunks(embedder: Embedder, chunks: Sequence[Chunk]) -> dict[str, Embedded]:
    """Vectors of chunks and of their sentences, in one call to the embedder. A chunk of one sentence has one text."""
    texts: list[str] = []
    counts: list[int] = []
    for chunk in chunks:
        spans = chunking.sentences(chunk.text)
        texts.append(chunk.text)
        if len(spans) > 1:
            texts.extend(chunk.text[start:end] for start, end in spans)
        counts.append(1 + (len(spans) if len(spans) > 1 else 0))
    vectors = embedder.embed(texts)
    parts = np.split(vectors, np.cumsum(counts)[:-1]) if counts else []
    return {chunk.id: Embedded(chunk, part) for chunk, part in zip(chunks, parts, strict=True)}


def check_text(document: Document) -> None:
    """What SQLite cannot store, or cannot count in: its `substr` ends at a NUL. Raises SourceError."""
    known = (document.id, document.text, document.title, document.source, document.published, document.author)
    lone = any(SURROGATE.search(field) for field in known if field)
    what = "half of a surrogate pair" if lone else "a NUL" if "\0" in document.id + document.text else ""
    if what:
        raise SourceError(f"document {document.id!r} ({document.source}) holds {what}; take it out and add it again")
