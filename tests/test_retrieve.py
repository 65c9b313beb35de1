"""Question → passages: order, ties, duplicates, and questions that cannot be asked."""

from __future__ import annotations

import pytest

from index import Document, FootnoteError, Index
from rag import QuestionError, retrieve
from rag.retrieve import MAX_QUESTION, default_index


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


def test_without_an_index_that_of_the_settings_is_used() -> None:
    default_index.cache_clear()
    with pytest.raises(FootnoteError, match="default-index: the index is empty"):
        retrieve("Who?")
    default_index().close()
    default_index.cache_clear()
