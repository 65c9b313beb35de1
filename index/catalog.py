"""The source of truth: documents, chunks, their vectors and the word index, in one SQLite file.

The only file that knows SQLite. Chroma can be filled again from it at any time, since each chunk's row keeps the
vectors of the chunk and of its sentences (half precision: 0.0002 of a cosine at most, and half the disk).
"""

from __future__ import annotations

import heapq
import itertools
import json
import re
import sqlite3
import threading
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from index.embed import Vectors
from index.types import Chunk, Document, DocumentInfo, IndexStateError, Manifest, NotFoundError

FORMAT = 2

# Chunks that a question's words may match together: each thousand of them takes some 2 ms.
MATCHES = 3_000

_SCHEMA = """
CREATE TABLE IF NOT EXISTS manifest (format INT, embedder TEXT, weights TEXT, dimension INT, splitter TEXT);
CREATE TABLE IF NOT EXISTS documents (
  id TEXT PRIMARY KEY, title TEXT NOT NULL, text TEXT NOT NULL, source TEXT NOT NULL, sha256 TEXT NOT NULL,
  published TEXT, author TEXT, pages TEXT NOT NULL) WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS documents_sha256 ON documents (sha256);
CREATE TABLE IF NOT EXISTS chunks (
  number INTEGER PRIMARY KEY, id TEXT UNIQUE NOT NULL,
  doc_id TEXT NOT NULL REFERENCES documents (id) ON DELETE CASCADE,
  "start" INT NOT NULL, "end" INT NOT NULL, text TEXT NOT NULL, headings TEXT NOT NULL, pages TEXT NOT NULL,
  sentences INT NOT NULL, vectors BLOB NOT NULL);
CREATE TABLE IF NOT EXISTS state (name TEXT PRIMARY KEY, value INT NOT NULL) WITHOUT ROWID;
INSERT OR IGNORE INTO state VALUES ('version', 0), ('generation', 0), ('identity', abs(random()));
CREATE TABLE IF NOT EXISTS journal (chunk_id TEXT PRIMARY KEY) WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS chunks_document ON chunks (doc_id);
CREATE VIRTUAL TABLE IF NOT EXISTS words USING fts5 (
  text, content='chunks', content_rowid='number', tokenize='porter unicode61 remove_diacritics 2');
CREATE TRIGGER IF NOT EXISTS chunk_in AFTER INSERT ON chunks BEGIN
  INSERT INTO words (rowid, text) VALUES (new.number, new.text); END;
CREATE TRIGGER IF NOT EXISTS chunk_out AFTER DELETE ON chunks BEGIN
  INSERT INTO words (words, rowid, text) VALUES ('delete', old.number, old.text); END;
"""

_STAGED = """CREATE TABLE staged (
  number INTEGER PRIMARY KEY, id TEXT, doc_id TEXT, "start" INT, "end" INT, text TEXT, headings TEXT, pages TEXT,
  sentences INT, vectors BLOB)"""
_COLUMNS = 'id, doc_id, "start", "end", text, headings, pages, sentences, vectors'
_MARKS = "?, ?, ?, ?, ?, ?, ?, ?, ?"


@dataclass(frozen=True)
class Embedded:
    """A chunk with its vectors: row 0 the chunk's own, then one for each of its sentences; shape (1 + s, d)."""

    chunk: Chunk
    vectors: Vectors


@dataclass(frozen=True)
class Hit:
    """What retrieval needs of a chunk."""

    chunk: Chunk
    title: str
    source: str
    vectors: Vectors


