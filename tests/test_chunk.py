"""Chunks are exact slices, in order, and together hold every visible character, whatever the text."""

from __future__ import annotations

import hashlib
import itertools

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from index.chunk import MAX_CHARS, MAX_SENTENCE, chunk_id, lead_in, sentences, split
from index.types import Chunk, Document

PIECES = st.sampled_from(
    [
        *("Dr. Smith left. ", "no end here ", "“War is bad.” He said so. ", "1. First. ", "U.S. Army. ", "你好。", "…"),
        *("\n\n", "\r\n", "\r\n\r\n", "\n", "\u2028", "\u00a0", "\t", " ", "😀👩\u200d👧 ", "e\u0301 "),
        *("# Head\n", "- item\n", "```\n", "x" * 700),
    ]
)
TEXTS = st.one_of(st.text(max_size=300), st.lists(PIECES, max_size=40).map("".join))


def document(text: str) -> Document:
    return Document("doc", "Title", text, "source", hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest())


def uncovered(text: str, spans: list[tuple[int, int]]) -> str:
    held = {at for start, end in spans for at in range(start, end)}
    return "".join(ch for at, ch in enumerate(text) if at not in held and not ch.isspace())


@given(TEXTS)
@example("Same words here.\n\n" * 6)
@example("word " * 3000)
@example("x" * 5000)
@settings(max_examples=300, deadline=None)
def test_chunks_are_exact_ordered_and_complete(text: str) -> None:
    chunks = split(document(text))
    spans = [(chunk.start, chunk.end) for chunk in chunks]
    assert all(chunk.text == text[chunk.start : chunk.end] and chunk.text.strip() for chunk in chunks)
    assert all(end <= start for (_, end), (start, _) in itertools.pairwise(spans))
    assert uncovered(text, spans) == ""
    assert all(len(chunk.text) <= MAX_CHARS for chunk in chunks)
    assert len({chunk.id for chunk in chunks}) == len(chunks)


@given(TEXTS)
@settings(max_examples=300, deadline=None)
def test_sentences_are_exact_ordered_and_complete(text: str) -> None:
    spans = sentences(text)
    assert all(0 <= start < end <= len(text) and end - start <= MAX_SENTENCE for start, end in spans)
    assert all(end <= start for (_, end), (start, _) in itertools.pairwise(spans))
    assert all(text[start:end] == text[start:end].strip() for start, end in spans)
    assert uncovered(text, spans) == ""


def parts(text: str) -> list[str]:
    return [text[start:end] for start, end in sentences(text)]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Dr. Smith met Mr. J. K. Li. They spoke.", ["Dr. Smith met Mr. J. K. Li.", "They spoke."]),
        ("In the U.S. Army it rains. In the U.S. The sun.", ["In the U.S. Army it rains.", "In the U.S.", "The sun."]),
        ("It cost 3.14 dollars. No. 5 won.", ["It cost 3.14 dollars.", "No. 5 won."]),
        ("“War is not good. Iran waits.” He left.", ["“War is not good.", "Iran waits.”", "He left."]),
        ("He said no. Then he left.", ["He said no.", "Then he left."]),
        ("Wait... what? Yes!", ["Wait... what?", "Yes!"]),
        ("你好。再见。", ["你好。", "再见。"]),
        ("One line\nwrapped at forty.\nAnother.", ["One line\nwrapped at forty.", "Another."]),
        ("Heading\n\nText here.", ["Heading", "Text here."]),
        ("- one\n- two. Three.", ["- one", "- two.", "Three."]),
        ("He was born in Oct. 1990. She too.", ["He was born in Oct. 1990.", "She too."]),
        ("He left in 1931.[7] He came.[1][12] End.", ["He left in 1931.[7]", "He came.[1][12]", "End."]),
        (
            "It rose in 1876.[N 4] He left.[citation needed] End.",
            ["It rose in 1876.[N 4]", "He left.[citation needed]", "End."],
        ),
        (
            "Zhu (r. 1368–1398) ruled. Op. 64 is his (d. 1400).",
            ["Zhu (r. 1368–1398) ruled.", "Op. 64 is his (d. 1400)."],
        ),
        ("", []),
    ],
)
def test_sentence_ends(text: str, expected: list[str]) -> None:
    assert parts(text) == expected


def test_repeated_paragraphs_keep_their_own_places() -> None:
    paragraph = "Six equal paragraphs stand here, each long enough to be a chunk by itself. " * 4
    text = "\n\n".join([paragraph.strip()] * 6)
    step = len(paragraph.strip()) + 2
    assert [chunk.start for chunk in split(document(text))] == [step * at for at in range(6)]


