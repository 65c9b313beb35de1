"""The chat in a real browser, as a reader uses it."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import pytest
from selenium.webdriver import ActionChains, Chrome
from selenium.webdriver.common.by import By
from selenium.webdriver.common.keys import Keys
from selenium.webdriver.remote.webelement import WebElement

from index import Index
from index.types import Document
from rag import Assistant
from rag.types import Dropped, Event, Found
from tests.browser import (
    LAMPS,
    LONGEST,
    PAYLOADS,
    FakeAssistant,
    FakeShelf,
    chromium,
    make_document,
    requested,
    serving,
    wait_for,
)
from tests.conftest import SEED
from tests.fakes import OverlapEvidence
from ui.app import GONE, Answers
from ui.server import listen

# Gradio's summary of its queue uses two pandas options that the newest pandas has deprecated.
pytestmark = [
    pytest.mark.filterwarnings("ignore:'future.no_silent_downcasting' is deprecated"),
    pytest.mark.filterwarnings("ignore:The copy keyword is deprecated"),
]


class Reader:
    """A visitor with the page open."""

    def __init__(self, driver: Chrome, url: str) -> None:
        self.driver = driver
        driver.get(url)
        self.one("#article .shelf")

    def all(self, css: str) -> list[WebElement]:
        return self.driver.find_elements(By.CSS_SELECTOR, css)

    def one(self, css: str) -> WebElement:
        found: WebElement = wait_for(lambda: next(iter(self.all(css)), None))
        return found

    def ask(self, question: str) -> None:
        self.one("#box textarea").send_keys(question + Keys.ENTER)

    def typed(self) -> str:
        return str(self.one("#box textarea").get_attribute("value"))

    def answer(self, question: str) -> None:
        """Ask, and wait for the end of the answer."""
        self.ask(question)
        self.ended(question)

    def ended(self, question: str) -> None:
        wait_for(
            lambda: self.js(
                "const turn = document.querySelector('#current .turn');"
                "return turn?.querySelector('.question').textContent === arguments[0]"
                "&& turn.querySelector('.meta, .error') !== null",
                question,
            )
        )

    def marked(self) -> str:
        """The text of all marks of the article, character for character."""
        text = wait_for(
            lambda: self.js("return [...document.querySelectorAll('mark')].map(m => m.textContent).join('')")
        )
        return str(text)

    def js(self, script: str, *args: object) -> object:
        return self.driver.execute_script(script, *args)


@pytest.fixture(scope="module")
def driver() -> Iterator[Chrome]:
    with chromium() as started:
        yield started


@contextmanager
def reading(driver: Chrome, assistant: Answers, examples: Sequence[str] | None = None) -> Iterator[Reader]:
    with serving(assistant, examples) as url:
        yield Reader(driver, url)
        driver.get("about:blank")  # lets the server go before it is stopped


@contextmanager
def released(assistant: FakeAssistant) -> Iterator[None]:
    """Whatever a test does, no question is left waiting at the gate."""
    try:
        yield
    finally:
        assistant.gate.set()


def free_port() -> int:
    with listen("127.0.0.1", 0) as sock:
        return int(sock.getsockname()[1])


IN_VIEW = """const m = document.querySelector('mark').getBoundingClientRect();
const p = document.getElementById('reading').getBoundingClientRect();
return m.top >= p.top && m.bottom <= p.bottom"""


WATCH_ARTICLE = """window.seen = [];
new MutationObserver(() => window.seen.push(document.querySelector('#article h2')?.textContent))
  .observe(document.getElementById('article'), {childList: true, subtree: true})"""


def test_ask_and_click_a_number(driver: Chrome) -> None:
    with reading(driver, FakeAssistant()) as reader:
        reader.answer("What burned or went out in 1914?")
        assert reader.one("#current .answer").text.startswith("The last gas lamp went out in 1914.")
        reader.one("#current .number").click()
        assert reader.marked() == reader.one("#current .note").get_attribute("data-quote")
        assert reader.marked() == "The last gas lamp went out in 1914."
        assert wait_for(lambda: reader.js(IN_VIEW))
        assert reader.one("#article h2").text == LAMPS.title


def test_the_real_pipeline_on_a_real_article(driver: Chrome, seed_index: Index) -> None:
    assistant = Assistant(seed_index, None, OverlapEvidence())
    with reading(driver, assistant) as reader:
        assert len(reader.all(".example")) == 5
        reader.answer("When was the maximum pressure campaign against Iran first launched?")
        assert "May 2018" in reader.one("#current .answer").text
        for number in reader.all("#current .number"):
            number.click()
            quote = str(number.get_attribute("data-quote"))
            wait_for(lambda quote=quote: reader.marked() == quote)
            assert quote in SEED.read_text("utf-8")
        reader.answer("Who won the football match in Lisbon yesterday?")
        assert reader.one("#current .silent") and reader.all("#current .near")


def test_a_footnote_opens_by_keyboard_and_its_number_shows_it(driver: Chrome) -> None:
    with reading(driver, FakeAssistant()) as reader:
        reader.answer("Where is Bergen?")
        note = reader.one("#current .note")
        reader.js("arguments[0].focus()", note)
        note.send_keys(Keys.ENTER)
        assert reader.marked() == "Gas lamps came to Bergen in 1856."
        assert reader.one("#current .number").get_attribute("aria-current") == "true"


def test_an_example_starts_the_conversation_and_a_button_starts_anew(driver: Chrome) -> None:
    assistant = FakeAssistant()
    with reading(driver, assistant, ("Who bought the generator?",)) as reader:
        reader.one(".example").click()
        reader.ended("Who bought the generator?")
        reader.answer("And in 1914?")
        assert len(reader.all("#log .turn")) == 1 and not reader.all(".example")
        reader.one("[data-again]").click()
        reader.one(".example")
        assert not reader.all(".turn")
        reader.answer("Which lamps?")
        assert [len(history) for history in assistant.histories] == [0, 1, 0]


def test_sentences_appear_as_they_are_checked_and_open_at_once(driver: Chrome) -> None:
    assistant = FakeAssistant()
    with reading(driver, assistant) as reader, released(assistant):
        reader.ask("I wait: what happened in 1900?")
        reader.one("#current .number").click()
        assert reader.marked() == "In 1900 the town bought a generator."
        assert reader.one("#current .step") and not reader.all("#current .meta")
        assistant.gate.set()
        reader.ended("I wait: what happened in 1900?")
        assert not reader.all("#current .step")
        assert reader.one("#current .note").get_attribute("aria-current") == "true", "it is still the open one"
        reader.answer("And 1856?")
        assert reader.one("#log .note").get_attribute("aria-current") == "true"


def test_a_question_during_an_answer_waits_for_its_end(driver: Chrome) -> None:
    assistant = FakeAssistant()
    with reading(driver, assistant) as reader, released(assistant):
        reader.ask("I wait: what happened in 1900?")
        reader.one("#current .number")
        assert not reader.one("[data-again]").is_displayed()
        reader.ask("And 1856?")
        wait_for(lambda: reader.typed() == "")
        reader.ask("And 1914?")
        wait_for(lambda: [item.text for item in reader.all(".waiting li")] == ["And 1856?", "And 1914?"])
        reader.one("#box textarea").send_keys("Half a quest")
        assistant.gate.set()
        reader.ended("And 1914?")
        assert assistant.questions == ["I wait: what happened in 1900?", "And 1856?", "And 1914?"]
        assert [len(history) for history in assistant.histories] == [0, 1, 2]
        assert len(reader.all("#log .turn")) == 2 and reader.one("[data-again]").is_displayed()
        assert reader.typed() == "Half a quest" and not reader.all(".waiting li")


class Slow(FakeShelf):
    """Gives the articles of `late` only when the gate is set."""

    def __init__(self, documents: Sequence[Document], late: str) -> None:
        super().__init__(documents)
        self.late, self.gate = late, threading.Event()

    def document(self, doc_id: str) -> Document:
        if doc_id == self.late:
            assert self.gate.wait(20)
        return super().document(doc_id)


def test_the_last_of_two_quick_clicks_is_what_is_shown(driver: Chrome) -> None:
    with reading(driver, FakeAssistant()) as reader:
        reader.answer("Which lamps or Gas?")
        reader.answer("What about the town or gas?")
        for first, second in [(0, 1), (1, 0), (0, 1)]:
            notes = reader.all(".turn .note")
            reader.js("arguments[0].click(); arguments[1].click()", notes[first], notes[second])
            wait_for(lambda wanted=notes[second]: reader.marked() == wanted.get_attribute("data-quote"))


def test_a_reply_that_was_overtaken_does_not_cover_the_later_one(driver: Chrome) -> None:
    assistant = FakeAssistant([LAMPS, make_document("b", "Boats", "Boats came later.")])
    shelf = assistant.index = Slow([*assistant.index.by_id.values()], "b")
    with reading(driver, assistant) as reader:
        reader.answer("Where is Bergen?")
        try:
            reader.one("#article option[value=b]").click()
            reader.one("#current .note").click()
            assert reader.marked() == "Gas lamps came to Bergen in 1856."
            reader.js(WATCH_ARTICLE)
        finally:
            shelf.gate.set()
        wait_for(lambda: reader.js("return window.seen.includes('Boats')"))
        assert wait_for(lambda: reader.one("#article h2").text == LAMPS.title)
        assert reader.marked() == "Gas lamps came to Bergen in 1856."


def test_what_the_articles_do_not_say(driver: Chrome) -> None:
    assistant = FakeAssistant(dropped=[Dropped("It was Olav.", "no passage says so")])
    with reading(driver, assistant) as reader:
        reader.answer("Who was mayor?")
        assert reader.one("#current .silent").text == "The articles do not say."
        assert not reader.all("#current .answer") and not reader.all("#current .number")
        assert not reader.one("#current details li").is_displayed()
        reader.one("#current .near").click()
        assert reader.marked() == LAMPS.text and not reader.all("mark.cited")


def test_an_error_is_a_message_and_gives_the_question_back(driver: Chrome) -> None:
    question = "x" * (LONGEST + 1)
    with reading(driver, FakeAssistant()) as reader:
        reader.answer(question)
        assert "The question is too long <b>here</b>." in reader.one("#current .error").text
        wait_for(lambda: reader.typed() == question)
        reader.one("#box textarea").clear()
        reader.answer("And 1856?")
        assert len(reader.all("#current .number")) == 1 and reader.typed() == ""


def test_an_empty_question_is_not_asked_and_a_double_click_asks_once(driver: Chrome) -> None:
    assistant = FakeAssistant()
    with reading(driver, assistant, ("Who bought the generator?",)) as reader:
        reader.ask("  ")
        ActionChains(driver).double_click(reader.one(".example")).perform()
        reader.ended("Who bought the generator?")
        reader.answer("And 1856?")
        assert assistant.questions == ["Who bought the generator?", "And 1856?"]
        assert len(reader.all(".turn")) == 2


def test_what_was_typed_outlives_a_reload(driver: Chrome) -> None:
    assistant = FakeAssistant()
    with reading(driver, assistant) as reader, released(assistant):
        reader.ask("I wait: what happened in 1900?")
        reader.one("#current .number")
        reader.ask("And 1856?")
        reader.one("#box textarea").send_keys("And then")
        again = Reader(driver, driver.current_url)
        wait_for(lambda: again.typed() == "I wait: what happened in 1900?\nAnd 1856?\nAnd then")
        assistant.gate.set()


class Endless(FakeAssistant):
    """A model that writes on until it is no longer listened to."""

    def __init__(self) -> None:
        super().__init__()
        self.ended = threading.Event()

    def stream(self, question: str, history: Sequence[tuple[str, str]] = ()) -> Iterator[Event]:
        try:
            while not self.gate.wait(0.05):
                yield Found(())
        finally:
            self.ended.set()


def test_a_reload_during_an_answer_ends_it(driver: Chrome) -> None:
    assistant = Endless()
    with reading(driver, assistant) as reader, released(assistant):
        reader.ask("And 1856?")
        reader.one("#current .step")
        Reader(driver, driver.current_url)
        assert assistant.ended.wait(20) and not assistant.gate.is_set()


def test_a_question_asked_while_the_server_is_away_is_given_back(driver: Chrome) -> None:
    port = free_port()
    with serving(FakeAssistant(), port=port) as url:
        reader = Reader(driver, url)
        reader.answer("What of 1856?")
    reader.ask("And 1914?")
    with serving(FakeAssistant(), port=port):
        wait_for(lambda: not reader.all(".turn"))  # Gradio has loaded the page anew
        wait_for(lambda: reader.typed() == "And 1914?")
        driver.get("about:blank")


def test_a_follow_up_on_a_conversation_that_the_server_has_lost_is_refused(driver: Chrome) -> None:
    first, second, port = FakeAssistant(), FakeAssistant(), free_port()
    with serving(first, port=port) as url:
        reader = Reader(driver, url)
        reader.answer("What of 1856?")
    with serving(second, port=port):
        reader.answer("And 1914?")
        assert GONE in reader.one("#current .error").text
        wait_for(lambda: reader.typed() == "And 1914?")
        reader.one("#box textarea").clear()
        reader.answer("What of 1914?")
        assert second.questions == ["What of 1914?"] and reader.all("#current .number")
        driver.get("about:blank")


def test_a_seventh_open_page_answers(driver: Chrome) -> None:
    with reading(driver, FakeAssistant()) as first:
        mine, url = driver.current_window_handle, driver.current_url
        try:
            for _ in range(6):
                driver.switch_to.new_window("tab")
                Reader(driver, url).answer("What of 1856?")
            driver.switch_to.window(mine)
            first.answer("And 1914?")
        finally:
            for other in {*driver.window_handles} - {mine}:
                driver.switch_to.window(other)
                driver.close()
            driver.switch_to.window(mine)


def test_the_box_is_named_for_what_it_takes(driver: Chrome) -> None:
    with reading(driver, FakeAssistant()) as reader:
        wait_for(lambda: reader.one("#box textarea").accessible_name == "Your question")


def test_two_visitors_share_nothing_and_do_not_wait_for_each_other(driver: Chrome) -> None:
    assistant = FakeAssistant()
    with reading(driver, assistant) as first, released(assistant):
        first.ask("I wait: what of 1856?")
        first.one("#current .number")
        mine, url = driver.current_window_handle, driver.current_url
        driver.switch_to.new_window("tab")
        try:
            second = Reader(driver, url)
            assert not second.all(".turn")
            second.answer("And 1914?")
            assert "1856" not in second.one("#talk").text and assistant.histories == [[], []]
        finally:
            driver.close()
            driver.switch_to.window(mine)
        assistant.gate.set()
        first.ended("I wait: what of 1856?")
        first.answer("And 1900?")
        assert "1914" not in first.one("#talk").text
        assert assistant.histories[-1] == [("I wait: what of 1856?", "Gas lamps came to Bergen in 1856. [1]")]


def test_a_place_deep_in_a_long_article_is_exact_and_in_view(driver: Chrome) -> None:
    text = "🔥 Filler of no use, é and more.\r\n\r\n" * 12_000 + "Here stands the needle." + "\n\nAfter it." * 500
    with reading(driver, FakeAssistant([make_document("long", "Long", text), LAMPS])) as reader:
        reader.answer("Where is the needle?")
        reader.one("#current .number").click()
        assert reader.marked() == "Here stands the needle."
        assert wait_for(lambda: reader.js(IN_VIEW))
        assert reader.js("return document.querySelector('.text').textContent") == text


def test_the_list_opens_an_article(driver: Chrome) -> None:
    with reading(driver, FakeAssistant([LAMPS, make_document("b", "Boats", "Boats came later.")])) as reader:
        reader.one("#article option[value=b]").click()
        wait_for(lambda: [h.text for h in reader.all("#article h2")] == ["Boats"])
        assert reader.one("#article select").get_attribute("value") == "b" and not reader.all("mark")


def test_hostile_text_stays_text_and_nothing_leaves_loopback(driver: Chrome) -> None:
    hostile = "\n\n".join(f"{payload} [1]" for payload in PAYLOADS)
    documents = [make_document(PAYLOADS[5], " ".join(PAYLOADS), hostile, source=PAYLOADS[1]), LAMPS]
    assistant = FakeAssistant(documents, [Dropped(p, p) for p in PAYLOADS])
    requested(driver)
    with reading(driver, assistant, PAYLOADS) as reader:
        assert [b.text for b in reader.all(".example")] == [" ".join(p.split()) for p in PAYLOADS]
        for question in (
            "\"><img src=x onerror=document.title='owned'> [1]",
            "<script>document.title='owned'</script>",
        ):
            reader.answer(question)
            reader.all("#current .number, #current .near")[0].click()
            assert reader.marked() in hostile
        reader.one("#current summary").click()
        inserted = "#desk :is(script, img, iframe, style, link, base, form, b, math, object)"
        assert not reader.all(inserted) and not reader.all("#desk :is([onload], [onerror], [onfocus], [ontoggle])")
        assert driver.title == "Footnote"
        asked = requested(driver)
        assert asked and {url.split("/")[2].split(":")[0] for url in asked} == {"127.0.0.1"}


def test_a_phone_reads_the_article_on_a_sheet(driver: Chrome) -> None:
    size = {"width": 390, "height": 844, "deviceScaleFactor": 1, "mobile": False}
    wide = {**size, "width": 1280, "height": 800}
    driver.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", size)
    try:
        with reading(driver, FakeAssistant()) as reader:
            reader.answer("Where is Bergen?")
            assert not reader.one("#reading").is_displayed()
            number = reader.one("#current .number")
            number.click()
            assert reader.marked() and reader.one("mark").is_displayed()
            assert reader.js("return document.activeElement.textContent") == "Back"
            reader.one("#article [data-back]").click()
            assert not reader.one("#reading").is_displayed()
            assert reader.js("return document.activeElement") == number
            assert reader.js("return document.documentElement.scrollWidth") == 390
    finally:
        driver.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", wide)


EDGES = """return ['.head', '#box .input-container', '#current .turn'].map(css => {
  const r = document.querySelector(css).getBoundingClientRect(); return [Math.round(r.left), Math.round(r.right)];
})"""


@pytest.mark.parametrize("width", [390, 800, 1280])
def test_head_and_box_are_as_wide_as_the_text(driver: Chrome, width: int) -> None:
    size = {"width": width, "height": 800, "deviceScaleFactor": 1, "mobile": False}
    driver.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", size)
    try:
        with reading(driver, FakeAssistant()) as reader:
            reader.answer("Where is Bergen?")
            edges = reader.js(EDGES)
            assert isinstance(edges, list) and edges[0] == edges[1] == edges[2]
    finally:
        driver.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", {**size, "width": 1280})
