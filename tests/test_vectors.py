"""One contract, every vector store."""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from index.types import IndexStateError
from index.vectors import BATCH, ChromaStore, MemoryStore, VectorStore
from tests.servers import chroma_server

EAST, NORTH, BETWEEN = (np.array(v, np.float32) for v in ([1, 0], [0, 1], [0.6, 0.8]))


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with chroma_server(tmp_path_factory.mktemp("server")) as address:
        yield address


@pytest.fixture(params=["folder", "server", "memory"])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[VectorStore]:
    made: VectorStore
    if request.param == "folder":
        made = ChromaStore.in_folder(tmp_path, "test")
    elif request.param == "server":
        made = ChromaStore.on_server(request.getfixturevalue("server"), f"test-{uuid.uuid4().hex}")
    else:
        made = MemoryStore()
    yield made
    made.close()


def test_nearest_first_by_cosine(store: VectorStore) -> None:
    store.add(["e", "n", "b"], np.stack([EAST, NORTH, BETWEEN]))
    assert store.query(EAST, 2) == pytest.approx({"e": 1.0, "b": 0.6}, abs=1e-6)
    assert list(store.query(NORTH, 3)) == ["n", "b", "e"]


def test_ties_go_by_id_and_a_limit_beyond_the_store_is_fine(store: VectorStore) -> None:
    store.add(["z", "a"], np.stack([EAST, EAST]))
    assert list(store.query(EAST, 10)) == ["a", "z"]


def test_empty_store(store: VectorStore) -> None:
    assert store.query(EAST, 3) == {}
    assert store.ids() == set()
    store.delete(["nobody"])


def test_an_id_that_is_there_keeps_its_vector(store: VectorStore) -> None:
    store.add(["e"], EAST[None])
    store.add(["e"], NORTH[None])
    assert store.query(EAST, 1) == pytest.approx({"e": 1.0}, abs=1e-6)


def test_delete_and_more_than_a_batch(store: VectorStore) -> None:
    ids = [f"{at:04d}" for at in range(BATCH * 2 + 3)]
    angles = np.linspace(0, 1.5, len(ids), dtype=np.float32)
    store.add(ids, np.stack([np.cos(angles), np.sin(angles)], axis=1))
    assert store.ids() == set(ids)
    assert store.count() == len(ids)
    store.delete(ids[: BATCH + 1])
    assert store.ids() == set(ids[BATCH + 1 :])
    assert next(iter(store.query(EAST, 1))) == ids[BATCH + 1]


def test_chroma_keeps_what_it_was_given(tmp_path: Path) -> None:
    first = ChromaStore.in_folder(tmp_path, "test")
    first.add(["e", "n"], np.stack([EAST, NORTH]))
    first.close()
    second = ChromaStore.in_folder(tmp_path, "test")
    assert list(second.query(NORTH, 2)) == ["n", "e"]
    second.close()


def test_a_folder_that_is_a_file_is_a_clear_error(tmp_path: Path) -> None:
    (tmp_path / "taken").write_text("x")
    with pytest.raises(IndexStateError, match="the vector store failed"):
        ChromaStore.in_folder(tmp_path / "taken", "test")


def test_a_server_that_is_not_there_and_an_address_that_is_none(free_port: int) -> None:
    with pytest.raises(IndexStateError, match="check that the server runs"):
        ChromaStore.on_server(f"http://127.0.0.1:{free_port}", "test")
    with pytest.raises(IndexStateError, match="give it as http://host:port"):
        ChromaStore.on_server("127.0.0.1:8000", "test")
