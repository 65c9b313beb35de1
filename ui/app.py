"""The chat: a Gradio page over an assistant, and the server that gives it out.

Decides what happens when; what things look like is render.py, static/chat.css and static/chat.js.
The only file that imports Gradio. Importing it takes about three seconds, so import it where it is used.
"""

from __future__ import annotations

import asyncio
import errno
import os
import socket
import webbrowser
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Any, Protocol
from urllib.parse import urlsplit

# Gradio reads these when it is imported or mounted. The first stops usage reports and the look for a newer
# version, the second the record of every call that it would keep in the browser.
os.environ["GRADIO_ANALYTICS_ENABLED"] = "False"
os.environ["GRADIO_RUN_HISTORY"] = "False"

import gradio as gr
import uvicorn
from fastapi import FastAPI
from starlette.datastructures import Headers, MutableHeaders
from starlette.responses import PlainTextResponse
from starlette.routing import Mount
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from index.types import Document, DocumentInfo, FootnoteError
from rag.types import Event
from ui import render
from ui.render import Place, Turn

STATIC = Path(__file__).parent / "static"

# The page may load from and talk to its own address only, whatever a document or a model wrote into it.
# Gradio's templates need inline scripts and eval; escaping, not this, is what keeps text from running.
HEADERS = {
    "Content-Security-Policy": "default-src 'self'; script-src 'self' 'unsafe-inline' 'unsafe-eval'; "
    "style-src 'self' 'unsafe-inline'; img-src 'self' data: blob:; font-src 'self' data:; object-src 'none'; "
    "base-uri 'self'; form-action 'self'; frame-ancestors 'self'",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
}
LOOPBACK = frozenset({"127.0.0.1", "localhost", "::1"})

# An answer that a model is still writing is not waited for longer when the server is stopped.
STOP_SECONDS = 1

# Questions to start from, by the sha256 of the file they are about: the article that comes with the project.
EXAMPLES = {
    "19b33967ef230432ec81510386ecc30c98e38fd3cb61c1b0470f905d0ba512b1": (
        "Why does Khamenei think that talks with Trump are futile?",
        "Who handed Trump’s letter to the Iranian foreign minister?",
        "When was the maximum pressure campaign first launched?",
        "What did Pezeshkian say about relations with the world?",
        "What did Trump’s letter say?",
    ),
}

# Fonts of the reader's own system: Gradio's themes otherwise load theirs.
SERIF = ["Iowan Old Style", "Charter", "Palatino Linotype", "Georgia", "serif"]
MONO = ["ui-monospace", "Menlo", "Consolas", "monospace"]


class Shelf(Protocol):
    """What the page needs of an index."""

    def documents(self) -> list[DocumentInfo]: ...
    def document(self, doc_id: str) -> Document: ...


class Answers(Protocol):
    """What the page needs of an assistant; `rag.Assistant` is one."""

    @property
    def index(self) -> Shelf: ...
    def stream(self, question: str, history: Sequence[tuple[str, str]] = ()) -> Iterator[Event]: ...


def build(assistant: Answers, examples: Sequence[str] = ()) -> gr.Blocks:
    """The page. `examples` are questions offered before the first one is asked."""
    script = (STATIC / "chat.js").read_text(encoding="utf-8")

    def part(name: str, value: str = "") -> gr.HTML:
        return gr.HTML(value, js_on_load=script, apply_default_css=False, elem_id=name)

    with gr.Blocks(title="Footnote", analytics_enabled=False, fill_width=True) as page:
        turns = gr.State([])
        with gr.Row(elem_id="desk"):
            with gr.Column(elem_id="talk"):
                head = part("head", render.head())
                with gr.Column(elem_id="pages"):
                    log, current = part("log", render.welcome(examples)), part("current")
                box = gr.Textbox(
                    placeholder="Ask your articles", label="Your question", show_label=False, container=False,
                    lines=1, max_lines=5, submit_btn="Ask", autofocus=True, elem_id="box",
                )  # fmt: skip
            with gr.Column(elem_id="reading"):
                article = part("article")
        _wire(assistant, examples, page, turns, head, log, current, box, article)
    return page