def test_headings_lead_to_the_chunk_below_them() -> None:
    text = "# A\n\n" + "First. " * 60 + "\n\n## B\n\n" + "Second. " * 60 + "\n\n# C\n\n" + "Third. " * 60
    chunks = split(document(text))
    assert [(chunk.headings, chunk.text[:4]) for chunk in chunks] == [
        (("A",), "# A\n"),
        (("A", "B"), "## B"),
        (("C",), "# C\n"),
    ]


def test_a_hash_line_in_code_is_no_heading() -> None:
    chunks = split(document("```\n# comment\n```\n\nText."))
    assert [chunk.headings for chunk in chunks] == [()]


def test_long_lines_are_paragraphs_and_a_short_paragraph_joins_the_next() -> None:
    line = "A sentence of some length that goes on for a while. " * 6
    assert len(split(document(f"{line.strip()}\n{line.strip()}\n"))) == 2
    assert len(split(document(f"Caption\n\n{line}"))) == 1


def test_ids_come_from_content_and_place() -> None:
    assert chunk_id("ab", 0, 5) == chunk_id("ab", 0, 5)
    assert len({chunk_id("ab", 0, 5), chunk_id("ab", 0, 6), chunk_id("ac", 0, 5)}) == 3
    one: list[Chunk] = split(document("Text."))
    assert one[0].id == split(document("Text."))[0].id


LISTS = """# The bridge

The commission found that none of these is true:

- The mayor took bribes. He hid it.
- The piers are of sand.

## Rules

It is **forbidden to do these:**

1. Feed the gulls.
2. Sing:
   - loud.

Plain text. More of it.
- a dash
"""


@pytest.mark.parametrize("end", ["\r\n", "\r"])
def test_line_ends_of_other_systems_make_the_same_sentences_and_chunks(end: str) -> None:
    text = LISTS + "A wrapped line of the\ncommission that goes on\nto a third.\n\n\nAnother paragraph.\n"
    other = text.replace("\n", end)
    assert [part.replace(end, "\n") for part in parts(other)] == parts(text)
    assert [chunk.text.replace(end, "\n") for chunk in split(document(other))] == [
        c.text for c in split(document(text))
    ]


def test_an_item_of_a_list_is_read_with_what_introduces_it() -> None:
    spans = sentences(LISTS)
    text = [LISTS[start:end] for start, end in spans]
    led = {text[at]: text[lead_in(LISTS, spans, at)] for at in range(len(spans))}
    truth, rules = "The commission found that none of these is true:", "It is **forbidden to do these:**"
    assert {said: first for said, first in led.items() if said != first} == {
        "- The mayor took bribes.": truth,
        "He hid it.": truth,
        "- The piers are of sand.": truth,
        "1. Feed the gulls.": rules,
        "2. Sing:": rules,
        "- loud.": rules,
    }


@pytest.mark.parametrize("mark", ["–", "◦", "(1)", "1)", "a)", "iv.", "▪", "*"])
def test_marks_of_items(mark: str) -> None:
    text = f"None of the following is true:\n\n{mark} The windmill was sold.\n{mark} The mill burnt."
    spans = sentences(text)
    assert len(spans) == 3
    assert [lead_in(text, spans, at) for at in range(3)] == [0, 0, 0]


def test_a_list_stays_with_what_introduces_it() -> None:
    text = "A" + " long introduction" * 20 + " says of these:\n\n- One thing.\n- Another thing.\n\nThen on."
    first, second = split(document(text))
    assert first.text.endswith("- Another thing.")
    assert second.text == "Then on."


@given(TEXTS)
@settings(max_examples=200, deadline=None)
def test_what_leads_in_comes_before(text: str) -> None:
    spans = sentences(text)
    assert all(0 <= lead_in(text, spans, at) <= at for at in range(len(spans)))


@pytest.mark.parametrize(("text", "names"), [("# A ##\n", "A"), ("# C #\n", "C"), ("# #\n", "#"), ("#\tA  \n", "A")])
def test_the_name_of_a_heading_has_no_closing_signs(text: str, names: str) -> None:
    assert split(document(text + "Text."))[0].headings == (names,)


@pytest.mark.parametrize("odd", ["." * 60_000 + "x", " " * 60_000 + "b", "A. " * 20_000, "Smith J. K., " * 6_000])
def test_odd_lines_are_split_in_linear_time(odd: str) -> None:
    """Seconds, where quadratic time took a minute and more; the time itself is not asserted."""
    text = f"# Contents {odd} end"
    assert uncovered(text, sentences(text)) == ""
