"""The chat: a Gradio page over an assistant.

Decides what happens when. What things look like is render.py, static/chat.css and static/chat.js; the server is
server.py. The only file that imports Gradio. Importing it takes about three seconds, so import it where it is used.
"""

from __future__ import annotations

import asyncio
import os
import socket
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Protocol

# Gradio reads these when it is imported or mounted. The first stops usage reports and the look for a newer
# version, the second the record of every call that it would keep in the browser.
os.environ["GRADIO_ANALYTICS_ENABLED"] = "False"
os.environ["GRADIO_RUN_HISTORY"] = "False"

import gradio as gr
from fastapi import FastAPI

from index.types import Document, DocumentInfo, FootnoteError
from rag.types import Event
from ui import render
from ui.render import Place, Turn
from ui.server import LOOPBACK, Guard, Server, address, listen

STATIC = Path(__file__).parent / "static"

# Visitors that are answered at the same time; a further one waits. Two cores gain nothing from more.
AT_ONCE = 4

# Conversations that are kept; a further visitor ends the one that rested longest, and its page is told so. Gradio
# keeps a visitor's last article too, which may be megabytes.
KEPT = 200

GONE = "Footnote was started anew and this conversation is gone: ask the whole question."
UNCLEAR = "This click does not name a place in an article. Reload the page and click again."

# Questions to start from, by the sha256 of the file they are about: the article that comes with the project.
EXAMPLES = {
    "19b33967ef230432ec81510386ecc30c98e38fd3cb61c1b0470f905d0ba512b1": (
        "Who handed Trump’s letter to the Iranian foreign minister?",
        "When was the maximum pressure campaign first launched?",
        "What must the US do before Iran enters direct negotiations?",
        "How did Khamenei say Iran would respond to a war?",
        "When will the next talks take place?",
    ),
}

# Fonts of the reader's own system: Gradio's themes otherwise load theirs.
FONTS = ["Iowan Old Style", "Charter", "Palatino Linotype", "Georgia", "serif"]


class Shelf(Protocol):
    """What the page needs of an index."""

    def documents(self) -> list[DocumentInfo]: ...
    def document(self, doc_id: str) -> Document: ...


class Answers(Protocol):
    """What the page needs of an assistant; `rag.Assistant` is one."""

    @property
    def index(self) -> Shelf: ...
    def stream(self, question: str, history: Sequence[tuple[str, str]] = ()) -> Iterator[Event]: ...


@dataclass(frozen=True)
class _Parts:
    """What the page consists of. `turns` is each visitor's own; nothing else outlives an event."""

    turns: gr.State
    head: gr.HTML
    log: gr.HTML
    current: gr.HTML
    box: gr.Textbox
    article: gr.HTML


def build(assistant: Answers, examples: Sequence[str] = ()) -> gr.Blocks:
    """The page. `examples` are questions offered before the first one is asked."""
    with gr.Blocks(title="Footnote", analytics_enabled=False, fill_width=True) as page:
        page.state_session_capacity = KEPT
        _wire(assistant, examples, page, _layout(examples))
    return page


def _layout(examples: Sequence[str]) -> _Parts:
    script = (STATIC / "chat.js").read_text(encoding="utf-8")

    def part(name: str, value: str = "") -> gr.HTML:
        return gr.HTML(value, js_on_load=script, apply_default_css=False, elem_id=name)

    turns = gr.State([])
    with gr.Row(elem_id="desk"):
        with gr.Column(elem_id="talk"):
            head = part("head", render.head())
            with gr.Column(elem_id="pages"):
                log, current = part("log", render.welcome(examples)), part("current")
            part("waiting", render.waiting())
            box = gr.Textbox(
                placeholder="Ask your articles", label="Your question", show_label=False, container=False,
                lines=1, max_lines=5, submit_btn="Ask", autofocus=True, elem_id="box",
            )  # fmt: skip
        with gr.Column(elem_id="reading"):
            article = part("article")
    return _Parts(turns, head, log, current, box, article)


def _wire(assistant: Answers, examples: Sequence[str], page: gr.Blocks, parts: _Parts) -> None:
    """What each event of the page does. All of it is the page's own: no endpoint is public."""

    def ask(before: list[Turn], event: gr.EventData) -> Iterator[Any]:
        told = _told(event)
        yield from _ask(assistant, str(told.get("question", "")), before, told.get("shown"))

    def open_place(event: gr.EventData) -> str:
        return _open(assistant.index, _told(event))

    def begin() -> tuple[list[Turn], str, str]:
        return [], render.welcome(examples), ""

    growing = [parts.turns, parts.log, parts.current]
    # multiple: Gradio otherwise drops what is clicked before the answer to the last click is there.
    own: dict[str, Any] = {"show_progress": "hidden", "api_visibility": "private", "trigger_mode": "multiple"}
    at_once = own | {"queue": False}
    # The page empties the box at once and asks one question after the other: chat.js.
    parts.box.submit(None, parts.box, parts.box, js="(question) => document.body.take(question)")
    asked = parts.current.select(ask, parts.turns, growing, concurrency_limit=AT_ONCE, **own)
    for ended in (asked.then, asked.failure):
        ended(None, None, None, js="() => document.body.ended()")
    parts.head.clear(begin, None, growing, **at_once)
    for part in (parts.log, parts.current, parts.article):
        part.click(open_place, None, parts.article, **at_once)
    page.load(lambda: _open(assistant.index, {}), None, parts.article, **at_once)
    page.load(None, None, parts.box, js="() => document.body.begin()")


