"""What opening an index finishes, what the doctor finds and mends, rebuilds, readers beside a writer, a server."""

from __future__ import annotations

import random
import shutil
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from index import BusyError, Document, Index, IndexStateError
from index.embed import HashEmbedder, Vectors
from index.settings import settings
from index.vectors import ChromaStore
from rag import retrieve
from tests.conftest import SEED
from tests.faults import harm
from tests.faults import main as faults
from tests.servers import chroma_server, free_port, start_chroma


def documents(count: int) -> list[Document]:
    text = "The harbour of town {} was built in {}. It is deep."
    return [Document(f"d{at:03d}", f"T{at}", text.format(at, 1500 + at), f"s{at}", f"h{at}") for at in range(count)]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A closed index of twelve documents."""
    with Index.open(tmp_path / "mended", HashEmbedder()) as index:
        index.add_documents(documents(12))
    return tmp_path / "mended"


def reopened(folder: Path) -> Index:
    return Index.open(folder, HashEmbedder())


def kinds(index: Index, **options: bool) -> set[str]:
    return {problem.kind for problem in index.doctor(**options).problems}


def store_folder(folder: Path) -> Path:
    (found,) = folder.glob("chroma-*")
    return found


def test_a_sound_index_is_clean(folder: Path) -> None:
    with reopened(folder) as index:
        report = index.doctor(full=True)
    assert report.ok
    assert (report.documents, report.chunks, report.recall, report.checked) == (12, 12, 1.0, 12)


def test_files_that_are_gone_are_named_and_are_no_damage(index: Index, tmp_path: Path) -> None:
    for name in "ab":
        (tmp_path / f"{name}.txt").write_text(f"The lamp of {name}.")
    index.add([tmp_path / "a.txt", tmp_path / "b.txt"])
    assert index.doctor().gone == ()
    (tmp_path / "a.txt").unlink()
    for report in (index.doctor(), index.doctor(repair=True)):
        assert report.ok
        assert [info.source for info in report.gone] == [str(tmp_path / "a.txt")]
    assert len(index.documents()) == 2
    index.vectors.delete(index.catalog.chunk_ids())
    mended = index.doctor(repair=True)
    assert (mended.ok, bool(mended.repaired), len(mended.gone)) == (True, True, 1)


def test_an_empty_index_is_clean(index: Index) -> None:
    report = index.doctor(full=True)
    assert report.ok
    assert (report.documents, report.recall, report.checked) == (0, None, 0)


@pytest.mark.parametrize("step", ["store.add", "flip", "store.delete", "journal"])
def test_whatever_step_fails_the_next_opening_finishes_or_undoes_it(
    folder: Path, monkeypatch: pytest.MonkeyPatch, step: str
) -> None:
    def fail(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    place = {"store.add": "index.vectors.ChromaStore.add", "flip": "index.catalog.Catalog.put",
             "store.delete": "index.vectors.ChromaStore.delete",
             "journal": "index.catalog.Catalog.clear_journal"}[step]  # fmt: skip
    changed = Document("d003", "T3", "The harbour of town 3 was filled in 1999.", "s3", "changed")
    with reopened(folder) as index, monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr(place, fail)
        index.add_documents([changed])
    with reopened(folder) as index:
        assert retrieve("harbour filled", 1, index)
        text = index.document("d003").text
        assert text == (documents(4)[3].text if step in ("store.add", "flip") else changed.text)
        assert index.doctor(full=True).ok
        index.add_documents([changed])
        assert index.document("d003").text == changed.text
        assert index.doctor(full=True).ok


def test_vectors_that_are_missing_or_stray_are_seen_and_mended(folder: Path) -> None:
    with reopened(folder) as index:
        ids = index.catalog.chunk_ids()
        index.vectors.delete(ids[:1])
        index.vectors.add(["stray"], np.eye(1, 64, dtype=np.float32))
        assert kinds(index) == {"missing_vector", "stray_vector", "lost_vector", "recall"} or kinds(index) == {
            "missing_vector", "stray_vector", "lost_vector"}  # fmt: skip
        report = index.doctor(full=True, repair=True)
        assert report.ok
        assert any("vector" in line for line in report.repaired)
        assert index.vectors.ids() == set(ids)


def test_a_wrong_vector_is_found_by_searching_for_it(folder: Path) -> None:
    with reopened(folder) as index:
        (first, *_) = index.catalog.chunk_ids()
        index.vectors.delete([first])
        index.vectors.add([first], -np.eye(1, 64, dtype=np.float32))
        assert "lost_vector" in kinds(index, full=True)
        assert index.doctor(full=True, repair=True).ok


def test_a_word_index_and_offsets_that_do_not_agree_are_mended(folder: Path) -> None:
    with reopened(folder) as index:
        with index.catalog.transaction():
            index.catalog._db.execute("INSERT INTO words (words, rowid, text) VALUES ('delete', 1, 'harbour')")
            index.catalog._db.execute('UPDATE chunks SET "start" = "start" + 1 WHERE doc_id = \'d005\'')
        assert kinds(index) >= {"word_index", "offsets"}
        assert index.doctor(full=True, repair=True).ok


def test_a_damaged_text_is_replaced_when_its_source_is_added_again(tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_text("The lamp of Ostend was lit in 1771.")
    with Index.open(tmp_path / "index", HashEmbedder()) as index:
        index.add([tmp_path / "a.txt"])
        index.catalog._db.execute("UPDATE documents SET text = replace(text, '1771', '1773')")
        report = index.doctor(full=True, repair=True)
        assert report.ok
        assert f"may be damaged: add {tmp_path / 'a.txt'} again" in " ".join(report.repaired)
        assert np.allclose(own_vectors(index), HashEmbedder().embed(["The lamp of Ostend was lit in 1773."]), atol=1e-3)
        assert len(index.add([tmp_path / "a.txt"]).replaced) == 1
        assert retrieve("lamp", 1, index)[0].text == "The lamp of Ostend was lit in 1771."
        assert np.allclose(own_vectors(index), HashEmbedder().embed(["The lamp of Ostend was lit in 1771."]), atol=1e-3)


def own_vectors(index: Index) -> Vectors:
    """Those in Chroma, not the catalog's."""
    store = index.vectors
    assert isinstance(store, ChromaStore)
    return np.asarray(store._collection.get(include=["embeddings"])["embeddings"], np.float32)


