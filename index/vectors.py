"""Vectors → nearest chunks. The only file that knows Chroma; it can be filled again from the catalog.

Facts of Chroma 1.5 that shape it: `add` of an id that exists is ignored without a word and `upsert` loses
records, so ids are content-addressed, new ones are added and old ones deleted; a batch holds at most 5,461.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Protocol
from urllib.parse import urlsplit

import numpy as np

from index.embed import Vectors
from index.types import IndexStateError

if TYPE_CHECKING:
    import httpx
    from chromadb.api import ClientAPI
    from chromadb.api.models.Collection import Collection

SERVER_SECONDS = 30.0  # a batch takes a server some 100 ms
BATCH = 250  # the upper end of what Chroma advises for one call

# Two builds of the same vectors then gave the same top ten for 200 of 200 queries on hard random data; with
# the defaults 141 to 159 of 200.
HNSW = {"space": "cosine", "ef_search": 1000, "ef_construction": 400, "max_neighbors": 48}


class VectorStore(Protocol):
    """Unit vectors by chunk id."""

    def add(self, ids: Sequence[str], vectors: Vectors) -> None:
        """Add vectors, shape (len(ids), d); an id that is there already keeps its vector."""
        ...

    def delete(self, ids: Sequence[str]) -> None:
        """Delete these ids; one that is not there is no error."""
        ...

    def query(self, vector: Vectors, limit: int) -> dict[str, float]:
        """The nearest ids, the best first, ties by id: id → cosine. `vector` has shape (d,)."""
        ...

    def ids(self) -> set[str]: ...

    def count(self) -> int: ...

    def destroy(self) -> None:
        """Delete all the vectors and close the store."""
        ...

    def close(self) -> None: ...


class ChromaStore:
    """A collection of Chroma, in this process (`in_folder`) or on a server (`on_server`)."""

    _process: ClassVar[int | None] = None  # the one that first had Chroma in it

    def __init__(self, client: ClientAPI, collection: str, place: str) -> None:
        self._client = client
        self._name = collection
        self._place = place
        with _errors(place):
            self._collection: Collection = client.get_or_create_collection(
                collection, embedding_function=None, configuration={"hnsw": HNSW}
            )

    @classmethod
    def in_folder(cls, folder: Path, collection: str) -> ChromaStore:
        """Chroma in this process. A reader sees what was there when it opened: open anew after a change."""
        import chromadb
        from chromadb.config import Settings

        ChromaStore.check_process(folder)
        ChromaStore._process = os.getpid()
        with _errors(str(folder)):
            client = chromadb.PersistentClient(str(folder), Settings(anonymized_telemetry=False))
        return cls(client, collection, str(folder))

    @classmethod
    def check_process(cls, folder: Path) -> None:
        """Raises IndexStateError in a process that was forked off one with Chroma in it: the threads stay behind, and a
        call on the same collection waits for ever, even of a new client without Chroma's cache of clients."""
        if cls._process not in (None, os.getpid()):
            raise IndexStateError(
                f"{folder}: an index was used before this process was forked off, and Chroma does not outlive that; "
                "use none before the fork, or start the process by 'spawn'"
            )

    @classmethod
    def on_server(cls, url: str, collection: str, token: str | None = None) -> ChromaStore:
        """Chroma behind `http(s)://host:port`; `token` is sent as a bearer and as Chroma's own header."""
        import chromadb
        from chromadb.config import Settings

        parts = urlsplit(url)
        if parts.scheme not in ("http", "https") or not parts.hostname:
            raise IndexStateError(f"FOOTNOTE_CHROMA is {url!r}; give it as http://host:port")
        headers = {"Authorization": f"Bearer {token}", "X-Chroma-Token": token} if token else {}
        secure = parts.scheme == "https"
        with _errors(url):
            client = chromadb.HttpClient(parts.hostname, parts.port or (443 if secure else 8000), ssl=secure,
                                         headers=headers, settings=Settings(anonymized_telemetry=False))  # fmt: skip
            for session in _sessions(client):
                session.timeout = SERVER_SECONDS  # Chroma sets none: a server that hangs would hang every question
        return cls(client, collection, url)

    def add(self, ids: Sequence[str], vectors: Vectors) -> None:
        with _errors(self._place):
            for at in range(0, len(ids), BATCH):
                part = slice(at, at + BATCH)
                self._collection.add(ids=list(ids[part]), embeddings=vectors[part])

    def delete(self, ids: Sequence[str]) -> None:
        with _errors(self._place):
            for at in range(0, len(ids), BATCH):
                self._collection.delete(ids=list(ids[at : at + BATCH]))

    def query(self, vector: Vectors, limit: int) -> dict[str, float]:
        with _errors(self._place):
            found: Any = self._collection.query(query_embeddings=[vector], n_results=limit, include=["distances"])
        scores = {
            id_: 1 - float(distance) for id_, distance in zip(found["ids"][0], found["distances"][0], strict=True)
        }
        return _ordered(scores, limit)

    def ids(self) -> set[str]:
        with _errors(self._place):
            return set(self._collection.get(include=[])["ids"])

    def count(self) -> int:
        with _errors(self._place):
            return int(self._collection.count())

    def destroy(self) -> None:
        """Delete the collection with all its vectors, and let go of it."""
        with _errors(self._place):
            self._client.delete_collection(self._name)
        self.close()

    def close(self) -> None:
        sessions = _sessions(self._client)
        self._client.close()
        for session in sessions:
            session.close()  # Chroma leaves its connections open


