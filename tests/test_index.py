"""A document's way, with real SQLite and real Chroma: add, replace, remove, and what may go wrong."""

from __future__ import annotations

import json
import resource
import signal
import sqlite3
import subprocess
import sys
from contextlib import closing
from pathlib import Path

import filelock
import pytest

from index import Document, Index, IndexStateError, NotFoundError, SourceError, catalog
from index.catalog import query_words
from index.chunk import split
from index.embed import HashEmbedder
from tests.conftest import SEED


def consistent(index: Index) -> bool:
    """Every chunk has its vector and the other way round, and each is an exact slice of its document."""
    hits = index.catalog.hits(index.catalog.chunk_ids())
    exact = all(index.document(h.chunk.doc_id).text[h.chunk.start : h.chunk.end] == h.chunk.text for h in hits)
    return exact and index.vectors.ids() == {hit.chunk.id for hit in hits} == set(index.catalog.chunk_ids())


def test_add_then_unchanged_then_replaced_then_removed(index: Index, tmp_path: Path) -> None:
    path = tmp_path / "a.txt"
    path.write_text("The lighthouse was built in 1850.")
    (doc_id,) = index.add([path]).added
    assert index.add([path]).unchanged == (doc_id,)
    path.write_text("The lighthouse was built in 1851.")
    assert index.add([path]).replaced == (doc_id,)
    assert index.document(doc_id).text == "The lighthouse was built in 1851."
    assert index.catalog.search(["1850"], 5) == {}
    assert len(index.catalog.search(["1851"], 5)) == 1
    assert consistent(index)
    assert index.remove(doc_id).removed == (doc_id,)
    assert index.documents() == []
    assert index.vectors.ids() == set()
    assert index.catalog.search(["lighthouse"], 5) == {}


def test_the_seed_article_is_stored_whole(seed_index: Index) -> None:
    (info,) = seed_index.documents()
    text = SEED.read_bytes().decode()
    assert seed_index.document(info.doc_id).text == text
    assert info.chunks == len(split(seed_index.document(info.doc_id))) == 13
    assert seed_index.document(info.doc_id[:5]).id == info.doc_id
    assert seed_index.catalog.slice(info.doc_id, 5, 20) == text[5:20]
    assert consistent(seed_index)


def test_one_bad_file_stops_nothing_and_is_named(index: Index, tmp_path: Path) -> None:
    (tmp_path / "good.txt").write_text("Good text.")
    (tmp_path / "bad.txt").write_bytes(b"\xff\x00")
    calls: list[tuple[int, int]] = []
    report = index.add([tmp_path, tmp_path / "missing.txt"], lambda done, total: calls.append((done, total)))
    assert len(report.added) == 1
    assert [(Path(f.source).name, f.reason.split(";")[0]) for f in report.failed] == [
        ("bad.txt", "it is binary, not text"),
        ("missing.txt", "there is no such file"),
    ]
    assert calls == [(1, 3)]
    assert consistent(index)


def test_the_same_text_under_two_names_is_stored_once(index: Index, tmp_path: Path) -> None:
    for name in "ab":
        (tmp_path / f"{name}.txt").write_text("The same text.")
    report = index.add([tmp_path])
    assert len(report.added) == 1
    assert [Path(item.source).name for item in report.duplicates] == ["b.txt"]
    (tmp_path / "b.txt").write_text("Another text.")
    assert len(index.add([tmp_path / "b.txt"]).added) == 1
    (tmp_path / "b.txt").write_text("The same text.")
    report = index.add([tmp_path / "b.txt"])
    assert (len(report.removed), len(report.duplicates)) == (1, 1)
    assert len(index.documents()) == 1
    assert consistent(index)


def texts_of(index: Index) -> dict[str, str]:
    return {Path(info.source).name: index.document(info.doc_id).text for info in index.documents()}