@pytest.mark.parametrize(
    "damage",
    ["UPDATE documents SET pages = zeroblob(9)", "UPDATE chunks SET headings = zeroblob(9)",
     "UPDATE chunks SET pages = '[1]'", "UPDATE chunks SET vectors = zeroblob(3)", "DELETE FROM state"],
)  # fmt: skip
def test_a_row_that_was_overwritten_is_a_clear_error(folder: Path, damage: str) -> None:
    with reopened(folder) as index:
        index.catalog._db.execute(damage)
        with pytest.raises(IndexStateError, match=r"the file is damaged.*move the folder away"):
            index.document("d001")
            retrieve("harbour", 1, index)
        with pytest.raises(IndexStateError, match="the file is damaged"):
            index.doctor()


@pytest.mark.parametrize("anew", [False, True])
def test_an_index_that_is_replaced_on_disk_is_noticed(folder: Path, anew: bool) -> None:
    with reopened(folder) as reader:
        assert retrieve("harbour", 1, reader)
        shutil.rmtree(folder)
        if anew:
            reopened(folder).close()
        for use in (lambda: retrieve("harbour", 1, reader), lambda: reader.add([SEED]), lambda: reader.remove("d001")):
            with pytest.raises(IndexStateError, match="replaced or removed on disk; start Footnote again"):
                use()


