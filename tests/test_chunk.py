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
        *("# Head\n", "- item\n", "```\n", "x" * 700, "Title\n===\n", "---\n", "title: x\n", "~~~~\n", "    # no\n"),
        *("| a | b |\n", "|---|---|\n", "| c. D | " + "d" * 90 + " |\n", "<!-- ", " -->", "[pause] ", "?\u00a0» "),
        *("p. 12 ", "14. ", "20. Mai ", "v. Wade ", "– ", "2) b\n", "z. B. ", "क्या। ", "لا؟ ", "α-tin "),
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
@example("Ti\u2028tle\n===\nText.")
@example("---\n# a\ntitle: x\n---\n# B\n<!-- c\n\nd --> e")
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
        ("Er lag vom 2. bis zum 20.\nMai hier. Gut.", ["Er lag vom 2. bis zum 20.\nMai hier.", "Gut."]),
        ("Am 29. April ging er. Im 19. Jahrhundert.", ["Am 29. April ging er.", "Im 19. Jahrhundert."]),
        ("Er kam am 29. Dann ging er. Es waren 20. Maier kam.", ["Er kam am 29.", "Dann ging er.", "Es waren 20.",
                                                                "Maier kam."]),
        ("Die Fa. Blohm nahm 3 Mio. Mark. Nr. 5.", ["Die Fa. Blohm nahm 3 Mio. Mark.", "Nr. 5."]),
        ("Es kostet 2 Mrd. Der Staat zahlt.", ["Es kostet 2 Mrd.", "Der Staat zahlt."]),
        ("Vgl. Abb. 3, Hauptstr. 7, z. B. Bonn. Ja.", ["Vgl. Abb. 3, Hauptstr. 7, z. B. Bonn.", "Ja."]),
        ("Except p, v and z. Besides, no.", ["Except p, v and z.", "Besides, no."]),
        ("Mme. Curie, Mlle. Li et Sra. Paz. Oui.", ["Mme. Curie, Mlle. Li et Sra. Paz.", "Oui."]),
        ("Pvt. Ryan, Lt.-Col. Li: Roe v. Wade. So.", ["Pvt. Ryan, Lt.-Col. Li: Roe v. Wade.", "So."]),
        ("« Je paie d'avance. » J'ai refusé.", ["« Je paie d'avance. »", "J'ai refusé."]),
        ("« Quoi\u202f?\u00a0» Elle rit. « Non. » dit-il.", ["« Quoi\u202f?\u00a0»", "Elle rit.", "« Non. » dit-il."]),
        ("„Er kam.“ Dann ging er. »Wer?« fragte er.", ["„Er kam.“", "Dann ging er.", "»Wer?« fragte er."]),
        ("Er kam. »Wer da?« Niemand.", ["Er kam.", "»Wer da?«", "Niemand."]),
        ("В 1990 г. он уехал. Он писал.", ["В 1990 г. он уехал.", "Он писал."]),
        ("Το 30 π.Χ. έφυγε. Αυτό.", ["Το 30 π.Χ. έφυγε.", "Αυτό."]),
        ("V r. 1990 př. člověk. Łódź leży. łódka", ["V r. 1990 př. člověk.", "Łódź leży. łódka"]),
        ("ის წავიდა. ის მოვიდა.", ["ის წავიდა.", "ის მოვიდა."]),
        ("Grey tin is brittle. α-tin has a structure.", ["Grey tin is brittle.", "α-tin has a structure."]),
        ("ماذا حدث؟ لا شيء.", ["ماذا حدث؟", "لا شيء."]),
        ("وہ گیا۔ وہ آیا۔", ["وہ گیا۔", "وہ آیا۔"]),
        ("वह गया। वह आया।", ["वह गया।", "वह आया।"]),
        ("It cost £1.4 million. [pause] I wrote.", ["It cost £1.4 million.", "[pause] I wrote."]),
        ("He left. [sic] and so on. [T]he end.", ["He left. [sic] and so on.", "[T]he end."]),
    ],
)  # fmt: skip
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


WRAPPED = (
    "The report was published on\np. 12 of the Gazette, in about\nc. 1840, before Roe\nv. Wade, on May\n"
    "14, with much ado\n– as they say – and\n(3) copies of it."
)


def test_a_wrapped_line_that_begins_like_an_item_is_none() -> None:
    assert parts(WRAPPED) == [WRAPPED]
    assert parts("He came on May\n14. She left.") == ["He came on May\n14.", "She left."]
    item = "- It was printed on\np. 12 of the Gazette."
    assert parts(item) == [item]


@pytest.mark.parametrize(
    "items",
    [
        ["Two things:", "a) one", "b) two"],
        ["Two things.", "(3) one", "(4) two"],
        ["Two things", "(a) one", "(b) two"],
        ["Two things", "- one", "• two", "* three"],
        ["1. one that is\nwrapped", "2. two", "a) inner", "b) inner", "3. three"],
        ["i. one", "ii. two", "iii. three", "iv. four", "v. five"],
        ["– one that is\nwrapped", "– two"],
    ],
)
def test_lines_of_a_list_within_a_paragraph_are_items(items: list[str]) -> None:
    assert parts("\n".join(items)) == items