def _wire(
    assistant: Answers,
    examples: Sequence[str],
    page: gr.Blocks,
    turns: gr.State,
    head: gr.HTML,
    log: gr.HTML,
    current: gr.HTML,
    box: gr.Textbox,
    article: gr.HTML,
) -> None:
    """What each event of the page does. All of it is the page's own: no endpoint is public."""

    def ask(question: str, before: list[Turn]) -> Iterator[Any]:
        yield from _ask(assistant, question, before)

    def ask_example(before: list[Turn], event: gr.EventData) -> Iterator[Any]:
        yield from _ask(assistant, str(event.question), before)

    def open_place(event: gr.EventData) -> str:
        return _open(assistant.index, event._data)

    def begin() -> tuple[list[Turn], str, str, str]:
        return [], render.welcome(examples), "", ""

    answers: dict[str, Any] = {
        "outputs": [turns, log, current, box],
        "show_progress": "hidden",
        "api_visibility": "private",
        "trigger_mode": "once",
    }
    quiet: dict[str, Any] = {"show_progress": "hidden", "api_visibility": "private", "queue": False}
    box.submit(ask, [box, turns], **answers)
    log.select(ask_example, [turns], **answers)
    head.clear(begin, None, [turns, log, current, box], **quiet)
    for part in (log, current, article):
        part.click(open_place, None, article, **quiet)
    page.load(lambda: _first(assistant.index), None, article, **quiet)


def _ask(assistant: Answers, question: str, before: list[Turn]) -> Iterator[tuple[Any, Any, str, Any]]:
    """Values of (turns, log, current, box) as an answer grows.

    The finished turns are sent once; each further event carries the current turn alone.
    """
    same = gr.skip()
    turn = Turn(question)
    yield same, render.log(before), render.turn(turn), ""
    try:
        for event in assistant.stream(question, _history(before)):
            turn = turn.after(event)
            yield same, same, render.turn(turn), same
    except FootnoteError as exc:
        turn = replace(turn, error=str(exc))
    except Exception as exc:  # a fault of ours must end the turn where the reader sees it, not hang it
        text = f"Footnote failed ({type(exc).__name__}). The terminal it runs in shows the details."
        yield same, same, render.turn(replace(turn, error=text)), same
        raise
    yield [*before, turn], same, render.turn(turn), same


def _history(turns: Sequence[Turn]) -> list[tuple[str, str]]:
    return [(turn.question, turn.answer.text) for turn in turns if turn.answer]


def _open(index: Shelf, place: dict[str, Any]) -> str:
    """The article that was asked for by a click: `doc`, and for a place `start`, `end`, `quote`, `cited`."""
    documents = index.documents()
    try:
        document = index.document(str(place.get("doc", "")))
    except FootnoteError as exc:
        return render.article(documents, notice=str(exc))
    if "quote" not in place:
        return render.article(documents, document)
    span = Place(int(place["start"]), int(place["end"]), str(place["quote"]), place.get("cited") != "0")
    return render.article(documents, document, span)


def _first(index: Shelf) -> str:
    """What lies open when the page does: the only article, or the list of them."""
    documents = index.documents()
    return _open(index, {"doc": documents[0].doc_id}) if len(documents) == 1 else render.article(documents)


def suggestions(index: Shelf) -> list[str]:
    """The questions of `EXAMPLES` that are about articles of this index."""
    return [question for known in index.documents() for question in EXAMPLES.get(known.sha256, ())]