class Catalog:
    """One SQLite file. Safe to share between threads: a lock holds each call whole."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._lock = threading.RLock()
        with _errors(path):
            self._db = sqlite3.connect(path, check_same_thread=False, isolation_level=None, timeout=30)
            try:
                self._prepare()
            except BaseException:
                self._db.close()
                raise
        self._file = _file_at(path)

    def _prepare(self) -> None:
        self._db.execute("PRAGMA journal_mode=WAL")
        self._db.execute("PRAGMA synchronous=FULL")
        self._db.execute("PRAGMA cache_size=-65536")  # KiB; with the default of 2 MiB a question waits for reads
        self._db.execute("PRAGMA foreign_keys=ON")
        # Only where its last object is missing: to write, even nothing new, waits for a writer. Closing undoes a half.
        if not self._db.execute("SELECT 1 FROM sqlite_master WHERE name = 'chunk_out'").fetchone():
            self._db.executescript(f"BEGIN IMMEDIATE; {_SCHEMA} COMMIT;")

    def in_place(self) -> bool:
        """Whether the file at the path is the one that is open: a person may have removed the folder and made it anew,
        and SQLite goes on with the file that is gone."""
        return _file_at(self.path) == self._file

    def close(self) -> None:
        with self._lock:
            self._db.close()

    @contextmanager
    def transaction(self) -> Iterator[None]:
        """All that is written inside is kept, or, after an error, none of it."""
        with self._lock, _errors(self.path):
            self._db.execute("BEGIN IMMEDIATE")
            try:
                yield
                self._db.execute("COMMIT")
            except BaseException:  # also an interrupt: half a document must not stay
                if self._db.in_transaction:
                    self._db.execute("ROLLBACK")
                raise

    def _all(self, query: str, values: Sequence[object] = ()) -> list[tuple[Any, ...]]:
        with self._lock, _errors(self.path):
            return self._db.execute(query, values).fetchall()

    # -- manifest ---------------------------------------------------------------------------------------------

    def manifest(self) -> Manifest | None:
        rows = self._all("SELECT format, embedder, weights, dimension, splitter FROM manifest")
        return Manifest(*rows[0]) if rows else None

    def write_manifest(self, manifest: Manifest) -> None:
        """Call it inside a transaction."""
        self._db.execute("DELETE FROM manifest")
        self._db.execute("INSERT INTO manifest VALUES (?, ?, ?, ?, ?)", tuple(asdict(manifest).values()))

    # -- state: what changes tell readers, and what was under way -----------------------------------------------

    def state(self, name: str) -> int:
        """`version` rises with every change of a document or of the vectors' place, `generation` with every rebuild;
        `identity` is drawn once for an index."""
        with _damage(self.path):
            return int(str(self._all("SELECT value FROM state WHERE name = ?", (name,))[0][0]))

    def set_generation(self, generation: int) -> None:
        """Say where the vectors are from now on. Call it inside a transaction."""
        self._db.execute("UPDATE state SET value = ? WHERE name = 'generation'", (generation,))
        self._changed()

    def _changed(self) -> None:
        self._db.execute("UPDATE state SET value = value + 1 WHERE name = 'version'")

    def journal(self) -> list[str]:
        """Chunk ids whose vectors may be in the store without a chunk here: a write was under way, or still is."""
        return [str(row[0]) for row in self._all("SELECT chunk_id FROM journal ORDER BY chunk_id")]

    def note(self, chunk_ids: Iterable[str]) -> None:
        """Put chunk ids into the journal. Call it inside a transaction."""
        self._db.executemany("INSERT OR IGNORE INTO journal VALUES (?)", ((id_,) for id_ in chunk_ids))

    def clear_journal(self) -> None:
        with self.transaction():
            self._db.execute("DELETE FROM journal")

    # -- documents --------------------------------------------------------------------------------------------

    def put(self, document: Document, chunks: Iterable[Embedded]) -> None:
        """Write a document in place of its older version. Call it inside a transaction."""
        self.delete(document.id)
        values = asdict(document) | {"pages": json.dumps(document.pages)}
        self._db.execute("INSERT INTO documents VALUES (?, ?, ?, ?, ?, ?, ?, ?)", tuple(values.values()))
        self._db.executemany(f"INSERT INTO chunks ({_COLUMNS}) VALUES ({_MARKS})", map(_row, chunks))

    def delete(self, doc_id: str) -> None:
        """Delete a document and its chunks, if it is there. Call it inside a transaction."""
        # Not left to the cascade: SQLite runs no delete trigger for it unless recursive_triggers is on.
        self._db.execute("DELETE FROM chunks WHERE doc_id = ?", (doc_id,))
        self._db.execute("DELETE FROM documents WHERE id = ?", (doc_id,))
        self._changed()

    def document(self, doc_id: str) -> Document:
        """A document by its id or by the beginning of it, when no other id begins so. Raises NotFoundError."""
        columns = "id, title, text, source, sha256, published, author, pages"
        query = f"SELECT {columns} FROM documents WHERE substr(id, 1, ?) = ?"
        rows = self._all(query + " ORDER BY length(id) LIMIT 2", (len(doc_id), doc_id)) if doc_id else []
        if not rows:
            raise NotFoundError(f"no document has the id {doc_id!r}; `footnote list` shows those there are")
        if len(rows) > 1 and rows[0][0] != doc_id:
            raise NotFoundError(f"several documents have an id that begins with {doc_id!r}; give more of it")
        id_, title, text, source, sha256, published, author, pages = rows[0]
        with _damage(self.path):
            return Document(id_, title, text, source, sha256, published, author, tuple(json.loads(str(pages))))

    def documents(self) -> list[DocumentInfo]:
        """All documents, by title and then id."""
        query = """SELECT d.id, d.title, d.source, d.sha256, count(c.id) FROM documents d
                   LEFT JOIN chunks c ON c.doc_id = d.id GROUP BY d.id ORDER BY d.title, d.id"""
        return [DocumentInfo(*row) for row in self._all(query)]

    def slice(self, doc_id: str, start: int, end: int) -> str | None:
        """`text[start:end]` of a document, None when it is not here."""
        rows = self._all("SELECT substr(text, ?, ?) FROM documents WHERE id = ?", (start + 1, end - start, doc_id))
        return str(rows[0][0]) if rows else None

    def known(self, doc_id: str) -> tuple[object, ...] | None:
        """(sha256, title, published, author) of a document, None when it is not here."""
        rows = self._all("SELECT sha256, title, published, author FROM documents WHERE id = ?", (doc_id,))
        return tuple(rows[0]) if rows else None

    def with_hash(self, sha256: str) -> tuple[str, str] | None:
        """Id and source of the document with this content, if there is one."""
        rows = self._all("SELECT id, source FROM documents WHERE sha256 = ? ORDER BY id LIMIT 1", (sha256,))
        return (str(rows[0][0]), str(rows[0][1])) if rows else None

    # -- chunks -----------------------------------------------------------------------------------------------

    def counts(self) -> tuple[int, int]:
        """Numbers of documents and of chunks."""
        row = self._all("SELECT (SELECT count(*) FROM documents), (SELECT count(*) FROM chunks)")[0]
        return int(str(row[0])), int(str(row[1]))

    def chunk_ids(self, doc_id: str | None = None) -> list[str]:
        where, values = ("WHERE doc_id = ?", (doc_id,)) if doc_id else ("", ())
        return [str(row[0]) for row in self._all(f"SELECT id FROM chunks {where} ORDER BY number", values)]

    def hits(self, chunk_ids: Iterable[str]) -> list[Hit]:
        """The chunks of these ids with their vectors; an id that is not here is left out."""
        query = """SELECT c.id, c.doc_id, c."start", c."end", c.text, c.headings, c.pages, d.title, d.source,
                          c.sentences, c.vectors
                   FROM chunks c JOIN documents d ON d.id = c.doc_id WHERE c.id IN (SELECT value FROM json_each(?))
                   ORDER BY c.id"""
        rows = self._all(query, (json.dumps(list(chunk_ids)),))
        with _damage(self.path):
            return [_hit(row) for row in rows]

    def chunk_vectors(self, batch: int = 1000, staged: bool = False) -> Iterator[tuple[list[str], Vectors]]:
        """All chunks' ids and own vectors, in batches of at most `batch`, by number: shapes (n,) and (n, d)."""
        table, last = "staged" if staged else "chunks", 0
        query = f"SELECT number, id, vectors, sentences FROM {table} WHERE number > ? ORDER BY number LIMIT ?"
        while rows := self._all(query, (last, batch)):
            last = int(str(rows[-1][0]))
            with _damage(self.path):
                own = np.stack([_own_vector(row) for row in rows])
            yield [str(row[1]) for row in rows], _unit(own)

    def chunks_of(self, doc_id: str) -> list[Chunk]:
        """A document's chunks, by place."""
        hits = self.hits(self.chunk_ids(doc_id))
        return sorted((hit.chunk for hit in hits), key=lambda chunk: chunk.start)

    @contextmanager
    def staged(self) -> Iterator[Callable[[Iterable[Embedded]], None]]:
        """A place for chunks that will take the place of all (`take_staged`); gives the function that puts some
        there. What is staged is no part of the index, and goes at the end in any case."""
        self._script("DROP TABLE IF EXISTS staged", _STAGED)
        try:
            yield self._stage
        finally:
            self._script("DROP TABLE IF EXISTS staged")

    def _script(self, *statements: str) -> None:
        with self._lock, _errors(self.path):
            for statement in statements:
                self._db.execute(statement)

    def _stage(self, chunks: Iterable[Embedded]) -> None:
        with self.transaction():
            self._db.executemany(f"INSERT INTO staged ({_COLUMNS}) VALUES ({_MARKS})", map(_row, chunks))

    def take_staged(self) -> None:
        """The staged chunks become the index's chunks. Call it inside a transaction."""
        self._db.execute("DELETE FROM chunks")
        self._db.execute(f"INSERT INTO chunks ({_COLUMNS}) SELECT {_COLUMNS} FROM staged ORDER BY number")

    # -- health -----------------------------------------------------------------------------------------------

    def damage(self) -> str | None:
        """What SQLite's own check finds wrong with the file, None when it is sound."""
        found = str(self._all("PRAGMA quick_check(1)")[0][0])
        return None if found == "ok" else found

    def words_agree(self) -> bool:
        """Whether the word index holds just the words of the chunks."""
        try:
            with self._lock:
                self._db.execute("INSERT INTO words (words, rank) VALUES ('integrity-check', 1)")
        except sqlite3.DatabaseError as exc:
            if "malformed" in str(exc):
                return False
            raise IndexStateError(f"{self.path}: {_advice(str(exc))}") from exc
        return True

    def rebuild_words(self) -> None:
        with self.transaction():
            self._db.execute("INSERT INTO words (words) VALUES ('rebuild')")

    def search(self, words: Sequence[str], limit: int, also: Iterable[str] = ()) -> dict[str, float]:
        """BM25 (Robertson and Zaragoza 2009, k1 1.2, b 0.75, as FTS5 has it) of the `limit` chunks that hold these
        words best, and of those of `also` that hold any: chunk id → score, higher is better, best first, ties by id."""
        match = self._match(words)
        rows = self._all("SELECT rowid, -rank FROM words WHERE words MATCH ?", (match,)) if match else []
        scores: dict[int, float] = dict(rows)
        least = heapq.nlargest(limit, scores.values())[-1:] or [0.0]
        best = [number for number, score in scores.items() if score >= least[0]]
        query = """SELECT number, id FROM chunks WHERE number IN (SELECT value FROM json_each(?))
                   UNION SELECT number, id FROM chunks WHERE id IN (SELECT value FROM json_each(?))"""
        wanted = set(also)
        rows = self._all(query, (json.dumps(best), json.dumps(list(wanted))))
        found = [(str(id_), scores[number]) for number, id_ in rows if number in scores]
        found.sort(key=lambda item: (-item[1], item[0]))
        return {id_: score for rank, (id_, score) in enumerate(found) if rank < limit or id_ in wanted}

    def _match(self, words: Sequence[str]) -> str:
        """FTS5's expression for any of the words, the rarest first as long as they match few chunks together: a word
        that very many chunks hold tells nearly nothing, and time grows with the matches. Only such words: all of them.
        """
        quoted = [f'"{word}"' for word in words]
        query = f"SELECT count(*) FROM (SELECT 1 FROM words WHERE words MATCH ? LIMIT {MATCHES + 1})"
        counts = sorted((int(str(self._all(query, (word,))[0][0])), word) for word in quoted)
        totals = itertools.accumulate(count for count, _ in counts)
        rare = [word for (_, word), total in zip(counts, totals, strict=True) if total <= MATCHES]
        return " OR ".join(rare) or " AND ".join(quoted)


