"""What the page shows, without a page: records in, HTML out, read back with an HTML parser."""

from __future__ import annotations

from dataclasses import replace
from html.parser import HTMLParser

import pytest
from hypothesis import given
from hypothesis import strategies as st

from index.types import Chunk, DocumentInfo
from rag.types import Answer, Citation, Dropped, Found, Passage, Sentence
from tests.browser import LAMPS, PAYLOADS, make_document
from ui import render
from ui.render import Place, Turn


class Page(HTMLParser):
    """Elements with their attributes and all text, and the text inside `mark`, in order."""

    def __init__(self, html: str) -> None:
        super().__init__(convert_charrefs=True)
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.text, self.marks, self.depth = "", "", 0
        self.feed(html)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))
        self.depth += tag == "mark"

    def handle_endtag(self, tag: str) -> None:
        self.depth -= tag == "mark"

    def handle_data(self, data: str) -> None:
        self.text += data
        self.marks += data if self.depth else ""

    def all(self, tag: str, css: str = "") -> list[dict[str, str | None]]:
        return [a for t, a in self.elements if t == tag and css in [*(a.get("class") or "").split(), ""]]


QUOTE = "The last gas lamp went out in 1914."
START = LAMPS.text.index(QUOTE)
CITED = Citation(1, "lamps", LAMPS.title, LAMPS.source, START, START + len(QUOTE), QUOTE, 0, 28)
PASSAGE = Passage(Chunk("c", "lamps", 0, len(LAMPS.text), LAMPS.text), LAMPS.title, LAMPS.source, 0.5, 1)
ANSWER = Answer(
    "When?", "answered", "The last went out in 1914 [1]", "1914", 0.874, (CITED,), (PASSAGE,), (), {}, {"total": 1.26}
)
SHELF = [DocumentInfo("lamps", LAMPS.title, LAMPS.source, LAMPS.sha256, 1)]


def shown(turn: Turn) -> Page:
    return Page(render.turn(turn))


def test_an_answer_has_its_numbers_and_footnotes_as_buttons() -> None:
    page = shown(Turn("When?", answer=replace(ANSWER, citations=(replace(CITED, answer_end=len(ANSWER.text)),))))
    number, note = page.all("button", "number")[0], page.all("button", "note")[0]
    for button in (number, note):
        assert (button["data-doc"], button["data-start"], button["data-quote"]) == ("lamps", str(START), QUOTE)
    assert number["aria-label"] == "Footnote 1: show its place in The lamps of Bergen"
    assert "The last went out in 1914" in page.text and "[1]" not in page.text
    assert "confidence 87% · 1.3 s" in page.text


def test_two_sentences_keep_their_own_markers() -> None:
    text = "One [1] Two [1][2]"
    first, second = replace(CITED, answer_end=7), replace(CITED, answer_start=8, answer_end=len(text))
    other = replace(second, marker=2, start=0, end=3, quote=LAMPS.text[:3])
    page = shown(Turn("?", answer=replace(ANSWER, text=text, citations=(first, second, other))))
    labels = [str(b["aria-label"])[:10] for b in page.all("button", "number")]
    assert labels == ["Footnote 1", "Footnote 1", "Footnote 2"]
    assert len(page.all("button", "note")) == 2, "a footnote used twice is listed once"


@pytest.mark.parametrize(
    ("text", "buttons", "left"),
    [
        ("It says 3 [3]. [1]", 1, "It says 3 [3]."),
        ("So it was.[3] [1]", 1, "So it was.[3]"),
        ("The first is argv[1] [1]", 1, "The first is argv[1]"),
        ("No markers", 0, "No markers"),
        ("Only text [9]", 0, "Only text [9]"),
    ],
)
def test_only_closing_markers_of_its_own_citations_are_buttons(text: str, buttons: int, left: str) -> None:
    page = Page(render.sentence(text, [CITED]))
    assert len(page.all("button")) == buttons
    assert page.text.removesuffix("1" if buttons else "") == left


def test_lines_of_code_and_of_lists_stay_lines() -> None:
    page = Page(render.sentence("Then:\n1. Go <on>\n   - or not [1]", [CITED]))
    assert len(page.all("br")) == 2 and len(page.all("button")) == 1
    assert page.text == "Then:1. Go <on>\u00a0\u00a0\u00a0- or not1"
    assert len(Page(render.sentence(" \n[a]\nb = 1 [1]", [CITED])).all("br")) == 2, "it begins a line of its own"
    assert not Page(render.sentence(" One line [1]", [CITED])).all("br")


def test_an_answer_that_was_not_found_is_no_answer() -> None:
    page = shown(Turn("Who?", answer=replace(ANSWER, outcome="not_found", text="Anything", citations=())))
    assert "The articles do not say." in page.text and "Anything" not in page.text
    assert not page.all("p", "answer") and not page.all("button", "number") and "confidence" not in page.text
    assert page.all("button", "near")[0]["data-cited"] == "0"


