"""What the chat does, without a browser: the events of a question, and the server's door."""

from __future__ import annotations

import asyncio
import re
import signal
import subprocess
import sys
from collections.abc import Iterator, Sequence
from hashlib import sha256
from typing import Any

import gradio as gr
import httpx
import pytest

from index.types import FootnoteError
from rag.types import Event, ModelError, Sentence
from tests.browser import LAMPS, LONGEST, FakeAssistant, make_document, serving
from tests.conftest import SEED
from ui import app
from ui.render import Turn
from ui.server import listen


def asked(assistant: app.Answers, question: str, before: list[Turn]) -> tuple[list[Turn], list[Any]]:
    """The turns after a question, and every value of the output that grows."""
    steps = list(app._ask(assistant, question, before))
    return steps[-1][0], [step[2] for step in steps]


def test_a_follow_up_carries_the_conversation() -> None:
    assistant = FakeAssistant()
    turns, _ = asked(assistant, "When was it 1856?", [])
    turns, _ = asked(assistant, "And 1914?", turns)
    assert assistant.histories == [[], [("When was it 1856?", "Gas lamps came to Bergen in 1856. [1]")]]
    assert [turn.question for turn in turns] == ["When was it 1856?", "And 1914?"]


def test_events_carry_the_current_turn_only() -> None:
    turns, first = asked(FakeAssistant(), "1856?", [])
    for _ in range(5):
        turns, last = asked(FakeAssistant(), "1856?", turns)
    assert len(turns) == 6 and list(map(len, last)) == list(map(len, first))


def test_an_error_ends_the_turn_in_words_and_the_conversation_goes_on() -> None:
    turns, shown = asked(FakeAssistant(), "x" * (LONGEST + 1), [])
    assert turns[0].error and "The question is too long" in shown[-1]
    turns, _ = asked(FakeAssistant(), "1856?", turns)
    assert len(turns) == 2 and turns[1].answer


def test_an_empty_question_makes_no_turn() -> None:
    assert list(app._ask(FakeAssistant(), " \n", [])) == []


def test_a_follow_up_on_a_conversation_that_is_gone_is_refused_and_the_next_question_is_answered() -> None:
    assistant = FakeAssistant()
    (turns, log, shown), *more = app._ask(assistant, "And 1914?", [], 2)
    assert not more and not assistant.questions
    assert log == "" and app.GONE in shown and turns[0].error == app.GONE
    assert list(app._ask(assistant, "What of 1914?", turns, 1))[-1][0][1].answer


class Broken(FakeAssistant):
    def __init__(self, error: Exception) -> None:
        super().__init__()
        self.error = error

    def stream(self, question: str, history: Sequence[tuple[str, str]] = ()) -> Iterator[Event]:
        yield Sentence("Gas lamps came.", ())
        raise self.error


def test_what_was_said_before_an_error_is_not_taken_for_an_answer() -> None:
    turns, shown = asked(Broken(ModelError("The model is gone. Start it.")), "1856?", [])
    assert "Gas lamps came." in shown[1] and "Gas lamps" not in shown[-1]
    assert turns[0].answer is None and "The model is gone. Start it." in shown[-1]
    assert app._history(turns) == []


def test_a_fault_of_ours_is_shown_and_raised() -> None:
    steps = app._ask(Broken(ZeroDivisionError("secret detail")), "1856?", [])
    next(steps), next(steps)
    turns, _, shown = next(steps)
    assert len(turns) == 1, "the page shows it, so it is a turn"
    assert "Footnote failed (ZeroDivisionError)" in shown and "secret detail" not in shown
    with pytest.raises(ZeroDivisionError):
        next(steps)


def test_a_place_in_a_removed_article_is_a_notice() -> None:
    shown = app._open(FakeAssistant().index, {"doc": "gone", "start": "0", "end": "1", "quote": "x"})
    assert "No document gone" in shown and "<mark" not in shown


