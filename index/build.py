"""The document's way: read, split, embed, store. Nothing here knows how any of those is done.

Order of writing: the chunks concerned are noted in the journal, new vectors are added, one catalog transaction flips
documents to their new version, old vectors go, the journal is cleared. Whatever breaks in between, the catalog tells
the old story or the new one, whole; vectors that no chunk owns are passed over by retrieval, and go when the index is
opened next (mend.py).
"""

from __future__ import annotations

import json
import os
import re
import threading
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from datetime import datetime
from pathlib import Path
from typing import Self

import filelock
import numpy as np

from index import chunk as chunking
from index import mend, sources
from index.catalog import FORMAT, Catalog, Embedded
from index.embed import Embedder, Vectors, named_embedder
from index.settings import settings
from index.types import (
    BusyError,
    Chunk,
    DoctorReport,
    Document,
    DocumentInfo,
    Failure,
    IndexReport,
    IndexStateError,
    Manifest,
    NotFoundError,
    SourceError,
)
from index.vectors import ChromaStore, VectorStore

Progress = Callable[[int, int], None]

_SURROGATE = re.compile("[\ud800-\udfff]")
BATCH_CHUNKS = 512  # documents are written together up to this many chunks: one commit, full embedding batches


class Index:
    """A folder with the catalog and the vectors: `Index.open`, then use it as a context manager or `close` it."""

    def __init__(self, folder: Path, catalog: Catalog, embedder: Embedder, vectors: VectorStore | None = None) -> None:
        self.folder = folder
        self.catalog = catalog
        self.embedder = embedder
        self._given = vectors
        self._store: VectorStore | None = None
        self._checked = True  # whether embedder and splitter must be those of the index: not for `rebuild`
        self._seen = -1  # version of the catalog that the open store holds
        # One lock object, so that a thread that writes may enter again.
        self._writer_lock = filelock.FileLock(folder / "writer.lock")
        self._mutex = threading.RLock()  # a store is not replaced while a thread searches it

    @classmethod
    def open(
        cls, path: str | Path | None = None, embedder: Embedder | None = None, vectors: VectorStore | None = None,
        check: bool = True,
    ) -> Self:  # fmt: skip
        """Open the index in folder `path` (default: `FOOTNOTE_INDEX`, else the user data folder), or begin one.

        Raises IndexStateError when the folder cannot be used, or, unless `check` is off as for `rebuild`, was built
        with another embedder or splitter.
        """
        folder = _made(Path(path) if path is not None else settings().index)
        embedder = embedder or named_embedder(settings().embedder)
        index = cls(folder, Catalog(folder / "catalog.sqlite3"), embedder, vectors)
        index._checked = check
        try:
            index._check_manifest(check)
        except IndexStateError:
            index.close()
            raise
        return index

    @property
    def vectors(self) -> VectorStore:
        """The vector store as the catalog stands now: opened when first needed, and anew after another process
        changed the index, since Chroma in this process would go on answering from what it read."""
        with self._mutex:
            self._check_place()
            version = self.catalog.state("version")
            if self._store is None or version != self._seen:
                self._let_go()
                self._check_manifest(self._checked)
                self._store, self._seen = self._given or mend.opened(self), version
            return self._store

    def store(self, generation: int) -> VectorStore:
        """The vectors of a generation: each rebuild makes a new one beside the one that answers."""
        if self._given is not None:
            return self._given
        name = f"footnote-{self.catalog.state('identity'):x}-{generation}"
        token = settings().chroma_token
        if address := settings().chroma:
            return ChromaStore.on_server(address, name, token.get_secret_value() if token else None)
        return ChromaStore.in_folder(self.folder / f"chroma-{generation}", name)

    def nearest(self, vector: Vectors, limit: int) -> dict[str, float]:
        """Ids of the chunks nearest to a unit vector, shape (d,), the best first: id → cosine."""
        with self._mutex:
            store = self.vectors
            try:
                return store.query(vector, limit)
            except IndexStateError as exc:
                self._let_go()  # a server may come back: the next question opens it anew
                self._store, self._seen = mend.made_anew(self, exc), self.catalog.state("version")
                return self._store.query(vector, limit)

    def _let_go(self) -> None:
        if self._store is not None and self._store is not self._given:
            self._store.close()
        self._store = None

    def close(self) -> None:
        with self._mutex:
            self._let_go()
        if self._given is not None:
            self._given.close()
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
        """Add files, those in folders, and web pages. Unchanged ones are left alone, changed ones replaced, each whole.

        A file that cannot be read is reported in `failed` and stops nothing. `progress(done, total)` counts files.
        """
        failed: list[Failure] = []

        def documents() -> Iterator[Document]:
            for path in files:
                try:
                    document = sources.read(path)
                    _check_text(document)
                    yield document
                except SourceError as exc:
                    failed.append(Failure(_printable(path), str(exc)))

        files = list(sources.files([paths] if isinstance(paths, str | Path) else paths))
        report = self.add_documents(documents(), progress, total=len(files))
        return _with_failures(report, failed)

    def add_documents(
        self, documents: Iterable[Document], progress: Progress | None = None, total: int | None = None
    ) -> IndexReport:
        """The same for documents that are already read. Two with the same text: the second is a duplicate.

        Raises SourceError for one that cannot be stored; those before it may be.
        """
        if total is None:
            documents = list(documents)
            total = len(documents)
        writer = _Writer(self)
        with self.writing():
            for done, document in enumerate(documents, 1):
                writer.take(document)
                if progress:
                    progress(min(done, total), total)
            writer.finish()
        return writer.report()

    def rewrite(self, document: Document) -> None:
        """Split, embed and store a document anew, whatever is stored of it."""
        writer = _Writer(self)
        with self.writing():
            writer._put(document)
            writer.finish()

    def remove(self, doc_id: str) -> IndexReport:
        """Remove the document of just this id. Raises NotFoundError."""
        with self.writing():
            if self.catalog.known(doc_id) is None:
                raise NotFoundError(f"no document has just the id {doc_id!r}; `footnote list` shows those there are")
            self._drop(doc_id)
        return IndexReport(removed=(doc_id,))

    def _drop(self, doc_id: str) -> None:
        with self._mutex:
            old, store = self.catalog.chunk_ids(doc_id), self.vectors
            with self.catalog.transaction():
                self.catalog.note(old)
                self.catalog.delete(doc_id)
            self._settle(store, old)

    def _settle(self, store: VectorStore, old: Sequence[str]) -> None:
        """The end of a write: vectors without a chunk go, the journal is empty, the open store is up to date."""
        store.delete(old)
        self.catalog.clear_journal()
        self._seen = self.catalog.state("version")

    def doctor(self, full: bool = False, repair: bool = False) -> DoctorReport:
        """Examine the index; see index/mend.py. `full` searches every chunk by its own vector, not a sample."""
        return mend.doctor(self, full, repair)

    def rebuild(self, progress: Progress | None = None) -> int:
        """Make all vectors anew, with this program's embedder and splitter where the index has others; the old ones
        answer until the new are whole. Returns the number of chunks."""
        return mend.rebuild(self, progress)

    @contextmanager
    def writing(self, wait: float | None = None) -> Iterator[None]:
        """One writer at a time: a second one waits so many seconds, then IndexStateError says who writes."""
        self._check_place()
        self._begin_writing(settings().lock_seconds if wait is None else wait)
        try:
            yield
        finally:
            self._writer_lock.release()

    def _begin_writing(self, wait: float) -> None:
        note = self.folder / "writer.json"
        try:
            self._writer_lock.acquire(timeout=wait)
            try:
                now = datetime.now().astimezone().isoformat(timespec="seconds")
                note.write_text(json.dumps({"pid": os.getpid(), "since": now}), encoding="utf-8")
            except BaseException:
                self._writer_lock.release()
                raise
        except filelock.Timeout as exc:
            raise BusyError(
                f"{self.folder}: {_holder(note)} is still writing after {wait:g} s; wait for it and try again"
            ) from exc
        except PermissionError as exc:
            raise IndexStateError(
                f"{self.folder}: no permission to write there; choose another folder with --index"
            ) from exc
        except OSError as exc:
            raise IndexStateError(
                f"{exc.filename or self.folder}: writing cannot begin ({exc.strerror or exc}); check disk space and "
                "what stands there, then try again"
            ) from exc

    def _check_place(self) -> None:
        if not self.catalog.in_place():
            raise IndexStateError(f"{self.folder}: the index was replaced or removed on disk; start Footnote again")

    # -- the manifest -------------------------------------------------------------------------------------------

    def _check_manifest(self, same_model: bool) -> None:
        built = self.catalog.manifest()
        if built is None:
            return
        if built.format != FORMAT:
            raise IndexStateError(
                f"{self.folder}: the index has format {built.format}, this program reads {FORMAT}; "
                "add the articles to a new index: footnote add --index NEW_FOLDER PATH"
            )
        if not same_model:
            return
        if (built.embedder, built.weights) != (self.embedder.name, self.embedder.weights):
            raise IndexStateError(
                f"{self.folder}: the index was built with embedder {built.embedder!r} ({built.weights}), the one "
                f"set is {self.embedder.name!r} ({self.embedder.weights}); set FOOTNOTE_EMBEDDER back to it, or "
                "embed the articles anew: footnote rebuild"
            )
        if built.splitter != chunking.VERSION:
            raise IndexStateError(
                f"{self.folder}: the index was split by {built.splitter!r}, this program splits by "
                f"{chunking.VERSION!r}; split them anew: footnote rebuild"
            )

    def ensure_manifest(self) -> None:
        """Write the manifest before the first document is."""
        if self.catalog.manifest() is None:
            with self.catalog.transaction():
                self.catalog.write_manifest(self.own_manifest())

    def fits(self, built: Manifest) -> bool:
        """Whether this program would embed and split as the index was."""
        own = (self.embedder.name, self.embedder.weights, chunking.VERSION)  # the dimension would load the model
        return (built.embedder, built.weights, built.splitter) == own

    def own_manifest(self) -> Manifest:
        """What this program would build the index with."""
        embedder = self.embedder
        return Manifest(FORMAT, embedder.name, embedder.weights, embedder.dimension, chunking.VERSION)