def test_what_was_left_out_is_folded_and_counted() -> None:
    dropped = (Dropped("It was red.", "no passage says so"), Dropped("It was blue.", "a number differs"))
    page = shown(Turn("?", answer=replace(ANSWER, dropped=dropped)))
    assert page.all("details") == [{"class": "dropped"}]
    assert "2 sentences left out: unsupported" in page.text and "a number differs" in page.text


def test_a_turn_grows_with_the_stream() -> None:
    turn = Turn("When?")
    assert "Looking in the articles" in shown(turn).text
    turn = turn.after(Found((PASSAGE,)))
    assert "Reading and checking" in shown(turn).text
    turn = turn.after(Sentence(ANSWER.text, (CITED,)))
    assert len(shown(turn).all("button", "number")) == 1
    turn = turn.after(Dropped("x", "y")).after(ANSWER)
    assert turn.answer == ANSWER and not shown(turn).all("p", "step")


def test_a_question_of_a_hundred_thousand_characters_is_shown_in_part() -> None:
    assert len(shown(Turn("x" * 100_000)).text) < 2 * render.SHOWN_QUESTION


def test_an_error_is_one_plain_line() -> None:
    page = shown(Turn("When?", error="The index <x> is broken. Run `footnote doctor`."))
    assert page.all("p", "error") and "The index <x> is broken." in page.text


@given(st.text(alphabet=st.sampled_from("ab 🔥é\n\r\t<&\"'"), max_size=60), st.data())
def test_the_article_is_whole_and_the_mark_exact(text: str, data: st.DataObject) -> None:
    start = data.draw(st.integers(0, len(text)))
    end = data.draw(st.integers(start, len(text)))
    page = Page(render.article([], make_document("d", "T", text), Place(start, end, text[start:end])))
    assert page.marks == text[start:end]
    assert text in page.text


@pytest.mark.parametrize(("text", "breaks"), [("a\rb\rc", 2), ("a\r\nb\r\n", 0), ("a\r", 1), ("a\r\r\nb", 1)])
def test_a_lone_carriage_return_ends_a_line_wherever_the_mark_is_cut(text: str, breaks: int) -> None:
    for at in range(len(text)):
        page = Page(render.article([], make_document("d", "T", text), Place(at, at + 1, text[at])))
        assert len(page.all("br")) == breaks and page.marks == text[at] and text in page.text


def test_a_footnote_number_stays_with_the_last_word_of_its_sentence() -> None:
    assert render.sentence("It went out. [1]", [CITED]).startswith('It went <span class="last">out.<sup>')
    address = "https://a.example/" + "x" * 40
    assert not Page(render.sentence(f"See {address} [1]", [CITED])).all("span", "last"), "a long one can break"


def test_an_article_can_be_reached_and_scrolled_by_keyboard() -> None:
    assert Page(render.article(SHELF, LAMPS)).all("article")[0]["tabindex"] == "0"


def test_a_place_whose_words_have_changed_is_not_marked() -> None:
    page = Page(render.article(SHELF, LAMPS, Place(START, START + len(QUOTE), "Other words")))
    assert not page.all("mark") and "has changed since the answer was given" in page.text


def test_only_web_addresses_are_links_and_of_a_path_the_name_is_shown() -> None:
    for source, link, text in [
        ("https://a.example/x", ["https://a.example/x"], "https://a.example/x"),
        ("javascript:alert(1)", [], "javascript:alert(1)"),
        ("/home/reader/lamps.txt", [], "lamps.txt"),
        (r"C:\reader\lamps.txt", [], "lamps.txt"),
    ]:
        page = Page(render.article(SHELF, replace(LAMPS, source=source)))
        assert [a["href"] for a in page.all("a")] == link
        assert text in page.text and "reader" not in page.text


def test_an_empty_shelf_names_the_next_step() -> None:
    assert "footnote add PATH" in Page(render.article([])).text


def everything(text: str) -> str:
    """Every function of the page with `text` wherever a text can stand."""
    document = replace(make_document(text, text, text, source=text), published=text, author=text)
    passage = Passage(Chunk("c", text, 0, len(text), text), text, text, 0.5, 1)
    cited = Citation(1, text, text, text, 0, len(text), text, 0, len(text) + 4)
    said = Sentence(f"{text} [1]", (cited,))
    answer = Answer(text, "answered", said.text, text, 0.5, (cited,), (passage,), (Dropped(text, text),), {}, {})
    turns = [
        Turn(text, error=text),
        Turn(text, sentences=(said,)),
        Turn(text, answer=answer),
        Turn(text, answer=replace(answer, outcome="not_found", citations=())),
    ]
    shelf = [DocumentInfo(text, text, text, text, 1)]
    return (
        render.head()
        + render.welcome([text])
        + render.log(turns)
        + render.article(shelf, document, Place(0, len(text), text), notice=text)
    )


def skeleton(html: str) -> list[tuple[str, list[str]]]:
    return [(tag, sorted(attributes)) for tag, attributes in Page(html).elements]


@pytest.mark.parametrize("payload", PAYLOADS)
def test_hostile_text_makes_no_element_and_no_attribute(payload: str) -> None:
    assert skeleton(everything(payload)) == skeleton(everything("harmless"))
