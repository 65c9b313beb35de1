"""The document's way: read, split, embed, store. Nothing here knows how any of those is done.

Order of writing: the chunks concerned are noted in the journal, new vectors are added, one catalog transaction flips
documents to their new version, old vectors go, the journal is cleared. Whatever breaks in between, the catalog tells
the old story or the new one, whole; vectors that no chunk owns are passed over by retrieval, and go when the index is
opened next (mend.py).
"""

from __future__ import annotations

import json
import os
import threading
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from datetime import datetime
from pathlib import Path
from typing import Self

import filelock

from index import chunk as chunking
from index import mend, sources
from index.catalog import FORMAT, Catalog
from index.embed import Embedder, Vectors, named_embedder
from index.gone import gone
from index.settings import settings
from index.types import (
    BusyError,
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
from index.write import SURROGATE, Writer, check_text

Progress = Callable[[int, int], None]

CATALOG = "catalog.sqlite3"


class Index:
    """A folder with the catalog and the vectors: `Index.open`, then use it as a context manager or `close` it."""

    def __init__(self, folder: Path, catalog: Catalog, embedder: Embedder, vectors: VectorStore | None = None) -> None:
        self.folder = folder
        self._embedder = embedder
        self._catalog = catalog
        self._process = os.getpid()
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
        check: bool = True, create: bool = True,
    ) -> Self:  # fmt: skip
        """Open the index in folder `path` (default: `FOOTNOTE_INDEX`, else the user data folder), or begin one.

        Raises IndexStateError when the folder cannot be used, holds no index and `create` is off, or, unless `check` is
        off as for `rebuild`, was built with another embedder or splitter.
        """
        folder = _found(Path(path) if path is not None else settings().index, create)
        if vectors is None and not settings().chroma:
            ChromaStore.check_process(folder)
        embedder = embedder or named_embedder(settings().embedder)
        index = cls(folder, Catalog(folder / CATALOG), embedder, vectors)
        index._checked = check
        try:
            index._check_manifest(check)
        except IndexStateError:
            index.close()
            raise
        return index

    @property
    def catalog(self) -> Catalog:
        self._check_process()
        return self._catalog

    @property
    def embedder(self) -> Embedder:
        self._check_process()
        return self._embedder

    def _check_process(self) -> None:
        """Raises IndexStateError in a process that was forked off: the threads of Chroma and of the model stayed
        behind, and what waits for them does so for ever. All use of an index goes through its catalog or embedder."""
        if self._process != os.getpid():
            raise IndexStateError(
                f"{self.folder}: this index was opened in another process (fork); open it anew in this one: "
                "Index.open(...)"
            )

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
        if self._process != os.getpid():
            return  # what is open belongs to the process it was forked from
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

    def add(self, paths: Iterable[str | Path], progress: Progress | None = None, prune: bool = False) -> IndexReport:
        """Add files, those in folders, and web pages. Unchanged ones are left alone, changed ones replaced, each whole.

        A file that cannot be read is reported in `failed` and stops nothing. Documents of files that are gone from
        these folders are reported in `gone` and stay; with `prune` they are removed. `progress(done, total)` counts
        files.
        """
        paths = [paths] if isinstance(paths, str | Path) else list(paths)
        failed: list[Failure] = []

        def documents() -> Iterator[Document]:
            for path in files:
                try:
                    document = sources.read(path)
                    check_text(document)
                    yield document
                except SourceError as exc:
                    failed.append(Failure(_printable(path), str(exc)))

        files = list(sources.files(paths))
        report = replace(self.add_documents(documents(), progress, total=len(files)), failed=tuple(failed))
        if not prune:
            return replace(report, gone=gone(self.documents(), paths))
        with self.writing():
            left = [info.doc_id for info in gone(self.documents(), paths)]
            if left:
                self._drop(left)
        return replace(report, removed=(*report.removed, *left))

    def add_documents(
        self, documents: Iterable[Document], progress: Progress | None = None, total: int | None = None
    ) -> IndexReport:
        """The same for documents that are already read. Two with the same text: the second is a duplicate.

        Raises SourceError for one that cannot be stored; those before it may be.
        """
        if total is None:
            documents = list(documents)
            total = len(documents)
        writer = Writer(self)
        with self.writing():
            for done, document in enumerate(documents, 1):
                writer.take(document)
                if progress:
                    progress(min(done, total), total)
            writer.finish()
        return writer.report()

    def rewrite(self, document: Document) -> None:
        """Split, embed and store a document anew, whatever is stored of it."""
        writer = Writer(self)
        with self.writing():
            writer.put(document)
            writer.finish()

    def remove(self, doc_id: str) -> IndexReport:
        """Remove the document of just this id. Raises NotFoundError."""
        with self.writing():
            if self.catalog.known(doc_id) is None:
                raise NotFoundError(f"no document has just the id {doc_id!r}; `footnote list` shows those there are")
            self._drop([doc_id])
        return IndexReport(removed=(doc_id,))

    def _drop(self, doc_ids: Sequence[str]) -> None:
        with self._mutex:
            old, store = [id_ for doc_id in doc_ids for id_ in self.catalog.chunk_ids(doc_id)], self.vectors
            with self.catalog.transaction():
                self.catalog.note(old)
                for doc_id in doc_ids:
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


def _found(folder: Path, create: bool) -> Path:
    """The folder, absolute so that a change of the working folder does not move it; made where it is not there, or,
    unless `create`, refused where it holds no index: a mistyped name must not become an empty one."""
    try:
        folder = folder.expanduser().absolute()
        if create:
            folder.mkdir(parents=True, exist_ok=True)
        else:
            (folder / CATALOG).stat()
    except (OSError, RuntimeError, ValueError) as exc:  # no such user's home; a NUL in its name
        raise IndexStateError(f"{folder}: {_unusable(exc, create)}") from exc
    return folder


def _unusable(exc: Exception, create: bool) -> str:
    if not create and isinstance(exc, FileNotFoundError | NotADirectoryError):
        return "there is no index; add articles first: footnote add PATH"
    reason = exc.strerror if isinstance(exc, OSError) else exc
    return f"the index folder cannot be {'made' if create else 'read'} ({reason}); choose another one with --index"


def _printable(path: Path | str) -> str:
    return SURROGATE.sub("\N{REPLACEMENT CHARACTER}", os.fspath(path))


def _holder(path: Path) -> str:
    """Who writes, in words; the note may be missing for the moment in which the lock changes hands."""
    try:
        known = json.loads(path.read_text("utf-8"))
        return f"process {known['pid']} (since {known['since']})"
    except (OSError, ValueError, KeyError):
        return "another process"