def query_words(text: str, limit: int = 64) -> list[str]:
    """Distinct words of a question for `search`, without those that every text holds; at most `limit`.

    When nothing else is left ("Who is he?") the common words stay: a weak signal beats none.
    """
    words = list(dict.fromkeys(re.findall(r"\w+", text.lower())))
    return (content_words(words) or words)[:limit]


def content_words(words: Iterable[str]) -> list[str]:
    """The words (lower case) that not every text holds."""
    return [word for word in words if word not in STOPWORDS]


STOPWORDS = frozenset(
    "a an and are as at be been being but by can could did do does doing for from had has have having he her hers "
    "him his how i if in into is it its itself me my of on or our she should so some such than that the their them "
    "then there these they this those to was we were what when where which while who whom whose why will with would "
    "you your about any s t re ve ll d".split()
)


def _row(item: Embedded) -> tuple[object, ...]:
    chunk = item.chunk
    blob = np.ascontiguousarray(item.vectors, np.float16).tobytes()
    places = (json.dumps(chunk.headings), json.dumps(chunk.pages))
    return (chunk.id, chunk.doc_id, chunk.start, chunk.end, chunk.text, *places, len(item.vectors) - 1, blob)


def _hit(row: tuple[Any, ...]) -> Hit:
    id_, doc_id, start, end, text, headings, pages, title, source, sentences, blob = row
    touched = tuple((begins, number) for begins, number in json.loads(str(pages)))
    chunk = Chunk(id_, doc_id, start, end, text, tuple(json.loads(str(headings))), touched)
    vectors = np.frombuffer(blob, np.float16).astype(np.float32)
    return Hit(chunk, str(title), str(source), vectors.reshape(1 + int(str(sentences)), -1))


