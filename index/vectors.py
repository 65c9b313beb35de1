"""Vectors → nearest chunks. The only file that knows Chroma; it can be filled again from the catalog.

Facts of Chroma 1.5 that shape it: `add` of an id that exists is ignored without a word and `upsert` loses
records, so ids are content-addressed, new ones are added and old ones deleted; a batch holds at most 5,461.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np

from index.embed import Vectors
from index.types import IndexStateError

if TYPE_CHECKING:
    from chromadb.api.models.Collection import Collection

COLLECTION = "footnote-chunks"
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

    def close(self) -> None: ...


class ChromaStore:
    """Chroma in this process, in a folder."""

    def __init__(self, folder: Path) -> None:
        import chromadb
        from chromadb.config import Settings

        self._folder = folder
        with _errors(folder):
            self._client = chromadb.PersistentClient(str(folder), Settings(anonymized_telemetry=False))
            self._collection: Collection = self._client.get_or_create_collection(
                COLLECTION, embedding_function=None, configuration={"hnsw": HNSW}
            )

    def add(self, ids: Sequence[str], vectors: Vectors) -> None:
        with _errors(self._folder):
            for at in range(0, len(ids), BATCH):
                part = slice(at, at + BATCH)
                self._collection.add(ids=list(ids[part]), embeddings=vectors[part])

    def delete(self, ids: Sequence[str]) -> None:
        with _errors(self._folder):
            for at in range(0, len(ids), BATCH):
                self._collection.delete(ids=list(ids[at : at + BATCH]))

    def query(self, vector: Vectors, limit: int) -> dict[str, float]:
        with _errors(self._folder):
            found: Any = self._collection.query(query_embeddings=[vector], n_results=limit, include=["distances"])
        scores = {
            id_: 1 - float(distance) for id_, distance in zip(found["ids"][0], found["distances"][0], strict=True)
        }
        return _ordered(scores, limit)

    def ids(self) -> set[str]:
        with _errors(self._folder):
            return set(self._collection.get(include=[])["ids"])

    def close(self) -> None:
        self._client.close()


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

    def close(self) -> None:
        """Nothing is held."""


def _ordered(scores: dict[str, float], limit: int) -> dict[str, float]:
    return dict(sorted(scores.items(), key=lambda item: (-item[1], item[0]))[:limit])


@contextmanager
def _errors(folder: Path) -> Iterator[None]:
    """Chroma's errors as ours. Its native part raises plain RuntimeError and OSError too."""
    from chromadb.errors import ChromaError

    try:
        yield
    except (ChromaError, RuntimeError, OSError, ValueError) as exc:
        raise IndexStateError(
            f"{folder}: the vector store failed ({str(exc).strip() or type(exc).__name__}); check disk space and "
            "permissions there, then try again"
        ) from exc