class _Guard:
    """ASGI middleware: says with every response what the page may load, and answers to `hosts` only.

    Without the second, a web site could point a name of its own at this machine and read the articles from
    the browser (DNS rebinding). `hosts` is None where the server is open to a network: any name may be right.
    """

    def __init__(self, app: ASGIApp, hosts: frozenset[str] | None) -> None:
        self.app, self.hosts = app, hosts

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        async def send_with(message: Message) -> None:
            if message["type"] == "http.response.start":
                MutableHeaders(scope=message).update(HEADERS)
            await send(message)

        asked = urlsplit("//" + Headers(scope=scope).get("host", "")).hostname if scope["type"] == "http" else None
        if asked and self.hosts and asked not in self.hosts:
            await PlainTextResponse(f"This is not {asked}.", 421)(scope, receive, send)
        else:
            await self.app(scope, receive, send_with)


def web(assistant: Answers, host: str = "127.0.0.1", examples: Sequence[str] | None = None) -> FastAPI:
    """The page as an ASGI application, to be served at `host`; `examples` are by default the `suggestions`."""
    app = FastAPI(title="Footnote", docs_url=None, redoc_url=None, openapi_url=None)
    app.add_middleware(_Guard, hosts=LOOPBACK if host in LOOPBACK else None)
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
        theme=gr.themes.Base(font=SERIF, font_mono=MONO),
        head=f"<style>{style}</style>",  # not css=, which rewrites selectors and so their precedence
    )
    return app


def listen(host: str, port: int) -> socket.socket:
    """A bound socket, so that the port cannot be lost between looking and serving.

    Raises FootnoteError where the port is in use or the address cannot be had.
    """
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    sock = socket.socket(family, socket.SOCK_STREAM)
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        sock.bind((host, port))
    except (OSError, OverflowError) as exc:
        sock.close()
        raise FootnoteError(_no_port(host, port, exc)) from exc
    return sock


def _no_port(host: str, port: int, exc: OSError | OverflowError) -> str:
    if isinstance(exc, OSError) and exc.errno == errno.EADDRINUSE:
        return f"Port {port} of {host} is in use. Stop the program that uses it, or choose another with --port."
    return f"Cannot serve at {host}, port {port}: {exc}. Choose others with --host and --port."


class Server(uvicorn.Server):
    """Uvicorn that says when the page can be opened, and stops though pages are open."""

    def __init__(self, app: FastAPI, url: str, open_browser: bool = False) -> None:
        super().__init__(uvicorn.Config(app, log_level="warning", ws="none", timeout_graceful_shutdown=STOP_SECONDS))
        self.app, self.url, self.open_browser = app, url, open_browser

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets=sockets)
        print(f"Footnote is open at {self.url} (Ctrl-C stops it)", flush=True)
        if self.open_browser:
            webbrowser.open(self.url)

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        for route in self.app.routes:
            if isinstance(route, Mount) and isinstance(route.app, gr.routes.App):
                route.app.stop_event.set()  # ends the stream that Gradio keeps open to every page
        await super().shutdown(sockets=sockets)


async def serve(
    assistant: Answers, sock: socket.socket, open_browser: bool = False, examples: Sequence[str] | None = None
) -> None:
    """Serve the chat on a bound socket until a signal. Async because Gradio wants to be built in its event loop."""
    host, port = sock.getsockname()[:2]
    url = f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"
    if host not in LOOPBACK:
        print("Whoever can reach this machine's port can read the articles and ask them.", flush=True)
    await Server(web(assistant, host, examples), url, open_browser).serve(sockets=[sock])


def launch(
    assistant: Answers,
    host: str = "127.0.0.1",
    port: int = 7860,
    open_browser: bool = False,
    examples: Sequence[str] | None = None,
) -> None:
    """Serve the chat until it is interrupted; prints the address when the page is ready.

    Raises FootnoteError where the port is in use. Nothing is loaded before the port is ours.
    """
    with listen(host, port) as sock, suppress(KeyboardInterrupt):
        asyncio.run(serve(assistant, sock, open_browser, examples))