@pytest.mark.parametrize(
    "made_up",
    [
        {"quote": "x"},
        {"start": "abc", "end": "1", "quote": "x"},
        {"start": None, "end": [], "quote": 5},
    ],
)
def test_a_click_that_the_page_never_sends_is_refused(made_up: dict[str, Any]) -> None:
    shown = app._open(FakeAssistant().index, {"doc": "lamps", **made_up})
    assert app.UNCLEAR in shown and "<mark" not in shown


def test_one_article_lies_open_and_several_are_listed() -> None:
    other = make_document("other", "Another", "Text.")
    assert "generator" in app._open(FakeAssistant().index, {})
    listed = app._open(FakeAssistant([LAMPS, other]).index, {})
    assert "Another" in listed and "generator" not in listed


async def page() -> gr.Blocks:
    return app.build(FakeAssistant())


def test_conversations_that_are_kept_are_bounded() -> None:
    assert asyncio.run(page()).state_session_capacity == app.KEPT


def test_no_endpoint_is_public() -> None:
    functions = asyncio.run(page()).fns.values()
    assert functions and {fn.api_visibility for fn in functions} == {"private"}


def test_examples_are_offered_for_the_article_that_comes_with_the_project() -> None:
    digest = sha256(SEED.read_bytes()).hexdigest()
    assert len(app.EXAMPLES[digest]) == 5
    assert app.suggestions(FakeAssistant().index) == []


def test_a_port_in_use_is_named() -> None:
    with listen("127.0.0.1", 0) as taken:
        taken.listen()
        port = taken.getsockname()[1]
        with pytest.raises(FootnoteError, match=rf"Port {port} of 127.0.0.1 is in use.*--port"):
            app.launch(FakeAssistant(), port=port)


@pytest.mark.parametrize(("host", "port"), [("192.0.2.1", 7860), ("127.0.0.1", 99_999)])
def test_an_address_that_cannot_be_had_is_named(host: str, port: int) -> None:
    with pytest.raises(FootnoteError, match=rf"{host}, port {port}.*--host and --port"):
        app.launch(FakeAssistant(), host=host, port=port)


def test_the_page_may_load_from_its_own_address_only() -> None:
    with serving(FakeAssistant()) as url:
        page = httpx.get(url)
    assert page.status_code == 200 and "Footnote" in page.text
    assert "default-src 'self'" in page.headers["content-security-policy"]
    assert page.headers["referrer-policy"] == "no-referrer"


def test_a_foreign_name_for_this_machine_is_refused() -> None:
    with serving(FakeAssistant()) as url:
        for host, status in [
            ("articles.example", 421),
            ("127.0.0.1.example:7860", 421),
            ("[::2]", 421),
            ("[::1", 421),
            ("localhost:7860", 200),
            ("[::1]:7860", 200),
        ]:
            assert httpx.get(url, headers={"host": host}).status_code == status, host


def test_other_web_sites_are_refused_and_nobody_uploads() -> None:
    with serving(FakeAssistant()) as url:
        for origin in ("http://evil.example", "null", "https://127.0.0.1.example"):
            assert httpx.post(f"{url}/gradio_api/queue/join", json={}, headers={"origin": origin}).status_code == 421
        assert httpx.post(f"{url}/gradio_api/queue/join", json={}, headers={"origin": url}).status_code != 421
        for headers in ({}, {"origin": url}):
            sent = httpx.post(f"{url}/gradio_api/upload", files={"files": b"x"}, headers=headers)
            assert sent.status_code == 421


def test_it_says_when_it_is_ready_and_stops_in_silence_though_a_page_is_open() -> None:
    code = "from tests.browser import FakeAssistant as F; from ui.app import launch; launch(F(), port=0)"
    with subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        assert process.stdout
        ready = re.match(r"Footnote is open at (http://127.0.0.1:\d+) ", process.stdout.readline().decode())
        assert ready and httpx.get(ready[1]).status_code == 200
        with httpx.Client() as kept_open:
            assert kept_open.get(f"{ready[1]}/gradio_api/heartbeat/page").status_code == 204, "no stream for each page"
            process.send_signal(signal.SIGINT)
            _, errors = process.communicate(timeout=15)
    assert (process.returncode, errors.decode()) == (0, "")
