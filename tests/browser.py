"""What the page tests share: an assistant one can work out by hand, the page on a free port, and a browser."""

from __future__ import annotations

import asyncio
import json
import shutil
import socket
import tempfile
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from hashlib import sha256
from typing import Any

import pytest
from selenium import webdriver
from selenium.webdriver.chrome.service import Service

from index.types import Chunk, Document, DocumentInfo, NotFoundError
from rag.types import Answer, Citation, Dropped, Event, Found, Outcome, Passage, QuestionError, Sentence
from ui.app import Answers, web
from ui.server import Server, address, listen

# No first-run pages, updates or look-ups: what a page asks for is then what the page itself asks for.
FLAGS = (
    "--headless=new", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run",
    "--disable-background-networking", "--disable-component-update", "--disable-sync",
)  # fmt: skip


# Texts that would run, load or break out of an attribute if they were not escaped. Each one tries to set the
# title to "owned", to make an element of its own, or to leave the text it stands in.
PAYLOADS = (
    "<script>document.title='owned'</script>",
    "<img src=x onerror=\"document.title='owned'\">",
    "<svg/onload=document.title='owned'>",
    '"><iframe srcdoc="<script>parent.document.title=\'owned\'</script>"></iframe>',
    "' autofocus onfocus=document.title='owned' x='",
    '" onmouseover="document.title=\'owned\'" x="',
    "</button></p></article><b class=made>out</b>",
    "</style><style>*{display:none}</style>",
    "</textarea></select></option></title><b class=made>out</b>",
    "<math><mtext><style><img src=x onerror=document.title='owned'></style></mtext></math>",
    "<details open ontoggle=document.title='owned'><summary>x</summary></details>",
    "<a href=javascript:document.title='owned'>x</a>",
    "<!--><img src=x onerror=document.title='owned'>-->",
    "&lt;img src=x onerror=document.title='owned'&gt;",
    "&#60;script&#62;document.title='owned'&#60;/script&#62;",
    "${document.title='owned'}",
    "`+(document.title='owned')+`",
    "{{constructor.constructor('document.title=1')()}}{{#each this}}",
    "<base href=//attacker.invalid/><link rel=stylesheet href=//attacker.invalid/x.css>",
    "<form action=//attacker.invalid><input name=q><button>Ask</button></form>",
)


def make_document(doc_id: str, title: str, text: str, source: str = "lamps.txt") -> Document:
    return Document(doc_id, title, text, source, sha256(text.encode()).hexdigest())


LAMPS = make_document(
    "lamps",
    "The lamps of Bergen",
    "Gas lamps came to Bergen in 1856. 🔥 They burned until midnight.\r\n\r\n\r\n"
    "In 1900 the town bought a generator. The last gas lamp went out in 1914.\n\n"
    "Nobody wrote down who put it out.",
)


# Characters of a question that the fake assistant reads.
LONGEST = 200


class FakeShelf:
    def __init__(self, documents: Sequence[Document]) -> None:
        self.by_id = {d.id: d for d in documents}

    def documents(self) -> list[DocumentInfo]:
        return [DocumentInfo(d.id, d.title, d.source, d.sha256, 1) for d in self.by_id.values()]

    def document(self, doc_id: str) -> Document:
        if doc_id not in self.by_id:
            raise NotFoundError(f"No document {doc_id}. `footnote list` shows what there is.")
        return self.by_id[doc_id]


class FakeAssistant:
    """Answers with every sentence of the first document that holds the question's last word, else not_found.

    A question with `wait` in it waits before its last event until the gate is set. Keeps the questions and the
    histories it was given.
    """

    def __init__(
        self,
        documents: Sequence[Document] = (LAMPS,),
        dropped: Sequence[Dropped] = (),
    ) -> None:
        self.index, self.dropped, self.gate = FakeShelf(documents), tuple(dropped), threading.Event()
        self.questions: list[str] = []
        self.histories: list[list[tuple[str, str]]] = []

    def stream(self, question: str, history: Sequence[tuple[str, str]] = ()) -> Iterator[Event]:
        self.questions.append(question)
        self.histories.append(list(history))
        if len(question) > LONGEST:
            raise QuestionError("The question is too long <b>here</b>. Shorten it.")
        document = next(iter(self.index.by_id.values()))
        chunk = Chunk("c", document.id, 0, len(document.text), document.text)
        passages = (Passage(chunk, document.title, document.source, 1.0, 1),)
        yield Found(passages)
        said = _sentences_with(document, question.split()[-1].strip("?"))
        for text, cited in said:
            yield Sentence(text, (cited,))
        yield from self.dropped
        if "wait" in question:
            assert self.gate.wait(20)
        yield _answer(question, said, passages, self.dropped)