def write(folder: Path, **texts: str) -> None:
    for old in folder.glob("*.txt"):
        old.unlink()
    for name, text in texts.items():
        (folder / f"{name}.txt").write_text(text)


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ({"a": "A text.", "b": "B text."}, {"a": "New.", "b": "A text.", "c": "B text."}),  # moved on by one
        ({"a": "A text.", "b": "B text."}, {"a": "B text.", "b": "A text."}),  # exchanged
        ({"a": "A text.", "b": "A text."}, {"a": "New.", "b": "A text."}),  # a twin left alone
        ({"a": "A text.", "b": "B text.", "c": "C text."}, {"a": "B text.", "b": "C text.", "c": "A text."}),
        (
            {"a": "A text.", "b": "B text.", "c": "C text."},
            {"a": "C text.", "b": "A text.", "c": "B text.", "d": "New."},
        ),
        ({"a": "A text.", "b": "B text."}, {"a": "B text.", "b": "New.", "c": "B text."}),  # one twin is enough
        ({"a": "A text."}, {"a": "A text.", "b": "A text."}),
    ],
)
@pytest.mark.parametrize("batch", [1, 512])
def test_renamed_files_lose_no_text(
    before: dict[str, str], after: dict[str, str], batch: int, index: Index, tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    monkeypatch.setattr("index.write.BATCH_CHUNKS", batch)
    folder = tmp_path / "articles"
    folder.mkdir()
    write(folder, **before)
    index.add([folder])
    write(folder, **after)
    report = index.add([folder])
    stored = texts_of(index)
    assert stored.items() <= {f"{name}.txt": text for name, text in after.items()}.items()
    assert sorted(stored.values()) == sorted(set(after.values()))
    assert len(report.duplicates) == len(after) - len(stored)
    again = index.add([folder])
    assert (again.added, again.replaced, again.removed) == ((), (), ())
    assert consistent(index)


@pytest.mark.parametrize("batch", [1, 512])
def test_a_renamed_file_takes_the_place_of_its_old_name(
    index: Index, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, batch: int
) -> None:
    monkeypatch.setattr("index.write.BATCH_CHUNKS", batch)
    folder = tmp_path / "articles"
    folder.mkdir()
    write(folder, old="The lamp was lit in 1771.", other="Other.")
    index.add([folder])
    old = {info.doc_id for info in index.documents() if info.source.endswith("old.txt")}
    write(folder, new="The lamp was lit in 1771.", copy="The lamp was lit in 1771.", other="Other.")
    report = index.add([folder])
    assert (len(report.added), len(report.duplicates), set(report.removed)) == (1, 1, old)
    assert texts_of(index) == {"copy.txt": "The lamp was lit in 1771.", "other.txt": "Other."}
    write(folder, copy="The lamp was lit in 1773.", other="Other.")
    assert len(index.add([folder]).replaced) == 1
    assert sorted(texts_of(index).values()) == ["Other.", "The lamp was lit in 1773."]
    assert consistent(index)


def gone(index: Index, *paths: Path) -> list[str]:
    return [Path(info.source).name for info in index.add(paths).gone]


def test_files_that_are_gone_are_reported_and_stay(index: Index, tmp_path: Path) -> None:
    folder = tmp_path / "articles"
    folder.mkdir()
    write(folder, old="The limit is 10.", other="Other.")
    assert index.add([folder]).gone == ()
    write(folder, new="The limit is 25.", other="Other.")  # renamed, and changed too: nothing tells whose it was
    assert gone(index, folder) == ["old.txt"]
    write(folder)
    assert sorted(gone(index, folder)) == ["new.txt", "old.txt", "other.txt"]
    assert len(index.documents()) == 3
    assert consistent(index)


def test_what_is_gone_is_removed_only_when_told_to_and_only_below_the_folders_given(
    index: Index, tmp_path: Path
) -> None:
    for name in ("articles", "articles-2"):
        (tmp_path / name).mkdir()
        write(tmp_path / name, a=f"The lamp of {name}.", b=f"The pier of {name}.")
    index.add([tmp_path / "articles", tmp_path / "articles-2"])
    for name in ("articles", "articles-2"):
        (tmp_path / name / "a.txt").unlink()
    report = index.add([tmp_path / "articles"], prune=True)
    assert (len(report.removed), len(report.unchanged), report.gone) == (1, 1, ())
    assert {Path(info.source).parent.name for info in index.documents() if info.source.endswith("a.txt")} == {
        "articles-2"}  # fmt: skip
    assert consistent(index)
    assert index.add([tmp_path / "articles"], prune=True).removed == ()


def test_a_folder_is_known_by_every_name_it_has(index: Index, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = tmp_path / "articles"
    folder.mkdir()
    (tmp_path / "link").symlink_to(folder)
    write(folder, a="Text.")
    index.add([folder])
    (folder / "a.txt").unlink()
    monkeypatch.chdir(folder)
    for path in (Path(), Path("../articles"), tmp_path / "link", tmp_path):
        assert gone(index, path) == ["a.txt"], path


def test_what_may_lie_on_a_disk_that_is_away_is_not_removed(index: Index, tmp_path: Path) -> None:
    folder = tmp_path / "disk"
    folder.mkdir()
    write(folder, a="Text.")
    index.add([folder])
    folder.rename(tmp_path / "away")
    report = index.add([folder, "", "a\0b", "\ud800", "n" * 300], prune=True)
    assert (report.removed, len(report.failed)) == ((), 5)
    assert len(index.documents()) == 1


def test_a_document_of_no_file_is_not_gone(index: Index, tmp_path: Path) -> None:
    index.add_documents([Document("a", "T", "A text.", str(tmp_path / "none.txt"), "h")])
    assert index.add([tmp_path], prune=True).removed == ()
    assert index.doctor().gone == ()


def test_a_document_of_no_file_is_not_taken_for_one_whose_file_is_gone(index: Index) -> None:
    index.add_documents([Document("a", "T", "The same text.", "/no/such/file.txt", "h")])
    report = index.add_documents([Document("b", "T", "The same text.", "b", "h")])
    assert (report.removed, len(report.duplicates)) == ((), 1)


def test_a_path_that_cannot_be_looked_at_stops_nothing(index: Index, tmp_path: Path) -> None:
    (tmp_path / "good.txt").write_text("Good text.")
    report = index.add(["", "n" * 300, "a\0b.txt", "\ud800", tmp_path])
    assert len(report.added) == 1
    assert [failure.source for failure in report.failed] == ["", "n" * 300, "a\0b.txt", "\N{REPLACEMENT CHARACTER}"]


@pytest.mark.parametrize(("text", "reason"), [("Half\0 a text.", "a NUL"), ("\ud800", "half of a surrogate")])
def test_a_text_that_cannot_be_stored_is_refused_by_name(index: Index, text: str, reason: str) -> None:
    with pytest.raises(SourceError, match=f"document 'wrong' .the source. holds {reason}"):
        index.add_documents([Document("wrong", "T", text, "the source", "h")])
    assert index.documents() == []
    assert len(index.add_documents([Document("right", "T", "A text.", "s", "h")]).added) == 1


def test_a_file_named_twice_is_added_once_and_no_duplicate(index: Index, tmp_path: Path) -> None:
    path = tmp_path / "a.txt"
    path.write_text("Text.")
    report = index.add([path, path])
    assert (len(report.added), len(report.unchanged), report.duplicates) == (1, 1, ())
    assert consistent(index)


def test_a_changed_sidecar_is_noticed(index: Index, tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_text("The text of an article.")
    for title in ("First", "Second"):
        (tmp_path / "a.meta.json").write_text(json.dumps({"title": title}))
        index.add([tmp_path])
        assert [info.title for info in index.documents()] == [title]
    assert len(index.add([tmp_path]).unchanged) == 1
    assert consistent(index)


def test_unknown_and_ambiguous_ids(index: Index) -> None:
    for at in range(40):
        index.add_documents([Document(f"{at:02d}", "T", f"Text {at}.", str(at), str(at))])
    for wrong, message in (("xyz", "no document has the id 'xyz'"), ("", "no document"), ("1", "several documents")):
        with pytest.raises(NotFoundError, match=message):
            index.document(wrong)
    with pytest.raises(NotFoundError):
        index.remove("xyz")


def test_only_a_whole_id_removes(index: Index) -> None:
    index.add_documents([Document(id_, "T", f"Text {id_}.", id_, id_) for id_ in ("1", "12")])
    assert index.remove("1").removed == ("1",)
    with pytest.raises(NotFoundError, match="no document has just the id '1'"):
        index.remove("1")
    assert [info.doc_id for info in index.documents()] == ["12"]
    assert index.document("1").id == "12"


def test_an_error_in_the_middle_leaves_the_old_version(index: Index, monkeypatch: pytest.MonkeyPatch) -> None:
    index.add_documents([Document("d", "T", "Old text here.", "s", "1")])

    def fail(*_: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr("index.catalog._row", fail)
        index.add_documents([Document("d", "T", "New text here.", "s", "2")])
    assert index.document("d").text == "Old text here."
    assert list(index.catalog.search(["old"], 5)) == index.catalog.chunk_ids()
    index.add_documents([Document("d", "T", "New text here.", "s", "2")])
    assert index.document("d").text == "New text here."
    assert consistent(index)


class OtherEmbedder(HashEmbedder):
    name = "other"


def test_another_embedder_is_refused_with_the_way_out(tmp_path: Path) -> None:
    with Index.open(tmp_path, embedder=HashEmbedder()) as index:
        index.add([SEED])
    with pytest.raises(IndexStateError, match=r"built with embedder 'hash-64'.*set FOOTNOTE_EMBEDDER back"):
        Index.open(tmp_path, embedder=OtherEmbedder())
    with Index.open(tmp_path, embedder=HashEmbedder()) as index:
        assert consistent(index)


def test_another_splitter_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with Index.open(tmp_path, embedder=HashEmbedder()) as index:
        index.add([SEED])
    monkeypatch.setattr("index.chunk.VERSION", "sentences-0")
    with pytest.raises(IndexStateError, match="was split by"):
        Index.open(tmp_path, embedder=HashEmbedder())


def test_a_second_writer_waits_and_then_says_so(index: Index, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FOOTNOTE_LOCK_SECONDS", "0.1")
    from index.settings import settings

    settings.cache_clear()
    with (
        filelock.FileLock(index.folder / "writer.lock", is_singleton=False),
        pytest.raises(IndexStateError, match="another process is still writing"),
    ):
        index.add([SEED])
    assert len(index.add([SEED]).added) == 1


def test_a_folder_that_cannot_be_used(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("x")
    with pytest.raises(IndexStateError, match=r"index folder cannot be made.*--index"):
        Index.open(tmp_path / "file" / "index")
    (tmp_path / "broken").mkdir()
    (tmp_path / "broken" / "catalog.sqlite3").write_bytes(b"not a database at all, but long enough to be one" * 100)
    with pytest.raises(IndexStateError, match="damaged"):
        Index.open(tmp_path / "broken")


def test_a_catalog_is_made_whole_or_not_at_all(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with monkeypatch.context() as patch, pytest.raises(IndexStateError):
        patch.setattr("index.catalog._SCHEMA", catalog._SCHEMA + "INSERT INTO nowhere VALUES (1);")  # as on a full disk
        Index.open(tmp_path, embedder=HashEmbedder())
    with closing(sqlite3.connect(tmp_path / "catalog.sqlite3")) as database:
        assert database.execute("SELECT name FROM sqlite_master").fetchall() == []


def test_what_a_catalog_lacks_is_made_when_it_is_opened(tmp_path: Path) -> None:
    Index.open(tmp_path, embedder=HashEmbedder()).close()
    with closing(sqlite3.connect(tmp_path / "catalog.sqlite3")) as database:
        database.executescript("DROP TRIGGER chunk_in; DROP TRIGGER chunk_out; DROP TABLE words;")
    with Index.open(tmp_path, embedder=HashEmbedder()) as index:
        index.add_documents([Document("a", "T", "The lamp is lit.", "s", "h")])
        assert len(index.catalog.search(["lamp"], 5)) == 1
        assert index.doctor().ok


def test_a_folder_named_by_the_working_folder_or_the_home_stays_where_it_is(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    (tmp_path / "elsewhere").mkdir()
    monkeypatch.chdir(tmp_path)
    with Index.open("own", embedder=HashEmbedder()) as index:
        monkeypatch.chdir(tmp_path / "elsewhere")
        index.add([SEED])
        assert consistent(index)
    assert list((tmp_path / "elsewhere").iterdir()) == []
    with Index.open("~/own", embedder=HashEmbedder()) as index:
        assert index.folder == tmp_path / "own"
        assert len(index.documents()) == 1
    with pytest.raises(IndexStateError, match="index folder cannot be made"):
        Index.open("~no-such-user/own", embedder=HashEmbedder())


def test_reading_makes_no_index(tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    (tmp_path / "file").write_text("x")
    for folder in (tmp_path / "none", tmp_path / "empty", tmp_path / "file" / "index"):
        with pytest.raises(IndexStateError, match="there is no index; add articles first: footnote add PATH"):
            Index.open(folder, HashEmbedder(), create=False)
    assert sorted(path.name for path in tmp_path.rglob("*")) == ["empty", "file"]
    with pytest.raises(IndexStateError, match="cannot be read"):
        Index.open("n" * 300, HashEmbedder(), create=False)
    Index.open(tmp_path / "made", HashEmbedder()).close()
    Index.open(tmp_path / "made", HashEmbedder(), create=False).close()


@pytest.mark.parametrize("name", ["writer.lock", "writer.json"])
def test_a_lock_that_cannot_be_taken_or_signed_is_a_clear_error(index: Index, name: str) -> None:
    (index.folder / name).mkdir()
    with pytest.raises(IndexStateError, match=rf"{name}: writing cannot begin.*try again"):
        index.add([SEED])
    (index.folder / name).rmdir()
    assert len(index.add([SEED]).added) == 1


FORK = """
import os, signal, sys
from index import Document, Index, IndexStateError
from index.embed import HashEmbedder
used = "used" in sys.argv
index = Index.open(sys.argv[1], HashEmbedder())
index.add_documents([Document("a", "T", "The lamp was lit in 1771.", "s", "h")]) if used else None
if not os.fork():
    signal.alarm(20)
    for use in (index.documents, index.doctor, index.rebuild, lambda: index.add([]), lambda: index.remove("a"),
                lambda: index.embedder.embed(["lamp"])):
        try:
            use()
        except IndexStateError as exc:
            print("opened in another process (fork); open it anew" in str(exc))
    index.close()
    try:
        with Index.open(sys.argv[1], HashEmbedder()) as own:
            own.add_documents([Document("b", "T", "The pier was built.", "s2", "h2")])
            print(len(own.nearest(own.embedder.embed(["lamp"])[0], 5)))
    except IndexStateError as exc:
        print("used before this process was forked off" in str(exc))
    sys.stdout.flush()
    os._exit(0)
print(os.wait()[1])
index.add_documents([Document("c", "T", "The quay was paved.", "s3", "h3")])
print(len(index.documents()), index.doctor(full=True).ok)
"""


@pytest.mark.parametrize(("parent", "child"), [("unused", "1"), ("used", "True")])
def test_a_forked_process_is_told_to_open_an_index_of_its_own(tmp_path: Path, parent: str, child: str) -> None:
    command = [sys.executable, "-c", FORK, str(tmp_path), parent]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60)
    assert done.stdout.splitlines() == ["True"] * 6 + [child, "0", "2 True"], done.stderr


FULL_DISK = """
import sys
from pathlib import Path
from index import Index, IndexStateError, Document
from index.embed import HashEmbedder
with Index.open(sys.argv[1], embedder=HashEmbedder()) as index:
    try:
        index.add_documents([Document("big", "T", "Many words here. " * 20000, "s", "2")])
    except IndexStateError as exc:
        print(exc)
"""


def test_a_full_disk_is_a_clear_error_and_loses_nothing(tmp_path: Path) -> None:
    with Index.open(tmp_path, embedder=HashEmbedder()) as index:
        index.add([SEED])

    def small_disk() -> None:
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        resource.setrlimit(resource.RLIMIT_FSIZE, (400_000, 400_000))

    done = subprocess.run(
        [sys.executable, "-c", FULL_DISK, str(tmp_path)], preexec_fn=small_disk, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    assert "free some space" in done.stdout or "check disk space" in done.stdout
    with Index.open(tmp_path, embedder=HashEmbedder()) as index:
        assert len(index.documents()) == 1
        assert len(index.catalog.search(query_words("maximum resistance"), 50)) > 0
        assert len(index.add([SEED]).unchanged) == 1


def test_a_folder_without_write_permission(tmp_path: Path) -> None:
    folder = tmp_path / "index"
    with Index.open(folder, embedder=HashEmbedder()) as index:
        index.add([SEED])
    code = f"""
import os
import chromadb
from index import Index, IndexStateError
from index.embed import HashEmbedder
if os.getuid() == 0:  # root writes anywhere
    os.setgid(65534)
    os.setuid(65534)
try:
    with Index.open({str(folder)!r}, embedder=HashEmbedder()) as index:
        index.add([{str(SEED)!r}, {str(SEED.with_suffix(".none"))!r}])
        index.add_documents([])
        index.remove(index.documents()[0].doc_id)
except IndexStateError as exc:
    print(exc)
"""
    for path in (folder, *folder.rglob("*")):
        path.chmod(0o555 if path.is_dir() else 0o444)
    for parent in (tmp_path, *tmp_path.parents[:3]):
        parent.chmod(parent.stat().st_mode | 0o055)
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=SEED.parent.parent)
    for path in (folder, *folder.rglob("*")):
        path.chmod(0o755)
    assert "permission to write there" in done.stdout, done.stderr[-600:]


def test_search_ranks_by_bm25_and_scores_only_the_chunks_asked_for(index: Index) -> None:
    texts = ["Resistance and resistance again.", "One resistance among many other words here.", "Nothing of it."]
    index.add_documents([Document(str(at), "T", text, str(at), str(at)) for at, text in enumerate(texts)])
    found = index.catalog.search(query_words("What resists? The resistance!"), 5)
    assert [index.catalog.hits([id_])[0].chunk.doc_id for id_ in found] == ["0", "1"]
    second = list(found)[1]
    assert list(index.catalog.search(["resistance"], 1, also=[second])) == list(found)
    assert list(index.catalog.search(["resistance"], 1)) == list(found)[:1]
    assert index.catalog.search([], 5) == {}


def test_words_that_very_many_chunks_hold_are_left_to_the_vectors(
    index: Index, monkeypatch: pytest.MonkeyPatch
) -> None:
    texts = ["budget talks", "budget vote", "budget vote passed", "lighthouse budget"]
    index.add_documents([Document(str(at), "", text, str(at), text) for at, text in enumerate(texts)])
    whole = index.catalog.search(["lighthouse", "budget", "vote"], 5)
    assert len(whole) == 4
    monkeypatch.setattr("index.catalog.MATCHES", 3)
    some = index.catalog.search(["lighthouse", "budget", "vote"], 5)
    assert len(some) == 3 and some.keys() < whole.keys()
    monkeypatch.setattr("index.catalog.MATCHES", 1)
    assert len(index.catalog.search(["budget", "vote"], 5)) == 2  # both words, since neither is rare


def test_query_words_keep_common_ones_only_when_there_are_no_others() -> None:
    assert query_words("Who is the President of Iran?") == ["president", "iran"]
    assert query_words("Who is he?") == ["who", "is", "he"]
    assert query_words('"); DROP TABLE * NEAR(x)') == ["drop", "table", "near", "x"]
