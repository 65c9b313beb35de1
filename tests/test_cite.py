"""Drafted text → sentences, markers, citations; all pure."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from index.types import Chunk
from rag.cite import Draft, Numbering, citation, drafts, parse, place
from rag.types import Passage

TEXT = "Rain fell. The river rose by 2 metres."
PASSAGE = Passage(Chunk("c", "d", 100, 138, TEXT), "Title", "source", 1.0, 1)


@pytest.mark.parametrize(
    ("sentence", "claim", "markers"),
    [
        ("Rain fell [1].", "Rain fell.", (1,)),
        ("Rain [2] fell [1, 2][3].", "Rain fell.", (2, 1, 3)),
        ("No marker.", "No marker.", ()),
        ("A [note] and [1a] stay.", "A [note] and [1a] stay.", ()),
        ("Big [99999] stays.", "Big [99999] stays.", ()),
        ("- **Rain** fell in `Oslo` [1].", "Rain fell in Oslo.", (1,)),
        ("1. *Rain* fell; 2 * 3 is 6.", "Rain fell; 2 * 3 is 6.", ()),
        ("**NOT IN SOURCES**", "NOT IN SOURCES", ()),
        ("Its first is `argv[1]` [2].", "Its first is argv[1].", (2,)),
        ("So `__init__` does `[3]`.", "So __init__ does.", (3,)),
        ("Rain\0 \u202efell\ud83d.", "Rain fell.", ()),
        ("\u0646\u200c\u0645 -5 #3.", "\u0646\u200c\u0645 -5 #3.", ()),
    ],
)
def test_parse(sentence: str, claim: str, markers: tuple[int, ...]) -> None:
    assert parse(sentence) == Draft(claim, markers)


def test_markers_before_and_after_the_full_stop_belong_to_their_sentence() -> None:
    text = "Rain fell. [1] The river rose [2]. Then, Dr. Li left.[1][3] End"
    expected = [
        Draft("Rain fell.", (1,)),
        Draft("The river rose.", (2,)),
        Draft("Then, Dr. Li left.", (1, 3)),
        Draft("End", ()),
    ]
    assert list(drafts([text])) == expected
    assert list(drafts(text)) == expected  # letter by letter


@given(
    st.lists(st.sampled_from(["Rain fell", " [1]", ".", " ", "[2]", "Mr. Li", "\n\n", "!", "[", "]", "3"]), max_size=25)
)
def test_pieces_do_not_matter(parts: list[str]) -> None:
    text = "".join(parts)
    words = "".join(draft.text for draft in drafts(text)).split()
    assert "".join(words) == "".join("".join(draft.text for draft in drafts([text])).split())


def test_a_sentence_is_given_when_the_next_has_begun() -> None:
    seen: list[str] = []

    def pieces() -> object:
        for piece in ("Rain fell [1]", ". ", "The ", "river"):
            yield piece
            seen.append(piece)

    first = next(drafts(pieces()))  # type: ignore[arg-type]
    assert first == Draft("Rain fell.", (1,))
    assert "river" not in seen


def test_a_citation_is_a_slice_of_its_document() -> None:
    cited = citation(PASSAGE, 111, 138)
    assert (cited.quote, cited.start, cited.end) == ("The river rose by 2 metres.", 111, 138)


def test_numbers_follow_first_use_and_places_are_exact() -> None:
    numbering = Numbering()
    rain, river = citation(PASSAGE, 100, 110), citation(PASSAGE, 111, 138)
    one = numbering.sentence("The river rose.", [river])
    two = numbering.sentence("Rain fell first.", [rain, river])
    text, citations = place([one, two])
    assert text == "The river rose. [1] Rain fell first. [2][1]"
    assert [(c.marker, c.start) for c in citations] == [(1, 111), (2, 100), (1, 111)]
    assert [text[c.answer_start : c.answer_end] for c in citations] == [one.text, two.text, two.text]


@pytest.mark.parametrize(
    ("sentence", "text", "markers"),
    [
        ("Opened in 1931 [[1]2].", "Opened in 1931.", (1, 2)),
        ("Opened in 1931 [^2][1].", "Opened in 1931.", (2, 1)),
        ("Opened in 1931【3】.", "Opened in 1931.", (3,)),
        ("Opened in 1931.² [1]", "Opened in 1931.", (1,)),
        ("It has 5 m² [1].", "It has 5 m².", (1,)),
        ("A is so [[1]].", "A is so.", (1,)),
        ("A is so (see [1]).", "A is so.", (1,)),
        ("A is so [1]–[3].", "A is so.", (1, 3)),
        ("A is so [1-3].", "A is so.", (1, 2, 3)),
        ("A is so [1 and 2].", "A is so.", (1, 2)),
        ("A is so [source 1].", "A is so.", (1,)),
        ("It is (so) in [brackets].", "It is (so) in [brackets].", ()),
        ("It ran from 1 - 3 [2].", "It ran from 1 - 3.", (2,)),
    ],
)
def test_no_number_of_a_model_is_left_in_a_sentence(sentence: str, text: str, markers: tuple[int, ...]) -> None:
    assert parse(sentence) == Draft(text, markers)


def test_a_marker_of_any_form_behind_the_full_stop_is_of_the_sentence_before() -> None:
    for marker in ("[2]", "[^2]", "【2】", "[source 2]"):
        assert list(drafts([f"A fact. {marker} Then B [1]."])) == [Draft("A fact.", (2,)), Draft("Then B.", (1,))]