def _sentences_with(document: Document, word: str) -> list[tuple[str, Citation]]:
    found: list[tuple[str, Citation]] = []
    start = at = 0
    for line in document.text.splitlines(keepends=True):
        for piece in line.replace(". ", ".\0 ").split("\0"):
            quote = piece.strip()
            if word in quote:
                begin = start + piece.index(quote)
                text = f"{quote} [{len(found) + 1}]"
                cited = Citation(len(found) + 1, document.id, document.title, document.source, begin,
                                 begin + len(quote), quote, at, at + len(text))  # fmt: skip
                found.append((text, cited))
                at += len(text) + 1
            start += len(piece)
    return found


def _answer(
    question: str,
    said: Sequence[tuple[str, Citation]],
    passages: tuple[Passage, ...],
    dropped: tuple[Dropped, ...],
) -> Answer:
    text = " ".join(text for text, _ in said) or "The articles do not say."
    cited = tuple(c for _, c in said)
    outcome: Outcome = "answered" if said else "not_found"
    return Answer(question, outcome, text, "", 0.87 if said else 0.1, cited, passages, dropped, {}, {"total": 0.12})


@contextmanager
def serving(assistant: Answers, examples: Sequence[str] | None = None, port: int = 0) -> Iterator[str]:
    """The page on a loopback port, a free one where none is given; yields its address."""
    servers: list[Server] = []

    async def serve(sock: socket.socket) -> None:
        app = web(assistant, examples=examples)
        servers.append(Server(app, address(sock)[1]))
        await servers[0].serve(sockets=[sock])

    with listen("127.0.0.1", port) as sock:
        thread = threading.Thread(target=lambda: asyncio.run(serve(sock)))
        thread.start()
        try:
            wait_for(lambda: servers and servers[0].started)
            yield address(sock)[1]
        finally:
            servers[0].should_exit = True
            thread.join(10)
    assert not thread.is_alive(), "the server does not stop"


def wait_for(condition: Any, seconds: float = 15) -> Any:
    """The first true value of `condition()`; fails after `seconds`."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if value := condition():
            return value
        time.sleep(0.03)
    raise AssertionError(f"not within {seconds} s: {condition}")


@contextmanager
def chromium(width: int = 1280, height: int = 800, dark: bool = False) -> Iterator[webdriver.Chrome]:
    """The machine's Chromium without a window, with a profile of its own, its network log kept.

    Fails the test where there is none: `make test` installs it.
    """
    binary, control = shutil.which("chromium") or shutil.which("google-chrome"), shutil.which("chromedriver")
    if not binary or not control:
        pytest.fail("needs a browser; on Debian: apt-get install chromium chromium-driver")
    options = webdriver.ChromeOptions()
    options.binary_location = binary
    options.set_capability("goog:loggingPrefs", {"performance": "ALL", "browser": "ALL"})
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as profile:
        for flag in (*FLAGS, f"--user-data-dir={profile}"):
            options.add_argument(flag)
        driver = webdriver.Chrome(options, Service(executable_path=control))
        try:
            size = {"width": width, "height": height, "deviceScaleFactor": 1, "mobile": False}
            driver.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", size)
            media = {"prefers-color-scheme": "dark" if dark else "light", "prefers-reduced-motion": "reduce"}
            features = [{"name": name, "value": value} for name, value in media.items()]
            driver.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": features})
            yield driver
        finally:
            driver.quit()


def requested(driver: webdriver.Chrome) -> list[str]:
    """Every address that pages asked of a network so far (not `data:` and the browser's own `chrome:`).

    Reading it empties the log.
    """
    urls = []
    entries: list[dict[str, Any]] = driver.get_log("performance")  # type: ignore[no-untyped-call]
    for entry in entries:
        message = json.loads(entry["message"])["message"]
        if message["method"] == "Network.requestWillBeSent":
            urls.append(message["params"]["request"]["url"])
        elif message["method"] == "Network.webSocketCreated":
            urls.append(message["params"]["url"])
    return [url for url in urls if url.startswith(("http:", "https:", "ws:", "wss:"))]
