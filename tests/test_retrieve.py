"""Question → passages: order, ties, duplicates, and questions that cannot be asked."""

from __future__ import annotations

import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from index import Document, FootnoteError, Index, IndexStateError
from index.embed import HashEmbedder
from index.settings import settings
from rag import QuestionError, retrieve
from rag.retrieve import MAX_QUESTION, _kept, default_index, opened
from tests.conftest import SEED


def fill(index: Index, *texts: str) -> None:
    index.add_documents([Document(f"d{at}", f"T{at}", text, f"s{at}", f"{at}") for at, text in enumerate(texts)])


def test_the_passage_that_says_it_comes_first(seed_index: Index) -> None:
    passages = retrieve("Who was travelling to Baghdad?", 3, seed_index)
    assert "travelling to Baghdad" in passages[0].text
    assert [passage.rank for passage in passages] == [1, 2, 3]
    assert passages[0].score >= passages[1].score >= passages[2].score
    document = seed_index.document(passages[0].doc_id)
    assert all(document.text[p.start : p.end] == p.text for p in passages)
    assert passages[0].ranks["words"] == 1


def test_ties_go_by_chunk_id_and_every_run_is_the_same(index: Index) -> None:
    fill(index, *(f"A heron stood in field {at}." for at in range(8)))
    first = retrieve("Where is the otter?", 8, index)
    ties = [p.chunk.id for p in first if p.score == first[-1].score]
    assert ties == sorted(ties)
    assert [p.chunk.id for p in first] == [p.chunk.id for p in retrieve("Where is the otter?", 8, index)]


def test_one_text_in_two_documents_is_one_passage(index: Index) -> None:
    same = "The heron stood in the shallow water all day long."
    fill(index, same, same + "\n", "Another text about other things.")
    passages = retrieve("Where did the heron stand?", 5, index)
    assert [" ".join(p.text.split()) for p in passages].count(same) == 1
    assert [p.rank for p in passages] == [1, 2]


def test_a_single_chunk_is_found(index: Index) -> None:
    fill(index, "Only this.")
    assert [p.text for p in retrieve("anything at all", 5, index)] == ["Only this."]


@pytest.mark.parametrize("question", ["", "  \n\t"])
def test_an_empty_question(index: Index, question: str) -> None:
    with pytest.raises(QuestionError, match="the question is empty"):
        retrieve(question, index=index)


def test_an_overlong_question_and_a_wrong_top_k(index: Index) -> None:
    with pytest.raises(QuestionError, match="100,000 characters, at most 2,000"):
        retrieve("x" * 100_000, index=index)
    with pytest.raises(QuestionError, match="top_k"):
        retrieve("x", 0, index)


def test_a_question_at_the_limit_and_one_of_odd_characters(seed_index: Index) -> None:
    assert retrieve("why " * (MAX_QUESTION // 4), index=seed_index)
    assert retrieve('"\'); DROP TABLE chunks; -- 😀 \udcff NEAR("', index=seed_index)


def test_an_empty_index_says_how_to_fill_it(index: Index) -> None:
    with pytest.raises(FootnoteError, match="the index is empty; add articles first: footnote add PATH"):
        retrieve("Who?", index=index)


def test_a_question_or_number_of_another_kind_is_said_so(index: Index) -> None:
    wrong: Any
    for wrong in (None, 5, b"Who?"):
        with pytest.raises(QuestionError, match="the question must be a string, not "):
            retrieve(wrong, index=index)
    for wrong in (2.5, None, "3"):
        with pytest.raises(QuestionError, match="top_k must be a whole number, not "):
            retrieve("Who?", wrong, index)
    with pytest.raises(FootnoteError, match="index must be an open Index or the path of its folder, not 5"):
        retrieve("Who?", index=5)  # type: ignore[arg-type]


def test_an_index_goes_by_its_folder_too(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("index.build.named_embedder", lambda name: HashEmbedder())
    with Index.open(tmp_path / "own") as index:
        fill(index, "Only this.")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HOME", str(tmp_path))
    for folder in ("own", tmp_path / "own", "~/own"):
        assert [p.text for p in retrieve("anything", 5, folder)] == ["Only this."]
    assert opened("own") is opened(tmp_path / "own")
    opened("own").close()
    _kept.cache_clear()


@pytest.fixture
def nothing_kept() -> Iterator[None]:
    _kept.cache_clear()
    yield
    _kept.cache_clear()


def test_without_an_index_that_of_the_settings_is_used_and_none_is_made(
    nothing_kept: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(IndexStateError, match="default-index: there is no index; add articles first"):
        retrieve("Who?")
    assert not settings().index.exists()
    monkeypatch.setattr("index.build.named_embedder", lambda name: HashEmbedder())
    with Index.open() as index:
        fill(index, "Only this.")
    assert [p.text for p in retrieve("anything")] == ["Only this."]
    default_index().close()


FORK = """
import multiprocessing
from index import Index, FootnoteError
from rag import Assistant, retrieve
from rag.retrieve import default_index
def asked(with_own):
    try:
        return retrieve("Who was travelling to Baghdad?", 1, None if with_own else index)[0].rank
    except FootnoteError as exc:
        return str(exc)
def answered(_):
    try:
        return assistant.ask("Who was travelling to Baghdad?").outcome
    except FootnoteError as exc:
        return str(exc)
index = default_index()
assistant = Assistant.open(index, llm="none")
index.embedder.embed(["The model's threads are at work."])
with multiprocessing.get_context("fork").Pool(1) as pool:
    for found in (pool.apply(asked, [False]), pool.apply(answered, [0]), pool.apply(asked, [True])):
        print(found)
print(asked(True))
with multiprocessing.get_context("fork").Pool(1) as pool:
    for found in (pool.apply(asked, [False]), pool.apply(answered, [0]), pool.apply(asked, [True])):
        print(found)
print(asked(False))
"""


def test_a_forked_worker_opens_its_own_index_or_says_why_it_cannot() -> None:
    """Never does it wait for the threads that stayed in the process it was forked from."""
    with Index.open() as index:
        index.add([SEED])
    done = subprocess.run([sys.executable, "-c", FORK], capture_output=True, text=True, timeout=120)
    lines = [re.sub(r".*: (?=this index|an index)", "", line).split("(")[0] for line in done.stdout.splitlines()]
    other, used = "this index was opened in another process ", "an index was used before this process was forked off"
    assert [line.split(",")[0] for line in lines] == [other, other, "1", "1", other, other, used, "1"], done.stderr