def _own_vector(row: tuple[Any, ...]) -> Vectors:
    """Row 0 of the vectors of a row (number, id, vectors, sentences)."""
    _, _, blob, sentences = row
    own: Vectors = np.frombuffer(blob, np.float16).reshape(1 + int(str(sentences)), -1)[0].astype(np.float32)
    return own


def _unit(vectors: Vectors) -> Vectors:
    """Rows of length 1 again, which half precision loses by 0.0005 at most."""
    return np.asarray(vectors / np.maximum(np.linalg.norm(vectors, axis=1, keepdims=True), 1e-12), np.float32)


@contextmanager
def _errors(path: Path) -> Iterator[None]:
    """SQLite's errors as ours, with what to do."""
    try:
        yield
    except sqlite3.DatabaseError as exc:
        raise IndexStateError(f"{path}: {_advice(str(exc))}") from exc


@contextmanager
def _damage(path: Path) -> Iterator[None]:
    """A row that does not hold what was written: a part of the file was overwritten, which SQLite need not see."""
    try:
        yield
    except (ValueError, TypeError, IndexError) as exc:
        reason = next(iter(str(exc).splitlines()), "")
        raise IndexStateError(f"{path}: {_advice(f'malformed row: {reason}')}") from exc


def _file_at(path: Path) -> tuple[int, int] | None:
    """Which file it is, None where there is none that can be looked at."""
    try:
        known = path.stat()
    except OSError:
        return None
    return known.st_dev, known.st_ino


def _advice(reason: str) -> str:
    low = reason.lower()
    if "full" in low or "disk i/o" in low:
        return f"the disk is full or failing ({reason}); free some space and add the articles again"
    if "readonly" in low or "unable to open" in low:
        return f"no permission to write there ({reason}); choose another folder with --index"
    if "locked" in low:
        return f"another process is writing ({reason}); wait for it and try again"
    if any(sign in low for sign in ("malformed", "not a database", "could not decode", "vtable constructor failed")):
        return f"the file is damaged ({reason}); move the folder away and add the articles again"
    return f"the catalog cannot be used ({reason})"
