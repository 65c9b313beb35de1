"""One of LlamaIndex's LLM classes as an `LLM`: the time it may take, another try, errors told.

Their errors stop here and become `ModelError`.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, MutableMapping
from contextlib import AbstractContextManager, closing
from dataclasses import dataclass, field
from typing import Any, Protocol

from rag.llm.faults import MESSAGES, RETRIED, detail, fault_of
from rag.types import ModelError

MAX_TOKENS = 1024  # some ten cited sentences, and room for a model that thinks before it writes


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


@dataclass
class Adapter:
    """A model by its name, the host that runs it, and how a chat with it is opened."""

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
                fault = fault_of(exc)
                if begun or wait is None or fault not in RETRIED:
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
        return MESSAGES.get(fault, MESSAGES["other"]).format(
            name=self.name,
            host=self.host,
            key=self.key_name or "the key",
            silence=self.limits.silence,
            detail=detail(exc, self.secret),
        )


def timing(limits: Limits) -> dict[str, Any]:
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