class MemoryStore:
    """Exact search in memory, held to the same tests as Chroma."""

    def __init__(self) -> None:
        self._vectors: dict[str, Vectors] = {}

    def add(self, ids: Sequence[str], vectors: Vectors) -> None:
        for id_, vector in zip(ids, vectors, strict=True):
            self._vectors.setdefault(id_, vector)

    def delete(self, ids: Sequence[str]) -> None:
        for id_ in ids:
            self._vectors.pop(id_, None)

    def query(self, vector: Vectors, limit: int) -> dict[str, float]:
        return _ordered({id_: float(np.dot(own, vector)) for id_, own in self._vectors.items()}, limit)

    def ids(self) -> set[str]:
        return set(self._vectors)

    def count(self) -> int:
        return len(self._vectors)

    def destroy(self) -> None:
        self._vectors.clear()

    def close(self) -> None:
        """Nothing is held."""


def _sessions(client: ClientAPI) -> list[httpx.Client]:
    """The connections of a client of a server, none in this process. Chroma has no public way to them."""
    owners: tuple[Any, ...] = (client, getattr(client, "_admin_client", None))
    return [owner._server._session for owner in owners if hasattr(getattr(owner, "_server", None), "_session")]


def _ordered(scores: dict[str, float], limit: int) -> dict[str, float]:
    return dict(sorted(scores.items(), key=lambda item: (-item[1], item[0]))[:limit])


@contextmanager
def _errors(place: str) -> Iterator[None]:
    """Chroma's errors as ours. Its native part raises plain RuntimeError and OSError too, and panics; its client of a
    server lets errors of the connection through; and where it could not start for want of space, it has AttributeError
    the next time."""
    import httpx
    from chromadb.errors import ChromaError

    try:
        yield
    except (ChromaError, httpx.HTTPError, RuntimeError, OSError, ValueError, AttributeError) as exc:
        raise IndexStateError(f"{place}: the vector store failed ({_reason(exc)}); {_advice(place)}") from exc
    except BaseException as exc:
        if type(exc).__name__ != "PanicException":  # Rust's panic is no Exception and has no name to import
            raise
        raise IndexStateError(f"{place}: the vector store is damaged ({_reason(exc)}); {_advice(place)}") from exc


def _reason(exc: BaseException) -> str:
    return next(iter(str(exc).strip().splitlines()), "") or type(exc).__name__


def _advice(place: str) -> str:
    if place.startswith("http"):
        return "check that the server runs and that FOOTNOTE_CHROMA and FOOTNOTE_CHROMA_TOKEN fit it, then try again"
    return "check disk space and permissions there, then run: footnote doctor --repair"