def _told(event: gr.EventData) -> dict[str, Any]:
    """What the page says with an event; nothing where somebody else made it up."""
    return event._data if isinstance(event._data, dict) else {}


def _ask(assistant: Answers, question: str, before: list[Turn], shown: object = 0) -> Iterator[tuple[Any, Any, str]]:
    """Values of (turns, log, current) as an answer grows; `shown` is the number of turns that the page shows.

    The finished turns are sent once; each further event carries the current turn alone. Where the page shows more
    turns than there are, the server has lost them, and a follow-up would be answered about something else.
    """
    same, turn = gr.skip(), Turn(question)
    if not question.strip():
        return
    if isinstance(shown, int) and shown > len(before):
        turn = replace(turn, error=GONE)
        yield [turn], "", render.turn(turn)
        return
    yield same, render.log(before), render.turn(turn)
    try:
        for event in assistant.stream(question, _history(before)):
            turn = turn.after(event)
            yield same, same, render.turn(turn)
    except FootnoteError as exc:
        turn = replace(turn, error=str(exc))
    except Exception as exc:  # a fault of ours must end the turn where the reader sees it, not hang it
        text = f"Footnote failed ({type(exc).__name__}). The terminal it runs in shows the details."
        turn = replace(turn, error=text)
        yield [*before, turn], same, render.turn(turn)
        raise
    yield [*before, turn], same, render.turn(turn)


def _history(turns: Sequence[Turn]) -> list[tuple[str, str]]:
    return [(turn.question, turn.answer.text) for turn in turns if turn.answer]


def _open(index: Shelf, place: dict[str, Any]) -> str:
    """The article of a click, `{doc}` or `{doc, start, end, quote, cited}`; for `{}` what lies open at first.

    That is the only article, or the list where there are several.
    """
    documents: list[DocumentInfo] = []
    asked = " ".join(str(place.get(key, "")) for key in ("doc", "start", "end"))
    try:
        documents = index.documents()
        doc_id = place.get("doc") or (documents[0].doc_id if len(documents) == 1 else "")
        document = index.document(str(doc_id)) if doc_id else None
        return render.article(documents, document, _place(place), asked=asked)
    except FootnoteError as exc:
        return render.article(documents, notice=str(exc), asked=asked)


def _place(place: dict[str, Any]) -> Place | None:
    """The span of a click, None for the whole article. Raises FootnoteError for what the page never sends."""
    if "quote" not in place:
        return None
    try:
        return Place(int(place["start"]), int(place["end"]), str(place["quote"]), place.get("cited") != "0")
    except (KeyError, TypeError, ValueError) as exc:
        raise FootnoteError(UNCLEAR) from exc


def suggestions(index: Shelf) -> list[str]:
    """The questions of `EXAMPLES` that are about articles of this index."""
    return [question for known in index.documents() for question in EXAMPLES.get(known.sha256, ())]


def web(assistant: Answers, host: str = "127.0.0.1", examples: Sequence[str] | None = None) -> FastAPI:
    """The page as an ASGI application, to be served at `host`; `examples` are by default the `suggestions`."""
    app = FastAPI(title="Footnote", docs_url=None, redoc_url=None, openapi_url=None)
    app.add_middleware(Guard, hosts=LOOPBACK if host in LOOPBACK else None)
    style = (STATIC / "chat.css").read_text(encoding="utf-8")
    gr.mount_gradio_app(
        app,
        build(assistant, suggestions(assistant.index) if examples is None else examples),
        path="/",
        server_name=host,
        footer_links=[],
        ssr_mode=False,
        enable_monitoring=False,
        show_error=False,
        theme=gr.themes.Base(font=FONTS),
        head=f"<style>{style}</style>",  # not css=, which rewrites selectors and so their precedence
    )
    return app


async def serve(
    assistant: Answers, sock: socket.socket, open_browser: bool = False, examples: Sequence[str] | None = None
) -> None:
    """Serve the chat on a bound socket until a signal. Async because Gradio wants to be built in its event loop."""
    host, url = address(sock)
    if host not in LOOPBACK:
        print("Whoever can reach this machine's port can read the articles and ask them.", flush=True)
    app = web(assistant, host, examples)
    await Server(app, url, open_browser).serve(sockets=[sock])


def launch(
    assistant: Answers,
    host: str = "127.0.0.1",
    port: int = 7860,
    open_browser: bool = False,
    examples: Sequence[str] | None = None,
) -> None:
    """Serve the chat until it is interrupted; prints the address when the page is ready.

    `examples` are by default the `suggestions`. Raises FootnoteError where the port is in use; nothing is loaded
    before the port is ours.
    """
    with listen(host, port) as sock, suppress(KeyboardInterrupt):
        asyncio.run(serve(assistant, sock, open_browser, examples))