def test_a_numbered_line_that_is_a_title_is_a_sentence_of_its_own_and_stays_with_its_text() -> None:
    said = "Cllr Moody declared an interest in item 4, the sale of the mill, and left\nthe room for it."
    minutes = f"1. Declarations of interest\n{said}\n2. Apologies\nCllr Li sent hers, since she was ill."
    titles = ["1. Declarations of interest", said, "2. Apologies", "Cllr Li sent hers, since she was ill."]
    assert parts(minutes) == titles
    long = [chunk.text for chunk in split(document(minutes.replace("for it.", "for it. " + "So it was. " * 30)))]
    assert [text.split("\n")[0] for text in long] == titles[::2]
    wrapped = "1. The commission met in the old town hall of\nLondon on Monday."
    assert parts(wrapped) == [wrapped]


TABLE = "| Model | Fee. Net | Users |\n| --- | ---: | :---: |\n| Kestrel | 2 EUR. Really. | 25 |\n|Osprey|9 EUR|90|"


def test_a_row_of_a_table_is_a_sentence_that_is_read_with_the_header() -> None:
    text = f"Prices rose.\n\n{TABLE}\nAll in euros. Net."
    header, first, second = TABLE[: TABLE.index("\n| K")], *TABLE.split("\n")[2:]
    assert parts(text) == ["Prices rose.", header, first, second, "All in euros.", "Net."]
    assert [lead_in(text, sentences(text), at) for at in range(6)] == [0, 1, 1, 1, 4, 5]


def test_what_introduces_a_table_leads_in_its_rows_too() -> None:
    text = f"None of these is sold:\n\n{TABLE}"
    assert [lead_in(text, sentences(text), at) for at in range(4)] == [0, 0, 0, 0]


def test_a_table_stays_whole_where_it_fits_and_is_cut_at_rows_where_not() -> None:
    rows = [f"| Part {number} | {'x. Y ' * 5}| 7 |" for number in range(20)]
    before = "A paragraph stands here, long enough to be a passage of its own. " * 4
    for intro in ("", "The parts:\n\n"):
        table = "\n".join(["| Part | Name | Number |", "|---|---|---|", *rows])
        assert len(table) < MAX_CHARS
        chunks = [chunk.text for chunk in split(document(f"{before}\n\n{intro}{table}\n\n{before}"))]
        assert chunks == [before.strip(), intro + table, before.strip()]
    chunks = [chunk.text for chunk in split(document("\n".join([table, *rows, *rows])))]
    assert len(chunks) == 3
    assert all(text.startswith("| Part") and text.endswith("| 7 |") for text in chunks)


def test_a_comment_is_a_sentence_of_its_own() -> None:
    old = "<!-- The old limit was 10. It was low.\n\n# So it was.\n-->"
    text = f"Limits.\n{old} The limit is 25. Yes. <!-- Or. Not. --> It is <!-- still --> so."
    assert parts(text) == ["Limits.", old, "The limit is 25.", "Yes.", "<!-- Or. Not. -->", "It is <!-- still --> so."]
    assert parts("a <!-- b. C.") == ["a <!-- b.", "C."]
    assert parts("<!-- b. C.") == ["<!-- b.", "C."]


@pytest.mark.parametrize(
    "code",
    [
        "```kestrel doctor```",
        "````\n```\n# no\n````",
        "```\n~~~\n# no\n```",
        "~~~ `a`\n# no\n```\n# no\n~~~~",
        "```sh\n# no\n``` sh\n\n# no\n```",
        "    # no",
        "\t# no",
        "    no\n---",
        "- item\n---",
        "It is said.\n---",
        "Li\n-- \n",
    ],
)
def test_headings_behind_code_are_found_and_none_within(code: str) -> None:
    text = f"{code}\n\n   ## A\n\nText."
    assert {chunk.headings for chunk in split(document(text))} <= {(), ("A",)}
    assert split(document(text))[-1].headings == ("A",)


def test_headings_that_are_underlined() -> None:
    text = "Title\n=====\nText.\n\nWhat is it?\n---\n\nMore.\n\nSo it is.\n===\n\nEnd."
    assert parts(text)[:2] == ["Title\n=====", "Text."]
    headings = [chunk.headings for chunk in split(document(text.replace("\n", "\r\n")))]
    assert headings == [("Title",), ("Title", "What is it?"), ("So it is.",)]


def test_front_matter_holds_no_heading_and_ends_a_paragraph() -> None:
    text = "---\n# a note\ntitle: x\n---\nText. More."
    assert parts(text) == ["---\n# a note\ntitle: x\n---", "Text.", "More."]
    assert [chunk.headings for chunk in split(document(text))] == [()]
    assert split(document("---\n\n# A\n\nText.\n\n---\n"))[-1].headings == ("A",)


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


@pytest.mark.parametrize(
    "odd",
    [
        "." * 60_000 + "x",
        " " * 60_000 + "b",
        "A. " * 20_000,
        "Smith J. K., " * 6_000,
        "<!-- " * 20_000,
        "`" * 60_000 + " `",
        "|" + "-" * 60_000,
        'A." »' * 9_000,
    ],
)
def test_odd_lines_are_split_in_linear_time(odd: str) -> None:
    """Seconds, where quadratic time took a minute and more; the time itself is not asserted."""
    text = f"# Contents {odd} end"
    assert uncovered(text, sentences(text)) == ""
