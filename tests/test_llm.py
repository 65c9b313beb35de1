"""The seam to language models: one contract for all, and what each fault becomes."""

from __future__ import annotations

import json
import logging
import subprocess
import sys
import threading
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest

import rag.llm.embedded
import rag.llm.hosted
from rag.llm import LLM, Limits, open_llm
from rag.types import ModelError
from tests.fakes import FakeLLM

QUICK = Limits(connect=1.0, silence=0.3, total=1.0, backoff=(0.01, 0.01))
KEY = "sk-a-secret-that-nobody-may-see"

Reply = Callable[["Handler"], None]


class Handler(BaseHTTPRequestHandler):
    """Plays the server's replies in order, the last one again and again; keeps what it was asked."""

    protocol_version = "HTTP/1.1"
    server: Wire

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        self.server.asked.append((self.path, dict(self.headers), json.loads(body)))
        replies = self.server.replies
        (replies.pop(0) if len(replies) > 1 else replies[0])(self)

    def log_message(self, format: str, *args: Any) -> None:
        pass

    def send(self, status: int, body: str, kind: str = "application/json") -> None:
        self.send_response(status)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(body.encode())))
        self.end_headers()
        self.wfile.write(body.encode())

    def chunks(self, parts: Iterator[str] | list[str], kind: str, end: bool = True) -> None:
        self.send_response(200)
        self.send_header("Content-Type", kind)
        self.send_header("Transfer-Encoding", "chunked")
        self.end_headers()
        for part in parts:
            self.wfile.write(f"{len(part.encode()):x}\r\n{part}\r\n".encode())
            self.wfile.flush()
        if end:
            self.wfile.write(b"0\r\n\r\n")
        else:
            self.close_connection = True