def test_the_doctor_looks_again_when_another_process_wrote_meanwhile(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    looks: list[int] = []
    ids = ChromaStore.ids

    def removed_meanwhile(self: ChromaStore) -> set[str]:
        if not looks:
            looks.append(1)
            other.remove("d003")
        return ids(self)

    with reopened(folder) as index, reopened(folder) as other:
        assert index.vectors.count() == other.vectors.count() == 12
        monkeypatch.setattr(ChromaStore, "ids", removed_meanwhile)
        report = index.doctor(full=True)
        assert (report.problems, report.documents, looks) == ((), 11, [1])


def test_beside_a_writer_the_doctor_raises_no_alarm(folder: Path) -> None:
    with reopened(folder) as index, reopened(folder) as other, other.writing():
        with other.catalog.transaction():
            other.catalog.note(["under-way"])
        other.vectors.add(["under-way"], np.eye(1, 64, dtype=np.float32))
        (problem,) = index.doctor().problems
        assert problem.kind == "journal"
        assert problem.detail.startswith("another process is writing")


def test_old_vectors_that_stayed_are_swept_by_the_next_rebuild(folder: Path) -> None:
    for name in ("chroma-7", "chroma-backup"):
        (folder / name).mkdir()
    with reopened(folder) as index:
        index.rebuild()
        assert sorted(path.name for path in folder.glob("chroma-*")) == ["chroma-1", "chroma-backup"]


@pytest.mark.parametrize("how", ["deleted", "truncated", "noise"])
def test_a_chroma_folder_that_is_lost_or_damaged_is_made_anew(folder: Path, how: str) -> None:
    harm(store_folder(folder), how, random.Random(1))
    with reopened(folder) as index:
        index.doctor(full=True, repair=True)
        assert index.doctor(full=True).ok
        assert retrieve("harbour of town 7", 1, index)[0].text.startswith("The harbour of town 7 ")


@pytest.mark.parametrize("what", ["ids", "query"])
def test_a_store_that_opens_and_then_fails_is_made_anew(
    folder: Path, monkeypatch: pytest.MonkeyPatch, what: str
) -> None:
    works = getattr(ChromaStore, what)

    def fails_at_first(self: ChromaStore, *args: Any) -> Any:
        if self._place.endswith("chroma-0"):
            raise IndexStateError("the store cannot be read; mend it")
        return works(self, *args)

    with reopened(folder) as index, index.catalog.transaction():
        index.catalog.note(["under-way"])  # which makes the next opening look at all ids
    with reopened(folder) as index:
        monkeypatch.setattr(ChromaStore, what, fails_at_first)
        assert retrieve("harbour of town 7", 1, index)[0].text.startswith("The harbour of town 7 ")
        assert [path.name for path in folder.glob("chroma-*")] == ["chroma-1"]
        assert index.doctor(full=True).ok


class Doubled(HashEmbedder):
    """Another embedder with vectors of another width."""

    name = "doubled"
    dimension = 128

    def embed(self, texts: list[str]) -> Vectors:  # type: ignore[override]
        half = HashEmbedder().embed(texts) if texts else np.zeros((0, 64), np.float32)
        return np.asarray(np.concatenate([half, half[:, ::-1]], axis=1) / np.sqrt(2), np.float32)


def test_rebuild_with_another_embedder_answers_all_the_while(folder: Path) -> None:
    with pytest.raises(IndexStateError, match="footnote rebuild"):
        Index.open(folder, Doubled())
    with reopened(folder) as reader, Index.open(folder, Doubled(), check=False) as index:
        seen: list[int] = []

        def progress(done: int, total: int) -> None:
            seen.append(len(retrieve("harbour of town 7", 3, reader)))

        assert index.rebuild(progress) == 12
        assert seen == [3] * 12
    with Index.open(folder, Doubled()) as index:
        assert index.doctor(full=True).ok
        assert retrieve("harbour of town 7", 1, index)[0].text.startswith("The harbour of town 7 ")
    with pytest.raises(IndexStateError, match="built with embedder 'doubled'"):
        reopened(folder)
    assert len(list(folder.glob("chroma-*"))) == 1


def test_a_reader_whose_index_was_rebuilt_with_another_embedder_says_so(folder: Path) -> None:
    with reopened(folder) as reader:
        assert retrieve("harbour", 1, reader)
        with Index.open(folder, Doubled(), check=False) as index:
            index.rebuild()
        with pytest.raises(IndexStateError, match="built with embedder 'doubled'"):
            retrieve("harbour", 1, reader)


def test_rebuild_of_a_sound_index_changes_nothing_that_is_found(folder: Path) -> None:
    with reopened(folder) as index:
        before = [passage.chunk.id for passage in retrieve("harbour of town 3", 5, index)]
        assert index.rebuild() == 12
        assert [passage.chunk.id for passage in retrieve("harbour of town 3", 5, index)] == before
        assert index.doctor(full=True).ok


def test_a_second_writer_is_told_who_writes_and_since_when(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FOOTNOTE_LOCK_SECONDS", "0.1")
    settings.cache_clear()
    with reopened(folder) as first, reopened(folder) as second, first.writing():
        with pytest.raises(BusyError, match=r"process \d+ \(since 20\d\d-.*still writing after 0.1 s"):
            second.add_documents(documents(13))
        assert retrieve("harbour", 1, second), "reading waits for no writer"


WRITER = """
import sys, time
from index import Document, Index
from index.embed import HashEmbedder
with Index.open(sys.argv[1], HashEmbedder()) as index:
    for at in range(int(sys.argv[2]), int(sys.argv[3])):
        text = f"Chapter {at}. " + " ".join(f"Sentence {n} of story{at}." for n in range(200))
        index.add_documents([Document(f"w{at}", f"W{at}", text, f"w{at}", f"w{at}")])
"""


def writer(folder: Path, first: int, last: int) -> subprocess.Popen[bytes]:
    return subprocess.Popen([sys.executable, "-c", WRITER, str(folder), str(first), str(last)], cwd=SEED.parent.parent)


def test_two_processes_that_add_at_once_both_finish_and_nothing_is_lost(folder: Path) -> None:
    both = [writer(folder, 0, 6), writer(folder, 6, 12)]
    assert [process.wait(120) for process in both] == [0, 0]
    with reopened(folder) as index:
        assert len(index.documents()) == 24
        assert index.doctor(full=True).ok


def test_a_reader_beside_a_writer_sees_new_documents_whole(folder: Path) -> None:
    seen: set[str] = set()
    with reopened(folder) as reader:
        process = writer(folder, 0, 12)
        until = time.monotonic() + 120
        while len(seen) < 12 and time.monotonic() < until:
            for passage in retrieve("chapter sentence story3", 20, reader):
                assert reader.document(passage.doc_id).text[passage.start : passage.end] == passage.text
            seen = {info.doc_id for info in reader.documents() if info.doc_id.startswith("w")}
        assert process.wait(120) == 0
        chunks = {info.doc_id: info.chunks for info in reader.documents()}
        assert len(seen) == 12
        assert len({chunks[doc_id] for doc_id in seen if len(doc_id) == 2}) == 1, "all of one length, all whole"
        assert any(passage.doc_id == "w11" for passage in retrieve("story11", 5, reader))
    with reopened(folder) as index:
        assert index.doctor(full=True).ok


def test_threads_that_search_while_another_adds(folder: Path) -> None:
    found: list[int] = []

    def search(index: Index) -> None:
        found.extend(len(retrieve(f"harbour of town {at % 12}", 3, index)) for at in range(40))

    with reopened(folder) as index:
        threads = [threading.Thread(target=search, args=(index,)) for _ in range(3)]
        for thread in threads:
            thread.start()
        for at in range(12, 30):
            index.add_documents([documents(30)[at]])
        for thread in threads:
            thread.join()
        assert found == [3] * 120, "a thread that failed would have found less"
        assert index.doctor(full=True).ok


@pytest.fixture
def server(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    with chroma_server(tmp_path / "server") as address:
        monkeypatch.setenv("FOOTNOTE_CHROMA", address)
        settings.cache_clear()
        yield address


def test_an_index_on_a_server_of_its_own_and_one_filled_from_the_catalog(folder: Path, server: str) -> None:
    with reopened(folder) as moved:  # built in a folder, now on the server
        assert retrieve("harbour of town 7", 1, moved)[0].text.startswith("The harbour of town 7 ")
        assert moved.doctor(full=True).ok
        with Index.open(folder.parent / "other", HashEmbedder()) as other:  # two indexes share one server
            other.add_documents(documents(3))
            assert other.vectors.count() == 3
        moved.remove("d003")
        moved.rebuild()
        assert moved.doctor(full=True).ok
        assert moved.vectors.count() == 11


def test_a_server_that_goes_away_and_comes_back(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    port = free_port()
    monkeypatch.setenv("FOOTNOTE_CHROMA", f"http://127.0.0.1:{port}")
    settings.cache_clear()
    process = start_chroma(tmp_path / "server", port)
    try:
        with Index.open(tmp_path / "index", HashEmbedder()) as index:
            index.add_documents(documents(5))
            process.kill()
            process.wait()
            with pytest.raises(IndexStateError, match="check that the server runs"):
                retrieve("harbour", 1, index)
            with pytest.raises(IndexStateError, match="check that the server runs"):
                index.add_documents(documents(6))
            process = start_chroma(tmp_path / "server", port)
            assert retrieve("harbour of town 4", 1, index)[0].doc_id == "d004"
            index.add_documents(documents(6))
            assert index.doctor(full=True).ok
            assert len(index.documents()) == 6
    finally:
        process.kill()
        process.wait()


@pytest.mark.parametrize(("fault", "times"), [("kill", 8), ("damage", 3), ("disk", 3), ("server", 3)])
def test_broken_at_random_moments_the_index_stays_whole(fault: str, times: int) -> None:
    result = faults(fault, times, seed=3)
    assert (result.faults, result.broken) == (times, [])
    assert result.changes > 0
