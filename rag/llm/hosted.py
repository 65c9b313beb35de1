"""Models behind an address: OpenAI, servers of its format, Ollama, Anthropic.

Keys are read from the environment, handed to the client, and kept nowhere else. An SDK is loaded when a model is first
used.
"""

from __future__ import annotations

import importlib.util
import os
import re
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from typing import Any
from urllib.parse import urlsplit

from rag.llm.adapter import LLM, Adapter, Limits, timing
from rag.types import ModelError

FORMS = "none, embedded, openai/NAME, anthropic/NAME, ollama/NAME, openai-like/NAME@http://host:port/v1"
SEED = 7  # any fixed number: with temperature 0 the same prompt gives the same draft
OLLAMA_CONTEXT = 8192  # tokens; Ollama's own default cuts a prompt of ten passages without a word


def _openai(model: str, limits: Limits) -> Adapter:
    base = os.environ.get("OPENAI_BASE_URL") or "https://api.openai.com/v1"
    return _openai_shaped(f"openai/{model}", model, base, limits, "OPENAI_API_KEY", _key("openai", "OPENAI_API_KEY"))


def _openai_like(rest: str, limits: Limits) -> Adapter:
    match = re.fullmatch(r"(.+?)@(https?://[^\s@]+)", rest)
    if not match:
        raise bad_spec(f"openai-like/{rest}")
    # Without a key of its own it gets none: OPENAI_API_KEY is for OpenAI and goes nowhere else.
    key = os.environ.get("FOOTNOTE_API_KEY", "").strip()
    return _openai_shaped(f"openai-like/{rest}", match[1], match[2], limits, "FOOTNOTE_API_KEY", key)


def _openai_shaped(name: str, model: str, base: str, limits: Limits, key_name: str, key: str) -> Adapter:
    """Any server of the OpenAI chat format. OpenAILike, for it takes model names that it has no table of."""

    def chat(max_tokens: int) -> AbstractContextManager[Any]:
        return openai_chat(model, base, key, max_tokens, limits)

    return Adapter(name, _host(base), limits, chat, openai_ended, key_name, key)


@contextmanager
def openai_chat(
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

    with httpx.Client(**timing(limits), **http) as web:
        yield OpenAILike(
            model=model,
            # No retries here nor there: `Adapter` retries. The SDK refuses an empty key.
            openai_client=openai.OpenAI(api_key=key or "none", base_url=base, http_client=web, max_retries=0),
            max_retries=0,
            api_key="held by the client",  # else it looks for one in the environment
            is_chat_model=True,
            temperature=0.0,
            max_tokens=max_tokens,
            additional_kwargs={"seed": SEED, "stream_options": {"include_usage": True}, **(extra or {})},
        )


def openai_ended(raw: Any) -> bool:
    return any(choice.finish_reason for choice in raw.choices)


def _ollama(model: str, limits: Limits) -> Adapter:
    """A model of the Ollama server at $OLLAMA_HOST, by default this machine's."""

    @contextmanager
    def chat(max_tokens: int) -> Iterator[Any]:
        import ollama
        from llama_index.llms.ollama import Ollama

        options = {"seed": SEED, "num_predict": max_tokens}
        with ollama.Client(**timing(limits)) as client:
            yield Ollama(
                model=model,
                client=client,
                temperature=0.0,
                context_window=OLLAMA_CONTEXT,
                additional_kwargs=options,
            )

    base = os.environ.get("OLLAMA_HOST") or "127.0.0.1:11434"
    return Adapter(f"ollama/{model}", _host(base), limits, chat, _ollama_ended, "OLLAMA_API_KEY")


def _ollama_ended(raw: Any) -> bool:
    return bool(raw.get("done"))


def _anthropic(model: str, limits: Limits) -> Adapter:
    if not installed("llama_index.llms.anthropic"):
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
    return Adapter(f"anthropic/{model}", _host(base), limits, chat, _anthropic_ended, "ANTHROPIC_API_KEY", key)


def _anthropic_ended(raw: Any) -> bool:
    return bool(raw.get("type") == "message_delta")  # the one that brings the reason for stopping


OPENERS: dict[str, Callable[[str, Limits], LLM]] = {
    "openai": _openai,
    "openai-like": _openai_like,
    "ollama": _ollama,
    "anthropic": _anthropic,
}


def _key(provider: str, variable: str) -> str:
    key = os.environ.get(variable, "").strip()
    if not key:
        raise ModelError(f"{provider}/… needs a key: set {variable}, or answer without a model (--llm none).")
    return key


def _host(base: str) -> str:
    """Host and port of an address, without what could hold a password."""
    return urlsplit(base if "//" in base else f"//{base}").netloc.rpartition("@")[2]


def installed(package: str) -> bool:
    try:
        return importlib.util.find_spec(package) is not None
    except ModuleNotFoundError:  # its parent package is missing
        return False


def bad_spec(spec: str) -> ModelError:
    # An address could hold a password, so what follows the @ is not repeated.
    return ModelError(f"{spec.partition('@')[0]!r} does not name a model: use one of {FORMS}.")