class Wire(ThreadingHTTPServer):
    """A server on a loopback port whose replies a test writes."""

    daemon_threads = True

    def __init__(self, *replies: Reply) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.replies = list(replies)
        self.asked: list[tuple[str, dict[str, str], dict[str, Any]]] = []
        self.closing = threading.Event()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}"

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A client that hangs up early is what some tests do."""


@contextmanager
def wire(*replies: Reply) -> Iterator[Wire]:
    server = Wire(*replies)
    thread = threading.Thread(target=server.serve_forever, args=(0.01,))
    thread.start()
    try:
        yield server
    finally:
        server.closing.set()
        server.shutdown()
        thread.join()
        server.server_close()


def sse(text: str = "", finish: str | None = None, **more: Any) -> str:
    choice = {"index": 0, "delta": {"content": text} if text else {}, "finish_reason": finish}
    event = {"id": "1", "object": "chat.completion.chunk", "created": 1, "model": "m", "choices": [choice], **more}
    return f"data: {json.dumps(event)}\n\n"


def openai_says(*texts: str, finish: str | None = "stop") -> Reply:
    counts = {"prompt_tokens": 11, "completion_tokens": 2, "total_tokens": 13}
    events = [*map(sse, texts), *([sse("", finish)] if finish else []), sse("", None, usage=counts)]
    return lambda handler: handler.chunks([*events, "data: [DONE]\n\n"], "text/event-stream")


def ollama_line(text: str, done: bool = False, **more: Any) -> str:
    line = {"model": "m", "created_at": "2025-03-12T00:00:00Z", "message": {"role": "assistant", "content": text}}
    return json.dumps({**line, "done": done, **more}) + "\n"


def ollama_says(*texts: str, done: bool = True) -> Reply:
    end = [ollama_line("", True, prompt_eval_count=11, eval_count=2)] if done else []
    return lambda handler: handler.chunks([*map(ollama_line, texts), *end], "application/x-ndjson")


def fails(status: int, message: str = "no") -> Reply:
    return lambda handler: handler.send(status, json.dumps({"error": {"message": message}}))


def cut(*parts: str) -> Reply:
    return lambda handler: handler.chunks(list(parts), "text/event-stream", end=False)


def hangs(handler: Handler) -> None:
    handler.server.closing.wait(5)
    handler.close_connection = True


def pings(handler: Handler) -> None:
    """Keep-alive comments and no token, as some gateways send while they wait."""

    def comments() -> Iterator[str]:
        while not handler.server.closing.wait(0.05):
            yield ": waiting\n\n"

    handler.chunks(comments(), "text/event-stream")


def openai_like(server: Wire, limits: Limits = QUICK) -> LLM:
    llm = open_llm(f"openai-like/m@{server.url}/v1", limits)
    assert llm
    return llm


def ask(llm: LLM, **more: Any) -> str:
    return "".join(llm.stream("Be brief.", "Who are you?", **more))


def fault(llm: LLM) -> str:
    with pytest.raises(ModelError) as caught:
        ask(llm)
    return str(caught.value)


# --- one contract, every implementation ----------------------------------------------------------------------


@pytest.fixture(scope="module")
def llama_server() -> Iterator[str]:
    """A real OpenAI-compatible server: llama.cpp with the small model."""
    import xllamacpp

    params = xllamacpp.CommonParams()
    params.model.path = str(rag.llm.embedded._weights())
    params.n_ctx, params.n_parallel, params.verbosity = 512, 1, -1
    params.cpuparams.n_threads = params.cpuparams_batch.n_threads = 1
    server = xllamacpp.Server(params)
    yield server.listening_address
    del server


@pytest.fixture
def ollama_server(monkeypatch: pytest.MonkeyPatch) -> Iterator[Wire]:
    with wire(ollama_says("I am ", "a model.")) as server:
        monkeypatch.setenv("OLLAMA_HOST", server.url)
        yield server


@pytest.fixture(params=["fake", "embedded", "openai-like", "ollama"])
def llm(request: pytest.FixtureRequest) -> LLM:
    if request.param == "fake":
        return FakeLLM("I am a model.")
    if request.param == "ollama":
        request.getfixturevalue("ollama_server")
        spec = "ollama/m"
    elif request.param == "openai-like":
        spec = f"openai-like/m@{request.getfixturevalue('llama_server')}/v1"
    else:
        spec = "embedded"
    found = open_llm(spec)
    assert found
    return found


def test_contract_streams_pieces_the_same_each_time(llm: LLM) -> None:
    pieces = list(llm.stream("Be brief.", "Who are you?", max_tokens=8))
    assert len(pieces) > 1
    assert all(pieces)
    assert "".join(pieces) == ask(llm, max_tokens=8)


def test_contract_may_be_left_in_the_middle(llm: LLM) -> None:
    stream = llm.stream("Be brief.", "Who are you?", max_tokens=8)
    assert next(stream)
    stream.close()  # type: ignore[attr-defined]
    assert ask(llm, max_tokens=8)


def test_contract_serves_two_threads(llm: LLM) -> None:
    alone = ask(llm, max_tokens=6)
    answers: list[str] = []
    threads = [threading.Thread(target=lambda: answers.append(ask(llm, max_tokens=6))) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert answers == [alone, alone]


# --- specs ---------------------------------------------------------------------------------------------------


def test_none_is_no_model() -> None:
    assert open_llm("none") is None


@pytest.mark.parametrize(
    "spec", ["", "gpt-4", "openai", "openai/", "none/x", "embedded/x", "openai-like/m", "openai-like/m@ftp://h/v1"]
)
def test_a_bad_spec_names_the_accepted_forms(spec: str) -> None:
    with pytest.raises(ModelError, match="openai-like/NAME@http://host:port/v1"):
        open_llm(spec)


def test_a_password_in_an_address_is_refused_and_not_repeated() -> None:
    with pytest.raises(ModelError) as caught:
        open_llm("openai-like/m@http://me:hunter2@host/v1")
    assert "hunter2" not in str(caught.value)


@pytest.mark.parametrize(("spec", "variable"), [("openai/gpt-5", "OPENAI_API_KEY")])
def test_a_missing_key_names_its_variable(spec: str, variable: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(variable, raising=False)
    with pytest.raises(ModelError, match=variable):
        open_llm(spec)


def test_a_missing_package_names_the_command(monkeypatch: pytest.MonkeyPatch) -> None:
    for module in (rag.llm.hosted, rag.llm.embedded):
        monkeypatch.setattr(module, "installed", lambda package: False)
    with pytest.raises(ModelError, match=r"pip install 'footnote-qa\[anthropic\]'"):
        open_llm("anthropic/claude-sonnet-5")
    with pytest.raises(ModelError, match="make install"):
        open_llm("embedded")


def test_weights_that_cannot_be_read_are_a_model_error(tmp_path: Any) -> None:
    broken = tmp_path / "broken.gguf"
    broken.write_bytes(b"GGUF but no model")
    with pytest.raises(ModelError, match="make install"):
        rag.llm.embedded._load(broken, "key")


# --- what is sent, and what is not ---------------------------------------------------------------------------


def test_usage_is_what_the_server_counted(ollama_server: Wire) -> None:
    with wire(openai_says("Hello")) as openai_server:
        for llm in (openai_like(openai_server), open_llm("ollama/m", QUICK)):
            usage: dict[str, int] = {}
            assert llm
            ask(llm, usage=usage)
            assert usage == {"prompt_tokens": 11, "completion_tokens": 2}


def test_requests_are_deterministic_and_bounded(ollama_server: Wire) -> None:
    llm = open_llm("ollama/m", QUICK)
    assert llm
    ask(llm, max_tokens=33)
    path, _, body = ollama_server.asked[0]
    assert path == "/api/chat"
    assert body["options"] == {"temperature": 0.0, "num_ctx": 8192, "seed": 7, "num_predict": 33}
    with wire(openai_says("Hello")) as server:
        ask(openai_like(server), max_tokens=33)
        path, _, body = server.asked[0]
    assert path == "/v1/chat/completions"
    assert (body["temperature"], body["seed"], body["max_tokens"], body["model"]) == (0.0, 7, 33, "m")
    assert [message["role"] for message in body["messages"]] == ["system", "user"]


def test_the_key_of_openai_goes_to_no_other_server(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", KEY)
    with wire(openai_says("Hello")) as server:
        ask(openai_like(server))
        assert KEY not in str(server.asked)
        monkeypatch.setenv("FOOTNOTE_API_KEY", "mine")
        ask(openai_like(server))
        assert server.asked[1][1]["Authorization"] == "Bearer mine"


def test_openai_sends_its_key_to_its_address(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", KEY)
    with wire(openai_says("Hel", "lo")) as server:
        monkeypatch.setenv("OPENAI_BASE_URL", f"{server.url}/v1")
        llm = open_llm("openai/gpt-of-next-year", QUICK)
        assert llm
        assert ask(llm) == "Hello"
        assert server.asked[0][1]["Authorization"] == f"Bearer {KEY}"


@pytest.mark.parametrize("status", [401, 400, 500])
def test_the_key_is_in_no_message_repr_or_log(
    status: int, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setenv("FOOTNOTE_API_KEY", KEY)
    caplog.set_level(logging.DEBUG)
    with wire(fails(status, f"bad {chr(120) * 140} key {KEY}")) as server:
        llm = openai_like(server)
        message = fault(llm)
        assert f"Bearer {KEY}" in str(server.asked)
    assert KEY not in message
    assert KEY not in repr(llm)
    assert f"Bearer {KEY}" not in caplog.text


# --- faults --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("replies", "told", "calls"),
    [
        ([fails(401)], "FOOTNOTE_API_KEY", 1),
        ([fails(404, "no model m")], "no model m", 1),
        ([fails(400, "too many tokens")], "too many tokens", 1),
        ([fails(429)], "limits the rate", 3),
        ([fails(500, "out of memory")], "out of memory", 3),
        ([hangs], "did not answer in time", 1),
        ([pings], "did not answer in time", 1),
        ([lambda handler: handler.send(200, "<html>Welcome</html>", "text/html")], "sent no text", 1),
        ([cut("data: {this is not JSON\n\n")], "cannot be read", 1),
        ([cut(sse("Half an ans"))], "broke off", 1),
        ([openai_says("Half an ans", finish=None)], "broke off", 1),
        ([openai_says()], "sent no text", 1),
    ],
    ids=["401", "404", "400", "429", "500", "hangs", "pings", "html", "garbage", "cut", "no-end", "empty"],
)
def test_openai_faults(replies: list[Reply], told: str, calls: int) -> None:
    with wire(*replies) as server:
        assert told in fault(openai_like(server))
        assert len(server.asked) == calls


@pytest.mark.parametrize(
    ("replies", "told", "calls"),
    [
        ([lambda handler: handler.send(404, '{"error": "model \'m\' not found"}')], "model 'm' not found", 1),
        ([lambda handler: handler.send(503, "busy")], "busy", 3),
        ([hangs], "did not answer in time", 1),
        ([lambda handler: handler.send(200, "<html>Welcome</html>", "text/html")], "cannot be read", 1),
        ([cut(ollama_line("Half an ans"))], "broke off", 1),
        ([ollama_says("Half an ans", done=False)], "broke off", 1),
        ([cut(ollama_line("Half"), '{"error": "out of memory"}\n')], "broke off", 1),
    ],
    ids=["404", "503", "hangs", "html", "cut", "no-end", "error-in-stream"],
)
def test_ollama_faults(replies: list[Reply], told: str, calls: int, monkeypatch: pytest.MonkeyPatch) -> None:
    with wire(*replies) as server:
        monkeypatch.setenv("OLLAMA_HOST", server.url)
        llm = open_llm("ollama/m", QUICK)
        assert llm
        assert told in fault(llm)
        assert len(server.asked) == calls


@pytest.mark.parametrize("first", [fails(429), fails(503), lambda handler: handler.finish()])
def test_a_passing_fault_is_tried_again(first: Reply) -> None:
    with wire(first, openai_says("Hello")) as server:
        assert ask(openai_like(server)) == "Hello"
        assert len(server.asked) == 2


def test_an_answer_that_has_begun_is_never_begun_again() -> None:
    with wire(cut(sse("Half")), openai_says("Hello")) as server:
        stream = openai_like(server).stream("", "Who?")
        assert next(stream) == "Half"
        with pytest.raises(ModelError, match="broke off"):
            next(stream)
        assert len(server.asked) == 1


@pytest.mark.parametrize("kind", ["openai-like", "ollama"])
def test_a_server_that_is_not_there(kind: str, monkeypatch: pytest.MonkeyPatch) -> None:
    with wire(fails(500)) as server:
        url = server.url
    monkeypatch.setenv("OLLAMA_HOST", url)
    llm = open_llm(f"openai-like/m@{url}/v1" if kind == "openai-like" else "ollama/m", QUICK)
    assert llm
    message = fault(llm)
    assert "nothing answers at 127.0.0.1" in message


def test_the_embedded_model_is_asked_for_one_line_that_hangs_on_nothing_asked_before(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    with wire(openai_says("One line.")) as server:
        monkeypatch.setattr(rag.llm.embedded, "_serve", lambda weights: (f"{server.url}/v1", "its key"))
        llm = open_llm("embedded", QUICK)
        assert llm
        ask(llm)
        _, headers, body = server.asked[0]
    assert (body["cache_prompt"], body["stop"], body["max_tokens"]) == (False, ["\n"], 96)
    assert headers["Authorization"] == "Bearer its key"


def test_no_other_program_can_use_the_embedded_model() -> None:
    address, _ = rag.llm.embedded._serve(rag.llm.embedded._weights())
    request = urllib.request.Request(f"{address}/chat/completions", b'{"messages": []}')
    with pytest.raises(urllib.error.HTTPError, match="401") as caught:
        urllib.request.urlopen(request, timeout=5)
    caught.value.close()


def test_a_prompt_over_the_context_of_the_embedded_model_is_told() -> None:
    llm = open_llm("embedded")
    assert llm
    with pytest.raises(ModelError, match="context"):
        list(llm.stream("", "word " * 6000))


def test_the_interpreter_ends_cleanly_while_the_embedded_model_writes() -> None:
    code = (
        "from rag.llm import open_llm; import threading\n"
        "llm = open_llm('embedded')\n"
        "first = next(llm.stream('', 'Count to a hundred.'))\n"
        "threading.Thread(target=lambda: list(llm.stream('', 'Tell a story.')), daemon=True).start()\n"
        "print('done')"
    )
    done = subprocess.run([sys.executable, "-W", "error", "-c", code], capture_output=True, text=True, timeout=60)
    assert (done.returncode, done.stdout, done.stderr) == (0, "done\n", "")
