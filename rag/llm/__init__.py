"""The seam to language models: a prompt in, pieces of text out.

Knows nothing of passages, citations or answers. Every model is one of LlamaIndex's LLM classes behind `LLM`. Importing
this costs nothing.
"""

from __future__ import annotations

from rag.llm.adapter import LLM, Limits
from rag.llm.embedded import open_embedded
from rag.llm.hosted import OPENERS, bad_spec

__all__ = ["LLM", "Limits", "open_llm"]


def open_llm(spec: str, limits: Limits | None = None) -> LLM | None:
    """The model that `spec` names, None for `none`.

    Raises ModelError for a spec of another form, a missing key, or a package that is not installed. Servers
    are first called by `stream`.
    """
    kind, _, rest = spec.strip().partition("/")
    if kind == "none" and not rest:
        return None
    if kind == "embedded" and not rest:
        return open_embedded(limits or Limits())
    if kind in OPENERS and rest:
        return OPENERS[kind](rest, limits or Limits())
    raise bad_spec(spec)
