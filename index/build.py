"""The document's way: read, split, embed, store. Nothing here knows how any of those is done.

Order of writing: new vectors, then one catalog transaction that flips documents to their new version, then the old
vectors go. Whatever breaks in between, the catalog tells the old story or the new one, whole; vectors that no chunk
owns are passed over by retrieval.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from functools import cached_property
from pathlib import Path
from typing import Self

import filelock
import numpy as np

from index import chunk as chunking
from index import sources
from index.catalog import FORMAT, Catalog, Embedded
from index.embed import Embedder, SentenceTransformerEmbedder
from index.settings import settings
from index.types import (
    Chunk,
    Document,
    DocumentInfo,
    Failure,
    IndexReport,
    IndexStateError,
    Manifest,
    SourceError,
)
from index.vectors import ChromaStore, VectorStore

Progress = Callable[[int, int], None]

BATCH_CHUNKS = 512  # documents are written together up to this many chunks: one commit, full embedding batches


class Index:
    """A folder with the catalog and the vectors: `Index.open`, then use it as a context manager or `close` it."""

    def __init__(self, folder: Path, catalog: Catalog, embedder: Embedder, vectors: VectorStore | None = None) -> None:
        self.folder = folder
        self.catalog = catalog
        self.embedder = embedder
        self._vectors = vectors

    @classmethod
    def open(
        cls, path: str | Path | None = None, embedder: Embedder | None = None, vectors: VectorStore | None = None
    ) -> Self:
        """Open the index in folder `path` (default: `FOOTNOTE_INDEX`, else the user data folder), or begin one.

        Raises IndexStateError when the folder cannot be used, or was built with another embedder or splitter.
        """
        folder = Path(path) if path is not None else settings().index
        try:
            folder.mkdir(parents=True, exist_ok=True)
        except OSError as exc:
            raise IndexStateError(
                f"{folder}: the index folder cannot be made ({exc.strerror}); choose another one with --index"
            ) from exc
        index = cls(
            folder,
            Catalog(folder / "catalog.sqlite3"),
            embedder or SentenceTransformerEmbedder(settings().embedder),
            vectors,
        )
        try:
            index._check_manifest()
        except IndexStateError:
            index.close()
            raise
        return index

    @cached_property
    def vectors(self) -> VectorStore:
        """The vector store, opened when it is first needed: `list` and `show` do without."""
        return self._vectors or ChromaStore(self.folder / "chroma")

    def close(self) -> None:
        if "vectors" in self.__dict__:
            self.vectors.close()
        self.catalog.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    # -- what is there ------------------------------------------------------------------------------------------

    def documents(self) -> list[DocumentInfo]:
        """All documents, by title."""
        return self.catalog.documents()

    def document(self, doc_id: str) -> Document:
        """A document by id (or the beginning of one). Raises NotFoundError."""
        return self.catalog.document(doc_id)

    # -- changes ------------------------------------------------------------------------------------------------

    def add(self, paths: Iterable[str | Path], progress: Progress | None = None) -> IndexReport:
        """Add files, and those in folders. Unchanged ones are left alone, changed ones replaced, each whole.

        A file that cannot be read is reported in `failed` and stops nothing. `progress(done, total)` counts files.
        """
        failed: list[Failure] = []

        def documents() -> Iterator[Document]:
            for path in files:
                try:
                    yield sources.read(path)
                except SourceError as exc:
                    failed.append(Failure(_printable(path), str(exc)))

        files = list(sources.files([paths] if isinstance(paths, str | Path) else paths))
        report = self.add_documents(documents(), progress, total=len(files))
        return _with_failures(report, failed)

    def add_documents(
        self, documents: Iterable[Document], progress: Progress | None = None, total: int | None = None
    ) -> IndexReport:
        """The same for documents that are already read. Two with the same text: the second is a duplicate."""
        if total is None:
            documents = list(documents)
            total = len(documents)
        writer = _Writer(self)
        with self._lock():
            for done, document in enumerate(documents, 1):
                writer.take(document)
                if progress:
                    progress(min(done, total), total)
            writer.flush()
        return writer.report()

    def remove(self, doc_id: str) -> IndexReport:
        """Remove a document. Raises NotFoundError."""
        with self._lock():
            document = self.document(doc_id)
            self._drop(document.id)
        return IndexReport(removed=(document.id,))

    def _drop(self, doc_id: str) -> None:
        old = self.catalog.chunk_ids(doc_id)
        with self.catalog.transaction():
            self.catalog.delete(doc_id)
        self.vectors.delete(old)

    @contextmanager
    def _lock(self) -> Iterator[None]:
        """One writer at a time: a second process waits, then says so."""
        lock = filelock.FileLock(self.folder / "writer.lock", timeout=settings().lock_seconds)
        try:
            with lock:
                yield
        except filelock.Timeout as exc:
            raise IndexStateError(
                f"{self.folder}: another process is still writing after {settings().lock_seconds:g} s; "
                "wait for it to finish and try again"
            ) from exc
        except PermissionError as exc:
            raise IndexStateError(
                f"{self.folder}: no permission to write there; choose another folder with --index"
            ) from exc

    # -- the manifest -------------------------------------------------------------------------------------------

    def _check_manifest(self) -> None:
        built = self.catalog.manifest()
        if built is None:
            return
        if built.format != FORMAT:
            raise IndexStateError(
                f"{self.folder}: the index has format {built.format}, this program reads {FORMAT}; "
                "add the articles to a new index: footnote add --index NEW_FOLDER PATH"
            )
        if (built.embedder, built.weights) != (self.embedder.name, self.embedder.weights):
            raise IndexStateError(
                f"{self.folder}: the index was built with embedder {built.embedder!r} ({built.weights}), the one "
                f"set is {self.embedder.name!r} ({self.embedder.weights}); set FOOTNOTE_EMBEDDER back to it, or "
                "add the articles to a new index: footnote add --index NEW_FOLDER PATH"
            )
        if built.splitter != chunking.VERSION:
            raise IndexStateError(
                f"{self.folder}: the index was split by {built.splitter!r}, this program splits by "
                f"{chunking.VERSION!r}; add the articles to a new index: footnote add --index NEW_FOLDER PATH"
            )

    def ensure_manifest(self) -> None:
        """Write the manifest before the first document is."""
        if self.catalog.manifest() is None:
            embedder = self.embedder
            self.catalog.write_manifest(
                Manifest(FORMAT, embedder.name, embedder.weights, embedder.dimension, chunking.VERSION)
            )


class _Writer:
    """One `add`: collects documents until a batch is full, then writes it."""

    def __init__(self, index: Index) -> None:
        self.index = index
        self.batch: list[tuple[Document, list[Chunk]]] = []
        self.seen: dict[str, str] = {}  # sha256 → source, of the documents waiting in the batch
        self.sets: dict[str, list[str]] = {"added": [], "replaced": [], "unchanged": [], "removed": []}
        self.duplicates: list[Failure] = []

    def take(self, document: Document) -> None:
        old_hash = self.index.catalog.hash_of(document.id)
        if old_hash == document.sha256:
            self.sets["unchanged"].append(document.id)
            return
        twin = self._twin(document)
        if twin is not None:
            self._skip_duplicate(document, twin, replaces=old_hash is not None)
            return
        self.sets["added" if old_hash is None else "replaced"].append(document.id)
        self.seen[document.sha256] = document.source
        self.batch.append((document, chunking.split(document)))
        if sum(len(chunks) for _, chunks in self.batch) >= BATCH_CHUNKS:
            self.flush()

    def _twin(self, document: Document) -> str | None:
        stored = self.index.catalog.with_hash(document.sha256)
        return self.seen.get(document.sha256) or (stored[1] if stored else None)

    def _skip_duplicate(self, document: Document, twin: str, replaces: bool) -> None:
        self.duplicates.append(Failure(document.source, f"the same text as {twin}, which is in the index"))
        if replaces:  # its older, different version no longer exists
            self.flush()
            self.index._drop(document.id)
            self.sets["removed"].append(document.id)

    def flush(self) -> None:
        """Write the batch: new vectors, the flip, old vectors."""
        if not self.batch:
            return
        index, batch = self.index, self.batch
        index.ensure_manifest()
        embedded = embed_chunks(index.embedder, [chunk for _, chunks in batch for chunk in chunks])
        old = {id_ for document, _ in batch for id_ in index.catalog.chunk_ids(document.id)}
        if embedded:
            index.vectors.add(list(embedded), np.stack([item.vectors[0] for item in embedded.values()]))
        with index.catalog.transaction():
            for document, chunks in batch:
                index.catalog.put(document, [embedded[chunk.id] for chunk in chunks])
        index.vectors.delete(sorted(old - embedded.keys()))
        self.batch, self.seen = [], {}

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


def _with_failures(report: IndexReport, failed: Sequence[Failure]) -> IndexReport:
    return replace(report, failed=tuple(failed))


def _printable(path: Path) -> str:
    return os.fsencode(path).decode("utf-8", "replace")