class _Writer:
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
        _check_text(document)
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
            self._put(document)

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
                    self._put(document, flush=not circle)  # texts that changed places do so in one transaction
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
        self._put(document)

    def _put(self, document: Document, flush: bool = True) -> None:
        self.sets["replaced" if self._stored(document) else "added"].append(document.id)
        self.seen[document.sha256] = document.source
        self.batch.append((document, chunking.split(document)))
        if flush and sum(len(chunks) for _, chunks in self.batch) >= BATCH_CHUNKS:
            self.flush()

    def _skip_duplicate(self, document: Document, twin: str) -> None:
        self.duplicates.append(Failure(document.source, f"the same text as {twin}, which is in the index"))
        if self._stored(document):  # its older, different version no longer exists
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


def _made(folder: Path) -> Path:
    """The folder, absolute so that a change of the working folder does not move it, made where it is not there."""
    try:
        folder = folder.expanduser().absolute()
        folder.mkdir(parents=True, exist_ok=True)
    except (OSError, RuntimeError, ValueError) as exc:  # no such user's home; a NUL in its name
        reason = exc.strerror if isinstance(exc, OSError) else exc
        raise IndexStateError(
            f"{folder}: the index folder cannot be made ({reason}); choose another one with --index"
        ) from exc
    return folder


def _check_text(document: Document) -> None:
    """What SQLite cannot store, or cannot count in: its `substr` ends at a NUL. Raises SourceError."""
    known = (document.id, document.text, document.title, document.source, document.published, document.author)
    lone = any(_SURROGATE.search(field) for field in known if field)
    what = "half of a surrogate pair" if lone else "a NUL" if "\0" in document.id + document.text else ""
    if what:
        raise SourceError(f"document {document.id!r} ({document.source}) holds {what}; take it out and add it again")


def _with_failures(report: IndexReport, failed: Sequence[Failure]) -> IndexReport:
    return replace(report, failed=tuple(failed))


def _printable(path: Path | str) -> str:
    return _SURROGATE.sub("\N{REPLACEMENT CHARACTER}", os.fspath(path))


def _holder(path: Path) -> str:
    """Who writes, in words; the note may be missing for the moment in which the lock changes hands."""
    try:
        known = json.loads(path.read_text("utf-8"))
        return f"process {known['pid']} (since {known['since']})"
    except (OSError, ValueError, KeyError):
        return "another process"
